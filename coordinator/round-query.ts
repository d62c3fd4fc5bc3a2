/** Which rounds of a group are asked for: a page of them, newest first, by what the indexes know of each (PROTOCOL.md, section 10.3). */
import { ProtocolError } from '../protocol/errors.ts';
import { outcomes, type Outcome } from '../protocol/wire/frames.ts';
import { namePattern } from '../protocol/wire/schema.ts';
import { parseTimestamp } from '../protocol/wire/time.ts';
import { CoordinatorError } from './errors.ts';
import { maxListedRounds } from './limits.ts';

/** What a round has to be; what is left out, is not asked. */
export interface RoundFilter {
  readonly outcome?: Outcome | undefined;
  /** Identity key of whoever asked, base64url. */
  readonly asker?: string | undefined;
  readonly channel?: string | undefined;
  /** Unix seconds of the request's own time: from `since` on, and before `until`. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
}

/** One page of rounds. */
export interface RoundQuery {
  readonly filter: RoundFilter;
  /** Rounds in the answer: 1 to `maxListedRounds`. */
  readonly limit: number;
  /** Digest of the round after which the page begins, hex; the newest come first. */
  readonly after: string | undefined;
}

/** The newest rounds, whatever they are. */
export const everyRound: RoundQuery = { filter: {}, limit: maxListedRounds, after: undefined };

/** What is known of a round without reading it. */
export interface RoundFacts {
  readonly outcome: Outcome;
  readonly asker: string;
  readonly channel: string;
  /** Unix seconds. */
  readonly createdAt: number;
}

/** Reads the query of a call. Throws `CoordinatorError('bad-body')` for a value of the wrong form. */
export function parseRoundQuery(query: Readonly<Record<string, unknown>>): RoundQuery {
  const { limit = String(maxListedRounds) } = query;
  const count = typeof limit === 'string' && /^[1-9]\d{0,3}$/.test(limit) ? Number(limit) : Number.NaN;
  if (!(count <= maxListedRounds)) throw refusal('limit', `a number from 1 to ${maxListedRounds}`);
  return {
    limit: count,
    after: matching(query, 'after', /^[0-9a-f]{64}$/, 'the digest of a round'),
    filter: {
      outcome: outcomeOf(query),
      asker: matching(query, 'asker', /^[A-Za-z0-9_-]{43}$/, 'an identity key'),
      channel: matching(query, 'channel', new RegExp(namePattern), 'the name of a channel'),
      since: timeOf(query, 'since'),
      until: timeOf(query, 'until'),
    },
  };
}

/** Whether a round is one that is asked for. */
export function isAskedFor({ outcome, asker, channel, since, until }: RoundFilter, round: RoundFacts): boolean {
  return (
    (outcome === undefined || round.outcome === outcome) &&
    (asker === undefined || round.asker === asker) &&
    (channel === undefined || round.channel === channel) &&
    (since === undefined || round.createdAt >= since) &&
    (until === undefined || round.createdAt < until)
  );
}

function matching(
  query: Readonly<Record<string, unknown>>,
  name: string,
  pattern: RegExp,
  what: string,
): string | undefined {
  const value = query[name];
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || !pattern.test(value)) throw refusal(name, what);
  return value;
}

function outcomeOf({ outcome }: Readonly<Record<string, unknown>>): Outcome | undefined {
  if (outcome === undefined) return undefined;
  const known = outcomes.find((one) => one === outcome);
  if (known === undefined) throw refusal('outcome', `one of ${outcomes.join(', ')}`);
  return known;
}

function timeOf(query: Readonly<Record<string, unknown>>, name: string): number | undefined {
  const text = matching(query, name, /^.{1,40}$/, 'a time');
  try {
    return text === undefined ? undefined : parseTimestamp(text, 'bad-request', name);
  } catch (error) {
    if (error instanceof ProtocolError) throw refusal(name, 'a UTC time like 2026-11-22T08:00:00Z');
    throw error;
  }
}

function refusal(name: string, what: string): CoordinatorError {
  return new CoordinatorError('bad-body', `"${name}" in the query is not ${what}`);
}
