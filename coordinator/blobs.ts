/**
 * Which bytes the records of the store name, and which of them nobody needs any more: the documents of a round that ended without a signature
 * (T43). It follows from the records alone, in their order, so that whoever reads them all comes to the same answer.
 */
import type { StoreRecord } from './chain.ts';

/** Counts the records that name each blob. */
export class Blobs {
  /** By SHA-256, hex: how many records that count name it. */
  readonly #named = new Map<string, number>();
  /** Of rounds that are not over, by digest. */
  readonly #documents = new Map<string, string[]>();

  /** Takes in the next record; answers the SHA-256 of blobs that no record needs from here on. */
  add(record: StoreRecord): string[] {
    switch (record.type) {
      case 'group':
        this.#name(record.certificate);
        return [];
      case 'evidence':
        this.#name(record.sha256);
        return [];
      case 'round-document':
        this.#name(record.sha256);
        this.#documents.set(record.digest, [...(this.#documents.get(record.digest) ?? []), record.sha256]);
        return [];
      case 'closed': {
        const documents = this.#documents.get(record.digest) ?? [];
        this.#documents.delete(record.digest);
        // What was signed stays whole: certificates for stock tools are made of it.
        return record.outcome === 'signed' ? [] : documents.filter((sha256) => this.#forget(sha256));
      }
      case 'group-document':
      case 'ceremony':
      case 'journal':
      case 'round':
      case 'decision':
        return [];
    }
  }

  /** SHA-256 of every blob that must be there. */
  get needed(): Iterable<string> {
    return this.#named.keys();
  }

  #name(sha256: string): void {
    this.#named.set(sha256, (this.#named.get(sha256) ?? 0) + 1);
  }

  /** Whether nothing else names it. */
  #forget(sha256: string): boolean {
    const count = (this.#named.get(sha256) ?? 1) - 1;
    if (count > 0) this.#named.set(sha256, count);
    else this.#named.delete(sha256);
    return count === 0;
  }
}
