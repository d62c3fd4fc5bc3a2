/** `frostmark participant passphrase` */
import { defineCommand, text } from '../../command.ts';

/** JSON: `{ changed }`, the number of key files. Throws what `changeHomePassphrase` does. */
export const command = defineCommand({
  home: 'participant',
  arguments: [],
  options: {
    'passphrase-file': text('FILE', 'the passphrase as it is, instead of asking'),
    'new-passphrase-file': text('FILE', 'the one that is to be, instead of asking twice'),
  },
  about: `Changes the passphrase of this home. Only the small key files are written anew,
never a share; a crash leaves the old passphrase or the new one. Stop the daemon
first. Backups open with the passphrase of their day: make a new one, and
destroy those before it.`,
  example: 'frostmark participant passphrase',
  next: `Start the daemon with the new passphrase: frostmark participant serve
Make a new backup: frostmark participant backup FILE`,
  run: async ({ settings, homePath, output }) => {
    const { changeHomePassphrase } = await import('../../../participant/passphrase.ts');
    const [old, next] = [settings['passphrase-file'], settings['new-passphrase-file']];
    const changed = await changeHomePassphrase({
      home: homePath,
      passphrase: old === undefined ? {} : { file: old },
      newPassphrase: next === undefined ? {} : { file: next },
    });
    output.result(`the passphrase is changed, in ${changed} key files`, { changed });
    output.talk('Backups that you have still open with the old one.');
  },
});
