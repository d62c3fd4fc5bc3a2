/**
 * What a share file holds, once age has opened it. Binary, integers big-endian:
 *
 *     magic       16 bytes  "frostmark-share" 0x02
 *     hash        32 bytes  the hash of the transcript whose shares these are
 *     then for every share:
 *     channel     1 byte length, then that many bytes of UTF-8 (1 to 255)
 *     sharing      1 byte   its place in the channel's quorum, 0-based
 *     identifier   2 bytes  1 to 65535
 *     scalar      32 bytes  little-endian (RFC 9591, Section 6.1)
 */
import { HomeError } from './errors.ts';

/** What the shares of one file are of. The file is written before its transcript is signed, and never deleted. */
export interface ShareHeader {
  /** 32 bytes: the transcript hash. */
  readonly hash: Uint8Array;
}

/** Where one share belongs: channel, sharing (its number in the channel's quorum) and the member's identifier. */
export interface ShareLabel {
  /** Channel name, 1 to 255 bytes of UTF-8. */
  readonly channel: string;
  /** The sharing's place in the channel's quorum, 0 to 255. */
  readonly sharing: number;
  /** The member's identifier, 1 to 65535. */
  readonly identifier: number;
}

/** A share's label and where its scalar is in the payload. */
export interface ShareEntry extends ShareLabel {
  readonly scalarOffset: number;
}

const magic = new TextEncoder().encode('frostmark-share\x02');
const hashBytes = 32;
/** Bytes of one share: a scalar, little-endian. */
export const scalarBytes = 32;
/** Bytes before the first share: magic, hash. */
export const headerBytes = magic.length + hashBytes;

/** 48 bytes. */
export function encodeHeader({ hash }: ShareHeader): Uint8Array {
  if (hash.length !== hashBytes) throw new RangeError(`a hash has ${hashBytes} bytes, not ${hash.length}`);
  return Uint8Array.of(...magic, ...hash);
}

/** What comes before a share's scalar. */
export function encodeLabel({ channel, sharing, identifier }: ShareLabel): Uint8Array {
  const name = new TextEncoder().encode(channel);
  if (name.length < 1 || name.length > 0xff)
    throw new RangeError(`a channel name has 1 to 255 bytes, not ${name.length}`);
  if (!Number.isInteger(sharing) || sharing < 0 || sharing > 0xff) throw new RangeError(`no sharing ${sharing}`);
  if (!Number.isInteger(identifier) || identifier < 1 || identifier > 0xffff)
    throw new RangeError(`no identifier ${identifier}`);
  return Uint8Array.of(name.length, ...name, sharing, identifier >> 8, identifier & 0xff);
}

/**
 * Decodes everything but the scalars, which are never asked for: `at(from, to)` gives the payload's bytes in that range.
 * Throws `HomeError('damaged')`.
 */
export function decodePayload(
  length: number,
  at: (from: number, to: number) => Uint8Array,
  path: string,
): { readonly header: ShareHeader; readonly entries: readonly ShareEntry[] } {
  const refuse = (found: string): never => {
    throw new HomeError('damaged', `${path} opens, but ${found}; restore it from your backup`, { path });
  };
  if (length < headerBytes) return refuse('it is too short for a share file');
  const header = decodeHeader(at(0, headerBytes)) ?? refuse('it is no share file of this version');

  const entries: ShareEntry[] = [];
  for (let offset = headerBytes; offset < length;) {
    const nameLength = at(offset, offset + 1)[0] ?? 0;
    const scalarOffset = offset + 1 + nameLength + 3;
    if (nameLength === 0 || scalarOffset + scalarBytes > length) return refuse('it ends inside a share');
    entries.push({ ...decodeLabel(at(offset + 1, scalarOffset), refuse), scalarOffset });
    offset = scalarOffset + scalarBytes;
  }
  const names = new Set(entries.map(({ channel, sharing }) => `${sharing} ${channel}`));
  if (names.size !== entries.length) return refuse('it holds two shares of one sharing');
  return { header, entries };
}

function decodeHeader(bytes: Uint8Array): ShareHeader | undefined {
  if (magic.some((byte, index) => bytes[index] !== byte)) return undefined;
  return { hash: bytes.slice(magic.length) };
}

function decodeLabel(bytes: Uint8Array, refuse: (found: string) => never): ShareLabel {
  const [sharing = 0, high = 0, low = 0] = bytes.subarray(-3);
  const identifier = high * 0x100 + low;
  if (identifier === 0) return refuse('it names the identifier 0');
  try {
    return {
      channel: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(0, -3)),
      sharing,
      identifier,
    };
  } catch {
    return refuse('a channel name is not UTF-8');
  }
}
