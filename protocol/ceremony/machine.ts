/**
 * Key generation, one member's side, as a pure machine: PedPop (Komlo and Goldberg 2020, Figure 1) over all sharings of all channels at once,
 * with hash commitments first and one transcript that all members sign. Secrets stay in the vault; here are only public values.
 */
import { ProtocolError } from '../errors.ts';
import {
  stepContextOf,
  type CeremonyContext,
  type CeremonyEffect,
  type CeremonyEvent,
  type CeremonyState,
  type CeremonyStep,
} from './events.ts';
import { beginCeremony, idOfHellos, missingHellos, receiveHello, sayHello, strangeHellos } from './hellos.ts';
import { versionsOf } from './inbox.ts';
import { forgotten, resume } from './resume.ts';
import { answered, awaitedIn, nextStep, receiveBound, untilStill } from './steps.ts';

/** One event in, the next state and what to do out. Effects run in order, each finished before the next. */
export function stepCeremony(context: CeremonyContext, state: CeremonyState, event: CeremonyEvent): CeremonyStep {
  return advance(context, apply(context, state, event));
}

function apply(context: CeremonyContext, state: CeremonyState, event: CeremonyEvent): CeremonyStep {
  switch (event.kind) {
    case 'start':
      return context.charter.continues === undefined ? sayHello(context, resume(state, event)) : refuseToBegin(state);
    case 'message':
      return event.message.kind === 'hello'
        ? receiveHello(context, state, event.message)
        : receiveBound(stepContextOf(context), state, event.message);
    case 'genesis':
      return { state: { ...state, live: new Set(state.live).add(event.ceremony) }, effects: [] };
    case 'foreign-key':
      return forgotten(state, `there is a key of this charter already, and the journal does not know it`);
    case 'dealt':
    case 'sealed':
    case 'share-stored':
    case 'box-refused':
    case 'certificate-stored':
      return answered(stepContextOf(context), state, event);
  }
}

/** A charter that continues a group gets its keys from those who hold them: another key under it would be taken for theirs. */
function refuseToBegin(state: CeremonyState): CeremonyStep {
  const reason = 'this charter continues a group that has a key: no ceremony makes one for it, only a succession does';
  const error = new ProtocolError('bad-charter', reason);
  return {
    state: { ...state, phase: { kind: 'failed', error } },
    effects: [{ kind: 'failed', error, view: undefined, blamed: [], isProved: false }],
  };
}

/** Moves on for as long as what is in the inbox allows, and says what it waits for then. */
function advance(context: CeremonyContext, step: CeremonyStep): CeremonyStep {
  const { state, effects } = untilStill(step, (now) => progress(context, now));
  return { state, effects: [...effects, ...waiting(context, state)] };
}

function progress(context: CeremonyContext, state: CeremonyState): CeremonyStep | undefined {
  const next = nextStep(stepContextOf(context), state);
  if (next !== undefined) return sayHello(context, next);
  return state.phase.kind === 'hello' ? beginCeremony(context, state) : undefined;
}

function waiting(context: CeremonyContext, state: CeremonyState): CeremonyEffect[] {
  const strange = strangeHellos(context, state);
  if (state.phase.kind === 'hello') {
    const waitingFor = whoSaysHello(context, state).filter((name) => name !== context.self.name);
    return [{ kind: 'progress', step: 'hello', waitingFor, strange }];
  }
  const awaited = awaitedIn(stepContextOf(context), state);
  if (awaited === undefined) return [];
  return [{ kind: 'progress', step: awaited.step, waitingFor: awaited.missing.map(({ name }) => name), strange: [] }];
}

/** Whose hello is missing; or, when the hellos are of a ceremony that was left, who left it and has to come anew. */
function whoSaysHello(context: CeremonyContext, state: CeremonyState): string[] {
  const { charter, self } = context;
  const id = idOfHellos(context, state);
  const missing =
    id === undefined
      ? missingHellos(context, state)
      : charter.members.filter((member) => member !== self && versionsOf(state.inbox, 'leave', id, member).length > 0);
  return missing.map(({ name }) => name);
}
