/** A real group with real shares, a requester, and a coordinator's answers about one round, made by hand. */
import { decodeDelegation } from '../../verifier/delegation.ts';
import { encodeEnvelope, preAuthEncoding } from '../../verifier/dsse.ts';
import type { OpenedGroup } from '../../client/group.ts';
import { bytesToHex } from '../../protocol/wire/bytes.ts';
import { decisionMessage } from '../../protocol/signing/decision.ts';
import { sealMessage, type Envelope, type Identity } from '../../protocol/wire/envelope.ts';
import { delegationOf } from '../../protocol/ceremony/founding.ts';
import { aggregate } from '../../protocol/frost/aggregate.ts';
import { commit, prepareAttempt, signShare } from '../../protocol/frost/sign.ts';
import type { RoundBody } from '../../protocol/wire/frames.ts';
import { readRequestersFile } from '../../protocol/files/requesters.ts';
import type { Request } from '../../protocol/request/request.ts';
import { person, type CharterPlan, type Person } from '../harness/people.ts';
import { liveGroup, type LiveGroup } from '../harness/round-network.ts';

export const nowUnixSeconds = Date.parse('2026-11-22T08:00:00Z') / 1000;

export interface KnownWorld {
  readonly live: LiveGroup;
  readonly group: OpenedGroup;
  /** May ask on both channels. */
  readonly dave: Person;
  /** The requester that is member `admin-1`, too. */
  readonly adminAsking: Person;
}

/** A group whose ceremony really ran; `development` is delegated around `nowUnixSeconds`. */
export async function knownWorld(plan: CharterPlan): Promise<KnownWorld> {
  const live = await liveGroup(plan);
  const dave = person('dave');
  const adminAsking = person('boss');
  const channels = live.epoch.charter.channels.map(({ name }) => name).join(', ');
  const file = `version: 1
requesters:
  - { card: "${dave.card('requester')}", channels: [${channels}] }
  - { card: "${adminAsking.card('requester')}", channels: [${channels}], member: ${live.epoch.charter.members[0]!.name} }
`;
  const requesters = readRequestersFile(new TextEncoder().encode(file), 'requesters.yaml', live.epoch.charter);
  const delegations = live.epoch.charter.channels
    .filter(({ name }) => name !== 'production')
    .map(({ name }) => heldDelegation(live, name, nowUnixSeconds - 3600));
  const genesis = encodeEnvelope({
    payloadType: 'application/vnd.frostmark.genesis.v1+json',
    payload: new Uint8Array(2),
    keyid: '',
    signature: new Uint8Array(64),
  });
  return { live, group: { epoch: live.epoch, genesis, requesters, delegations }, dave, adminAsking };
}

/** A delegation that the production quorum really signed. */
export function heldDelegation(live: LiveGroup, channel: string, fromUnixSeconds: number) {
  const payload = delegationOf(live.epoch, channel, fromUnixSeconds);
  const type = 'application/vnd.frostmark.delegation.v1+json';
  const signature = quorumSign(live, 'production', preAuthEncoding(type, payload));
  return {
    channel,
    delegation: decodeDelegation(payload),
    envelope: encodeEnvelope({ payloadType: type, payload, keyid: '', signature }),
  };
}

/** The signature of the first minimal qualified set over any message: 64 bytes. */
export function quorumSign(live: LiveGroup, channel: string, message: Uint8Array): Uint8Array {
  const key = live.epoch.channel(channel);
  const signers = key.sharings.flatMap(({ threshold, members }) => members.slice(0, threshold)).sort((a, b) => a - b);
  const shareOf = (identifier: number) => live.shares.get(channel)!.get(identifier)!;
  const nonces = signers.map((identifier) => commit(live.sodium, shareOf(identifier)));
  const attempt = prepareAttempt(live.sodium, {
    key: key.point,
    sharings: key.sharings,
    publicShares: key.publicShares,
    message,
    commitments: signers.map((identifier, index) => ({ identifier, ...nonces[index]!.commitments })),
  });
  return aggregate(
    attempt,
    new Map(
      signers.map((identifier, index) => [
        identifier,
        signShare(live.sodium, attempt, identifier, nonces[index]!, shareOf(identifier)),
      ]),
    ),
  );
}

export function hex(bytes: Uint8Array): string {
  return bytesToHex(bytes);
}

/** A member's decision on a request. */
export function decide(
  world: KnownWorld,
  request: Request,
  member: number,
  decision: 'approve' | 'refuse' | 'withdraw',
  change: {
    readonly serial?: number;
    readonly reason?: string;
    readonly requestDigest?: string;
    readonly by?: Identity;
  } = {},
): Envelope {
  return sealMessage(
    decisionMessage,
    {
      groupKey: world.group.epoch.groupKey,
      epoch: world.group.epoch.hash,
      requestDigest: change.requestDigest ?? request.digest,
      decision,
      serial: change.serial ?? 1,
      reason: change.reason ?? null,
      decidedAt: '2026-11-22T08:01:00Z',
    },
    change.by ?? world.live.people[member - 1]!,
  );
}

type Wire = RoundBody['request'];

/** What a coordinator might answer. */
export function roundBody(
  request: Request,
  change: Partial<Omit<RoundBody, 'decisions'>> & { readonly decisions?: readonly Envelope[] } = {},
): RoundBody {
  return {
    digest: request.digest,
    request: request.envelope,
    outcome: 'pending',
    connected: [],
    ready: [],
    out: [],
    attempts: [],
    signatures: [],
    signers: [],
    evidence: [],
    ...change,
    decisions: (change.decisions ?? []) as Wire[],
  };
}
