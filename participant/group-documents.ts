/** The documents under the group's key that this member has verified, newest only: genesis, requesters, delegations. */
import { newestDelegations, openGroupDocuments, type HeldDelegation } from '../protocol/group-documents/envelopes.ts';
import type { Epoch } from '../protocol/ceremony/epoch.ts';
import { foundingKind, foundingNames } from '../protocol/ceremony/founding.ts';
import { ProtocolError } from '../protocol/errors.ts';
import type { Requesters } from '../protocol/files/requesters.ts';
import { hashOfEnvelope } from '../protocol/group-documents/document.ts';
import { countOf, type NamedDocument, type Place } from '../protocol/group-documents/kinds.ts';
import { highestOf } from '../protocol/group-documents/numbers.ts';
import { ParticipantError } from './errors.ts';
import { IssuedDocuments, type IssuedStore } from './issued-documents.ts';
import type { HeldDocuments, MemberHome } from './member-home.ts';

/** What `HeldGroupDocuments` keeps on disk. */
export type DocumentStore = Pick<MemberHome, 'documents' | 'writeDocuments' | 'records'> & IssuedStore;

/** The group's documents as one member holds them: verified under the group's key, stored before they count, never older than what was seen. */
export class HeldGroupDocuments {
  readonly #epoch: Epoch;
  readonly #store: DocumentStore;
  #held: HeldDocuments = { genesis: null, requesters: null, delegations: [] };
  #requesters: Requesters | undefined;
  #delegations: readonly HeldDelegation[] = [];
  readonly #agreed: Requesters;
  /** Those that are numbered and kept whole. */
  readonly issued: IssuedDocuments;

  /** `agreed` is the ceremony's requesters document. Throws `ParticipantError('damaged')` for a file that the group did not sign, or an older one than was seen. */
  static async load(epoch: Epoch, agreed: Requesters, store: DocumentStore): Promise<HeldGroupDocuments> {
    const documents = new HeldGroupDocuments(epoch, agreed, store, await IssuedDocuments.load(epoch, store));
    const held = await store.documents();
    try {
      documents.#take(held);
    } catch (cause) {
      if (!(cause instanceof ProtocolError)) throw cause;
      throw new ParticipantError('damaged', `documents.json is damaged: ${cause.message}; put a copy of it back`, {
        cause,
      });
    }
    if (documents.requestersVersion < store.records.requestersVersion)
      throw new ParticipantError(
        'damaged',
        `documents.json holds requesters version ${documents.requestersVersion}, but version ${store.records.requestersVersion} was seen; put the newer file back`,
      );
    return documents;
  }

  private constructor(epoch: Epoch, agreed: Requesters, store: DocumentStore, issued: IssuedDocuments) {
    this.#epoch = epoch;
    this.#agreed = agreed;
    this.#store = store;
    this.issued = issued;
  }

  /** Who may ask: the newest signed document, or before there is one what every member agreed to in the ceremony. */
  get requesters(): Requesters {
    return this.#requesters ?? this.#agreed;
  }

  /** 0 until the first is signed. */
  get requestersVersion(): number {
    return this.#requesters?.version ?? 0;
  }

  get delegations(): readonly HeldDelegation[] {
    return this.#delegations;
  }

  get held(): HeldDocuments {
    return this.#held;
  }

  /** The newest of a count that was seen under the group's signature. */
  highestOf(count: Pick<Place, 'kind' | 'scope'>): NamedDocument | undefined {
    return this.highest.find((one) => countOf(one) === countOf(count));
  }

  /** The newest of every count that was ever seen here. */
  get highest(): readonly NamedDocument[] {
    return [...this.#founding, ...this.issued.highest.values()];
  }

  /** The newest of every count that is here, whole: what others can have of this member. */
  get newestHere(): readonly NamedDocument[] {
    return [...this.#founding, ...highestOf<NamedDocument>(this.issued.all).values()];
  }

  get #founding(): readonly NamedDocument[] {
    const { genesis, requesters } = this.#held;
    const number = this.#epoch.number + 1;
    return [
      ...(genesis === null ? [] : [{ kind: 'genesis', scope: null, number, hash: hashOfEnvelope(genesis) } as const]),
      ...(requesters === null
        ? []
        : [
            {
              kind: 'requesters',
              scope: null,
              number: this.requestersVersion,
              hash: hashOfEnvelope(requesters),
            } as const,
          ]),
    ];
  }

  /** What the ceremony still has to sign: `genesis`, `requesters`, or `delegation CHANNEL`. */
  get missing(): readonly string[] {
    return foundingNames(this.#epoch).filter((name) => !this.#holds(name));
  }

  #holds(name: string): boolean {
    switch (foundingKind(name)) {
      case 'genesis':
        return this.#held.genesis !== null;
      case 'requesters':
        return this.#requesters !== undefined;
      case 'delegation':
        return this.holdsDelegation(name.slice('delegation '.length));
    }
  }

  /** What of it may be asked for now: nothing is signed under a key before its genesis. */
  get due(): readonly string[] {
    return this.#held.genesis === null ? ['genesis'] : this.missing;
  }

  holdsDelegation(channel: string): boolean {
    return this.#delegations.some((delegation) => delegation.channel === channel);
  }

  /**
   * Takes over what is newer, stored before it counts, and answers whether anything was. Older requesters are refused:
   * throws `ProtocolError('stale-version')`; and whatever the group did not sign.
   */
  async adopt(offered: HeldDocuments): Promise<boolean> {
    const opened = openGroupDocuments(this.#epoch, offered);
    const older = opened.requesters !== undefined && opened.requesters.version < this.requestersVersion;
    const merged: HeldDocuments = {
      genesis: this.#held.genesis ?? offered.genesis,
      requesters: newerRequesters(this.#held.requesters, this.requestersVersion, offered.requesters, opened.requesters),
      delegations: newestDelegations([...this.#delegations, ...opened.delegations], 1).map(({ envelope }) => envelope),
    };
    const changed = JSON.stringify(merged) !== JSON.stringify(this.#held);
    if (changed) {
      const version = opened.requesters?.version ?? 0;
      // The file first: a journal that knows of a version which the file lacks would look like damage after a crash.
      await this.#store.writeDocuments(merged);
      if (version > this.requestersVersion) await this.#store.records.append({ type: 'requesters', version });
      this.#take(merged);
    }
    if (older)
      throw new ProtocolError(
        'stale-version',
        `requesters version ${opened.requesters.version} is offered, version ${this.requestersVersion} was seen already`,
      );
    return changed;
  }

  #take(held: HeldDocuments): void {
    const opened = openGroupDocuments(this.#epoch, held);
    this.#held = held;
    this.#requesters = opened.requesters;
    this.#delegations = opened.delegations;
  }
}

function newerRequesters(
  held: HeldDocuments['requesters'],
  heldVersion: number,
  envelope: HeldDocuments['requesters'],
  offered: Requesters | undefined,
): HeldDocuments['requesters'] {
  return offered !== undefined && offered.version > heldVersion ? envelope : held;
}
