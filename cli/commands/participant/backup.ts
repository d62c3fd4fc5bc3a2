/** `frostmark participant backup` */
import type { ListedBackup } from '../../../participant/backup.ts';
import { formatTimestamp } from '../../../protocol/wire/time.ts';
import { defineCommand, text } from '../../command.ts';

/** JSON: `{ name, file }`, `{ destroyed }`, or `{ backups }`. Throws what `backUp`, `declareDestroyed` and `listBackups` do. */
export const command = defineCommand({
  home: 'participant',
  arguments: [{ name: '[file]', help: 'where the backup goes; without it, the backups that were made are listed' }],
  options: {
    destroyed: text('NAME', 'declare that you have destroyed the backup of this name'),
    'passphrase-file': text('FILE', 'the passphrase of the home, instead of asking'),
  },
  about: `Writes one encrypted file out of which this member comes back: identity, shares,
certificate, charter and the group's documents, under the passphrase of the home.
Stop the daemon first. Whoever has the file and the passphrase is this member:
keep it elsewhere, and say so here when it is destroyed.`,
  example: 'frostmark participant backup /mnt/safe/alice.backup',
  next: `After a lost disk: frostmark participant restore FILE
When a backup is destroyed: frostmark participant backup --destroyed NAME`,
  run: async ({ args, settings, homePath, output }) => {
    const { backUp, declareDestroyed, listBackups } = await import('../../../participant/backup.ts');
    const [file] = args;
    const { destroyed } = settings;
    if (destroyed !== undefined) {
      await declareDestroyed(homePath, destroyed);
      output.result(`the backup ${destroyed} counts as destroyed`, { destroyed });
      return;
    }
    if (file === undefined) {
      const backups = await listBackups(homePath);
      output.result(backups.length === 0 ? 'no backup was made' : backups.map(lineOf).join('\n'), { backups });
      return;
    }
    const passphraseFile = settings['passphrase-file'];
    const { name } = await backUp({
      home: homePath,
      file,
      passphrase: passphraseFile === undefined ? {} : { file: passphraseFile },
    });
    output.result(`the backup ${name} is in ${file}`, { name, file });
    output.talk('It opens with the passphrase that this home has today. Keep it on another disk.');
  },
});

function lineOf({ name, at, isDestroyed }: ListedBackup): string {
  return `${name}  ${formatTimestamp(at)}${isDestroyed ? '  destroyed' : ''}`;
}
