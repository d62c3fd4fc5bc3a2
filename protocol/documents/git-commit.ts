/** A git commit as `git commit -S` hands it over: tree, parents, author, committer, message. No other header is signed. */
import { maxGitObjectBytes } from '../limits.ts';
import type { DocumentKind, DocumentView } from './document.ts';
import { openGitObject } from './git-object.ts';

/**
 * An `encoding` header is refused, because git would show a message in other letters than the approver read; `mergetag` is, because it
 * holds another signed object (merge `TAG^{}` instead).
 */
function decodeGitCommit(bytes: Uint8Array): DocumentView {
  const { head, message } = openGitObject(bytes, 'git-commit');
  const fields = [
    head.takeHash('tree'),
    ...head.takeHashes('parent'),
    head.takeIdentity('author'),
    head.takeIdentity('committer'),
  ];
  head.end();
  return { fields, text: message };
}

export const gitCommit: DocumentKind = { kind: 'git-commit', maxBytes: maxGitObjectBytes, decode: decodeGitCommit };
