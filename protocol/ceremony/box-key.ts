/** One-time box keys that nobody can seal to: points of small order, with which every shared secret is zero (RFC 7748, Sections 5 and 6.1). */
const p = 2n ** 255n - 19n;
/** A of curve25519: v² = u³ + A·u² + u. */
const a = 486662n;

/**
 * Whether an X25519 public key (32 bytes) has an order that divides 8, on the curve or on its twist. Three doublings then end at infinity
 * (Montgomery 1987, Section 10.3.1: doubling with u alone). The key is public, so the time that this takes tells nothing.
 */
export function isSmallOrderBoxKey(key: Uint8Array): boolean {
  let [x, z] = [decodeU(key), 1n];
  for (let doubling = 0; doubling < 3; doubling += 1) {
    const [xx, zz, xz] = [x * x, z * z, x * z];
    [x, z] = [((xx - zz) * (xx - zz)) % p, (4n * xz * (xx + a * xz + zz)) % p];
  }
  return z === 0n;
}

/** Little-endian; the highest bit is ignored, and values past p are taken modulo p, as X25519 takes them. */
function decodeU(key: Uint8Array): bigint {
  const value = key.reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n);
  return (value % 2n ** 255n) % p;
}
