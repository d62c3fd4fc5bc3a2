/** The steps from the hash commitments to `stored`, whatever ceremony they are of: what its machine does with answers and with what the others said. */
import { checkBoxes, refuseBox } from './boxes.ts';
import { failAtConflict, isLate, keepProof } from './endings.ts';
import {
  ceremonyOf,
  record,
  type CeremonyEvent,
  type CeremonyPhase,
  type CeremonyState,
  type CeremonyStep,
  type StepContext,
} from './events.ts';
import { filed, versionsOf, type BoundKind, type BoundMessage } from './inbox.ts';
import { comeBack, follow, leaveSeen } from './partings.ts';
import { checkReveals, revealSecrets } from './reveals.ts';
import { forgotten, isRemembered } from './resume.ts';
import { certify, finish, sayStored, signTranscript } from './signatures.ts';
import { isHolder } from './cast.ts';
import type { Member } from '../files/charter.ts';
import { present } from '../wire/present.ts';

/** A machine's state, and the effects on the way to it. */
interface Step<State, Effect> {
  readonly state: State;
  readonly effects: readonly Effect[];
}

/** Goes from step to step until there is no next one: the last state, and the effects of all in order. */
export function untilStill<State, Effect>(
  step: Step<State, Effect>,
  next: (state: State) => Step<State, Effect> | undefined,
): Step<State, Effect> {
  let { state } = step;
  const effects = [...step.effects];
  for (let more = next(state); more !== undefined; more = next(state)) {
    state = more.state;
    effects.push(...more.effects);
  }
  return { state, effects };
}

/** An answer to an effect. */
export type CeremonyAnswer = Extract<
  CeremonyEvent,
  { kind: 'dealt' | 'sealed' | 'share-stored' | 'box-refused' | 'certificate-stored' }
>;

/** Enters a ceremony for good: one set of polynomials for one id, which is never entered again (T16). */
export function join(state: CeremonyState, ceremony: string): CeremonyStep {
  const joined = record(state, { type: 'ceremony-joined', ceremony });
  return {
    state: { ...joined.state, begun: state.begun + 1, phase: { kind: 'dealing', ceremony } },
    effects: [...joined.effects, { kind: 'deal', ceremony }],
  };
}

/** What an answer to an effect brings; nothing when the ceremony that it was for is over. */
export function answered(context: StepContext, state: CeremonyState, event: CeremonyAnswer): CeremonyStep {
  const { phase } = state;
  switch (event.kind) {
    case 'dealt':
      if (phase.kind !== 'dealing' || phase.ceremony !== event.ceremony) return { state, effects: [] };
      return {
        state: { ...state, phase: { kind: 'commit', ceremony: event.ceremony, own: event.reveal } },
        effects: [
          {
            kind: 'send',
            message: { kind: 'commit', payload: { ceremony: event.ceremony, reveal: event.revealHash } },
          },
        ],
      };
    case 'sealed':
      if (phase.kind !== 'sealing' || phase.ceremony !== event.ceremony) return { state, effects: [] };
      return {
        state: { ...state, phase: { ...phase, kind: 'boxes' } },
        effects: [
          { kind: 'send', message: { kind: 'boxes', payload: { ceremony: event.ceremony, boxes: event.boxes } } },
        ],
      };
    case 'share-stored':
      if (phase.kind !== 'storing' || phase.ceremony !== event.ceremony) return { state, effects: [] };
      return signTranscript(state, { ...phase, proofs: event.proofs });
    case 'box-refused':
      if (phase.kind !== 'storing' || phase.ceremony !== event.ceremony) return { state, effects: [] };
      return refuseBox(context, state, event.from);
    case 'certificate-stored':
      if (phase.kind !== 'certifying' || phase.ceremony !== event.ceremony) return { state, effects: [] };
      return sayStored(state, phase.certificate);
  }
}

/** Files a message that names its ceremony: repeats are no-ops, and a second version is kept as a proof. */
export function receiveBound(context: StepContext, state: CeremonyState, message: BoundMessage): CeremonyStep {
  if (message.from.key === context.self.key && !isRemembered(state.memory, message))
    return forgotten(state, `it signed a ${message.kind} message that the journal does not know`);
  const inbox = filed(state.inbox, message);
  if (inbox === state.inbox) return { state, effects: [] };
  const next = { ...state, inbox };
  return isLate(state) && message.payload.ceremony === ceremonyOf(state)
    ? keepProof(context, next, message)
    : { state: next, effects: [] };
}

/** The next step that the inbox allows in the ceremony that the machine is in; `undefined` when it has to wait. */
export function nextStep(context: StepContext, state: CeremonyState): CeremonyStep | undefined {
  const { phase } = state;
  switch (phase.kind) {
    case 'certifying':
    case 'done':
    case 'failed':
      return undefined;
    case 'stored':
      // Before any `leave` is looked at: who has every member's word stays, or would come back at once.
      return finish(context, state, phase) ?? comeBack(context, state) ?? followLeave(context, state);
    case 'hello':
      return comeBack(context, state);
    case 'dealing':
    case 'commit':
    case 'reveal':
    case 'sealing':
    case 'boxes':
    case 'storing':
    case 'transcript':
      return (
        comeBack(context, state) ??
        failAtConflict(context, state) ??
        followLeave(context, state) ??
        goOn(context, state, phase)
      );
  }
}

function followLeave(context: StepContext, state: CeremonyState): CeremonyStep | undefined {
  const seen = leaveSeen(context, state);
  return seen === undefined ? undefined : follow(context, state, seen);
}

type OpenPhase = Extract<
  CeremonyPhase,
  { kind: 'dealing' | 'commit' | 'reveal' | 'sealing' | 'boxes' | 'storing' | 'transcript' }
>;

function goOn(context: StepContext, state: CeremonyState, phase: OpenPhase): CeremonyStep | undefined {
  switch (phase.kind) {
    case 'commit':
      return revealSecrets(context, state, phase);
    case 'reveal':
      return checkReveals(context, state, phase.ceremony);
    case 'boxes':
      return checkBoxes(context, state, phase);
    case 'transcript':
      return certify(context, state, phase);
    case 'dealing':
    case 'sealing':
    case 'storing':
      return undefined;
  }
}

const awaited: Partial<Record<CeremonyPhase['kind'], BoundKind>> = {
  commit: 'commit',
  reveal: 'reveal',
  boxes: 'boxes',
  transcript: 'transcript',
  stored: 'stored',
};

/** What this member waits for in the ceremony that it is in, and of whom: nobody waits for himself, since what he said is on its way. */
export function awaitedIn(
  { cast, self }: StepContext,
  state: CeremonyState,
): { readonly step: BoundKind; readonly missing: readonly Member[] } | undefined {
  const step = awaited[state.phase.kind];
  if (step === undefined || (step === 'boxes' && !isHolder(cast, self))) return undefined;
  const ceremony = present(ceremonyOf(state), 'the ceremony that is waited in');
  const speakers = step === 'transcript' || step === 'stored' ? cast.charter.members : cast.speakers;
  const missing = speakers.filter(
    (speaker) => speaker.key !== self.key && versionsOf(state.inbox, step, ceremony, speaker).length === 0,
  );
  return { step, missing };
}
