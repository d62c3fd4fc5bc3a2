/** What a restored member does not decide, since it may have decided otherwise before the disk was lost (T3). */
import { production, channelOf, type Charter } from '../protocol/files/charter.ts';
import { maxClockSkewSeconds } from '../protocol/limits.ts';
import { documentKinds, takesBack } from '../protocol/group-documents/kinds.ts';
import { deadAt } from '../protocol/group-documents/numbers.ts';
import type { Request } from '../protocol/request/request.ts';
import { formatTimestamp } from '../protocol/wire/time.ts';
import type { Records } from './records.ts';

/** How many other members a restored one waits for: as many as sign for production, or all there are. */
export function othersNeeded(charter: Charter): number {
  const quorum = channelOf(charter, production).sharings.reduce((sum, { threshold }) => sum + threshold, 0);
  return Math.min(quorum, charter.members.length - 1);
}

/**
 * Why this member approves no document of the group that has a number, in words; `undefined` when it may. Its former life may have approved another of
 * that number, which can be signed until its request is dead everywhere. What only takes something back cannot wait, and does not have to.
 */
export function forgottenNumber(
  { restoration }: Records,
  { kind, channel }: Pick<Request['payload'], 'kind' | 'channel'>,
  charter: Charter,
  nowUnixSeconds: number,
): string | undefined {
  if (restoration === undefined || !documentKinds.includes(kind) || takesBack(kind)) return undefined;
  const from = deadAt({ expiresAt: restoration.at + channelOf(charter, channel).expirySeconds });
  if (nowUnixSeconds >= from) return undefined;
  return `this member was restored from a backup and may have approved another document of this number before: it approves none until ${formatTimestamp(from)}; others can meanwhile`;
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
