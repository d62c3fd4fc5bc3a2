/**
 * The records of the store and the chain over them: each record's hash covers the one before, so that a gap, a change or an end before the
 * known one shows when everything is read.
 */
import { createHash } from 'node:crypto';
import type { Envelope } from '../protocol/wire/envelope.ts';
import type { JournalHead, Outcome } from '../protocol/wire/frames.ts';
import { sha256Hex } from '../protocol/wire/bytes.ts';
import { Blobs } from './blobs.ts';
import { damaged, type Database, type StorePaths } from './database.ts';

/** What is stored, told apart by `type`. Hashes are hex; `charter` is the charter's hash, `digest` the request's. */
export type StoreRecord =
  | {
      readonly type: 'group';
      readonly charter: string;
      /** Transcript hash. */
      readonly epoch: string;
      /** Names the certificate's bytes. */
      readonly certificate: string;
      readonly stored: readonly Envelope[];
    }
  | {
      readonly type: 'group-document';
      readonly charter: string;
      readonly epoch: string;
      readonly document: 'genesis' | 'requesters' | 'delegation';
      readonly envelope: Envelope;
    }
  | { readonly type: 'ceremony'; readonly charter: string; readonly message: Envelope }
  | { readonly type: 'journal'; readonly charter: string; readonly member: number; readonly journal: JournalHead }
  | { readonly type: 'round'; readonly digest: string; readonly charter: string; readonly request: Envelope }
  /** Names the document's bytes. */
  | { readonly type: 'round-document'; readonly digest: string; readonly sha256: string }
  | { readonly type: 'decision'; readonly digest: string; readonly decision: Envelope }
  /** Names the evidence file's bytes. */
  | { readonly type: 'evidence'; readonly digest: string; readonly member: number; readonly sha256: string }
  | {
      readonly type: 'closed';
      readonly digest: string;
      readonly outcome: Exclude<Outcome, 'pending'>;
      /** 64 bytes each, hex. */
      readonly signatures: readonly string[];
      readonly signers: readonly number[];
    };

/** The records that make up a round. */
export type RoundRecord = Extract<StoreRecord, { digest: string }>;

/** How a round ended, as it is stored. */
export type ClosedRecord = Extract<StoreRecord, { type: 'closed' }>;

/** How far the chain reaches. */
export interface StoreHead {
  /** Number of records. */
  readonly sequence: number;
  /** SHA-256 over all of them, hex. */
  readonly hash: string;
}

/** Of a chain without a record. */
export const emptyHead: StoreHead = { sequence: 0, hash: '00'.repeat(32) };

/** The key of the newest head in the database. */
export const headKey = 'head';

/** The key of a record by its number: `e` and 16 hex digits. */
export function recordKey(sequence: number): string {
  return `e${sequence.toString(16).padStart(16, '0')}`;
}

/** The head after one more record, given as its bytes. */
export function nextHead(head: StoreHead, record: Uint8Array): StoreHead {
  const sequence = head.sequence + 1;
  const hash = createHash('sha256')
    .update('frostmark store record\0')
    .update(head.hash, 'hex')
    .update(recordKey(sequence));
  return { sequence, hash: hash.update(record).digest('hex') };
}

/** The head as the database holds it. */
export function encodeHead(head: StoreHead): Uint8Array {
  return Buffer.from(JSON.stringify([head.sequence, head.hash]));
}

/** The chain vouches for what it says: it is what this program wrote. */
export function decodeRecord(bytes: Uint8Array): StoreRecord {
  return JSON.parse(Buffer.from(bytes).toString()) as StoreRecord;
}

/**
 * Reads and checks everything, up to `known` at least, and hands each record to `onRecord`; answers the head that results,
 * and what its records name.
 * Throws `CoordinatorError('store-damaged')`.
 */
export async function readChain(
  database: Database,
  paths: StorePaths,
  known: StoreHead,
  onRecord: (record: StoreRecord, sequence: number) => void,
): Promise<{ readonly head: StoreHead; readonly blobs: Blobs }> {
  const held = new Set<string>();
  const blobs = new Blobs();
  let head = emptyHead;
  let written: Uint8Array = encodeHead(emptyHead);
  for await (const [key, value] of database.entries()) {
    if (key === headKey) {
      written = value;
    } else if (key.startsWith('b')) {
      if (key !== `b${sha256Hex(value)}`) throw damaged(paths, `the bytes ${key.slice(1)} are changed`);
      held.add(key.slice(1));
    } else {
      const next = nextHead(head, value);
      if (key !== recordKey(next.sequence)) throw damaged(paths, `record ${next.sequence} is missing`);
      head = next;
      if (head.sequence === known.sequence && head.hash !== known.hash)
        throw damaged(paths, `record ${head.sequence} is not the one that ${paths.anchor} knows`);
      const record = decodeChecked(value, head.sequence, paths);
      blobs.add(record);
      onRecord(record, head.sequence);
    }
  }
  if (!Buffer.from(encodeHead(head)).equals(written))
    throw damaged(paths, `it ends at record ${head.sequence}, or a record is changed; its head says otherwise`);
  if (head.sequence < known.sequence)
    throw damaged(paths, `it ends at record ${head.sequence}, and ${known.sequence} were acknowledged`);
  // Bytes that are there and not needed harm nobody; a record that came with its round's end may have brought them.
  for (const blob of blobs.needed) if (!held.has(blob)) throw damaged(paths, `the bytes ${blob} are missing`);
  return { head, blobs };
}

/** Before the head has confirmed the chain, a record may be anything. */
function decodeChecked(value: Uint8Array, sequence: number, paths: StorePaths): StoreRecord {
  try {
    return decodeRecord(value);
  } catch (cause) {
    throw damaged(paths, `record ${sequence} is not what was written`, cause);
  }
}
