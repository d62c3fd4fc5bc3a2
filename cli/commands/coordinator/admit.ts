/** `frostmark coordinator admit` */
import { defineCommand } from '../../command.ts';

/** Prints the SHA-256 of the charter file, hex; needs no running coordinator. JSON: what `charterJson` gives. */
export const command = defineCommand({
  home: 'coordinator',
  arguments: [{ name: '<charter>', help: 'CHARTER.yaml, exactly the file that the members have' }],
  options: {},
  about: `Lets the group of a charter use this coordinator. The file is copied into the
home; a running server sees it at once. It is checked first, and a repeat changes
nothing.`,
  example: 'frostmark coordinator admit charter.yaml',
  next: 'Every member runs: frostmark participant join charter.yaml --coordinator URL',
  run: async ({ args, homePath, output }) => {
    const { admitCharter } = await import('../../../coordinator/init.ts');
    const { charterJson } = await import('../../text/charter.ts');
    const { charterWarnings } = await import('../../../protocol/files/charter.ts');
    const charter = await admitCharter(homePath, args[0] ?? '');
    for (const warning of charterWarnings(charter)) output.warn(warning);
    output.result(`admitted ${charter.group}: ${charter.hash}`, charterJson(charter));
    output.talk('The members should see the same hash when they join.');
  },
});
