/**
 * Succession, one member's side, as a pure machine: an old quorum deals its key to the heirs of a new charter, and when their first signature is
 * there the old epoch ends. From the hash commitments to `stored` the steps are the ceremony's. Secrets stay in the vault; here are only public
 * values.
 */
import { isHolder } from '../ceremony/cast.ts';
import { leave, shortened } from '../ceremony/endings.ts';
import { beforeSignature, ceremonyOf, record, type CeremonyState } from '../ceremony/events.ts';
import { versionsOf } from '../ceremony/inbox.ts';
import { departure, mayGive } from '../ceremony/memory.ts';
import { leaveSeen } from '../ceremony/partings.ts';
import { resume } from '../ceremony/resume.ts';
import {
  answered,
  awaitedIn,
  join,
  nextStep,
  receiveBound,
  untilStill,
  type CeremonyAnswer,
} from '../ceremony/steps.ts';
import { ProtocolError } from '../errors.ts';
import { memberByKey, type Member } from '../files/charter.ts';
import { maxCeremoniesOfRun } from '../limits.ts';
import {
  stepContextIn,
  type Opening,
  type SuccessionContext,
  type SuccessionEffect,
  type SuccessionEvent,
  type SuccessionState,
  type SuccessionStep,
} from './events.ts';
import { endEpoch, failed, goOnEnding, shareErased, write } from './ending.ts';
import { higherThan, type SuccessionRecord } from './memory.ts';
import type { Absence, OpeningMessageOf, OpeningPayload, StepMessage, SuccessionMessage } from './messages.ts';
import {
  enterableBegin,
  helloPayload,
  isAsked,
  isDue,
  channelWithoutDealers,
  isLater,
  isNewer,
  missingDealers,
  missingHeirs,
  nextBegin,
  withBegin,
} from './opening.ts';
import { andThen, within, type Blame, type InnerStep } from './within.ts';

/** One event in, the next state and what to do out. Effects run in order, each finished before the next. */
export function stepSuccession(
  context: SuccessionContext,
  state: SuccessionState,
  event: SuccessionEvent,
): SuccessionStep {
  return advance(context, apply(context, state, event));
}

function apply(context: SuccessionContext, state: SuccessionState, event: SuccessionEvent): SuccessionStep {
  switch (event.kind) {
    case 'start':
      return start(context, state, event);
    case 'message':
      return receive(context, state, event.message);
    case 'dealt':
    case 'sealed':
    case 'share-stored':
    case 'box-refused':
    case 'certificate-stored':
      return answer(context, state, event);
    case 'silence':
      return afterSilence(context, state);
    case 'asked-to-sign':
      return give(context, state, event.ceremony);
    case 'successor':
      return endEpoch(context, state, event.successor);
    case 'share-erased':
      return shareErased(context, state);
    case 'end':
      return stop(context, state, event.error);
  }
}

function answer(context: SuccessionContext, state: SuccessionState, event: CeremonyAnswer): SuccessionStep {
  const step = within(context, state, (inside, ceremony) => answered(inside, ceremony, event));
  return forgetAfterSealing(context, state, afterStep(context, state, step));
}

/** A restart goes on with what is on disk: an epoch that ends, or a ceremony whose share is there. What it took part in before, it leaves first. */
function start(
  context: SuccessionContext,
  state: SuccessionState,
  event: Extract<SuccessionEvent, { kind: 'start' }>,
): SuccessionStep {
  const { from, succession } = context.ground;
  const { memory, nonce, held } = event;
  const ceremony: CeremonyState = { ...state.ceremony, memory: memory.ceremonies, held };
  const begun: SuccessionState = { ...state, memory, ceremony, opening: { ...state.opening, nonce } };
  if (memory.live !== undefined) return goOnEnding(context, begun);
  const { number } = succession.payload;
  const objection = higherThan(memory.entered, { number, succession: succession.hash });
  if (objection !== undefined) return failed(begun, new ProtocolError('conflict', objection));
  const isSame = memory.entered?.succession === succession.hash;
  const entry: SuccessionRecord = { type: 'succession-entered', from: from.hash, number, succession: succession.hash };
  const entered: SuccessionStep = isSame ? { state: begun, effects: [] } : write(begun, entry);
  const { ceremonies } = memory;
  return andThen(
    entered,
    (next) =>
      (isSame ? undefined : leaveEarlier(context, next)) ??
      within(context, next, (_, inside) => resume(inside, { ...event, memory: ceremonies })),
  );
}

