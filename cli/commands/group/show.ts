/** `frostmark group show` */
import { askingOptions, connectAsAsker } from '../../ask-coordinator.ts';
import { defineCommand } from '../../command.ts';

/** Only what verifies under the pinned key. JSON: what `groupJson` gives. Throws what `connectAsAsker` does. */
export const command = defineCommand({
  home: 'asker',
  arguments: [],
  options: { ...askingOptions },
  about: `Shows the group behind a key: members, tiers, quorums, channel keys, delegations,
and who may ask for what. Everything is checked against the key you give.`,
  example: 'frostmark group show --group GROUP.pub --coordinator https://sign.example.org:7443/#AbC…',
  next: 'Change who may ask: frostmark group requesters requesters.yaml',
  run: async (call) => {
    using connection = await connectAsAsker(call);
    const { groupJson, groupPage } = await import('../../text/group.ts');
    call.output.result(groupPage(connection.group, call.world.nowUnixSeconds()), groupJson(connection.group));
  },
});
