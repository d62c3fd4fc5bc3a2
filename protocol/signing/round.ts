/**
 * One signing round, the coordinator's side, as a pure machine: ROAST (Ruffing et al. 2022, Figure 4) over minimal qualified sets instead of "t of n".
 *
 * A member owes an answer to at most one attempt; every answer frees it for the next. Differs from ROAST: while an attempt is on its way, spare members
 * wait until it closes, one of its signers disconnects, or it is declared stalled, because opening one at once would double the work of every round.
 */
import { verifySignature } from '../../verifier/ed25519.ts';
import {
  attemptId,
  isCommitmentFor,
  type AttemptSubject,
  type CommitmentPayload,
  type SignedAnswer,
  type SignedCommitment,
  type SignedShare,
} from './attempt.ts';
import { type Stage } from '../wire/schema.ts';
import { hexToBytes } from '../wire/bytes.ts';
import type { Decision } from './decision.ts';
import { decodeBase64Url } from '../../verifier/base64.ts';
import type { ChannelKey } from '../ceremony/transcript.ts';
import type { PreparedRequest } from '../formats/index.ts';
import type { Group } from '../frost/group.ts';
import { aggregate } from '../frost/aggregate.ts';
import { FrostError } from '../frost/errors.ts';
import { decodeScalar, type Scalar } from '../frost/scalar.ts';
import { toIdentifier, type Identifier } from '../frost/sharing.ts';
import { prepareAttempt, verifyShare, type Attempt } from '../frost/sign.ts';
import { maxLosses } from '../limits.ts';
import type { Outcome } from '../wire/frames.ts';
import { sessionInput, stageSubject } from './stage.ts';
import { at, present } from '../wire/present.ts';

/** What a round is about; the same at every step. */
export interface RoundContext {
  readonly arithmetic: Group;
  readonly channel: ChannelKey;
  /** Of stage 1. */
  readonly subject: AttemptSubject;
  readonly prepared: PreparedRequest;
  /** Identifier of the member that asked; kept out of every production signer set (T31). */
  readonly keptOut: Identifier | undefined;
}

/** What the coordinator knows of one member in one round. */
export interface RoundMember {
  readonly decision: 'none' | 'approve' | 'refuse';
  /** Serial of the newest decision; 0 before the first. */
  readonly serial: number;
  readonly connected: boolean;
  /** By stage, the commitment for a next attempt, with its place in the order of arrival. */
  readonly unused: ReadonlyMap<Stage, Unused>;
  /** The one attempt of the stage under way that this member still owes an answer to. */
  readonly owes: string | undefined;
  /** `lost` and `declined` answers so far. */
  readonly losses: number;
  readonly out: 'fault' | 'losses' | undefined;
}

/** A commitment that no attempt has used yet. */
export interface Unused {
  readonly commitment: SignedCommitment;
  readonly arrival: number;
}

/** What is signed at the stage under way. */
export interface RoundStage {
  readonly subject: AttemptSubject;
  readonly messages: readonly Uint8Array[];
  /** Of the stage before; empty at stage 1. */
  readonly earlier: readonly Uint8Array[];
}

/** One FROST session over every message of a stage, with what its signers answered. */
export interface RoundAttempt {
  readonly id: string;
  readonly stage: Stage;
  /** The signatures of stage 1 that this attempt builds on, 64 bytes each; empty at stage 1. */
  readonly earlier: readonly Uint8Array[];
  readonly commitments: readonly SignedCommitment[];
  /** One prepared FROST session for each message. */
  readonly sessions: readonly Attempt[];
  /** Who answered with shares, in the order of arrival. */
  readonly shares: ReadonlyMap<Identifier, AttemptShare>;
  readonly phase: 'open' | 'stalled' | 'closed' | 'complete';
}

/** The shares of one signer of an attempt. */
export interface AttemptShare {
  readonly share: SignedShare;
  /** One for each message. */
  readonly scalars: readonly Scalar[];
  /** Whether they were verified one by one: only where adding up does not show at once that all are right. */
  readonly isChecked: boolean;
}

