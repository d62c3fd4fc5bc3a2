/**
 * What tools would take some bytes for, each by the laxest reader of its kind (T10): git's parsers of tags and commits; apt's of a Release file,
 * which takes the first good triple of a field wherever it is; dpkg's of control files; `-c` of sha256sum, cksum and shasum, which pass over
 * the lines that they do not know; rpm's look at how a header begins. All of it costs time in proportion to the bytes (T41).
 */
import {
  hashRuns,
  isBeforeColon,
  isChecksumLine,
  isListingLine,
  isTriple,
  lineContent,
  taggedBracket,
} from './hash-runs.ts';

/** A kind of document, or `listing`: lines ` hash size name`, a part of apt's and dpkg's documents and of no other. */
export type Reading =
  'git-tag' | 'git-commit' | 'apt-release' | 'debian-control' | 'rpm-header' | 'manifest' | 'listing';

/** A place where some tool begins to read. */
export interface Found {
  readonly reading: Reading;
  /** Offset in bytes. */
  readonly at: number;
}

/** git takes upper-case digits, too. */
const gitObject = /^(tree|object) [0-9a-f]{40}/i;
const rpmMagic = '\u008e\u00ad\u00e8\u0001';
/** Bytes by which those are told, and the name of a field. */
const headBytes = 64;

/** apt takes white space before the colon. */
const fieldName = /^[0-9a-z-]+/i;
const fields: readonly (readonly [Reading, RegExp])[] = [
  ['apt-release', /^(?:MD5Sum|SHA1|SHA256|SHA512)$/i],
  ['debian-control', /^(?:Files|Checksums-.*)$/i],
];
/** How a line `SHA256 (name) = hash` begins, and bytes by which that is told. */
const hashName = /^(?:MD|SHA|RMD|RIPEMD|BLAKE|SM)/i;
const hashNameBytes = 6;

/** Everything that some tool would take these bytes for, as it is found; `at` is the place that made it so. May come more than once. */
export function* readingsIn(bytes: Uint8Array): Generator<Found> {
  const head = asciiAt(bytes, 0);
  const [, object] = gitObject.exec(head) ?? [];
  if (object !== undefined) yield { reading: object.toLowerCase() === 'tree' ? 'git-commit' : 'git-tag', at: 0 };
  if (head.startsWith(rpmMagic)) yield { reading: 'rpm-header', at: 0 };
  const lookBack = new LookBack(bytes);
  for (const run of hashRuns(bytes)) {
    const bracket = taggedBracket(bytes, run);
    if (bracket !== undefined && lookBack.isTagged(bracket)) yield { reading: 'manifest', at: run.start };
    if (isChecksumLine(bytes, run))
      yield { reading: isListingLine(bytes, run) ? 'listing' : 'manifest', at: run.start };
    if (isTriple(bytes, run)) for (const reading of lookBack.fieldReadings(run.start)) yield { reading, at: run.start };
  }
}

/** The same, each once. */
export function readingsOf(bytes: Uint8Array): ReadonlySet<Reading> {
  return new Set(Array.from(readingsIn(bytes), ({ reading }) => reading));
}

/** What a line or field begins with, asked for ascending places in it: no byte is looked at twice. */
class LookBack {
  readonly #bytes: Uint8Array;
  #line = { seenTo: 0, isTagged: false };
  #field: { readonly seenTo: number; readonly readings: readonly Reading[] } = { seenTo: 0, readings: [] };

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Whether the line with a hash after the bracket at `bracket` names the hash before it. */
  isTagged(bracket: number): boolean {
    const start = lineStart(this.#bytes, bracket, this.#line.seenTo);
    const isTagged =
      start === undefined
        ? this.#line.isTagged
        : hashName.test(asciiAt(this.#bytes, lineContent(this.#bytes, start), hashNameBytes));
    this.#line = { seenTo: bracket, isTagged };
    return isTagged;
  }

  /** What takes the field that goes on at `at` for its own. A field goes on over lines that begin with a blank, and over the empty ones. */
  fieldReadings(at: number): readonly Reading[] {
    let start = lineStart(this.#bytes, at, this.#field.seenTo);
    while (start !== undefined && start > 0 && isContinued(this.#bytes[start]))
      start = lineStart(this.#bytes, start - 1, this.#field.seenTo);
    const readings = start === undefined ? this.#field.readings : readingsOfField(this.#bytes, start);
    this.#field = { seenTo: at, readings };
    return readings;
  }
}

function readingsOfField(bytes: Uint8Array, start: number): Reading[] {
  const [name = ''] = fieldName.exec(asciiAt(bytes, start)) ?? [];
  if (!isBeforeColon(bytes, start + name.length)) return [];
  return fields.flatMap(([reading, known]) => (known.test(name) ? [reading] : []));
}

/** Where the line of `at` begins; `undefined` when that is before `seenTo`. */
function lineStart(bytes: Uint8Array, at: number, seenTo: number): number | undefined {
  for (let start = at; start >= seenTo; start -= 1) if (start === 0 || isLineBreak(bytes[start - 1])) return start;
  return undefined;
}

function isLineBreak(byte: number | undefined): boolean {
  return byte === 0x0a || byte === 0x0d;
}

/** A line that begins so belongs to the field above. A colon ends a name that is in the line above; dpkg passes over comments. */
function isContinued(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x3a || byte === 0x23 || isLineBreak(byte);
}

/** The next bytes, one character each: what tools look for is ASCII, and not every document is text. */
function asciiAt(bytes: Uint8Array, at: number, count = headBytes): string {
  let text = '';
  for (const byte of bytes.subarray(at, at + count)) text += String.fromCharCode(byte);
  return text;
}
