/** A git commit as `git commit -S` hands it over: tree, parents, author, committer, perhaps the id of a change, message. No other header is signed. */
import { maxGitObjectBytes } from '../limits.ts';
import type { DocumentKind, DocumentView } from './document.ts';
import { openGitObject } from './git-object.ts';

/** What follows a change through its rewrites, as jj and GitButler write it: no tool reads more into it. */
const changeId = /^[0-9a-z-]{1,64}$/;

/**
 * An `encoding` header is refused, because git would show a message in other letters than the approver read; `mergetag` is, because it
 * holds another signed object.
 */
const remedies: Readonly<Record<string, string>> = {
  encoding: 'write it in UTF-8 (git config --unset i18n.commitEncoding) and commit again',
  mergetag: 'merge TAG^{} instead of TAG',
  gpgsig: 'it is signed already',
  'gpgsig-sha256': 'it is signed already',
};

function decodeGitCommit(bytes: Uint8Array): DocumentView {
  const { head, message } = openGitObject(bytes, 'git-commit');
  const fields = [
    head.takeHash('tree'),
    ...head.takeHashes('parent'),
    head.takeIdentity('author'),
    head.takeIdentity('committer'),
    ...head.takeOptional('change-id', changeId),
  ];
  head.end(remedies);
  return { fields, text: message };
}

/** Signed for git alone, whose signature is over the commit without its `gpgsig` header. */
export const gitCommit: DocumentKind = {
  kind: 'git-commit',
  maxBytes: maxGitObjectBytes,
  readings: ['git-commit'],
  namespace: 'git',
  decode: decodeGitCommit,
};
