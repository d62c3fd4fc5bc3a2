/** `frostmark coordinator archive` */
import { defineCommand, flag, flagOnly, text, time } from '../../command.ts';
import { CommandError } from '../../errors.ts';

/** JSON: `{ documents, bytes, to }`; `to` is `null` for what was dropped. */
export const command = defineCommand({
  home: 'coordinator',
  arguments: [],
  options: {
    before: flagOnly(time('of releases that were asked for before, such as 2025-01-01')),
    to: flagOnly(text('DIR', 'a folder that gets each document, named by its SHA-256')),
    drop: flagOnly(flag('keep no copy')),
  },
  about: `Takes the documents of old releases out of the store of this home, while the
coordinator does not run. Who asked, who decided and what was signed stay, with the hash
of every document; whoever asks for one is told that it was archived. Certificates and
documents of the group always stay.`,
  example: 'frostmark coordinator archive --before 2025-01-01 --to /srv/frostmark-archive',
  next: 'The folder is not written to again: back it up, and start the coordinator.',
  run: async ({ settings, homePath, output }) => {
    const { before, to, drop } = settings;
    if (before === undefined)
      throw new CommandError('usage', 'no --before was given', 'For example: --before 2025-01-01');
    if ((to === undefined) === (drop !== true))
      throw new CommandError('usage', 'give either --to DIR or --drop', 'What is dropped is gone: --to keeps a copy.');
    const { archiveStore } = await import('../../../coordinator/maintain.ts');
    const { documents, bytes } = await archiveStore(homePath, { before, to });
    const { archivedText } = await import('../../text/coordinator.ts');
    output.result(archivedText({ documents, bytes }, to), { documents, bytes, to: to ?? null });
  },
});
