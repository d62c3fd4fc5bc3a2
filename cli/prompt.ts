/** Questions to the person at the terminal; never asked of a script. */
import { CommandError } from './errors.ts';

/** Resolves if the answer is yes. Throws `CommandError` (`declined`, `no-terminal`). */
export async function confirm(question: string, toSkip: string): Promise<void> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new CommandError(
      'no-terminal',
      'somebody must confirm this, and there is no terminal to ask on',
      `Run it on a terminal, or say ${toSkip} after you have checked what is above.`,
    );
  }
  const clack = await import('@clack/prompts');
  const answer = await clack.confirm({
    message: question,
    initialValue: false,
    input: process.stdin,
    output: process.stderr,
  });
  if (answer !== true)
    throw new CommandError('declined', 'you said no; nothing was changed', 'Run it again when you are sure.');
}
