/** Who may ask, who is kept out, and how long a request lives: one judgement for coordinator, members and clients. */
import { beforeAll, describe, expect, it } from 'vitest';
import { delegationOf, genesisOf } from '../../../protocol/ceremony/founding.ts';
import {
  ceremonyScope,
  decodeRequesters,
  emptyRequesters,
  type Requesters,
  type RequestersScope,
} from '../../../protocol/files/requesters.ts';
import { maxClockSkewSeconds } from '../../../protocol/limits.ts';
import {
  blankRequest,
  documentEntry,
  openRequest,
  requestMessage,
  type Request,
  type RequestKind,
  type RequestPayload,
} from '../../../protocol/request/request.ts';
import {
  askerOf,
  askerOrUndefined,
  assertFresh,
  assertNewerRequesters,
  assertOfEpoch,
  assertSignable,
  expiresAtUnixSeconds,
  isFoundingDocument,
  keptOut,
  requestersOf,
  type GroupStanding,
} from '../../../protocol/request/rights.ts';
import { encodeEnvelope } from '../../../verifier/dsse.ts';
import { person, type Person } from '../../harness/people.ts';
import { liveGroup, releaseRequest, type LiveGroup } from '../../harness/round-network.ts';
import { codeOf, signBytes, utf8 } from '../support.ts';

const createdAt = Date.parse('2026-11-22T08:00:00Z') / 1000;
const [dev, ann, eve] = [person('dev'), person('ann'), person('eve')];
type Name = 'alice' | 'bob' | 'dev' | 'ann' | 'eve';

let group: LiveGroup;
let people: Readonly<Record<Name, Person>>;
let standing: GroupStanding;

/** alice and bob are the members; bob asks with the key that he has as a member; ann is alice with another key. */
beforeAll(async () => {
  group = await liveGroup({ tiers: ['admin', 'admin'], production: '{ any: 2 }', development: '{ any: 1 }' });
  const [alice, bob] = group.people as [Person, Person];
  people = { alice, bob, dev, ann, eve };
  standing = {
    epoch: group.epoch,
    requesters: requestersDocument(3, [
      { card: dev.card('requester'), channels: ['development'], member: null },
      { card: ann.card('requester'), channels: ['development', 'production'], member: alice.name },
      { card: bob.card('requester'), channels: ['production'], member: null },
    ]),
    delegations: [],
  };
});

function requestersDocument(
  version: number,
  requesters: readonly object[],
  scope: RequestersScope = { groupKey: group.epoch.groupKey, number: 0 },
): Requesters {
  const { groupKey, number } = scope;
  return decodeRequesters(utf8(JSON.stringify({ version, groupKey, number, requesters })), group.epoch.charter);
}

function ask(change: Partial<RequestPayload>, who: Person = dev): Request {
  const { payload } = releaseRequest(group, 'production', change);
  return openRequest(signBytes(requestMessage.payloadType, JSON.stringify(payload), who, who.key));
}

function askForDocument(kind: RequestKind, bytes: Uint8Array, who: Person, createdAtUnixSeconds = createdAt): Request {
  const payload = { ...blankRequest(group.epoch, kind, createdAtUnixSeconds), documents: [documentEntry(kind, bytes)] };
  return openRequest(signBytes(requestMessage.payloadType, JSON.stringify(payload), who, who.key));
}

const wishes = {
  'a development release': (who: Person) => ask({ channel: 'development' }, who),
  'a production release': (who: Person) => ask({}, who),
  genesis: (who: Person) => askForDocument('genesis', genesisOf(group.epoch), who),
  'the requesters of the ceremony': (who: Person) =>
    askForDocument('requesters', emptyRequesters(group.epoch.charter).bytes, who),
  'other requesters': (who: Person) => askForDocument('requesters', requestersDocument(4, []).bytes, who),
  'a first delegation': (who: Person) =>
    askForDocument('delegation', delegationOf(group.epoch, 'development', createdAt), who),
  'another delegation': (who: Person) => askForDocument('delegation', utf8('{"channel":"development"}'), who),
} as const satisfies Record<string, (who: Person) => Request>;

