/** The charter: what is read from the file, and every file that is refused before any key exists. */
import { describe, expect, it } from 'vitest';
import { sha256Hex } from '../../../protocol/wire/bytes.ts';
import {
  channelOf,
  charterWarnings,
  decodeCharter,
  describeQuorum,
  memberByIdentifier,
  memberByKey,
  type Charter,
} from '../../../protocol/files/charter.ts';
import { maxChannels, maxCharterBytes, maxMembers } from '../../../protocol/limits.ts';
import { encodeCard } from '../../../protocol/files/card.ts';
import { person } from '../../harness/people.ts';
import { codeOf, flipped, refusalOf, utf8 } from '../support.ts';

const people = ['builder', 'alice', 'bob', 'vault'].map((name) => person(name));
const [builder, alice, bob, vault] = people.map((who) => who.card('member'));
const eve = person('eve');

/** The file as somebody would write it; line 1 is the version. */
const lines = [
  'version: 1',
  'group: acme # the product family',
  'members:',
  `  - { name: builder, tier: build, card: "${builder!}" }`,
  `  - { name: alice, tier: admin, card: "${alice!}" }`,
  `  - { name: bob, tier: admin, card: "${bob!}" }`,
  `  - { name: vault, tier: hardware, card: "${vault!}" }`,
  'channels:',
  '  development: { quorum: { hardware: 1 }, expiry: 1h, validity: 30d }',
  '  production: { quorum: { admin: 2, build: 1 } }',
];

/** The file with some lines, counted from 1, replaced. */
function fileWith(change: Readonly<Record<number, string>>): Uint8Array {
  return utf8(lines.map((line, index) => change[index + 1] ?? line).join('\n') + '\n');
}

function charterWith(change: Readonly<Record<number, string>>): Charter {
  return decodeCharter(fileWith(change), 'charter.yaml');
}

describe('a charter', () => {
  it('fixes members, tiers, channels and quorums', () => {
    const charter = charterWith({});
    expect(charter.group).toBe('acme');
    expect(charter.members).toEqual(
      [
        ['builder', 'build'],
        ['alice', 'admin'],
        ['bob', 'admin'],
        ['vault', 'hardware'],
      ].map(([name, tier], index) => ({ identifier: index + 1, name, tier, key: people[index]!.key })),
    );
    expect(charter.channels).toEqual([
      {
        name: 'production',
        sharings: [
          { tier: 'admin', threshold: 2, members: [2, 3] },
          { tier: 'build', threshold: 1, members: [1] },
        ],
        expirySeconds: 72 * 3600,
        validitySeconds: undefined,
      },
      {
        name: 'development',
        sharings: [{ tier: 'hardware', threshold: 1, members: [4] }],
        expirySeconds: 3600,
        validitySeconds: 30 * 86_400,
      },
    ]);
  });

  it('makes one sharing over all members of { any: t }, and lets a delegation live 90 days if it says nothing', () => {
    const charter = charterWith({
      9: '  development: { quorum: { any: 2 } }',
      10: '  production: { quorum: { any: 3 } }',
    });
    expect(channelOf(charter, 'production').sharings).toEqual([{ threshold: 3, members: [1, 2, 3, 4] }]);
    expect(channelOf(charter, 'development')).toMatchObject({ expirySeconds: 72 * 3600, validitySeconds: 90 * 86_400 });
  });

  it('is named by the SHA-256 of its bytes, whatever they are, so that any changed byte is another charter (T18)', () => {
    const file = fileWith({});
    const { hash } = decodeCharter(file);
    expect(hash).toBe(sha256Hex(file));
    for (let index = 0; index < file.length; index += 1) expect(sha256Hex(flipped(file, index))).not.toBe(hash);
    const spelled = [
      { 2: 'group: acme # the product Family' },
      { 2: 'group:  acme # the product family' },
      { 2: 'group: "acme" # the product family' },
      { 8: '# five\nchannels:' },
    ];
    const same = spelled.map((change) => charterWith(change));
    expect(same.map(({ members, channels }) => ({ members, channels }))).toEqual(
      same.map(() => ({ members: charterWith({}).members, channels: charterWith({}).channels })),
    );
    expect(new Set([hash, ...same.map((charter) => charter.hash)]).size).toBe(5);
  });

  it('names another key for a changed member, another identifier for a changed order: each is another charter (T18)', () => {
    const replaced = charterWith({ 6: `  - { name: eve, tier: admin, card: "${eve.card('member')}" }` });
    const reordered = charterWith({ 5: lines[5]!, 6: lines[4]! });
    expect(memberByKey(replaced, people[2]!.key)).toBeUndefined();
    expect(memberByIdentifier(reordered, 2)?.name).toBe('bob');
    expect(new Set([charterWith({}), replaced, reordered].map(({ hash }) => hash)).size).toBe(3);
  });

  it('may be written with CRLF, and is then another charter of the same members', () => {
    const file = utf8(new TextDecoder().decode(fileWith({})).replaceAll('\n', '\r\n'));
    const charter = decodeCharter(file, 'charter.yaml');
    expect(charter.members).toEqual(charterWith({}).members);
    expect(charter.hash).not.toBe(charterWith({}).hash);
  });

  it('gives the right line in a file with CRLF, too', () => {
    const file = utf8(
      new TextDecoder().decode(fileWith({ 7: '  - { name: vault, tier: any, card: x }' })).replaceAll('\n', '\r\n'),
    );
    expect(refusalOf(() => decodeCharter(file, 'charter.yaml')).line).toBe(7);
  });

  it('keeps room for an OpenPGP certificate', () => {
    const charter = charterWith({
      2: 'group: acme\nopenpgp: { userId: "Acme <a@example.org>", created: 2026-11-22T08:00:00Z }',
    });
    expect(charter.openpgp).toEqual({ userId: 'Acme <a@example.org>', created: '2026-11-22T08:00:00Z' });
  });

  it('knows its channels by name and says which there are', () => {
    expect(codeOf(() => channelOf(charterWith({}), 'nightly'))).toBe('unknown-channel');
    expect(refusalOf(() => channelOf(charterWith({}), 'nightly')).message).toContain('production, development');
    expect(codeOf(() => channelOf(charterWith({}), '__proto__'))).toBe('unknown-channel');
  });
});

