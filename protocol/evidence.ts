/**
 * Evidence: a file with which anybody, offline, can judge that a member misbehaved. Everything in it is signed by those it speaks of,
 * so nobody can frame an honest member; silence and boxes that do not open are never in it.
 */
import { printableJson } from '../verifier/printable.ts';
import { decodeBase64, encodeBase64 } from '../verifier/base64.ts';
import { decodeCanonicalJson, encodeCanonicalJson } from '../verifier/json.ts';
import { attemptId, isCommitmentFor, openCommitment, openShare, type SignedShare } from './signing/attempt.ts';
import { bytesToHex, hexToBytes, sha256Hex } from './wire/bytes.ts';
import { judgeViews, type CeremonyView } from './ceremony/judge.ts';
import type { SuccessionGround } from './succession/cast.ts';
import { decodeSuccession } from './succession/document.ts';
import { judgeSuccession, type SuccessionView } from './succession/judge.ts';
import { openSuccessionMessage } from './succession/messages.ts';
import { openCeremonyMessage } from './ceremony/messages.ts';
import { respelledTranscript, transcriptSchema } from './ceremony/transcript.ts';
import { decodeCertificate } from './ceremony/certificate.ts';
import { openEpoch, type Epoch } from './ceremony/epoch.ts';
import { decodeCharter, type Charter, type Member } from './files/charter.ts';
import { refuseAs, type Envelope } from './wire/envelope.ts';
import { ProtocolError } from './errors.ts';
import { prepareRequest } from './formats/index.ts';
import type { Group } from './frost/group.ts';
import { decodeShare, prepareAttempt, verifyShare, type Attempt } from './frost/sign.ts';
import {
  maxDocuments,
  maxEvidenceBytes,
  maxEvidenceMessages,
  maxJsonDepth,
  maxMembers,
  maxMessages,
  maxViewBytes,
} from './limits.ts';
import { firstSubject, sessionInput, stageSubject } from './signing/stage.ts';
import { openRequest } from './request/request.ts';
import { assertSchema, EnvelopeSchema, Hex, Nullable, Strict, Type, type Static } from './wire/schema.ts';
import { at } from './wire/present.ts';

const Base64 = Type.String({ pattern: '^[A-Za-z0-9+/]*={0,2}$' });

/** A signature share that does not fit the attempt it names. */
const wrongShareSchema = Strict({
  kind: Type.Literal('wrong-share'),
  charter: Base64,
  certificate: Base64,
  request: EnvelopeSchema,
  documents: Type.Array(Base64, { maxItems: maxDocuments }),
  /** The signatures of stage 1 that a share of stage 2 builds on, hex; absent at stage 1. */
  earlier: Type.Optional(Type.Array(Hex(64), { minItems: 1, maxItems: maxMessages })),
  commitments: Type.Array(EnvelopeSchema, { minItems: 1, maxItems: maxMembers }),
  share: EnvelopeSchema,
});

/** A signed nonce commitment that holds no valid points. */
const badCommitmentSchema = Strict({
  kind: Type.Literal('bad-commitment'),
  charter: Base64,
  commitment: EnvelopeSchema,
});

/** What one member saw of a ceremony: at most one hello of each member, everything else that was said in it, and its own transcript. */
const ceremonySchema = Strict({
  kind: Type.Literal('ceremony'),
  charter: Base64,
  transcript: Nullable(transcriptSchema),
  messages: Type.Array(EnvelopeSchema, { maxItems: maxEvidenceMessages }),
});

/** The same of a ceremony in which a key is handed on: also what it is judged by, and how it was opened. */
const successionSchema = Strict({
  kind: Type.Literal('succession'),
  /** The epoch whose keys are handed on. */
  before: Strict({ charter: Base64, certificate: Base64 }),
  charter: Base64,
  /** The payload of the succession document. */
  document: Base64,
  transcript: Nullable(transcriptSchema),
  opening: Type.Array(EnvelopeSchema, { maxItems: maxEvidenceMessages }),
  messages: Type.Array(EnvelopeSchema, { maxItems: maxEvidenceMessages }),
});

const schemas = {
  'wrong-share': wrongShareSchema,
  'bad-commitment': badCommitmentSchema,
  ceremony: ceremonySchema,
  succession: successionSchema,
} as const;

