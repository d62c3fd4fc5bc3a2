/** The main header of an RPM package (RPM documentation, "RPM V4 Package format", "Header structure"): what a package's OpenPGP signature is over. It holds the digests of the payload. */
import { ProtocolError } from '../errors.ts';
import { maxDocumentBytes, maxRpmEntries } from '../limits.ts';
import { equalBytes } from '../wire/bytes.ts';
import type { DocumentField, DocumentKind, DocumentView } from './document.ts';

/** Magic, version 1, four reserved bytes; then the number of entries and the size of the store, 4 bytes each. */
const magic = Uint8Array.of(0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0);
const introBytes = 16;
const entryBytes = 16;

const types = { char: 1, int8: 2, int16: 3, int32: 4, int64: 5, string: 6, binary: 7, strings: 8, translated: 9 };
/** Bytes of one element, and what its offset is a multiple of. Strings end in a zero byte instead. */
const widths: Readonly<Record<number, number>> = { 1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1 };

const tags = {
  immutable: 63,
  name: 1000,
  version: 1001,
  release: 1002,
  epoch: 1003,
  summary: 1004,
  vendor: 1011,
  arch: 1022,
  sourceRpm: 1044,
  baseNames: 1117,
  payloadDigest: 5092,
  payloadDigestAlgorithm: 5093,
};

/**
 * Scripts run as root on every host that installs the package, so whoever approves reads them: the tag of the text, the tag of the program
 * that runs it or runs without a text, and when.
 */
const scripts: readonly (readonly [text: number, program: number, when: string])[] = [
  [1023, 1085, 'before installation'],
  [1024, 1086, 'after installation'],
  [1025, 1087, 'before removal'],
  [1026, 1088, 'after removal'],
  [1065, 1092, 'triggered by other packages'],
  [1079, 1091, 'at verification'],
  [1151, 1153, 'before the transaction'],
  [1152, 1154, 'after the transaction'],
  [5066, 5067, 'triggered by files'],
  [5076, 5077, 'triggered by files of a transaction'],
  [5103, 5105, 'before a transaction that removes it'],
  [5104, 5106, 'after a transaction that removed it'],
];

/** Hex digits of a payload digest, by hash algorithm (RFC 9580, Section 9.5). */
const digestDigits: Readonly<Record<number, number>> = { 8: 64, 9: 96, 10: 128 };

interface Entry {
  readonly tag: number;
  readonly type: number;
  readonly count: number;
  /** Its bytes of the store. */
  readonly data: Uint8Array;
}

/** Signed as it is in the file, magic included. Shows what a person knows a package by, the digest of its payload, and the scripts as text. */
export const rpmHeader: DocumentKind = {
  kind: 'rpm-header',
  maxBytes: maxDocumentBytes,
  readings: ['rpm-header'],
  namespace: 'file',
  decode,
};

function decode(bytes: Uint8Array): DocumentView {
  const entries = readEntries(bytes);
  const textOf = (tag: number): string | undefined => textsOf(entries.get(tag))?.[0];
  const required = (tag: number, what: string): string => textOf(tag) ?? refuse(`there is no ${what}`);
  const fields = [
    ['name', required(tags.name, 'name')],
    ['epoch', integerOf(entries.get(tags.epoch))?.toString()],
    ['version', required(tags.version, 'version')],
    ['release', required(tags.release, 'release')],
    ['arch', required(tags.arch, 'architecture')],
    ['summary', textOf(tags.summary)],
    ['vendor', textOf(tags.vendor)],
    ['source rpm', textOf(tags.sourceRpm)],
    ['files', String(entries.get(tags.baseNames)?.count ?? 0)],
  ] as const;
  return {
    fields: [
      ...fields.flatMap(([name, value]): DocumentField[] =>
        value === undefined ? [] : [{ name, value, isChecked: true }],
      ),
      { name: 'payload digest', value: payloadDigestOf(entries), isChecked: false },
    ],
    text: scriptsOf(entries),
  };
}

/**
 * Index and store, read so that every byte of the store belongs to exactly one entry: the region over the whole header first and its trailer
 * last, tags ascending, data in their order, between them only the zeros of an alignment.
 */
function readEntries(bytes: Uint8Array): ReadonlyMap<number, Entry> {
  if (bytes.length < introBytes || !equalBytes(bytes.subarray(0, magic.length), magic)) refuse('not an RPM header');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const [count, storeBytes] = [view.getUint32(8), view.getUint32(12)];
  if (count < 1 || count > maxRpmEntries) refuse(`an index of ${count} entries`);
  const storeAt = introBytes + entryBytes * count;
  if (bytes.length !== storeAt + storeBytes) refuse('its length is not that of index and store');
  const index = Array.from({ length: count }, (_, place) => {
    const at = introBytes + entryBytes * place;
    const [tag, type, offset, elements] = [0, 4, 8, 12].map((field) => view.getUint32(at + field));
    return { tag: tag ?? 0, type: type ?? 0, offset: offset ?? 0, count: elements ?? 0 };
  });
  const store = bytes.subarray(storeAt);
  assertRegion(index[0], store, count);
  return readStore(index.slice(1), store.subarray(0, -entryBytes));
}

