/**
 * One signing round, a participant's side, as a pure machine (RFC 9591, Section 5; the promises of SECURITY.md about nonces).
 *
 * Nonces stay in the vault, named by slots. A package takes its nonces first and is checked afterwards, so that no path through
 * the checks can ever use them twice.
 */
import {
  attemptId,
  isCommitmentFor,
  openCommitment,
  type AnswerPayload,
  type AttemptSubject,
  type CommitmentPayload,
  type DeclineCode,
  type SharePayload,
  type SignedCommitment,
} from './attempt.ts';
import { maxAttempts } from '../limits.ts';
import type { Stage } from '../wire/schema.ts';
import { bytesToHex, hexToBytes } from '../wire/bytes.ts';
import type { DecisionPayload } from './decision.ts';
import type { Envelope } from '../wire/envelope.ts';
import type { Epoch } from '../ceremony/epoch.ts';
import { ProtocolError } from '../errors.ts';
import { FrostError } from '../frost/errors.ts';
import type { Group } from '../frost/group.ts';
import { isMinimalQualifiedSet, type Identifier } from '../frost/sharing.ts';
import { encodeShare, prepareAttempt, type Attempt } from '../frost/sign.ts';
import type { Scalar } from '../frost/scalar.ts';
import type { Member } from '../files/charter.ts';
import { isSignedRequest, type PreparedRequest } from '../formats/index.ts';
import { formatTimestamp } from '../wire/time.ts';
import { sessionInput, stageSubject, type StageSubject } from './stage.ts';

/** What a request is about for one member; the same at every step. */
export interface SignerContext {
  readonly arithmetic: Group;
  readonly epoch: Epoch;
  readonly self: Member;
  readonly channel: string;
  /** Of stage 1. */
  readonly subject: AttemptSubject;
  /** What this member rebuilt from request and documents. */
  readonly prepared: PreparedRequest;
  /** Names this run of the daemon: 32 hex digits. */
  readonly run: string;
}

/** What a burned attempt came to: `shares` once they are stored. */
export interface BurnedAttempt {
  readonly stage: Stage;
  readonly shares: SharePayload | undefined;
}

/** Everything that one member remembers of one request between two events; no secret is in it. */
export interface SignerState {
  readonly decision: 'none' | 'approve' | 'refuse';
  readonly serial: number;
  /** The newest decision, to say again on every connect. */
  readonly said: DecisionPayload | undefined;
  /** By stage, the commitment whose nonces the vault still holds, unused. */
  readonly held: ReadonlyMap<Stage, CommitmentPayload>;
  /** Attempts that were burned on disk, by id. */
  readonly attempts: ReadonlyMap<string, BurnedAttempt>;
  /** Stages whose attempts are used up and of which the coordinator was told so. */
  readonly spent: ReadonlySet<Stage>;
  /** Slots named by this run, to number them. */
  readonly counter: number;
  readonly connected: boolean;
  readonly closed: boolean;
}

/** What of a request survives a restart. */
export interface SignerMemory {
  readonly said: DecisionPayload | undefined;
  readonly attempts: ReadonlyMap<string, BurnedAttempt>;
}

/** Nonces to be made: one pair for each message of the stage. */
export interface WantedNonces {
  readonly stage: Stage;
  readonly slot: string;
  readonly pairs: number;
}

/** Nonces that were made: their commitments, in format order. */
export interface MadeNonces {
  readonly stage: Stage;
  readonly slot: string;
  readonly commitments: CommitmentPayload['commitments'];
}

