/** `frostmark participant status` */
import { defineCommand } from '../../command.ts';
import { askDaemon, socketOptions } from '../../ask-daemon.ts';

/** Asks this home's daemon. JSON: `{ status }`. Throws what `askDaemon` does. */
export const command = defineCommand({
  home: 'participant',
  arguments: [],
  options: { ...socketOptions },
  about: `Shows how the daemon on this host stands: its group and key, whether it is
connected, who else is, what waits, and alarms about journals that went back.`,
  example: 'frostmark participant status',
  next: 'What waits for you: frostmark participant requests',
  run: async (call) => {
    const { status } = await askDaemon(call, { command: 'status' });
    const { statusPage } = await import('../../text/request.ts');
    call.output.result(statusPage(status), { status });
  },
});
