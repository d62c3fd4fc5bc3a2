/** `frostmark participant requests` */
import { setTimeout as sleep } from 'node:timers/promises';
import type { RequestSummary } from '../../../participant/request-view.ts';
import { defineCommand, flag, type Call } from '../../command.ts';
import { askDaemon, socketOptions } from '../../ask-daemon.ts';
import { CommandError } from '../../errors.ts';
import { untilInterrupted } from '../../interrupt.ts';
import { watchIntervalMs } from '../../limits.ts';

const options = {
  all: flag('also those that are over'),
  watch: flag('go on, and tell of every request that is new or changes'),
  ...socketOptions,
} as const;

type RequestsCall = Call<typeof options>;

/** Asks this home's daemon. JSON: `{ requests }`, also when there are none. Throws what `askDaemon` does. */
export const command = defineCommand({
  home: 'participant',
  arguments: [],
  options,
  about: `Lists the requests that the daemon on this host knows, those that wait for you
among them. With --watch it goes on until Ctrl-C: on a terminal the list is drawn
anew, elsewhere every change is one line.`,
  example: 'frostmark participant requests --watch',
  next: 'Look before you decide: frostmark participant show ID (the first 8 digits will do)',
  run: async (call) => {
    if (call.settings.watch === true) {
      await untilInterrupted(
        (signal) => watch(call, signal),
        () => new CommandError('interrupted', 'you stopped watching; the daemon goes on'),
      );
      return;
    }
    const requests = await known(call);
    const { requestsTable } = await import('../../text/request.ts');
    if (requests.length === 0 && !call.output.json) call.output.talk(emptyText(call));
    else call.output.result(requestsTable(requests, call.world.nowUnixSeconds(), call.output.width), { requests });
  },
});

async function known(call: RequestsCall): Promise<readonly RequestSummary[]> {
  const { requests } = await askDaemon(call, { command: 'requests', all: call.settings.all === true });
  return requests;
}

function emptyText({ settings }: Pick<RequestsCall, 'settings'>): string {
  return settings.all === true ? 'no requests' : 'no requests are open (--all also lists those that are over)';
}

/** Until the signal fires, and then throws. What is over is told once more before it leaves the list. */
async function watch(call: RequestsCall, signal: AbortSignal): Promise<void> {
  const { RequestsWatch } = await import('../../text/requests-watch.ts');
  using shown = new RequestsWatch(call.output, call.world.nowUnixSeconds);
  while (!signal.aborted) {
    const { requests } = await askDaemon(call, { command: 'requests', all: true });
    shown.show(
      requests,
      call.settings.all === true ? requests : requests.filter(({ outcome }) => outcome === 'pending'),
    );
    await sleep(watchIntervalMs, undefined, { signal });
  }
  throw new Error('aborted');
}
