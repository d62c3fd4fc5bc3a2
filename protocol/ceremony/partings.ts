/** What a member does about others who leave, and about a ceremony that it parted from and that every member stored (T35). */
import { ProtocolError } from '../errors.ts';
import { leave, shortened, viewOf } from './endings.ts';
import { ceremonyOf, record, type CeremonyContext, type CeremonyState, type CeremonyStep } from './events.ts';
import { sayHello } from './hellos.ts';
import { complete, versionsOf } from './inbox.ts';
import { mayReturn } from './memory.ts';
import type { CeremonyMessageOf } from './messages.ts';

/** Somebody's signed `leave` of the running ceremony, for as long as that matters: not once all n `stored` are here. */
export function leaveSeen(context: CeremonyContext, state: CeremonyState): CeremonyMessageOf<'leave'> | undefined {
  const ceremony = ceremonyOf(state);
  if (ceremony === undefined || state.phase.kind === 'done') return undefined;
  return context.charter.members.flatMap((member) => versionsOf(state.inbox, 'leave', ceremony, member))[0];
}

/** Follows somebody's `leave`: into the next ceremony if that member only began anew, else out of this run. */
export function follow(context: CeremonyContext, state: CeremonyState, seen: CeremonyMessageOf<'leave'>): CeremonyStep {
  const { ceremony, code, reason, suspect } = seen.payload;
  const view = viewOf(context, state);
  const gone = leave(state, { ceremony, code, reason: shortened(`${seen.from.name} left: ${reason}`), suspect: null });
  if (code === 'restarted') return sayHello(context, gone);
  const whom = suspect === null ? '' : ` and suspects ${suspect}`;
  const error = new ProtocolError('bad-ceremony-message', `${seen.from.name} stopped the ceremony${whom}: ${reason}`);
  return {
    state: { ...gone.state, phase: { kind: 'failed', error } },
    effects: [...gone.effects, { kind: 'failed', error, view }],
  };
}

/** A ceremony that was parted from and that every member stored: its certificate is everybody's, so this member comes back (T35). */
export function comeBack(context: CeremonyContext, state: CeremonyState): CeremonyStep | undefined {
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

function mayComeBack(context: CeremonyContext, state: CeremonyState, ceremony: string): boolean {
  const certificate = state.held.get(ceremony);
  if (certificate === undefined || !mayReturn(state.memory, ceremony, state.live.has(ceremony))) return false;
  const isOfIt = (message: CeremonyMessageOf<'stored'>): boolean =>
    message.payload.transcript === certificate.transcriptHash;
  const { charter } = context;
  return complete({ charter, inbox: state.inbox }, 'stored', ceremony, isOfIt) !== undefined;
}

function leaveCurrent(state: CeremonyState, reason: string): CeremonyStep {
  const ceremony = ceremonyOf(state);
  if (ceremony === undefined) return { state, effects: [] };
  return leave(state, { ceremony, code: 'restarted', reason: shortened(reason), suspect: null });
}
