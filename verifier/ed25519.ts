/**
 * Ed25519 signatures, checked so that whatever is accepted here is accepted by every strict verifier (RFC 8032, Section 5.1.7;
 * Chalkias, Garillot, Nikolaenko, "Taming the many EdDSAs", 2020).
 *
 * node:crypto checks the equation without the cofactor and compares R as bytes. Around it are the rules on which implementations differ:
 * S below the group order, A and R canonical, neither of them of small order (which includes the identity).
 */
import { Buffer } from 'node:buffer';
import { createPublicKey, verify, type KeyObject } from 'node:crypto';

import { encodeBase64Url } from './base64.ts';

/** Length of a public key in bytes. */
const publicKeyBytes = 32;

/** Length of a signature in bytes: R, then S. */
export const signatureBytes = 64;

const fieldPrime = 2n ** 255n - 19n;
const below255 = 2n ** 255n - 1n;
const groupOrder = 2n ** 252n + 27742317777372353535851937790883648493n;

// d = -121665/121666 (RFC 8032, Section 5.1).
const curveConstant = 37095705934669439343138083508754565189542113879843219016388785533085940283555n;

// These are y of the eight points whose order divides the cofactor: order 4 (y = 0), 1 (y = 1), 2 (y = -1) and 8 (two values, each the negative of the other).
const order8Y = 55188659117513257062467267217118295137698188065244968500265048394206261417927n;
const smallOrderYs = [0n, 1n, fieldPrime - 1n, order8Y, fieldPrime - order8Y];

/** Whether these bytes are 32, the canonical encoding of a point on the curve, and that point is not of small order. */
export function isPublicKey(bytes: Uint8Array): boolean {
  return isSafeEncoding(bytes) && isOnCurve(yOf(bytes));
}

/** Whether the signature is valid for this message under this public key. Answers false, and never throws, for bytes of any shape. */
export function verifySignature(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== signatureBytes) return false;
  if (!isSafeEncoding(publicKey)) return false;
  if (!isSafeEncoding(signature.subarray(0, 32))) return false;
  // OpenSSL refuses this too; said here because RFC 8032 leaves the bound to every decoder and not all of them had it.
  if (littleEndian(signature.subarray(32)) >= groupOrder) return false;
  try {
    return verify(null, message, keyObject(publicKey), signature);
  } catch {
    // OpenSSL reports some malformed keys by throwing; to the caller they are keys under which nothing verifies.
    return false;
  }
}

/** 32 bytes, y below p, and no point of small order. The sign bit plays no part: x is 0 only for y = 1 and y = -1, both of small order. */
function isSafeEncoding(bytes: Uint8Array): boolean {
  if (bytes.length !== publicKeyBytes) return false;
  const y = yOf(bytes);
  return y < fieldPrime && !smallOrderYs.includes(y);
}

/** The encoding without its sign bit (RFC 8032, Section 5.1.3, step 1). */
function yOf(bytes: Uint8Array): bigint {
  return littleEndian(bytes) & below255;
}

/** Whether x^2 = (y^2 - 1) / (d y^2 + 1) has a root, by Euler's criterion on numerator times denominator (RFC 8032, Section 5.1.3). */
function isOnCurve(y: bigint): boolean {
  const ySquared = (y * y) % fieldPrime;
  const xSquaredUpToASquare = ((ySquared - 1n) * (curveConstant * ySquared + 1n)) % fieldPrime;
  return eulerCriterion(xSquaredUpToASquare) === 1n;
}

/** x^((p - 1) / 2), and (p - 1) / 2 is 2^254 - 10: sixteen times 2^250 - 1, and 6. A thousand keys are judged at once (T41). */
function eulerCriterion(x: bigint): bigint {
  // Each is x to the power of 2^n - 1.
  const n2 = times(squared(x, 1), x);
  const n5 = times(squared(times(squared(n2, 2), n2), 1), x);
  const n10 = times(squared(n5, 5), n5);
  const n20 = times(squared(n10, 10), n10);
  const n50 = times(squared(times(squared(n20, 20), n20), 10), n10);
  const n100 = times(squared(n50, 50), n50);
  const n250 = times(squared(times(squared(n100, 100), n100), 50), n50);
  return times(squared(n250, 4), times(squared(x, 2), squared(x, 1))) % fieldPrime;
}

/** x^(2^count), reduced. */
function squared(x: bigint, count: number): bigint {
  let result = x;
  for (let done = 0; done < count; done += 1) result = times(result, result);
  return result;
}

/** The product, below 2^256: 2^255 is 19 modulo p, which takes a third of the time of a division. */
function times(a: bigint, b: bigint): bigint {
  return fold(fold(a * b));
}

function fold(x: bigint): bigint {
  return (x & below255) + 19n * (x >> 255n);
}

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
}

// By JWK (RFC 8037, Section 2), because Node takes ten times as long to read the same key as DER.
function keyObject(publicKey: Uint8Array): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: encodeBase64Url(publicKey) }, format: 'jwk' });
}
