/**
 * The chain of a group's epochs, from GROUP.pub to the one that is live: each link is a certificate, every member's `stored`, a genesis, and from the
 * second on the succession with identity-signed approvals of a qualified set of the charter before. What only the group key signed is not enough:
 * those who were a quorum once can still make such signatures.
 */
import { decodeBase64, encodeBase64 } from '../verifier/base64.ts';
import { sha256Hex } from './wire/bytes.ts';
import { successionMessage, openSuccession, type SuccessionPlan } from './succession/document.ts';
import { problemOfBegin, problemOfEpoch, speakersOf, type SuccessionGround } from './succession/cast.ts';
import type { Successor } from './succession/retire.ts';
import { decodeCertificate, type Certificate } from './ceremony/certificate.ts';
import { assertAllStored, openEpoch, type Epoch } from './ceremony/epoch.ts';
import { assertGenesis, genesisHash } from './ceremony/founding.ts';
import { ProtocolError, type ProtocolErrorCode } from './errors.ts';
import { decodeCharter, production, type Charter } from './files/charter.ts';
import type { Group } from './frost/group.ts';
import { isQualified } from './frost/sharing.ts';
import { maxEpochsAhead, maxRequestersBytes } from './limits.ts';
import { openRequest, type Request } from './request/request.ts';
import { assertOfEpoch } from './request/rights.ts';
import { assertDecisionOn, isNewerDecision, openDecision, type Decision } from './signing/decision.ts';
import { openSignedBy, refuseAs, type Envelope } from './wire/envelope.ts';
import type { ChainLinkBody } from './wire/frames.ts';
import { at } from './wire/present.ts';

/** A succession that was decided, as it is kept and shown. */
export interface SignedSuccession {
  readonly request: Envelope;
  /** The document under the group key of the epoch that it ends. */
  readonly document: Envelope;
  /** The payload of the requesters document that it names. */
  readonly requesters: Uint8Array;
  /** Members' decisions on the request. */
  readonly decisions: readonly Envelope[];
}

/** A link as it travels. Throws `ProtocolError` (`bad-charter`, `bad-certificate`, `bad-requesters`). */
export function decodeLink({ charter, certificate, stored, genesis, succession }: ChainLinkBody): ChainLink {
  const decoded = (code: ProtocolErrorCode, what: string, base64: string): Uint8Array =>
    refuseAs(code, what, () => decodeBase64(base64));
  return {
    charter: decodeCharter(decoded('bad-charter', 'charter', charter)),
    certificate: decodeCertificate(decoded('bad-certificate', 'certificate', certificate)),
    stored,
    genesis,
    succession:
      succession === null
        ? undefined
        : { ...succession, requesters: decoded('bad-requesters', 'requesters document', succession.requesters) },
  };
}

/** Inverse of `decodeLink`. */
export function encodeLink({ charter, certificate, stored, genesis, succession }: ChainLink): ChainLinkBody {
  return {
    charter: encodeBase64(charter.bytes),
    certificate: encodeBase64(certificate.bytes),
    stored: [...stored],
    genesis,
    succession:
      succession === undefined
        ? null
        : {
            ...succession,
            requesters: encodeBase64(succession.requesters),
            decisions: [...succession.decisions],
          },
  };
}

/** One epoch with all that proves it. */
export interface ChainLink {
  readonly charter: Charter;
  readonly certificate: Certificate;
  readonly stored: readonly Envelope[];
  readonly genesis: Envelope;
  /** What led here; `undefined` for the epoch of the ceremony that made the key. */
  readonly succession: SignedSuccession | undefined;
}

/** An epoch by number and name: what a client remembers, and what `frostmark-epoch:` says. */
export interface EpochMark {
  readonly number: number;
  /** Transcript hash, hex. */
  readonly epoch: string;
}

/** A chain that was opened: its epochs, the first first. */
export type Chain = readonly [Epoch, ...Epoch[]];

/** Two epochs that follow on one: somebody signed both, and the two chains are the evidence. */
export interface Fork {
  /** The last epoch of both. */
  readonly last: EpochMark;
  readonly branches: readonly [EpochMark, EpochMark];
}

/**
 * Opens a chain from the pinned line of GROUP.pub. `remembered` is the highest epoch that was ever opened or that a person gave; the chain has to
 * go through it, and not too far beyond. Throws `ProtocolError`: `wrong-group`, `bad-certificate`, `bad-document`, `bad-signature`, `rolled-back`
 * for a chain that ends before it, `conflict` for another branch, `too-large`, and whatever a part of a link is refused as.
 */
