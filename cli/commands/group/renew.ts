/** `frostmark group renew` */
import { askingOptions } from '../../ask-coordinator.ts';
import { defineCommand, flag, flagOnly, text, type Call } from '../../command.ts';
import { CommandError } from '../../errors.ts';
import { askAndWrite, statusOptions } from '../../status-round.ts';
import { connectToAsk, submitAndCheck, waitingOptions } from '../../waiting.ts';

const options = {
  // A default for what is asked for does not say whose key this is about.
  channel: flagOnly(text('CHANNEL', 'the channel whose key is vouched for anew')),
  status: flagOnly(flag('a new status instead, which says again what has ended')),
  ...statusOptions,
  ...askingOptions,
  ...waitingOptions,
} as const;

type RenewCall = Call<typeof options>;

/**
 * One round of production over a delegation: JSON `{ id, channel, signed }`; or over a status: what `askAndWrite` gives. Throws what
 * `submitAndWait` and `askAndWrite` do.
 */
export const command = defineCommand({
  home: 'asker',
  arguments: [],
  options,
  about: `Has a new delegation signed by the production quorum: the channel's key may sign
for its channel from now on, for the time that the charter gives. Do it before
the old one ends, so that builds of the channel go on.
With --status it is a new GROUP.status, with today's date and all that has ended:
for installers that take none that is older than some days (--status-max-age).`,
  example: `frostmark group renew --channel development --group GROUP.pub
frostmark group renew --status --group GROUP.pub`,
  next: 'See until when: frostmark group show',
  run: async (call) => {
    const { channel, status } = call.settings;
    if ((channel === undefined) === (status !== true))
      throw new CommandError(
        'usage',
        'what is renewed is one of --channel and --status',
        'For example: --channel development',
      );
    if (channel === undefined) await askAndWrite(call, undefined, false);
    else await renewDelegation(call, channel);
  },
});

async function renewDelegation(call: RenewCall, channel: string): Promise<void> {
  const { settings, output, world } = call;
  const { requestDate } = await import('../../../requester/dating.ts');
  const { askForDelegation } = await import('../../../requester/request.ts');
  const { numberOfNext } = await import('../../../requester/documents.ts');
  using connection = await connectToAsk(call);
  const number = await numberOfNext(connection, { kind: 'delegation', scope: channel });
  const submission = askForDelegation(
    connection.group,
    { channel, number, note: settings.note },
    connection.identity,
    requestDate(connection, world.nowUnixSeconds()),
  );
  const { digest, isSigned } = await submitAndCheck(call, connection, submission);
  const said = isSigned ? `the delegation of ${channel} is signed` : `asked for a delegation of ${channel}`;
  output.result(said, { id: digest, channel, signed: isSigned });
}
