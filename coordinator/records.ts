/** The records of a group's log as the coordinator works with them: a signed message is always there, wherever the log keeps its bytes. */
import { keep, keptField, openKept, type Kept, type LogRecord } from '../protocol/record/leaf.ts';
import type { Envelope } from '../protocol/wire/envelope.ts';

/** Records that keep a signed message, or several. */
type Keeping = 'ceremony' | 'group' | 'group-document' | 'round' | 'decision';
type LogRecordOf<T extends LogRecord['type']> = Extract<LogRecord, { type: T }>;

/** What is stored, told apart by `type`: the records of a log (PROTOCOL.md, section 13.5) with their messages opened. */
export type StoreRecord =
  | Exclude<LogRecord, { type: Keeping }>
  | (Omit<LogRecordOf<'ceremony'>, 'message'> & { readonly message: Envelope })
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

/** A record as its leaf has it, and the bytes that have to be stored with it. */
export interface LeafRecord {
  readonly record: LogRecord;
  readonly blob: Uint8Array | undefined;
}

/** How a record is written. */
export function toLeafRecord(record: StoreRecord): LeafRecord {
  const field = keptField(record.type);
  if (field === undefined) return { record: record as LogRecord, blob: undefined };
  const { kept, blob } = keep((record as Readonly<Record<string, unknown>>)[field]);
  return { record: { ...record, [field]: kept } as LogRecord, blob };
}

/**
 * Inverse of `toLeafRecord`; `blob` gives the bytes of a blob that is there. The leaf vouches for what it says: it is what this program wrote. Throws
 * what `blob` throws, and `ProtocolError('bad-leaf')`.
 */
export async function fromLeafRecord(
  record: LogRecord,
  blob: (sha256: string) => Promise<Uint8Array>,
): Promise<StoreRecord> {
  const field = keptField(record.type);
  if (field === undefined) return record as StoreRecord;
  const kept = (record as Readonly<Record<string, unknown>>)[field] as Kept<unknown>;
  const bytes = 'here' in kept ? undefined : await blob(kept.sha256);
  return { ...record, [field]: openKept(kept, () => bytes) } as StoreRecord;
}
