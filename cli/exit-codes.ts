/** What exit codes say, where more than success, failure and wrong usage are told apart; `explain.ts` says which error is which. */

/** Those of every command. */
export const commonExits = { 0: 'done', 1: 'failed', 2: 'wrong usage' } as const;

/** Those that only some have. */
export const otherExits = {
  3: 'a signature, a digest or what it is about is not valid',
  4: 'not authenticated, or not allowed',
  5: 'still pending when the waiting ended',
  6: 'refused: no quorum is left',
  7: 'expired, or taken back',
  8: 'members misbehaved, and without them no quorum is left',
} as const;

/** An exit code that only some commands have. */
export type OtherExit = keyof typeof otherExits;

/** Of commands that ask for a signature. */
export const askingExits = [3, 4, 5, 6, 7, 8] as const satisfies readonly OtherExit[];
/** Of commands that log in, talk to a daemon or open what is protected by a passphrase. */
export const allowedExits = [4] as const satisfies readonly OtherExit[];

/** One line for the help of a command; nothing for one that has only what every command has. */
export function exitLine(exits: readonly OtherExit[]): string | undefined {
  if (exits.length === 0) return undefined;
  const texts = [...Object.entries(commonExits), ...exits.map((code) => [String(code), otherExits[code]] as const)];
  return `Exit code: ${texts.map(([code, text]) => `${code} ${text}`).join('; ')}.`;
}
