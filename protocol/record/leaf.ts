/**
 * Records as the leaves of a log: canonical JSON with a type. A leaf is never changed and never dropped. What is long lies beside it as a blob,
 * named by its SHA-256, and may be moved away one day.
 */
import { decodeCanonicalJson, encodeCanonicalJson } from '../../verifier/json.ts';
import { sha256Hex } from '../wire/bytes.ts';
import { refuseAs, type Envelope } from '../wire/envelope.ts';
import { JournalHead, outcomes, type Outcome } from '../wire/frames.ts';
import { ProtocolError } from '../errors.ts';
import { maxMembers, maxMessages } from '../limits.ts';
import {
  assertSchema,
  EnvelopeSchema,
  Hash,
  Hex,
  IdentifierNumber,
  Key,
  Name,
  Strict,
  Type,
  type TSchema,
} from '../wire/schema.ts';
import { maxBlobBytes, maxInlineBytes, maxLeafBytes, maxLeafDepth, maxTreeSize } from './limits.ts';

/** Bytes beside the log. */
export interface BlobRef {
  /** Hex. */
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
}

/** A signed message, or several, in the leaf itself if its canonical JSON is at most `maxInlineBytes` long, else beside it: one spelling for each. */
export type Kept<T> = { readonly here: T } | BlobRef;

/** How a log came to be. */
export type Beginning =
  /** A charter was admitted that no log had. */
  | { readonly kind: 'new' }
  /** Members brought their group back to a coordinator that had lost it. */
  | { readonly kind: 'again' }
  /** A chain of the old form was taken over: its length and last hash. */
  | { readonly kind: 'taken-over'; readonly sequence: number; readonly hash: string }
  /** The database came back older than what was promised, and the operator said to go on from there: the log given up, as it was found. */
  | { readonly kind: 'loss-accepted'; readonly log: string; readonly size: number; readonly root: string };

/** Hashes are hex, keys base64url; `charter` is a charter's hash, which is that of its file, and `digest` a request's. */
export type LogRecord =
  /** The first of every log, and only there: its own name, and whose it is. */
  | {
      readonly type: 'born';
      readonly version: 1;
      readonly log: string;
      readonly charter: string;
      /** Identity key that signs the checkpoints. */
      readonly coordinator: string;
      readonly from: Beginning;
    }
  /** The last in a database that the log leaves, and the first in the one where it goes on: kinds of databases, not addresses. */
  | { readonly type: 'moved'; readonly to: string }
  | { readonly type: 'arrived'; readonly in: string }
  /** A charter whose ceremony belongs to this log: the founding one, then one for each signed succession. */
  | { readonly type: 'charter'; readonly charter: string; readonly file: BlobRef }
  /** `succession` names the document, hex, of one that hands a key on; it is left out for a ceremony that makes one. */
  | {
      readonly type: 'ceremony';
      readonly charter: string;
      readonly succession?: string;
      readonly message: Kept<Envelope>;
    }
  | {
      readonly type: 'group';
      readonly charter: string;
      readonly certificate: BlobRef;
      readonly stored: Kept<readonly Envelope[]>;
    }
  | {
      readonly type: 'group-document';
      readonly charter: string;
      readonly document: string;
      readonly envelope: Kept<Envelope>;
    }
  | { readonly type: 'journal'; readonly member: string; readonly journal: JournalHead }
  | { readonly type: 'round'; readonly digest: string; readonly charter: string; readonly request: Kept<Envelope> }
  | { readonly type: 'round-document'; readonly digest: string; readonly document: BlobRef }
  | { readonly type: 'decision'; readonly digest: string; readonly decision: Kept<Envelope> }
  /** `member` is an identifier of the round's charter. */
  | { readonly type: 'evidence'; readonly digest: string; readonly member: number; readonly evidence: BlobRef }
  | {
      readonly type: 'closed';
      readonly digest: string;
      readonly outcome: Exclude<Outcome, 'pending'>;
      /** 64 bytes each, hex; none unless the outcome is `signed`. */
      readonly signatures: readonly string[];
      /** Identifiers of the round's charter. */
      readonly signers: readonly number[];
    };

