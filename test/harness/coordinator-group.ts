/** A group for tests of the coordinator: a live key from one ceremony in memory, with its documents signed on the spot. */
import { encodeBase64 } from '../../verifier/base64.ts';
import { delegationPayloadType } from '../../verifier/delegation.ts';
import { encodeEnvelope, preAuthEncoding } from '../../verifier/dsse.ts';
import { encodeCanonicalJson } from '../../verifier/json.ts';
import { storedMessage } from '../../protocol/ceremony/messages.ts';
import { production } from '../../protocol/files/charter.ts';
import { sealMessage, type Envelope } from '../../protocol/wire/envelope.ts';
import { delegationOf, genesisMessage, genesisOf } from '../../protocol/ceremony/founding.ts';
import { aggregate } from '../../protocol/frost/aggregate.ts';
import type { Identifier } from '../../protocol/frost/sharing.ts';
import { commit, prepareAttempt, signShare } from '../../protocol/frost/sign.ts';
import type { GroupBody } from '../../protocol/wire/frames.ts';
import { numberingOf, requestMessage, type RequestPayload } from '../../protocol/request/request.ts';
import { requestersMessage } from '../../protocol/files/requesters.ts';
import { formatTimestamp } from '../../protocol/wire/time.ts';
import { sha256Hex } from '../../protocol/wire/bytes.ts';
import type { CharterPlan, Person } from './people.ts';
import { liveGroup, type LiveGroup } from './round-network.ts';

export interface DealtGroup extends LiveGroup {
  /** Everything a member would bring: certificate, genesis, requesters 1 and a delegation of every channel. */
  readonly body: GroupBody;
}

type Held = NonNullable<GroupBody['genesis']>;

/** A group whose requester may ask on every channel; `member` is the member that this person also is. */
export async function dealtGroup(plan: CharterPlan, options: { readonly member?: string } = {}): Promise<DealtGroup> {
  return dealt(await liveGroup(plan), options);
}

/** The same for a ceremony that is over. */
export function dealt(live: LiveGroup, options: { readonly member?: string } = {}): DealtGroup {
  const now = Math.floor(Date.now() / 1000);
  const delegated = live.epoch.charter.channels.filter(({ name }) => name !== production);
  const body: GroupBody = {
    charter: encodeBase64(live.epoch.charter.bytes),
    certificate: encodeBase64(live.epoch.certificate.bytes),
    stored: storedBy(live),
    genesis: underKey(live, genesisMessage.payloadType, genesisOf(live.epoch)),
    requesters: requestersDocument(live, 1, [live.requester], options.member),
    delegations: delegated.map(({ name }) => delegationEnvelope(live, name, now)),
  };
  return { ...live, body };
}

/** "Certificate stored" of every member. */
export function storedBy({ epoch, people }: LiveGroup): Envelope[] {
  const { ceremony, transcriptHash: transcript } = epoch.certificate;
  return people.map((who) => sealMessage(storedMessage, { ceremony, transcript }, who));
}

export function delegationEnvelope(group: LiveGroup, channel: string, fromUnixSeconds: number): Held {
  return underKey(group, delegationPayloadType, delegationOf(group.epoch, channel, fromUnixSeconds));
}

export function requestersBytes(
  group: LiveGroup,
  version: number,
  people: readonly Person[],
  member?: string,
): Uint8Array {
  const channels = group.epoch.charter.channels.map(({ name }) => name);
  const requesters = people.map((who) => ({ card: who.card('requester'), channels, member: member ?? null }));
  const { groupKey, number } = group.epoch;
  return encodeCanonicalJson({ version, groupKey, number, requesters });
}

export function requestersDocument(
  group: LiveGroup,
  version: number,
  people: readonly Person[],
  member?: string,
): Held {
  return underKey(group, requestersMessage.payloadType, requestersBytes(group, version, people, member));
}

/** An envelope under the group's own key. */
export function underKey(group: LiveGroup, payloadType: string, payload: Uint8Array): Held {
  const signature = quorumSignature(group, production, preAuthEncoding(payloadType, payload));
  return encodeEnvelope({ payloadType, payload, keyid: '', signature });
}

/** A signature by the first members of every sharing, without any network. */
export function quorumSignature(
  { epoch, shares, sodium }: LiveGroup,
  channel: string,
  message: Uint8Array,
): Uint8Array {
  const { point, sharings, publicShares } = epoch.channel(channel);
  const signers = sharings.flatMap((sharing) => sharing.members.slice(0, sharing.threshold)).sort((a, b) => a - b);
  const share = (identifier: Identifier) => shares.get(channel)!.get(identifier)!;
  const nonces = new Map(signers.map((identifier) => [identifier, commit(sodium, share(identifier))]));
  const attempt = prepareAttempt(sodium, {
    key: point,
    sharings,
    publicShares,
    message,
    commitments: signers.map((identifier) => ({ identifier, ...nonces.get(identifier)!.commitments })),
  });
  const scalars = signers.map(
    (identifier) =>
      [identifier, signShare(sodium, attempt, identifier, nonces.get(identifier)!, share(identifier))] as const,
  );
  return aggregate(attempt, new Map(scalars));
}

/** A release of one artifact as of now, signed by whoever asks. */
export function releaseOf(group: LiveGroup, asker: Person, change: Partial<RequestPayload> = {}): Envelope {
  const payload: RequestPayload = {
    groupKey: group.epoch.groupKey,
    epoch: group.epoch.hash,
    kind: 'release',
    channel: production,
    formats: ['native'],
    artifacts: [{ name: 'tool-1.0.0.tgz', size: 5, sha256: sha256Hex(Buffer.from('hello')), sha512: '00'.repeat(64) }],
    documents: [],
    product: 'tool',
    release: '1.0.0',
    source: null,
    ...(numberingOf(change.kind ?? 'release') === 'request' ? { number: 1 } : {}),
    note: null,
    createdAt: formatTimestamp(Math.floor(Date.now() / 1000)),
    ...change,
  };
  return sealMessage(requestMessage, payload, asker);
}

/** A request for one document on production, and the document. */
export function documentRequest(
  group: LiveGroup,
  asker: Person,
  kind: 'genesis' | 'requesters' | 'delegation',
  bytes: Uint8Array,
  change: Partial<RequestPayload> = {},
): Envelope {
  return releaseOf(group, asker, {
    kind,
    formats: [kind],
    artifacts: [],
    documents: [{ kind, size: bytes.length, sha256: sha256Hex(bytes) }],
    product: null,
    release: null,
    ...change,
  });
}
