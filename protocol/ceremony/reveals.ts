/** Commitments and reveals: nobody sees what another deals before its own dealing is fixed (T15). */
import { hexToBytes } from '../wire/bytes.ts';
import { commonSharings, verifyReveal, type PublicDealing } from './dealing.ts';
import { fail } from './endings.ts';
import { originIn, type CeremonyContext, type CeremonyState, type CeremonyStep } from './events.ts';
import { complete } from './inbox.ts';
import type { CeremonyMessageOf, CeremonyPayload } from './messages.ts';
import { transcriptOf } from './transcript.ts';

/** Sends the own commitments and proofs once the hashes of all members are here; `undefined` before. */
export function revealSecrets(
  { charter }: CeremonyContext,
  state: CeremonyState,
  phase: { readonly ceremony: string; readonly own: CeremonyPayload<'reveal'> },
): CeremonyStep | undefined {
  const { inbox } = state;
  if (complete({ charter, inbox }, 'commit', phase.ceremony) === undefined) return undefined;
  return {
    state: { ...state, phase: { kind: 'reveal', ceremony: phase.ceremony } },
    effects: [{ kind: 'send', message: { kind: 'reveal', payload: phase.own } }],
  };
}

/**
 * Checks what all members revealed, by their hashes and their proofs, and has the boxes sealed. `undefined` while one is missing; a wrong one
 * ends the ceremony.
 */
export function checkReveals(
  context: CeremonyContext,
  state: CeremonyState,
  ceremony: string,
): CeremonyStep | undefined {
  const said = { charter: context.charter, inbox: state.inbox };
  const commits = complete(said, 'commit', ceremony);
  const reveals = complete(said, 'reveal', ceremony);
  if (commits === undefined || reveals === undefined) return undefined;
  const ground = { ...context, origin: originIn(context) };
  const dealings = new Map<number, readonly PublicDealing[]>();
  for (const [index, reveal] of reveals.entries()) {
    if (commits[index]?.payload.reveal !== reveal.hash)
      return failAt(context, state, `${reveal.from.name} revealed something else than it had committed to`);
    const verified = verifyReveal(ground, reveal.from, reveal.payload);
    if (typeof verified === 'string') return failAt(context, state, `${reveal.from.name}: ${verified}`);
    dealings.set(reveal.from.identifier, verified);
  }
  const draft = transcriptOf(context.arithmetic, context.charter, {
    ...context,
    ceremony,
    dealings,
    messages: [],
  });
  if (typeof draft === 'string') return failAt(context, state, draft);
  return {
    state: { ...state, phase: { kind: 'sealing', ceremony, dealings, draft } },
    effects: [{ kind: 'seal', ceremony, receivers: receiversAmong(context, reveals) }],
  };
}

function failAt(context: CeremonyContext, state: CeremonyState, reason: string): CeremonyStep {
  return fail(context, state, { code: 'bad-ceremony-message', leave: 'fault', reason });
}

/** Everybody with whom this member shares a sharing that is dealt, with the key to seal to. */
function receiversAmong(context: CeremonyContext, reveals: readonly CeremonyMessageOf<'reveal'>[]) {
  return reveals.flatMap(({ from, payload }) => {
    const places =
      from.identifier === context.self.identifier
        ? []
        : commonSharings(context.charter, context.self, from, originIn(context));
    return places.length === 0 ? [] : [{ to: from, key: hexToBytes(payload.encryptionKey), places }];
  });
}
