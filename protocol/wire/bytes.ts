/** Byte strings: hex outside, `Uint8Array` inside, and the one hash that names things. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';

export { bytesToHex, hexToBytes, utf8ToBytes };

/** SHA-256 of `bytes` as 64 lowercase hex digits. */
export function sha256Hex(bytes: Uint8Array): string {
  return bytesToHex(sha256(bytes));
}

/** Whether both are the same bytes. It does not run in constant time, and is for public values only. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/** `value` as 4 bytes, big-endian. */
export function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
}

/** Each field after its length in 4 bytes big-endian: no two lists of fields give the same bytes. */
function lengthPrefixed(fields: readonly Uint8Array[]): Uint8Array {
  return concatBytes(...fields.flatMap((field) => [u32(field.length), field]));
}

/** SHA-256 over a purpose tag and fields, all length-prefixed. */
export function taggedHash(tag: string, ...fields: readonly Uint8Array[]): Uint8Array {
  return sha256(lengthPrefixed([utf8ToBytes(`frostmark/${tag}/v1`), ...fields]));
}
