/** `frostmark participant restore` */
import { defineCommand, text } from '../../command.ts';

/** JSON: `{ home, member, group, createdAt, restoredAt, othersNeeded }`. Throws what `restoreMember` does. */
export const command = defineCommand({
  home: 'participant',
  arguments: [{ name: '<file>', help: 'the backup' }],
  options: { 'passphrase-file': text('FILE', 'the passphrase of the backup, instead of asking') },
  about: `Brings a member back out of its backup, into a home that is not there yet or has
lost its files; nothing is replaced. Its journal begins anew, and every member and
the coordinator are told. It decides nothing before enough others were connected,
nor on anything that was asked for before.
Never while the old home still runs, or will.`,
  example: 'frostmark participant restore /mnt/safe/alice.backup',
  next: `Start the daemon: frostmark participant serve
See whether it waits: frostmark participant status`,
  run: async ({ args, settings, homePath, output }) => {
    const { restoreMember } = await import('../../../participant/restore.ts');
    const passphraseFile = settings['passphrase-file'];
    const restored = await restoreMember({
      home: homePath,
      file: args[0] ?? '',
      passphrase: passphraseFile === undefined ? {} : { file: passphraseFile },
    });
    const { home, member, group, createdAt, othersNeeded } = restored;
    output.result(`${member} of ${group} is back in ${home}, as it was at ${createdAt}`, restored);
    output.talk(`Tell the others before you start it: they will see an alarm. It waits for ${othersNeeded} of them.`);
    output.talk('Next: frostmark participant serve');
  },
});
