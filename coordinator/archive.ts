/** What is known of rounds that are over, and of any round's files: read from the store when somebody asks, a few bodies kept in memory. */
import { maxIssued } from '../protocol/limits.ts';
import { approvalsOf } from '../protocol/group-documents/document.ts';
import type { Charter } from '../protocol/files/charter.ts';
import type { RequestKind } from '../protocol/request/request.ts';
import { openDecision } from '../protocol/signing/decision.ts';
import type { DocumentBody, IssuedBody, RoundBody } from '../protocol/wire/frames.ts';
import { encodeBase64 } from '../verifier/base64.ts';
import { CoordinatorError } from './errors.ts';
import { maxRememberedRounds } from './limits.ts';
import { bodyFromRecords, storedRequest } from './round-body.ts';
import type { GroupLog } from './group-log.ts';

/** Where a round is found. */
export interface Filed {
  /** Request digest, hex. */
  readonly digest: string;
  /** Of its group. */
  readonly charter: Charter;
  readonly log: GroupLog;
}

/** Reads rounds from the store. Every method throws `CoordinatorError('store-damaged')` for what is gone from it. */
export class Archive {
  /** Bodies of rounds that ended last, by digest. */
  readonly #remembered = new Map<string, RoundBody>();

  /** Keeps the body of a round that has just ended: its clients look at it now. */
  remember(digest: string, body: RoundBody): void {
    this.#remembered.set(digest, { ...body, connected: [] });
    const [oldest] = this.#remembered.keys();
    if (this.#remembered.size > maxRememberedRounds && oldest !== undefined) this.#remembered.delete(oldest);
  }

  /** How a round stands by its records. Throws `CoordinatorError('not-found')` for one that is not stored yet. */
  async body(filed: Filed): Promise<RoundBody> {
    const known = this.#remembered.get(filed.digest);
    if (known !== undefined) return known;
    const body = bodyFromRecords(await filed.log.recordsOf(filed.digest), filed.charter);
    if (body === undefined) throw noRound(filed.digest);
    return body;
  }

  /** Bytes of one of its evidence files, by SHA-256 (hex). Throws `CoordinatorError('not-found')`. */
  async evidence({ digest, log }: Filed, sha256: string): Promise<Uint8Array> {
    const records = await log.recordsOf(digest);
    if (!records.some((record) => record.type === 'evidence' && record.evidence.sha256 === sha256))
      throw new CoordinatorError('not-found', `this round has no evidence ${sha256}`);
    return log.blob(sha256);
  }

  /** Signed certificates, given oldest first, with what one needs to verify them: the first OpenPGP one and the newest others. */
  async issued(certificates: readonly (Filed & { readonly kind: RequestKind })[]): Promise<IssuedBody> {
    // The first OpenPGP certificate is the one that installers have: it never drops out.
    const first = certificates.find(({ kind }) => kind === 'openpgp-certificate');
    const newest = certificates.slice(1 - maxIssued).filter((filed) => filed !== first);
    const issued: IssuedBody['issued'] = [];
    for (const filed of first === undefined ? newest : [first, ...newest]) issued.push(await this.document(filed));
    return { issued };
  }

  /** A signed round whole, with the approvals as they were stored: one that was taken back after its share was given is still what the signature rests on. */
  async document(filed: Filed): Promise<DocumentBody> {
    const records = await filed.log.recordsOf(filed.digest);
    const { request, signatures } = bodyFromRecords(records, filed.charter) ?? noRecords(filed.digest);
    const documents: string[] = [];
    for (const { sha256 } of storedRequest(request).payload.documents)
      documents.push(encodeBase64(await filed.log.blob(sha256)));
    const approvals = records.flatMap((record) => {
      const decision = record.type === 'decision' ? openDecision(record.decision, filed.charter) : undefined;
      return decision?.payload.decision === 'approve' ? [[decision.member.identifier, decision] as const] : [];
    });
    const decisions = approvalsOf(new Map(approvals).values()).map(({ envelope }) => envelope);
    return { request, documents, decisions, signatures };
  }
}

function noRecords(digest: string): never {
  throw noRound(digest);
}

/** The refusal for a round that is unknown, or not for whoever asks (T25). */
export function noRound(digest: string): CoordinatorError {
  return new CoordinatorError('not-found', `there is no round ${digest.slice(0, 64)} here`);
}
