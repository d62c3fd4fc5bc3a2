/** `frostmark group certify` */
import type { Connection } from '../../../requester/connection.ts';
import type { CertificateWish } from '../../../requester/request.ts';
import { askingOptions, connectAsAsker } from '../../ask-coordinator.ts';
import { defineCommand, text, type Call } from '../../command.ts';
import { CommandError } from '../../errors.ts';
import { submitAndWait, waitingOptions } from '../../waiting.ts';

const options = {
  channel: text('CHANNEL', "certify this channel's key under production's (default: production's own)"),
  valid: text('DURATION', 'how long, such as 30d (default: as long as a delegation, by the charter)'),
  ...askingOptions,
  ...waitingOptions,
} as const;

type CertifyCall = Call<typeof options>;

export const command = defineCommand({
  home: 'asker',
  arguments: [{ name: '<format>', help: 'openpgp or ssh' }],
  options,
  about: `Has the certificates signed that stock tools want, by rounds like any other.
They are made once and kept by the coordinator: the OpenPGP certificate of the
group (openpgp); a channel's key as a signing subkey under it, which takes one
round of the channel and one of production (openpgp --channel C); a channel's
SSH certificate (ssh --channel C). Re-issue those of a channel before they end.`,
  example: 'frostmark group certify openpgp --group GROUP.pub',
  next: 'frostmark group export --format openpgp writes what installers get.',
  run: async (call) => {
    const { args, output, settings } = call;
    const [format] = args;
    if (format !== 'openpgp' && format !== 'ssh')
      throw new CommandError('usage', `there are no ${format ?? ''} certificates`, 'It is openpgp or ssh.');
    if (format === 'ssh' && settings.channel === undefined)
      throw new CommandError(
        'usage',
        'no --channel was given',
        "Production's SSH key needs no certificate; say whose: --channel development",
      );
    if (settings['no-wait'] === true && format === 'openpgp' && settings.channel !== undefined)
      throw new CommandError('usage', 'the second round needs the result of the first', 'Leave --no-wait out.');
    using connection = await connectAsAsker(call);
    const id = await certify(call, connection, format);
    const said = settings['no-wait'] === true ? 'asked for' : 'signed';
    output.result(`${said}: ${format} certificate of ${settings.channel ?? 'the group'}`, {
      id,
      format,
      channel: settings.channel ?? null,
      signed: settings['no-wait'] !== true,
    });
  },
});

async function certify(call: CertifyCall, connection: Connection, format: 'openpgp' | 'ssh'): Promise<string> {
  const { channel } = call.settings;
  const until = channel === undefined ? null : await endOf(call, connection, channel);
  const { note } = call.settings;
  if (format === 'ssh') return (await ask(call, connection, { kind: 'ssh-certificate', channel, until, note })).id;
  if (channel === undefined)
    return (await ask(call, connection, { kind: 'openpgp-certificate', channel, until, note })).id;
  call.output.talk(`first ${channel} itself says that it belongs to the group, then production vouches for it`);
  const back = await ask(call, connection, { kind: 'openpgp-back-signature', channel, until: null, note });
  const document = { kind: 'openpgp-back-signature', bytes: back.file ?? new Uint8Array() };
  return (await ask(call, connection, { kind: 'openpgp-subkey', channel, until, document, note })).id;
}

interface Certified {
  readonly id: string;
  /** The finished file; `undefined` with `--no-wait`. */
  readonly file: Uint8Array | undefined;
}

async function ask(call: CertifyCall, connection: Connection, wish: CertificateWish): Promise<Certified> {
  const { askForCertificate } = await import('../../../requester/request.ts');
  const { openResult } = await import('../../../requester/bundle.ts');
  const submission = askForCertificate(connection.group, wish, connection.identity, call.world.nowUnixSeconds());
  const { digest, view } = await submitAndWait(call, connection, submission);
  if (view === undefined) return { id: digest, file: undefined };
  const [file] = openResult(connection.group, view.request, submission.documents, view.body.signatures);
  return { id: digest, file: file?.bytes };
}

/** RFC 3339. Throws `CommandError('usage')`. */
async function endOf({ settings, world }: CertifyCall, { group }: Connection, channel: string): Promise<string> {
  const { channelOf } = await import('../../../protocol/files/charter.ts');
  const { formatTimestamp, parseDuration } = await import('../../../protocol/wire/time.ts');
  const { validitySeconds } = channelOf(group.epoch.charter, channel);
  if (validitySeconds === undefined)
    throw new CommandError('usage', `${channel} signs under the group key itself`, 'Leave --channel out.');
  const seconds = settings.valid === undefined ? validitySeconds : parseDuration(settings.valid);
  if (seconds === undefined || seconds > validitySeconds)
    throw new CommandError(
      'usage',
      `--valid ${settings.valid ?? ''} is no duration up to ${Math.floor(validitySeconds / 86_400)} days`,
      'The charter says how long a key of this channel is vouched for.',
    );
  return formatTimestamp(world.nowUnixSeconds() + seconds);
}
