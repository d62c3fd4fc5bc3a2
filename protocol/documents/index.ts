/** The closed list of documents that a quorum may sign whole. */
import { ProtocolError } from '../errors.ts';
import { aptRelease } from './apt-release.ts';
import type { DocumentKind, DocumentView } from './document.ts';
import { gitCommit } from './git-commit.ts';
import { gitTag } from './git-tag.ts';
import { manifest } from './manifest.ts';
import { rpmHeader } from './rpm-header.ts';
import { text } from './text.ts';

const kinds: readonly DocumentKind[] = [manifest, gitTag, gitCommit, aptRelease, rpmHeader, text];

/** Names of the kinds, for messages and policies. */
export const documentKinds: readonly string[] = kinds.map(({ kind }) => kind);

/**
 * Reads a document by the grammar of its kind, and refuses bytes that are of another kind as well: nobody approves a text that is a git tag (T10).
 * Throws `ProtocolError('bad-document')`.
 */
export function decodeDocument(kind: string, bytes: Uint8Array): DocumentView {
  const known = kinds.find((candidate) => candidate.kind === kind);
  if (known === undefined)
    throw new ProtocolError('bad-document', `there is no document kind ${kind}; there are ${documentKinds.join(', ')}`);
  if (bytes.length > known.maxBytes)
    throw new ProtocolError('bad-document', `a ${kind} has at most ${known.maxBytes} bytes, this has ${bytes.length}`);
  const view = known.decode(bytes);
  const other = kinds.find(
    (candidate) => candidate !== known && candidate.kind !== 'text' && isOfKind(candidate, bytes),
  );
  if (other !== undefined)
    throw new ProtocolError('bad-document', `these bytes are a ${other.kind}, too; ask for them as what they are`);
  return view;
}

/** The kind by whose grammar these bytes read, `text` last. Throws `ProtocolError('bad-document')` when there is none, as `text` puts it. */
export function documentKindOf(bytes: Uint8Array): string {
  const known = kinds.find((candidate) => candidate.kind !== 'text' && isOfKind(candidate, bytes));
  if (known !== undefined) return known.kind;
  decodeDocument('text', bytes);
  return 'text';
}

function isOfKind(kind: DocumentKind, bytes: Uint8Array): boolean {
  try {
    kind.decode(bytes);
    return true;
  } catch (error) {
    if (error instanceof ProtocolError) return false;
    throw error;
  }
}
