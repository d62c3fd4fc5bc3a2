/** One-time keys for shares of an imported key: what is read, and what is refused. */
import { beforeAll, describe, expect, it } from 'vitest';
import { decodeBase64Url, encodeBase64Url } from '../../../verifier/base64.ts';
import { encodeImportKey, readImportKeys } from '../../../protocol/ceremony/import-key.ts';
import { decodeCharter } from '../../../protocol/files/charter.ts';
import type { SealingGroup } from '../../../protocol/frost/group.ts';
import { maxImportKeysBytes } from '../../../protocol/limits.ts';
import { hexToBytes } from '../../../protocol/wire/bytes.ts';
import { sharedSodium } from '../../harness/ceremony-network.ts';
import { person, writeCharter, type Person } from '../../harness/people.ts';
import { refusalOf, utf8 } from '../support.ts';
import { smallOrderBoxKeys } from './box-keys.ts';

const { charter, people, text } = writeCharter({
  tiers: ['admin', 'admin', 'build'],
  production: '{ admin: 2 }',
  development: '{ build: 1 }',
});
const [alice, bob, build] = people as [Person, Person, Person];

let sodium: SealingGroup;
beforeAll(async () => {
  sodium = await sharedSodium();
});

const freshKey = (): Uint8Array => {
  const key = sodium.makeBoxKey();
  sodium.wipe(key);
  return key.publicKey;
};
const lineOf = (who: Person, key = freshKey(), of = charter): string => encodeImportKey(of, key, who);
const refused = (...lines: string[]): string => {
  const { code, message } = refusalOf(() => readImportKeys(utf8(lines.join('\n')), 'keys.txt', charter));
  expect(code).toBe('bad-import-key');
  return message;
};

describe('a file of import keys', () => {
  it('is read for its own holder, each line, whatever the order; remarks and empty lines say nothing', () => {
    const [first, second] = [freshKey(), freshKey()];
    const file = `# from the chat\r\n\n${lineOf(bob, second)}\r\n  ${lineOf(alice, first)}\n${lineOf(alice, first)}\n`;
    const keys = readImportKeys(utf8(file), 'keys.txt', charter);
    expect([...keys].sort(([a], [b]) => a - b)).toEqual([
      [charter.members[0]!.identifier, first],
      [charter.members[1]!.identifier, second],
    ]);
  });

  it('that lacks a holder names it, and what it must run', () => {
    expect(refused(lineOf(alice))).toContain(
      `has no key of ${charter.members[1]!.name}: each runs frostmark participant`,
    );
    expect(refused()).toContain(charter.members[0]!.name);
  });

  it('with two keys of one holder is refused, with file and line', () => {
    expect(refused(lineOf(alice), lineOf(bob), lineOf(alice))).toMatch(/^keys\.txt:3: .*two lines with different keys/);
  });

  it('with a key of another charter is refused', () => {
    const other = decodeCharter(utf8(`${text}# other\n`));
    expect(refused(lineOf(alice), lineOf(bob, freshKey(), other))).toContain('another charter');
  });

  it('with a key of a stranger, or of a member without a share of production, is refused', () => {
    expect(refused(lineOf(person('mallory')))).toContain('who is not expected here');
    expect(refused(lineOf(build))).toContain('holds no share of production');
  });

  it.each(smallOrderBoxKeys)('with a key of small order is refused: %s (T17)', (key) => {
    expect(refused(lineOf(alice, hexToBytes(key)))).toContain('small order');
  });

  it('with a line that was changed, cut off, or is something else is refused', () => {
    const line = lineOf(alice);
    const [prefix, body] = line.split(':') as [string, string];
    const bytes = decodeBase64Url(body);
    for (let at = 0; at < bytes.length; at += 17) {
      const changed = bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));
      refused(`${prefix}:${encodeBase64Url(changed)}`, lineOf(bob));
    }
    refused(line.slice(0, -4), lineOf(bob));
    expect(refused(alice.card('member'))).toContain('a line starts with frostmark-import-key:');
    refused('\0'.repeat(10));
  });

  it('that is too large is not read', () => {
    expect(refusalOf(() => readImportKeys(new Uint8Array(maxImportKeysBytes + 1), 'keys.txt', charter)).code).toBe(
      'bad-import-key',
    );
  });
});
