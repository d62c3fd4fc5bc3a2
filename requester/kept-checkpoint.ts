/** The newest checkpoint of a group's log that this home saw: what a coordinator showed once it must show again. */
import { HomeError } from '../home/errors.ts';
import { readFileBounded, writeFileAtomic } from '../home/files.ts';
import type { Home } from '../home/home.ts';
import { maxNoteBytes } from '../protocol/record/limits.ts';

/** One file of a home, for one group. */
export class KeptCheckpoint {
  readonly #path: string;

  /** `groupKey` is base64url. */
  constructor(home: Pick<Home, 'file'>, groupKey: string) {
    this.#path = home.file(`checkpoint-${groupKey}`);
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
}
