/** The numbered documents of the group: as the coordinator shows them, verified, and compared with what this home saw before. */
import {
  decodeSeen,
  encodeSeen,
  followDocuments,
  nothingSeen,
  openAll,
  type SeenDocuments,
} from '../client/seen-documents.ts';
import { HomeError } from '../home/errors.ts';
import { ProtocolError } from '../protocol/errors.ts';
import type { GroupDocument } from '../protocol/group-documents/document.ts';
import { believedHoldings, type Holdings } from '../protocol/group-documents/holdings.ts';
import type { Place } from '../protocol/group-documents/kinds.ts';
import { nextNumber } from '../protocol/group-documents/numbers.ts';
import { bytesToHex } from '../protocol/wire/bytes.ts';
import type { Connection } from './connection.ts';

/** What this client goes by. */
export interface ReadDocuments {
  /** Verified, oldest first by their own times; with what was seen revoked before, though the coordinator does not show it. */
  readonly documents: readonly GroupDocument[];
  readonly seen: SeenDocuments;
}

/**
 * Reads all of them; what does not verify is left out, and what is withheld is told to the connection's `warn`. What was seen is kept before anything
 * is done with it. Throws `ClientError`, and `HomeError('damaged')` for a memory that cannot be read.
 */
export async function readDocuments({ client, group, memory, warn }: Connection): Promise<ReadDocuments> {
  const { epoch } = group;
  const shown = openAll(epoch, await client.issued(epoch.groupKey)).documents;
  const kept = await memory?.read();
  const before = kept === undefined ? nothingSeen : decodeMemory(memory?.path ?? '', () => decodeSeen(epoch, kept));
  const { documents, withheld, seen } = followDocuments(shown, before);
  for (const message of withheld) warn?.(message);
  const next = encodeSeen(seen);
  if (kept === undefined || bytesToHex(next) !== bytesToHex(kept)) await memory?.write(next);
  const sorted = documents.toSorted((a, b) => a.request.createdAtUnixSeconds - b.request.createdAtUnixSeconds);
  return { documents: sorted, seen };
}

/** What members say that they hold, each signed by its member. Throws `ClientError`. */
export async function readHoldings({ client, group: { epoch } }: Connection): Promise<Holdings[]> {
  const { holdings } = await client.documentIndex(epoch.groupKey);
  return believedHoldings(holdings, epoch.charter, epoch.groupKey);
}

function decodeMemory(path: string, decode: () => SeenDocuments): SeenDocuments {
  try {
    return decode();
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    throw new HomeError(
      'damaged',
      `${path} is not what was written (${cause.message}); move it away: what this home saw revoked is then believed from the coordinator and the members alone`,
      { path, cause },
    );
  }
}

/** The number that the next document of a count has, by all that this home ever saw. Throws what `readDocuments` does. */
export async function numberOfNext(connection: Connection, count: Pick<Place, 'kind' | 'scope'>): Promise<number> {
  const { documents, seen } = await readDocuments(connection);
  return nextNumber([...documents, ...seen.highest.values()], count);
}
