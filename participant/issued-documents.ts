/** The numbered documents of the group that this member has verified, each in a file of its own: certificates, revocations, delegations. */
import type { Epoch } from '../protocol/ceremony/epoch.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { openGroupDocument, type GroupDocument } from '../protocol/group-documents/document.ts';
import { countOf, type NamedDocument } from '../protocol/group-documents/kinds.ts';
import { highestOf } from '../protocol/group-documents/numbers.ts';
import { ofUse } from '../protocol/group-documents/retention.ts';
import type { DocumentBody } from '../protocol/wire/frames.ts';
import { ParticipantError } from './errors.ts';
import type { IssuedFile, MemberHome } from './member-home.ts';

/** What `IssuedDocuments` keeps on disk. */
export type IssuedStore = Pick<
  MemberHome,
  'issuedDocuments' | 'writeIssuedDocument' | 'removeIssuedDocument' | 'records'
>;

/** The documents that are numbered and kept whole. What was seen once is never below again. */
export class IssuedDocuments {
  readonly #epoch: Epoch;
  readonly #store: IssuedStore;
  #all: readonly GroupDocument[] = [];
  /** Digests of requests. Bounded by what the group signs. */
  readonly #known = new Set<string>();

  /** Throws `ParticipantError('damaged')` for a file that is no document of this group. */
  static async load(epoch: Epoch, store: IssuedStore): Promise<IssuedDocuments> {
    const documents = new IssuedDocuments(epoch, store);
    documents.#all = (await store.issuedDocuments()).map((file) => documents.#reopen(file));
    for (const { request } of documents.#all) documents.#known.add(request.digest);
    return documents;
  }

  private constructor(epoch: Epoch, store: IssuedStore) {
    this.#epoch = epoch;
    this.#store = store;
  }

  #reopen({ path, body }: IssuedFile): GroupDocument {
    try {
      return openGroupDocument([this.#epoch], body);
    } catch (cause) {
      if (!(cause instanceof ProtocolError)) throw cause;
      throw new ParticipantError(
        'damaged',
        `${path} is damaged: ${cause.message}; move it away, and the other members bring the document again`,
        { cause },
      );
    }
  }

  /** In no order. */
  get all(): readonly GroupDocument[] {
    return this.#all;
  }

  /** The newest of each count that was ever seen here, whether or not its file is here. */
  get highest(): ReadonlyMap<string, NamedDocument> {
    return highestOf<NamedDocument>([...this.#all, ...this.#store.records.seenDocuments.values()]);
  }

  /** Seen under the group's signature, and in no file: to be brought by others. */
  get missing(): readonly NamedDocument[] {
    const { seenDocuments } = this.#store.records;
    return [...seenDocuments.values()].filter(({ hash }) => !this.#all.some((document) => document.hash === hash));
  }

  /** Whether the document of this request (its digest) was looked at, and is here if it is of use. */
  knows(digest: string): boolean {
    return this.#known.has(digest);
  }

  /**
   * Takes over what is not here yet, stored before it counts, and answers that. What is of no use beside newer ones is left where it is. Throws
   * `ProtocolError` for what the group did not sign, after all others were taken.
   */
  async adopt(offered: readonly DocumentBody[]): Promise<readonly GroupDocument[]> {
    const taken: GroupDocument[] = [];
    let refusal: ProtocolError | undefined;
    for (const body of offered) {
      try {
        const document = openGroupDocument([this.#epoch], body);
        if (await this.#take(document)) taken.push(document);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        refusal = error;
      }
    }
    if (refusal !== undefined) throw refusal;
    return taken;
  }

  async #take(document: GroupDocument): Promise<boolean> {
    const { digest } = document.request;
    if (this.#known.has(digest)) return false;
    const kept = ofUse([...this.#all, document]);
    if (kept.includes(document)) await this.#keep(document, kept);
    this.#known.add(digest);
    return kept.includes(document);
  }

  async #keep(document: GroupDocument, kept: readonly GroupDocument[]): Promise<void> {
    const { kind, scope, number, hash } = document;
    const known = this.highest.get(countOf(document));
    // The file first: a journal that knows of a number which no file has would have others asked for it after a crash.
    await this.#store.writeIssuedDocument(document);
    if (known === undefined || number > known.number)
      await this.#store.records.append({ type: 'document-seen', kind, scope, number, hash });
    for (const old of this.#all) if (!kept.includes(old)) await this.#store.removeIssuedDocument(old);
    this.#all = kept;
  }
}
