/** What a session is about, stage by stage, and from signed commitments to what RFC 9591 calls the signing package of one message. */
import type { AttemptSubject, SignedCommitment } from './attempt.ts';
import type { Stage } from '../wire/schema.ts';
import { hexToBytes, sha256Hex } from '../wire/bytes.ts';
import type { ChannelKey } from '../ceremony/transcript.ts';
import { areFirstSignatures, followRequest, type PreparedRequest } from '../formats/index.ts';
import type { Epoch } from '../ceremony/epoch.ts';
import type { Request } from '../request/request.ts';
import type { AttemptInput } from '../frost/sign.ts';
import { at } from '../wire/present.ts';

/** The input of the FROST session over the message at `index`. */
export function sessionInput(
  channel: ChannelKey,
  message: Uint8Array,
  commitments: readonly SignedCommitment[],
  index: number,
): AttemptInput {
  return {
    key: channel.point,
    sharings: channel.sharings,
    publicShares: channel.publicShares,
    message,
    commitments: commitments.map(({ member, payload }) => {
      const { hiding, binding } = at(payload.commitments, index);
      return { identifier: member.identifier, hiding: hexToBytes(hiding), binding: hexToBytes(binding) };
    }),
  };
}

/** What stage 1 of a request is about, by the bytes that follow from it. */
export function firstSubject(
  epoch: Epoch,
  { digest, payload }: Request,
  { messages }: PreparedRequest,
): AttemptSubject {
  return {
    epoch: epoch.hash,
    channelKey: epoch.channel(payload.channel).key,
    requestDigest: digest,
    stage: 1,
    messages: messages.map((message) => sha256Hex(message)),
  };
}

/** What every stage of one request builds on. */
export interface StageGround {
  /** Of stage 1. */
  readonly subject: AttemptSubject;
  readonly prepared: PreparedRequest;
  /** The channel's key, 32 bytes. */
  readonly key: Uint8Array;
}

/** What is signed at one stage. */
export interface StageSubject {
  readonly subject: AttemptSubject;
  readonly messages: readonly Uint8Array[];
  /** Whether what it builds on is signed: always at stage 1. */
  readonly isFounded: boolean;
}

/** Stage 2's messages follow from stage 1's signatures (64 bytes each), which count only over the stage 1 messages of this very request (T37). */
export function stageSubject(
  { subject, prepared, key }: StageGround,
  stage: Stage,
  earlier: readonly Uint8Array[],
): StageSubject {
  if (stage === 1) return { subject, messages: prepared.messages, isFounded: earlier.length === 0 };
  // Of too few signatures, or too many, nothing follows.
  const isWhole = earlier.length === prepared.messages.length;
  const messages = isWhole ? followRequest(prepared, earlier).map(({ message }) => message) : [];
  return {
    subject: { ...subject, stage, messages: messages.map((message) => sha256Hex(message)) },
    messages,
    isFounded: areFirstSignatures(prepared, key, earlier),
  };
}