/** What happens to a signer; a package comes as it was received. */
export type SignerEvent =
  | { readonly kind: 'connected' }
  | { readonly kind: 'disconnected' }
  /** By policy or by a person. */
  | {
      readonly kind: 'decide';
      readonly decision: DecisionPayload['decision'];
      readonly reason: string | null;
      readonly nowUnixSeconds: number;
    }
  /** The vault made all that one effect wanted. */
  | { readonly kind: 'nonces-made'; readonly made: readonly MadeNonces[] }
  /** There may be room for nonces that there was none for before. */
  | { readonly kind: 'replenish' }
  | {
      readonly kind: 'package';
      readonly stage: Stage;
      /** The signatures of stage 1 that a package of stage 2 builds on, 64 bytes each, hex; empty at stage 1. */
      readonly earlier: readonly string[];
      readonly commitments: readonly Envelope[];
      /** Why this request may not be signed now (expired, rights withdrawn), judged anew at signing. */
      readonly obstacle: DeclineCode | undefined;
      /** The asker's member, who may not be in the set. */
      readonly keptOut: Identifier | undefined;
    }
  | { readonly kind: 'signed'; readonly stage: Stage; readonly attempt: string; readonly shares: readonly Scalar[] }
  /** The round is over. Signatures are checked by the caller with `areSignatures`. */
  | { readonly kind: 'closed' };

/** What the member does about it, in this order; vault, journal and connection carry it out. */
export type SignerEffect =
  /** All of them are made and answered with `nonces-made`; or, without room for all, none, and nothing is answered. It is the last of its step's effects. */
  | { readonly kind: 'make-nonces'; readonly wanted: readonly WantedNonces[] }
  /** Removes the nonces of a slot from where anybody could find them again, synchronously; first of its step's effects. */
  | { readonly kind: 'take'; readonly slot: string }
  | { readonly kind: 'record-decision'; readonly decision: DecisionPayload }
  /** It is synced before the effect after it. */
  | { readonly kind: 'burn'; readonly stage: Stage; readonly attempt: string; readonly slot: string }
  | {
      readonly kind: 'sign';
      readonly stage: Stage;
      readonly attempt: string;
      readonly slot: string;
      readonly sessions: readonly Attempt[];
    }
  | { readonly kind: 'store-share'; readonly share: SharePayload }
  | { readonly kind: 'send-decision'; readonly decision: DecisionPayload }
  | { readonly kind: 'send-commitment'; readonly commitment: CommitmentPayload }
  | { readonly kind: 'send-share'; readonly share: SharePayload }
  | { readonly kind: 'send-answer'; readonly answer: AnswerPayload }
  | { readonly kind: 'wipe'; readonly slot: string };

/** The state after an event, and what to do about it. */
export interface SignerStep {
  readonly state: SignerState;
  readonly effects: readonly SignerEffect[];
}

/** A signer at the beginning of a daemon run, from what its journal holds. */
export function startSigner(memory: SignerMemory): SignerState {
  const said = memory.said?.decision;
  return {
    decision: said === undefined || said === 'withdraw' ? 'none' : said,
    serial: memory.said?.serial ?? 0,
    said: memory.said,
    held: new Map(),
    attempts: memory.attempts,
    spent: new Set(),
    counter: 0,
    connected: false,
    closed: false,
  };
}

/** Throws `ProtocolError('not-allowed')` for a decision that comes too late; every other event has an answer. */
export function stepSigner(context: SignerContext, state: SignerState, event: SignerEvent): SignerStep {
  if (state.closed) return { state, effects: [] };
  switch (event.kind) {
    case 'connected':
      return connect(context, { ...state, connected: true });
    case 'disconnected':
      return { state: { ...state, connected: false }, effects: [] };
    case 'decide':
      return decide(context, state, event);
    case 'nonces-made':
      return commit(context, state, event);
    case 'replenish':
      return replenish(context, { state, effects: [] });
    case 'package':
      return openPackage(context, state, event);
    case 'signed':
      return storeShares(context, state, event);
    case 'closed':
      return close(state);
  }
}

/**
 * Where a machine is after a step whose effects failed: what the journal holds by then counts, taken nonces are gone, and all else is as
 * it was before. `performed` are the effects that came about.
 */
