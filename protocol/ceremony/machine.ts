/**
 * Key generation, one member's side, as a pure machine: PedPop (Komlo and Goldberg 2020, Figure 1) over all sharings of all channels at once,
 * with hash commitments first and one transcript that all members sign. Secrets stay in the vault; here are only public values.
 */
import { ProtocolError } from '../errors.ts';
import { maxWordsSaidAgain } from '../limits.ts';
import { present } from '../wire/present.ts';
import { checkBoxes, refuseBox } from './boxes.ts';
import { failAtConflict, isLate, keepProof, leave } from './endings.ts';
import {
  ceremonyOf,
  type CeremonyContext,
  type CeremonyEffect,
  type CeremonyEvent,
  type CeremonyPhase,
  type CeremonyState,
  type CeremonyStep,
} from './events.ts';
import { beginCeremony, helloOf, idOfHellos, missingHellos, receiveHello, strangeHellos } from './hellos.ts';
import { filed, versionsOf, type BoundKind, type BoundMessage } from './inbox.ts';
import type { CeremonyMemory } from './memory.ts';
import type { CeremonyKind, CeremonyMessage } from './messages.ts';
import { comeBack, follow, leaveSeen } from './partings.ts';
import { checkReveals, revealSecrets } from './reveals.ts';
import { certify, finish, sayStored, sayTranscript, signTranscript } from './signatures.ts';

/** One event in, the next state and what to do out. Effects run in order, each finished before the next. */
export function stepCeremony(context: CeremonyContext, state: CeremonyState, event: CeremonyEvent): CeremonyStep {
  return advance(context, apply(context, state, event));
}

