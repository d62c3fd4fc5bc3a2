/** `frostmark group requesters` */
import { basename } from 'node:path';
import { askingOptions } from '../../ask-coordinator.ts';
import { defineCommand } from '../../command.ts';
import { connectToAsk, submitAndCheck, waitingOptions } from '../../waiting.ts';

/**
 * One round of production over the file, which is read by the rules of the charter first. JSON: `{ id, version, signed }`. Throws what
 * `submitAndWait` does.
 */
export const command = defineCommand({
  home: 'asker',
  arguments: [{ name: '<file>', help: 'requesters.yaml, with a higher version than the group has' }],
  options: { ...askingOptions, ...waitingOptions },
  about: `Has a new requesters document signed by the production quorum: who may request
what on which channel. It replaces the one before; a member or requester asks.`,
  example: 'frostmark group requesters requesters.yaml --note "dave joins" --group GROUP.pub',
  next: 'See it: frostmark group show',
  run: async (call) => {
    const { args, settings, output, world } = call;
    const [path = ''] = args;
    const { readFileBounded } = await import('../../../home/files.ts');
    const { maxRequestersBytes } = await import('../../../protocol/limits.ts');
    const { readRequestersFile } = await import('../../../protocol/files/requesters.ts');
    const { askForRequesters } = await import('../../../requester/request.ts');
    const file = await readFileBounded(path, maxRequestersBytes);
    using connection = await connectToAsk(call);
    const { epoch } = connection.group;
    const requesters = readRequestersFile(file, basename(path), epoch.charter, epoch);
    const submission = askForRequesters(
      connection.group,
      requesters,
      settings.note,
      connection.identity,
      world.nowUnixSeconds(),
    );
    const { digest, isSigned } = await submitAndCheck(call, connection, submission);
    const said = isSigned ? `version ${requesters.version} is signed` : `asked for version ${requesters.version}`;
    output.result(said, { id: digest, version: requesters.version, signed: isSigned });
  },
});
