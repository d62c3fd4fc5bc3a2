/** The requesters document: the file people write, and the payload a quorum signs. */
import { beforeEach, describe, expect, it } from 'vitest';
import { encodeCanonicalJson } from '../../../verifier/json.ts';
import { maxRequesters, maxRequestersBytes } from '../../../protocol/limits.ts';
import { requesterChanges } from '../../../protocol/files/requester-changes.ts';
import { decodeRequesters, emptyRequesters, readRequestersFile } from '../../../protocol/files/requesters.ts';
import { person } from '../../harness/people.ts';
import { charterOf, codeOf, refusalOf, spoiltOf, twoChannels, utf8 } from '../support.ts';

const alice = person('alice');
const charter = charterOf([alice, person('bob')], twoChannels);
const [dev, ann] = [person('dev'), person('ann')];
const [devCard, annCard] = [dev.card('requester'), ann.card('requester')];
const lines = [
  'version: 7',
  'requesters:',
  `  - { card: "${devCard}", channels: [development] }`,
  `  - card: "${annCard}"`,
  '    channels: [development, production]',
  '    member: alice',
];
const json = {
  version: 7,
  groupKey: null,
  number: 0,
  requesters: [
    { card: devCard, channels: ['development'], member: null },
    { card: annCard, channels: ['development', 'production'], member: 'alice' },
  ],
};

function read(change: Readonly<Record<number, string>> = {}): ReturnType<typeof readRequestersFile> {
  const text = lines.map((line, index) => change[index + 1] ?? line).join('\n');
  return readRequestersFile(utf8(text), 'requesters.yaml', charter);
}
const decode = (value: unknown): ReturnType<typeof decodeRequesters> =>
  decodeRequesters(utf8(JSON.stringify(value)), charter);

describe('the requesters document', () => {
  it('says who may request what, and which member that person also is', () => {
    expect(read()).toMatchObject({
      version: 7,
      entries: [
        { name: 'dev', key: dev.key, channels: ['development'], member: undefined },
        { name: 'ann', key: ann.key, channels: ['development', 'production'], member: 'alice' },
      ],
    });
  });

  it('becomes one canonical JSON payload, however the file was written', () => {
    const blocks = `requesters:\r\n- channels: ["development"] # ours\r\n  member: null\r\n  card: ${devCard}\r\n- {member: alice, card: '${annCard}', channels: [development, production]}\r\nversion: 7\r\n`;
    const other = readRequestersFile(utf8(blocks), 'requesters.yaml', charter);
    expect(new TextDecoder().decode(other.bytes)).toBe(JSON.stringify(json));
    expect(other.bytes).toEqual(read().bytes);
    expect(decodeRequesters(other.bytes, charter)).toEqual(other);
  });

  it('is version 1 with nobody in it when nobody wrote one', () => {
    expect(emptyRequesters(charter)).toMatchObject({ version: 1, entries: [] });
    expect(new TextDecoder().decode(emptyRequesters(charter).bytes)).toBe(
      '{"version":1,"groupKey":null,"number":0,"requesters":[]}',
    );
  });

  it.each<[name: string, change: Readonly<Record<number, string>>, line: number, message: string]>([
    ['a channel that the group does not have', { 5: '    channels: [nightly]' }, 4, 'no channel "nightly"'],
    ['no channel at all', { 5: '    channels: []' }, 4, 'channels'],
    ['one channel twice', { 5: '    channels: [production, production]' }, 4, 'channels'],
    ['a member that the group does not have', { 6: '    member: carol' }, 4, 'no member carol'],
    ['a member that is a number', { 6: '    member: 1' }, 4, 'member'],
    [
      'the card of a member',
      { 3: `  - { card: "${alice.card('member')}", channels: [development] }` },
      3,
      'frostmark-requester:',
    ],
    ['a damaged card', { 4: `  - card: "${annCard.slice(0, -4)}"` }, 4, 'card'],
    ['no card', { 3: '  - { channels: [development] }' }, 3, 'card'],
    ['one key twice', { 4: `  - card: "${devCard}"` }, 4, 'the key of dev is there twice'],
    ['an unknown field', { 6: '    role: boss' }, 4, 'entry 2'],
    ['an entry that is a text', { 3: `  - "${devCard}"` }, 3, 'entry 1'],
    ['an entry that is a list', { 3: `  - ["${devCard}", development]` }, 3, 'entry 1'],
    ['a hole', { 3: '  -' }, 3, 'entry 1'],
    ['a duplicate key', { 6: '    channels: [production]' }, 6, 'unique'],
    ['an alias', { 3: `  - { card: "${devCard}", channels: &c [development] }`, 5: '    channels: *c' }, 5, 'aliases'],
    ['version 0', { 1: 'version: 0' }, 1, 'version'],
    ['a version that is a text', { 1: 'version: "7"' }, 1, 'version'],
    ['a fraction of a version', { 1: 'version: 7.5' }, 1, 'version'],
    [
      'a group key, which the program fills in',
      { 1: `version: 7\ngroupKey: ${'A'.repeat(43)}` },
      1,
      'requesters document',
    ],
    ['an epoch number, which the program fills in', { 1: 'version: 7\nnumber: 0' }, 1, 'requesters document'],
    ['an unknown field at the top', { 1: 'version: 7\nsigned: yes' }, 1, 'requesters document'],
    ['no version', { 1: '' }, 2, 'version'],
    ['no list', { 2: 'people:' }, 1, 'list of requesters'],
  ])('is refused, with file and line, for %s (T33)', (_name, change, line, message) => {
    const refusal = refusalOf(() => read(change));
    expect([refusal.code, refusal.file, refusal.line], refusal.message).toEqual([
      'bad-requesters',
      'requesters.yaml',
      line,
    ]);
    expect(refusal.message).toContain(message);
  });

  it('is refused when it is no UTF-8, empty, no mapping or too large', () => {
    for (const text of ['', '[]', 'requesters', '{ requesters: 7 }', '{ version: 1 }'])
      expect(codeOf(() => readRequestersFile(utf8(text), 'r.yaml', charter))).toBe('bad-requesters');
    expect(codeOf(() => readRequestersFile(Buffer.from('# \xe9', 'latin1'), 'r.yaml', charter))).toBe('bad-requesters');
    const large = new Uint8Array(maxRequestersBytes + 1).fill(35);
    expect(refusalOf(() => readRequestersFile(large, 'r.yaml', charter))).toMatchObject({
      code: 'too-large',
      file: 'r.yaml',
    });
  });
});

