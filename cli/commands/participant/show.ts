/** `frostmark participant show` */
import { defineCommand, flag, roundArgument } from '../../command.ts';
import { askDaemon, socketOptions } from '../../ask-daemon.ts';

/** Asks this home's daemon. JSON: `{ request }`. Throws what `askDaemon` does. */
export const command = defineCommand({
  home: 'participant',
  arguments: [roundArgument],
  options: { bytes: flag('only what the signatures cover, word for word'), ...socketOptions },
  about: `Shows exactly what would be signed, as your own daemon rebuilt it, who has
decided so far, and what is missing. Characters that cannot be seen, or that turn
a line around, are shown as escapes such as \\u{202e}.`,
  example: 'frostmark participant show 4f2a9c1b',
  next: `Check the digests against a build of your own. Then:
frostmark participant approve ID
frostmark participant refuse ID --reason "the tag is wrong"`,
  run: async (call) => {
    const { request } = await askDaemon(call, { command: 'show', id: call.args[0] ?? '' });
    const { requestPage, signedTextPage } = await import('../../text/request.ts');
    if (call.settings.bytes === true)
      call.output.result(signedTextPage(request.signs), { id: request.id, signs: request.signs });
    else call.output.result(requestPage(request, call.world.nowUnixSeconds()), { request });
  },
});
