/** The end of an old epoch, in this order on disk: the next is live, the old is retired, its share is erased. */
import type { ProtocolError } from '../errors.ts';
import { leave } from '../ceremony/endings.ts';
import { ceremonyOf } from '../ceremony/events.ts';
import { mayReturn, type CeremonyRecord } from '../ceremony/memory.ts';
import { present } from '../wire/present.ts';
import type { SuccessionContext, SuccessionEffect, SuccessionState, SuccessionStep } from './events.ts';
import { successionRemembered, type SuccessionRecord } from './memory.ts';
import { farewellTo, type Successor } from './retire.ts';
import { andThen, within } from './within.ts';

/** Ends the old epoch for this member if the successor proves that it has ended, whatever succession this member takes part in. */
export function endEpoch(context: SuccessionContext, state: SuccessionState, successor: Successor): SuccessionStep {
  const { ground, self } = context;
  const { memory, ceremony } = state;
  const { live } = memory;
  if (live !== undefined)
    return live.epoch === successor.epoch.hash ? nothing(state) : refused(state, forkReason(live.epoch));
  const home = { key: self.key, epoch: ground.from.hash, memory, held: ceremony.held };
  const farewell = farewellTo(home, successor);
  switch (farewell.kind) {
    case 'stranger':
    case 'lost':
    case 'unknown':
      return refused(state, farewell.reason);
    case 'bystander':
      return goLive(context, leaveOther(context, state, undefined), successor);
    case 'heir':
      return inherit(context, state, successor);
  }
}

function forkReason(epoch: string): string {
  return `the epoch ${epoch} follows on the same one: the group has forked, and both are evidence`;
}

const boundReason =
  'this member gave a share under another key for the same epoch: both cannot live, so more have lied than a group withstands';

/** An heir that went from the ceremony of the key that lives comes back to it first. */
function inherit(context: SuccessionContext, state: SuccessionState, successor: Successor): SuccessionStep {
  const { ceremony } = successor.epoch.certificate;
  const left = leaveOther(context, state, ceremony);
  const { memory, held } = left.state.ceremony;
  if (memory.current === ceremony) return goLive(context, left, successor);
  // It gave a share under another key: then no honest member gave one under this.
  if (!mayReturn(memory, ceremony, true)) return andThen(left, (next) => refused(next, boundReason));
  const certificate = present(held.get(ceremony), 'the certificate of the key that lives');
  const back = andThen(left, (next) => returned(context, next, ceremony));
  const loaded: SuccessionStep = {
    state: back.state,
    effects: [...back.effects, { kind: 'load-share', transcript: certificate.transcript }],
  };
  return goLive(context, loaded, successor);
}

function returned(context: SuccessionContext, state: SuccessionState, ceremony: string): SuccessionStep {
  const step: CeremonyRecord = { type: 'ceremony-returned', ceremony, isLive: true };
  const written = write(state, { type: 'succession-step', from: context.ground.from.hash, step });
  const { ceremonies } = written.state.memory;
  return { ...written, state: { ...written.state, ceremony: { ...written.state.ceremony, memory: ceremonies } } };
}

function leaveOther(context: SuccessionContext, state: SuccessionState, ceremony: string | undefined): SuccessionStep {
  const current = ceremonyOf(state.ceremony) ?? state.ceremony.memory.current;
  if (current === undefined || current === ceremony || state.ceremony.memory.current !== current) return nothing(state);
  const reason = 'the old epoch has ended';
  return within(context, state, (_, inside) =>
    leave(inside, { ceremony: current, code: 'restarted', reason, suspect: null }),
  );
}

/** `live` is the switch: from here on this member answers under the new epoch alone. */
function goLive(context: SuccessionContext, step: SuccessionStep, { epoch, genesis }: Successor): SuccessionStep {
  const from = context.ground.from.hash;
  const entry: SuccessionRecord = { type: 'live', from, epoch: epoch.hash, genesis, number: epoch.number };
  return andThen(
    andThen(step, (state) => write(state, entry)),
    (state) => goOnEnding(context, state),
  );
}

/** What is left to do of the end of an epoch, after a restart, too. */
export function goOnEnding({ ground }: SuccessionContext, state: SuccessionState): SuccessionStep {
  const { live, isRetired, isErased } = state.memory;
  if (live === undefined) return nothing(state);
  const from = ground.from.hash;
  // The word of it may have been lost on its way.
  if (isErased) return { state, effects: [attestation(from, live.genesis)] };
  const retired = isRetired ? nothing(state) : write(state, { type: 'retired', from });
  // On disk first: an old share that is half overwritten is never looked for again.
  return { state: retired.state, effects: [...retired.effects, { kind: 'erase', epoch: from }] };
}

/** The old share is overwritten: on disk first, then said. */
export function shareErased({ ground }: SuccessionContext, state: SuccessionState): SuccessionStep {
  const { live, isRetired, isErased } = state.memory;
  if (live === undefined || !isRetired || isErased) return nothing(state);
  const from = ground.from.hash;
  const erased = write(state, { type: 'erased', from });
  return { state: erased.state, effects: [...erased.effects, attestation(from, live.genesis)] };
}

function attestation(epoch: string, genesis: string): SuccessionEffect {
  return { kind: 'attest', epoch, genesis };
}

function refused(state: SuccessionState, reason: string): SuccessionStep {
  return { state, effects: [{ kind: 'farewell-refused', reason }] };
}

function nothing(state: SuccessionState): SuccessionStep {
  return { state, effects: [] };
}

/** The state that remembers one more record, and the effect that puts it on disk. */
export function write(state: SuccessionState, entry: SuccessionRecord): SuccessionStep {
  return {
    state: { ...state, memory: successionRemembered(state.memory, entry) },
    effects: [{ kind: 'record', entry }],
  };
}

/** The end of a run with a reason; what was begun stays as it is on disk. */
export function failed(state: SuccessionState, error: ProtocolError): SuccessionStep {
  return {
    state: { ...state, ceremony: { ...state.ceremony, phase: { kind: 'failed', error } } },
    effects: [{ kind: 'failed', error, view: undefined }],
  };
}