export function abandonStep(before: SignerState, step: SignerStep, performed: readonly SignerEffect[]): SignerState {
  const gone = step.effects.flatMap((effect) => (effect.kind === 'take' ? [effect.slot] : []));
  for (const effect of performed) if (effect.kind === 'wipe') gone.push(effect.slot);
  const held = new Map([...before.held].filter(([, { slot }]) => !gone.includes(slot)));
  const { decision, serial, said, attempts } = step.state;
  const isOnDisk = (kind: SignerEffect['kind']): boolean => performed.some((effect) => effect.kind === kind);
  return {
    ...before,
    held,
    counter: step.state.counter,
    ...(isOnDisk('record-decision') ? { decision, serial, said } : {}),
    ...(isOnDisk('burn') || isOnDisk('store-share') ? { attempts } : {}),
  };
}

function connect(context: SignerContext, state: SignerState): SignerStep {
  if (state.said === undefined) return { state, effects: [] };
  const said: SignerEffect = { kind: 'send-decision', decision: state.said };
  if (state.decision !== 'approve') return { state, effects: [said] };
  const held = [...state.held.values()].map((commitment): SignerEffect => ({ kind: 'send-commitment', commitment }));
  return replenish(context, { state, effects: [said, ...held] });
}

/** The stages this request has: a second one only for formats with a message that depends on a signature. */
function stagesOf({ prepared }: SignerContext): readonly Stage[] {
  return prepared.followers > 0 ? [1, 2] : [1];
}

/** Asks for a next pair list of every stage that has none, while somebody listens to an approval; it is announced as soon as it is made. */
function replenish(context: SignerContext, { state, effects }: SignerStep): SignerStep {
  if (state.decision !== 'approve' || !state.connected) return { state, effects };
  const stages = stagesOf(context).filter((stage) => !state.held.has(stage) && !state.spent.has(stage));
  if (stages.length === 0) return { state, effects };
  const wanted = stages.map((stage, index): WantedNonces => {
    const pairs = stage === 1 ? context.prepared.messages.length : context.prepared.followers;
    return { stage, slot: `${context.run}-${state.counter + index + 1}`, pairs };
  });
  const counter = state.counter + stages.length;
  return { state: { ...state, counter }, effects: [...effects, { kind: 'make-nonces', wanted }] };
}

/** Whether this member has burned as many attempts of the stage as it ever will. */
function isUsedUp({ epoch, channel }: SignerContext, { attempts }: SignerState, stage: Stage): boolean {
  const holders = new Set(epoch.channel(channel).sharings.flatMap(({ members }) => members));
  const burned = [...attempts.values()].filter((attempt) => attempt.stage === stage);
  return burned.length >= maxAttempts(holders.size);
}

function decide(
  context: SignerContext,
  state: SignerState,
  event: Extract<SignerEvent, { kind: 'decide' }>,
): SignerStep {
  if (event.decision !== 'approve' && [...state.attempts.values()].some(({ shares }) => shares !== undefined)) {
    throw new ProtocolError(
      'not-allowed',
      'a signature share was already given; the approval can no longer be withdrawn',
    );
  }
  const decision: DecisionPayload = {
    groupKey: context.epoch.groupKey,
    epoch: context.epoch.hash,
    requestDigest: context.subject.requestDigest,
    decision: event.decision,
    serial: state.serial + 1,
    reason: event.reason,
    decidedAt: formatTimestamp(event.nowUnixSeconds),
  };
  const known = event.decision === 'withdraw' ? 'none' : event.decision;
  if (known === state.decision) return { state, effects: [] };
  const effects: SignerEffect[] = [
    // Stored before it is said: a decision that anybody has seen outlives a restart.
    { kind: 'record-decision', decision },
    { kind: 'send-decision', decision },
  ];
  const next: SignerState = { ...state, decision: known, serial: decision.serial, said: decision };
  if (known === 'approve') return replenish(context, { state: next, effects });
  return { state: { ...next, held: new Map() }, effects: [...effects, ...wipeAll(next)] };
}

function wipeAll(state: SignerState): SignerEffect[] {
  return [...state.held.values()].map(({ slot }) => ({ kind: 'wipe', slot }));
}

