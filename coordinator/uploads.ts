/** The documents of one request: uploaded by SHA-256, hashed, and kept whole for every member that has to see them. */
import { assertDocument, type DocumentEntry, type Request } from '../protocol/request/request.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { CoordinatorError } from './errors.ts';

/** The documents of one request, by SHA-256 (hex), as they arrive. */
export class Uploads {
  readonly #entries: readonly DocumentEntry[];
  readonly #held = new Map<string, Uint8Array>();

  constructor(request: Request) {
    this.#entries = request.payload.documents;
  }

  /** SHA-256 of those that are still to be uploaded, each once. */
  get missing(): string[] {
    return [...new Set(this.#entries.map(({ sha256 }) => sha256))].filter((sha256) => !this.#held.has(sha256));
  }

  /** Whole, in the request's order; `undefined` while one is missing. */
  get all(): Uint8Array[] | undefined {
    return this.allWith('', new Uint8Array());
  }

  /** The same as if one more were here already. */
  allWith(sha256: string, bytes: Uint8Array): Uint8Array[] | undefined {
    const documents = this.#entries.map((entry) => (entry.sha256 === sha256 ? bytes : this.#held.get(entry.sha256)));
    return documents.every((bytes) => bytes !== undefined) ? documents : undefined;
  }

  /** Throws `CoordinatorError('not-found')` or `ProtocolError('bad-document')` unless the request names a document of that hash and size. */
  assertNamed(sha256: string, size: number): void {
    if (this.#entryOf(sha256).size !== size)
      throw new ProtocolError('bad-document', `the document ${sha256} has another size than the request says`);
  }

  #entryOf(sha256: string): DocumentEntry {
    const entry = this.#entries.find((candidate) => candidate.sha256 === sha256);
    if (entry === undefined) throw new CoordinatorError('not-found', `the request names no document ${sha256}`);
    return entry;
  }

  /** Checks an upload against the request; false for a repeat. Throws `CoordinatorError('not-found')` or `ProtocolError('bad-document')`. */
  check(sha256: string, bytes: Uint8Array): boolean {
    assertDocument(this.#entryOf(sha256), bytes);
    return !this.#held.has(sha256);
  }

  /** Takes in what `check` let pass and the store holds. */
  add(sha256: string, bytes: Uint8Array): void {
    this.#held.set(sha256, bytes);
  }

  /** Throws `CoordinatorError('not-found')`. */
  get(sha256: string): Uint8Array {
    const bytes = this.#held.get(sha256);
    if (bytes === undefined) throw new CoordinatorError('not-found', `there is no document ${sha256} here`);
    return bytes;
  }
}