/** Everything that one round remembers between two events. */
export interface RoundState {
  readonly stage: RoundStage;
  readonly members: ReadonlyMap<Identifier, RoundMember>;
  readonly attempts: ReadonlyMap<string, RoundAttempt>;
  readonly arrivals: number;
  readonly outcome: Outcome;
}

/** What happens to a round; envelopes are opened before they get here. */
export type RoundEvent =
  | { readonly kind: 'connected'; readonly member: Identifier }
  | { readonly kind: 'disconnected'; readonly member: Identifier }
  | { readonly kind: 'decision'; readonly decision: Decision }
  | { readonly kind: 'commitment'; readonly commitment: SignedCommitment }
  | { readonly kind: 'share'; readonly share: SignedShare }
  | { readonly kind: 'answer'; readonly answer: SignedAnswer }
  /** The attempt made no progress for a while: spare members may be used. Never excludes anybody. */
  | { readonly kind: 'stalled'; readonly attempt: string }
  /** The next share did not come soon: those that are here are verified one by one. */
  | { readonly kind: 'check' }
  | { readonly kind: 'expired' }
  | { readonly kind: 'cancelled' }
  /** The group lives in a later epoch. */
  | { readonly kind: 'superseded' };

/** Proof against one member, complete with what the round does not know by itself added by the caller. */
export type Fault =
  | {
      readonly kind: 'wrong-share';
      readonly member: Identifier;
      readonly share: SignedShare;
      /** The signatures of stage 1 that the attempt builds on. */
      readonly earlier: readonly Uint8Array[];
      readonly commitments: readonly SignedCommitment[];
    }
  | { readonly kind: 'bad-commitment'; readonly member: Identifier; readonly commitment: SignedCommitment };

/** What the coordinator does about it, in this order. */
export type RoundEffect =
  /** Stored and synced before it is acknowledged or shown. */
  | { readonly kind: 'store-decision'; readonly decision: Decision }
  | { readonly kind: 'send-package'; readonly to: Identifier; readonly attempt: RoundAttempt }
  /** Ask for a `stalled` event later. */
  | { readonly kind: 'watch'; readonly attempt: string }
  /** Ask for a `check` event soon. */
  | { readonly kind: 'check-soon' }
  | { readonly kind: 'fault'; readonly fault: Fault }
  /** Verified by the release verifier's own rule; stored, then published. */
  | { readonly kind: 'signed'; readonly signatures: readonly Uint8Array[]; readonly signers: readonly Identifier[] }
  | { readonly kind: 'ended'; readonly outcome: Exclude<Outcome, 'pending' | 'signed'> };

/** The state after an event, and what to do about it. */
export interface RoundStep {
  readonly state: RoundState;
  readonly effects: readonly RoundEffect[];
}

const newMember: RoundMember = {
  decision: 'none',
  serial: 0,
  connected: false,
  unused: new Map(),
  owes: undefined,
  losses: 0,
  out: undefined,
};

const none: ReadonlyMap<Stage, Unused> = new Map();

/** A round nobody has decided on yet. */
export function startRound(context: RoundContext): RoundState {
  const holders = context.channel.sharings.flatMap((sharing) => sharing.members);
  return {
    stage: { subject: context.subject, messages: context.prepared.messages, earlier: [] },
    members: new Map(holders.map((identifier) => [identifier, newMember])),
    attempts: new Map(),
    arrivals: 0,
    outcome: 'pending',
  };
}

/** Moves one round by one event. A repeat changes nothing, and nothing moves a round that is over. Throws nothing that a peer could cause. */
export function stepRound(context: RoundContext, state: RoundState, event: RoundEvent): RoundStep {
  if (state.outcome !== 'pending') return { state, effects: [] };
  const checked = mayEndAttempts(event) ? checkShares(state) : { state, effects: [] };
  const applied = apply(context, checked.state, event);
  const step = { state: applied.state, effects: [...checked.effects, ...applied.effects] };
  if (step.state.outcome !== 'pending') return step;
  return conclude(context, openAttempts(context, step));
}

