/** How a ceremony ends without a key: a fault that this member found, or somebody's signed abort. */
import { ProtocolError, type ProtocolErrorCode } from '../errors.ts';
import type { Envelope } from '../wire/envelope.ts';
import {
  ceremonyOf,
  type CeremonyContext,
  type CeremonyEffect,
  type CeremonyState,
  type CeremonyStep,
} from './events.ts';
import { helloOf } from './hellos.ts';
import { placeOf } from './inbox.ts';
import type { CeremonyMessageOf, CeremonyPayload } from './messages.ts';

export type AbortCode = CeremonyPayload<'abort'>['code'];

export function abortEffects(
  ceremony: string,
  code: AbortCode,
  reason: string,
  suspect: string | null,
): CeremonyEffect[] {
  return [
    // Stored first: a member that aborted never signs this transcript, whatever happens next.
    { kind: 'record', entry: { type: 'ceremony-aborted', ceremony } },
    { kind: 'send', message: { kind: 'abort', payload: { ceremony, code, reason, suspect } } },
    { kind: 'wipe', ceremony },
  ];
}

/** Ends this run: with a signed abort when the own transcript signature is not out, without one when it is. */
export function fail(
  state: CeremonyState,
  ceremony: string,
  abort: AbortCode,
  code: ProtocolErrorCode,
  reason: string,
  culprit: string | null,
  evidence: readonly Envelope[],
): CeremonyStep {
  const error = new ProtocolError(code, reason, { culprits: culprit === null ? [] : [culprit] });
  const signed =
    state.phase.kind === 'transcript' || state.phase.kind === 'certifying' || state.phase.kind === 'stored';
  return {
    state: { ...state, phase: { kind: 'failed', error } },
    effects: [...(signed ? [] : abortEffects(ceremony, abort, reason, culprit)), { kind: 'failed', error, evidence }],
  };
}

/** Somebody's signed abort of the running ceremony, for as long as that can still matter. */
export function abortOf(state: CeremonyState): CeremonyMessageOf<'abort'> | undefined {
  const { phase } = state;
  if (phase.kind === 'certifying' || phase.kind === 'stored' || phase.kind === 'done' || phase.kind === 'failed')
    return undefined;
  const ceremony = ceremonyOf(state);
  return ceremony === undefined
    ? undefined
    : [...state.inbox.abort.values()].find((abort) => abort.payload.ceremony === ceremony);
}

export function leaveAborted(
  context: CeremonyContext,
  state: CeremonyState,
  abort: CeremonyMessageOf<'abort'>,
): CeremonyStep {
  const { ceremony } = abort.payload;
  const released: CeremonyEffect[] =
    state.phase.kind === 'transcript'
      ? [{ kind: 'record', entry: { type: 'ceremony-released', ceremony, abort: abort.envelope } }]
      : [];
  const left = new Set([...state.left, ceremony]);
  const wipe: CeremonyEffect = { kind: 'wipe', ceremony };
  if (abort.payload.code === 'restarted') {
    const hello = state.inbox.hello.has(placeOf('hello', '', context.self)) ? [] : [helloOf(context, state.nonce)];
    return { state: { ...state, left, phase: { kind: 'hello' } }, effects: [...released, wipe, ...hello] };
  }
  const suspect = abort.payload.suspect === null ? '' : ` and suspects ${abort.payload.suspect}`;
  const error = new ProtocolError(
    'bad-ceremony-message',
    `${abort.from.name} stopped the ceremony${suspect}: ${abort.payload.reason}`,
    { culprits: [] },
  );
  return {
    state: { ...state, left, phase: { kind: 'failed', error } },
    effects: [...released, wipe, { kind: 'failed', error, evidence: [abort.envelope] }],
  };
}
