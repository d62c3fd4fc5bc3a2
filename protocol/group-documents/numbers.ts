/** Which number comes next: what was seen signed, what was approved, and what may therefore be approved now. */
import { maxClockSkewSeconds } from '../limits.ts';
import { formatTimestamp } from '../wire/time.ts';
import { countOf, kindText, passesOver, placeText, type NamedDocument, type Place } from './kinds.ts';

/** An approval of a document that is not known to be signed. */
export interface ApprovedDocument extends NamedDocument {
  /** Digest of the request, hex. */
  readonly request: string;
  /** Unix seconds at which the request dies. */
  readonly expiresAt: number;
}

/** What somebody knows of one count. */
export interface CountState {
  /** The newest that was seen under the group's key. */
  readonly highest: NamedDocument | undefined;
  /** What was approved last, if it may still be signed. */
  readonly approved: ApprovedDocument | undefined;
}

/** The newest of each count, by `countOf`. Of two with one number the first in the list stays. */
export function highestOf<T extends Place>(documents: Iterable<T>): Map<string, T> {
  const highest = new Map<string, T>();
  for (const document of documents) {
    const count = countOf(document);
    if (document.number > (highest.get(count)?.number ?? -1)) highest.set(count, document);
  }
  return highest;
}

/** The number that the next document of a count has. */
export function nextNumber(documents: Iterable<Place>, count: Pick<Place, 'kind' | 'scope'>): number {
  return (highestOf(documents).get(countOf(count))?.number ?? 0) + 1;
}

/** Unix seconds from which on nobody takes the request for alive, whatever its clock says. */
export function deadAt({ expiresAt }: Pick<ApprovedDocument, 'expiresAt'>): number {
  return expiresAt + maxClockSkewSeconds;
}

/**
 * Why a document may not be approved, or a share be given for it, in words; `undefined` when it may. It is the next of its count, and the only one
 * with its number that this member ever helped to sign. What was signed already may be signed again.
 */
export function objectionTo(next: NamedDocument, { highest, approved }: CountState): string | undefined {
  const seen = highest?.number ?? 0;
  const what = kindText(next);
  if (highest !== undefined && next.number === seen && next.hash === highest.hash) return undefined;
  if (next.number === 0)
    return `the request does not say which ${what} it asks for; whoever asked needs a newer frostmark, and the next is number ${seen + 1}`;
  if (next.number <= seen) return `${placeText(next)} is signed already: the next is number ${seen + 1}, ask for that`;
  if (next.number > seen + 1 && !passesOver(next.kind))
    return `${placeText(next)} would come after number ${seen}, the newest that was seen here; if there are some in between, whoever has them brings them when it connects, else ask for number ${seen + 1}`;
  if (approved === undefined || approved.number !== next.number || approved.hash === next.hash) return undefined;
  return `this member approved another ${placeText(next)} (request ${approved.request.slice(0, 12)}), which may still be signed: refuse that one first, or wait until ${formatTimestamp(deadAt(approved))}`;
}