/** A ceremony of an earlier succession is gone from before anything of this one is said; whoever gave a share under its key stays with it. */
function leaveEarlier(context: SuccessionContext, state: SuccessionState): SuccessionStep | undefined {
  const { ceremonies } = state.memory;
  const { current } = ceremonies;
  if (current === undefined) return undefined;
  const reason = `succession ${context.ground.succession.payload.number} came after it`;
  const words = { ceremony: current, code: 'restarted', reason, suspect: null } as const;
  if (departure(ceremonies, words) !== undefined) return within(context, state, (_, inside) => leave(inside, words));
  const error = new ProtocolError(
    'conflict',
    `this member gave a share of genesis under an earlier succession, and takes part in no other: a charter with a new card of its owner can`,
  );
  return failed(state, error);
}

function receive(context: SuccessionContext, state: SuccessionState, message: SuccessionMessage): SuccessionStep {
  // The old epoch has ended here: whatever is said of its succession changes nothing any more.
  if (state.memory.live !== undefined && message.kind !== 'hello') return { state, effects: [] };
  const heard: SuccessionState = { ...state, opening: withoutSilence(state.opening, message.from.key) };
  switch (message.kind) {
    case 'hello':
      return receiveHello(context, heard, message);
    case 'begin':
      return { state: receiveBegin(context, heard, message), effects: [] };
    case 'commit':
    case 'reveal':
    case 'boxes':
    case 'transcript':
    case 'stored':
    case 'leave':
      return within(context, noteComplaint(context, heard, message), (inside, ceremony) =>
        receiveBound(inside, ceremony, message),
      );
  }
}

/** Files a begin that is right. While somebody begins nobody else has to. */
function receiveBegin(
  { ground }: SuccessionContext,
  state: SuccessionState,
  message: OpeningMessageOf<'begin'>,
): SuccessionState {
  const opening = withBegin(ground, state.opening, { message, running: ceremonyOf(state.ceremony) });
  return opening === state.opening ? state : { ...state, opening: { ...opening, silences: 0 } };
}

/** Files a hello, the newest of each. Hellos of another succession are nobody's here. */
function receiveHello(
  context: SuccessionContext,
  state: SuccessionState,
  message: OpeningMessageOf<'hello'>,
): SuccessionStep {
  const { opening } = state;
  const { key } = message.from;
  const { payload } = message;
  const known = opening.hellos.get(key);
  const right = helloPayload(context.ground, payload);
  const isOfThis =
    payload.succession === right.succession && payload.charter === right.charter && payload.epoch === right.epoch;
  if (!isOfThis || (known !== undefined && !isNewer(message, known))) return { state, effects: [] };
  // Of a run whose disk was lost: what is said from now on has to be newer.
  if (key === context.self.key && payload.serial > state.memory.serial) return sayNewer(context, state, payload.serial);
  const hellos = new Map(opening.hellos).set(key, message);
  return answerHello(context, { ...state, opening: { ...opening, hellos } }, message);
}

function sayNewer({ ground }: SuccessionContext, state: SuccessionState, serial: number): SuccessionStep {
  const counted = write(state, { type: 'succession-hello', from: ground.from.hash, serial });
  return { ...counted, state: { ...counted.state, opening: { ...state.opening, hasSaidHello: false } } };
}

/** Somebody of the running ceremony came anew before this member signed the transcript: that ceremony cannot end any more. */
function answerHello(
  context: SuccessionContext,
  state: SuccessionState,
  { from }: OpeningMessageOf<'hello'>,
): SuccessionStep {
  const { phase } = state.ceremony;
  if (phase.kind === 'done') {
    const effects: SuccessionEffect[] =
      from.key === context.self.key ? [] : [{ kind: 'show', certificate: phase.certificate }];
    return { state, effects };
  }
  const ceremony = beforeSignature(state.ceremony);
  if (ceremony === undefined || !isNeeded(context, state, from, ceremony)) return { state, effects: [] };
  return leaveFor(context, state, { ceremony, reason: `${from.name} said hello anew` });
}

/** Whether a ceremony cannot go on without this speaker: not when it only deals, and its boxes are here. */
function isNeeded(context: SuccessionContext, state: SuccessionState, speaker: Member, ceremony: string): boolean {
  const { cast } = stepContextIn(context, state);
  if (!cast.speakers.some(({ key }) => key === speaker.key)) return false;
  return isHolder(cast, speaker) || versionsOf(state.ceremony.inbox, 'boxes', ceremony, speaker).length === 0;
}

