/** The succession document: what a quorum may decide about its own end, and what an approver reads of it (T47). */
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeCanonicalJson } from '../../../verifier/json.ts';
import { prepareRequest } from '../../../protocol/formats/index.ts';
import { blankRequest, documentEntry, openRequest, requestMessage } from '../../../protocol/request/request.ts';
import { keptOut } from '../../../protocol/request/rights.ts';
import { emptyRequesters } from '../../../protocol/files/requesters.ts';
import { decodeCharter } from '../../../protocol/files/charter.ts';
import { changesOf } from '../../../protocol/succession/changes.ts';
import {
  assertApprovable,
  decodeSuccession,
  openSuccession,
  type SuccessionPayload,
  type SuccessionParts,
} from '../../../protocol/succession/document.ts';
import { sealMessage } from '../../../protocol/wire/envelope.ts';
import { person, writeCharter, type CharterPlan, type Person } from '../../harness/people.ts';
import { founded, type LivedEpoch } from '../../harness/succession-story.ts';

const people = new Map(['alice', 'bob', 'carol', 'dave', 'erin'].map((name): [string, Person] => [name, person(name)]));
const who = (...names: string[]): Person[] => names.map((name) => people.get(name)!);
const code = (value: string) => expect.objectContaining({ code: value }) as Error;

let first: LivedEpoch;

beforeAll(async () => {
  const plan = { tiers: ['a', 'a', 'a', 'b'], production: '{ any: 3 }', development: '{ b: 1 }' };
  const { charter } = writeCharter(plan, who('alice', 'bob', 'carol', 'dave'));
  first = await founded(charter, who('alice', 'bob', 'carol', 'dave'));
}, 60_000);

interface Wish {
  readonly plan?: Partial<CharterPlan>;
  readonly members?: readonly Person[];
  readonly payload?: Partial<SuccessionPayload>;
  readonly requesters?: object;
}

/** Bob goes and erin comes, unless the wish is another. */
function partsOf({
  plan = {},
  members = who('alice', 'carol', 'dave', 'erin'),
  payload = {},
  requesters = {},
}: Wish = {}) {
  const { groupKey, groupLine, hash } = first.epoch;
  const shape = {
    tiers: ['a', 'a', 'b', 'a'],
    production: '{ any: 3 }',
    development: '{ b: 1 }',
    continues: groupLine,
  };
  const { charter } = writeCharter({ ...shape, ...plan }, members);
  const listed = encodeCanonicalJson({ version: 1, groupKey, number: 1, requesters: [], ...requesters });
  const document: SuccessionPayload = {
    groupKey,
    epoch: hash,
    number: 1,
    charter: charter.hash,
    requesters: documentEntry('requesters', listed).sha256,
    channels: charter.channels.map(({ name }) => ({ name, key: 'kept' })),
    until: '2026-11-30T00:00:00Z',
    ...payload,
  };
  return { document: encodeCanonicalJson(document), charter, requesters: listed } satisfies SuccessionParts;
}

const open = (wish: Wish = {}) => openSuccession(first.epoch, partsOf(wish));

