/** `frostmark participant requests` */
import { defineCommand, flag } from '../../command.ts';
import { askDaemon, socketOptions } from '../../ask-daemon.ts';

/** Asks this home's daemon. JSON: `{ requests }`, also when there are none. Throws what `askDaemon` does. */
export const command = defineCommand({
  home: 'participant',
  arguments: [],
  options: { all: flag('also those that are over'), ...socketOptions },
  about: 'Lists the requests that the daemon on this host knows, those that wait for you among them.',
  example: 'frostmark participant requests',
  next: 'Look before you decide: frostmark participant show ID (the first 8 digits will do)',
  run: async (call) => {
    const { requests } = await askDaemon(call, { command: 'requests', all: call.settings.all === true });
    const { requestsTable } = await import('../../text/request.ts');
    const nowUnixSeconds = call.world.nowUnixSeconds();
    if (requests.length === 0 && !call.output.json) {
      call.output.talk(
        call.settings.all === true ? 'no requests' : 'no requests are open (--all also lists those that are over)',
      );
      return;
    }
    call.output.result(requestsTable(requests, nowUnixSeconds), { requests });
  },
});
