/** A second valid signature of the same bytes: what Ed25519's signer can always make, and nobody else. */
import { createHash, randomBytes } from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';
import { decodeBase64 } from '../../verifier/base64.ts';
import { encodeEnvelope, preAuthEncoding, type Envelope } from '../../verifier/dsse.ts';
import type { Person } from './people.ts';

/** RFC 8032, Section 5.1.6, with r drawn instead of derived from the message. */
export function signedAgain({ payload, payloadType, signatures }: Envelope, who: Person): Envelope {
  const { Point } = ed25519;
  const order = Point.Fn.ORDER;
  const integer = (bytes: Uint8Array): bigint => bytes.reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n);
  const bytes = decodeBase64(payload);
  const seed = createHash('sha512').update(who.seed()).digest().subarray(0, 32);
  seed[0] = seed[0]! & 248;
  seed[31] = (seed[31]! & 127) | 64;
  const r = integer(new Uint8Array(randomBytes(64))) % order;
  const point = Point.BASE.multiply(r).toBytes();
  const hash = createHash('sha512').update(point).update(who.publicKey).update(preAuthEncoding(payloadType, bytes));
  let s = (r + (integer(hash.digest()) % order) * (integer(seed) % order)) % order;
  const signature = new Uint8Array(64);
  signature.set(point);
  for (let index = 32; index < 64; index += 1, s >>= 8n) signature[index] = Number(s & 0xffn);
  return encodeEnvelope({ payloadType, payload: bytes, keyid: signatures[0].keyid, signature });
}
