/** DSSE envelopes with exactly one signature (github.com/secure-systems-lab/dsse, protocol.md and envelope.md, version 1.0). */
import { decodeBase64, encodeBase64 } from './base64.ts';
import { signatureBytes, verifySignature } from './ed25519.ts';
import { VerifyError } from './errors.ts';
import { readFields, readString } from './json.ts';
import { maxKeyIdChars, maxPayloadBytes, maxPayloadTypeChars } from './limits.ts';

const code = 'bad-envelope';

/** The envelope as it is in JSON: payload and signature in strict base64. */
export interface Envelope {
  readonly payload: string;
  readonly payloadType: string;
  readonly signatures: readonly [{ readonly keyid: string; readonly sig: string }];
}

/** An envelope's contents, not yet verified. */
export interface DecodedEnvelope {
  readonly payloadType: string;
  readonly payload: Uint8Array;
  /** Selects a key and never decides anything; may be empty. */
  readonly keyid: string;
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

/** What is signed: "DSSEv1", the payload type and the payload, each with its length in bytes (protocol.md, "PAE"). */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = new TextEncoder().encode(payloadType);
  const head = new TextEncoder().encode(`DSSEv1 ${type.length} ${payloadType} ${payload.length} `);
  const encoding = new Uint8Array(head.length + payload.length);
  encoding.set(head);
  encoding.set(payload, head.length);
  return encoding;
}

/**
 * Reads an envelope strictly: these fields only, one signature of 64 bytes, base64 that re-encodes equal.
 * Throws `bad-envelope`, `bad-base64` or, past `maxBytes` of payload, `too-large`. Verifies nothing.
 */
export function decodeEnvelope(value: unknown, maxBytes: number = maxPayloadBytes): DecodedEnvelope {
  const fields = readFields(value, ['payload', 'payloadType', 'signatures'], code, 'envelope');
  if (!Array.isArray(fields.signatures) || fields.signatures.length !== 1) {
    throw new VerifyError(code, 'envelope has not exactly one signature');
  }
  const { keyid, sig } = readFields(fields.signatures[0], ['keyid', 'sig'], code, 'signature');
  const payload = decodeBase64(readString(fields.payload, isAnyText, code, 'payload'));
  if (payload.length > maxBytes) throw new VerifyError('too-large', `payload longer than ${maxBytes} bytes`);
  const signature = decodeBase64(readString(sig, isAnyText, code, 'signature'));
  if (signature.length !== signatureBytes) throw new VerifyError(code, `signature is not ${signatureBytes} bytes`);
  return {
    payloadType: readString(fields.payloadType, isPayloadType, code, 'payload type'),
    payload,
    keyid: readString(keyid, (it) => it.length <= maxKeyIdChars, code, 'key id'),
    signature,
  };
}

/** Inverse of `decodeEnvelope`. Throws `bad-envelope` for a signature of another length than 64 bytes. */
export function encodeEnvelope({ payloadType, payload, keyid, signature }: DecodedEnvelope): Envelope {
  if (signature.length !== signatureBytes) throw new VerifyError(code, `signature is not ${signatureBytes} bytes`);
  return { payload: encodeBase64(payload), payloadType, signatures: [{ keyid, sig: encodeBase64(signature) }] };
}

/**
 * The payload of an envelope that has this payload type and is signed by this public key (32 bytes); the key id is not looked at.
 * Throws what `decodeEnvelope` throws, `bad-payload-type` or `bad-signature`.
 */
export function openEnvelope(value: unknown, payloadType: string, publicKey: Uint8Array): Uint8Array {
  const envelope = decodeEnvelope(value);
  if (envelope.payloadType !== payloadType) {
    throw new VerifyError('bad-payload-type', `payload type is not ${payloadType}`);
  }
  if (!verifySignature(publicKey, preAuthEncoding(payloadType, envelope.payload), envelope.signature)) {
    throw new VerifyError('bad-signature', 'signature does not verify');
  }
  return envelope.payload;
}

// Printable ASCII, as media types are, so that its length in characters and in bytes is the same.
function isPayloadType(text: string): boolean {
  return text.length <= maxPayloadTypeChars && /^[!-~]+$/.test(text);
}

function isAnyText(): boolean {
  return true;
}
