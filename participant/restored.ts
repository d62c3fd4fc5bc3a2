/** What a restored member does not decide, since it may have decided otherwise before the disk was lost (T3). */
import { production, channelOf, type Charter } from '../protocol/files/charter.ts';
import { maxClockSkewSeconds } from '../protocol/limits.ts';
import type { Request } from '../protocol/request/request.ts';
import { formatTimestamp } from '../protocol/wire/time.ts';
import type { Records } from './records.ts';

/** How many other members a restored one waits for: as many as sign for production, or all there are. */
export function othersNeeded(charter: Charter): number {
  const quorum = channelOf(charter, production).sharings.reduce((sum, { threshold }) => sum + threshold, 0);
  return Math.min(quorum, charter.members.length - 1);
}

/** Why this member says nothing to a request, in words; `undefined` when it may. */
export function forgottenBy({ restoration }: Records, request: Request, charter: Charter): string | undefined {
  if (restoration === undefined) return undefined;
  if (!restoration.isCaughtUp)
    return `this member was restored from a backup: it decides nothing before ${othersNeeded(charter)} others were connected and it took what they hold`;
  // Whoever asks may date a request ahead by as much.
  const decidesFrom = restoration.at + maxClockSkewSeconds;
  if (request.createdAtUnixSeconds >= decidesFrom) return undefined;
  return `this member was restored from a backup and may have decided on this before: ask again after ${formatTimestamp(decidesFrom)}`;
}
