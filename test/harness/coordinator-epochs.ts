/** Two epochs of one group for tests of the coordinator: real ceremonies and successions in memory, as its members bring them. */
import { encodeLink } from '../../protocol/chain.ts';
import type { Charter } from '../../protocol/files/charter.ts';
import type { Secret } from '../../protocol/frost/group.ts';
import { erasedMessage } from '../../protocol/succession/messages.ts';
import { genesisHash } from '../../protocol/ceremony/founding.ts';
import { blankRequest, documentEntry, requestMessage } from '../../protocol/request/request.ts';
import { bytesToHex } from '../../protocol/wire/bytes.ts';
import { sealMessage, type Envelope } from '../../protocol/wire/envelope.ts';
import type { DocumentBody, GroupBody } from '../../protocol/wire/frames.ts';
import { formatTimestamp } from '../../protocol/wire/time.ts';
import { decodeBase64, encodeBase64 } from '../../verifier/base64.ts';
import { sharedSodium } from './ceremony-network.ts';
import { requestersDocument, type DealtGroup } from './coordinator-group.ts';
import { person, writeCharter, type Person } from './people.ts';
import { decided, founded, succeeded, type Decided, type LivedEpoch } from './succession-story.ts';

/** An epoch as the harness of the coordinator takes it. */
export type EpochGroup = DealtGroup & { readonly lived: LivedEpoch };

export type Carried = Awaited<ReturnType<typeof succeeded>>;

export function unixNow(): number {
  return Math.floor(Date.now() / 1000);
}

async function asGroup(lived: LivedEpoch, people: readonly Person[], requester: Person): Promise<EpochGroup> {
  const { charter } = lived.epoch;
  const shares = new Map(charter.channels.map(({ name }) => [name, new Map<number, Secret>()]));
  for (const { key, identifier } of charter.members)
    for (const [channel, share] of lived.shares.get(key)!) shares.get(channel)!.set(identifier, share);
  const { certificate, stored, genesis } = lived.link;
  const body: GroupBody = {
    charter: encodeBase64(charter.bytes),
    certificate: encodeBase64(certificate.bytes),
    stored: [...stored],
    genesis,
    requesters: null,
    delegations: [],
  };
  return { epoch: lived.epoch, people, shares, requester, sodium: await sharedSodium(), body, lived };
}

export async function firstEpoch(): Promise<EpochGroup> {
  const { charter, people } = writeCharter(
    { tiers: ['a', 'a', 'a'], production: '{ any: 2 }' },
    ['alice', 'bob', 'carol'].map(person),
  );
  const group = await asGroup(await founded(charter, people), people, person('dev'));
  return { ...group, body: { ...group.body, requesters: requestersDocument(group, 1, [group.requester]) } };
}

/** A charter that goes on: bob leaves, dave comes. */
export function nextCharter({ epoch, people }: EpochGroup): {
  readonly charter: Charter;
  readonly people: readonly Person[];
} {
  const [alice, , carol] = people;
  return writeCharter({ tiers: ['a', 'a', 'a'], production: '{ any: 2 }', continues: epoch.groupLine }, [
    person('dave'),
    alice!,
    carol!,
  ]);
}

/** Until tomorrow. */
export async function decide(
  { lived, people }: EpochGroup,
  charter: Charter,
  change: Parameters<typeof decided>[3] = {},
): Promise<Decided> {
  return decided(lived, charter, people.slice(0, 2), { until: formatTimestamp(unixNow() + 86_400), ...change });
}

/** Carries it out among all, and answers the next epoch with what was said. */
export async function carryOut(
  { lived, people: before, requester }: EpochGroup,
  what: Decided,
  after: readonly Person[],
): Promise<EpochGroup & { readonly said: Carried['said'] }> {
  const carried = await succeeded(lived, what, [...new Set([...before, ...after])]);
  return { ...(await asGroup(carried, after, requester)), said: carried.said };
}

/** As a document of the group that members bring. */
export function successionBody({ plan, signed }: Decided): DocumentBody {
  const { document, requesters, request, decisions } = signed;
  return {
    request,
    documents: [document.payload, encodeBase64(plan.charter.bytes), encodeBase64(requesters)],
    decisions: [...decisions],
    signatures: document.signatures.map(({ sig }) => bytesToHex(decodeBase64(sig))),
  };
}

/** A request for the same succession, as of now. */
export function successionRequest({ epoch }: EpochGroup, { plan, signed }: Decided, asker: Person): Envelope {
  const documents = [
    documentEntry('succession', plan.succession.bytes),
    documentEntry('charter', plan.charter.bytes),
    documentEntry('requesters', signed.requesters),
  ];
  return sealMessage(requestMessage, { ...blankRequest(epoch, 'succession', unixNow()), documents }, asker);
}

/** One member's word that its share of the first epoch is overwritten. */
export function erasedBy(who: Person, over: EpochGroup, next: EpochGroup, backups = 0): Envelope {
  const { groupKey, hash: epoch } = over.epoch;
  return sealMessage(erasedMessage, { groupKey, epoch, genesis: genesisHash(next.epoch), backups }, who);
}

/** How the coordinator has to show both. */
export function linksOf(...epochs: readonly EpochGroup[]): unknown[] {
  return epochs.map(({ lived }) => encodeLink(lived.link));
}
