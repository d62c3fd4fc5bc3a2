/** The one allocation in libsodium's heap where secrets live: 32-byte slots that handles name, and a scratch area for everything computed from them. */
import { FrostError } from './errors.ts';
import type { BoxKey, Secret } from './group.ts';
import { maxArenaSlots, maxBoxPlaintextBytes } from './limits.ts';
import type { Libsodium } from './libsodium.ts';

type Handle = Secret | BoxKey;

/** Bytes that `crypto_box_seal` adds: a one-time public key and an authenticator. */
export const sealBytes = 48;

const slotBytes = 32;

/** Slots for secrets in the memory of one libsodium instance. Handles are objects, so that a number is no secret; a wiped or foreign one throws `secret-gone`. */
export class Arena {
  /** Scratch addresses. Each holds 32 bytes, except: */
  readonly scratch: {
    readonly a: number;
    readonly b: number;
    readonly c: number;
    /** 64 bytes: a hash, or a scalar before its reduction. */
    readonly wide: number;
    /** A box's plaintext, or a hash's input. */
    readonly text: number;
    /** A box. */
    readonly box: number;
  };
  readonly #sodium: Libsodium;
  readonly #start: number;
  readonly #scratchStart: number;
  readonly #end: number;
  #free: number[];
  #addresses = new WeakMap<Handle, number>();
  #ended = false;

  constructor(sodium: Libsodium, slots: number) {
    if (!Number.isInteger(slots) || slots < 1 || slots > maxArenaSlots) {
      throw new FrostError('arena-full', `an arena has 1 to ${maxArenaSlots} slots, not ${slots}`);
    }
    const scratchBytes = 5 * slotBytes + maxBoxPlaintextBytes + (maxBoxPlaintextBytes + sealBytes);
    const bytes = slots * slotBytes + scratchBytes;
    const start = sodium.raw._malloc(bytes);
    if (start === 0) throw new FrostError('arena-full', `libsodium's heap has no ${bytes} bytes for ${slots} secrets`);
    const a = start + slots * slotBytes;
    const text = a + 5 * slotBytes;
    this.scratch = { a, b: a + 32, c: a + 64, wide: a + 96, text, box: text + maxBoxPlaintextBytes };
    this.#sodium = sodium;
    this.#start = start;
    this.#scratchStart = a;
    this.#end = start + bytes;
    this.#free = Array.from({ length: slots }, (_, index) => start + (slots - 1 - index) * slotBytes);
    this.#zero(start, this.#end);
  }

  /** The whole memory, read anew each time: it is replaced when libsodium's heap grows. */
  get memory(): Uint8Array<ArrayBuffer> {
    return this.#sodium.raw.HEAPU8;
  }

  /** Throws unless `count` more secrets fit. */
  assertRoom(count: number): void {
    if (this.#ended) throw gone();
    if (this.#free.length < count) throw new FrostError('arena-full', 'the arena for secrets is full');
  }

  /** Copies the 32 bytes at `source` into a free slot that `handle` names from now on. */
  keep<H extends Handle>(handle: H, source: number): H {
    this.assertRoom(1);
    const address = this.#free.pop() ?? this.#start;
    this.memory.copyWithin(address, source, source + slotBytes);
    this.#addresses.set(handle, address);
    return handle;
  }

  /** Where the secret lies. Throws `secret-gone` if it does not, or no longer. */
  addressOf(handle: Handle): number {
    const address = this.#addresses.get(handle);
    if (address === undefined) throw gone();
    return address;
  }

  release(handle: Handle): void {
    const address = this.#addresses.get(handle);
    if (address === undefined) return;
    this.#addresses.delete(handle);
    this.#zero(address, address + slotBytes);
    this.#free.push(address);
  }

  /** Runs one computation on secrets, then wipes what it left in the scratch area and on the stack. */
  compute<T>(work: () => T): T {
    try {
      return work();
    } finally {
      this.#zero(this.#scratchStart, this.#end);
      this.#sodium.wipeStack();
    }
  }

  end(): void {
    this.#ended = true;
    this.#free = [];
    this.#addresses = new WeakMap();
    this.#zero(this.#start, this.#end);
    this.#sodium.wipeStack();
  }

  #zero(from: number, to: number): void {
    this.memory.fill(0, from, to);
  }
}

function gone(): FrostError {
  return new FrostError('secret-gone', 'the secret was wiped, consumed, or never in this group');
}
