/** What a home remembers of a group's documents, in a file: what a coordinator showed once it must show again. */
import { HomeError } from './errors.ts';
import { readFileBounded, writeFileAtomic } from './files.ts';
import type { Home } from './home.ts';
import { maxSeenFileBytes } from './limits.ts';

/** The file of one group in a home. */
export class SeenDocumentsFile {
  readonly path: string;

  /** `groupKey` is base64url. */
  constructor(home: Pick<Home, 'file'>, groupKey: string) {
    this.path = home.file(`seen-${groupKey}.json`);
  }

  /** `undefined` if nothing was seen yet. Throws `HomeError`. */
  async read(): Promise<Uint8Array | undefined> {
    try {
      return await readFileBounded(this.path, maxSeenFileBytes);
    } catch (error) {
      if (error instanceof HomeError && error.code === 'missing') return undefined;
      throw error;
    }
  }

  write(bytes: Uint8Array): Promise<void> {
    return writeFileAtomic(this.path, bytes);
  }
}
