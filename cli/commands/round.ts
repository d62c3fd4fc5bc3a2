/** `frostmark round` */
import { askingOptions, connectAsAsker } from '../ask-coordinator.ts';
import { defineCommand, roundArgument } from '../command.ts';

/** JSON: what `roundJson` gives. Throws what `findRound` does. */
export const command = defineCommand({
  home: 'asker',
  arguments: [roundArgument],
  options: { ...askingOptions },
  about: `Shows one round: what was asked, who approved and who refused (believed only
from their signed decisions), what is missing, and when it expires.`,
  example: 'frostmark round 4f2a9c1b --group GROUP.pub',
  next: 'Wait for it and get the result: the "frostmark sign" command that asked, once more.',
  run: async (call) => {
    using connection = await connectAsAsker(call);
    const { findRound } = await import('../../requester/rounds.ts');
    const { roundJson, roundPage } = await import('../text/round.ts');
    const view = await findRound(connection, call.args[0] ?? '');
    call.output.result(roundPage(view, call.world.nowUnixSeconds()), roundJson(view));
  },
});