/** Before anything that may end an attempt or the round, shares that nobody verified yet are: a wrong one is named all the same (T9). */
function mayEndAttempts(event: RoundEvent): boolean {
  switch (event.kind) {
    case 'connected':
    case 'commitment':
    case 'share':
      return false;
    case 'decision':
      return event.decision.payload.decision === 'refuse';
    case 'disconnected':
    case 'answer':
    case 'stalled':
    case 'check':
    case 'expired':
    case 'cancelled':
    case 'superseded':
      return true;
  }
}

function apply(context: RoundContext, state: RoundState, event: RoundEvent): RoundStep {
  switch (event.kind) {
    case 'connected':
      return connect(state, event.member);
    case 'disconnected':
      return disconnect(state, event.member);
    case 'decision':
      return decide(state, event.decision);
    case 'commitment':
      return takeCommitment(context, state, event.commitment);
    case 'share':
      return takeShare(context, state, event.share);
    case 'answer':
      return takeAnswer(state, event.answer);
    case 'stalled':
      return { state: setPhase(state, event.attempt, 'stalled'), effects: [] };
    case 'check':
      return { state, effects: [] };
    case 'expired':
      return { state: { ...state, outcome: 'expired' }, effects: [{ kind: 'ended', outcome: 'expired' }] };
    case 'cancelled':
    case 'superseded':
      return { state: { ...state, outcome: event.kind }, effects: [{ kind: 'ended', outcome: event.kind }] };
  }
}

function update(state: RoundState, identifier: Identifier, change: Partial<RoundMember>): RoundState {
  const member = state.members.get(identifier);
  return member === undefined
    ? state
    : { ...state, members: new Map(state.members).set(identifier, { ...member, ...change }) };
}

function setPhase(state: RoundState, id: string, phase: RoundAttempt['phase']): RoundState {
  const attempt = state.attempts.get(id);
  if (attempt?.phase !== 'open' && attempt?.phase !== 'stalled') return state;
  return { ...state, attempts: new Map(state.attempts).set(id, { ...attempt, phase }) };
}

/** A member is back: it gets the package it still owes an answer to once more, open or closed. */
function connect(state: RoundState, identifier: Identifier): RoundStep {
  const next = update(state, identifier, { connected: true });
  const owes = next.members.get(identifier)?.owes;
  const owed = owes === undefined ? undefined : next.attempts.get(owes);
  return { state: next, effects: owed === undefined ? [] : [{ kind: 'send-package', to: identifier, attempt: owed }] };
}

function disconnect(state: RoundState, identifier: Identifier): RoundStep {
  const owes = state.members.get(identifier)?.owes;
  // Its nonces may be gone by the time it is back: what it committed to counts again only when it says so again.
  const next = update(state, identifier, { connected: false, unused: none });
  return { state: owes === undefined ? next : setPhase(next, owes, 'stalled'), effects: [] };
}

function decide(state: RoundState, decision: Decision): RoundStep {
  const { identifier } = decision.member;
  const member = state.members.get(identifier);
  if (member === undefined || decision.payload.serial <= member.serial) return { state, effects: [] };
  const { decision: said, serial } = decision.payload;
  const approved = said === 'approve';
  const next = update(state, identifier, {
    serial,
    decision: said === 'withdraw' ? 'none' : said,
    ...(approved ? {} : { unused: none }),
  });
  return { state: next, effects: [{ kind: 'store-decision', decision }] };
}

function takeCommitment(context: RoundContext, state: RoundState, commitment: SignedCommitment): RoundStep {
  const { identifier } = commitment.member;
  const member = state.members.get(identifier);
  if (member === undefined || !isCommitmentOf(context, commitment.payload)) return { state, effects: [] };
  const { slot, stage } = commitment.payload;
  const spent = [...state.attempts.values()].some(({ commitments }) =>
    commitments.some((other) => other.member.identifier === identifier && other.payload.slot === slot),
  );
  if (spent) return { state, effects: [] };
  const arrival = state.arrivals + 1;
  const unused = new Map(member.unused).set(stage, { commitment, arrival });
  return { state: update({ ...state, arrivals: arrival }, identifier, { unused }), effects: [] };
}

