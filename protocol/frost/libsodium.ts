/** libsodium as WebAssembly: started with our randomness, and with its stack known well enough to be wiped. */
import startLibsodium, { type RawLibsodium } from 'libsodium-sumo';
import { FrostError } from './errors.ts';
import type { RandomBytes } from './group.ts';

/** The running library. Secret operations leave residue on its stack, which is dead memory between two calls. */
export interface Libsodium {
  readonly raw: RawLibsodium;
  /** Zeroes the stack. Sound between calls only: then no frame is alive. */
  wipeStack(): void;
}

/** Emscripten gives every module a stack of 64 KiB that grows down from the start of its heap; no operation used here needs 5 KiB. */
const stackBytes = 65_536;

/**
 * Starts an instance of its own.
 *
 * Throws `no-webassembly` where it would run as anything else (compiled to JavaScript it is neither fast nor constant
 * time), and `unexpected-library` when its memory is laid out otherwise than `wipeStack` relies on.
 */
export async function loadLibsodium(randomBytes: RandomBytes): Promise<Libsodium> {
  if (typeof WebAssembly === 'undefined') throw new FrostError('no-webassembly', 'this runtime has no WebAssembly');
  const raw = await startLibsodium({ getRandomValue: () => randomWord(randomBytes) });
  assertWebAssembly(raw);
  // The first allocation comes right after the stack: a header of at most 16 bytes lies between.
  const stackTop = raw._malloc(32) & ~15;
  assertStack(raw, stackTop);
  if (raw._sodium_init() < 0) throw new FrostError('unexpected-library', 'libsodium did not start');
  return { raw, wipeStack: () => raw.HEAPU8.fill(0, stackTop - stackBytes, stackTop) };
}

/** Throws `no-webassembly` unless the functions are exports of a WebAssembly instance: only those fit into a table. */
function assertWebAssembly(raw: RawLibsodium): void {
  try {
    new WebAssembly.Table({ element: 'anyfunc', initial: 1 }).set(0, raw._crypto_core_ed25519_scalar_mul);
  } catch (cause) {
    throw new FrostError('no-webassembly', 'libsodium fell back to JavaScript', { cause });
  }
}

/**
 * Shows that the 64 KiB under `stackTop` are the stack and nothing else: paints them, runs the operation with the deepest
 * frames, and requires its known result, fresh paint-over right under the top, and untouched paint in the lower half.
 */
function assertStack(raw: RawLibsodium, stackTop: number): void {
  const bottom = stackTop - stackBytes;
  const paint = 0xa5;
  const [base, one, product] = [raw._malloc(32), raw._malloc(32), raw._malloc(32)];
  if (bottom < 0 || raw.HEAPU8.subarray(bottom, stackTop).some((byte) => byte !== 0)) throw unexpectedStack();
  raw.HEAPU8.fill(0x66, base, base + 32).fill(0x58, base, base + 1);
  raw.HEAPU8.fill(0, one, one + 32).fill(1, one, one + 1);
  raw.HEAPU8.fill(paint, bottom, stackTop);
  const failed = raw._crypto_scalarmult_ed25519_noclamp(product, one, base) !== 0;
  const { HEAPU8 } = raw;
  const wrong = HEAPU8.subarray(product, product + 32).some((byte, index) => byte !== HEAPU8[base + index]);
  const used = HEAPU8.subarray(bottom, stackTop).findIndex((byte) => byte !== paint);
  const topUsed = HEAPU8.subarray(stackTop - 1024, stackTop).some((byte) => byte !== paint);
  HEAPU8.fill(0, bottom, stackTop);
  if (failed || wrong || !topUsed || used < stackBytes / 2) throw unexpectedStack();
}

function unexpectedStack(): FrostError {
  return new FrostError('unexpected-library', "libsodium's stack is not where this version of frostmark expects it");
}

function randomWord(randomBytes: RandomBytes): number {
  const bytes = randomBytes(4);
  const word = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
  bytes.fill(0);
  return word;
}