/** Who asks for what, and what they are told: a name and the member that may not sign it, or a refusal. */
const matrix: [asker: Name, what: keyof typeof wishes, verdict: string, out: Name | undefined][] = [
  ['dev', 'a development release', 'dev', undefined],
  ['dev', 'a production release', 'not-allowed', undefined],
  ['dev', 'genesis', 'not-allowed', undefined],
  ['dev', 'other requesters', 'not-allowed', undefined],
  ['dev', 'a first delegation', 'not-allowed', undefined],
  ['ann', 'a development release', 'ann', undefined],
  ['ann', 'a production release', 'ann', 'alice'],
  ['ann', 'genesis', 'not-allowed', undefined],
  ['ann', 'the requesters of the ceremony', 'ann', undefined],
  ['ann', 'other requesters', 'ann', 'alice'],
  ['ann', 'a first delegation', 'ann', undefined],
  ['ann', 'another delegation', 'ann', 'alice'],
  ['alice', 'a development release', 'not-a-requester', undefined],
  ['alice', 'a production release', 'not-a-requester', undefined],
  ['alice', 'genesis', 'admin-1', undefined],
  ['alice', 'the requesters of the ceremony', 'admin-1', undefined],
  ['alice', 'other requesters', 'admin-1', 'alice'],
  ['alice', 'a first delegation', 'admin-1', undefined],
  ['alice', 'another delegation', 'admin-1', 'alice'],
  ['bob', 'a development release', 'not-allowed', undefined],
  ['bob', 'a production release', 'admin-2', 'bob'],
  ['bob', 'other requesters', 'admin-2', 'bob'],
  ['eve', 'a development release', 'not-a-requester', undefined],
  ['eve', 'a production release', 'not-a-requester', undefined],
  ['eve', 'genesis', 'not-allowed', undefined],
  ['eve', 'other requesters', 'not-a-requester', undefined],
  ['eve', 'a first delegation', 'not-a-requester', undefined],
];

describe('who asks', () => {
  it.each(matrix)('%s asking for %s is %s', (asker, what, verdict, out) => {
    const request = wishes[what](people[asker]);
    if (verdict === 'not-allowed' || verdict === 'not-a-requester') {
      expect(codeOf(() => askerOf(request, standing))).toBe(verdict);
      expect(askerOrUndefined(request, standing)).toBeUndefined();
      return;
    }
    expect(askerOf(request, standing).name).toBe(verdict);
    expect(keptOut(request, standing)?.name, 'kept out of the signer set (T31)').toBe(
      out === undefined ? undefined : people[out].name,
    );
  });

  it('is judged by the newest document: who is no longer in it may ask for nothing (T33)', () => {
    const request = ask({}, ann);
    expect(askerOf(request, standing).name).toBe('ann');
    const newer = { ...standing, requesters: requestersDocument(4, []) };
    expect(codeOf(() => askerOf(request, newer))).toBe('not-a-requester');
  });

  it('stays the same member when the document names another one for a member’s own key (T31)', () => {
    const sly = requestersDocument(4, [
      { card: people.bob.card('requester'), channels: ['production'], member: people.alice.name },
    ]);
    expect(keptOut(ask({}, people.bob), { ...standing, requesters: sly })?.name).toBe(people.bob.name);
  });

  it('may not be the one without whom there is no quorum (T31)', () => {
    expect(codeOf(() => assertSignable(ask({}, ann), standing))).toBe('not-allowed');
    expect(() => assertSignable(wishes.genesis(people.alice), standing)).not.toThrow();
    expect(() => assertSignable(ask({ channel: 'development' }, ann), standing)).not.toThrow();
  });
});

describe('the founding documents', () => {
  const signed = (bytes: Uint8Array): GroupStanding => ({
    ...standing,
    delegations: [
      {
        channel: 'development',
        envelope: encodeEnvelope({ payloadType: 'x', payload: bytes, keyid: '', signature: new Uint8Array(64) }),
      },
    ],
  });
  const first = (): Uint8Array => delegationOf(group.epoch, 'development', createdAt);
  const later = (): Uint8Array => delegationOf(group.epoch, 'development', createdAt + 60);

  it('are what the ceremony asked for, after it is signed as well as before (T31)', () => {
    const request = askForDocument('delegation', first(), people.alice);
    expect(isFoundingDocument(request, standing)).toBe(true);
    expect(isFoundingDocument(request, signed(first()))).toBe(true);
  });

  it('are never a renewal: whoever asks for that is kept out (T31)', () => {
    const request = askForDocument('delegation', later(), people.alice, createdAt + 60);
    expect(isFoundingDocument(request, standing)).toBe(true);
    expect(isFoundingDocument(request, signed(first()))).toBe(false);
    expect(keptOut(request, signed(first()))?.name).toBe(people.alice.name);
  });

  it('are not a delegation that does not follow from the request', () => {
    expect(isFoundingDocument(askForDocument('delegation', later(), people.alice), standing)).toBe(false);
  });
});

