/** `frostmark group renew` */
import { askingOptions } from '../../ask-coordinator.ts';
import { defineCommand, flagOnly, text } from '../../command.ts';
import { CommandError } from '../../errors.ts';
import { connectToAsk, submitAndCheck, waitingOptions } from '../../waiting.ts';

/** One round of production over a delegation. JSON: `{ id, channel, signed }`. Throws what `submitAndWait` does. */
export const command = defineCommand({
  home: 'asker',
  arguments: [],
  options: {
    // A default for what is asked for does not say whose key this is about.
    channel: flagOnly(text('CHANNEL', 'the channel whose key is vouched for anew')),
    ...askingOptions,
    ...waitingOptions,
  },
  about: `Has a new delegation signed by the production quorum: the channel's key may sign
for its channel from now on, for the time that the charter gives. Do it before
the old one ends, so that builds of the channel go on.`,
  example: 'frostmark group renew --channel development --group GROUP.pub',
  next: 'See until when: frostmark group show',
  run: async (call) => {
    const { settings, output, world } = call;
    const { channel } = settings;
    if (channel === undefined)
      throw new CommandError('usage', 'no --channel was given', 'For example: --channel development');
    const { requestDate } = await import('../../../requester/dating.ts');
    const { askForDelegation } = await import('../../../requester/request.ts');
    const { numberOfNext } = await import('../../../requester/documents.ts');
    using connection = await connectToAsk(call);
    const submission = askForDelegation(
      connection.group,
      { channel, number: await numberOfNext(connection, { kind: 'delegation', scope: channel }), note: settings.note },
      connection.identity,
      requestDate(connection, world.nowUnixSeconds()),
    );
    const { digest, isSigned } = await submitAndCheck(call, connection, submission);
    const said = isSigned ? `the delegation of ${channel} is signed` : `asked for a delegation of ${channel}`;
    output.result(said, { id: digest, channel, signed: isSigned });
  },
});
