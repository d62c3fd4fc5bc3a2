/** `frostmark rounds` */
import type { RoundsFilter } from '../../requester/rounds.ts';
import { askingOptions, connectAsAsker } from '../ask-coordinator.ts';
import { defineCommand, flagOnly, list, text, time, type Values } from '../command.ts';
import { CommandError } from '../errors.ts';
import { shownRounds } from '../limits.ts';
import type { ListedRound } from '../text/round.ts';

const options = {
  state: list('S,...', 'only those that are pending, signed, refused, faulted, expired, cancelled'),
  // A default for what is asked for is none for what is looked at.
  channel: flagOnly(text('CHANNEL', 'only those on this channel')),
  asker: text('NAME', 'only what this person asked for'),
  product: flagOnly(text('P', 'only this product')),
  limit: text('N', `how many at the most (default: ${shownRounds})`),
  before: text('ID', 'only those that were opened before this round'),
  since: time('only what was asked for from then on: a day, or a time in UTC'),
  until: time('only what was asked for before'),
  ...askingOptions,
} as const;

/** JSON: what `roundJson` gives, one round a line; nothing for none. */
export const command = defineCommand({
  home: 'asker',
  arguments: [],
  options,
  about: `Lists what was asked for, newest first: when, by whom, what, and what became of
it when (by the clocks of those who decided). With --json: one round a line, with
all times and the names of those who decided and signed.`,
  example: 'frostmark rounds --state pending,refused --since 2026-11-01',
  next: 'Look at one of them: frostmark round ID (the first 8 digits will do)',
  run: async (call) => {
    const { output, settings, world } = call;
    const most = limitOf(settings.limit);
    const filter = await filterOf(settings);
    using connection = await connectAsAsker(call);
    const { findRound, listRounds } = await import('../../requester/rounds.ts');
    const { roundJson, roundsTable, shortId } = await import('../text/round.ts');
    const { before } = settings;
    const last = before === undefined ? undefined : (await findRound(connection, before)).request.digest;
    const { views, looked, isAll } = await listRounds(connection, { ...filter, before: last }, most);
    const { fetchTitles } = await import('../../requester/contents.ts');
    const titles = await fetchTitles(connection, views);
    const listed: ListedRound[] = views.map((view, index) => ({ view, title: titles[index] ?? null }));
    if (output.json) for (const { view, title } of listed) output.event(roundJson(view, title));
    else if (listed.length > 0) output.result(roundsTable(listed, world.nowUnixSeconds(), output.width), undefined);
    else output.talk(looked === 0 ? 'no rounds' : `none of the ${isAll ? '' : 'newest '}${looked} rounds is like that`);
    const oldest = views.at(-1);
    if (!isAll && oldest !== undefined)
      output.talk(`there are older ones: the same command with --before ${shortId(oldest.request.digest)}`);
  },
});

/** Throws `CommandError('usage')`. */
function limitOf(text: string | undefined): number {
  if (text === undefined) return shownRounds;
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new CommandError('usage', `--limit ${text} is no number of rounds`, 'For example: --limit 200');
}

/** Throws `CommandError('usage')` for a state that no round has. */
async function filterOf({ state, ...rest }: Values<typeof options>): Promise<RoundsFilter> {
  const { outcomes } = await import('../../protocol/wire/frames.ts');
  const wanted = state?.map((name) => {
    const known = outcomes.find((outcome) => outcome === name);
    if (known !== undefined) return known;
    throw new CommandError('usage', `--state ${name} is none that a round has`, `There are ${outcomes.join(', ')}.`);
  });
  const { channel, asker, product, since, until } = rest;
  return { outcomes: wanted, channel, asker, product, since, until };
}