/** Leaves the running ceremony for the next one: nothing is wrong with anybody. */
function leaveFor(
  context: SuccessionContext,
  state: SuccessionState,
  { ceremony, reason }: { readonly ceremony: string; readonly reason: string },
): SuccessionStep {
  const words = { ceremony, code: 'restarted', reason: shortened(reason), suspect: null } as const;
  return within(context, state, (_, inside) => leave(inside, words));
}

/** What a signed leave says of a dealer: it is asked after the others. Never proof, and nobody is blamed. */
function noteComplaint(context: SuccessionContext, state: SuccessionState, message: StepMessage): SuccessionState {
  if (message.kind !== 'leave' || message.payload.suspect === null) return state;
  const { suspect } = message.payload;
  const { ground } = context;
  // What a dealer that gets nothing says of others is nobody's concern.
  if (memberByKey(ground.charter, message.from.key) === undefined) return state;
  const blamed = ground.from.charter.members.filter(({ name, key }) => name === suspect && key !== message.from.key);
  const isNews = blamed.some(({ key }) => !state.opening.without.has(key));
  if (!isNews) return state;
  return { ...state, opening: { ...blame(state.opening, blamed, 'complaint'), isUnexplained: false } };
}

function blame(opening: Opening, members: readonly Member[], why: Absence): Opening {
  const without = new Map(opening.without);
  for (const { key } of members) {
    const known = without.get(key);
    // What was proved stays.
    if (known !== 'wrong' && !(known === 'complaint' && why === 'silent')) without.set(key, why);
  }
  return { ...opening, without };
}

function withoutSilence(opening: Opening, key: string): Opening {
  if (opening.without.get(key) !== 'silent') return opening;
  const without = new Map(opening.without);
  without.delete(key);
  return { ...opening, without };
}

/** A minute without what is waited for: dealers that keep silent are replaced, and whose hello did not come back says it again. */
function afterSilence(context: SuccessionContext, state: SuccessionState): SuccessionStep {
  const counted = { ...state.opening, silences: state.opening.silences + 1, asked: undefined };
  const next = { ...state, opening: counted };
  if (state.memory.live !== undefined) return { state, effects: [] };
  if (state.ceremony.phase.kind === 'hello') {
    const hasSaidHello = counted.hellos.has(context.self.key);
    return { state: { ...next, opening: { ...counted, hasSaidHello } }, effects: [] };
  }
  const ceremony = beforeSignature(state.ceremony);
  const missing = awaitedIn(stepContextIn(context, state), state.ceremony)?.missing ?? [];
  if (ceremony === undefined || missing.length === 0) return { state: next, effects: [] };
  const silent = { ...next, opening: blame(counted, missing, 'silent') };
  if (!isDue(context, counted)) return { state: silent, effects: [] };
  return leaveFor(context, silent, { ceremony, reason: `${missing.map(({ name }) => name).join(', ')} kept silent` });
}

/** A share of the new genesis: on disk first that this member is bound to this key for ever. */
function give(context: SuccessionContext, state: SuccessionState, ceremony: string): SuccessionStep {
  const { phase, memory } = state.ceremony;
  if (phase.kind !== 'done' || phase.ceremony !== ceremony || !mayGive(memory, ceremony)) return { state, effects: [] };
  const given: SuccessionEffect = { kind: 'give', ceremony };
  if (memory.given === ceremony) return { state, effects: [given] };
  const bound = within(context, state, (_, inside) => record(inside, { type: 'ceremony-given', ceremony }));
  return { state: bound.state, effects: [...bound.effects, given] };
}

/** Goes from whatever it is in and says nothing more, but that the old epoch ends when it does. */
function stop(context: SuccessionContext, state: SuccessionState, error: ProtocolError): SuccessionStep {
  const ceremony = ceremonyOf(state.ceremony);
  const words = { code: 'restarted', reason: shortened(error.message), suspect: null } as const;
  const gone: SuccessionStep =
    ceremony === undefined || state.memory.live !== undefined
      ? { state, effects: [] }
      : within(context, state, (_, inside) => leave(inside, { ceremony, ...words }));
  return andThen(gone, (next) => failed(next, error));
}

