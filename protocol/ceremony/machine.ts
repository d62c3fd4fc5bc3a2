/**
 * Key generation, one member's side, as a pure machine: PedPop (Komlo and Goldberg 2020, Figure 1) over all sharings of all channels at once,
 * with hash commitments first and one transcript that all members sign. Secrets stay in the vault; here are only public values.
 */
import { checkBoxes } from './boxes.ts';
import { abortEffects, abortOf, fail, leaveAborted } from './endings.ts';
import {
  ceremonyOf,
  type CeremonyContext,
  type CeremonyEffect,
  type CeremonyEvent,
  type CeremonyPhase,
  type CeremonyState,
  type CeremonyStep,
} from './events.ts';
import { beginCeremony, helloOf, receiveHello } from './hellos.ts';
import { keyOf, maxKept, placeOf } from './inbox.ts';
import type { CeremonyKind, CeremonyMessage } from './messages.ts';
import { checkReveals, revealSecrets } from './reveals.ts';
import { certify, finish, signTranscript } from './signatures.ts';

/** One event in, the next state and what to do out. Effects run in order, each finished before the next. */
export function stepCeremony(context: CeremonyContext, state: CeremonyState, event: CeremonyEvent): CeremonyStep {
  const first = apply(context, state, event);
  return advance(context, first);
}

function apply(context: CeremonyContext, state: CeremonyState, event: CeremonyEvent): CeremonyStep {
  const { phase } = state;
  switch (event.kind) {
    case 'start':
      return { state: { ...state, nonce: event.nonce }, effects: [helloOf(context, event.nonce)] };
    case 'abort-earlier':
      return {
        state: { ...state, left: new Set([...state.left, event.ceremony]) },
        effects: abortEffects(
          event.ceremony,
          'restarted',
          'the member restarted before it signed the transcript',
          null,
        ),
      };
    case 'resume-signed':
      // No hello: members that have not signed yet would leave the ceremony that this member can no longer leave.
      return {
        state: {
          ...state,
          nonce: event.nonce,
          phase: { kind: 'transcript', ceremony: event.transcript.ceremony, transcript: event.transcript },
        },
        effects: [],
      };
    case 'resume-certified':
      return {
        state: {
          ...state,
          phase: { kind: 'stored', ceremony: event.certificate.ceremony, certificate: event.certificate },
        },
        effects: [],
      };
    case 'message':
      return receive(context, state, event.message);
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
        state: { ...state, phase: { kind: 'boxes', ceremony: event.ceremony, dealings: phase.dealings } },
        effects: [
          { kind: 'send', message: { kind: 'boxes', payload: { ceremony: event.ceremony, boxes: event.boxes } } },
        ],
      };
    case 'share-stored':
      if (phase.kind !== 'storing' || phase.ceremony !== event.ceremony) return { state, effects: [] };
      return signTranscript(state, phase.transcript, event.proofs);
    case 'box-refused': {
      if (phase.kind !== 'storing' || phase.ceremony !== event.ceremony) return { state, effects: [] };
      const suspect = context.charter.members[event.from - 1]?.name ?? '?';
      return fail(
        state,
        event.ceremony,
        'suspicion',
        'bad-share',
        `the box from ${suspect} does not open or its share does not fit what ${suspect} committed to; that is a suspicion, not a proof`,
        suspect,
        [],
      );
    }
    case 'certificate-stored':
      if (phase.kind !== 'certifying' || phase.ceremony !== event.ceremony) return { state, effects: [] };
      return {
        state: { ...state, phase: { ...phase, kind: 'stored' } },
        effects: [
          {
            kind: 'record',
            entry: { type: 'ceremony-certified', ceremony: event.ceremony, certificate: phase.certificate.hash },
          },
          {
            kind: 'send',
            message: {
              kind: 'stored',
              payload: {
                ceremony: event.ceremony,
                transcript: phase.certificate.transcriptHash,
                certificate: phase.certificate.hash,
              },
            },
          },
        ],
      };
  }
}

/** Files one message: repeats are no-ops, a hello replaces the last, and two different ones of another kind are a fault with proof. */
function receive(context: CeremonyContext, state: CeremonyState, message: CeremonyMessage): CeremonyStep {
  const key = keyOf(message);
  const held = state.inbox[message.kind].get(key);
  if (held?.hash === message.hash) return { state, effects: [] };
  if (message.kind === 'hello') return receiveHello(context, state, message);
  if (held !== undefined) {
    // An abort may be said twice in other words; everything else has one version.
    if (message.kind === 'abort' || message.payload.ceremony !== ceremonyOf(state)) return { state, effects: [] };
    const what = `${message.from.name} signed two different ${message.kind} messages for one ceremony`;
    const proof = [held.envelope, message.envelope];
    return fail(state, message.payload.ceremony, 'conflict', 'conflict', what, message.from.name, proof);
  }
  const kept = new Map<string, CeremonyMessage>(state.inbox[message.kind]).set(key, message);
  const [oldest] = kept.keys();
  if (kept.size > maxKept && oldest !== undefined) kept.delete(oldest);
  return { state: { ...state, inbox: { ...state.inbox, [message.kind]: kept } }, effects: [] };
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

const phaseKind: Partial<Record<CeremonyPhase['kind'], CeremonyKind>> = {
  hello: 'hello',
  commit: 'commit',
  reveal: 'reveal',
  boxes: 'boxes',
  transcript: 'transcript',
  stored: 'stored',
};

function waiting(context: CeremonyContext, state: CeremonyState): CeremonyEffect[] {
  const step = phaseKind[state.phase.kind];
  if (step === undefined) return [];
  const ceremony = ceremonyOf(state) ?? '';
  const missing = context.charter.members.filter((member) => !state.inbox[step].has(placeOf(step, ceremony, member)));
  return [{ kind: 'progress', step, waitingFor: missing.map((member) => member.name) }];
}

function progress(context: CeremonyContext, state: CeremonyState): CeremonyStep | undefined {
  const { phase } = state;
  const aborted = abortOf(state);
  if (aborted !== undefined) return leaveAborted(context, state, aborted);
  switch (phase.kind) {
    case 'hello':
      return beginCeremony(context, state);
    case 'commit':
      return revealSecrets(context, state, phase);
    case 'reveal':
      return checkReveals(context, state, phase.ceremony);
    case 'boxes':
      return checkBoxes(context, state, phase);
    case 'transcript':
      return certify(context, state, phase);
    case 'stored':
      return finish(context, state, phase);
    case 'dealing':
    case 'sealing':
    case 'storing':
    case 'certifying':
    case 'done':
    case 'failed':
      return undefined;
  }
}
