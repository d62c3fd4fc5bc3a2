/** How a round is shown: its body for clients and its frames for members, of a machine at work or of the records in the store. */
import type { CoordinatorFrame, RoundBody } from '../protocol/wire/frames.ts';
import type { Charter } from '../protocol/files/charter.ts';
import { requestDigest, type Request } from '../protocol/request/request.ts';
import { openDecision, type Decision } from '../protocol/signing/decision.ts';
import type { RoundAttempt } from '../protocol/signing/round.ts';
import { bytesToHex } from '../protocol/wire/bytes.ts';
import type { Envelope } from '../protocol/wire/envelope.ts';
import { parseTimestamp } from '../protocol/wire/time.ts';
import { decodeBase64 } from '../verifier/base64.ts';
import type { ClosedRecord, StoreRecord } from './records.ts';

/** Hands an attempt to a signer (PROTOCOL.md, section 10.5). */
export type PackageFrame = Extract<CoordinatorFrame, { type: 'package' }>;

/** The frame of an attempt, the same for all its signers; the digest is hex. */
export function packageFrame(requestDigest: string, { stage, earlier, commitments }: RoundAttempt): PackageFrame {
  return {
    type: 'package',
    requestDigest,
    stage,
    earlier: earlier.map(bytesToHex),
    commitments: commitments.map(({ envelope }) => envelope),
  };
}

/** The frame that tells of a round's end. */
export function closedFrame({ digest, outcome, signatures, signers }: ClosedRecord): CoordinatorFrame {
  return { type: 'closed', requestDigest: digest, outcome, signatures: [...signatures], signers: [...signers] };
}

/** What a round's body is made of besides what only a machine at work knows. */
export interface RoundParts {
  readonly request: Request;
  /** The newest of each member. */
  readonly decisions: Iterable<Decision>;
  /** SHA-256 of evidence files, hex. */
  readonly evidence: readonly { readonly sha256: string }[];
  readonly closed: ClosedRecord | undefined;
}

/** A round as it is shown when no machine is at work on it: finished, or read from the store. */
export function roundBodyOf({ request, decisions, evidence, closed }: RoundParts): RoundBody {
  return {
    digest: request.digest,
    request: request.envelope,
    outcome: closed?.outcome ?? 'pending',
    decisions: [...decisions].map(({ envelope }) => envelope),
    connected: [],
    ready: [],
    out: [],
    attempts: [],
    signatures: [...(closed?.signatures ?? [])],
    signers: [...(closed?.signers ?? [])],
    evidence: evidence.map(({ sha256 }) => sha256),
  };
}

/** How an attempt is shown to clients. */
export function shownAttempt({ id, commitments, shares, phase }: RoundAttempt): RoundBody['attempts'][number] {
  return {
    attempt: id,
    signers: commitments.map(({ member }) => member.identifier),
    answered: [...shares.keys()],
    open: phase === 'open' || phase === 'stalled',
  };
}

/** A request that was verified before it was stored, for a round that is over; `openRequest` would cost a signature for each at every start. */
export function storedRequest(envelope: Envelope): Request {
  const bytes = decodeBase64(envelope.payload);
  const payload = JSON.parse(Buffer.from(bytes).toString()) as Request['payload'];
  const asker = envelope.signatures[0].keyid;
  return {
    digest: requestDigest(asker, bytes),
    asker,
    payload,
    createdAtUnixSeconds: parseTimestamp(payload.createdAt, 'bad-request', 'createdAt'),
    envelope,
  };
}

/** The body of a round from its records in the store; `undefined` without the request among them. */
export function bodyFromRecords(records: readonly StoreRecord[], charter: Charter): RoundBody | undefined {
  const decisions = new Map<number, Decision>();
  const evidence: { readonly sha256: string }[] = [];
  let request: Request | undefined;
  let closed: ClosedRecord | undefined;
  for (const record of records) {
    switch (record.type) {
      case 'round':
        request = storedRequest(record.request);
        break;
      case 'decision': {
        const decision = openDecision(record.decision, charter);
        decisions.set(decision.member.identifier, decision);
        break;
      }
      case 'evidence':
        evidence.push({ sha256: record.evidence.sha256 });
        break;
      case 'closed':
        closed ??= record;
        break;
      case 'round-document':
      case 'born':
      case 'moved':
      case 'arrived':
      case 'charter':
      case 'ceremony':
      case 'group':
      case 'group-document':
      case 'journal':
        break;
    }
  }
  return request === undefined ? undefined : roundBodyOf({ request, decisions: decisions.values(), evidence, closed });
}