interface IndexEntry {
  readonly tag: number;
  readonly type: number;
  readonly offset: number;
  readonly count: number;
}

/** The first entry says that all entries are of the immutable region; its 16 bytes, the last of the store, repeat it with the length of the index negated. */
function assertRegion(entry: IndexEntry | undefined, store: Uint8Array, count: number): void {
  const trailer = new Uint8Array(entryBytes);
  const view = new DataView(trailer.buffer);
  [tags.immutable, types.binary, -entryBytes * count, entryBytes].forEach((field, place) =>
    view.setInt32(4 * place, field),
  );
  const isRegion =
    entry?.tag === tags.immutable &&
    entry.type === types.binary &&
    entry.count === entryBytes &&
    entry.offset === store.length - entryBytes &&
    equalBytes(store.subarray(-entryBytes), trailer);
  if (!isRegion) refuse('not one immutable region over the whole header');
}

function readStore(index: readonly IndexEntry[], store: Uint8Array): ReadonlyMap<number, Entry> {
  const entries = new Map<number, Entry>();
  let [end, lastTag] = [0, tags.immutable];
  for (const entry of index) {
    const { tag, type, offset, count } = entry;
    if (tag <= lastTag) refuse(`tag ${tag} is not in order`);
    const width = widths[type];
    const start = Math.ceil(end / (width ?? 1)) * (width ?? 1);
    if (offset !== start || store.subarray(end, start).some((byte) => byte !== 0))
      refuse(`the data of tag ${tag} do not follow the ones before`);
    const bytes = width === undefined ? stringsEnd(entry, store, start) - start : width * count;
    if (count < 1 || start + bytes > store.length) refuse(`the data of tag ${tag} are cut off`);
    [end, lastTag] = [start + bytes, tag];
    entries.set(tag, { tag, type, count, data: store.subarray(start, end) });
  }
  if (end !== store.length) refuse('bytes that belong to no tag');
  return entries;
}

/** Where the zero-terminated strings of this entry end that begin at `start`. */
function stringsEnd({ tag, type, count }: IndexEntry, store: Uint8Array, start: number): number {
  const isText = type === types.string || type === types.strings || type === types.translated;
  if (!isText || (type === types.string && count !== 1)) refuse(`tag ${tag} has no such type`);
  let end = start;
  for (let place = 0; place < count; place += 1) {
    const zero = store.indexOf(0, end);
    if (zero < 0) refuse(`the data of tag ${tag} are cut off`);
    end = zero + 1;
  }
  return end;
}

function textsOf(entry: Entry | undefined): string[] | undefined {
  if (entry === undefined) return undefined;
  if (widths[entry.type] !== undefined) refuse(`tag ${entry.tag} is no text`);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(entry.data.subarray(0, -1)).split('\0');
  } catch {
    return refuse(`tag ${entry.tag} is not UTF-8`);
  }
}

function integerOf(entry: Entry | undefined): number | undefined {
  if (entry === undefined) return undefined;
  if (entry.type !== types.int32 || entry.count !== 1) refuse(`tag ${entry.tag} is no number`);
  return new DataView(entry.data.buffer, entry.data.byteOffset).getUint32(0);
}

/** Without it the signature would not reach the files: rpm takes the payload from this digest. */
function payloadDigestOf(entries: ReadonlyMap<number, Entry>): string {
  const algorithm = integerOf(entries.get(tags.payloadDigestAlgorithm)) ?? 0;
  const [digest, another] = textsOf(entries.get(tags.payloadDigest)) ?? [];
  const isOne = digest !== undefined && another === undefined;
  if (!isOne || !/^[0-9a-f]+$/.test(digest) || digest.length !== digestDigits[algorithm])
    return refuse('there is no SHA-2 digest of the payload');
  return digest;
}

function scriptsOf(entries: ReadonlyMap<number, Entry>): string | null {
  const found = scripts.flatMap(([text, program, when]) => {
    const [texts, programs] = [textsOf(entries.get(text)), textsOf(entries.get(program))];
    if (texts === undefined && programs === undefined) return [];
    return [[`# Run ${when} by ${programs?.join(' ') ?? 'rpm'}`, ...(texts ?? []), ''].join('\n')];
  });
  return found.length === 0 ? null : found.join('\n');
}

function refuse(what: string): never {
  throw new ProtocolError('bad-document', `rpm-header: ${what}`);
}
