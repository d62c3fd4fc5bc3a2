/** One-time keys that nobody can seal to: every point of small order on curve25519 and its twist, and other spellings of them, hex. */
const smallOrder = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  // p and p + 1 are zero and one once more.
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
];

/** The highest bit is ignored. */
function withHighBit(key: string): string {
  const last = Number.parseInt(key.slice(62), 16) | 0x80;
  return key.slice(0, 62) + last.toString(16).padStart(2, '0');
}

export const smallOrderBoxKeys = [...smallOrder, ...smallOrder.map(withHighBit)];
