/** Where a signature goes that a tool wants in a file: planned as every other output is, before anybody is asked for it (T51). */
import { assertFree } from '../free-output.ts';
import type { SignatureFile } from './gpg-call.ts';

/** Bytes that a signature takes besides the text that it may be below, about. */
const signatureBytes = 4096;

/**
 * Refuses a file that would replace what is signed, or a file that is there, as gpg does without `--yes`; and a place where it cannot be
 * written. `textBytes` is the size of what goes into it with the signature. Throws what `assertOutputs` does.
 */
export async function assertSignatureWritable({ out, file, isReplacing }: SignatureFile, textBytes = 0): Promise<void> {
  if (out === '-') return;
  await assertFree({
    output: { path: out, what: 'the signature', size: textBytes + signatureBytes },
    inputs: file === '-' ? [] : [file],
    force: isReplacing,
    remedy: 'Move it away, or say --yes to replace it.',
  });
}
