/** What makes a key of a ceremony: every member's signed transcript, then every member's word that it stored a certificate of it. */
import { buildCertificate, type Certificate } from './certificate.ts';
import { fail } from './endings.ts';
import { record, type CeremonyState, type CeremonyStep, type StepContext } from './events.ts';
import { complete, versionsOf } from './inbox.ts';
import type { SignedTranscript } from './memory.ts';
import type { CeremonyMessageOf } from './messages.ts';
import { channelKeysOf, transcriptHash, verifyShareProofs, type Transcript } from './transcript.ts';

/** The share is on disk: signs its transcript. */
export function signTranscript(state: CeremonyState, signed: SignedTranscript): CeremonyStep {
  const { ceremony, transcript } = signed;
  const { proofs } = signed;
  const written = record(state, { type: 'ceremony-signed', ceremony, transcript, proofs });
  return sayTranscript({ ...written.state, phase: { kind: 'transcript', ceremony, transcript } }, signed, written);
}

/** Says a signature, for the first time or again word for word. */
export function sayTranscript(
  state: CeremonyState,
  { ceremony, transcript, proofs }: SignedTranscript,
  written: Pick<CeremonyStep, 'effects'> = { effects: [] },
): CeremonyStep {
  const payload = { ceremony, transcript: transcriptHash(transcript), proofs };
  // With the proofs on disk it can be said again word for word: two versions would look like a fault.
  return { state, effects: [...written.effects, { kind: 'send', message: { kind: 'transcript', payload } }] };
}

/** A certificate is any set of n valid signatures and share proofs over one transcript. */
export function certify(
  context: StepContext,
  state: CeremonyState,
  phase: { readonly ceremony: string; readonly transcript: Transcript },
): CeremonyStep | undefined {
  const {
    arithmetic,
    cast: { charter },
  } = context;
  const { ceremony, transcript } = phase;
  const own = transcriptHash(transcript);
  const isOther = ({ payload }: CeremonyMessageOf<'transcript'>): boolean => payload.transcript !== own;
  const other = charter.members.find((member) => versionsOf(state.inbox, 'transcript', ceremony, member).some(isOther));
  if (other !== undefined) {
    const reason = `${other.name}'s word differs from mine: somebody sent different messages to different members; compare your evidence files: frostmark evidence verify FILE...`;
    return fail(context, state, { code: 'conflict', leave: 'conflict', reason });
  }
  const signatures = complete({ speakers: charter.members, inbox: state.inbox }, 'transcript', ceremony);
  if (signatures === undefined) return undefined;
  const channels = channelKeysOf(arithmetic, charter, transcript);
  for (const { from, payload } of signatures) {
    const problem = verifyShareProofs({ arithmetic, charter, hash: own, channels }, from, payload.proofs);
    if (problem !== undefined)
      return fail(context, state, {
        code: 'bad-ceremony-message',
        leave: 'fault',
        reason: `${from.name}: ${problem}`,
      });
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

/** A certificate is on disk: says so. */
export function sayStored(state: CeremonyState, certificate: Certificate): CeremonyStep {
  const { ceremony, transcriptHash: transcript } = certificate;
  const written = record(state, { type: 'ceremony-stored', ceremony });
  const held = new Map(state.held).set(ceremony, certificate);
  return {
    state: { ...written.state, held, phase: { kind: 'stored', ceremony, certificate } },
    effects: [...written.effects, { kind: 'send', message: { kind: 'stored', payload: { ceremony, transcript } } }],
  };
}

/** With every member's word that it stored a certificate of this transcript there is a candidate. */
export function finish(
  { cast: { charter } }: StepContext,
  state: CeremonyState,
  { ceremony, certificate }: { readonly ceremony: string; readonly certificate: Certificate },
): CeremonyStep | undefined {
  const isOfIt = ({ payload }: CeremonyMessageOf<'stored'>): boolean =>
    payload.transcript === certificate.transcriptHash;
  const stored = complete({ speakers: charter.members, inbox: state.inbox }, 'stored', ceremony, isOfIt);
  if (stored === undefined) return undefined;
  return {
    state: { ...state, phase: { kind: 'done', ceremony, certificate } },
    effects: [{ kind: 'done', certificate, stored: stored.map((message) => message.envelope) }],
  };
}
