/** `frostmark participant refuse` */
import { defineCommand, roundArgument, text } from '../../command.ts';
import { askDaemon, socketOptions } from '../../ask-daemon.ts';
import { CommandError } from '../../errors.ts';

/** Asks this home's daemon. The reason is signed and shown to whoever asked. JSON: `{ request }`. Throws what `askDaemon` does. */
export const command = defineCommand({
  home: 'participant',
  arguments: [roundArgument],
  options: { reason: text('TEXT', 'why; whoever asked and all members read it'), ...socketOptions },
  about: `Refuses a request in your name. When refusals leave no quorum, the request is
over, and whoever asked is told who refused and why.`,
  example: 'frostmark participant refuse 4f2a9c1b --reason "built from the wrong tag"',
  next: 'Whoever asked may ask anew, which is another request with another id.',
  run: async (call) => {
    const { reason } = call.settings;
    const id = call.args[0] ?? '';
    if (reason === undefined || reason === '')
      throw new CommandError('usage', 'no --reason was given', 'Say why: --reason "built from the wrong tag"');
    const { request } = await askDaemon(call, { command: 'refuse', id, reason });
    const { decidedText } = await import('../../text/request.ts');
    call.output.result(decidedText('refused', request), { request });
  },
});
