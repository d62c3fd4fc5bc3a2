/** Public scalars modulo the group order L, and their 32-byte little-endian encoding (RFC 9591, Section 6.1; RFC 8032, Section 5.1). */

/** A public scalar, 0 <= k < L. */
export type Scalar = bigint;

/** L, the order of the prime-order subgroup (RFC 8032, Section 5.1). */
export const groupOrder = 2n ** 252n + 27742317777372353535851937790883648493n;

/** k modulo L, never negative. */
export function reduceScalar(k: bigint): Scalar {
  const rest = k % groupOrder;
  return rest < 0n ? rest + groupOrder : rest;
}

/** Little-endian bytes of any length as an integer. */
export function littleEndianInteger(bytes: Uint8Array): bigint {
  const hex = Buffer.from(bytes).reverse().toString('hex');
  return BigInt(`0x0${hex}`);
}

/** SerializeScalar: 32 bytes, little-endian. */
export function encodeScalar(k: Scalar): Uint8Array {
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer);
  for (let word = 0; word < 4; word++) {
    view.setBigUint64(word * 8, BigInt.asUintN(64, k >> BigInt(word * 64)), true);
  }
  return bytes;
}

/** DeserializeScalar: `undefined` unless it is 32 bytes and less than L. Zero is a scalar. */
export function decodeScalar(bytes: Uint8Array): Scalar | undefined {
  if (bytes.length !== 32) return undefined;
  const k = littleEndianInteger(bytes);
  return k < groupOrder ? k : undefined;
}

/** 1/k modulo L for k that is not 0 modulo L, by Euclid: variable time, for public scalars only. */
export function invertScalar(k: Scalar): Scalar {
  let [a, b, x, y] = [reduceScalar(k), groupOrder, 1n, 0n];
  while (a > 1n) {
    const quotient = b / a;
    [a, b, x, y] = [b - quotient * a, a, y - quotient * x, x];
  }
  return reduceScalar(x);
}
