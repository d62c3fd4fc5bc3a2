/** `frostmark coordinator status` */
import { defineCommand } from '../../command.ts';

/** JSON: the status as `coordinatorStatus` answers it. */
export const command = defineCommand({
  home: 'coordinator',
  arguments: [],
  options: {},
  about: `Says how the coordinator that runs in this home is: the log of each group with its
records and pending rounds, which members are connected, and how far the walk is that
looks for damage in what is stored.`,
  example: 'frostmark coordinator status',
  next: 'Damage is for this, while it does not run: frostmark coordinator check',
  run: async ({ homePath, output }) => {
    const { openHome } = await import('../../../home/home.ts');
    const { coordinatorStatus } = await import('../../../coordinator/control.ts');
    const status = await coordinatorStatus(await openHome('coordinator', homePath));
    const { statusText } = await import('../../text/coordinator.ts');
    output.result(statusText(status), status);
  },
});
