/** A format: how a request becomes the bytes a quorum signs, and how the signature becomes a file. Two pure functions; every signer runs the first for itself. */
import { encodeEnvelope, preAuthEncoding } from '../../verifier/dsse.ts';
import { encodeCanonicalJson } from '../../verifier/json.ts';
import type { Epoch } from '../epoch.ts';
import type { Request, RequestKind } from '../request.ts';

/** Everything the signed bytes may depend on. */
export interface FormatInput {
  readonly epoch: Epoch;
  readonly request: Request;
  /** All bytes of each document, in the request's order. */
  readonly documents: readonly Uint8Array[];
  /** 64-byte signatures of earlier stages of the same round. */
  readonly earlier: readonly Uint8Array[];
}

export interface Prepared {
  /** What FROST signs. */
  readonly message: Uint8Array;
  /** What `finish` needs besides the signature. */
  readonly state: FormatState;
}

/** Every format so far ends in a DSSE envelope. */
export interface FormatState {
  readonly payloadType: string;
  readonly payload: Uint8Array;
}

export interface Format {
  readonly name: string;
  /** The one kind of request this format signs. */
  readonly kind: RequestKind;
  /** Throws `ProtocolError` for documents that are not of the kind or that this group's quorum must not sign. */
  prepare(input: FormatInput): Prepared;
  /** The finished file. */
  finish(state: FormatState, signature: Uint8Array): Uint8Array;
}

/** A format whose message is the DSSE pre-authentication encoding of one payload; keyid is empty, as a quorum's always is. */
export function dsseFormat(
  name: string,
  kind: RequestKind,
  payloadType: string,
  payloadOf: (input: FormatInput) => Uint8Array,
): Format {
  return {
    name,
    kind,
    prepare: (input) => {
      const payload = payloadOf(input);
      return { message: preAuthEncoding(payloadType, payload), state: { payloadType, payload } };
    },
    finish: ({ payload }, signature) => encodeCanonicalJson(encodeEnvelope(payloadType, payload, '', signature)),
  };
}