function commit(
  context: SignerContext,
  state: SignerState,
  { made }: Extract<SignerEvent, { kind: 'nonces-made' }>,
): SignerStep {
  if (state.decision !== 'approve')
    return { state, effects: made.map(({ slot }): SignerEffect => ({ kind: 'wipe', slot })) };
  const held = new Map(state.held);
  const effects: SignerEffect[] = [];
  for (const nonces of made) {
    const old = held.get(nonces.stage);
    if (old !== undefined) effects.push({ kind: 'wipe', slot: old.slot });
    const commitment = commitmentTo(context, nonces);
    held.set(nonces.stage, commitment);
    effects.push({ kind: 'send-commitment', commitment });
  }
  return { state: { ...state, held }, effects };
}

function commitmentTo({ subject }: SignerContext, { stage, slot, commitments }: MadeNonces): CommitmentPayload {
  const { epoch, channelKey, requestDigest, messages } = subject;
  return {
    epoch,
    channelKey,
    requestDigest,
    stage,
    slot,
    messages: stage === 1 ? [...messages] : null,
    commitments,
  };
}

/** What a package says of this member, found before anything in it is believed. */
interface OwnEntry {
  readonly commitments: readonly SignedCommitment[];
  readonly own: SignedCommitment | undefined;
}

/** The one place where a check comes second: the nonces are gone from here on, whatever the package turns out to be. */
function openPackage(
  context: SignerContext,
  state: SignerState,
  event: Extract<SignerEvent, { kind: 'package' }>,
): SignerStep {
  const entry = openCommitments(context, event.commitments);
  if (entry === undefined) return { state, effects: [] };
  const about = aboutStage(context, event.stage, event.earlier);
  const attempt = attemptId(about.subject, entry.commitments);
  const refuse = (step: SignerState, code: DeclineCode | null): SignerStep =>
    answer(context, step, { stage: event.stage, attempt, code });
  const burned = state.attempts.get(attempt);
  if (burned !== undefined) {
    // The same package again: the stored share while the approval holds, `lost` if a crash came between burning and storing.
    if (burned.shares === undefined) return refuse(state, null);
    if (state.decision !== 'approve') return refuse(state, 'no-approval');
    return { state, effects: [{ kind: 'send-share', share: burned.shares }] };
  }
  const held = [...state.held.values()].find(({ slot }) => slot === entry.own?.payload.slot);
  if (held === undefined) {
    const lost = entry.own !== undefined && !entry.own.payload.slot.startsWith(`${context.run}-`);
    return refuse(state, lost ? null : 'commitment-used');
  }
  const left = new Map(state.held);
  left.delete(held.stage);
  const taken: SignerStep = { state: { ...state, held: left }, effects: [{ kind: 'take', slot: held.slot }] };
  const refused = judge(context, state, event, { entry, held, about });
  if (refused !== undefined) return wiped(taken, held.slot, refuse(taken.state, refused));
  const sessions = prepareSessions(context, about.messages, entry.commitments);
  if (sessions === undefined) return wiped(taken, held.slot, refuse(taken.state, 'bad-package'));
  return {
    state: {
      ...taken.state,
      attempts: new Map(state.attempts).set(attempt, { stage: event.stage, shares: undefined }),
    },
    effects: [
      ...taken.effects,
      // Burned on disk before a share can exist, or a crash in between could let the same package be signed twice (T1).
      { kind: 'burn', stage: event.stage, attempt, slot: held.slot },
      { kind: 'sign', stage: event.stage, attempt, slot: held.slot, sessions },
    ],
  };
}

/** What a package is about, by this member's own reckoning. */
function aboutStage(
  { subject, prepared, epoch, channel }: SignerContext,
  stage: Stage,
  earlier: readonly string[],
): StageSubject {
  return stageSubject({ subject, prepared, key: epoch.channel(channel).point.bytes }, stage, earlier.map(hexToBytes));
}

function wiped(taken: SignerStep, slot: string, answered: SignerStep): SignerStep {
  return { state: answered.state, effects: [...taken.effects, { kind: 'wipe', slot }, ...answered.effects] };
}

