/** One member's judgement of one request: whether it may be signed now, who is kept out, and what the ceremony or the policy says to it. */
import type { Epoch } from '../protocol/ceremony/epoch.ts';
import { mayGive } from '../protocol/ceremony/memory.ts';
import { ProtocolError } from '../protocol/errors.ts';
import type { Member } from '../protocol/files/charter.ts';
import type { PreparedRequest } from '../protocol/formats/index.ts';
import type { NamedDocument } from '../protocol/group-documents/kinds.ts';
import { objectionTo } from '../protocol/group-documents/numbers.ts';
import { revocationOf, revokedText, statusesIn } from '../protocol/group-documents/revocations.ts';
import type { Request } from '../protocol/request/request.ts';
import {
  askerOf,
  askerOrUndefined,
  assertFresh,
  assertNewerRequesters,
  isFoundingDocument,
  keptOut,
  type Asker,
  type GroupStanding,
} from '../protocol/request/rights.ts';
import { assertNextStatus, statusOf } from '../protocol/request/status.ts';
import type { DeclineCode } from '../protocol/signing/attempt.ts';
import { decodeBase64Url } from '../verifier/base64.ts';
import { decodeDelegation } from '../verifier/delegation.ts';
import { openEndorsement } from '../verifier/endorsement.ts';
import { formatGroupKey } from '../verifier/group-key.ts';
import { ParticipantError } from './errors.ts';
import type { HeldGroupDocuments } from './group-documents.ts';
import type { Judge, Verdict } from './judge.ts';
import type { Records } from './records.ts';
import { forgottenBy, forgottenNumber } from './restored.ts';

/** What a request comes to once every byte of it is here. */
export interface Ready {
  readonly prepared: PreparedRequest;
  /** Which document of the group it would be, if it is one. */
  readonly named: NamedDocument | undefined;
  /** All bytes of each document, in the order of the request. */
  readonly documents: readonly Uint8Array[];
  /** Lines by which a manifest differs from the last one; `null` without either. */
  readonly changes: readonly string[] | null;
}

/** Why a request may not be signed just now: the code for the coordinator, the reason for people. */
export interface Obstacle {
  readonly code: DeclineCode;
  readonly reason: string;
}

/** What a judgement is made from. */
export interface JudgementHost {
  readonly epoch: Epoch;
  readonly self: Member;
  readonly documents: HeldGroupDocuments;
  readonly records: Records;
  readonly judge: Judge;
  nowUnixSeconds(): number;
}

/** The judgement of one request. It is made anew at every question: rights and clocks move on. */
export class Judgement {
  readonly #host: JudgementHost;
  readonly #request: Request;
  readonly #end = new AbortController();
  #verdict: string | null = null;
  #judging = false;
  #running = false;

  constructor(host: JudgementHost, request: Request) {
    this.#host = host;
    this.#request = request;
  }

  /** What policy or ceremony said last, for people; `null` before that. */
  get verdict(): string | null {
    return this.#verdict;
  }

  /** A program of the policy decides just now. */
  get isRunning(): boolean {
    return this.#running;
  }

