/** How a run goes on where an earlier one stopped, and how it sees that it cannot: the journal must know everything that this member ever said. */
import { ProtocolError } from '../errors.ts';
import { maxWordsSaidAgain } from '../limits.ts';
import { leave } from './endings.ts';
import type { CeremonyEffect, CeremonyEvent, CeremonyState, CeremonyStep } from './events.ts';
import type { BoundMessage } from './inbox.ts';
import type { CeremonyMemory } from './memory.ts';
import { sayTranscript } from './signatures.ts';

/** A restart goes on with a ceremony whose share is on disk, and leaves one whose secrets were in memory only; then a hello is due. */
export function resume(
  state: CeremonyState,
  { nonce, memory, held, isCandidate }: Omit<Extract<CeremonyEvent, { kind: 'start' }>, 'kind'>,
): CeremonyStep {
  const begun: CeremonyState = { ...state, nonce, memory, held };
  const { current } = memory;
  const said = wordsSaidAgain(memory, held);
  if (current === undefined) return { state: begun, effects: said };
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
  return { state: gone.state, effects: [...said, ...gone.effects] };
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

/** Whether the journal knows that this member said so: everything is on disk before it is said. */
export function isRemembered(memory: CeremonyMemory, { kind, payload }: BoundMessage): boolean {
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
export function forgotten(state: CeremonyState, found: string): CeremonyStep {
  if (state.phase.kind === 'failed') return { state, effects: [] };
  const error = new ProtocolError(
    'rolled-back',
    `this home lost what it had signed, or a copy of it ran: ${found}; put the newest files back, or make a new home and a charter with its card`,
  );
  return {
    state: { ...state, phase: { kind: 'failed', error } },
    effects: [{ kind: 'failed', error, view: undefined, blamed: [], isProved: false }],
  };
}