function apply(context: CeremonyContext, state: CeremonyState, event: CeremonyEvent): CeremonyStep {
  const { phase } = state;
  switch (event.kind) {
    case 'start':
      return start(context, state, event);
    case 'message':
      return receive(context, state, event.message);
    case 'genesis':
      return { state: { ...state, live: new Set(state.live).add(event.ceremony) }, effects: [] };
    case 'foreign-key':
      return forgotten(state, `there is a key of this charter already, and the journal does not know it`);
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

/** A restart goes on with a ceremony whose share is on disk, and leaves one whose secrets were in memory only. */
function start(
  context: CeremonyContext,
  state: CeremonyState,
  { nonce, memory, held, isCandidate }: Extract<CeremonyEvent, { kind: 'start' }>,
): CeremonyStep {
  const begun: CeremonyState = { ...state, nonce, memory, held };
  const { current } = memory;
  const said = wordsSaidAgain(memory, held);
  if (current === undefined) return { state: begun, effects: [...said, helloOf(context, nonce)] };
  const certificate = held.get(current);
  if (certificate !== undefined && memory.stored.includes(current)) {
    // No hello: members that have not signed yet would leave for a ceremony that this member cannot enter.
    const kind = isCandidate ? 'done' : 'stored';
    return { state: { ...begun, phase: { kind, ceremony: current, certificate } }, effects: said };
  }
  const signed = memory.signed.get(current);
  if (signed !== undefined) {
    const resumed = sayTranscript(
      { ...begun, phase: { kind: 'transcript', ceremony: current, transcript: signed.transcript } },
      signed,
    );
    return { state: resumed.state, effects: [...said, ...resumed.effects] };
  }
  const reason = 'the member restarted before it signed the transcript';
  const gone = leave(begun, { ceremony: current, code: 'restarted', reason, suspect: null });
  return { state: gone.state, effects: [...said, ...gone.effects, helloOf(context, nonce)] };
}

/** What the others may still wait for: a crash may have come between a record and its message, and the relay may have lost it. */
function wordsSaidAgain(memory: CeremonyMemory, held: CeremonyState['held']): CeremonyEffect[] {
  const left = [...memory.left.values()].slice(-maxWordsSaidAgain);
  const stored = memory.stored.flatMap((ceremony) => held.get(ceremony) ?? []).slice(-maxWordsSaidAgain);
  return [
    ...left.map((payload): CeremonyEffect => ({ kind: 'send', message: { kind: 'leave', payload } })),
    ...stored.map(({ ceremony, transcriptHash: transcript }): CeremonyEffect => ({
      kind: 'send',
      message: { kind: 'stored', payload: { ceremony, transcript } },
    })),
  ];
}

/** Files one message: repeats are no-ops, a hello replaces the last, and of everything else a second version is kept as a proof. */
function receive(context: CeremonyContext, state: CeremonyState, message: CeremonyMessage): CeremonyStep {
  if (message.kind === 'hello') return receiveHello(context, state, message);
  if (message.from.identifier === context.self.identifier && !isRemembered(state.memory, message))
    return forgotten(state, `it signed a ${message.kind} message that the journal does not know`);
  const inbox = filed(state.inbox, message);
  if (inbox === state.inbox) return { state, effects: [] };
  const next = { ...state, inbox };
  return isLate(state) && message.payload.ceremony === ceremonyOf(state)
    ? keepProof(context, next, message)
    : { state: next, effects: [] };
}

/** Whether the journal knows that this member said so: everything is on disk before it is said. */
function isRemembered(memory: CeremonyMemory, { kind, payload }: BoundMessage): boolean {
  const { ceremony } = payload;
  switch (kind) {
    case 'commit':
    case 'reveal':
    case 'boxes':
      return memory.joined.has(ceremony);
    case 'transcript':
      // A backup has no transcripts of what was left: nothing more is said there in any case.
      return memory.signed.has(ceremony) || memory.left.has(ceremony);
    case 'stored':
      return memory.stored.includes(ceremony);
    case 'leave':
      return memory.left.has(ceremony);
  }
}

/** This home lost its disk, or is a copy: whatever it said now could contradict what it said before, so it says nothing more. */
function forgotten(state: CeremonyState, found: string): CeremonyStep {
  if (state.phase.kind === 'failed') return { state, effects: [] };
  const error = new ProtocolError(
    'rolled-back',
    `this home lost what it had signed, or a copy of it ran: ${found}; put the newest files back, or make a new home and a charter with its card`,
  );
  return {
    state: { ...state, phase: { kind: 'failed', error } },
    effects: [{ kind: 'failed', error, view: undefined }],
  };
}

/** Moves on for as long as what is in the inbox allows. */
function advance(context: CeremonyContext, step: CeremonyStep): CeremonyStep {
  let { state } = step;
  const effects = [...step.effects];
  for (;;) {
    const next = progress(context, state);
    if (next === undefined) return { state, effects: [...effects, ...waiting(context, state)] };
    state = next.state;
    effects.push(...next.effects);
  }
}

function progress(context: CeremonyContext, state: CeremonyState): CeremonyStep | undefined {
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
      return comeBack(context, state) ?? beginCeremony(context, state);
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

function followLeave(context: CeremonyContext, state: CeremonyState): CeremonyStep | undefined {
  const seen = leaveSeen(context, state);
  return seen === undefined ? undefined : follow(context, state, seen);
}

type OpenPhase = Extract<
  CeremonyPhase,
  { kind: 'dealing' | 'commit' | 'reveal' | 'sealing' | 'boxes' | 'storing' | 'transcript' }
>;

function goOn(context: CeremonyContext, state: CeremonyState, phase: OpenPhase): CeremonyStep | undefined {
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

const awaited: Partial<Record<CeremonyPhase['kind'], CeremonyKind>> = {
  hello: 'hello',
  commit: 'commit',
  reveal: 'reveal',
  boxes: 'boxes',
  transcript: 'transcript',
  stored: 'stored',
};

function waiting(context: CeremonyContext, state: CeremonyState): CeremonyEffect[] {
  const step = awaited[state.phase.kind];
  if (step === undefined) return [];
  const missing = step === 'hello' ? whoSaysHello(context, state) : missingMessages(context, state, step);
  // Nobody waits for himself: what he said is on its way.
  const waitingFor = missing.filter((name) => name !== context.self.name);
  return [{ kind: 'progress', step, waitingFor, strange: step === 'hello' ? strangeHellos(context, state) : [] }];
}

function missingMessages({ charter }: CeremonyContext, state: CeremonyState, step: BoundKind): string[] {
  const ceremony = present(ceremonyOf(state), 'the ceremony that is waited in');
  return charter.members
    .filter((member) => versionsOf(state.inbox, step, ceremony, member).length === 0)
    .map(({ name }) => name);
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