describe('what is newer', () => {
  it('is a higher version of the requesters, and version 1 only as the ceremony agreed to it', () => {
    const { epoch } = group;
    const agreed = emptyRequesters(epoch.charter).bytes;
    const other = requestersDocument(1, [
      { card: dev.card('requester'), channels: ['development'], member: null },
    ]).bytes;
    expect(() => assertNewerRequesters(agreed, epoch, 0)).not.toThrow();
    expect(codeOf(() => assertNewerRequesters(other, epoch, 0))).toBe('bad-document');
    expect(codeOf(() => assertNewerRequesters(agreed, epoch, 1))).toBe('stale-version');
    expect(() => assertNewerRequesters(requestersDocument(2, []).bytes, epoch, 1)).not.toThrow();
    expect(codeOf(() => assertNewerRequesters(requestersDocument(2, []).bytes, epoch, 2))).toBe('stale-version');
  });

  it('is never newer with two entries of one name, or with a member’s name for somebody else', () => {
    const entry = (name: string) => ({ card: person(name).card('requester'), channels: ['development'], member: null });
    for (const entries of [
      [entry('dev'), entry('dev')],
      [entry('dev'), entry(group.epoch.charter.members[0]!.name)],
    ])
      expect(codeOf(() => assertNewerRequesters(requestersDocument(2, entries).bytes, group.epoch, 1))).toBe(
        'bad-requesters',
      );
  });

  it('is for this group and this epoch of its key, by name, or the one of the ceremony', () => {
    const { epoch } = group;
    const agreed = emptyRequesters(epoch.charter);
    expect(requestersOf(epoch, agreed.bytes)).toEqual(agreed);
    const own = requestersDocument(2, []);
    expect(requestersOf(epoch, own.bytes)).toEqual(own);
    const refused = (version: number, scope: RequestersScope): string =>
      codeOf(() => requestersOf(epoch, requestersDocument(version, [], scope).bytes));
    const other = epoch.channel('development').key;
    expect(refused(2, { groupKey: other, number: 0 })).toBe('wrong-group');
    expect(refused(2, { groupKey: epoch.groupKey, number: 1 })).toBe('bad-document');
    // Without a group it would count in every group of this charter, and after every succession.
    expect(refused(2, ceremonyScope)).toBe('bad-document');
    expect(refused(1, { groupKey: epoch.groupKey, number: 1 })).toBe('bad-document');
    for (const scope of [
      { groupKey: other, number: 0 },
      { groupKey: epoch.groupKey, number: 1 },
    ])
      expect(codeOf(() => assertNewerRequesters(requestersDocument(9, [], scope).bytes, epoch, 1))).not.toBe('none');
  });
});

describe('the life of a request', () => {
  const hour = 3600;

  it(`begins up to ${maxClockSkewSeconds} seconds before its time, to the second`, () => {
    const [request, { charter }] = [ask({ channel: 'development' }), group.epoch];
    expect(() => assertFresh(request, charter, createdAt - maxClockSkewSeconds)).not.toThrow();
    expect(codeOf(() => assertFresh(request, charter, createdAt - maxClockSkewSeconds - 1))).toBe('not-yet-valid');
  });

  it('ends with its channel’s expiry, to the second', () => {
    const [request, { charter }] = [ask({ channel: 'development' }), group.epoch];
    expect(expiresAtUnixSeconds(request, charter.channels[1]!)).toBe(createdAt + hour);
    expect(() => assertFresh(request, charter, createdAt + hour - 1)).not.toThrow();
    expect(codeOf(() => assertFresh(request, charter, createdAt + hour))).toBe('expired');
    expect(() => assertFresh(ask({}), charter, createdAt + 72 * hour - 1)).not.toThrow();
    expect(codeOf(() => assertFresh(ask({}), charter, createdAt + 72 * hour))).toBe('expired');
  });

  it('does not begin on a channel that the group does not have', () => {
    const { payload } = ask({});
    const request = { ...ask({}), payload: { ...payload, channel: 'nightly' } };
    expect(codeOf(() => assertFresh(request, group.epoch.charter, createdAt))).toBe('unknown-channel');
  });

  it('is in one group and one key epoch', () => {
    const { payload } = ask({});
    expect(() => assertOfEpoch(payload, group.epoch, 'the request')).not.toThrow();
    expect(codeOf(() => assertOfEpoch({ ...payload, groupKey: eve.key }, group.epoch, 'it'))).toBe('wrong-group');
    expect(codeOf(() => assertOfEpoch({ ...payload, epoch: 'c'.repeat(64) }, group.epoch, 'it'))).toBe('wrong-epoch');
  });
});
