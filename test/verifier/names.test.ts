import { describe, expect, it } from 'vitest';

import { isCommit, isName, isSha256, isSubjectName, isText } from '../../verifier/names.ts';

describe('names', () => {
  it.each(['a', '0', 'acme', 'acme-2.x_y', 'a'.repeat(64)])('takes %s for a group or channel', (text) => {
    expect(isName(text)).toBe(true);
  });

  it.each(['', 'A', '-a', '.a', '_a', 'a b', 'a/b', 'a:b', 'ä', 'a\n', '\na', 'a\0', 'a'.repeat(65)])(
    'takes no %j for a group or channel',
    (text) => {
      expect(isName(text)).toBe(false);
    },
  );

  it.each(['a', 'app.tar.gz', '.hidden', '...', 'with space', 'ünïcode', '日本', 'a'.repeat(255)])(
    'takes %s for a base name',
    (text) => {
      expect(isSubjectName(text)).toBe(true);
    },
  );

  it.each([
    '',
    '.',
    '..',
    '/',
    'a/b',
    '../a',
    'a/',
    'a\\b',
    '\\',
    'a\0',
    'a\nb',
    'a\u007f',
    'a\u0085',
    '\ud800',
    'a'.repeat(256),
    'é'.repeat(128),
  ])('takes no %j for a base name (T22)', (text) => {
    expect(isSubjectName(text)).toBe(false);
  });

  it('bounds a line of text by its bytes', () => {
    expect(isText('éé', 4)).toBe(true);
    expect(isText('éé', 3)).toBe(false);
    expect(isText('', 3)).toBe(false);
  });

  it('takes digests and commits only in lower-case hexadecimal of full length', () => {
    expect(isSha256('a'.repeat(64))).toBe(true);
    expect(isCommit('a'.repeat(40))).toBe(true);
    expect(isCommit('a'.repeat(64))).toBe(true);
    for (const text of ['', 'A'.repeat(64), 'a'.repeat(63), 'a'.repeat(65), 'g'.repeat(64), `${'a'.repeat(64)}\n`]) {
      expect(isSha256(text)).toBe(false);
      expect(isCommit(text)).toBe(false);
    }
  });
});