/** Whether a commitment is for a stage of this very request; the messages of stage 2 need not be known yet. */
export function isCommitmentOf({ subject, prepared }: RoundContext, payload: CommitmentPayload): boolean {
  if (payload.stage === 1) return isCommitmentFor(payload, subject);
  const messages = Array.from({ length: prepared.followers }, () => '');
  return isCommitmentFor(payload, { ...subject, stage: 2, messages });
}

/**
 * Added up when all are here, which verifies them all at once; verified by itself where that fails, where the next one does not come soon, and where
 * its attempt is not under way any more. A wrong share closes its attempt and puts its sender out of the round, with proof (T9).
 */
function takeShare(context: RoundContext, state: RoundState, share: SignedShare): RoundStep {
  const { identifier } = share.member;
  const attempt = state.attempts.get(share.payload.attempt);
  if (attempt === undefined || state.members.get(identifier)?.owes !== attempt.id) return { state, effects: [] };
  const freed = update(state, identifier, { owes: undefined });
  const scalars = scalarsOf(attempt, share);
  if (scalars === undefined) return nameWrongShare(freed, attempt, share);
  const shares = new Map(attempt.shares).set(identifier, { share, scalars, isChecked: false });
  const answered: RoundAttempt = { ...attempt, shares };
  const next = { ...freed, attempts: new Map(state.attempts).set(attempt.id, answered) };
  if (attempt.phase === 'open' && shares.size === attempt.commitments.length) return complete(context, next, answered);
  if (attempt.phase === 'open') return { state: next, effects: [{ kind: 'check-soon' }] };
  const checked = checkShares(next);
  const now = present(checked.state.attempts.get(attempt.id), 'the attempt');
  const isDone = now.phase === 'stalled' && shares.size === attempt.commitments.length;
  return isDone ? complete(context, checked.state, now) : checked;
}

/** One canonical scalar for each message, or `undefined`: no honest member sends anything else. */
function scalarsOf({ sessions }: RoundAttempt, { payload }: SignedShare): Scalar[] | undefined {
  if (payload.shares.length !== sessions.length) return undefined;
  const scalars = payload.shares.flatMap((text) => decodeScalar(hexToBytes(text)) ?? []);
  return scalars.length === sessions.length ? scalars : undefined;
}

/** Verifies every share that was not, and names whoever sent a wrong one. */
function checkShares(state: RoundState): RoundStep {
  let next = state;
  const effects: RoundEffect[] = [];
  for (const attempt of state.attempts.values()) {
    for (const [identifier, answer] of attempt.shares) {
      if (answer.isChecked) continue;
      const isRight = isRightShare(attempt, identifier, answer);
      const step = isRight
        ? { state: withShare(next, attempt.id, identifier, { ...answer, isChecked: true }), effects: [] }
        : nameWrongShare(next, attempt, answer.share);
      next = step.state;
      effects.push(...step.effects);
    }
  }
  return { state: next, effects };
}

function isRightShare({ sessions }: RoundAttempt, identifier: Identifier, { scalars }: AttemptShare): boolean {
  return sessions.every((session, index) => verifyShare(session, identifier, at(scalars, index)));
}

/** The attempt cannot finish, and its sender is out of the round. It is dropped from the attempt, so that it is named once. */
function nameWrongShare(state: RoundState, { id, earlier, commitments }: RoundAttempt, share: SignedShare): RoundStep {
  const member = share.member.identifier;
  const out = setPhase(update(state, member, { unused: none, out: 'fault' }), id, 'closed');
  const fault: Fault = { kind: 'wrong-share', member, share, earlier, commitments };
  return { state: withShare(out, id, member, undefined), effects: [{ kind: 'fault', fault }] };
}