  /** Who asks, by the documents in force; `undefined` for who has no right to. */
  get asker(): Asker | undefined {
    return askerOrUndefined(this.#request, this.#standing);
  }

  /** The asker's member, who may not be in the signer set (T31); `undefined` if nobody is kept out. */
  get keptOut(): Member | undefined {
    return keptOut(this.#request, this.#standing);
  }

  /** Why the request may not be signed just now; `ready` as far as its documents are here. */
  obstacle(ready: Ready | undefined): Obstacle | undefined {
    const { forgotten } = this;
    if (forgotten !== undefined) return { code: 'not-allowed', reason: forgotten };
    return (
      refusalOf('expired', () => {
        assertFresh(this.#request, this.#host.epoch.charter, this.#host.nowUnixSeconds());
      }) ??
      refusalOf('not-allowed', () => {
        this.#assertRights(ready);
      })
    );
  }

  /** Why a restored member says nothing to this request, neither yes nor no; `undefined` when it may. */
  get forgotten(): string | undefined {
    return forgottenBy(this.#host.records, this.#request, this.#host.epoch.charter);
  }

  /** Throws `ParticipantError('not-allowed')` while this member may not approve. */
  assertMayApprove(ready: Ready | undefined): void {
    const obstacle = this.obstacle(ready);
    if (obstacle !== undefined) throw new ParticipantError('not-allowed', obstacle.reason);
    if (this.#isOwnRequest)
      throw new ParticipantError('not-allowed', 'you asked for this yourself: others must approve it');
  }

  /**
   * Lets the ceremony's own documents pass, and asks the policy about everything else, one question at a time; `undefined` if there is
   * nothing to decide now. It may take as long as a program does.
   */
  async consider(ready: Ready): Promise<Verdict | undefined> {
    const { asker } = this;
    if (this.#judging || asker === undefined || this.obstacle(ready) !== undefined) return undefined;
    if (this.#isOwnCeremonyDocument(ready))
      return this.#heard({
        action: 'approve',
        reason: null,
        rule: 'the ceremony: approved, it is exactly what follows from certificate, charter and requesters',
      });
    if (this.#isOwnRequest) {
      this.#verdict = 'you asked for this yourself: others must approve it';
      return undefined;
    }
    return this.#heard(await this.#askJudge(asker));
  }

  /** Nobody needs an answer any more: a program that still runs is stopped. */
  end(): void {
    this.#end.abort();
  }

  async #askJudge(asker: Asker): Promise<Verdict> {
    const { digest, payload } = this.#request;
    const running = (): void => {
      this.#running = true;
    };
    this.#judging = true;
    try {
      return await this.#host.judge({ digest, requester: asker.name, payload }, running, this.#end.signal);
    } finally {
      this.#judging = false;
      this.#running = false;
    }
  }

  #heard(verdict: Verdict): Verdict {
    this.#verdict = verdict.rule;
    return verdict;
  }

  get #standing(): GroupStanding {
    const { epoch, documents } = this.#host;
    return { epoch, requesters: documents.requesters, delegations: documents.delegations };
  }

  get #isOwnRequest(): boolean {
    return this.keptOut?.identifier === this.#host.self.identifier;
  }

  /** Genesis is the first share under a key, and given only where no other key of this charter may live (T35). */
  #assertOneKey(): void {
    const { epoch, records, documents } = this.#host;
    if (!mayGive(records.ceremonies, epoch.certificate.ceremony))
      throw new ProtocolError('not-allowed', 'this member stored another key of the charter after this one');
    if (this.#request.payload.kind !== 'genesis' && documents.held.genesis === null)
      throw new ProtocolError('not-allowed', 'the key is not live before its genesis is signed');
  }

  #assertRights(ready: Ready | undefined): void {
    const { epoch, documents } = this.#host;
    this.#assertOneKey();
    askerOf(this.#request, this.#standing);
    const document = ready?.documents[0];
    if (this.#request.payload.kind === 'requesters' && document !== undefined)
      assertNewerRequesters(document, epoch, documents.requestersVersion);
    this.#assertNotRevoked(ready);
    if (this.#request.payload.kind === 'status' && ready !== undefined) this.#assertNextStatus(ready);
    if (ready?.named !== undefined) {
      this.#assertOnlyEndorsement(ready.named);
      this.#assertNumber(ready.named);
    }
  }

  /** What was seen revoked is never certified again, whatever the coordinator remembers (T46). */
  #assertNotRevoked(ready: Ready | undefined): void {
    const { epoch, documents } = this.#host;
    const keyOf = (channel: string): string => epoch.channel(channel).key;
    const asked = { ...this.#request.payload, scope: ready?.named?.scope ?? null, keyOf };
    const revocation = revocationOf(documents.issued.all, asked);
    if (revocation === undefined) return;
    const names = { charter: epoch.charter, requesters: documents.requesters.entries };
    throw new ProtocolError('not-allowed', revokedText(revocation, names));
  }

  /** It says all that every status said which was seen here (T46). */
  #assertNextStatus({ named, documents: [document] }: Ready): void {
    const { epoch, documents } = this.#host;
    if (named === undefined || document === undefined || documents.issued.all.some(({ hash }) => hash === named.hash))
      return;
    assertNextStatus(statusOf(epoch, document, this.#request.payload.createdAt), statusesIn(documents.issued.all));
  }

  /** A group endorses one key, for ever. */
  #assertOnlyEndorsement({ kind, hash }: NamedDocument): void {
    const { epoch, documents } = this.#host;
    const other = documents.issued.all.find((one) => one.kind === 'endorsement' && one.hash !== hash);
    if (kind !== 'endorsement' || other === undefined) return;
    const { successor, at } = openEndorsement(other.file, decodeBase64Url(epoch.groupKey));
    throw new ProtocolError(
      'not-allowed',
      `the group has endorsed ${formatGroupKey(successor)} already, which agreed on ${at}: it endorses one key, for ever`,
    );
  }

  /** The next of its count, and no other document of that number (T46). */
  #assertNumber(named: NamedDocument): void {
    const { epoch, records, documents } = this.#host;
    const nowUnixSeconds = this.#host.nowUnixSeconds();
    const objection =
      forgottenNumber(records, this.#request.payload, epoch.charter, nowUnixSeconds) ??
      objectionTo(named, {
        highest: documents.highestOf(named),
        // All of them follow from the charter: two members that asked for one at once must not stop each other.
        approved: isFoundingDocument(this.#request, this.#standing)
          ? undefined
          : records.approvedDocument(named, nowUnixSeconds),
      });
    if (objection !== undefined) throw new ProtocolError('not-allowed', objection);
  }

  /** Only while the ceremony's documents are missing here: afterwards a delegation is a renewal, which the policy or a person decides. */
  #isOwnCeremonyDocument({ documents: [document] }: Ready): boolean {
    if (!isFoundingDocument(this.#request, this.#standing)) return false;
    const { missing } = this.#host.documents;
    const { kind } = this.#request.payload;
    if (kind !== 'delegation') return missing.includes(kind);
    return document !== undefined && missing.includes(`delegation ${decodeDelegation(document).channel}`);
  }
}

function refusalOf(code: DeclineCode, assertion: () => void): Obstacle | undefined {
  try {
    assertion();
    return undefined;
  } catch (error) {
    if (error instanceof ProtocolError) return { code, reason: error.message };
    throw error;
  }
}
