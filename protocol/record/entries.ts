/** Entry bundles: the leaves of one tile of level 0, one after another, each with its length in front (C2SP tlog-tiles, "Log entries"). */
import { concatBytes } from '@noble/hashes/utils.js';
import { ProtocolError } from '../errors.ts';
import { maxLeafBytes } from './limits.ts';

/** Bytes of a length: big-endian. */
const lengthBytes = 2;

/** The leaves, in order, of up to `maxLeafBytes` each. */
export function encodeEntries(leaves: readonly Uint8Array[]): Uint8Array {
  return concatBytes(
    ...leaves.flatMap((leaf) => {
      if (leaf.length > maxLeafBytes)
        throw new ProtocolError('too-large', `a record of ${leaf.length} bytes, at most ${maxLeafBytes} are allowed`);
      return [Uint8Array.of(leaf.length >>> 8, leaf.length & 255), leaf];
    }),
  );
}

/** Inverse of `encodeEntries` for `width` leaves: all of the bytes, no leaf more and none less. Throws `ProtocolError('bad-tile')`. */
export function decodeEntries(bytes: Uint8Array, width: number): Uint8Array[] {
  const leaves: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length && leaves.length < width) {
    const start = at + lengthBytes;
    const end = start + (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
    if (end > bytes.length) throw new ProtocolError('bad-tile', `entry ${leaves.length} is cut off`);
    leaves.push(bytes.slice(start, end));
    at = end;
  }
  if (at !== bytes.length || leaves.length !== width)
    throw new ProtocolError('bad-tile', `entries are not the ${width} that they should be`);
  return leaves;
}
