/**
 * The store of the old form, read once and taken over: one hash chain over the records of all groups, in a level database, and an anchor of two
 * slots beside it. Keys: `e<sequence, 16 hex digits>` a record, `b<SHA-256>` the bytes that a record names, `head` the newest sequence and hash.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { systemCode } from '../home/errors.ts';
import type { Envelope } from '../protocol/wire/envelope.ts';
import type { JournalHead, Outcome } from '../protocol/wire/frames.ts';
import { sha256Hex } from '../protocol/wire/bytes.ts';
import { damaged, type StorePaths } from './database.ts';
import type { KeyValues } from './level.ts';

/** What an old store holds, told apart by `type`. Hashes are hex; `charter` is the charter's hash, `digest` the request's. */
export type OldRecord =
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

/** How far an old chain reaches. */
export interface OldHead {
  /** Number of records. */
  readonly sequence: number;
  /** SHA-256 over all of them, hex. */
  readonly hash: string;
}

const emptyHead: OldHead = { sequence: 0, hash: '00'.repeat(32) };
const headKey = 'head';

/** An old store that was read whole, and found to be what was written. */
export interface OldChain {
  readonly head: OldHead;
  /** Every record in order, one at a time. */
  records(): AsyncIterable<OldRecord>;
  /** Bytes that a record names; `undefined` for documents of a round that ended without a signature. */
  blob(sha256: string): Promise<Uint8Array | undefined>;
}

/** Reads and checks everything, up to what its anchor knows at least. Throws `CoordinatorError('store-damaged')`. */
export async function openOldChain(keys: KeyValues, paths: StorePaths): Promise<OldChain> {
  const known = await readOldAnchor(paths);
  const head = await verify(keys, paths, known);
  const chain: OldChain = {
    head,
    async *records() {
      for await (const [, value] of keys.entries({ from: 'e', to: 'f' })) yield decodeRecord(value);
    },
    blob: (sha256) => keys.get(`b${sha256}`),
  };
  await assertBlobs(chain, paths);
  return chain;
}

async function verify(keys: KeyValues, paths: StorePaths, known: OldHead): Promise<OldHead> {
  let head = emptyHead;
  for await (const [key, value] of keys.entries({ from: '', to: '~' })) {
    if (key === headKey) continue;
    if (key.startsWith('b')) {
      if (key !== `b${sha256Hex(value)}`) throw damaged(paths, `the bytes ${key.slice(1)} are changed`);
      continue;
    }
    const next = nextHead(head, value);
    if (key !== recordKey(next.sequence)) throw damaged(paths, `record ${next.sequence} is missing`);
    head = next;
    if (head.sequence === known.sequence && head.hash !== known.hash)
      throw damaged(paths, `record ${head.sequence} is not the one that ${paths.anchor} knows`);
  }
  const written = await keys.get(headKey);
  if (!Buffer.from(written ?? encodeHead(emptyHead)).equals(encodeHead(head)))
    throw damaged(paths, `it ends at record ${head.sequence}, or a record is changed; its head says otherwise`);
  if (head.sequence < known.sequence)
    throw damaged(paths, `it ends at record ${head.sequence}, and ${known.sequence} were acknowledged`);
  return head;
}

/** Every blob that a record needs must be there: all but documents of rounds that ended without a signature. */
async function assertBlobs(chain: OldChain, paths: StorePaths): Promise<void> {
  const pending = new Map<string, string[]>();
  const assertThere = async (sha256: string): Promise<void> => {
    if ((await chain.blob(sha256)) === undefined) throw damaged(paths, `the bytes ${sha256} are missing`);
  };
  for await (const record of chain.records()) {
    if (record.type === 'group') await assertThere(record.certificate);
    if (record.type === 'evidence') await assertThere(record.sha256);
    if (record.type === 'round-document')
      pending.set(record.digest, [...(pending.get(record.digest) ?? []), record.sha256]);
    if (record.type !== 'closed') continue;
    if (record.outcome === 'signed') for (const sha256 of pending.get(record.digest) ?? []) await assertThere(sha256);
    pending.delete(record.digest);
  }
  for (const documents of pending.values()) for (const sha256 of documents) await assertThere(sha256);
}

function recordKey(sequence: number): string {
  return `e${sequence.toString(16).padStart(16, '0')}`;
}

function nextHead(head: OldHead, record: Uint8Array): OldHead {
  const sequence = head.sequence + 1;
  const hash = createHash('sha256')
    .update('frostmark store record\0')
    .update(head.hash, 'hex')
    .update(recordKey(sequence));
  return { sequence, hash: hash.update(record).digest('hex') };
}

function encodeHead(head: OldHead): Uint8Array {
  return Buffer.from(JSON.stringify([head.sequence, head.hash]));
}

/** The chain vouches for what it says: it is what an earlier frostmark wrote. */
function decodeRecord(bytes: Uint8Array): OldRecord {
  return JSON.parse(Buffer.from(bytes).toString()) as OldRecord;
}

const slotBytes = 512;
const slotPattern = /^([0-9a-f]{16}) ([0-9a-f]{64}) ([0-9a-f]{8})\n *$/;

/** The newer of its two slots; a torn write leaves the other. */
async function readOldAnchor(paths: StorePaths): Promise<OldHead> {
  const bytes = await readFile(paths.anchor).catch((error: unknown) => {
    throw damaged(
      paths,
      `${paths.anchor} is missing or cannot be read (${systemCode(error) ?? 'unknown error'})`,
      error,
    );
  });
  const slots = [0, 1].flatMap((slot) => {
    const text = bytes.subarray(slot * slotBytes, (slot + 1) * slotBytes).toString('latin1');
    const [, sequence = '', hash = '', check = ''] = slotPattern.exec(text) ?? [];
    return check !== '' && check === checkOf(sequence, hash) ? [{ sequence: Number.parseInt(sequence, 16), hash }] : [];
  });
  const newest = slots.reduce<OldHead | undefined>(
    (best, slot) => (best === undefined || slot.sequence > best.sequence ? slot : best),
    undefined,
  );
  if (newest === undefined) throw damaged(paths, `${paths.anchor} is not what was written`);
  return newest;
}

function checkOf(sequence: string, hash: string): string {
  return createHash('sha256').update(`frostmark store anchor\0${sequence} ${hash}`).digest('hex').slice(0, 8);
}
