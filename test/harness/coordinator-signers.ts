/** What members would send to a coordinator about one request, made without members or sockets: decisions, commitments, then shares. */
import {
  attemptId,
  commitmentMessage,
  openCommitment,
  openShare,
  shareMessage,
  type AttemptSubject,
  type SignedCommitment,
  type SignedShare,
} from '../../protocol/signing/attempt.ts';
import { bytesToHex, sha256Hex } from '../../protocol/wire/bytes.ts';
import { decisionMessage, openDecision, type Decision } from '../../protocol/signing/decision.ts';
import { type Envelope, sealMessage } from '../../protocol/wire/envelope.ts';
import { prepareRequest } from '../../protocol/formats/index.ts';
import { commit, encodeShare, prepareAttempt, signShare } from '../../protocol/frost/sign.ts';
import { sessionInput } from '../../protocol/signing/stage.ts';
import { openRequest } from '../../protocol/request/request.ts';
import { formatTimestamp } from '../../protocol/wire/time.ts';
import type { LiveGroup } from './round-network.ts';

export interface Signing {
  readonly decisions: readonly Decision[];
  readonly commitments: readonly SignedCommitment[];
  /** To be called once: the nonces are consumed. */
  shares(): SignedShare[];
}

/** Approval and signature of these members, who are exactly a minimal qualified set, for a request of one message on production. */
export function signingOf(
  group: LiveGroup,
  envelope: Envelope,
  identifiers: readonly number[],
  documents: readonly Uint8Array[] = [],
): Signing {
  const { epoch, people, sodium } = group;
  const { charter } = epoch;
  const request = openRequest(envelope);
  const channel = epoch.channel('production');
  const message = prepareRequest({ epoch, request, documents }).messages[0]!;
  const subject: AttemptSubject = {
    epoch: epoch.hash,
    channelKey: channel.key,
    requestDigest: request.digest,
    stage: 1,
    messages: [sha256Hex(message)],
  };
  const signers = identifiers.map((identifier) => {
    const share = group.shares.get('production')!.get(identifier)!;
    const nonces = commit(sodium, share);
    return { member: charter.members[identifier - 1]!, person: people[identifier - 1]!, share, nonces };
  });
  const decisions = signers.map(({ person }) => {
    const decision = {
      groupKey: epoch.groupKey,
      epoch: epoch.hash,
      requestDigest: request.digest,
      decision: 'approve',
      serial: 1,
      reason: null,
      decidedAt: formatTimestamp(1_795_000_000),
    } as const;
    return openDecision(sealMessage(decisionMessage, decision, person), charter);
  });
  const commitments = signers.map(({ member, person, nonces }) => {
    const pair = { hiding: bytesToHex(nonces.commitments.hiding), binding: bytesToHex(nonces.commitments.binding) };
    const slot = `${member.identifier.toString(16).padStart(32, '0')}-1`;
    const payload = { ...subject, messages: [...subject.messages], slot, commitments: [pair] };
    return openCommitment(sealMessage(commitmentMessage, payload, person), charter);
  });
  return {
    decisions,
    commitments,
    shares: () => {
      const attempt = prepareAttempt(sodium, sessionInput(channel, message, commitments, 0));
      const { epoch, channelKey, requestDigest, stage } = subject;
      return signers.map(({ member, person, share, nonces }) => {
        const scalar = signShare(sodium, attempt, member.identifier, nonces, share);
        const payload = {
          epoch,
          channelKey,
          requestDigest,
          stage,
          attempt: attemptId(subject, commitments),
          shares: [bytesToHex(encodeShare(scalar))],
        };
        return openShare(sealMessage(shareMessage, payload, person), charter);
      });
    },
  };
}
