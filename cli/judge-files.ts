/** Evidence files judged together, as many of them as can be read. */
import { randomBytes } from 'node:crypto';
import { readFileBounded } from '../home/files.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { judgeTogether, type Verdict } from '../protocol/evidence.ts';
import { createNobleGroup } from '../protocol/frost/group-noble.ts';
import { maxEvidenceBytes } from '../protocol/limits.ts';

/** What all files together prove. */
export interface Judged {
  readonly verdicts: readonly Verdict[];
  /** Files that are no evidence, or whose evidence is wrong: a liar's own file must not keep the others from being judged. */
  readonly refused: readonly { readonly file: string; readonly reason: string }[];
}

/** Throws `HomeError` for a file that cannot be read. */
export async function judgeFiles(files: readonly string[]): Promise<Judged> {
  // Public arithmetic only, which draws no randomness.
  const arithmetic = createNobleGroup({ randomBytes: (count) => new Uint8Array(randomBytes(count)) });
  const good: Uint8Array[] = [];
  const refused: { file: string; reason: string }[] = [];
  for (const file of files) {
    const bytes = await readFileBounded(file, maxEvidenceBytes);
    try {
      judgeTogether(arithmetic, [bytes]);
      good.push(bytes);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      refused.push({ file, reason: error.message });
    }
  }
  return { verdicts: judgeTogether(arithmetic, good), refused };
}
