/** `frostmark coordinator serve` */
import { defineCommand, flag, text } from '../../command.ts';
import { CommandError } from '../../errors.ts';
import { atHangup, interruption } from '../../interrupt.ts';
import { daemonLog } from '../../text/daemon-log.ts';

/**
 * Runs until a signal or until its store fails, which it then throws. Prints one line when it listens; JSON: `{ ready, url }`. The log goes to
 * standard error.
 */
export const command = defineCommand({
  home: 'coordinator',
  arguments: [],
  options: {
    listen: text('HOST:PORT', 'where to listen, such as 127.0.0.1:7443'),
    url: text('URL', 'how clients reach it, when not by HOST:PORT'),
    'tls-cert': text('FILE', 'its TLS certificate, PEM'),
    'tls-key': text('FILE', 'the key of that certificate, PEM'),
    'trust-proxy': text(
      'ADDR',
      'IP address of a proxy in front, whose X-Forwarded-For is believed; several with commas',
    ),
    log: text('HOW', 'json or text (default: text on a terminal, else json)'),
    insecure: flag('plain http beyond this machine: anybody on the way sees who signs what'),
  },
  about: `Runs the coordinator for any number of groups. Trusted to be up, not with
secrets: it can stop signing, and can neither sign nor change what is signed.
It prints its URL. On a terminal it tells what happens in words, elsewhere (or
with --log json) as JSON lines on stderr. It ends at Ctrl-C or SIGTERM, and not
at SIGHUP.`,
  example: `frostmark coordinator serve --listen 0.0.0.0:7443 --url https://sign.example.org:7443 \\
  --tls-cert cert.pem --tls-key key.pem`,
  next: `Give the URL that it prints, with the fingerprint after the #, to members and
requesters: they recognise the coordinator by it.`,
  run: async ({ settings, homePath, output }) => {
    const { listen } = settings;
    if (listen === undefined)
      throw new CommandError('usage', 'no --listen was given', 'For example: --listen 127.0.0.1:7443');
    const tls = tlsOf(settings['tls-cert'], settings['tls-key']);
    const { startCoordinator } = await import('../../../coordinator/main.ts');
    const stopped = interruption();
    atHangup(() => {
      output.talk('nothing is read again at SIGHUP; new settings count from the next start on');
      return undefined;
    });
    const coordinator = await startCoordinator({
      home: homePath,
      listen,
      url: settings.url,
      tls,
      insecure: settings.insecure,
      trustProxies: settings['trust-proxy']?.split(','),
      log: daemonLog(output, settings.log),
    });
    output.result(`ready: ${coordinator.url}`, { ready: true, url: coordinator.url });
    const failure = await Promise.race([stopped, coordinator.closed]);
    await coordinator.close();
    if (failure !== undefined) throw failure;
    output.talk('stopped');
  },
});

function tlsOf(
  cert: string | undefined,
  key: string | undefined,
): { readonly cert: string; readonly key: string } | undefined {
  if (cert !== undefined && key !== undefined) return { cert, key };
  if (cert === undefined && key === undefined) return undefined;
  throw new CommandError('usage', '--tls-cert and --tls-key are only good together');
}
