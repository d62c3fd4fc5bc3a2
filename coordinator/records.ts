/** The records of a group's log as the coordinator works with them: a signed message is always there, wherever the log keeps its bytes. */
import { keep, openKept, type Kept, type LogRecord } from '../protocol/record/leaf.ts';
import type { Envelope } from '../protocol/wire/envelope.ts';

/** Records that keep a signed message, or several. */
type Keeping = 'ceremony' | 'group' | 'group-document' | 'round' | 'decision';
type LogRecordOf<T extends LogRecord['type']> = Extract<LogRecord, { type: T }>;

/** What is stored, told apart by `type`: the records of a log (PROTOCOL.md, section 13.5) with their messages opened. */
export type StoreRecord =
  | Exclude<LogRecord, { type: Keeping }>
  | { readonly type: 'ceremony'; readonly charter: string; readonly message: Envelope }
  | (Omit<LogRecordOf<'group'>, 'stored'> & { readonly stored: readonly Envelope[] })
  | (Omit<LogRecordOf<'group-document'>, 'envelope'> & { readonly envelope: Envelope })
  | { readonly type: 'round'; readonly digest: string; readonly charter: string; readonly request: Envelope }
  | { readonly type: 'decision'; readonly digest: string; readonly decision: Envelope };

/** One type of record. */
export type RecordOf<T extends StoreRecord['type']> = Extract<StoreRecord, { type: T }>;
/** The records that make up a round. */
export type RoundRecord = Extract<StoreRecord, { digest: string }>;
/** How a round ended. */
export type ClosedRecord = RecordOf<'closed'>;
/** What is said of a group itself, and read at each start. */
export type GroupRecord = RecordOf<'ceremony' | 'group' | 'group-document'>;

/** A record as its leaf has it, and the bytes that have to be stored with it. */
export interface LeafRecord {
  readonly record: LogRecord;
  readonly blob: Uint8Array | undefined;
}

/** How a record is written. */
export function toLeafRecord(record: StoreRecord): LeafRecord {
  switch (record.type) {
    case 'ceremony':
      return kept(record.message, (message) => ({ ...record, message }));
    case 'group':
      return kept(record.stored, (stored) => ({ ...record, stored }));
    case 'group-document':
      return kept(record.envelope, (envelope) => ({ ...record, envelope }));
    case 'round':
      return kept(record.request, (request) => ({ ...record, request }));
    case 'decision':
      return kept(record.decision, (decision) => ({ ...record, decision }));
    case 'born':
    case 'moved':
    case 'arrived':
    case 'charter':
    case 'journal':
    case 'round-document':
    case 'evidence':
    case 'closed':
      return { record, blob: undefined };
  }
}

function kept<T>(message: T, recordOf: (kept: Kept<T>) => LogRecord): LeafRecord {
  const { kept: place, blob } = keep(message);
  return { record: recordOf(place), blob };
}

/** Inverse of `toLeafRecord`; `blob` gives the bytes of a blob that is there. Throws what it throws, and `ProtocolError('bad-leaf')`. */
export async function fromLeafRecord(
  record: LogRecord,
  blob: (sha256: string) => Promise<Uint8Array>,
): Promise<StoreRecord> {
  switch (record.type) {
    case 'ceremony':
      return { ...record, message: await open(record.message, blob) };
    case 'group':
      return { ...record, stored: await open(record.stored, blob) };
    case 'group-document':
      return { ...record, envelope: await open(record.envelope, blob) };
    case 'round':
      return { ...record, request: await open(record.request, blob) };
    case 'decision':
      return { ...record, decision: await open(record.decision, blob) };
    case 'born':
    case 'moved':
    case 'arrived':
    case 'charter':
    case 'journal':
    case 'round-document':
    case 'evidence':
    case 'closed':
      return record;
  }
}

/** The leaf vouches for what it says: it is what this program wrote. */
async function open<T>(kept: Kept<T>, blob: (sha256: string) => Promise<Uint8Array>): Promise<T> {
  const bytes = 'here' in kept ? undefined : await blob(kept.sha256);
  return openKept(kept, () => bytes) as T;
}
