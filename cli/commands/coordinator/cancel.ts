/** `frostmark coordinator cancel` */
import { defineCommand, roundArgument } from '../../command.ts';

/** Asks the coordinator that runs in this home, by its control socket. JSON: `{ id, outcome }`. Throws what `cancelRound` does. */
export const command = defineCommand({
  home: 'coordinator',
  arguments: [roundArgument],
  options: {},
  about: `Ends a pending round of any group, as the operator of the coordinator that runs in
this home: when somebody's requests crowd out those of others. What is signed already
stays signed, and whoever asked may ask again.`,
  example: 'frostmark coordinator cancel 4f2a9c1b',
  next: 'To keep somebody from asking again, a member signs new requesters: frostmark group requesters FILE',
  run: async ({ args, homePath, output }) => {
    const { openHome } = await import('../../../home/home.ts');
    const { cancelRound } = await import('../../../coordinator/control.ts');
    const digest = await cancelRound(await openHome('coordinator', homePath), args[0] ?? '');
    output.result(`cancelled ${digest}`, { id: digest, outcome: 'cancelled' });
  },
});
