/** `frostmark rounds` */
import type { RoundView } from '../../requester/round-view.ts';
import { askingOptions, connectAsAsker } from '../ask-coordinator.ts';
import { defineCommand, flagOnly, list, text, time, type Values } from '../command.ts';
import { CommandError } from '../errors.ts';

const options = {
  state: list('S,...', 'only those that are pending, signed, refused, faulted, expired, cancelled'),
  // A default for what is asked for is none for what is looked at.
  channel: flagOnly(text('CHANNEL', 'only those on this channel')),
  asker: text('NAME', 'only what this person asked for'),
  product: flagOnly(text('P', 'only this product')),
  since: time('only what was asked for from then on: a day, or a time in UTC'),
  until: time('only what was asked for before'),
  ...askingOptions,
} as const;

/** JSON: what `roundJson` gives, one round a line; nothing for none. */
export const command = defineCommand({
  home: 'asker',
  arguments: [],
  options,
  about: `Lists what was asked for, newest first: when, by whom, and what became of it. The
coordinator shows the newest rounds only. With --json: one round a line, with
times and the names of those who signed.`,
  example: 'frostmark rounds --state pending,refused --since 2026-11-01',
  next: 'Look at one of them: frostmark round ID (the first 8 digits will do)',
  run: async (call) => {
    const { output, settings, world } = call;
    const wanted = await filterOf(settings);
    using connection = await connectAsAsker(call);
    const { listRounds } = await import('../../requester/rounds.ts');
    const { roundJson, roundsTable } = await import('../text/round.ts');
    const all = await listRounds(connection);
    const views = all.filter(wanted);
    if (output.json) for (const view of views) output.event(roundJson(view));
    else if (views.length > 0) output.result(roundsTable(views, world.nowUnixSeconds()), undefined);
    else output.talk(all.length === 0 ? 'no rounds yet' : `none of the newest ${all.length} rounds is like that`);
  },
});

/** Throws `CommandError('usage')` for a state that no round has. */
async function filterOf(settings: Values<typeof options>): Promise<(view: RoundView) => boolean> {
  const { outcomes } = await import('../../protocol/wire/frames.ts');
  const { state, channel, asker, product, since, until } = settings;
  const unknown = state?.find((name) => !outcomes.some((outcome) => outcome === name));
  if (unknown !== undefined)
    throw new CommandError('usage', `--state ${unknown} is none that a round has`, `There are ${outcomes.join(', ')}.`);
  return ({ request: { payload, createdAtUnixSeconds }, ...view }) =>
    (state?.includes(view.outcome) ?? true) &&
    (channel === undefined || payload.channel === channel) &&
    (asker === undefined || view.asker?.name === asker) &&
    (product === undefined || payload.product === product) &&
    (since === undefined || createdAtUnixSeconds >= since) &&
    (until === undefined || createdAtUnixSeconds < until);
}
