/** `frostmark cancel` */
import { askingOptions, connectAsAsker } from '../ask-coordinator.ts';
import { defineCommand, roundArgument } from '../command.ts';
import { CommandError } from '../errors.ts';

/**
 * Signs a cancellation with the asker's identity; cancelled before is no error. JSON: `{ id, outcome }`. Throws `CommandError('declined')`
 * when the round ended otherwise.
 */
export const command = defineCommand({
  home: 'asker',
  arguments: [roundArgument],
  options: { ...askingOptions },
  about: 'Takes a request back that you made. What is signed already stays signed.',
  example: 'frostmark cancel 4f2a9c1b --group GROUP.pub',
  next: 'Ask anew: frostmark sign opens a new round then.',
  run: async (call) => {
    using connection = await connectAsAsker(call);
    const { findRound } = await import('../../requester/rounds.ts');
    const { cancellationOf } = await import('../../requester/request.ts');
    const { shortId } = await import('../text/round.ts');
    const { request, outcome } = await findRound(connection, call.args[0] ?? '');
    const id = shortId(request.digest);
    if (outcome === 'cancelled') call.output.talk(`round ${id} was cancelled before`);
    else if (outcome !== 'pending') throw new CommandError('declined', `round ${id} is over: ${outcome}`);
    else
      await connection.client.cancel(
        request.digest,
        cancellationOf(connection.group, request.digest, connection.identity),
      );
    call.output.result(`cancelled ${request.digest}`, { id: request.digest, outcome: 'cancelled' });
  },
});