export function openChain(
  arithmetic: Group,
  groupLine: string,
  links: readonly ChainLink[],
  remembered?: EpochMark,
): Chain {
  const [first, ...others] = links;
  if (first === undefined) throw new ProtocolError('bad-certificate', 'the chain of the group is empty');
  // Bounded before anything is computed: every link costs a certificate.
  if (others.length > (remembered?.number ?? 0) + maxEpochsAhead) throw tooFar(remembered);
  const chain: [Epoch, ...Epoch[]] = [openFirst(arithmetic, groupLine, first)];
  for (const link of others) chain.push(openSuccessor(arithmetic, at(chain, chain.length - 1), link).epoch);
  if (remembered !== undefined) assertThrough(chain, remembered);
  const { number } = at(chain, chain.length - 1);
  if (number > (remembered?.number ?? 0) + maxEpochsAhead) throw tooFar(remembered);
  return chain;
}

function tooFar(remembered: EpochMark | undefined): ProtocolError {
  const known =
    remembered === undefined ? 'this is a new client' : `epoch ${remembered.number} is the highest that is known here`;
  return new ProtocolError(
    'too-large',
    `the chain of the group goes more than ${maxEpochsAhead} numbers ahead, and ${known}`,
  );
}

function assertThrough(chain: Chain, { number, epoch }: EpochMark): void {
  const last = at(chain, chain.length - 1);
  if (chain.some((one) => one.number === number && one.hash === epoch)) return;
  if (last.number < number)
    throw new ProtocolError(
      'rolled-back',
      `the chain that is shown ends with epoch ${last.number}, and epoch ${number} is known here: it is old, or another branch`,
    );
  throw new ProtocolError(
    'conflict',
    `the group has forked: epoch ${number} is known here as ${epoch}, and the chain that is shown does not go through it; keep both as evidence`,
  );
}

function openFirst(arithmetic: Group, groupLine: string, link: ChainLink): Epoch {
  const { charter, certificate, stored, genesis, succession } = link;
  const epoch = openEpoch(arithmetic, charter, certificate);
  if (epoch.groupLine !== groupLine)
    throw new ProtocolError('wrong-group', `the chain begins with ${epoch.groupLine}, and pinned is ${groupLine}`);
  if (certificate.transcript.origin === 'reshared' || succession !== undefined)
    throw new ProtocolError('bad-certificate', 'the chain does not begin with the ceremony that made the key');
  assertAllStored(epoch, stored);
  assertGenesis(epoch, genesis);
  return epoch;
}

/** Opens the link that follows on an epoch. Throws as `openChain` does. */
export function openSuccessor(arithmetic: Group, from: Epoch, link: ChainLink): Successor {
  const successor = openCandidate(arithmetic, from, link);
  assertGenesis(successor.epoch, link.genesis);
  return successor;
}

/** The same for what every heir stored and no genesis was signed for yet: a candidate. */
export function openCandidate(arithmetic: Group, from: Epoch, link: Omit<ChainLink, 'genesis'>): Successor {
  const { charter, certificate, stored } = link;
  const { succession } = openDecided(from, link);
  const ground: SuccessionGround = { from, charter, succession };
  const epoch = openEpoch(arithmetic, charter, certificate);
  assertLineage(ground, epoch);
  const problem = problemOfEpoch(ground, epoch);
  if (problem !== undefined) throw new ProtocolError('bad-certificate', `the epoch after ${from.hash}: ${problem}`);
  assertAllStored(epoch, stored);
  return { ground, epoch, genesis: genesisHash(epoch) };
}

/** The succession, which the old group key signed and a qualified set of the old charter's identities approved. */
function openDecided(from: Epoch, { charter, succession }: Pick<ChainLink, 'charter' | 'succession'>): SuccessionPlan {
  if (succession === undefined)
    throw new ProtocolError('bad-document', `nothing shows who decided to go on from the epoch ${from.hash}`);
  const document = openSignedBy(from.channel(production).point.bytes, succession.document, {
    payloadType: successionMessage.payloadType,
    maxBytes: maxRequestersBytes,
  });
  const plan = openSuccession(from, { document, charter, requesters: succession.requesters });
  const request = openRequest(succession.request);
  assertAsksFor(from, request, plan);
  assertDecided(from, request, succession.decisions);
  return plan;
}

