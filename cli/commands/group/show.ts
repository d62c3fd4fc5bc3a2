/** `frostmark group show` */
import { askingOptions, connectAsAsker } from '../../ask-coordinator.ts';
import { defineCommand } from '../../command.ts';

/** Only what verifies under the pinned key, or under a member's. JSON: what `groupJson` and `documentsJson` give. Throws what `connectAsAsker` does. */
export const command = defineCommand({
  home: 'asker',
  arguments: [],
  options: { ...askingOptions },
  about: `Shows the group behind a key: members, tiers, quorums, channel keys, delegations,
who may ask for what; the fingerprints of its keys in other tools, its documents
by number with their ends, what is revoked, and which members hold the newest.
Everything is checked against the key you give.`,
  example: 'frostmark group show --group GROUP.pub --coordinator https://sign.example.org:7443/#AbC…',
  next: 'Change who may ask: frostmark group requesters requesters.yaml',
  run: async (call) => {
    using connection = await connectAsAsker(call);
    const { readDocuments, readHoldings } = await import('../../../requester/documents.ts');
    const { documentsJson, documentsPage } = await import('../../text/group-documents.ts');
    const { groupJson, groupPage } = await import('../../text/group.ts');
    const { group } = connection;
    const nowUnixSeconds = call.world.nowUnixSeconds();
    const { documents } = await readDocuments(connection);
    const shown = { documents, holdings: await readHoldings(connection), nowUnixSeconds };
    call.output.result([groupPage(group, nowUnixSeconds), '', documentsPage(group, shown)].join('\n'), {
      ...groupJson(group),
      ...documentsJson(group, shown),
    });
  },
});
