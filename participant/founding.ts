/**
 * Asking for the founding documents: the connected member with the lowest identifier submits a round for each one that is still missing, and every
 * member approves it.
 */
import type { CoordinatorClient } from '../client/client.ts';
import { foundingDocument, foundingKind } from '../protocol/ceremony/founding.ts';
import type { Epoch } from '../protocol/ceremony/epoch.ts';
import {
  blankRequest,
  cancelMessage,
  documentEntry,
  openRequest,
  requestMessage,
  type Request,
} from '../protocol/request/request.ts';
import { sha256Hex } from '../protocol/wire/bytes.ts';
import { sealMessage, type Identity } from '../protocol/wire/envelope.ts';
import type { HeldGroupDocuments } from './group-documents.ts';
import type { Log } from './log.ts';
import type { Agreement } from './member-home.ts';

/** What asking for the founding documents needs of its session. */
export interface FoundingHost {
  readonly epoch: Epoch;
  readonly agreement: Agreement;
  readonly identity: Identity;
  readonly client: CoordinatorClient;
  readonly documents: HeldGroupDocuments;
  nowUnixSeconds(): number;
  readonly log: Log;
}

/** The founding documents of one key, as this member asks for them. Every method throws `ClientError` and `ProtocolError`, and may be called again. */
export class Founding {
  readonly #host: FoundingHost;
  /** Rounds that this member opened: request digests. */
  readonly #askedFor: string[] = [];

  constructor(host: FoundingHost) {
    this.#host = host;
  }

  /** Whether this member is the one that asks now: something is missing, and of the `present` identifiers its own is the lowest. */
  isAsking(present: readonly number[]): boolean {
    const self = Number(this.#host.agreement.self.identifier);
    return this.#host.documents.missing.length > 0 && present.length > 0 && Math.min(...present) === self;
  }

  /** Submits a round for each missing document that nobody asks for yet. */
  async submitMissing(): Promise<void> {
    const { due } = this.#host.documents;
    if (due.length === 0) return;
    const requests = await this.#openRequests();
    for (const name of due) if (!requests.some((request) => this.#asksFor(request, name))) await this.#submit(name);
  }

  /** Two members that took themselves for the lowest asked for the same document: one of the rounds is of no use any more. */
  async cancelLeftovers(): Promise<void> {
    const { client, epoch, identity } = this.#host;
    for (const requestDigest of this.#askedFor.splice(0)) {
      if ((await client.round(requestDigest)).outcome !== 'pending') continue;
      const payload = { groupKey: epoch.groupKey, requestDigest };
      await client.cancel(requestDigest, sealMessage(cancelMessage, payload, identity));
    }
  }

  /** A round that was signed counts, too: its document is on its way. */
  async #openRequests(): Promise<Request[]> {
    const rounds = await this.#host.client.rounds(this.#host.epoch.groupKey);
    return rounds
      .filter(({ outcome }) => outcome === 'pending' || outcome === 'signed')
      .map(({ request }) => openRequest(request));
  }

  #asksFor({ payload, createdAtUnixSeconds }: Request, name: string): boolean {
    if (payload.kind !== foundingKind(name)) return false;
    return payload.documents[0]?.sha256 === sha256Hex(this.#bytesOf(name, createdAtUnixSeconds));
  }

  async #submit(name: string): Promise<void> {
    const { client, epoch, identity, log } = this.#host;
    const createdAt = this.#host.nowUnixSeconds();
    const document = this.#bytesOf(name, createdAt);
    const kind = foundingKind(name);
    const request = { ...blankRequest(epoch, kind, createdAt), documents: [documentEntry(kind, document)] };
    const { digest, missing } = await client.submit(sealMessage(requestMessage, request, identity), true);
    this.#askedFor.push(digest);
    if (missing.length > 0) await client.putDocument(digest, document);
    log('info', 'asked-for-document', { document: name, round: digest });
  }

  #bytesOf(name: string, createdAtUnixSeconds: number): Uint8Array {
    const { epoch, agreement } = this.#host;
    return foundingDocument(epoch, agreement.requesters.bytes, { name, createdAtUnixSeconds });
  }
}