describe('a succession document', () => {
  it('opens with the charter and the requesters that it names', () => {
    const { succession, charter, requesters } = open();
    expect(succession.payload.charter).toBe(charter.hash);
    expect(requesters.number).toBe(1);
    expect(succession.untilUnixSeconds).toBe(Date.parse('2026-11-30T00:00:00Z') / 1000);
  });

  it.each<[string, Wish, string]>([
    ['of another group', { payload: { groupKey: people.get('alice')!.key } }, 'wrong-group'],
    ['of another epoch', { payload: { epoch: '11'.repeat(32) } }, 'wrong-epoch'],
    ['for another charter', { payload: { charter: '11'.repeat(32) } }, 'bad-document'],
    ['for another requesters document', { payload: { requesters: '11'.repeat(32) } }, 'bad-document'],
    ['with the requesters document of another epoch (trap 9)', { requesters: { number: 0 } }, 'bad-document'],
    [
      'with the requesters document of a ceremony (trap 9)',
      { requesters: { groupKey: null, number: 0 } },
      'bad-document',
    ],
    [
      'with other channels than the charter',
      { payload: { channels: [{ name: 'production', key: 'kept' }] } },
      'bad-document',
    ],
    [
      'with a new key for production',
      {
        payload: {
          channels: [
            { name: 'production', key: 'new' },
            { name: 'development', key: 'kept' },
          ],
        },
      },
      'bad-document',
    ],
    ['with production in the hands of those who go', { plan: { tiers: ['b'] }, members: who('dave') }, 'bad-charter'],
    ['whose time is no time', { payload: { until: '2026-11-31T00:00:00Z' } }, 'bad-document'],
  ])('is refused %s', (_, wish, expected) => {
    expect(() => open(wish)).toThrow(code(expected));
  });

  it('is refused when those who go could sign with what they keep: another key is the only help', () => {
    expect(() => open({ plan: { tiers: ['b', 'a'], production: '{ any: 2 }' }, members: who('dave', 'erin') })).toThrow(
      'alice, bob, carol together can sign on production and go: a succession cannot help',
    );
    // One holder is enough on development, and goes.
    const wish = { plan: { tiers: ['a', 'a', 'a', 'b'] }, members: who('alice', 'bob', 'carol', 'erin') };
    expect(() => open(wish)).toThrow(
      'dave together can sign on development and go: give development a new key instead',
    );
    const channels: SuccessionPayload['channels'] = [
      { name: 'production', key: 'kept' },
      { name: 'development', key: 'new' },
    ];
    expect(open({ ...wish, payload: { channels } }).charter.members).toHaveLength(4);
  });

  it('is refused with a charter that does not say which group it continues, or says another', () => {
    const plain = {
      tiers: ['a', 'a', 'b', 'a'],
      production: '{ any: 3 }',
      development: '{ b: 1 }',
    };
    const { charter } = writeCharter(plain, who('alice', 'carol', 'dave', 'erin'));
    const parts = partsOf({ payload: { charter: charter.hash } });
    expect(() => openSuccession(first.epoch, { ...parts, charter })).toThrow(`continues: ${first.epoch.groupLine}`);
    expect(() => open({ plan: { continues: `frostmark-group:acme:${people.get('erin')!.key}` } })).toThrow(
      'which group it goes on with',
    );
    for (const line of ['acme', '[1]', `frostmark-group:other:${people.get('erin')!.key}`])
      expect(() =>
        writeCharter({ tiers: ['a', 'a'], production: '{ any: 2 }', continues: line }, who('alice', 'bob')),
      ).toThrow(code('bad-charter'));
  });

  it('is strict and canonical', () => {
    const { document } = partsOf();
    const text = new TextDecoder().decode(document);
    for (const wrong of [
      `${text} `,
      text.replace('"number":1', '"number":1,"more":1'),
      text.replace('"number":1', '"number":0'),
    ])
      expect(() => decodeSuccession(new TextEncoder().encode(wrong))).toThrow(code('bad-document'));
  });
});

