/** A format: how a request becomes the bytes a quorum signs, and how the signature becomes a file. Pure functions; every signer runs the first for itself. */
import { encodeEnvelope, preAuthEncoding } from '../../verifier/dsse.ts';
import { encodeCanonicalJson } from '../../verifier/json.ts';
import type { Epoch } from '../ceremony/epoch.ts';
import type { Request, RequestKind } from '../request/request.ts';

/** Everything the signed bytes may depend on. */
export interface FormatInput {
  readonly epoch: Epoch;
  readonly request: Request;
  /** All bytes of each document, in the request's order. */
  readonly documents: readonly Uint8Array[];
}

/** What one format signs for one request. */
export interface Prepared {
  /** What FROST signs. */
  readonly message: Uint8Array;
  /** What the format's own `follow` and `finish` need besides the signature. */
  readonly state: FormatState;
}

/** The format's own; nobody else looks into it. */
export type FormatState = Readonly<Record<string, unknown>>;

/** One way of signing a request, as the closed list holds it. */
export interface Format {
  readonly name: string;
  /** The one kind of request this format signs. */
  readonly kind: RequestKind;
  /** Throws `ProtocolError` for what is not of the kind or what this group's quorum must not sign. */
  prepare(input: FormatInput): Prepared;
  /** Of a format with a second message that depends on the first one's 64-byte signature: stage 2 (T37). */
  follow?(state: FormatState, signature: Uint8Array): Prepared;
  /** The signed text as approvers read it, where the request and its documents do not show it already. */
  shows?(state: FormatState): string;
  /** The finished file. `signature` is 64 bytes, over the message of `state`: of `follow`, where there is one. */
  finish(state: FormatState, signature: Uint8Array): Uint8Array;
}

/** A format with a state of its own type, as the closed list holds it. */
export function defineFormat<State extends FormatState>(format: {
  readonly name: string;
  readonly kind: RequestKind;
  prepare(input: FormatInput): { readonly message: Uint8Array; readonly state: State };
  follow?(state: State, signature: Uint8Array): { readonly message: Uint8Array; readonly state: State };
  shows?(state: State): string;
  finish(state: State, signature: Uint8Array): Uint8Array;
}): Format {
  return format;
}

/** What a DSSE envelope is made of besides its signature. */
export type DsseState = { readonly payloadType: string; readonly payload: Uint8Array };

/** What tells one format of a DSSE envelope from the next. */
export interface DsseFormat {
  readonly name: string;
  readonly kind: RequestKind;
  readonly payloadType: string;
  /** Throws `ProtocolError` for what this group's quorum must not sign. */
  readonly payloadOf: (input: FormatInput) => Uint8Array;
}

/** A format whose message is the DSSE pre-authentication encoding of one payload; keyid is empty, as a quorum's always is. */
export function dsseFormat({ name, kind, payloadType, payloadOf }: DsseFormat): Format {
  return defineFormat<DsseState>({
    name,
    kind,
    prepare: (input) => {
      const payload = payloadOf(input);
      return { message: preAuthEncoding(payloadType, payload), state: { payloadType, payload } };
    },
    shows: ({ payload }) => new TextDecoder().decode(payload),
    finish: ({ payload }, signature) =>
      encodeCanonicalJson(encodeEnvelope({ payloadType, payload, keyid: '', signature })),
  });
}
