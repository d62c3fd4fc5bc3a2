/** `frostmark group revoke` */
import { productionChannel as production } from '../../../verifier/names.ts';
import { askingOptions } from '../../ask-coordinator.ts';
import { defineCommand, flagOnly, text } from '../../command.ts';
import { CommandError } from '../../errors.ts';
import { connectToAsk, submitAndCheck, waitingOptions } from '../../waiting.ts';

/** One round of production over a subkey revocation. JSON: `{ id, channel, signed }`. Throws what `submitAndWait` does. */
export const command = defineCommand({
  home: 'asker',
  arguments: [],
  options: {
    // A default for what is asked for does not say whose key this is about.
    channel: flagOnly(text('CHANNEL', 'the channel whose OpenPGP subkey is revoked')),
    ...askingOptions,
    ...waitingOptions,
  },
  about: `Has a channel's OpenPGP subkey revoked by the production quorum, as compromised:
everything that it ever signed stops being valid, and no new binding mends that.
The exported certificate then carries the revocation; installers need the new
file. OpenSSH has no such statement: stop renewing the channel's certificate,
or distribute a revocation list (ssh-keygen -k).`,
  example: 'frostmark group revoke --channel development --group GROUP.pub',
  next: 'frostmark group export --format openpgp --channel development',
  run: async (call) => {
    const { settings, output, world } = call;
    const { channel } = settings;
    if (channel === undefined)
      throw new CommandError('usage', 'no --channel was given', 'For example: --channel development');
    if (channel === production)
      throw new CommandError(
        'usage',
        'production signs under the key of the group itself, and not under a subkey that could be revoked',
        'That key ends when nobody pins it any more.',
      );
    const { requestDate } = await import('../../../requester/dating.ts');
    const { askForCertificate } = await import('../../../requester/request.ts');
    const { numberOfNext } = await import('../../../requester/documents.ts');
    using connection = await connectToAsk(call);
    const number = await numberOfNext(connection, { kind: 'openpgp-revocation', scope: channel });
    const wish = { kind: 'openpgp-revocation', number, channel, until: null, note: settings.note } as const;
    const date = requestDate(connection, world.nowUnixSeconds());
    const submission = askForCertificate(connection.group, wish, connection.identity, date);
    const { digest, isSigned } = await submitAndCheck(call, connection, submission);
    const said = isSigned ? `the OpenPGP subkey of ${channel} is revoked` : `asked to revoke ${channel}`;
    output.result(said, { id: digest, channel, signed: isSigned });
  },
});
