/** The closed list of documents that a quorum may sign whole, and the rule that each has one reading (T10). */
import { ProtocolError } from '../errors.ts';
import { maxRequestersBytes } from '../limits.ts';
import { aptRelease } from './apt-release.ts';
import { debianControl } from './debian-control.ts';
import type { DocumentKind, DocumentView } from './document.ts';
import { gitCommit } from './git-commit.ts';
import { gitTag } from './git-tag.ts';
import { manifest } from './manifest.ts';
import { readingsIn, type Found, type Reading } from './readings.ts';
import { rpmHeader } from './rpm-header.ts';
import { text } from './text.ts';

const kinds: readonly DocumentKind[] = [manifest, gitTag, gitCommit, aptRelease, debianControl, rpmHeader, text];

/** Names of the kinds, for messages and policies. */
export const documentKinds: readonly string[] = kinds.map(({ kind }) => kind);

/** How a refusal names what a tool would read. */
const readingNames: Readonly<Record<Reading, string>> = {
  'git-tag': 'a git tag',
  'git-commit': 'a git commit',
  'apt-release': "a list of files in apt's Release",
  'debian-control': 'a list of files in a .dsc or .changes file',
  'rpm-header': 'an RPM header',
  manifest: 'a checksum of a file',
  listing: 'a checksum of a file',
};

/** Readings that only a signature of the namespace `git` could be shown for. */
const gitReadings: readonly Reading[] = ['git-tag', 'git-commit'];

/** The most bytes of a document of that kind; of what the group itself is made of, no more than a requesters document. */
export function maxBytesOf(kind: string): number {
  return kinds.find((candidate) => candidate.kind === kind)?.maxBytes ?? maxRequestersBytes;
}

/** What an SSH signature over a document of that kind says it is of. Throws `ProtocolError('bad-document')`. */
export function namespaceOf(kind: string): 'git' | 'file' {
  return kindOf(kind).namespace;
}

/**
 * Reads a document by the grammar of its kind, and refuses bytes that another kind's tool would take for its own, where a signature of this
 * kind could be shown to that tool under every format (T10). Throws `ProtocolError('bad-document')`.
 */
export function decodeDocument(kind: string, bytes: Uint8Array): DocumentView {
  const known = kindOf(kind);
  if (bytes.length > known.maxBytes)
    throw new ProtocolError('bad-document', `a ${kind} has at most ${known.maxBytes} bytes, this has ${bytes.length}`);
  const view = known.decode(bytes);
  const other = otherReading(known, bytes);
  if (other !== undefined && (known.namespace !== 'git' || gitReadings.includes(other.reading)))
    throw new ProtocolError('bad-document', describe(kind, bytes, other) + remedyFor(other));
  return view;
}

/**
 * Refuses for a format whose signatures do not say what they are of, such as OpenPGP's and minisign's, what another tool would take for its own (T10):
 * a tag whose message lists checksums is signed for SSH only. Throws `ProtocolError('bad-document')`.
 */
export function assertOneReading(kind: string, bytes: Uint8Array, format: string): void {
  const other = otherReading(kindOf(kind), bytes);
  if (other === undefined) return;
  const remedy = `a signature by ${format} does not say what it is of: put a word before it, or have it signed for SSH`;
  throw new ProtocolError('bad-document', `${describe(kind, bytes, other)}, and ${remedy}`);
}

function kindOf(kind: string): DocumentKind {
  const known = kinds.find((candidate) => candidate.kind === kind);
  if (known !== undefined) return known;
  throw new ProtocolError('bad-document', `there is no document kind ${kind}; there are ${documentKinds.join(', ')}`);
}

/** The first that is not of its own kind. */
function otherReading(known: DocumentKind, bytes: Uint8Array): Found | undefined {
  for (const found of readingsIn(bytes)) if (!known.readings.includes(found.reading)) return found;
  return undefined;
}

/** Where such a thing belongs that is one. */
function remedyFor({ reading }: Found): string {
  const own = kinds.find(({ readings }) => readings.includes(reading));
  return own === undefined ? '' : `; what is one is signed as ${own.kind}, and in any other a word before it helps`;
}

function describe(kind: string, bytes: Uint8Array, { reading, at }: Found): string {
  return `${kind}: line ${lineAt(bytes, at)} reads as ${readingNames[reading]}`;
}

function lineAt(bytes: Uint8Array, at: number): number {
  let line = 1;
  for (let place = 0; place < at; place += 1) if (bytes[place] === 0x0a) line += 1;
  return line;
}

/** The kind by whose grammar these bytes read, `text` last. Throws `ProtocolError('bad-document')` when there is none, as `text` puts it. */
export function documentKindOf(bytes: Uint8Array): string {
  const known = kinds.find((candidate) => candidate.kind !== 'text' && isOfKind(candidate, bytes));
  if (known !== undefined) return known.kind;
  decodeDocument('text', bytes);
  return 'text';
}

function isOfKind({ kind }: DocumentKind, bytes: Uint8Array): boolean {
  try {
    decodeDocument(kind, bytes);
    return true;
  } catch (error) {
    if (error instanceof ProtocolError) return false;
    throw error;
  }
}