function withShare(state: RoundState, id: string, member: Identifier, share: AttemptShare | undefined): RoundState {
  const attempt = present(state.attempts.get(id), 'the attempt');
  const shares = new Map(attempt.shares);
  if (share === undefined) shares.delete(member);
  else shares.set(member, share);
  return { ...state, attempts: new Map(state.attempts).set(id, { ...attempt, shares }) };
}

function complete(context: RoundContext, state: RoundState, attempt: RoundAttempt): RoundStep {
  const signatures = attempt.sessions.map((session, index) =>
    aggregate(session, new Map([...attempt.shares].map(([who, { scalars }]) => [who, at(scalars, index)]))),
  );
  const key = decodeBase64Url(context.channel.key);
  const valid = signatures.every((signature, index) =>
    verifySignature(key, at(state.stage.messages, index), signature),
  );
  // What cannot be verified is never published (T12); whose fault it is shows when the shares are verified one by one.
  if (!valid) {
    const { state: checked, effects } = checkShares(state);
    return { state: setPhase(checked, attempt.id, 'closed'), effects };
  }
  const complete = setPhase(state, attempt.id, 'complete');
  if (attempt.stage === 1 && context.prepared.followers > 0)
    return { state: nextStage(context, complete, signatures), effects: [] };
  const signers = attempt.commitments.map(({ member }) => member.identifier);
  return {
    state: { ...complete, outcome: 'signed' },
    effects: [{ kind: 'signed', signatures: [...state.stage.earlier, ...signatures], signers }],
  };
}

/** Stage 2 signs what follows from the first complete signatures; nobody owes an answer to stage 1 any more. */
function nextStage(context: RoundContext, state: RoundState, earlier: readonly Uint8Array[]): RoundState {
  const ground = { ...context, key: context.channel.point.bytes };
  const { subject, messages } = stageSubject(ground, 2, earlier);
  let next: RoundState = { ...state, stage: { subject, messages, earlier } };
  for (const [id, { phase }] of state.attempts) if (phase !== 'complete') next = setPhase(next, id, 'closed');
  for (const identifier of state.members.keys()) next = update(next, identifier, { owes: undefined });
  return next;
}

/** `lost` or `declined`: the attempt cannot finish. Past R of them the member is out of this round, without evidence. */
function takeAnswer(state: RoundState, answer: SignedAnswer): RoundStep {
  const { identifier } = answer.member;
  const member = state.members.get(identifier);
  if (member?.owes === undefined || member.owes !== answer.payload.attempt) return { state, effects: [] };
  const losses = member.losses + 1;
  const next = update(state, identifier, { owes: undefined, losses, out: losses > maxLosses ? 'losses' : member.out });
  return { state: setPhase(next, answer.payload.attempt, 'closed'), effects: [] };
}

/** Who could sign at once: approved, connected, a commitment unused, no answer owed. */
export function readyMembers(context: RoundContext, state: RoundState): Identifier[] {
  return [...state.members].flatMap(([identifier, member]) =>
    unusedOf(context, state, identifier, member) === undefined ? [] : [identifier],
  );
}

/** The commitment with which this member could sign at once; `undefined` if it could not. */
function unusedOf(
  context: RoundContext,
  state: RoundState,
  identifier: Identifier,
  member: RoundMember,
): Unused | undefined {
  const able =
    member.decision === 'approve' &&
    member.connected &&
    member.owes === undefined &&
    member.out === undefined &&
    identifier !== context.keptOut;
  return able ? member.unused.get(state.stage.subject.stage) : undefined;
}

/** Exactly t ready members of each sharing, those first whose commitments came first; `undefined` while they do not suffice. */
function readySet(context: RoundContext, state: RoundState): SignedCommitment[] | undefined {
  const chosen: SignedCommitment[] = [];
  for (const sharing of context.channel.sharings) {
    const ready = sharing.members.flatMap((identifier) => {
      const member = state.members.get(identifier);
      const unused = member === undefined ? undefined : unusedOf(context, state, identifier, member);
      return unused === undefined ? [] : [unused];
    });
    if (ready.length < sharing.threshold) return undefined;
    ready.sort((a, b) => a.arrival - b.arrival);
    chosen.push(...ready.slice(0, sharing.threshold).map(({ commitment }) => commitment));
  }
  return chosen.sort((a, b) => a.member.identifier - b.member.identifier);
}

