/** `frostmark participant approve` */
import { defineCommand, roundArgument } from '../../command.ts';
import { askDaemon, socketOptions } from '../../ask-daemon.ts';

/**
 * Asks this home's daemon, one request after the other; the first that it refuses ends the command. JSON: `{ request }` for each. Throws what
 * `askDaemon` does.
 */
export const command = defineCommand({
  home: 'participant',
  arguments: [{ ...roundArgument, name: '<id...>' }],
  options: { ...socketOptions },
  about: `Approves requests in your name, one after the other. The decision is signed,
stored and sent; your share signs as soon as enough others have approved, also
after a restart. Until your share has signed, "refuse" takes it back.`,
  example: 'frostmark participant approve 4f2a9c1b',
  next: 'See how it goes on: frostmark participant show ID',
  run: async (call) => {
    const { decidedText } = await import('../../text/request.ts');
    for (const id of call.args) {
      const { request } = await askDaemon(call, { command: 'approve', id });
      call.output.result(decidedText('approved', request), { request });
    }
  },
});
