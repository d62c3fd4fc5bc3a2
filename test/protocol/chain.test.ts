/** The chain of epochs: what shows a client, from GROUP.pub alone, who holds the key now; and what shows it nothing (T47). */
import { beforeAll, describe, expect, it } from 'vitest';
import {
  forkBetween,
  formatEpochMark,
  markOf,
  openChain,
  openSuccessor,
  parseEpochMark,
  type ChainLink,
} from '../../protocol/chain.ts';
import { decodeCertificate } from '../../protocol/ceremony/certificate.ts';
import { openEpoch } from '../../protocol/ceremony/epoch.ts';
import { genesisMessage, genesisOf } from '../../protocol/ceremony/founding.ts';
import { sharedSodium, publicGroup } from '../harness/ceremony-network.ts';
import { person, writeCharter, type Person } from '../harness/people.ts';
import {
  decided,
  decisionOf,
  founded,
  signedByGroup,
  succeeded,
  type Decided,
  type LivedEpoch,
} from '../harness/succession-story.ts';

const [alice, bob, carol, dave, erin] = ['alice', 'bob', 'carol', 'dave', 'erin'].map(person) as [
  Person,
  Person,
  Person,
  Person,
  Person,
];
const everybody = [alice, bob, carol, dave, erin];
const code = (value: string) => expect.objectContaining({ code: value }) as Error;

const charterOf = (people: readonly Person[], production: string, continues?: string) =>
  writeCharter({ tiers: people.map(() => 'a'), production, ...(continues === undefined ? {} : { continues }) }, people)
    .charter;

let first: LivedEpoch;
let decision: Decided;
let second: LivedEpoch;
let third: LivedEpoch;
/** What bob and carol, a quorum once, did later with shares that they never erased. */
let branch: LivedEpoch;

beforeAll(async () => {
  first = await founded(charterOf([alice, bob, carol], '{ any: 2 }'), [alice, bob, carol]);
  const { groupLine } = first.epoch;
  decision = await decided(first, charterOf([alice, carol, dave], '{ any: 2 }', groupLine), [alice, bob]);
  second = await succeeded(first, decision, everybody);
  const next = await decided(second, charterOf([dave, alice, erin], '{ any: 3 }', groupLine), [dave, carol], {
    number: 4,
  });
  third = await succeeded(second, next, everybody);
  const other = await decided(first, charterOf([carol, bob, erin], '{ any: 2 }', groupLine), [bob, carol]);
  branch = await succeeded(first, other, everybody);
}, 120_000);

const open = (links: readonly ChainLink[], ...rest: [] | [Parameters<typeof openChain>[3]]) =>
  openChain(publicGroup, first.epoch.groupLine, links, ...rest);

describe('a chain of epochs', () => {
  it('leads from GROUP.pub to those who hold the key now, whatever became of the first ones', () => {
    const chain = open([first.link, second.link, third.link]);
    expect(chain.map(({ number }) => number)).toEqual([0, 1, 4]);
    expect(new Set(chain.map(({ groupLine }) => groupLine)).size).toBe(1);
    expect(chain.at(-1)!.charter.members.map(({ name }) => name)).toEqual(['dave', 'alice', 'erin']);
  });

  it('says in each genesis what it follows on', () => {
    const genesis = JSON.parse(new TextDecoder().decode(genesisOf(third.epoch))) as Record<string, unknown>;
    expect(genesis).toMatchObject({
      epoch: third.epoch.hash,
      number: 4,
      from: { epoch: second.epoch.hash },
      origin: 'generated',
    });
  });

  it('begins with the pinned key and its ceremony', () => {
    const wrong = `frostmark-group:acme:${dave.key}`;
    expect(() => openChain(publicGroup, wrong, [first.link])).toThrow(code('wrong-group'));
    expect(() => open([second.link])).toThrow(code('bad-certificate'));
    expect(() => open([])).toThrow(code('bad-certificate'));
  });

  it('is never gone back on, and never left for another branch (T47)', () => {
    const remembered = markOf(second.epoch);
    expect(open([first.link, second.link, third.link], remembered)).toHaveLength(3);
    expect(() => open([first.link], remembered)).toThrow(code('rolled-back'));
    expect(() => open([first.link, branch.link], remembered)).toThrow(code('conflict'));
    // A client that knows nothing yet believes a branch, unless somebody gave it the epoch.
    expect(open([first.link, branch.link])).toHaveLength(2);
  });

  it('that forks is evidence: two epochs on one', () => {
    const one = open([first.link, second.link, third.link]);
    const other = open([first.link, branch.link]);
    expect(forkBetween(one, other)).toEqual({
      last: markOf(first.epoch),
      branches: [markOf(second.epoch), markOf(branch.epoch)],
    });
    expect(forkBetween(one, open([first.link, second.link]))).toBeUndefined();
    expect(forkBetween(one, one)).toBeUndefined();
  });

  it('goes no more than 1000 numbers beyond what is known, whatever a quorum signed', async () => {
    const far = await succeeded(
      first,
      await decided(first, decision.plan.charter, [alice, bob], { number: 1001 }),
      everybody,
    );
    expect(() => open([first.link, far.link])).toThrow(code('too-large'));
    expect(open([first.link, far.link], markOf(far.epoch))).toHaveLength(2);
  }, 60_000);

  it('can be given as one line', () => {
    const mark = markOf(third.epoch);
    expect(parseEpochMark(formatEpochMark(mark))).toEqual(mark);
    expect(formatEpochMark(mark)).toBe(`frostmark-epoch:4:${third.epoch.hash}`);
    for (const line of ['frostmark-epoch:04:' + mark.epoch, 'frostmark-epoch:4:abc', `${formatEpochMark(mark)}\n`, ''])
      expect(() => parseEpochMark(line)).toThrow(code('bad-document'));
  });
});