/** What an evidence file says, before anybody has judged it. */
export type Evidence =
  | Static<typeof wrongShareSchema>
  | Static<typeof badCommitmentSchema>
  | Static<typeof ceremonySchema>
  | Static<typeof successionSchema>;

/** Bytes of an envelope besides its payload. */
const envelopeOverheadBytes = 300;

/** What an evidence file proves. */
export interface Verdict {
  readonly culprit: Member;
  /** What the culprit did, in words. */
  readonly deed: string;
  readonly group: string;
  /** SHA-256 of the charter, hex: compare it before believing who is who. */
  readonly charterHash: string;
  /** GROUP.pub line, when the evidence is about a round. */
  readonly groupLine: string | undefined;
  readonly requestDigest: string | undefined;
}

/** What proves that a signature share is wrong: everything that anybody needs to check it without the group. */
export interface WrongShare {
  readonly epoch: Epoch;
  readonly request: Envelope;
  readonly documents: readonly Uint8Array[];
  /** Signatures of stage 1, 64 bytes each, that a share of stage 2 rests on; else empty. */
  readonly earlier: readonly Uint8Array[];
  readonly commitments: readonly Envelope[];
  readonly share: Envelope;
}

/** The evidence of a wrong share, as a file holds it. */
export function wrongShareEvidence({ epoch, request, documents, earlier, commitments, share }: WrongShare): Evidence {
  return {
    kind: 'wrong-share',
    charter: encodeBase64(epoch.charter.bytes),
    certificate: encodeBase64(epoch.certificate.bytes),
    request,
    documents: documents.map(encodeBase64),
    ...(earlier.length === 0 ? {} : { earlier: earlier.map(bytesToHex) }),
    commitments: [...commitments],
    share,
  };
}

/** The evidence of a commitment whose points are none, as a file holds it. */
export function badCommitmentEvidence(charter: Charter, commitment: Envelope): Evidence {
  return {
    kind: 'bad-commitment',
    charter: encodeBase64(charter.bytes),
    commitment,
  };
}

/** What this member saw. Past the bound of a file the largest messages, the boxes, are left out. */
export function ceremonyEvidence({ charter, transcript, messages }: CeremonyView): Evidence {
  return {
    kind: 'ceremony',
    charter: encodeBase64(charter.bytes),
    transcript: transcript ?? null,
    messages: fitting(messages, maxViewBytes),
  };
}

/** As many envelopes as fit, the boxes last. */
function fitting(messages: CeremonyView['messages'], maxBytes: number): Envelope[] {
  const inOrder = [...messages].sort((a, b) => Number(a.kind === 'boxes') - Number(b.kind === 'boxes'));
  let bytes = 0;
  return inOrder
    .filter(({ envelope }) => (bytes += envelope.payload.length + envelopeOverheadBytes) <= maxBytes)
    .slice(0, maxEvidenceMessages)
    .map(({ envelope }) => envelope);
}

/** What this member saw of a succession, with all that it is judged by. */
export function successionEvidence({ from, charter, succession }: SuccessionGround, view: SuccessionView): Evidence {
  const { transcript, opening, messages } = view;
  const before = {
    charter: encodeBase64(from.charter.bytes),
    certificate: encodeBase64(from.certificate.bytes),
  };
  return {
    kind: 'succession',
    before,
    charter: encodeBase64(charter.bytes),
    document: encodeBase64(succession.bytes),
    transcript: transcript ?? null,
    opening: opening.slice(-maxEvidenceMessages).map(({ envelope }) => envelope),
    messages: fitting(messages, maxViewBytes - before.certificate.length - before.charter.length),
  };
}

/** The file, canonical JSON, and the SHA-256 that names it. */
export function encodeEvidence(evidence: Evidence): { readonly bytes: Uint8Array; readonly hash: string } {
  const bytes = encodeCanonicalJson(evidence);
  return { bytes, hash: sha256Hex(bytes) };
}

/** Judges a file offline: its first proof. Throws `ProtocolError('bad-evidence')` when it proves nothing against anybody. */
export function judgeEvidence(arithmetic: Group, bytes: Uint8Array): Verdict {
  const [verdict] = judgeTogether(arithmetic, [bytes]);
  if (verdict === undefined) throw new ProtocolError('bad-evidence', 'what was signed contradicts nothing');
  return verdict;
}

