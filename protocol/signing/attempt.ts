/** One FROST session inside a round (RFC 9591, Section 5): the signed commitments, the attempt they name, the signed shares and the other answers. */
import { bytesToHex, hexToBytes, taggedHash, u32, utf8ToBytes } from '../wire/bytes.ts';
import { memberByKey, type Charter, type Member } from '../files/charter.ts';
import { defineMessage, openMessage, type Envelope } from '../wire/envelope.ts';
import { ProtocolError } from '../errors.ts';
import { maxMessages } from '../limits.ts';
import { Hash, Hex, Key, Nullable, StageNumber, Strict, Type, type Stage, type Static } from '../wire/schema.ts';

/** 16 bytes of randomness of one daemon run, then a counter: names a nonce pair list without saying where it lies. */
const Slot = Type.String({ pattern: '^[0-9a-f]{32}-[0-9]{1,12}$' });
const PairSchema = Strict({ hiding: Hex(32), binding: Hex(32) });

/** Commitments to nonces, for one stage of one request and good for one attempt (RFC 9591, Section 5.1). */
export const commitmentSchema = Strict({
  epoch: Hash,
  channelKey: Key,
  requestDigest: Hash,
  stage: StageNumber,
  slot: Slot,
  /** SHA-256 of each message at stage 1; null at stage 2, whose messages exist only later. */
  messages: Nullable(Type.Array(Hash, { minItems: 1, maxItems: maxMessages })),
  /** One nonce commitment pair for each message, in format order. */
  commitments: Type.Array(PairSchema, { minItems: 1, maxItems: maxMessages }),
});
/** What a member signs about its nonces. */
export type CommitmentPayload = Static<typeof commitmentSchema>;
/** A commitment, signed by the identity of its member. */
export const commitmentMessage = defineMessage('commitment', commitmentSchema, 'bad-commitment');

/** Signature shares of one attempt (RFC 9591, Section 5.2). */
export const shareSchema = Strict({
  epoch: Hash,
  channelKey: Key,
  requestDigest: Hash,
  stage: StageNumber,
  attempt: Hash,
  /** One signature share for each message, in format order. */
  shares: Type.Array(Hex(32), { minItems: 1, maxItems: maxMessages }),
});
/** What a member signs about its shares. */
export type SharePayload = Static<typeof shareSchema>;
/** Signature shares, signed by the identity of their member: a wrong one is proof against it. */
export const shareMessage = defineMessage('signature-share', shareSchema, 'bad-share');

/** Why a signer gave no share. */
export const declineCodes = [
  'no-approval',
  'expired',
  'not-allowed',
  'bad-package',
  'not-qualified',
  'own-commitment-changed',
  'asker-in-set',
  'commitment-used',
  'too-many',
] as const;
/** One of them. */
export type DeclineCode = (typeof declineCodes)[number];

/** What a signer says to an attempt for which it gives no share. */
export const answerSchema = Strict({
  epoch: Hash,
  requestDigest: Hash,
  stage: StageNumber,
  attempt: Hash,
  /** `lost`: the nonces are gone (a restart). `declined`: something was wrong, and `code` says what. */
  answer: Type.Union([Type.Literal('lost'), Type.Literal('declined')]),
  code: Nullable(Type.Unsafe<DeclineCode>(Type.Union(declineCodes.map((code) => Type.Literal(code))))),
});
/** What a member signs about an attempt it does not take part in. */
export type AnswerPayload = Static<typeof answerSchema>;
/** An answer, signed by the identity of its member. */
export const answerMessage = defineMessage('answer', answerSchema, 'bad-share');

/** A commitment with its sender, as it travels in a signing package. */
export interface SignedCommitment {
  readonly member: Member;
  readonly payload: CommitmentPayload;
  readonly envelope: Envelope;
}

/** Opens one member's commitment. Points stay undecoded; `prepareAttempt` decodes them once. Throws `ProtocolError`. */
export function openCommitment(envelope: unknown, charter: Charter): SignedCommitment {
  const opened = openMessage(commitmentMessage, envelope, (key) => memberByKey(charter, key) !== undefined);
  const { payload } = opened;
  if (payload.messages !== null && payload.messages.length !== payload.commitments.length) {
    throw new ProtocolError('bad-commitment', 'as many commitments as messages are needed');
  }
  return { member: senderOf(opened.from, charter), payload, envelope: opened.envelope };
}

/** The shares of one member with their sender. */
export interface SignedShare {
  readonly member: Member;
  readonly payload: SharePayload;
  readonly envelope: Envelope;
}

/** Opens the shares of one member; whether they are right is for `verifyShare`. Throws `ProtocolError` (`bad-share`, `bad-envelope`, `bad-signature`). */
export function openShare(envelope: unknown, charter: Charter): SignedShare {
  const opened = openMessage(shareMessage, envelope, (key) => memberByKey(charter, key) !== undefined);
  return { member: senderOf(opened.from, charter), payload: opened.payload, envelope: opened.envelope };
}

/** An answer with its sender. */
export interface SignedAnswer {
  readonly member: Member;
  readonly payload: AnswerPayload;
  readonly envelope: Envelope;
}

/** Opens the answer of one member. Throws `ProtocolError` (`bad-share`, `bad-envelope`, `bad-signature`). */
export function openAnswer(envelope: unknown, charter: Charter): SignedAnswer {
  const opened = openMessage(answerMessage, envelope, (key) => memberByKey(charter, key) !== undefined);
  return { member: senderOf(opened.from, charter), payload: opened.payload, envelope: opened.envelope };
}

function senderOf(key: string, charter: Charter): Member {
  const member = memberByKey(charter, key);
  if (member === undefined) throw new ProtocolError('not-a-member', `${key} is no member of ${charter.group}`);
  return member;
}

/** What an attempt is about; the same for every signer. */
export interface AttemptSubject {
  /** Certificate hash, hex. */
  readonly epoch: string;
  /** Channel key, base64url. */
  readonly channelKey: string;
  /** Hex. */
  readonly requestDigest: string;
  readonly stage: Stage;
  /** SHA-256 of each message, hex, in format order. */
  readonly messages: readonly string[];
}

/** Names an attempt, hex: a hash over all that its signers must agree on, commitments sorted by identifier. */
export function attemptId(subject: AttemptSubject, commitments: readonly SignedCommitment[]): string {
  const sorted = commitments.toSorted((a, b) => a.member.identifier - b.member.identifier);
  return bytesToHex(
    taggedHash(
      'attempt',
      hexToBytes(subject.epoch),
      utf8ToBytes(subject.channelKey),
      hexToBytes(subject.requestDigest),
      u32(subject.stage),
      u32(subject.messages.length),
      ...subject.messages.map(hexToBytes),
      ...sorted.flatMap(({ member, payload }) => [
        u32(member.identifier),
        ...payload.commitments.flatMap(({ hiding, binding }) => [hexToBytes(hiding), hexToBytes(binding)]),
      ]),
    ),
  );
}

/** True when a commitment is for exactly this subject; a stage 2 commitment names no messages. */
export function isCommitmentFor(payload: CommitmentPayload, subject: AttemptSubject): boolean {
  return (
    payload.epoch === subject.epoch &&
    payload.channelKey === subject.channelKey &&
    payload.requestDigest === subject.requestDigest &&
    payload.stage === subject.stage &&
    payload.commitments.length === subject.messages.length &&
    (subject.stage === 1
      ? payload.messages !== null && payload.messages.every((message, index) => message === subject.messages[index])
      : payload.messages === null)
  );
}