describe('names in the requesters document', () => {
  const read = (...entries: string[]): ReturnType<typeof readRequestersFile> =>
    readRequestersFile(
      utf8(
        `version: 7\nrequesters:\n${entries.map((entry) => `  - { ${entry}, channels: [development] }\n`).join('')}`,
      ),
      'requesters.yaml',
      charter,
    );
  const card = (name: string): string => `card: "${person(name).card('requester')}"`;

  it('are of one person each: two requesters of one name are refused, with file and line', () => {
    expect(refusalOf(() => read(card('dev'), card('ann'), card('dev')))).toMatchObject({
      code: 'bad-requesters',
      line: 5,
      message: expect.stringContaining('there are two requesters called dev') as string,
    });
  });

  it('are no member’s but this member’s own', () => {
    expect(refusalOf(() => read(card('dev'), card('bob')))).toMatchObject({
      code: 'bad-requesters',
      line: 4,
      message: expect.stringContaining('bob is the name of a member') as string,
    });
    expect(codeOf(() => read(`${card('bob')}, member: alice`))).toBe('bad-requesters');
    expect(read(`card: "${alice.card('requester')}"`).entries[0]).toMatchObject({ name: 'alice' });
    expect(read(`${card('alice')}, member: alice`).entries[0]).toMatchObject({ member: 'alice' });
  });

  it('match entries of two versions, whose difference is told in words', () => {
    const [erin, eve] = [person('erin'), person('eve')];
    const entry = (who: { name: string; key: string }, channels: string[], member?: string) => ({
      name: who.name,
      key: who.key,
      channels,
      member,
    });
    const before = {
      entries: [entry(dev, ['development']), entry(ann, ['production', 'development']), entry(erin, ['development'])],
    };
    const after = {
      entries: [
        entry(eve, ['development'], 'bob'),
        entry(ann, ['development', 'production']),
        entry({ ...person('dev') }, ['production'], 'alice'),
      ],
    };
    expect(requesterChanges(before, after)).toEqual([
      '+ eve may ask on development, and is the member bob',
      '~ dev may now ask on production; may no longer ask on development; has another key; is the member alice now',
      '- erin may no longer ask for anything',
    ]);
    expect(requesterChanges(after, before)[0]).toContain('is no longer the member alice');
    expect(requesterChanges(after, after)).toEqual([]);
  });
});

describe('the payload of the requesters document', () => {
  let payload: Uint8Array;
  beforeEach(() => {
    payload = encodeCanonicalJson(json);
  });

  it('reads back to what was written', () => {
    expect(decodeRequesters(payload, charter)).toEqual(read());
  });

  it('is refused with any field changed, left out, doubled or added, but for who is in it (T33)', () => {
    const meaningful = /^\/requesters\/[01] left out$|^\/requesters\/1\/channels\/[01] left out$|^\/version$/;
    for (const { at, value } of spoiltOf(json)) {
      if (meaningful.test(at)) expect(decode(value).bytes).not.toEqual(payload);
      else
        expect(
          codeOf(() => decode(value)),
          at,
        ).toBe('bad-requesters');
    }
  });

  it('names group key and epoch number when it is not that of a ceremony', () => {
    const { groupKey } = { groupKey: dev.key };
    const text = utf8(lines.join('\n'));
    const scoped = readRequestersFile(text, 'requesters.yaml', charter, { groupKey, number: 3 });
    expect(scoped).toMatchObject({ groupKey, number: 3, version: 7 });
    expect(new TextDecoder().decode(scoped.bytes)).toBe(JSON.stringify({ ...json, groupKey, number: 3 }));
    expect(decodeRequesters(scoped.bytes, charter)).toEqual(scoped);
    expect(codeOf(() => decode({ ...json, number: 3 }))).toBe('bad-requesters');
    expect(codeOf(() => decode({ ...json, groupKey: `${'A'.repeat(42)}B` }))).toBe('bad-requesters');
  });

  it('is refused in any spelling but one', () => {
    const text = new TextDecoder().decode(payload);
    for (const other of [
      `${text}\n`,
      text.replace(':7', ': 7'),
      text.replace(':7', ':7.0'),
      text.replace('{', '{"version":1,'),
      `\ufeff${text}`,
    ])
      expect(codeOf(() => decodeRequesters(utf8(other), charter))).toBe('bad-requesters');
  });

  it(`is refused past ${maxRequesters} entries and past its bytes`, () => {
    const crowd = Array.from({ length: maxRequesters + 1 }, () => json.requesters[0]);
    expect(codeOf(() => decode({ ...json, requesters: crowd }))).toBe('bad-requesters');
    expect(codeOf(() => decodeRequesters(new Uint8Array(maxRequestersBytes + 1).fill(32), charter))).toBe(
      'bad-requesters',
    );
  });
});
