/** An annotated git tag as `git tag -s` hands it over: object, type, name, tagger, message. */
import { maxGitObjectBytes, maxTagNameCharacters } from '../limits.ts';
import type { DocumentKind, DocumentView } from './document.ts';
import { openGitObject } from './git-object.ts';
import { refuseDocument } from './readable.ts';

const types: readonly string[] = ['commit', 'tree', 'blob', 'tag'];
const tagNames = {
  allowed: /^[^\s~^:?*[\\\p{Cc}]+$/u,
  refused: /^[-/]|^@$|\.\.|\/\/|@\{|[/.]$|(?:^|\/)\.|\.lock(?:\/|$)/u,
};

/** A name that git takes for a tag (git-check-ref-format; a tag does not begin with a dash). */
function isTagName(name: string): boolean {
  return name.length <= maxTagNameCharacters && tagNames.allowed.test(name) && !tagNames.refused.test(name);
}

function decodeGitTag(bytes: Uint8Array): DocumentView {
  const { head, message, lines } = openGitObject(bytes, 'git-tag');
  const object = head.takeHash('object');
  const type = head.take('type');
  if (!types.includes(type)) head.fail(`must name one of the types ${types.join(', ')}`);
  const tag = head.take('tag');
  if (!isTagName(tag)) head.fail('is no name of a tag');
  const tagger = head.takeIdentity('tagger');
  head.end({});
  // Git looks for the signature after the message by a line that begins so.
  const armor = message.split('\n').findIndex((text) => text.startsWith('-----BEGIN '));
  if (armor >= 0) refuseDocument('git-tag', `line ${lines + 2 + armor} begins like a signature`);
  return {
    fields: [
      object,
      { name: 'type', value: type, isChecked: false },
      { name: 'tag', value: tag, isChecked: true },
      tagger,
    ],
    text: message,
  };
}

/** Signed for git alone, whose signature comes after the message of the tag. */
export const gitTag: DocumentKind = {
  kind: 'git-tag',
  maxBytes: maxGitObjectBytes,
  readings: ['git-tag'],
  namespace: 'git',
  decode: decodeGitTag,
};
