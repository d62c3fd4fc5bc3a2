/** Rounds that the coordinator knows of this group: all of them, or the one that an id names. */
import { printableJson } from '../verifier/printable.ts';
import { ClientError } from '../client/errors.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { minIdDigits } from '../protocol/limits.ts';
import { isRoundId, matchId } from '../protocol/request/id.ts';
import type { Outcome, RoundBody } from '../protocol/wire/frames.ts';
import { formatTimestamp } from '../protocol/wire/time.ts';
import type { OpenedGroup } from '../client/group.ts';
import type { Connection } from './connection.ts';
import { RequesterError } from './errors.ts';
import { maxLookedRounds } from './limits.ts';
import { openRound, type RoundView } from './round-view.ts';

/** Which rounds to look for; all that is said has to hold. */
export interface RoundsFilter {
  /** One of these. */
  readonly outcomes?: readonly Outcome[] | undefined;
  readonly channel?: string | undefined;
  /** Name of who asked. */
  readonly asker?: string | undefined;
  readonly product?: string | undefined;
  /** Unix seconds of the request's own time: from then on, and before. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
  /** Digest: only rounds that were opened before that one. */
  readonly before?: string | undefined;
}

/** What was found, newest first, and whether there may be more. */
export interface FoundRounds {
  readonly views: readonly RoundView[];
  readonly looked: number;
  readonly isAll: boolean;
}

/**
 * The newest rounds that are looked for, `most` of them at the most; pages are fetched until there are so many, or `maxLookedRounds` were looked at.
 * What the coordinator shows and cannot be opened is left out. Throws `ClientError`.
 */
export async function listRounds(
  connection: Connection,
  filter: RoundsFilter = {},
  most = Infinity,
): Promise<FoundRounds> {
  const views: RoundView[] = [];
  let looked = 0;
  for await (const body of roundBodies(connection, filter)) {
    if (views.length >= most || looked >= maxLookedRounds) return { views, looked, isAll: false };
    looked += 1;
    const view = viewOrUndefined(connection.group, body);
    if (view !== undefined && isWanted(filter, view)) views.push(view);
  }
  return { views, looked, isAll: true };
}

/** Page after page; one that brings nothing new is the end, also of a coordinator that knows no pages. */
async function* roundBodies({ client, group }: Connection, filter: RoundsFilter): AsyncGenerator<RoundBody> {
  const { since, until, before, channel, outcomes } = filter;
  const timeOf = (time: number | undefined) => (time === undefined ? undefined : formatTimestamp(time));
  const wanted = {
    channel,
    outcome: outcomes?.length === 1 ? outcomes[0] : undefined,
    asker: keyOf(group, filter.asker),
    since: timeOf(since),
    until: timeOf(until),
  };
  const seen = new Set<string>();
  for (let after = before; ;) {
    const page = await client.rounds(group.epoch.groupKey, { ...wanted, after });
    const fresh = pastOf(page, before).filter(({ digest }) => !seen.has(digest));
    if (fresh.length === 0) return;
    for (const body of fresh) seen.add(body.digest);
    yield* fresh;
    after = page.at(-1)?.digest;
  }
}

/** A coordinator that knows no pages shows those before the page, too. */
function pastOf(page: readonly RoundBody[], before: string | undefined): readonly RoundBody[] {
  const at = page.findIndex(({ digest }) => digest === before);
  return at === -1 ? page : page.slice(at + 1);
}

/** The one key of that name, among those who may ask now; who has another one, or had, is found by name among all. */
function keyOf({ requesters, epoch }: OpenedGroup, name: string | undefined): string | undefined {
  const keys = [...requesters.entries, ...epoch.charter.members]
    .filter((one) => one.name === name)
    .map(({ key }) => key);
  return new Set(keys).size === 1 ? keys[0] : undefined;
}

function viewOrUndefined(group: OpenedGroup, body: RoundBody): RoundView | undefined {
  try {
    return openRound(group, body);
  } catch (error) {
    if (error instanceof ProtocolError || error instanceof RequesterError) return undefined;
    throw error;
  }
}

function isWanted({ outcomes, channel, asker, product, since, until }: RoundsFilter, view: RoundView): boolean {
  const { payload, createdAtUnixSeconds } = view.request;
  return (
    (outcomes?.includes(view.outcome) ?? true) &&
    (channel === undefined || payload.channel === channel) &&
    (asker === undefined || view.asker?.name === asker) &&
    (product === undefined || payload.product === product) &&
    (since === undefined || createdAtUnixSeconds >= since) &&
    (until === undefined || createdAtUnixSeconds < until)
  );
}

/** One round by its id, or by 8 or more of its first digits. Throws `RequesterError` (`not-found`, `ambiguous`, `bad-field`). */
export async function findRound(connection: Connection, id: string): Promise<RoundView> {
  if (!isRoundId(id)) {
    throw new RequesterError(
      'bad-field',
      `${printableJson(id.slice(0, 80))} is no id of a round: it has 64 hexadecimal digits, of which ${minIdDigits} will do`,
    );
  }
  if (id.length === 64) return openRound(connection.group, await roundBodyOf(connection, id));
  const { views, looked, isAll } = await listRounds(connection);
  const match = matchId(
    views.map(({ request }) => request.digest),
    id,
  );
  if (match.kind === 'many')
    throw new RequesterError('ambiguous', `${match.count} rounds begin with ${id}; give more digits`);
  const found = match.kind === 'one' ? views.find(({ request }) => request.digest === match.digest) : undefined;
  if (found !== undefined) return found;
  const where = isAll ? '' : ` among the newest ${looked}; give all 64 digits of an older one`;
  throw new RequesterError('not-found', `no round of this group begins with ${id}${where}`);
}

/** As the coordinator says it, not opened yet. Throws `RequesterError` (`not-found`, `bad-result`) and `ClientError`. */
export async function roundBodyOf({ client }: Connection, id: string): Promise<RoundBody> {
  try {
    const body = await client.round(id);
    if (body.digest !== id) throw new RequesterError('bad-result', 'the coordinator answers for another round');
    return body;
  } catch (error) {
    throw asNotFound(id, error);
  }
}

/** What the coordinator knows nothing of is not found; any other failure stays what it is. */
export function asNotFound(id: string, error: unknown): unknown {
  if (!(error instanceof ClientError) || error.refusal?.status !== 404) return error;
  return new RequesterError('not-found', `this group has no round ${id}`, { cause: error });
}