/**
 * Judges several files offline: each by itself, and what members saw of ceremonies of one charter together, which is how the liar of a split
 * view is found. Every proof, none if there is none. Throws `ProtocolError('bad-evidence')` for a file that is no evidence or is wrong.
 */
export function judgeTogether(arithmetic: Group, files: readonly Uint8Array[]): Verdict[] {
  const read = files.map(decodeEvidence);
  const views = read.filter((evidence) => evidence.kind === 'ceremony');
  const charters = [...new Set(views.map(({ charter }) => charter))];
  const successions = read.filter((evidence) => evidence.kind === 'succession');
  const documents = [...new Set(successions.map(({ document }) => document))];
  return refuseAs('bad-evidence', 'evidence', () => [
    ...read.flatMap((evidence) => judgeAlone(arithmetic, evidence)),
    ...charters.flatMap((charter) =>
      judgeCeremony(
        arithmetic,
        views.filter((view) => view.charter === charter),
      ),
    ),
    ...documents.flatMap((document) =>
      judgeSuccessionFiles(
        arithmetic,
        successions.filter((view) => view.document === document),
      ),
    ),
  ]);
}

function judgeAlone(arithmetic: Group, evidence: Evidence): Verdict[] {
  switch (evidence.kind) {
    case 'wrong-share':
      return [judgeShare(arithmetic, evidence)];
    case 'bad-commitment':
      return [judgeCommitment(arithmetic, evidence)];
    case 'ceremony':
    case 'succession':
      return [];
  }
}

function decodeEvidence(bytes: Uint8Array): Evidence {
  return readEvidence(
    refuseAs('bad-evidence', 'evidence', () =>
      decodeCanonicalJson(bytes, { maxBytes: maxEvidenceBytes, maxDepth: maxJsonDepth }),
    ),
  );
}

function readEvidence(value: unknown): Evidence {
  const kind = typeof value === 'object' && value !== null && 'kind' in value ? value.kind : null;
  const schema = Object.entries(schemas).find(([name]) => name === kind)?.[1];
  if (schema === undefined) {
    throw new ProtocolError('bad-evidence', `there is no evidence of kind ${printableJson(kind).slice(0, 40)}`);
  }
  assertSchema(schema, value, 'bad-evidence', 'evidence');
  return value as Evidence;
}

function judgeShare(arithmetic: Group, evidence: Static<typeof wrongShareSchema>): Verdict {
  const charter = decodeCharter(decodeBase64(evidence.charter));
  const epoch = openEpoch(arithmetic, charter, decodeCertificate(decodeBase64(evidence.certificate)));
  const request = openRequest(evidence.request);
  const prepared = prepareRequest({ epoch, request, documents: evidence.documents.map(decodeBase64) });
  const channel = epoch.channel(request.payload.channel);
  const share = openShare(evidence.share, charter);
  const ground = { subject: firstSubject(epoch, request, prepared), prepared, key: channel.point.bytes };
  const { subject, messages, isFounded } = stageSubject(
    ground,
    share.payload.stage,
    (evidence.earlier ?? []).map(hexToBytes),
  );
  if (!isFounded) throw new ProtocolError('bad-package', 'the share builds on signatures that do not verify');
  const commitments = evidence.commitments
    .map((envelope) => openCommitment(envelope, charter))
    .sort((a, b) => a.member.identifier - b.member.identifier);
  if (!commitments.every(({ payload }) => isCommitmentFor(payload, subject)))
    throw new ProtocolError('bad-package', 'a commitment is for something else');
  // The share names the attempt, and the attempt fixes everything it is judged by: nothing can be swapped under an honest one.
  if (share.payload.attempt !== attemptId(subject, commitments))
    throw new ProtocolError('bad-share', 'the share names another attempt');
  if (!commitments.some(({ member }) => member.identifier === share.member.identifier))
    throw new ProtocolError('bad-share', 'its sender is no signer');
  const sessions = messages.map((message, index) =>
    prepareAttempt(arithmetic, sessionInput(channel, message, commitments, index)),
  );
  if (isRightShare(sessions, share))
    throw new ProtocolError('bad-evidence', `the share of ${share.member.name} is right`);
  return {
    culprit: share.member,
    deed: 'signed a signature share that does not fit its attempt',
    group: charter.group,
    charterHash: charter.hash,
    groupLine: epoch.groupLine,
    requestDigest: request.digest,
  };
}

