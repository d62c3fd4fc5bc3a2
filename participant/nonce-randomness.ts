/**
 * Where the random_bytes(32) of a nonce come from (RFC 9591, Section 4.1, `nonce_generate`, which hashes them with the share).
 *
 * Two sources, of which one may fail unseen: this process's generator, whose state a cloned process or machine repeats, and the kernel's. HKDF
 * (RFC 5869) extracts from both under the journal's head and the slot, and expands to one output for each nonce. Bytes that one source repeats
 * never make one nonce twice; should both repeat themselves, the place still differs.
 */
import { hkdfSync, randomFillSync } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { FrostError } from '../protocol/frost/errors.ts';
import type { RandomBytes } from '../protocol/frost/group.ts';

/** Two independent sources of fresh random bytes. */
export interface RandomSources {
  readonly process: RandomBytes;
  readonly kernel: RandomBytes;
}

/** What the nonces are made for. */
export interface NoncePlace {
  /** Hash of the journal's last record, hex. */
  readonly journalHead: string;
  readonly slot: string;
}

/** The sources of this machine: `node:crypto` and `/dev/urandom`. Both throw `FrostError('no-randomness')` or what the system refuses with. */
export const systemSources: RandomSources = {
  process: (count) => randomFillSync(new Uint8Array(new ArrayBuffer(count))),
  kernel: readKernel,
};

const sourceBytes = 32;

/** Lends randomness for the nonces of one slot to `use`: every call of it gives other bytes, which whoever takes them wipes. */
export function withNonceRandomness<T>(
  sources: RandomSources,
  { journalHead, slot }: NoncePlace,
  use: (random: RandomBytes) => T,
): T {
  const material = Buffer.concat([draw(sources.process), draw(sources.kernel)]);
  let index = 0;
  try {
    return use((count) => {
      index += 1;
      const salt = `${journalHead} ${slot}`;
      return new Uint8Array(hkdfSync('sha512', material, salt, `frostmark nonce ${index}`, count));
    });
  } finally {
    material.fill(0);
  }
}

function draw(source: RandomBytes): Uint8Array {
  const bytes = source(sourceBytes);
  if (bytes.length === sourceBytes && bytes.some((byte) => byte !== 0)) return bytes;
  throw new FrostError('no-randomness', 'a random source gives no random bytes');
}

function readKernel(count: number): Uint8Array {
  const device = openSync('/dev/urandom', 'r');
  try {
    const bytes = new Uint8Array(count);
    if (readSync(device, bytes, 0, count, null) === count) return bytes;
    throw new FrostError('no-randomness', '/dev/urandom ended early');
  } finally {
    closeSync(device);
  }
}
