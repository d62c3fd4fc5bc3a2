/** `frostmark group certify` */
import type { Connection } from '../../../requester/connection.ts';
import { askingOptions } from '../../ask-coordinator.ts';
import { defineCommand, duration, flagOnly, text, type Call } from '../../command.ts';
import { CommandError } from '../../errors.ts';
import { connectToAsk, submitAndWait, untilSigned, waitingOptions } from '../../waiting.ts';

const options = {
  // A default for what is asked for does not say whose key this is about.
  channel: flagOnly(text('CHANNEL', "certify this channel's key under production's (default: production's own)")),
  valid: duration('how long, such as 30d (default: as long as a delegation, by the charter)'),
  ...askingOptions,
  ...waitingOptions,
} as const;

type CertifyCall = Call<typeof options>;

/** One round, or two for a channel's OpenPGP subkey. JSON: `{ id, format, channel, signed }` of the last one. */
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
    using connection = await connectToAsk(call);
    const { channel = null } = settings;
    const { id, isSigned } = await certifyAs(call, connection, format);
    output.result(`${isSigned ? 'signed' : 'asked for'}: ${format} certificate of ${channel ?? 'the group'}`, {
      id,
      format,
      channel,
      signed: isSigned,
    });
  },
});

interface CertifiedRound {
  /** Names the last round. */
  readonly id: string;
  readonly isSigned: boolean;
}

async function certifyAs(
  call: CertifyCall,
  connection: Connection,
  format: 'openpgp' | 'ssh',
): Promise<CertifiedRound> {
  const { settings, output, world } = call;
  const { askToCertify, certify } = await import('../../../requester/certify.ts');
  const { channel, valid: validSeconds, note } = settings;
  const wish = { format, channel, validSeconds, note };
  if (settings['no-wait'] === true) {
    const { digest, view } = await askToCertify(connection, wish, {
      submit: (submission) => submitAndWait(call, connection, submission),
      nowUnixSeconds: world.nowUnixSeconds(),
    });
    return { id: digest, isSigned: view !== undefined };
  }
  const { digest } = await certify(connection, wish, {
    ask: (to, submission) => untilSigned(call, to, submission),
    nowUnixSeconds: world.nowUnixSeconds,
    onFirstOfTwo: (of) =>
      output.talk(`first ${of} itself says that it belongs to the group, then production vouches for it`),
  });
  return { id: digest, isSigned: true };
}