function isRightShare(sessions: readonly Attempt[], { member, payload }: SignedShare): boolean {
  return (
    payload.shares.length === sessions.length &&
    sessions.every((session, index) => {
      const scalar = decodeShare(hexToBytes(at(payload.shares, index)));
      return scalar !== undefined && verifyShare(session, member.identifier, scalar);
    })
  );
}

function judgeCommitment(arithmetic: Group, evidence: Static<typeof badCommitmentSchema>): Verdict {
  const charter = decodeCharter(decodeBase64(evidence.charter));
  const { member, payload } = openCommitment(evidence.commitment, charter);
  const points = payload.commitments.flatMap(({ hiding, binding }) => [hiding, binding]);
  if (points.every((point) => arithmetic.decodePoint(hexToBytes(point)) !== undefined)) {
    throw new ProtocolError('bad-evidence', `the commitment of ${member.name} holds valid points`);
  }
  return {
    culprit: member,
    deed: 'signed a nonce commitment that is no valid point',
    group: charter.group,
    charterHash: charter.hash,
    groupLine: undefined,
    requestDigest: payload.requestDigest,
  };
}

/** Views of one charter, judged together. Throws `ProtocolError('bad-evidence')` for what is no message of a member. */
function judgeCeremony(arithmetic: Group, files: readonly Static<typeof ceremonySchema>[]): Verdict[] {
  const views = files.map(viewIn);
  const [first] = views;
  if (first === undefined) return [];
  const { charter } = first;
  return judgeViews(arithmetic, charter, views).map(({ culprit, deed }) => ({
    culprit,
    deed,
    group: charter.group,
    charterHash: charter.hash,
    groupLine: undefined,
    requestDigest: undefined,
  }));
}

function viewIn({ charter: base64, transcript, messages }: Static<typeof ceremonySchema>): CeremonyView {
  const charter = decodeCharter(decodeBase64(base64));
  return {
    charter,
    transcript: transcript === null ? undefined : respelledTranscript(transcript),
    messages: messages.map((envelope) => openCeremonyMessage(envelope, charter)),
  };
}

/** Views of one succession, judged together. */
function judgeSuccessionFiles(arithmetic: Group, files: readonly Static<typeof successionSchema>[]): Verdict[] {
  const ground = groundOf(arithmetic, at(files, 0));
  const views = files.map((file) => successionViewIn(ground, file));
  return judgeSuccession(arithmetic, ground, views).map(({ culprit, deed }) => ({
    culprit,
    deed,
    group: ground.charter.group,
    charterHash: ground.charter.hash,
    groupLine: ground.from.groupLine,
    requestDigest: undefined,
  }));
}

/** What a succession is judged by: nothing in it can be exchanged, since the document names all of it and every begin names the document. */
function groundOf(arithmetic: Group, evidence: Static<typeof successionSchema>): SuccessionGround {
  const { before, charter: base64, document } = evidence;
  const old = decodeCharter(decodeBase64(before.charter));
  const from = openEpoch(arithmetic, old, decodeCertificate(decodeBase64(before.certificate)));
  const charter = decodeCharter(decodeBase64(base64));
  const succession = decodeSuccession(decodeBase64(document));
  const { payload } = succession;
  if (payload.epoch !== from.hash || payload.charter !== charter.hash)
    throw new ProtocolError('bad-evidence', 'the succession is of another epoch or charter than those beside it');
  return { from, charter, succession };
}

function successionViewIn(ground: SuccessionGround, evidence: Static<typeof successionSchema>): SuccessionView {
  const charters = { before: ground.from.charter, after: ground.charter };
  const { transcript, opening, messages } = evidence;
  const opened = [...opening, ...messages].map((envelope) => openSuccessionMessage(envelope, charters));
  return {
    charter: ground.charter,
    transcript: transcript === null ? undefined : respelledTranscript(transcript),
    opening: opened.filter((message) => message.kind === 'hello' || message.kind === 'begin'),
    messages: opened.filter((message) => message.kind !== 'hello' && message.kind !== 'begin'),
  };
}
