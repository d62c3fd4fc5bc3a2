/** One output of a command that never replaces a file unasked, planned before anybody is asked for anything (T51). */
import type { Output } from '../requester/outputs.ts';
import { CommandError } from './errors.ts';

/** What is written, what it must not replace whatever is said, and what a person does about a file that is there. */
export interface FreeOutput {
  readonly output: Omit<Output, 'isOurs'>;
  readonly inputs: readonly string[];
  readonly force: boolean;
  readonly remedy: string;
}

/** Throws what `assertOutputs` does, and `CommandError('usage')` with the remedy for a file that is there. */
export async function assertFree({ output, inputs, force, remedy }: FreeOutput): Promise<void> {
  const { assertOutputs } = await import('../requester/outputs.ts');
  const { RequesterError } = await import('../requester/errors.ts');
  try {
    await assertOutputs({ inputs, outputs: [{ ...output, isOurs: () => false }], force });
  } catch (error) {
    if (!(error instanceof RequesterError) || error.code !== 'output-exists') throw error;
    throw new CommandError('usage', error.message, remedy);
  }
}
