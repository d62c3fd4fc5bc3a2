/** The numbered documents of groups: which are here, what members say that they hold, and those that members bring back. */
import type { Charter, Member } from '../protocol/files/charter.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { openGroupDocument, type GroupDocument } from '../protocol/group-documents/document.ts';
import { openHoldings, type Holdings } from '../protocol/group-documents/holdings.ts';
import { keptKinds } from '../protocol/group-documents/kinds.ts';
import { maxIndexed } from '../protocol/limits.ts';
import { refOf } from '../protocol/record/leaf.ts';
import type { RequestKind } from '../protocol/request/request.ts';
import { decodeBase64 } from '../verifier/base64.ts';
import type { Envelope } from '../protocol/wire/envelope.ts';
import { present } from '../protocol/wire/present.ts';
import type { DocumentBody, DocumentIndexBody, IssuedBody } from '../protocol/wire/frames.ts';
import { Archive, noRound, type Filed } from './archive.ts';
import type { GroupLog } from './group-log.ts';
import { isGroupDocument, type Added, type Groups } from './groups.ts';
import type { KnownGroup } from './lineage.ts';
import type { Ledger } from './ledger.ts';
import { roundOverheadBytes } from './limits.ts';
import type { Log } from './log.ts';
import type { ClosedRecord, StoreRecord } from './records.ts';
import type { Rounds } from './rounds.ts';
import type { Store } from './store.ts';

/** What keeps the documents of all groups. */
export interface IssuedOptions {
  readonly store: Store;
  readonly groups: Groups;
  readonly rounds: Pick<Rounds, 'pendingRound'>;
  readonly ledger: Ledger;
  readonly log: Log;
  /** Another document of the group is here. */
  readonly onDocument: (group: KnownGroup) => void;
}

type FiledDocument = Filed & { readonly kind: RequestKind; readonly index: number };

/** The documents of all groups, read from their records; holdings are in memory, and every member says its own when it comes. */
export class Issued {
  readonly #options: IssuedOptions;
  readonly #archive = new Archive();
  /** By charter hash, then member. */
  readonly #holdings = new Map<string, Map<number, Holdings>>();
  /** One document at a time, by digest. */
  readonly #bringing = new Map<string, Promise<void>>();

  constructor(options: IssuedOptions) {
    this.#options = options;
  }

  /** Whole, oldest first, with what one needs to verify them. */
  async bodies(charter: Charter): Promise<IssuedBody> {
    return this.#archive.issued(await this.#filed(charter));
  }

  /** One signed round of a log, whole. Throws `CoordinatorError` (`not-found`, `store-damaged`, `archived`). */
  async stored(log: GroupLog, digest: string): Promise<DocumentBody> {
    const entry = await log.round(digest);
    if (entry === undefined) throw noRound(digest);
    return this.#archive.document({ digest, log, charter: await this.#options.groups.charter(entry.charter) });
  }

