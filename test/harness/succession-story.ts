/** A group whose epochs are real to the last signature: a ceremony, and successions that a quorum decided and carried out. */
import { encodeEnvelope, preAuthEncoding } from '../../verifier/dsse.ts';
import { encodeCanonicalJson } from '../../verifier/json.ts';
import { openSuccessor, type ChainLink, type SignedSuccession } from '../../protocol/chain.ts';
import type { Epoch } from '../../protocol/ceremony/epoch.ts';
import { genesisMessage, genesisOf } from '../../protocol/ceremony/founding.ts';
import { production, type Charter } from '../../protocol/files/charter.ts';
import { aggregate } from '../../protocol/frost/aggregate.ts';
import type { SealingGroup, Secret } from '../../protocol/frost/group.ts';
import { chooseMinimalSet } from '../../protocol/frost/resharing.ts';
import { commit, prepareAttempt, signShare } from '../../protocol/frost/sign.ts';
import { blankRequest, documentEntry, openRequest, requestMessage } from '../../protocol/request/request.ts';
import { decisionMessage, type DecisionPayload } from '../../protocol/signing/decision.ts';
import {
  openSuccession,
  successionMessage,
  type SuccessionPayload,
  type SuccessionPlan,
} from '../../protocol/succession/document.ts';
import type { SuccessionMessage } from '../../protocol/succession/messages.ts';
import type { Successor } from '../../protocol/succession/retire.ts';
import { sealMessage, type Envelope } from '../../protocol/wire/envelope.ts';
import { CeremonyNetwork, publicGroup, sharedSodium } from './ceremony-network.ts';
import type { Person } from './people.ts';
import { seededRandom } from './random.ts';
import { SuccessionNetwork } from './succession-network.ts';

const now = Date.parse('2026-11-27T12:00:00Z') / 1000;

/** An epoch with its shares, by identity key and channel. */
export interface LivedEpoch {
  readonly epoch: Epoch;
  readonly link: ChainLink;
  readonly shares: ReadonlyMap<string, ReadonlyMap<string, Secret>>;
}

/** Production's signature over an envelope's payload, by real shares. */
export function signedByGroup(
  arithmetic: SealingGroup,
  { epoch, shares }: Pick<LivedEpoch, 'epoch' | 'shares'>,
  payloadType: string,
  payload: Uint8Array,
): Envelope {
  const { sharings, publicShares, point: key } = epoch.channel(production);
  const signers = chooseMinimalSet(
    sharings,
    epoch.charter.members.map(({ identifier }) => identifier),
  )!;
  const shareOf = (identifier: number): Secret =>
    shares.get(epoch.charter.members[identifier - 1]!.key)!.get(production)!;
  const nonces = new Map(signers.map((signer) => [signer, commit(arithmetic, shareOf(signer))]));
  const commitments = signers.map((identifier) => ({ identifier, ...nonces.get(identifier)!.commitments }));
  const message = preAuthEncoding(payloadType, payload);
  const attempt = prepareAttempt(arithmetic, { key, sharings, publicShares, message, commitments });
  const answers = new Map(
    signers.map((signer) => [signer, signShare(arithmetic, attempt, signer, nonces.get(signer)!, shareOf(signer))]),
  );
  return encodeEnvelope({ payloadType, payload, keyid: '', signature: aggregate(attempt, answers) });
}

/** The ceremony of a charter, and its genesis. */
export async function founded(charter: Charter, people: readonly Person[]): Promise<LivedEpoch> {
  const arithmetic = await sharedSodium();
  const run = new CeremonyNetwork(charter, people, arithmetic, seededRandom(1));
  run.run();
  const epoch = run.epoch();
  const { certificate } = epoch;
  const shares = new Map(run.members.map(({ member, shares: own }) => [member.key, own.get(certificate.ceremony)!]));
  const genesis = signedByGroup(arithmetic, { epoch, shares }, genesisMessage.payloadType, genesisOf(epoch));
  return {
    epoch,
    shares,
    link: { charter, certificate, stored: run.members[0]!.stored!, genesis, succession: undefined },
  };
}

/** What the old quorum decides. */
export interface Decided {
  readonly plan: SuccessionPlan;
  readonly signed: SignedSuccession;
}

/** A succession that these members approved, and the group key signed. */
export async function decided(
  from: LivedEpoch,
  charter: Charter,
  approvers: readonly Person[],
  change: Partial<SuccessionPayload> = {},
): Promise<Decided> {
  const arithmetic = await sharedSodium();
  const { epoch } = from;
  const number = change.number ?? epoch.number + 1;
  const requesters = encodeCanonicalJson({ version: 1, groupKey: epoch.groupKey, number, requesters: [] });
  const payload: SuccessionPayload = {
    groupKey: epoch.groupKey,
    epoch: epoch.hash,
    number,
    charter: charter.hash,
    requesters: documentEntry('requesters', requesters).sha256,
    channels: charter.channels.map(({ name }) => ({ name, key: 'kept' })),
    until: '2026-11-30T00:00:00Z',
    ...change,
  };
  const document = encodeCanonicalJson(payload);
  const plan = openSuccession(epoch, { document, charter, requesters });
  const request = sealMessage(
    requestMessage,
    {
      ...blankRequest(epoch, 'succession', now),
      documents: [
        documentEntry('succession', document),
        documentEntry('charter', charter.bytes),
        documentEntry('requesters', requesters),
      ],
    },
    approvers[0]!,
  );
  const decisions = approvers.map((who) => decisionOf(epoch, request, who));
  const signed = signedByGroup(arithmetic, from, successionMessage.payloadType, document);
  return { plan, signed: { request, document: signed, requesters, decisions } };
}

/** One member's signed decision on a request. */
export function decisionOf(
  epoch: Epoch,
  request: Envelope,
  who: Person,
  change: Partial<DecisionPayload> = {},
): Envelope {
  const payload: DecisionPayload = {
    groupKey: epoch.groupKey,
    epoch: epoch.hash,
    requestDigest: openRequest(request).digest,
    decision: 'approve',
    serial: 1,
    reason: null,
    decidedAt: '2026-11-27T12:01:00Z',
    ...change,
  };
  return sealMessage(decisionMessage, payload, who);
}

/** Carries a succession out, with everybody honest. */
export async function succeeded(
  from: LivedEpoch,
  { plan, signed }: Decided,
  people: readonly Person[],
): Promise<LivedEpoch & { readonly successor: Successor; readonly said: readonly SuccessionMessage[] }> {
  const arithmetic = await sharedSodium();
  const { charter, succession } = plan;
  const ground = { from: from.epoch, charter, succession };
  const run = new SuccessionNetwork(
    { arithmetic, people, ground, shares: from.shares, isSigned: true },
    seededRandom(2),
  );
  run.run();
  const [certificate] = run.candidates.values();
  const stored = run.log.flatMap(({ kind, envelope }) => (kind === 'stored' ? [envelope] : []));
  const shares = new Map(run.heirs.map(({ self, shares: own }) => [self.key, own.get(certificate!.ceremony)!]));
  const epoch = run.epochOf(certificate!);
  const genesis = signedByGroup(arithmetic, { epoch, shares }, genesisMessage.payloadType, genesisOf(epoch));
  const link: ChainLink = { charter, certificate: certificate!, stored, genesis, succession: signed };
  const successor = openSuccessor(publicGroup, from.epoch, link);
  return { epoch: successor.epoch, shares, link, successor, said: run.log };
}
