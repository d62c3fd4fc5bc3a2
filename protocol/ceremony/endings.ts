/** How a member goes from a ceremony: by a signed `leave` before its own `stored`, in silence after it (T35); and whom it names when it fails. */
import { ProtocolError, type ProtocolErrorCode } from '../errors.ts';
import type { Member } from '../files/charter.ts';
import { maxReasonCharacters } from '../limits.ts';
import { present } from '../wire/present.ts';
import { ceremonyOf, record, type CeremonyState, type CeremonyStep, type StepContext } from './events.ts';
import { hellosOf, messagesOf, versionsOf } from './inbox.ts';
import { contradiction, distinctMessages, type CeremonyView } from './judge.ts';
import { departure } from './memory.ts';
import type { CeremonyMessage, CeremonyPayload } from './messages.ts';
import type { Transcript } from './transcript.ts';

/** Goes from a ceremony for good, or until all n `stored` of it are shown; then a hello is due. A key that is in use is not gone from. */
export function leave(state: CeremonyState, words: CeremonyPayload<'leave'>): CeremonyStep {
  const entry = departure(state.memory, words);
  if (entry === undefined) return { state, effects: [] };
  const gone = record(state, entry);
  return {
    state: { ...gone.state, phase: { kind: 'hello' } },
    effects: [
      // On disk first: who said that it left never says `stored` for this ceremony, whatever happens next.
      ...gone.effects,
      ...(entry.type === 'ceremony-left'
        ? [{ kind: 'send', message: { kind: 'leave', payload: words } } as const]
        : []),
      { kind: 'wipe', ceremony: words.ceremony },
    ],
  };
}

/** What was found, and what the others are told. */
export interface Failure {
  readonly code: ProtocolErrorCode;
  readonly leave: CeremonyPayload<'leave'>['code'];
  /** Used when the judge names nobody. */
  readonly reason: string;
  /** Whom a box is suspected of; never proof. */
  readonly suspect?: Member;
  /** Messages that no inbox keeps. */
  readonly also?: readonly CeremonyMessage[];
}

/** Ends this run, and names only whom the judge of outsiders names. */
export function fail(context: StepContext, state: CeremonyState, failure: Failure): CeremonyStep {
  const view = viewOf(context, state, failure.also);
  const [proved] = context.judge(view);
  const reason = proved === undefined ? failure.reason : `${proved.culprit.name} ${proved.deed}`;
  const error = new ProtocolError(failure.code, reason, {
    culprits: proved === undefined ? [] : [proved.culprit.name],
  });
  const blamed = failure.suspect ?? proved?.culprit;
  const ceremony = ceremonyOf(state);
  const gone: CeremonyStep =
    ceremony === undefined
      ? { state, effects: [] }
      : leave(state, {
          ceremony,
          code: failure.leave,
          reason: shortened(reason),
          suspect: blamed?.name ?? null,
        });
  return {
    state: { ...gone.state, phase: { kind: 'failed', error } },
    effects: [
      ...gone.effects,
      { kind: 'failed', error, view, blamed: blamed === undefined ? [] : [blamed], isProved: proved !== undefined },
    ],
  };
}

/** All that this member saw of the running ceremony: a judge may find more in it beside the views of others. */
export function viewOf(
  { cast: { charter } }: StepContext,
  state: CeremonyState,
  also: readonly CeremonyMessage[] = [],
): CeremonyView {
  const ceremony = ceremonyOf(state);
  const said = ceremony === undefined ? [] : messagesOf(state.inbox, ceremony);
  const messages = [...hellosOf(charter, state.inbox), ...said, ...also];
  return { charter, transcript: transcriptIn(state), messages: distinctMessages(messages) };
}

function transcriptIn({ phase, memory }: CeremonyState): Transcript | undefined {
  if ('transcript' in phase) return phase.transcript;
  return 'ceremony' in phase ? memory.signed.get(phase.ceremony)?.transcript : undefined;
}

/** Two messages of one member that contradict each other end a ceremony in which this member did not say `stored` yet. */
export function failAtConflict(context: StepContext, state: CeremonyState): CeremonyStep | undefined {
  const ceremony = ceremonyOf(state);
  if (ceremony === undefined) return undefined;
  const kinds = ['commit', 'reveal', 'boxes', 'transcript'] as const;
  const liar = context.cast.speakers.find((member) =>
    kinds.some((kind) => versionsOf(state.inbox, kind, ceremony, member).length > 1),
  );
  if (liar === undefined) return undefined;
  const reason = `${liar.name} signed two different messages for one step`;
  return fail(context, state, { code: 'conflict', leave: 'conflict', reason });
}

/** The own `stored` is out: from here on a lie ends nothing, and is kept as a proof. */
export function isLate({ phase }: CeremonyState): boolean {
  return phase.kind === 'stored' || phase.kind === 'done';
}

/** What a message proves against its sender beside another, in a ceremony that goes on all the same. */
export function keepProof(context: StepContext, state: CeremonyState, message: CeremonyMessage): CeremonyStep {
  const said = messagesOf(state.inbox, present(ceremonyOf(state), 'the ceremony that goes on'));
  const own = said.filter(({ from }) => from.key === message.from.key);
  const isProof = own.some((other) => contradiction(other, message) !== undefined);
  return { state, effects: isProof ? [{ kind: 'evidence', view: viewOf(context, state) }] : [] };
}

/** As much of a reason as a message holds. */
export function shortened(reason: string): string {
  return reason.slice(0, maxReasonCharacters);
}