/** The name of a type of record. */
export type RecordType = LogRecord['type'];

const Size = Type.Integer({ minimum: 0, maximum: maxTreeSize });
const LogId = Hex(16);
const Blob = Strict({ sha256: Hash, size: Type.Integer({ minimum: 0, maximum: maxBlobBytes }) });
/** Of the blob of a kept message: it would else be in the leaf. */
const LongBlob = Strict({ sha256: Hash, size: Type.Integer({ minimum: maxInlineBytes + 1, maximum: maxBlobBytes }) });

function KeptSchema(schema: TSchema): TSchema {
  return Type.Union([Strict({ here: schema }), LongBlob]);
}

const BeginningSchema = Type.Union([
  Strict({ kind: Type.Literal('new') }),
  Strict({ kind: Type.Literal('again') }),
  Strict({ kind: Type.Literal('taken-over'), sequence: Size, hash: Hash }),
  Strict({ kind: Type.Literal('loss-accepted'), log: LogId, size: Size, root: Hash }),
]);

const KeptEnvelope = KeptSchema(EnvelopeSchema);
const over = outcomes.filter((outcome) => outcome !== 'pending');

/** The fields of each type besides `type` itself. */
const fields: Readonly<Record<RecordType, Readonly<Record<string, TSchema>>>> = {
  born: { version: Type.Literal(1), log: LogId, charter: Hash, coordinator: Key, from: BeginningSchema },
  moved: { to: Name },
  arrived: { in: Name },
  charter: { charter: Hash, file: Blob },
  ceremony: { charter: Hash, succession: Type.Optional(Hash), message: KeptEnvelope },
  group: {
    charter: Hash,
    certificate: Blob,
    stored: KeptSchema(Type.Array(EnvelopeSchema, { minItems: 1, maxItems: maxMembers })),
  },
  'group-document': { charter: Hash, document: Name, envelope: KeptEnvelope },
  journal: { member: Key, journal: JournalHead },
  round: { digest: Hash, charter: Hash, request: KeptEnvelope },
  'round-document': { digest: Hash, document: Blob },
  decision: { digest: Hash, decision: KeptEnvelope },
  evidence: { digest: Hash, member: IdentifierNumber, evidence: Blob },
  closed: {
    digest: Hash,
    outcome: Type.Union(over.map((outcome) => Type.Literal(outcome))),
    signatures: Type.Array(Hex(64), { maxItems: maxMessages }),
    signers: Type.Array(IdentifierNumber, { maxItems: maxMembers, uniqueItems: true }),
  },
};

/** The field of a record that is a blob, and the one that keeps a signed message, or several. */
interface Beside {
  readonly blob?: string;
  readonly kept?: string;
}

/** What of each type may lie beside its leaf: the one place that says so. */
const besides: Readonly<Record<RecordType, Beside>> = {
  born: {},
  moved: {},
  arrived: {},
  charter: { blob: 'file' },
  ceremony: { kept: 'message' },
  group: { blob: 'certificate', kept: 'stored' },
  'group-document': { kept: 'envelope' },
  journal: {},
  round: { kept: 'request' },
  'round-document': { blob: 'document' },
  decision: { kept: 'decision' },
  evidence: { blob: 'evidence' },
  closed: {},
};

/** The field in which a type of record keeps a signed message, or several; `undefined` if it has none. */
export function keptField(type: RecordType): string | undefined {
  return besides[type].kept;
}

const schemas = new Map<unknown, TSchema>(
  Object.entries(fields).map(([type, rest]) => [type, Strict({ type: Type.Literal(type), ...rest })]),
);

