/** `frostmark coordinator cancel` */
import { parseId } from '../../ask-daemon.ts';
import { defineCommand } from '../../command.ts';

export const command = defineCommand({
  home: 'coordinator',
  arguments: [{ name: '<id>', help: 'the round: at least the first 8 digits of its id' }],
  options: {},
  about: `Ends a pending round of any group, as the operator of the coordinator that runs in
this home: when somebody's requests crowd out those of others. What is signed already
stays signed, and whoever asked may ask again.`,
  example: 'frostmark coordinator cancel 4f2a9c1b',
  next: 'To keep somebody from asking again, a member signs new requesters: frostmark group requesters FILE',
  run: async ({ args, homePath, output }) => {
    const id = parseId(args[0] ?? '');
    const { openHome } = await import('../../../home/home.ts');
    const { cancelRound } = await import('../../../coordinator/control.ts');
    const digest = await cancelRound(await openHome('coordinator', homePath), id);
    output.result(`cancelled ${digest}`, { id: digest, outcome: 'cancelled' });
  },
});
