/**
 * Blowfish (Schneier, "Description of a New Variable-Length Key, 64-Bit Block Cipher", 1993) with the salted key schedule of bcrypt
 * (Provos and Mazières, "A Future-Adaptable Password Scheme", 1999).
 *
 * Its tables are indexed by secrets, so it leaks them to who shares the processor's cache: it opens key files on an offline host, nothing else.
 */

const subkeys = 18;
const boxWords = 4 * 256;

/** 18 subkeys, then four boxes of 256 words. */
export type BlowfishState = Uint32Array;

let initial: BlowfishState | undefined;

/** The state before any key: the first 33,344 bits of the fraction of π. */
export function blowfishStart(): BlowfishState {
  return (initial ??= fractionOfPi(subkeys + boxWords)).slice();
}

/** π = 16·arctan(1/5) − 4·arctan(1/239) (Machin 1706), in fixed point with 64 bits to spare. */
function fractionOfPi(words: number): Uint32Array {
  const precision = BigInt(32 * words + 64);
  const pi = 16n * inverseArctan(5n, precision) - 4n * inverseArctan(239n, precision);
  const fraction = BigInt.asUintN(32 * words, pi >> 64n);
  const hex = fraction.toString(16).padStart(8 * words, '0');
  return Uint32Array.from({ length: words }, (_, index) => parseInt(hex.slice(8 * index, 8 * index + 8), 16));
}

/** arctan(1/x)·2^precision. */
function inverseArctan(x: bigint, precision: bigint): bigint {
  let power = (1n << precision) / x;
  let sum = power;
  for (let n = 1n; power > 0n; n++) {
    power /= x * x;
    const term = power / (2n * n + 1n);
    sum += n % 2n === 0n ? term : -term;
  }
  return sum;
}

/** Encrypts one block of two words in place. */
export function encryptBlock(state: BlowfishState, block: Uint32Array, at: number): void {
  let left = block[at] ?? 0;
  let right = block[at + 1] ?? 0;
  for (let round = 0; round < 16; round += 2) {
    left ^= state[round] ?? 0;
    right ^= mix(state, left);
    right ^= state[round + 1] ?? 0;
    left ^= mix(state, right);
  }
  block[at] = right ^ (state[17] ?? 0);
  block[at + 1] = left ^ (state[16] ?? 0);
}

function mix(state: BlowfishState, word: number): number {
  const [a, b] = [state[subkeys + (word >>> 24)] ?? 0, state[subkeys + 256 + ((word >>> 16) & 255)] ?? 0];
  const [c, d] = [state[subkeys + 512 + ((word >>> 8) & 255)] ?? 0, state[subkeys + 768 + (word & 255)] ?? 0];
  return (((a + b) ^ c) + d) | 0;
}

/** Mixes key and salt into the state (bcrypt's `ExpandKey`); both are words, a power of two of them, read round and round; a salt of zeros is none. */
export function expandKey(state: BlowfishState, key: Uint32Array, salt: Uint32Array): void {
  for (let index = 0; index < subkeys; index++)
    state[index] = (state[index] ?? 0) ^ (key[index & (key.length - 1)] ?? 0);
  const block = new Uint32Array(2);
  for (let index = 0; index < state.length; index += 2) {
    block[0] = (block[0] ?? 0) ^ (salt[index & (salt.length - 1)] ?? 0);
    block[1] = (block[1] ?? 0) ^ (salt[(index + 1) & (salt.length - 1)] ?? 0);
    encryptBlock(state, block, 0);
    state[index] = block[0];
    state[index + 1] = block[1];
  }
  block.fill(0);
}
