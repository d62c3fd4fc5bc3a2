/** `frostmark participant serve` */
import type { Daemon } from '../../../participant/daemon.ts';
import { jsonLog } from '../../../participant/log.ts';
import { coordinatorOptions, readAuthority } from '../../ask-coordinator.ts';
import { defineCommand, text } from '../../command.ts';
import { socketOptions } from '../../ask-daemon.ts';
import { atHangup, interruption } from '../../interrupt.ts';
import { daemonLog } from '../../text/daemon-log.ts';

/**
 * Runs until a signal. Prints two lines when it is ready; JSON: `{ ready, group, socket }`. The log goes to standard error. Throws what
 * `startDaemon` does.
 */
export const command = defineCommand({
  home: 'participant',
  arguments: [],
  options: {
    policy: text('FILE', 'policy.yaml: approve, refuse, ask or exec by rule'),
    ...socketOptions,
    'passphrase-file': text('FILE', 'the passphrase for the share, instead of asking'),
    ...coordinatorOptions,
    log: text('HOW', 'json or text (default: text on a terminal, else json)'),
  },
  about: `Runs the daemon of one share holder: it fetches requests, decides by the policy
or waits for you, and signs what enough members have approved. Without a policy
every request waits for "frostmark participant approve ID".
On a terminal it tells what happens in words, elsewhere (or with --log json) as
JSON lines on stderr. SIGHUP has it read the policy again: a broken one is
refused, and the old one stays. It ends at Ctrl-C or SIGTERM.`,
  example: 'frostmark participant serve --policy policy.yaml --passphrase-file ~/secret',
  next: `Decide, as the same user on the same host:
frostmark participant requests
frostmark participant show ID
frostmark participant approve ID`,
  run: async ({ settings, homePath, output }) => {
    const { startDaemon } = await import('../../../participant/daemon.ts');
    const passphraseFile = settings['passphrase-file'];
    const stopped = interruption();
    const running: { daemon?: Daemon } = {};
    atHangup(() => running.daemon?.reloadPolicy());
    const daemon = await startDaemon({
      home: homePath,
      coordinator: settings.coordinator,
      policyPath: settings.policy,
      socketPath: settings.socket,
      passphrase: passphraseFile === undefined ? {} : { file: passphraseFile },
      log: jsonLog(daemonLog(output, settings.log)),
      insecure: settings.insecure,
      ca: await readAuthority(settings.ca),
    });
    running.daemon = daemon;
    output.result(`ready: ${daemon.groupLine}\ncontrol socket: ${daemon.socketPath}`, {
      ready: true,
      group: daemon.groupLine,
      socket: daemon.socketPath,
    });
    await Promise.race([stopped, daemon.closed]);
    await daemon.close();
    output.talk('stopped');
  },
});