/** The bytes of a record's leaf. Refuses, as the reader would, what is no record. Throws `ProtocolError` (`bad-leaf`, `too-large`). */
export function encodeLeaf(record: LogRecord): Uint8Array {
  assertRecord(record);
  const bytes = encodeCanonicalJson(record);
  if (bytes.length > maxLeafBytes)
    throw new ProtocolError(
      'too-large',
      `a ${record.type} record of ${bytes.length} bytes, at most ${maxLeafBytes} fit`,
    );
  return bytes;
}

/** Inverse of `encodeLeaf`. Throws `ProtocolError('bad-leaf')`. */
export function decodeLeaf(bytes: Uint8Array): LogRecord {
  const value = refuseAs('bad-leaf', 'record', () =>
    decodeCanonicalJson(bytes, { maxBytes: maxLeafBytes, maxDepth: maxLeafDepth }),
  );
  assertRecord(value);
  return value;
}

function assertRecord(value: unknown): asserts value is LogRecord {
  const type = typeof value === 'object' && value !== null && 'type' in value ? value.type : undefined;
  const schema = schemas.get(type);
  if (schema === undefined)
    throw new ProtocolError('bad-leaf', `the record is of no known type; a newer frostmark may know it`);
  assertSchema(schema, value, 'bad-leaf', `${String(type)} record`);
  const record = value as LogRecord;
  for (const kept of keptIn(record)) {
    if ('here' in kept && encodeCanonicalJson(kept.here).length > maxInlineBytes)
      throw new ProtocolError('bad-leaf', `the ${record.type} record holds a message that belongs beside it`);
  }
}

/** Chooses the one way in which a signed message, or a list of them, is kept; `blob` has to be stored with the leaf. */
export function keep<T>(message: T): { readonly kept: Kept<T>; readonly blob: Uint8Array | undefined } {
  const bytes = encodeCanonicalJson(message);
  if (bytes.length <= maxInlineBytes) return { kept: { here: message }, blob: undefined };
  return { kept: refOf(bytes), blob: bytes };
}

/** The message that is kept; `blobs` gives the bytes of a blob by its hash. What it says is still to be opened. Throws `ProtocolError('bad-leaf')`. */
export function openKept<T>(kept: Kept<T>, blobs: (sha256: string) => Uint8Array | undefined): unknown {
  if ('here' in kept) return kept.here;
  const bytes = openBlob(kept, blobs);
  return refuseAs('bad-leaf', 'kept message', () =>
    decodeCanonicalJson(bytes, { maxBytes: kept.size, maxDepth: maxLeafDepth }),
  );
}

/** How bytes are named. */
export function refOf(bytes: Uint8Array): BlobRef {
  return { sha256: sha256Hex(bytes), size: bytes.length };
}

/** The bytes of a blob. Throws `ProtocolError('bad-leaf')` if they are not there, or others. */
export function openBlob(ref: BlobRef, blobs: (sha256: string) => Uint8Array | undefined): Uint8Array {
  const bytes = blobs(ref.sha256);
  if (bytes === undefined) throw new ProtocolError('bad-leaf', `the bytes ${ref.sha256} are not there`);
  if (bytes.length !== ref.size || sha256Hex(bytes) !== ref.sha256)
    throw new ProtocolError('bad-leaf', `the bytes ${ref.sha256} are changed`);
  return bytes;
}

/** Every blob that has to be there for a record, so long as nothing was archived. */
export function blobsOf(record: LogRecord): BlobRef[] {
  const kept = keptIn(record).flatMap((one) => ('here' in one ? [] : [one]));
  return [...plainBlobs(record), ...kept];
}

function plainBlobs(record: LogRecord): BlobRef[] {
  const { blob }: Beside = besides[record.type];
  return blob === undefined ? [] : [fieldOf(record, blob) as BlobRef];
}

function keptIn(record: LogRecord): Kept<unknown>[] {
  const field = keptField(record.type);
  return field === undefined ? [] : [fieldOf(record, field) as Kept<unknown>];
}

function fieldOf(record: LogRecord, field: string): unknown {
  return (record as Readonly<Record<string, unknown>>)[field];
}
