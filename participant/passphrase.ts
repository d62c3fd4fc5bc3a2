/** `frostmark participant passphrase`: another passphrase for a member's home. */
import type { AgeChildOptions } from '../home/age-process.ts';
import { changePassphrase } from '../home/passphrase-change.ts';
import { MemberHome } from './member-home.ts';

/** Which home, and where both passphrases come from. */
export interface PassphraseOptions extends Omit<AgeChildOptions, 'purpose'> {
  /** Folder of the home; `~/.frostmark/participant` by default. */
  readonly home?: string | undefined;
}

/** Resolves with the number of key files that the new passphrase opens from now on. Throws `HomeError`, `JournalError`, `ParticipantError`. */
export async function changeHomePassphrase({ home: path, ...options }: PassphraseOptions): Promise<number> {
  await using home = await MemberHome.open(path, () => undefined);
  return await changePassphrase({ ...options, folder: home.home.path });
}
