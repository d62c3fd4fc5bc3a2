/** What can go wrong at the terminal itself. */

/**
 * - `usage`: a flag, argument or setting is missing or makes no sense.
 * - `declined`: the person at the terminal said no.
 * - `no-terminal`: a question must be asked and there is nobody to ask.
 * - `interrupted`: Ctrl-C; what goes on without us is said.
 * - `nothing-proved`: evidence files name nobody.
 */
export type CommandErrorCode = 'usage' | 'declined' | 'no-terminal' | 'interrupted' | 'nothing-proved';

/** A refusal by `cli/`, with what to do next where the command knows it better than the table of exit codes. */
export class CommandError extends Error {
  readonly code: CommandErrorCode;
  readonly hint: string | undefined;

  constructor(code: CommandErrorCode, message: string, hint?: string) {
    super(message);
    this.name = 'CommandError';
    this.code = code;
    this.hint = hint;
  }
}