describe('a link that only the group key signed (T47, trap 13)', () => {
  const withDecisions = (decisions: readonly unknown[]): ChainLink => ({
    ...second.link,
    succession: { ...second.link.succession!, decisions: decisions as ChainLink['stored'] },
  });
  const approve = (who: Person, change = {}) => decisionOf(first.epoch, decision.signed.request, who, change);

  it.each<[string, () => ChainLink]>([
    ['without any decision', () => withDecisions([])],
    ['with one approval too few', () => withDecisions([approve(alice)])],
    ['with one member twice', () => withDecisions([approve(alice), approve(alice, { serial: 2 })])],
    [
      'with an approval that was withdrawn',
      () => withDecisions([approve(alice), approve(bob), approve(bob, { serial: 2, decision: 'withdraw' })]),
    ],
    ['with a refusal', () => withDecisions([approve(alice), approve(bob, { decision: 'refuse' })])],
    ['without a succession', () => ({ ...second.link, succession: undefined })],
  ])('is none: %s', (_, link) => {
    expect(() => openSuccessor(publicGroup, first.epoch, link())).toThrow(code('bad-document'));
  });

  it('is none with the approvals of those who are in the new charter alone', () => {
    const link = withDecisions([approve(alice), approve(dave)]);
    expect(() => openSuccessor(publicGroup, first.epoch, link)).toThrow(code('not-a-member'));
  });

  it('is none with approvals of another request', async () => {
    const other = await decided(first, decision.plan.charter, [alice, bob], { until: '2026-11-29T00:00:00Z' });
    const link = { ...second.link, succession: { ...second.link.succession!, decisions: other.signed.decisions } };
    expect(() => openSuccessor(publicGroup, first.epoch, link)).toThrow(code('bad-decision'));
    const swapped = { ...link, succession: { ...link.succession, request: other.signed.request } };
    expect(() => openSuccessor(publicGroup, first.epoch, swapped)).toThrow('asks for another succession');
  });

  it('of an old quorum does not follow on the epoch after it', () => {
    expect(() => openSuccessor(publicGroup, second.epoch, branch.link)).toThrow(code('wrong-epoch'));
    expect(() => open([first.link, second.link, branch.link])).toThrow(code('wrong-epoch'));
  });
});

describe('a link of other parts', () => {
  it.each<[string, () => ChainLink, string]>([
    ['another charter', () => ({ ...second.link, charter: branch.link.charter }), 'bad-document'],
    [
      'a certificate of another succession',
      () => ({ ...second.link, certificate: branch.link.certificate }),
      'bad-certificate',
    ],
    [
      'a member that did not say stored',
      () => ({ ...second.link, stored: second.link.stored.slice(1) }),
      'bad-certificate',
    ],
    ['the genesis of another epoch', () => ({ ...second.link, genesis: first.link.genesis }), 'bad-document'],
    [
      'another requesters document',
      () => ({
        ...second.link,
        succession: { ...second.link.succession!, requesters: third.link.succession!.requesters },
      }),
      'bad-document',
    ],
  ])('is refused: %s', (_, link, expected) => {
    expect(() => openSuccessor(publicGroup, first.epoch, link())).toThrow(code(expected));
  });

  it('is refused with a genesis that the group key did not sign', async () => {
    const stranger = await founded(charterOf([dave, erin], '{ any: 2 }'), [dave, erin]);
    const arithmetic = await sharedSodium();
    const genesis = signedByGroup(arithmetic, stranger, genesisMessage.payloadType, genesisOf(second.epoch));
    expect(() => openSuccessor(publicGroup, first.epoch, { ...second.link, genesis })).toThrow(code('bad-signature'));
  });

  it('is none of another kind: a charter that continues a group has no certificate of a ceremony, nor a certificate of one the other way (trap 16)', async () => {
    const { charter } = decision.plan;
    await expect(founded(charter, [alice, carol, dave])).rejects.toThrow();
    const plain = { ...charter, continues: undefined };
    const { certificate } = await founded(plain, [alice, carol, dave]).then(({ epoch }) => epoch);
    const again = ({ bytes }: typeof certificate) => decodeCertificate(bytes);
    expect(() => openEpoch(publicGroup, charter, again(certificate))).toThrow(
      'handed on to a charter that continues its group',
    );
    expect(() => openEpoch(publicGroup, plain, again(second.link.certificate))).toThrow(code('bad-certificate'));
  });
});
