/** Everything an identity signs: a DSSE envelope whose payload type names its one purpose. The sender is the key that signed. */
import { decodeBase64Url, encodeBase64Url } from '../../verifier/base64.ts';
import { decodeEnvelope, encodeEnvelope, preAuthEncoding, type Envelope } from '../../verifier/dsse.ts';
import { isPublicKey, verifySignature } from '../../verifier/ed25519.ts';
import { decodeCanonicalJson, encodeCanonicalJson } from '../../verifier/json.ts';
import { sha256Hex } from './bytes.ts';
import { ProtocolError, type ProtocolErrorCode } from '../errors.ts';
import { maxGoodKeys, maxJsonDepth, maxSignedBytes } from '../limits.ts';
import { assertSchema, type Static, type TSchema } from './schema.ts';

export type { Envelope };

/** An Ed25519 identity key that can sign; the secret stays with whoever implements `sign`. */
export interface Identity {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 64 bytes over `message` (RFC 8032). */
  sign(message: Uint8Array): Uint8Array;
}

/** One purpose of signing: its payload type and the only shape its payload may have. */
export interface MessageType<P> {
  readonly name: string;
  readonly payloadType: string;
  readonly schema: TSchema;
  readonly maxBytes: number;
  readonly code: ProtocolErrorCode;
  /** Never there: carries the payload's type, which is worked out from the schema once, where it is defined. */
  readonly shape?: P;
}

/** The payload of a message type. */
export type PayloadOf<M> = M extends MessageType<infer P> ? P : never;

/** What came out of an envelope after every check. */
export interface Opened<T> {
  /** Identity key that signed, base64url: the sender. */
  readonly from: string;
  readonly payload: T;
  /** The exact bytes that were signed as payload. */
  readonly bytes: Uint8Array;
  /** SHA-256 of those bytes, hex. */
  readonly hash: string;
  /** It is spelled as this program does. */
  readonly envelope: Envelope;
}

/** One more purpose, as `application/vnd.frostmark.NAME.v1+json`. Payloads are at most `maxBytes` bytes, and what is wrong with one is refused as `code`. */
export function defineMessage<T extends TSchema>(
  name: string,
  schema: T,
  code: ProtocolErrorCode,
  maxBytes = maxSignedBytes,
): MessageType<Static<T>> {
  return { name, payloadType: `application/vnd.frostmark.${name}.v1+json`, schema, maxBytes, code };
}

/** The keyid of an identity key: its base64url. It selects a key, it never decides. */
export function keyId(publicKey: Uint8Array): string {
  return encodeBase64Url(publicKey);
}

/** Signs `payload` for one purpose. Refuses, as the reader would, what the schema does not allow. */
export function sealMessage<P>(type: MessageType<P>, payload: P, identity: Identity): Envelope {
  assertSchema(type.schema, payload, type.code, type.name);
  const bytes = encodeCanonicalJson(payload);
  return encodeEnvelope({
    payloadType: type.payloadType,
    payload: bytes,
    keyid: keyId(identity.publicKey),
    signature: identity.sign(preAuthEncoding(type.payloadType, bytes)),
  });
}

/**
 * Opens an envelope for one purpose: shape, one signature, a key that `isKnown` by its base64url, Ed25519 by the verifier's rule, canonical JSON, schema.
 * Throws `ProtocolError`: `bad-envelope`, `bad-signature`, `not-a-member` (unknown key) or the type's own code.
 */
export function openMessage<P>(type: MessageType<P>, envelope: unknown, isKnown: (key: string) => boolean): Opened<P> {
  const decoded = refuseAs('bad-envelope', type.name, () => decodeEnvelope(envelope, type.maxBytes));
  if (decoded.payloadType !== type.payloadType) {
    throw new ProtocolError('bad-envelope', `${type.name}: the envelope is a ${decoded.payloadType.slice(0, 100)}`);
  }
  const key = decodeKey(decoded.keyid, 'bad-envelope', `keyid of ${type.name}`);
  if (!isKnown(decoded.keyid))
    throw new ProtocolError('not-a-member', `${type.name}: signed by ${decoded.keyid}, who is not expected here`);
  if (!verifySignature(key, preAuthEncoding(decoded.payloadType, decoded.payload), decoded.signature)) {
    throw new ProtocolError('bad-signature', `${type.name}: the signature by ${decoded.keyid} is not valid`);
  }
  return {
    from: decoded.keyid,
    payload: decodePayload(type, decoded.payload),
    bytes: decoded.payload,
    hash: sha256Hex(decoded.payload),
    envelope: respelled(envelope as Envelope),
  };
}

/**
 * The payload of an envelope that a quorum's key signed, whose keyid is empty. `key` are its 32 bytes. Throws `ProtocolError` (`bad-document`,
 * `bad-signature`).
 */
export function openSignedBy(
  key: Uint8Array,
  envelope: unknown,
  { payloadType, maxBytes }: Pick<MessageType<unknown>, 'payloadType' | 'maxBytes'>,
): Uint8Array {
  const decoded = refuseAs('bad-document', 'document of the group', () => decodeEnvelope(envelope, maxBytes));
  if (decoded.payloadType !== payloadType || decoded.keyid !== '')
    throw new ProtocolError('bad-document', `the envelope is not a ${payloadType} under the group key`);
  if (!verifySignature(key, preAuthEncoding(payloadType, decoded.payload), decoded.signature))
    throw new ProtocolError('bad-signature', `the ${payloadType} is not signed by the group key`);
  return decoded.payload;
}

/** The same envelope with its unsigned fields in our own order: how a relay spelled it changes nothing that is kept, compared or named. */
export function respelled({ payload, payloadType, signatures }: Envelope): Envelope {
  const [{ keyid, sig }] = signatures;
  return { payload, payloadType, signatures: [{ keyid, sig }] };
}

/** Canonical JSON of exactly the type's schema. */
export function decodePayload<P>(type: MessageType<P>, bytes: Uint8Array): P {
  const value = refuseAs(type.code, type.name, () =>
    decodeCanonicalJson(bytes, { maxBytes: type.maxBytes, maxDepth: maxJsonDepth }),
  );
  assertSchema(type.schema, value, type.code, type.name);
  return value as P;
}

/** Keys that were found good, by their text: whether a point is on the curve costs as much as a signature. Their number is bounded. */
const goodKeys = new Map<string, Uint8Array>();

/** 32 bytes of a public key that may be trusted with a signature: canonical, not of small order. */
export function decodeKey(text: string, code: ProtocolErrorCode, what: string): Uint8Array {
  const known = goodKeys.get(text);
  if (known !== undefined) return known;
  const key = refuseAs(code, what, () => decodeBase64Url(text));
  if (!isPublicKey(key)) throw new ProtocolError(code, `${what} is not an Ed25519 public key`);
  if (goodKeys.size >= maxGoodKeys) goodKeys.clear();
  goodKeys.set(text, key);
  return key;
}

/** Runs a decoder of `verifier/` and gives its refusal our code. */
export function refuseAs<T>(code: ProtocolErrorCode, what: string, decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    throw new ProtocolError(code, `${what}: ${cause instanceof Error ? cause.message : 'cannot be read'}`, { cause });
  }
}
