/** A step of the ceremony inside a succession: the same machine's pieces, with their effects as a succession says them. */
import type { CeremonyEffect, CeremonyState, CeremonyStep, StepContext } from '../ceremony/events.ts';
import type { Member } from '../files/charter.ts';
import { present } from '../wire/present.ts';
import { dealingPlan } from './cast.ts';
import {
  stepContextIn,
  withOpening,
  type SuccessionContext,
  type SuccessionEffect,
  type SuccessionState,
  type SuccessionStep,
} from './events.ts';

/** Whom a step that failed holds to be the cause. */
export interface Blame {
  readonly members: readonly Member[];
  readonly isProved: boolean;
}

/** A step of the ceremony as one of the succession. */
export interface InnerStep extends SuccessionStep {
  /** There when it ended in a failure. */
  readonly blame: Blame | undefined;
}

/** Runs one step of the ceremony that is open. */
export function within(
  context: SuccessionContext,
  state: SuccessionState,
  work: (inside: StepContext, ceremony: CeremonyState) => CeremonyStep,
): InnerStep {
  const step = work(stepContextIn(context, state), state.ceremony);
  const memory = { ...state.memory, ceremonies: step.state.memory };
  const next: SuccessionState = { ...state, ceremony: step.state, memory };
  const failure = step.effects.find((effect) => effect.kind === 'failed');
  return {
    state: next,
    effects: step.effects.flatMap((effect) => translated(context, next, effect)),
    blame: failure && { members: failure.blamed, isProved: failure.isProved },
  };
}

/** The first step, and then what follows from the state that it led to. */
export function andThen(step: SuccessionStep, next: (state: SuccessionState) => SuccessionStep): SuccessionStep {
  const followed = next(step.state);
  return { state: followed.state, effects: [...step.effects, ...followed.effects] };
}

function translated(
  { ground, self }: SuccessionContext,
  { opening }: SuccessionState,
  effect: CeremonyEffect,
): SuccessionEffect[] {
  switch (effect.kind) {
    case 'record':
      return [{ kind: 'record', entry: { type: 'succession-step', from: ground.from.hash, step: effect.entry } }];
    case 'send': {
      const { message } = effect;
      // A succession says a hello of its own.
      return message.kind === 'hello' ? [] : [{ kind: 'send', message }];
    }
    case 'deal': {
      const { ceremony } = effect;
      const { payload } = present(opening.begins.get(ceremony), 'the begin of this ceremony');
      return [{ kind: 'deal', ceremony, plan: dealingPlan(ground, payload.dealers, self) }];
    }
    case 'evidence':
      return [{ kind: 'evidence', view: withOpening(opening, effect.view) }];
    case 'failed': {
      const { error, view } = effect;
      return [{ kind: 'failed', error, view: view && withOpening(opening, view) }];
    }
    // What a succession waits for, it says itself.
    case 'progress':
      return [];
    case 'seal':
    case 'open-and-store':
    case 'store-certificate':
    case 'load-share':
    case 'wipe':
    case 'done':
    case 'show':
      return [effect];
  }
}
