/** Rounds that the coordinator knows of this group: all of them, or the one that an id names. */
import { printableJson } from '../verifier/printable.ts';
import { ClientError } from '../client/errors.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { minIdDigits } from '../protocol/limits.ts';
import { isRoundId, matchId } from '../protocol/request/id.ts';
import type { RoundBody } from '../protocol/wire/frames.ts';
import type { Connection } from './connection.ts';
import { RequesterError } from './errors.ts';
import { openRound, type RoundView } from './round-view.ts';

/** Rounds of the group, newest first; what the coordinator shows and cannot be opened is left out. */
export async function listRounds({ client, group }: Connection): Promise<RoundView[]> {
  const bodies = await client.rounds(group.epoch.groupKey);
  return bodies.flatMap((body) => {
    try {
      return [openRound(group, body)];
    } catch (error) {
      if (error instanceof ProtocolError || error instanceof RequesterError) return [];
      throw error;
    }
  });
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
  const rounds = await listRounds(connection);
  const match = matchId(
    rounds.map(({ request }) => request.digest),
    id,
  );
  if (match.kind === 'many')
    throw new RequesterError('ambiguous', `${match.count} rounds begin with ${id}; give more digits`);
  const found = match.kind === 'one' ? rounds.find(({ request }) => request.digest === match.digest) : undefined;
  if (found === undefined) throw new RequesterError('not-found', `no round of this group begins with ${id}`);
  return found;
}

/** As the coordinator says it, not opened yet. Throws `RequesterError` (`not-found`, `bad-result`) and `ClientError`. */
export async function roundBodyOf({ client }: Connection, id: string): Promise<RoundBody> {
  try {
    const body = await client.round(id);
    if (body.digest !== id) throw new RequesterError('bad-result', 'the coordinator answers for another round');
    return body;
  } catch (error) {
    if (!(error instanceof ClientError) || error.refusal?.status !== 404) throw error;
    throw new RequesterError('not-found', `this group has no round ${id}`, { cause: error });
  }
}
