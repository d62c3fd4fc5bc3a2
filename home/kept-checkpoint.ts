/** The newest checkpoint of a group's log that this home saw: what a coordinator showed once it must show again. */
import { maxNoteBytes } from '../protocol/record/limits.ts';
import { HomeError } from './errors.ts';
import { readFileBounded, writeFileAtomic, writeFileOnce } from './files.ts';
import type { Home } from './home.ts';

/** The file of one group in a home. */
export class KeptCheckpoint {
  readonly #path: string;

  /** `charter` is the hash of the founding charter, hex. */
  constructor(home: Pick<Home, 'file'>, charter: string) {
    this.#path = home.file(`checkpoint-${charter}`);
  }

  /** Where it is. */
  get path(): string {
    return this.#path;
  }

  /** The note; `undefined` if none was seen yet. */
  async read(): Promise<string | undefined> {
    try {
      return new TextDecoder().decode(await readFileBounded(this.#path, maxNoteBytes));
    } catch (error) {
      if (error instanceof HomeError && error.code === 'missing') return undefined;
      throw error;
    }
  }

  /** Keeps a note in place of the one before, unless somebody else kept a newer one meanwhile: a member's daemon and an audit share the file. */
  async replace(before: string | undefined, note: string): Promise<void> {
    if (note !== before && (await this.read()) === before) await this.write(note);
  }

  /** Keeps a note, whatever was there. */
  write(note: string): Promise<void> {
    return writeFileAtomic(this.#path, new TextEncoder().encode(note));
  }

  /**
   * Keeps a note beside it that does not go on from it, under what is wrong with it: the first of each kind, so that whoever shows ever new ones fills
   * no disk (T43). Answers the path.
   */
  async writeBeside(note: string, kind: string): Promise<string> {
    const path = `${this.#path}-${kind}`;
    try {
      await writeFileOnce(path, new TextEncoder().encode(note));
    } catch (error) {
      if (!(error instanceof HomeError) || error.code !== 'exists') throw error;
    }
    return path;
  }
}
