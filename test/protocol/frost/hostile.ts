/** Encodings that no group may let in, by what is wrong with them (RFC 8032, Section 5.1.3; RFC 9591, Section 3.1). */
import { ed25519 } from '@noble/curves/ed25519.js';
import { groupOrder } from '../../../protocol/frost/scalar.ts';

const fieldPrime = 2n ** 255n - 19n;

/** Little-endian, `length` bytes. */
export function littleEndian(value: bigint, length = 32): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => Number((value >> BigInt(8 * index)) & 255n));
}

/** The eight points of order 1, 2, 4 and 8. */
const torsion = (() => {
  const eight = ed25519.Point.fromHex('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa', true);
  const points = [ed25519.Point.ZERO];
  while (points.length < 8) points.push(points[points.length - 1]!.add(eight));
  return points;
})();

const mixedOrder = torsion.slice(1).flatMap((point, index) => {
  const prime = ed25519.Point.BASE.multiply(BigInt(index + 5));
  return [prime.add(point), prime.negate().add(point)];
});

/** y = p, p + 1, … that still fit in 255 bits, with either sign: all of them read as a smaller y by a lax decoder. */
const nonCanonical = Array.from({ length: 19 }, (_, index) => fieldPrime + BigInt(index)).flatMap((y) => [
  littleEndian(y),
  littleEndian(y | (1n << 255n)),
]);

/** Small y without an x on the curve. */
const offCurve = Array.from({ length: 60 }, (_, index) => littleEndian(BigInt(index + 2))).filter((bytes) => {
  try {
    ed25519.Point.fromBytes(bytes, true);
    return false;
  } catch {
    return true;
  }
});

const wrongLength = [0, 1, 31, 33, 64]
  .map((length) => ed25519.Point.BASE.toBytes().slice(0, length))
  .concat([Uint8Array.from([...ed25519.Point.BASE.toBytes(), 0]), new Uint8Array(64)])
  .filter((bytes) => bytes.length !== 32);

const negativeZero = [littleEndian(1n | (1n << 255n)), littleEndian((fieldPrime - 1n) | (1n << 255n))];

export const hostilePoints: [string, Uint8Array[]][] = [
  ['the identity', [littleEndian(1n)]],
  ['small order', torsion.map((point) => point.toBytes())],
  ['mixed order', mixedOrder.map((point) => point.toBytes())],
  ['a y that is not reduced', nonCanonical],
  ['x = 0 with the sign bit set', negativeZero],
  ['off the curve', offCurve],
  ['a wrong length', wrongLength],
];

export const hostileScalars: [string, Uint8Array][] = [
  ['L', littleEndian(groupOrder)],
  ['L + 1', littleEndian(groupOrder + 1n)],
  ['2L', littleEndian(2n * groupOrder)],
  ['2^253', littleEndian(2n ** 253n)],
  ['2^255', littleEndian(2n ** 255n)],
  ['2^256 - 1', littleEndian(2n ** 256n - 1n)],
  ['nothing', new Uint8Array()],
  ['31 bytes', littleEndian(5n, 31)],
  ['33 bytes', littleEndian(5n, 33)],
  ['64 bytes', littleEndian(5n, 64)],
];
