/**
 * Evidence: a file with which anybody, offline, can judge that a member misbehaved. Everything in it is signed by those it speaks of,
 * so nobody can frame an honest member; silence and boxes that do not open are never in it.
 */
import { decodeBase64, encodeBase64 } from '../verifier/base64.ts';
import { decodeCanonicalJson, encodeCanonicalJson } from '../verifier/json.ts';
import {
  attemptId,
  isCommitmentFor,
  openCommitment,
  openShare,
  type AttemptSubject,
  type SignedShare,
} from './signing/attempt.ts';
import { bytesToHex, hexToBytes, sha256Hex } from './wire/bytes.ts';
import { ceremonyId, openCeremonyMessage, type CeremonyMessage } from './ceremony/messages.ts';
import { decodeCertificate } from './ceremony/certificate.ts';
import { openEpoch, type Epoch } from './ceremony/epoch.ts';
import { decodeCharter, type Charter, type Member } from './files/charter.ts';
import { verifyReveal } from './ceremony/dealing.ts';
import { refuseAs, type Envelope } from './wire/envelope.ts';
import { ProtocolError } from './errors.ts';
import { prepareRequest } from './formats/index.ts';
import { FrostError } from './frost/errors.ts';
import type { Group } from './frost/group.ts';
import { decodeShare, prepareAttempt, verifyShare, type Attempt } from './frost/sign.ts';
import {
  maxCertificateBytes,
  maxCharterBytes,
  maxDocumentBytes,
  maxDocuments,
  maxJsonDepth,
  maxMembers,
  maxMessages,
} from './limits.ts';
import { sessionInput, stageSubject } from './signing/stage.ts';
import { openRequest } from './request/request.ts';
import { assertSchema, EnvelopeSchema, Hex, Strict, Type, type Static } from './wire/schema.ts';
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

/** Two ceremony messages of one member that contradict the protocol or each other; behind a dealing, everybody's hello. */
const ceremonySchema = Strict({
  kind: Type.Literal('ceremony'),
  charter: Base64,
  messages: Type.Array(EnvelopeSchema, { minItems: 2, maxItems: 2 + maxMembers }),
});

const schemas = {
  'wrong-share': wrongShareSchema,
  'bad-commitment': badCommitmentSchema,
  ceremony: ceremonySchema,
} as const;

/** What an evidence file says, before anybody has judged it. */
export type Evidence =
  Static<typeof wrongShareSchema> | Static<typeof badCommitmentSchema> | Static<typeof ceremonySchema>;

/** Bytes of an evidence file: charter and certificate in base64, documents, and a commitment of every signer. */
export const maxEvidenceBytes =
  Math.ceil((maxCharterBytes + maxCertificateBytes + maxDocumentBytes) * 1.4) + 2 * 1024 * 1024;

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
  /** Signatures of stage 1, 64 bytes each, behind a share of stage 2; else empty. */
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

/** `messages` are what the ceremony's machine gives as evidence. */
export function ceremonyEvidence(charter: Charter, messages: readonly Envelope[]): Evidence {
  return {
    kind: 'ceremony',
    charter: encodeBase64(charter.bytes),
    messages: [...messages],
  };
}

/** The file, canonical JSON, and the SHA-256 that names it. */
export function encodeEvidence(evidence: Evidence): { readonly bytes: Uint8Array; readonly hash: string } {
  const bytes = encodeCanonicalJson(evidence);
  return { bytes, hash: sha256Hex(bytes) };
}

/** Judges a file offline. Throws `ProtocolError('bad-evidence')` when it proves nothing against anybody. */
export function judgeEvidence(group: Group, bytes: Uint8Array): Verdict {
  const value = refuseAs('bad-evidence', 'evidence', () =>
    decodeCanonicalJson(bytes, { maxBytes: maxEvidenceBytes, maxDepth: maxJsonDepth }),
  );
  const evidence = readEvidence(value);
  return refuseAs('bad-evidence', evidence.kind, () => {
    switch (evidence.kind) {
      case 'wrong-share':
        return judgeShare(group, evidence);
      case 'bad-commitment':
        return judgeCommitment(group, evidence);
      case 'ceremony':
        return judgeCeremony(group, evidence);
    }
  });
}

function readEvidence(value: unknown): Evidence {
  const kind = typeof value === 'object' && value !== null && 'kind' in value ? value.kind : null;
  const schema = Object.entries(schemas).find(([name]) => name === kind)?.[1];
  if (schema === undefined) {
    throw new ProtocolError('bad-evidence', `there is no evidence of kind ${JSON.stringify(kind).slice(0, 40)}`);
  }
  assertSchema(schema, value, 'bad-evidence', 'evidence');
  return value as Evidence;
}

