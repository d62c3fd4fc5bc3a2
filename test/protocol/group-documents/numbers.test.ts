/** Numbers of a group's documents: which comes next, which may be approved beside which, and who holds the newest (T46). */
import { describe, expect, it } from 'vitest';
import {
  believedHoldings,
  holdingsMessage,
  newerHeld,
  openHoldings,
} from '../../../protocol/group-documents/holdings.ts';
import { countOf, documentKinds, placeText, type NamedDocument } from '../../../protocol/group-documents/kinds.ts';
import { deadAt, highestOf, nextNumber, objectionTo } from '../../../protocol/group-documents/numbers.ts';
import {
  decodeGroupDocument,
  encodeGroupDocument,
  openGroupDocument,
} from '../../../protocol/group-documents/document.ts';
import { ofUse } from '../../../protocol/group-documents/retention.ts';
import { maxGroupDocumentBytes } from '../../../protocol/limits.ts';
import { formatTimestamp } from '../../../protocol/wire/time.ts';
import { sealMessage } from '../../../protocol/wire/envelope.ts';
import { documentBodyOf } from '../../harness/group-document.ts';
import { liveGroup } from '../../harness/round-network.ts';
import { certificateRequest } from '../../harness/signed-release.ts';
import { codeOf } from '../support.ts';

const [hash, other] = ['aa'.repeat(32), 'bb'.repeat(32)];
const document = (number: number, change: Partial<NamedDocument> = {}): NamedDocument => ({
  kind: 'delegation',
  scope: 'development',
  number,
  hash,
  ...change,
});
const live = await liveGroup({ tiers: ['a', 'a'], production: '{ any: 2 }', development: '{ any: 1 }' });
const ssh = (number: number, created = '2026-11-22T08:00:00Z') =>
  certificateRequest(live, 'development', '2026-12-22T08:00:00Z', { number, createdAt: created });

describe('a number', () => {
  it('counts each kind, and each channel of a kind, by itself from 1 on', () => {
    const known = [document(1), document(3), document(2), document(7, { scope: 'nightly' })];
    expect(nextNumber(known, document(0))).toBe(4);
    expect(nextNumber(known, document(0, { scope: 'nightly' }))).toBe(8);
    expect(nextNumber(known, { kind: 'ssh-certificate', scope: 'development' })).toBe(1);
    expect([...highestOf(known).keys()]).toEqual(['delegation development', 'delegation nightly']);
    expect(countOf({ kind: 'genesis', scope: null })).toBe('genesis');
  });

  it.each<[string, NamedDocument, NamedDocument | undefined, RegExp | undefined]>([
    ['the first', document(1), undefined, undefined],
    ['the next', document(3), document(2), undefined],
    ['what is signed already, once more', document(2), document(2), undefined],
    [
      'another of a number that is signed',
      document(2, { hash: other }),
      document(2),
      /2 .*is signed already: the next/,
    ],
    ['an older one', document(1), document(2), /is signed already: the next is number 3/],
    ['one that passes over others', document(4), document(2), /would come after number 2, the newest/],
    ['a genesis after successions that came to nothing', document(4, { kind: 'genesis' }), document(2), undefined],
    ['one without a number', document(0), document(2), /does not say which delegation of development/],
  ])('may be approved or not: %s', (_, next, highest, objection) => {
    const found = objectionTo(next, { highest, approved: undefined });
    if (objection === undefined) expect(found).toBeUndefined();
    else expect(found).toMatch(objection);
  });

  it('excludes only another document of the same number', () => {
    const approved = { ...document(3), request: 'cd'.repeat(32), expiresAt: 1000 };
    const given = (next: NamedDocument) => objectionTo(next, { highest: document(2), approved });
    expect(given(document(3))).toBeUndefined();
    expect(given(document(3, { hash: other }))).toContain(
      `refuse that one first, or wait until ${formatTimestamp(1300)}`,
    );
    expect(deadAt(approved)).toBe(1300);
  });

  it('has words for every kind', () => {
    for (const kind of documentKinds) expect(placeText({ kind, scope: null, number: 1 })).toMatch(/ 1$/);
  });
});

describe('a document as it is kept', () => {
  it('is read as it was written, and nothing longer or else is', () => {
    const opened = openGroupDocument([live.epoch], documentBodyOf(live, ssh(1)));
    expect(decodeGroupDocument(encodeGroupDocument(opened))).toEqual(opened.body);
    expect(opened).toMatchObject({ kind: 'ssh-certificate', scope: 'development', number: 1 });
    expect(codeOf(() => decodeGroupDocument(new Uint8Array(maxGroupDocumentBytes + 1)))).toBe('bad-document');
    expect(codeOf(() => decodeGroupDocument(Buffer.from('{"request":{}}')))).toBe('bad-document');
    expect(codeOf(() => openGroupDocument([], opened.body))).toBe('wrong-group');
  });

  it('stays while it is of use: of certificates for SSH the newest numbers, two of one number both', () => {
    const all = [1, 2, 3, 4, 5, 6].map((number) => openGroupDocument([live.epoch], documentBodyOf(live, ssh(number))));
    const twin = openGroupDocument([live.epoch], documentBodyOf(live, ssh(6, '2026-11-22T08:00:01Z')));
    expect(ofUse([...all, twin]).map(({ number }) => number)).toEqual([3, 4, 5, 6, 6]);
  });
});

describe('what a member says that it holds', () => {
  const [alice, bob] = live.people as [(typeof live.people)[0], (typeof live.people)[0]];
  const { charter, groupKey } = live.epoch;
  const holdings = (who: typeof alice, ...documents: NamedDocument[]) =>
    sealMessage(holdingsMessage, { groupKey, documents, at: '2026-11-22T08:00:00Z' }, who);

  it('tells what is newer than what is known, and who has it', () => {
    const said = [holdings(alice, document(3)), holdings(bob, document(3), document(1, { scope: 'nightly' }))];
    const newer = newerHeld(
      believedHoldings(said, charter, groupKey),
      highestOf([document(2), document(1, { scope: 'nightly' })]),
    );
    expect(newer.map(({ number, members }) => [number, members.map(({ name }) => name)])).toEqual([
      [3, ['a-1', 'a-2']],
    ]);
  });

  it('is its own signed word about this group, and nothing else', () => {
    expect(codeOf(() => openHoldings(holdings(live.requester), charter, groupKey))).toBe('not-a-member');
    expect(codeOf(() => openHoldings(holdings(alice), charter, alice.key))).toBe('wrong-group');
    expect(believedHoldings([holdings(live.requester), 7, holdings(bob)], charter, groupKey)).toHaveLength(1);
  });
});
