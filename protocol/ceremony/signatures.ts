/** What makes a key of a ceremony: every member's signed transcript, then every member's word that it stored the certificate. */
import { buildCertificate, type Certificate } from './certificate.ts';
import { fail } from './endings.ts';
import type { CeremonyContext, CeremonyState, CeremonyStep } from './events.ts';
import { complete } from './inbox.ts';
import type { CeremonyPayload } from './messages.ts';
import { channelKeysOf, transcriptHash, verifyShareProofs, type Transcript } from './transcript.ts';

export function signTranscript(
  state: CeremonyState,
  transcript: Transcript,
  proofs: CeremonyPayload<'transcript'>['proofs'],
): CeremonyStep {
  const { ceremony } = transcript;
  const hash = transcriptHash(transcript);
  return {
    state: { ...state, phase: { kind: 'transcript', ceremony, transcript } },
    effects: [
      // From the moment this is on disk the ceremony can no longer be aborted by us, so nothing may be sent before.
      { kind: 'record', entry: { type: 'ceremony-signed', ceremony, transcript: hash } },
      { kind: 'send', message: { kind: 'transcript', payload: { ceremony, transcript: hash, proofs } } },
    ],
  };
}

export function certify(
  context: CeremonyContext,
  state: CeremonyState,
  phase: { readonly ceremony: string; readonly transcript: Transcript },
): CeremonyStep | undefined {
  const { ceremony, transcript } = phase;
  const own = transcriptHash(transcript);
  const split = [...state.inbox.transcript.values()].find(
    (message) => message.payload.ceremony === ceremony && message.payload.transcript !== own,
  );
  if (split !== undefined) {
    const what = `${split.from.name} saw another transcript of this ceremony: somebody sent different messages to different members`;
    return fail(state, ceremony, 'conflict', 'conflict', what, null, [split.envelope]);
  }
  const signatures = complete(context, state, 'transcript', ceremony);
  if (signatures === undefined) return undefined;
  const channels = channelKeysOf(context.group, context.charter, transcript);
  for (const { from, payload, envelope } of signatures) {
    const problem = verifyShareProofs(context.group, context.charter, transcript, channels, from, payload.proofs);
    if (problem !== undefined) {
      return fail(state, ceremony, 'fault', 'bad-ceremony-message', `${from.name}: ${problem}`, from.name, [envelope]);
    }
  }
  const certificate = buildCertificate(
    transcript,
    signatures.map((message) => message.envelope),
  );
  return {
    state: { ...state, phase: { kind: 'certifying', ceremony, certificate } },
    effects: [{ kind: 'store-certificate', ceremony, certificate }],
  };
}

export function finish(
  context: CeremonyContext,
  state: CeremonyState,
  phase: { readonly ceremony: string; readonly certificate: Certificate },
): CeremonyStep | undefined {
  const { ceremony, certificate } = phase;
  for (const message of state.inbox.stored.values()) {
    if (message.payload.ceremony === ceremony && message.payload.certificate !== certificate.hash) {
      return fail(
        state,
        ceremony,
        'conflict',
        'conflict',
        `${message.from.name} stored another certificate of this ceremony`,
        null,
        [message.envelope],
      );
    }
  }
  const stored = complete(context, state, 'stored', ceremony);
  if (stored === undefined) return undefined;
  return {
    state: { ...state, phase: { kind: 'done', ceremony, certificate } },
    effects: [{ kind: 'done', certificate, stored: stored.map((message) => message.envelope) }],
  };
}