/** Moves on for as long as what is here allows, and says what it waits for then. */
function advance(context: SuccessionContext, step: SuccessionStep): SuccessionStep {
  const { state, effects } = untilStill(step, (now) => progress(context, now));
  return { state, effects: [...effects, ...waiting(context, state)] };
}

function progress(context: SuccessionContext, state: SuccessionState): SuccessionStep | undefined {
  if (state.memory.live !== undefined) return undefined;
  const inside = nextStep(stepContextIn(context, state), state.ceremony);
  if (inside !== undefined)
    return afterStep(
      context,
      state,
      within(context, state, () => inside),
    );
  return enter(context, state) ?? sayHello(context, state) ?? giveUp(context, state) ?? sayBegin(context, state);
}

/** Enters the begin that wins; out of a ceremony that this member did not sign yet, by leaving it first. */
function enter(context: SuccessionContext, state: SuccessionState): SuccessionStep | undefined {
  const best = enterableBegin(context, state);
  if (best === undefined) return undefined;
  const [ceremony] = best;
  if (state.ceremony.phase.kind === 'hello') {
    if (state.ceremony.begun >= maxCeremoniesOfRun) return failed(state, tooManyBegins());
    const joined = within(context, state, (_, inside) => join(inside, ceremony));
    return {
      ...joined,
      state: {
        ...joined.state,
        opening: {
          ...joined.state.opening,
          asked: undefined,
          silences: 0,
          isUnexplained: false,
          withoutAtEntry: state.opening.without,
        },
      },
    };
  }
  const running = beforeSignature(state.ceremony);
  const current = running === undefined ? undefined : state.opening.begins.get(running);
  if (running === undefined || current === undefined || !isLater(best, [running, current])) return undefined;
  return leaveFor(context, state, { ceremony: running, reason: `${best[1].from.name} began anew` });
}

/** Each stays in the journal, and in every backup, for good (T43). */
function tooManyBegins(): ProtocolError {
  const reason = `${maxCeremoniesOfRun} ceremonies of this succession came to nothing; find out who begins anew, and restart`;
  return new ProtocolError('too-many', reason);
}

/** A run that went on with an earlier ceremony has said no hello yet: nothing of the next is said before that one is left. */
function sayHello({ ground }: SuccessionContext, state: SuccessionState): SuccessionStep | undefined {
  const { opening, ceremony, memory } = state;
  if (ceremony.phase.kind !== 'hello' || opening.hasSaidHello) return undefined;
  const serial = memory.serial + 1;
  const counted = write(state, { type: 'succession-hello', from: ground.from.hash, serial });
  const payload = helloPayload(ground, { serial, nonce: opening.nonce });
  return {
    state: { ...counted.state, opening: { ...opening, hasSaidHello: true } },
    effects: [...counted.effects, { kind: 'send', message: { kind: 'hello', payload } }],
  };
}

/** Without those who dealt wrongly there must be a quorum left for each key that stays. */
function giveUp(context: SuccessionContext, state: SuccessionState): SuccessionStep | undefined {
  if (state.ceremony.phase.kind !== 'hello') return undefined;
  const channel = channelWithoutDealers(context.ground, state.opening);
  if (channel === undefined) return undefined;
  const { members } = context.ground.from.charter;
  const wrong = members.filter(({ key }) => state.opening.without.get(key) === 'wrong').map(({ name }) => name);
  const reason = `${wrong.join(', ')} dealt wrongly, and the others are no quorum of ${channel} in the old charter`;
  return failed(state, new ProtocolError('bad-ceremony-message', reason, { culprits: wrong }));
}

/** The lowest heir that is here says who deals. */
function sayBegin(context: SuccessionContext, state: SuccessionState): SuccessionStep | undefined {
  if (state.ceremony.phase.kind !== 'hello' || !isDue(context, state.opening) || isAsked(context, state))
    return undefined;
  const payload = nextBegin(context, state.opening);
  if (payload === undefined || isTooSoon(context, state.opening, payload)) return undefined;
  return {
    state: { ...state, opening: { ...state.opening, asked: payload } },
    effects: [{ kind: 'send', message: { kind: 'begin', payload } }],
  };
}