function judgeShare(group: Group, evidence: Static<typeof wrongShareSchema>): Verdict {
  const charter = decodeCharter(decodeBase64(evidence.charter));
  const epoch = openEpoch(group, charter, decodeCertificate(decodeBase64(evidence.certificate)));
  const request = openRequest(evidence.request);
  const prepared = prepareRequest({ epoch, request, documents: evidence.documents.map(decodeBase64) });
  const channel = epoch.channel(request.payload.channel);
  const share = openShare(evidence.share, charter);
  const first: AttemptSubject = {
    certificate: epoch.certificateHash,
    channelKey: channel.key,
    requestDigest: request.digest,
    stage: 1,
    messages: prepared.messages.map((message) => sha256Hex(message)),
  };
  const ground = { subject: first, prepared, key: channel.point.bytes };
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
    prepareAttempt(group, sessionInput(channel, message, commitments, index)),
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

function judgeCommitment(group: Group, evidence: Static<typeof badCommitmentSchema>): Verdict {
  const charter = decodeCharter(decodeBase64(evidence.charter));
  const { member, payload } = openCommitment(evidence.commitment, charter);
  const points = payload.commitments.flatMap(({ hiding, binding }) => [hiding, binding]);
  if (points.every((point) => group.decodePoint(hexToBytes(point)) !== undefined)) {
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

function judgeCeremony(group: Group, evidence: Static<typeof ceremonySchema>): Verdict {
  const charter = decodeCharter(decodeBase64(evidence.charter));
  const [first, second, ...hellos] = evidence.messages.map((envelope) => openCeremonyMessage(envelope, charter));
  if (first === undefined || second === undefined || first.from.key !== second.from.key) {
    throw new ProtocolError('bad-evidence', 'the two messages are not of one member');
  }
  const deed = contradiction(first, second) ?? wrongDealing(group, charter, [first, second], hellos);
  if (deed === undefined)
    throw new ProtocolError('bad-evidence', `the messages of ${first.from.name} do not contradict each other`);
  return {
    culprit: first.from,
    deed,
    group: charter.group,
    charterHash: charter.hash,
    groupLine: undefined,
    requestDigest: undefined,
  };
}

/** What two messages of one member prove by themselves, whatever the charter says. */
function contradiction(first: CeremonyMessage, second: CeremonyMessage): string | undefined {
  if (first.kind === 'hello' || second.kind === 'hello' || first.payload.ceremony !== second.payload.ceremony)
    return undefined;
  if (first.kind === second.kind) {
    return first.kind === 'abort' || first.hash === second.hash
      ? undefined
      : `signed two different ${first.kind} messages for one ceremony`;
  }
  const kinds = new Map([first, second].map((message) => [message.kind, message]));
  if (kinds.has('abort') && (kinds.has('transcript') || kinds.has('stored')))
    return 'signed a transcript and aborted it';
  const [commit, reveal] = [kinds.get('commit'), kinds.get('reveal')];
  if (commit?.kind !== 'commit' || reveal?.kind !== 'reveal') return undefined;
  return commit.payload.reveal === reveal.hash ? undefined : 'revealed something else than it had committed to';
}

/** A dealing is judged by its charter, so all hellos must show that the ceremony was of this one: under another, right dealings look wrong. */
function wrongDealing(
  group: Group,
  charter: Charter,
  messages: readonly CeremonyMessage[],
  hellos: readonly CeremonyMessage[],
): string | undefined {
  const reveal = messages.find((message) => message.kind === 'reveal');
  if (reveal === undefined || reveal.payload.ceremony !== ceremonyOf(charter, hellos)) return undefined;
  const [hello] = hellos;
  const origin = hello?.kind === 'hello' && hello.payload.import !== null ? 'imported' : 'generated';
  const problem = refuseFrost(() => verifyReveal(group, charter, reveal.from, reveal.payload, origin));
  return typeof problem === 'string' ? `dealt wrongly: ${problem}` : undefined;
}

/** The id of the ceremony that these hellos, one of each member in order of identifiers, began under this charter. */
function ceremonyOf(charter: Charter, hellos: readonly CeremonyMessage[]): string | undefined {
  const payloads = hellos.flatMap((hello) => (hello.kind === 'hello' ? [hello.payload] : []));
  const [first] = payloads;
  if (first === undefined || payloads.length !== charter.members.length) return undefined;
  return ceremonyId(
    { charter: charter.hash, requesters: first.requesters, import: first.import },
    payloads.map(({ nonce }) => nonce),
  );
}

function refuseFrost<T>(judge: () => T): T | string {
  try {
    return judge();
  } catch (error) {
    if (error instanceof FrostError) return error.message;
    throw error;
  }
}
