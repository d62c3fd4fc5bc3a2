/** A document of a group as its coordinator and members keep it: the round that made it, signed on the spot. */
import { isQualified, type Identifier } from '../../protocol/frost/sharing.ts';
import { prepareRequest } from '../../protocol/formats/index.ts';
import type { Request } from '../../protocol/request/request.ts';
import { decisionMessage, type DecisionPayload } from '../../protocol/signing/decision.ts';
import { bytesToHex } from '../../protocol/wire/bytes.ts';
import { sealMessage, type Envelope } from '../../protocol/wire/envelope.ts';
import type { DocumentBody } from '../../protocol/wire/frames.ts';
import { quorumSignature } from './coordinator-group.ts';
import type { LiveGroup } from './round-network.ts';

/** One member's word on a request. */
function decisionOn(
  { epoch, people }: LiveGroup,
  request: Request,
  identifier: number,
  decision: DecisionPayload['decision'] = 'approve',
): Envelope {
  const payload = {
    groupKey: epoch.groupKey,
    epoch: epoch.hash,
    requestDigest: request.digest,
    decision,
    serial: 1,
    reason: null,
    decidedAt: request.payload.createdAt,
  };
  return sealMessage(decisionMessage, payload, people[identifier - 1]!);
}

/** The first members that are a quorum. */
function quorumOf({ epoch }: LiveGroup): Identifier[] {
  const { sharings } = epoch.channel('production');
  const chosen: Identifier[] = [];
  for (const { identifier } of epoch.charter.members) if (!isQualified(sharings, chosen)) chosen.push(identifier);
  return chosen;
}

/** What is kept of a request that was signed. */
export function documentBodyOf(live: LiveGroup, request: Request, document?: Uint8Array): DocumentBody {
  const documents = document === undefined ? [] : [document];
  const { messages } = prepareRequest({ epoch: live.epoch, request, documents });
  return {
    request: request.envelope,
    documents: documents.map((bytes) => Buffer.from(bytes).toString('base64')),
    decisions: quorumOf(live).map((identifier) => decisionOn(live, request, identifier)),
    signatures: messages.map((message) => bytesToHex(quorumSignature(live, request.payload.channel, message))),
  };
}