/** Those that were complained of or kept silent are asked again only when a minute has passed, so that nobody makes the heirs begin in circles. */
function isTooSoon({ ground }: SuccessionContext, opening: Opening, { dealers }: OpeningPayload<'begin'>): boolean {
  if (opening.silences > 0) return false;
  if (opening.isUnexplained) return true;
  const asked = new Set(dealers.flatMap(({ identifiers }) => identifiers));
  return ground.from.charter.members.some(({ identifier, key }) => asked.has(identifier) && opening.without.has(key));
}

/** What one dealer caused is a setback: the next begin asks others. Anybody else's failure ends the run, as in any ceremony. */
function afterStep(context: SuccessionContext, before: SuccessionState, step: InnerStep): SuccessionStep {
  const seen = leaveSeen(stepContextIn(context, before), before.ceremony);
  const hasLeft = ceremonyOf(step.state.ceremony) !== ceremonyOf(before.ceremony);
  // A dealer that is no heir and goes is asked after the others, whatever it says; or it could make the heirs begin for ever.
  const isDealers = hasLeft && seen !== undefined && memberByKey(context.ground.charter, seen.from.key) === undefined;
  const left = isDealers ? blamed(step.state, [seen.from], 'complaint') : step.state;
  if (step.blame === undefined) return { ...step, state: left };
  // Who follows another names nobody: the first word of it is on its way, or a begin comes in a minute.
  if (seen !== undefined && step.blame.members.length === 0) {
    const opening = { ...left.opening, isUnexplained: true };
    return setback({ ...step, state: { ...left, opening } });
  }
  return forgive(context, before, { ...step, state: left }, step.blame);
}

function forgive(
  context: SuccessionContext,
  before: SuccessionState,
  step: SuccessionStep,
  { members, isProved }: Blame,
): SuccessionStep {
  const dealers = members.filter((member) => isDealer(context, before, member));
  const isNews = dealers.some(({ key }) => {
    const known = before.opening.withoutAtEntry.get(key);
    return known === undefined || known === 'silent' || (isProved && known !== 'wrong');
  });
  if (!isNews) return step;
  return setback({ ...step, state: blamed(step.state, dealers, isProved ? 'wrong' : 'complaint') });
}

/** The ceremony came to nothing, and the succession goes on. */
function setback(step: SuccessionStep): SuccessionStep {
  return {
    state: { ...step.state, ceremony: { ...step.state.ceremony, phase: { kind: 'hello' } } },
    effects: step.effects.map((effect) => (effect.kind === 'failed' ? { ...effect, kind: 'setback' } : effect)),
  };
}

function blamed(state: SuccessionState, members: readonly Member[], why: Absence): SuccessionState {
  return { ...state, opening: blame(state.opening, members, why) };
}

/** Whether this member cuts an old share in the ceremony that is running. */
function isDealer({ ground }: SuccessionContext, { opening, ceremony }: SuccessionState, { key }: Member): boolean {
  const current = ceremonyOf(ceremony);
  const begin = current === undefined ? undefined : opening.begins.get(current);
  const old = memberByKey(ground.from.charter, key);
  if (begin === undefined || old === undefined) return false;
  return begin.payload.dealers.some(({ identifiers }) => identifiers.includes(old.identifier));
}

/** Who only deals needs its polynomials no longer when its boxes are out. */
function forgetAfterSealing(context: SuccessionContext, before: SuccessionState, step: SuccessionStep): SuccessionStep {
  const { phase } = step.state.ceremony;
  if (before.ceremony.phase.kind !== 'sealing' || phase.kind !== 'boxes') return step;
  if (memberByKey(context.ground.charter, context.self.key) !== undefined) return step;
  return { ...step, effects: [...step.effects, { kind: 'wipe', ceremony: phase.ceremony }] };
}

function waiting(context: SuccessionContext, state: SuccessionState): SuccessionEffect[] {
  if (state.memory.live !== undefined) return [];
  const named = (members: readonly Member[]): string[] =>
    members.filter(({ key }) => key !== context.self.key).map(({ name }) => name);
  if (state.ceremony.phase.kind === 'hello') {
    const heirs = named(missingHeirs(context, state.opening));
    const missing = heirs.length > 0 ? heirs : named(missingDealers(context.ground, state.opening));
    return [{ kind: 'progress', step: missing.length > 0 ? 'hello' : 'begin', waitingFor: missing }];
  }
  const awaited = awaitedIn(stepContextIn(context, state), state.ceremony);
  return awaited === undefined ? [] : [{ kind: 'progress', step: awaited.step, waitingFor: named(awaited.missing) }];
}