  /** Which are here, and who holds what. */
  async index({ epoch: { charter } }: KnownGroup): Promise<DocumentIndexBody> {
    // First: what somebody holds was brought before it was said.
    const holdings = [...(this.#holdings.get(charter.hash)?.values() ?? [])];
    const filed = await this.#filed(charter);
    return {
      digests: filed.slice(-maxIndexed).map(({ digest }) => digest),
      holdings: holdings.map(({ envelope }) => envelope),
    };
  }

  async #filed(charter: Charter): Promise<FiledDocument[]> {
    const log = this.#options.store.logOf(charter.hash);
    const found: FiledDocument[] = [];
    for (const kind of keptKinds) {
      for (const digest of (await log?.signedOf(kind)) ?? []) {
        const entry = await log?.round(digest);
        if (log === undefined || entry === undefined) continue;
        // Of the epoch that made it.
        const of = entry.charter === charter.hash ? charter : await this.#options.groups.charter(entry.charter);
        found.push({ digest, charter: of, log, kind, index: entry.index });
      }
    }
    return found.sort((a, b) => a.index - b.index);
  }

  /** A member's word on what it holds; an older one than is known is a no-op. Throws `ProtocolError`. */
  hold(group: KnownGroup, member: Member, envelope: Envelope): void {
    const { charter, groupKey } = group.epoch;
    const holdings = openHoldings(envelope, charter, groupKey);
    if (holdings.member.key !== member.key)
      throw new ProtocolError('not-allowed', `${member.name} sent what ${holdings.member.name} holds`);
    const known = this.#holdings.get(charter.hash) ?? new Map<number, Holdings>();
    this.#holdings.set(charter.hash, known);
    const before = known.get(member.identifier);
    if (before === undefined || before.atUnixSeconds <= holdings.atUnixSeconds) known.set(member.identifier, holdings);
  }

  /**
   * Takes back a document that was lost, from whoever has it: nobody is believed but the group's key and a quorum's word. It becomes a round of the
   * record like any other; stored before it answers. A repeat is a no-op. Throws `ProtocolError` and `CoordinatorError('too-many')`.
   */
  async bring(by: string, charter: Charter, body: DocumentBody): Promise<void> {
    const { all } = this.#options.groups.lineageOf(charter.hash);
    const document = openGroupDocument(
      all.map(({ epoch }) => epoch),
      body,
    );
    const group = present(
      all.find(({ epoch }) => epoch === document.epoch),
      'the epoch of a document',
    );
    const { digest } = document.request;
    const running = this.#bringing.get(digest);
    if (running !== undefined) return running;
    const turn = this.#bring(by, group, document);
    this.#bringing.set(digest, turn);
    try {
      await turn;
    } finally {
      this.#bringing.delete(digest);
    }
  }

  async #bring(by: string, group: KnownGroup, document: GroupDocument): Promise<void> {
    const { charter } = group.epoch;
    const { digest } = document.request;
    const log = this.#options.store.logOf(charter.hash) ?? (await this.#options.store.of(charter));
    const known = await log.round(digest);
    if (known?.outcome === 'signed') return;
    if (known !== undefined && known.outcome !== 'pending')
      throw new ProtocolError('conflict', `the record says that round ${digest} ended as ${known.outcome}`);
    const bytes = JSON.stringify(document.body).length;
    this.#options.ledger.charge(by, bytes + roundOverheadBytes);
    const added = this.#added(group, document);
    const records = [...recordsOf(charter, document, known !== undefined), ...added.records];
    const files = [...document.body.documents.map(decodeBase64), ...added.blobs];
    await this.#store(log, document, () => log.append(records, files));
    added.apply();
    this.#options.log('info', 'document-brought', { group: charter.group, round: digest });
    this.#options.onDocument(group);
  }

  /** A round that is pending here ended elsewhere, before this store lost what it knew of that. */
  async #store(
    { name }: GroupLog,
    { request, body, approvedBy }: GroupDocument,
    store: () => Promise<number>,
  ): Promise<void> {
    const pending = this.#options.rounds.pendingRound(name.charter, request.digest);
    if (pending === undefined) await store();
    else await pending.conclude(closedOf(request.digest, body, approvedBy), store);
  }

  #added(group: KnownGroup, { kind, file, body }: GroupDocument): Added {
    if (kind === 'succession') return this.#options.groups.decided(group, body);
    if (!isGroupDocument(kind)) return { records: [], blobs: [], apply: () => false };
    return this.#options.groups.added(group, kind, JSON.parse(new TextDecoder().decode(file)) as Envelope);
  }
}

/** As the round would have stored them. */
function recordsOf(charter: Charter, document: GroupDocument, isPending: boolean): StoreRecord[] {
  const { request, body, approvedBy } = document;
  const { digest } = request;
  const files = body.documents.map((base64) => refOf(decodeBase64(base64)));
  return [
    ...(isPending ? [] : [{ type: 'round', digest, charter: charter.hash, request: request.envelope } as const]),
    ...files.map((file) => ({ type: 'round-document', digest, document: file }) as const),
    ...body.decisions.map((decision) => ({ type: 'decision', digest, decision }) as const),
    closedOf(digest, body, approvedBy),
  ];
}

/** Who approved is who signed, as far as anybody can tell. */
function closedOf(digest: string, { signatures }: DocumentBody, approvedBy: readonly Member[]): ClosedRecord {
  const signers = approvedBy.map(({ identifier }) => identifier);
  return { type: 'closed', digest, outcome: 'signed', signatures: [...signatures], signers };
}