function openAttempts(context: RoundContext, step: RoundStep): RoundStep {
  let { state } = step;
  const effects = [...step.effects];
  for (;;) {
    const underWay = [...state.attempts.values()].some((attempt) => attempt.phase === 'open');
    const commitments = underWay ? undefined : readySet(context, state);
    if (commitments === undefined) return { state, effects };
    const opened = openAttempt(context, state, commitments);
    state = opened.state;
    effects.push(...opened.effects);
  }
}

function openAttempt(context: RoundContext, state: RoundState, commitments: readonly SignedCommitment[]): RoundStep {
  const sessions: Attempt[] = [];
  const { subject, messages, earlier } = state.stage;
  for (const [index, message] of messages.entries()) {
    const prepared = prepareSession(context, message, commitments, index);
    if (typeof prepared !== 'number') {
      sessions.push(prepared);
      continue;
    }
    const commitment = commitments.find(({ member }) => member.identifier === prepared);
    if (commitment === undefined) throw new Error(`no commitment of member ${prepared}`);
    return {
      state: update(state, prepared, { unused: none, out: 'fault' }),
      effects: [{ kind: 'fault', fault: { kind: 'bad-commitment', member: prepared, commitment } }],
    };
  }
  const id = attemptId(subject, commitments);
  const { stage } = subject;
  const attempt: RoundAttempt = { id, stage, earlier, commitments, sessions, shares: new Map(), phase: 'open' };
  let next: RoundState = { ...state, attempts: new Map(state.attempts).set(id, attempt) };
  for (const { member } of commitments) next = spend(next, member.identifier, id);
  const packages = commitments.map(({ member }): RoundEffect => ({
    kind: 'send-package',
    to: member.identifier,
    attempt,
  }));
  return { state: next, effects: [...packages, { kind: 'watch', attempt: id }] };
}

/** Its commitment of this stage is used up, and it owes an answer. */
function spend(state: RoundState, identifier: Identifier, attempt: string): RoundState {
  const unused = new Map(state.members.get(identifier)?.unused);
  unused.delete(state.stage.subject.stage);
  return update(state, identifier, { unused, owes: attempt });
}

/** The session of one message, or the identifier of the member whose commitment holds a point that no honest member sends. */
function prepareSession(
  context: RoundContext,
  message: Uint8Array,
  commitments: readonly SignedCommitment[],
  index: number,
): Attempt | Identifier {
  try {
    return prepareAttempt(context.arithmetic, sessionInput(context.channel, message, commitments, index));
  } catch (error) {
    const culprit = error instanceof FrostError ? error.culprits[0] : undefined;
    if (culprit === undefined) throw error;
    return toIdentifier(culprit);
  }
}

/** Ends the round when refusals, alone or with proved faults, leave no qualified set. */
function conclude(context: RoundContext, step: RoundStep): RoundStep {
  const left = (isGone: (member: RoundMember) => boolean): boolean =>
    context.channel.sharings.every((sharing) => {
      const able = sharing.members.filter((identifier) => {
        const member = step.state.members.get(identifier);
        return member !== undefined && identifier !== context.keptOut && !isGone(member);
      });
      return able.length >= sharing.threshold;
    });
  const refused = (member: RoundMember): boolean => member.decision === 'refuse';
  if (!left(refused)) return end(step, 'refused');
  if (!left((member) => refused(member) || member.out === 'fault')) return end(step, 'faulted');
  return step;
}

function end(step: RoundStep, outcome: 'refused' | 'faulted'): RoundStep {
  return { state: { ...step.state, outcome }, effects: [...step.effects, { kind: 'ended', outcome }] };
}
