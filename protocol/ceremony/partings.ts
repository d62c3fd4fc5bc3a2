/** What a member does about others who leave, and about a ceremony that it parted from and that every member stored (T35). */
import { ProtocolError } from '../errors.ts';
import { leave, shortened, viewOf } from './endings.ts';
import { isHolder } from './cast.ts';
import { ceremonyOf, record, type CeremonyState, type CeremonyStep, type StepContext } from './events.ts';
import { complete, versionsOf } from './inbox.ts';
import { mayReturn } from './memory.ts';
import type { CeremonyMessageOf } from './messages.ts';

/** Somebody's signed `leave` of the running ceremony, for as long as that matters: not once all n `stored` are here. */
export function leaveSeen(context: StepContext, state: CeremonyState): CeremonyMessageOf<'leave'> | undefined {
  const ceremony = ceremonyOf(state);
  if (ceremony === undefined || state.phase.kind === 'done') return undefined;
  const { cast } = context;
  // Who only deals may go when its boxes are here: nobody needs it any more.
  const needed = cast.speakers.filter(
    (speaker) => isHolder(cast, speaker) || versionsOf(state.inbox, 'boxes', ceremony, speaker).length === 0,
  );
  return needed.flatMap((speaker) => versionsOf(state.inbox, 'leave', ceremony, speaker))[0];
}

/** Follows somebody's `leave`: to the next hello if that member only began anew, else out of this run. */
export function follow(context: StepContext, state: CeremonyState, seen: CeremonyMessageOf<'leave'>): CeremonyStep {
  const { ceremony, code, reason, suspect } = seen.payload;
  const view = viewOf(context, state);
  const gone = leave(state, { ceremony, code, reason: shortened(`${seen.from.name} left: ${reason}`), suspect: null });
  if (code === 'restarted') return gone;
  const whom = suspect === null ? '' : ` and suspects ${suspect}`;
  const error = new ProtocolError('bad-ceremony-message', `${seen.from.name} stopped the ceremony${whom}: ${reason}`);
  return {
    state: { ...gone.state, phase: { kind: 'failed', error } },
    effects: [
      ...gone.effects,
      {
        kind: 'failed',
        error,
        view,
        blamed: isHolder(context.cast, seen.from)
          ? context.cast.speakers.filter(({ name }) => name === suspect)
          : [seen.from],
        isProved: false,
      },
    ],
  };
}

/** A ceremony that was parted from and that every member stored: its certificate is everybody's, so this member comes back (T35). */
export function comeBack(context: StepContext, state: CeremonyState): CeremonyStep | undefined {
  const ceremony = [...state.memory.parted].find((parted) => mayComeBack(context, state, parted));
  const certificate = ceremony === undefined ? undefined : state.held.get(ceremony);
  if (ceremony === undefined || certificate === undefined) return undefined;
  const left = leaveCurrent(state, `every member stored the ceremony ${ceremony}`);
  const back = record(left.state, { type: 'ceremony-returned', ceremony, isLive: state.live.has(ceremony) });
  return {
    state: { ...back.state, phase: { kind: 'stored', ceremony, certificate } },
    effects: [...left.effects, ...back.effects, { kind: 'load-share', transcript: certificate.transcript }],
  };
}

function mayComeBack(context: StepContext, state: CeremonyState, ceremony: string): boolean {
  const certificate = state.held.get(ceremony);
  if (certificate === undefined || !mayReturn(state.memory, ceremony, state.live.has(ceremony))) return false;
  const isOfIt = (message: CeremonyMessageOf<'stored'>): boolean =>
    message.payload.transcript === certificate.transcriptHash;
  const speakers = context.cast.charter.members;
  return complete({ speakers, inbox: state.inbox }, 'stored', ceremony, isOfIt) !== undefined;
}

function leaveCurrent(state: CeremonyState, reason: string): CeremonyStep {
  const ceremony = ceremonyOf(state);
  if (ceremony === undefined) return { state, effects: [] };
  return leave(state, { ceremony, code: 'restarted', reason: shortened(reason), suspect: null });
}
