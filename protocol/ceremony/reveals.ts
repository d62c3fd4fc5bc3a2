/** Commitments and reveals: nobody sees what another deals before its own dealing is fixed (T15). */
import { hexToBytes } from '../wire/bytes.ts';
import { dealtTo } from './cast.ts';
import type { PublicDealing } from './dealing.ts';
import { verifyReveal } from './dealt.ts';
import { fail } from './endings.ts';
import type { CeremonyState, CeremonyStep, StepContext } from './events.ts';
import { complete } from './inbox.ts';
import type { CeremonyMessageOf, CeremonyPayload } from './messages.ts';
import { transcriptOf } from './summed.ts';

/** Sends the own commitments and proofs once the hashes of all members are here; `undefined` before. */
export function revealSecrets(
  { cast }: StepContext,
  state: CeremonyState,
  phase: { readonly ceremony: string; readonly own: CeremonyPayload<'reveal'> },
): CeremonyStep | undefined {
  const { inbox } = state;
  if (complete({ ...cast, inbox }, 'commit', phase.ceremony) === undefined) return undefined;
  return {
    state: { ...state, phase: { kind: 'reveal', ceremony: phase.ceremony } },
    effects: [{ kind: 'send', message: { kind: 'reveal', payload: phase.own } }],
  };
}

/**
 * Checks what all members revealed, by their hashes and their proofs, and has the boxes sealed. `undefined` while one is missing; a wrong one
 * ends the ceremony.
 */
export function checkReveals(context: StepContext, state: CeremonyState, ceremony: string): CeremonyStep | undefined {
  const { cast } = context;
  const said = { ...cast, inbox: state.inbox };
  const commits = complete(said, 'commit', ceremony);
  const reveals = complete(said, 'reveal', ceremony);
  if (commits === undefined || reveals === undefined) return undefined;
  const dealings = new Map<string, readonly PublicDealing[]>();
  for (const [index, reveal] of reveals.entries()) {
    if (commits[index]?.payload.reveal !== reveal.hash)
      return failAt(context, state, `${reveal.from.name} revealed something else than it had committed to`);
    const verified = verifyReveal(context, reveal.from, reveal.payload);
    if (typeof verified === 'string') return failAt(context, state, `${reveal.from.name}: ${verified}`);
    dealings.set(reveal.from.key, verified);
  }
  const draft = transcriptOf(context.arithmetic, cast, { ceremony, dealings, messages: [] });
  if (typeof draft === 'string') return failAt(context, state, draft);
  return {
    state: { ...state, phase: { kind: 'sealing', ceremony, dealings, draft } },
    effects: [{ kind: 'seal', ceremony, receivers: receiversAmong(context, reveals) }],
  };
}

function failAt(context: StepContext, state: CeremonyState, reason: string): CeremonyStep {
  return fail(context, state, { code: 'bad-ceremony-message', leave: 'fault', reason });
}

/** Everybody else that gets a share which this member deals, with the key to seal to. */
function receiversAmong({ cast, self }: StepContext, reveals: readonly CeremonyMessageOf<'reveal'>[]) {
  return reveals.flatMap(({ from, payload }) => {
    const places = from.key === self.key ? [] : dealtTo(cast, self, from);
    return places.length === 0 ? [] : [{ to: from, key: hexToBytes(payload.encryptionKey), places }];
  });
}