type Row = readonly [name: string, change: Readonly<Record<number, string>>, line: number, message: string];
const member = (name: string, tier: string, card: string): string =>
  `  - { name: ${name}, tier: ${tier}, card: "${card}" }`;
const production = (quorum: string, rest = ''): Readonly<Record<number, string>> => ({
  10: `  production: { quorum: ${quorum}${rest} }`,
});

describe('a charter is refused, with file and line,', () => {
  it.each<Row>([
    // Quorums that nobody can meet, or that one person meets alone.
    [
      'with an impossible quorum of a tier',
      production('{ admin: 3, build: 1 }'),
      10,
      'can never be met, there are only 2',
    ],
    ['with an impossible quorum of any', production('{ any: 5 }'), 10, 'can never be met, there are only 4'],
    ['with an unknown tier', production('{ admin: 2, robot: 1 }'), 10, 'no member has the tier robot'],
    ['with a quorum of any beside a tier', production('{ any: 2, admin: 1 }'), 10, 'either { any: t } or tiers'],
    ['with an empty quorum', production('{}'), 10, 'at least one tier'],
    ['with a quorum of 0', production('{ admin: 0, build: 2 }'), 10, 'whole number of at least 1'],
    ['with a quorum of -1', production('{ any: -1 }'), 10, 'whole number of at least 1'],
    ['with a quorum of 2.5', production('{ any: 2.5 }'), 10, 'whole number of at least 1'],
    ['with a quorum of "2"', production('{ any: "2" }'), 10, 'whole number of at least 1'],
    ['with a quorum of .inf', production('{ any: .inf }'), 10, 'whole number of at least 1'],
    ['with a quorum that is a number', production('2'), 10, 'must be a mapping'],
    ['with a quorum that is a list', production('[admin, build]'), 10, 'must be a mapping'],
    ['with production below two signers', production('{ any: 1 }'), 10, 'at least two signers'],
    ['with production below two signers in one tier', production('{ build: 1 }'), 10, 'at least two signers'],
    ['without production', { 10: '  stable: { quorum: { any: 2 } }' }, 8, 'must be a production channel'],
    ['without a quorum', { 10: '  production: { expiry: 72h }' }, 10, 'must be a mapping'],
    // These are about people.
    ['with a card twice', { 7: lines[4]! }, 7, 'alice is there twice'],
    ['with one name twice', { 7: member('bob', 'hardware', person('bob').card('member')) }, 7, 'bob is there twice'],
    ['with one person in two tiers', { 7: member('bob', 'hardware', bob!) }, 7, 'bob is there twice'],
    ['with the card of somebody else', { 5: member('alice', 'admin', bob!) }, 5, 'the card is of bob'],
    [
      'with the card of a requester',
      { 5: member('alice', 'admin', people[1]!.card('requester')) },
      5,
      'frostmark-member:',
    ],
    ['with a damaged card', { 5: member('alice', 'admin', alice!.slice(0, -5)) }, 5, 'card'],
    ['with a member without a card', { 5: '  - { name: alice, tier: admin }' }, 5, 'needs a card'],
    ['with a hole among its members', { 5: '  -' }, 5, 'must be a mapping'],
    ['with the tier any', { 5: member('alice', 'any', alice!) }, 5, 'any is no tier name'],
    ['with a tier in capitals', { 5: member('alice', 'Admin', alice!) }, 5, 'must be a name'],
    ['with a name that is a number', { 5: `  - { name: 7, tier: admin, card: "${alice!}" }` }, 5, 'must be a name'],
    ['with an empty name', { 5: member('""', 'admin', alice!) }, 5, 'must be a name'],
    // Digits alone: such keys of a mapping are read in the order of their numbers, whatever was written.
    ['with a tier of digits alone', { 5: member('alice', '7', alice!) }, 5, 'not of digits alone'],
    ['with a member of digits alone', { 5: member('42', 'admin', alice!) }, 5, 'not of digits alone'],
    ['with a channel of digits alone', { 9: '  2026: { quorum: { any: 2 } }' }, 9, 'not of digits alone'],
    ['with a channel of digits in quotes', { 9: '  "0": { quorum: { any: 2 } }' }, 9, 'not of digits alone'],
    ['with a group of digits alone', { 2: 'group: "1"' }, 2, 'not of digits alone'],
    ['with a name of 65 characters', { 5: member('a'.repeat(65), 'admin', alice!) }, 5, 'must be a name'],
    [
      'with an unknown field of a member',
      { 5: `  - { name: alice, tier: admin, card: "${alice!}", role: boss }` },
      5,
      'unknown field "role"',
    ],
    ['with one member', { 5: '', 6: '', 7: '', ...production('{ build: 1 }') }, 3, 'at least two members'],
    ['with no members', { 3: 'members: []', 4: '', 5: '', 6: '', 7: '' }, 3, 'at least two members'],
    ['with members that are a mapping', { 4: '  alice: admin', 5: '', 6: '', 7: '' }, 3, 'at least two members'],
    // These are about times.
    ['with an expiry beyond 30 days', production('{ any: 2 }', ', expiry: 31d'), 10, 'longer than the 30 days'],
    ['with an expiry of 0s', production('{ any: 2 }', ', expiry: 0s'), 10, 'must be a duration'],
    ['with an expiry that is a number', production('{ any: 2 }', ', expiry: 72'), 10, 'must be a duration'],
    ['with an empty expiry', production('{ any: 2 }', ', expiry: '), 10, 'must be a duration'],
    [
      'with a validity beyond 90 days',
      { 9: '  development: { quorum: { any: 1 }, validity: 91d }' },
      9,
      'longer than the 90 days',
    ],
    ['with an empty validity', { 9: '  development: { quorum: { any: 1 }, validity: }' }, 9, 'must be a duration'],
    ['with a validity of production', production('{ any: 2 }', ', validity: 90d'), 10, 'unknown field "validity"'],
    // These are about the rest of the file.
    ['of another version', { 1: 'version: 2' }, 1, 'version must be 1'],
    ['with a version that is a text', { 1: 'version: "1"' }, 1, 'version must be 1'],
    ['without a version', { 1: '' }, 2, 'version must be 1'],
    ['without a group', { 2: '' }, 1, 'group must be a name'],
    ['with a group in capitals', { 2: 'group: Acme' }, 2, 'group must be a name'],
    ['with an unknown field', { 2: 'group: acme\nquorum: 3' }, 3, 'unknown field "quorum"'],
    ['with an unknown field of a channel', production('{ any: 2 }', ', url: x'), 10, 'unknown field "url"'],
    ['with a channel whose name is none', { 9: '  Development: { quorum: { any: 1 } }' }, 9, 'must be a name'],
    ['with a channel named __proto__', { 9: '  __proto__: { quorum: { any: 1 } }' }, 9, 'must be a name'],
    ['with channels that are a list', { 8: 'channels: [production]', 9: '', 10: '' }, 8, 'must be a mapping'],
    [
      'with an openpgp user id that is none',
      { 2: 'group: acme\nopenpgp: { userId: "", created: 2026-11-22T08:00:00Z }' },
      3,
      'userId',
    ],
    [
      'with a control character in the openpgp user id',
      { 2: 'group: acme\nopenpgp: { userId: "Acme\\u0007", created: 2026-11-22T08:00:00Z }' },
      3,
      'userId',
    ],
    [
      'with an openpgp user id of two lines',
      { 2: 'group: acme\nopenpgp: { userId: "Acme\\nEve", created: 2026-11-22T08:00:00Z }' },
      3,
      'userId',
    ],
    [
      'with an openpgp user id that runs backwards',
      { 2: 'group: acme\nopenpgp: { userId: "Acme\\u202eemcA", created: 2026-11-22T08:00:00Z }' },
      3,
      'userId',
    ],
    [
      'with an openpgp time past what four bytes hold',
      { 2: 'group: acme\nopenpgp: { userId: Acme, created: 2106-02-07T06:28:16Z }' },
      3,
      'created',
    ],
    [
      'with an openpgp time before 1970',
      { 2: 'group: acme\nopenpgp: { userId: Acme, created: 1969-12-31T23:59:59Z }' },
      3,
      'created',
    ],
    [
      'with an openpgp time that is none',
      { 2: 'group: acme\nopenpgp: { userId: Acme, created: 2026-02-30T08:00:00Z }' },
      3,
      'UTC time',
    ],
    [
      'with an openpgp time of another form',
      { 2: 'group: acme\nopenpgp: { userId: Acme, created: "1" }' },
      3,
      'UTC time',
    ],
    // These are about YAML.
    ['with a duplicate key', { 2: 'group: acme\ngroup: evil' }, 3, 'unique'],
    ['with a duplicate key in another spelling', { 2: 'group: acme\n"group": evil' }, 3, 'unique'],
    [
      'with a duplicate key inside a member',
      { 5: `  - { name: alice, tier: admin, tier: build, card: "${alice!}" }` },
      5,
      'unique',
    ],
    ['with an alias', { 9: '  development: &d { quorum: { any: 2 } }', 10: '  production: *d' }, 10, 'aliases'],
    [
      'with a merge key',
      { 9: '  development: { quorum: { any: 1 } }', 10: '  production: { <<: { quorum: { any: 2 } } }' },
      10,
      'unknown field "<<"',
    ],
    ['with a tag that nobody knows', { 2: 'group: !mine acme' }, 2, 'tag'],
    ['with a bracket that is not closed', { 9: '  development: { quorum: { any: 1 }' }, 10, ''],
    ['with a tab for indentation', { 9: '\tdevelopment: { quorum: { any: 1 } }' }, 9, ''],
    ['with two documents', { 8: '---\nchannels:' }, 8, 'documents'],
  ])('%s (T18)', (_name, change, line, message) => {
    const refusal = refusalOf(() => charterWith(change));
    expect([refusal.code, refusal.file]).toEqual(['bad-charter', 'charter.yaml']);
    expect(refusal.message).toContain(message);
    expect(refusal.message.startsWith(`charter.yaml:${line}: `), refusal.message).toBe(true);
    expect(refusal.line).toBe(line);
  });

  it('with one key under two names, each with a card of its own (T18)', () => {
    const file = fileWith({ 7: member('twin', 'hardware', encodeCard('member', 'twin', people[1]!)) });
    const refusal = refusalOf(() => decodeCharter(file, 'charter.yaml'));
    expect([refusal.code, refusal.line]).toEqual(['bad-charter', 7]);
    expect(refusal.message).toContain('twin has the same key as alice');
  });

  it('when it is no UTF-8, empty, no mapping or too large', () => {
    const latin1 = Buffer.concat([Buffer.from('# \xe9', 'latin1'), fileWith({})]);
    expect(refusalOf(() => decodeCharter(latin1, 'charter.yaml'))).toMatchObject({
      code: 'bad-charter',
      file: 'charter.yaml',
    });
    for (const text of ['', '# nothing', '[]', '7', 'charter', 'null'])
      expect(codeOf(() => decodeCharter(utf8(text), 'charter.yaml'))).toBe('bad-charter');
    const large = Buffer.concat([fileWith({}), Buffer.alloc(maxCharterBytes, '#')]);
    expect(refusalOf(() => decodeCharter(large, 'charter.yaml'))).toMatchObject({
      code: 'too-large',
      file: 'charter.yaml',
    });
  });

  it('in words that a terminal takes as nothing but words, whatever the file says (T36)', () => {
    const hostile = '\u202e\u001b]0;x\u0007\u200b';
    const files = [
      `"${hostile}": 1\n"${hostile}": 2\n`,
      `a: 1\n  ${hostile}: [\n`,
      `a: @${hostile}\n`,
      `>b: ${hostile}\n`,
      `|${hostile}|\n`,
      `- |b: ]${hostile}#`,
      `b: }|&\u202e\t[|&\u202e`,
      `a: "${hostile}\n`,
      `? [${hostile}]\n: 1\n`,
      `a: !${hostile} 1\n`,
      `%${hostile}\n---\na: 1\n`,
      `group: "${hostile}"\n`,
      `"${hostile}": x\n`,
      `members:\n- name: "${hostile}"\n  card: x\n`,
    ];
    for (const text of files) {
      const { message } = refusalOf(() => decodeCharter(utf8(text), 'charter.yaml'));
      expect(message, JSON.stringify(text)).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    }
  });

  it(`with more than ${maxChannels} channels, and not with that many`, () => {
    const channels = (count: number): string =>
      Array.from({ length: count - 1 }, (_, index) => `  channel-${index}: { quorum: { any: 1 } }`).join('\n');
    expect(charterWith({ 9: channels(maxChannels) }).channels).toHaveLength(maxChannels);
    expect(refusalOf(() => charterWith({ 9: channels(maxChannels + 1) })).message).toContain(
      `at most ${maxChannels} channels`,
    );
  });

  it(`with more than ${maxMembers} members, before it looks at any of them`, () => {
    const crowd = Array.from({ length: maxMembers - 2 }, () => '  - {}').join('\n');
    expect(refusalOf(() => charterWith({ 7: crowd }))).toMatchObject({ line: 3 });
    expect(refusalOf(() => charterWith({ 7: crowd })).message).toContain(`at most ${maxMembers} members`);
  });
});

describe('what a reviewer is told', () => {
  it('is the quorum as people say it', () => {
    const charter = charterWith({});
    expect(charter.channels.map(describeQuorum)).toEqual(['admin 2 + build 1', 'hardware 1']);
    expect(describeQuorum(channelOf(charterWith(production('{ any: 3 }')), 'production'))).toBe('any 3');
  });

  it('is who holds a part of a key whole, and whose loss ends a channel', () => {
    expect(charterWarnings(charterWith({}))).toEqual([
      'production: admin 2 needs every holder; one lost member ends the channel',
      'production: build 1 gives each of its 1 holders that part of the key whole',
      'development: hardware 1 gives each of its 1 holders that part of the key whole',
    ]);
    expect(charterWarnings(charterWith({ 9: '', ...production('{ any: 3 }') }))).toEqual([]);
    expect(charterWarnings(charterWith({ 9: '', ...production('{ any: 4 }') }))).toHaveLength(1);
  });
});