/** Every entry signed by a member, sorted by identifier, none twice; `undefined` for a package that is none, which nobody owes an answer. */
function openCommitments(context: SignerContext, envelopes: readonly Envelope[]): OwnEntry | undefined {
  const commitments: SignedCommitment[] = [];
  for (const envelope of envelopes) {
    try {
      commitments.push(openCommitment(envelope, context.epoch.charter));
    } catch (error) {
      if (error instanceof ProtocolError) return undefined;
      throw error;
    }
  }
  const own = commitments.find(({ member }) => member.identifier === context.self.identifier);
  return own === undefined ? undefined : { commitments, own };
}

/** A package with what this member holds against it. */
interface Judged {
  readonly entry: OwnEntry;
  readonly held: CommitmentPayload;
  readonly about: StageSubject;
}

/** The first thing wrong with a package whose nonces are already taken. */
function judge(
  context: SignerContext,
  state: SignerState,
  event: Extract<SignerEvent, { kind: 'package' }>,
  { entry: { commitments, own }, held, about }: Judged,
): DeclineCode | undefined {
  if (state.decision !== 'approve') return 'no-approval';
  if (event.obstacle !== undefined) return event.obstacle;
  // Before anything is burned: what one request makes this member write has an end (T43).
  if (isUsedUp(context, state, event.stage)) return 'too-many';
  if (JSON.stringify(own?.payload) !== JSON.stringify(held)) return 'own-commitment-changed';
  if (!about.isFounded) return 'bad-package';
  if (!commitments.every(({ payload }) => isCommitmentFor(payload, about.subject))) return 'bad-package';
  const signers = commitments.map(({ member }) => member.identifier);
  if (event.keptOut !== undefined && signers.includes(event.keptOut)) return 'asker-in-set';
  if (!isMinimalQualifiedSet(context.epoch.channel(context.channel).sharings, signers)) return 'not-qualified';
  return undefined;
}

function prepareSessions(
  context: SignerContext,
  messages: readonly Uint8Array[],
  commitments: readonly SignedCommitment[],
): Attempt[] | undefined {
  const channel = context.epoch.channel(context.channel);
  try {
    return messages.map((message, index) =>
      prepareAttempt(context.arithmetic, sessionInput(channel, message, commitments, index)),
    );
  } catch (error) {
    if (error instanceof FrostError) return undefined;
    throw error;
  }
}

interface Refusal {
  readonly stage: Stage;
  readonly attempt: string;
  /** `lost` for null, else `declined`. */
  readonly code: DeclineCode | null;
}

/** Says why there is no share, with a fresh commitment when none is left. */
function answer(context: SignerContext, state: SignerState, { stage, attempt, code }: Refusal): SignerStep {
  const { epoch, requestDigest } = context.subject;
  const said = code === null ? 'lost' : 'declined';
  const payload: AnswerPayload = { epoch, requestDigest, stage, attempt, answer: said, code };
  const spent = code === 'too-many' ? new Set(state.spent).add(stage) : state.spent;
  return replenish(context, { state: { ...state, spent }, effects: [{ kind: 'send-answer', answer: payload }] });
}

function storeShares(
  context: SignerContext,
  state: SignerState,
  { stage, attempt, shares }: Extract<SignerEvent, { kind: 'signed' }>,
): SignerStep {
  const { epoch, channelKey, requestDigest } = context.subject;
  const share: SharePayload = {
    epoch,
    channelKey,
    requestDigest,
    stage,
    attempt,
    shares: shares.map((scalar) => bytesToHex(encodeShare(scalar))),
  };
  const next: SignerState = { ...state, attempts: new Map(state.attempts).set(attempt, { stage, shares: share }) };
  return replenish(context, {
    state: next,
    effects: [
      { kind: 'store-share', share },
      { kind: 'send-share', share },
    ],
  });
}

function close(state: SignerState): SignerStep {
  return { state: { ...state, held: new Map(), closed: true }, effects: wipeAll(state) };
}

/** True when these are valid signatures by the channel's key over exactly this member's own messages, by the verifier's rule (T12). */
export function areSignatures(context: SignerContext, signatures: readonly string[]): boolean {
  const key = context.epoch.channel(context.channel).point.bytes;
  return isSignedRequest(context.prepared, key, signatures.map(hexToBytes));
}
