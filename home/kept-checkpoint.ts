/** The newest checkpoint of a group's log that this home saw: what a coordinator showed once it must show again. */
import { sha256Hex } from '../protocol/wire/bytes.ts';
import { maxNoteBytes } from '../protocol/record/limits.ts';
import { HomeError } from './errors.ts';
import { readFileBounded, writeFileAtomic } from './files.ts';
import type { Home } from './home.ts';

/** The file of one group in a home. */
export class KeptCheckpoint {
  readonly #path: string;

  /** `charter` is the hash of the founding charter, hex. */
  constructor(home: Pick<Home, 'file'>, charter: string) {
    this.#path = home.file(`checkpoint-${charter}`);
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

  /** Keeps a note in place of the one before. */
  write(note: string): Promise<void> {
    return writeFileAtomic(this.#path, new TextEncoder().encode(note));
  }

  /** Keeps a note beside it that does not go on from it: the two together are a proof. Answers the path. */
  async writeBeside(note: string): Promise<string> {
    const bytes = new TextEncoder().encode(note);
    const path = `${this.#path}-${sha256Hex(bytes).slice(0, 16)}`;
    await writeFileAtomic(path, bytes);
    return path;
  }
}
