/** `frostmark group requesters` */
import { basename } from 'node:path';
import { askingOptions } from '../../ask-coordinator.ts';
import { defineCommand, flag, flagOnly } from '../../command.ts';
import { connectToAsk, submitAndCheck, waitingOptions } from '../../waiting.ts';

/**
 * One round of production over the file, which is read by the rules of the charter first; what it changes is said before. JSON:
 * `{ id, version, changes, signed }`; with `--dry-run` `{ version, inForce, changes }`. Throws what
 * `submitAndWait` does.
 */
export const command = defineCommand({
  home: 'asker',
  arguments: [{ name: '<file>', help: 'requesters.yaml, with a higher version than the group has' }],
  options: {
    ...askingOptions,
    ...waitingOptions,
    'dry-run': flagOnly(flag('show how it differs from the version in force; ask nothing')),
  },
  about: `Has a new requesters document signed by the production quorum: who may request
what on which channel. It replaces the one before; a member or requester asks. How
it differs from the version in force is shown first, in words.`,
  example: `frostmark group requesters requesters.yaml --dry-run --group GROUP.pub
frostmark group requesters requesters.yaml --note "dave joins" --group GROUP.pub`,
  next: 'See it: frostmark group show',
  run: async (call) => {
    const { args, settings, output, world } = call;
    const [path = ''] = args;
    const { readFileBounded } = await import('../../../home/files.ts');
    const { maxRequestersBytes } = await import('../../../protocol/limits.ts');
    const { readRequestersFile } = await import('../../../protocol/files/requesters.ts');
    const { requesterChanges } = await import('../../../protocol/files/requester-changes.ts');
    const { requestDate } = await import('../../../requester/dating.ts');
    const { askForRequesters } = await import('../../../requester/request.ts');
    const file = await readFileBounded(path, maxRequestersBytes);
    using connection = await connectToAsk(call);
    const { epoch, requesters: inForce } = connection.group;
    const requesters = readRequestersFile(file, basename(path), epoch.charter, epoch);
    const { version } = requesters;
    const changes = requesterChanges(inForce, requesters);
    const difference = [`version ${version} and version ${inForce.version}, which is in force:`]
      .concat(changes.length === 0 ? '= they say the same' : changes)
      .join('\n');
    if (version === inForce.version && changes.length === 0) {
      output.result(`version ${version} is in force already`, { version, changes, signed: true });
      return;
    }
    const submission = askForRequesters(
      connection.group,
      requesters,
      settings.note,
      connection.identity,
      requestDate(connection, world.nowUnixSeconds()),
    );
    if (settings['dry-run'] === true) {
      output.result(difference, { version, inForce: inForce.version, changes });
      return;
    }
    output.talk(difference);
    const { digest, isSigned } = await submitAndCheck(call, connection, submission);
    const said = isSigned ? `version ${version} is signed` : `asked for version ${version}`;
    output.result(said, { id: digest, version, changes, signed: isSigned });
  },
});
