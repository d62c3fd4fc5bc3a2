/** `frostmark round` */
import { askingOptions, connectAsAsker } from '../ask-coordinator.ts';
import { defineCommand, flag, roundArgument } from '../command.ts';

/** JSON: what `roundJson` gives. Throws what `findRound` and `readContents` do. */
export const command = defineCommand({
  home: 'asker',
  arguments: [roundArgument],
  options: { bytes: flag('only what the signatures cover, word for word'), ...askingOptions },
  about: `Shows one round: what was asked, with its digests in full and what its documents
say, who approved and who refused (believed only from their signed decisions),
what is missing, and when it expires.`,
  example: 'frostmark round 4f2a9c1b --group GROUP.pub',
  next: 'Wait for it and get the result: the "frostmark sign" command that asked, once more.',
  run: async (call) => {
    using connection = await connectAsAsker(call);
    const { findRound } = await import('../../requester/rounds.ts');
    const { roundJson, roundPage } = await import('../text/round.ts');
    const { fetchContents, readContents } = await import('../../requester/contents.ts');
    const { titleOf } = await import('../../protocol/documents/document.ts');
    const view = await findRound(connection, call.args[0] ?? '');
    if (call.settings.bytes === true) {
      const { signs } = await readContents(connection, view);
      const { signedTextPage } = await import('../text/request.ts');
      call.output.result(signedTextPage(signs), { id: view.request.digest, signs });
      return;
    }
    const read = await fetchContents(connection, view);
    const json = roundJson(view, titleOf(read?.contents[0]));
    call.output.result(roundPage(view, call.world.nowUnixSeconds(), read), {
      ...json,
      contents: read?.contents ?? null,
    });
  },
});
