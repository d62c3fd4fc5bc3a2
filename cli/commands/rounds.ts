/** `frostmark rounds` */
import { askingOptions, connectAsAsker } from '../ask-coordinator.ts';
import { defineCommand } from '../command.ts';

export const command = defineCommand({
  home: 'asker',
  arguments: [],
  options: { ...askingOptions },
  about: 'Lists the rounds of the group, newest first. With --json: one round a line.',
  example: 'frostmark rounds --group GROUP.pub --coordinator https://sign.example.org:7443/#AbC…',
  next: 'Look at one of them: frostmark round ID (the first 8 digits will do)',
  run: async (call) => {
    using connection = await connectAsAsker(call);
    const { listRounds } = await import('../../requester/rounds.ts');
    const { roundJson, roundsTable } = await import('../text/round.ts');
    const views = await listRounds(connection);
    if (call.output.json) for (const view of views) call.output.event(roundJson(view));
    else if (views.length === 0) call.output.talk('no rounds yet');
    else call.output.result(roundsTable(views, call.world.nowUnixSeconds()), undefined);
  },
});