describe('an approver', () => {
  const view = {
    highestNumber: 0,
    lastUntilUnixSeconds: undefined,
    nowUnixSeconds: Date.parse('2026-11-27T00:00:00Z') / 1000,
  };
  const at = (text: string): number => Date.parse(text) / 1000;

  it('approves the next number alone, however the last one ended', () => {
    const { succession } = open({ payload: { number: 3 }, requesters: { number: 3 } });
    expect(() => {
      assertApprovable(succession, { ...view, highestNumber: 2 });
    }).not.toThrow();
    for (const highestNumber of [0, 1, 3, 4])
      expect(() => {
        assertApprovable(succession, { ...view, highestNumber });
      }).toThrow(code('stale-version'));
  });

  it('waits until the last one can bear no share any more, and ten minutes', () => {
    const { succession } = open({ payload: { number: 3 }, requesters: { number: 3 } });
    const last = { ...view, highestNumber: 2, lastUntilUnixSeconds: at('2026-11-27T00:00:00Z') };
    expect(() => {
      assertApprovable(succession, { ...last, nowUnixSeconds: at('2026-11-27T00:09:59Z') });
    }).toThrow(code('not-yet-valid'));
    expect(() => {
      assertApprovable(succession, { ...last, nowUnixSeconds: at('2026-11-27T00:10:00Z') });
    }).not.toThrow();
  });

  it('approves nothing that is over, or more than seven days away', () => {
    const { succession } = open();
    expect(() => {
      assertApprovable(succession, { ...view, nowUnixSeconds: at('2026-11-30T00:00:00Z') });
    }).toThrow(code('expired'));
    expect(() => {
      assertApprovable(succession, { ...view, nowUnixSeconds: at('2026-11-22T23:59:59Z') });
    }).toThrow('more than 7 days ahead');
  });

  it('reads who goes and comes, what becomes of the channels, and which old quorum stays possible', () => {
    const changes = changesOf(first.epoch, open());
    expect(changes).toEqual({
      members: ['+ erin comes (a)', '- bob goes (a)'],
      channels: ['= production keeps its key', '= development keeps its key'],
      lowered: [],
      oldQuorums: [
        'production: until those who stay have erased their old shares, the old quorum stays possible: any 3 of 4: bob and 2 that stay',
        'development: until those who stay have erased their old shares, the old quorum stays possible: b 1 of 1: 1 that stay',
      ],
      warnings: [],
    });
  });

  it('reads new cards, moves, new quorums and lowered ones, and is warned of quorums that could decide against each other', () => {
    const alice = person('alice');
    const plan = { tiers: ['a', 'b', 'b', 'c'], production: '{ any: 2 }', development: '{ b: 2 }' };
    const channels: SuccessionPayload['channels'] = [
      { name: 'production', key: 'kept' },
      { name: 'development', key: 'new' },
    ];
    const changes = changesOf(
      first.epoch,
      open({ plan, members: [alice, ...who('bob', 'dave', 'erin')], payload: { channels } }),
    );
    expect(changes.members).toEqual([
      '~ alice has a new card: the old one holds a share of the old epoch',
      '~ bob goes from a to b',
      '+ erin comes (c)',
      '- carol goes (a)',
    ]);
    expect(changes.channels).toEqual([
      '= production keeps its key, any 3 of 4 → any 2 of 4',
      '~ development gets a new key, b 1 of 1 → b 2 of 2',
    ]);
    expect(changes.lowered).toEqual(['production needs fewer than before: any 3 → any 2']);
    expect(changes.oldQuorums[0]).toContain('alice and carol and 1 that stay');
    expect(changes.warnings).toEqual([
      'production: any 2 of 4 lets two sets that share nobody decide against each other; more than half would not',
    ]);
  });

  it('reads nothing new in a refresh', () => {
    const shape = { tiers: ['a', 'a', 'a', 'b'] };
    const changes = changesOf(first.epoch, open({ plan: shape, members: who('alice', 'bob', 'carol', 'dave') }));
    expect(changes.members).toEqual([]);
    expect(changes.lowered).toEqual([]);
  });
});

describe('the request for a succession', () => {
  function requestOf(parts: SuccessionParts) {
    const documents = [parts.document, parts.charter.bytes, parts.requesters];
    const entries = ['succession', 'charter', 'requesters'].map((kind, index) =>
      documentEntry(kind, documents[index]!),
    );
    const payload = {
      ...blankRequest(first.epoch, 'succession', Date.parse('2026-11-27T00:00:00Z') / 1000),
      documents: entries,
    };
    return { request: openRequest(sealMessage(requestMessage, payload, who('bob')[0]!)), documents };
  }

  it('travels with the new charter and requesters, and any member may ask: also one that has to sign', () => {
    const parts = partsOf();
    const { request, documents } = requestOf(parts);
    const prepared = prepareRequest({ epoch: first.epoch, request, documents });
    expect(prepared.messages).toHaveLength(1);
    const standing = { epoch: first.epoch, requesters: emptyRequesters(first.epoch.charter), delegations: [] };
    expect(keptOut(request, standing)).toBeUndefined();
  });

  it('is refused with a charter that is another, or fewer documents', () => {
    const parts = partsOf();
    const { request, documents } = requestOf(parts);
    const other = decodeCharter(new TextEncoder().encode(`${new TextDecoder().decode(parts.charter.bytes)}# \n`));
    expect(() => prepareRequest({ epoch: first.epoch, request, documents: documents.with(1, other.bytes) })).toThrow(
      code('bad-document'),
    );
    const payload = { ...request.payload, documents: request.payload.documents.slice(0, 1) };
    expect(() => openRequest(sealMessage(requestMessage, payload, who('bob')[0]!))).toThrow(
      'has exactly 3 documents: succession, charter, requesters',
    );
  });
});
