/** Commitments and reveals: nobody sees what another deals before its own dealing is fixed (T15). */
import { hexToBytes } from '../wire/bytes.ts';
import { commonSharings, verifyReveal, type PublicDealing } from './dealing.ts';
import { fail } from './endings.ts';
import { originIn, type CeremonyContext, type CeremonyState, type CeremonyStep } from './events.ts';
import { complete, hellosOf } from './inbox.ts';
import type { CeremonyPayload } from './messages.ts';
import { transcriptOf } from './transcript.ts';

export function revealSecrets(
  context: CeremonyContext,
  state: CeremonyState,
  phase: { readonly ceremony: string; readonly own: CeremonyPayload<'reveal'> },
): CeremonyStep | undefined {
  if (complete(context, state, 'commit', phase.ceremony) === undefined) return undefined;
  return {
    state: { ...state, phase: { kind: 'reveal', ceremony: phase.ceremony } },
    effects: [{ kind: 'send', message: { kind: 'reveal', payload: phase.own } }],
  };
}

export function checkReveals(
  context: CeremonyContext,
  state: CeremonyState,
  ceremony: string,
): CeremonyStep | undefined {
  const commits = complete(context, state, 'commit', ceremony);
  const reveals = complete(context, state, 'reveal', ceremony);
  if (commits === undefined || reveals === undefined) return undefined;
  const dealings = new Map<number, readonly PublicDealing[]>();
  for (const [index, reveal] of reveals.entries()) {
    const commit = commits[index];
    const proof = commit === undefined ? [] : [commit.envelope, reveal.envelope];
    if (commit?.payload.reveal !== reveal.hash) {
      return fail(
        state,
        ceremony,
        'fault',
        'bad-ceremony-message',
        `${reveal.from.name} revealed something else than it had committed to`,
        reveal.from.name,
        proof,
      );
    }
    const verified = verifyReveal(context.group, context.charter, reveal.from, reveal.payload, originIn(context));
    if (typeof verified === 'string') {
      return fail(
        state,
        ceremony,
        'fault',
        'bad-ceremony-message',
        `${reveal.from.name}: ${verified}`,
        reveal.from.name,
        [...proof, ...hellosOf(context, state).map(({ envelope }) => envelope)],
      );
    }
    dealings.set(reveal.from.identifier, verified);
  }
  const transcript = transcriptOf(context.group, context.charter, { ...context, ceremony, dealings, messages: [] });
  if (typeof transcript === 'string')
    return fail(state, ceremony, 'suspicion', 'bad-ceremony-message', transcript, null, []);
  const receivers = reveals.flatMap(({ from, payload }) => {
    const places =
      from.identifier === context.self.identifier
        ? []
        : commonSharings(context.charter, context.self, from, originIn(context));
    return places.length === 0 ? [] : [{ to: from, key: hexToBytes(payload.encryptionKey), places }];
  });
  return {
    state: { ...state, phase: { kind: 'sealing', ceremony, dealings } },
    effects: [{ kind: 'seal', ceremony, receivers }],
  };
}