function assertAsksFor(from: Epoch, { payload }: Request, { succession, charter, requesters }: SuccessionPlan): void {
  assertOfEpoch(payload, from, 'the request for the succession');
  const asked = payload.documents.map(({ sha256 }) => sha256).join();
  const meant = [succession.hash, charter.hash, sha256Hex(requesters.bytes)].join();
  if (payload.kind !== 'succession' || payload.channel !== production || asked !== meant)
    throw new ProtocolError('bad-document', 'the request that was approved asks for another succession');
}

/** Identities of a qualified set approved, and their newest word is that. */
function assertDecided(from: Epoch, request: Request, envelopes: readonly Envelope[]): void {
  const newest = new Map<number, Decision>();
  for (const envelope of envelopes) {
    const decision = openDecision(envelope, from.charter);
    assertDecisionOn(decision, request.digest, from);
    const { identifier } = decision.member;
    if (isNewerDecision(decision, newest.get(identifier))) newest.set(identifier, decision);
  }
  const approving = [...newest.values()].filter(({ payload }) => payload.decision === 'approve');
  const { sharings } = from.channel(production);
  if (
    isQualified(
      sharings,
      approving.map(({ member }) => member.identifier),
    )
  )
    return;
  const names = approving.map(({ member }) => member.name).join(', ') || 'nobody';
  throw new ProtocolError('bad-document', `no quorum of the charter before approved the succession: ${names} did`);
}

/** The transcript names the epoch that it came from, the succession, and dealers that were a minimal quorum of the old charter. */
function assertLineage(ground: SuccessionGround, epoch: Epoch): void {
  const { from, succession } = ground;
  const { transcript } = epoch.certificate;
  if (transcript.origin !== 'reshared')
    throw new ProtocolError('bad-certificate', 'the key of the next epoch was not handed on but made anew');
  const { dealers, ...lineage } = transcript.from;
  const { number, requesters } = succession.payload;
  const isOfIt =
    lineage.epoch === from.hash &&
    lineage.genesis === genesisHash(from) &&
    lineage.succession === succession.hash &&
    lineage.number === number &&
    lineage.key === from.origin &&
    transcript.requesters === requesters;
  if (!isOfIt) throw new ProtocolError('bad-certificate', 'the certificate is of another succession');
  const speakers = speakersOf(ground, dealers).length;
  const begin = { succession: succession.hash, epoch: from.hash, counter: 1, dealers, without: [] };
  const problem = problemOfBegin(ground, {
    payload: { ...begin, hellos: transcript.messages.map(({ hello }) => hello) },
  });
  if (problem !== undefined || transcript.messages.length !== speakers)
    throw new ProtocolError('bad-certificate', `the certificate names other dealers: ${problem ?? 'one is missing'}`);
}

/** Where two opened chains of one group part; `undefined` when one goes on where the other ends. */
export function forkBetween(one: Chain, other: Chain): Fork | undefined {
  const index = one.findIndex((epoch, place) => epoch.hash !== other[place]?.hash);
  const [a, b] = [one[index], other[index]];
  // Chains of one group share their first epoch, which GROUP.pub is of; so there is one before a difference.
  if (index < 1 || a === undefined || b === undefined) return undefined;
  return { last: markOf(at(one, index - 1)), branches: [markOf(a), markOf(b)] };
}

/** What is remembered of an epoch. */
export function markOf({ number, hash }: Epoch): EpochMark {
  return { number, epoch: hash };
}

/** How every such line begins. */
const markPrefix = 'frostmark-epoch:';

/** `frostmark-epoch:<number>:<hash>`: published beside GROUP.pub, so that even a client that knows nothing yet is shown no other branch. */
export function formatEpochMark({ number, epoch }: EpochMark): string {
  return `${markPrefix}${number}:${epoch}`;
}

/** Reads such a line without its newline. Throws `ProtocolError('bad-document')`. */
export function parseEpochMark(line: string): EpochMark {
  const [, digits = '', epoch = ''] = /^frostmark-epoch:(0|[1-9][0-9]{0,9}):([0-9a-f]{64})$/.exec(line) ?? [];
  if (epoch === '')
    throw new ProtocolError(
      'bad-document',
      'an epoch reads frostmark-epoch:NUMBER:HASH, copied whole from where the group publishes it',
    );
  return { number: Number(digits), epoch };
}
