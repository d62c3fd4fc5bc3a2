/** Which of a group's documents are kept: a member has room for so many, and installers need some of the old ones. */
import { maxIssued, maxKeptOfCount } from '../limits.ts';
import type { GroupDocument } from './document.ts';
import { countOf, keepsAll, takesBack } from './kinds.ts';

/**
 * Of kinds of which only the newest is of use, a few numbers of each count; of others all, as long as there is room. Two of one number are both
 * kept, and nothing that takes something back is ever dropped.
 */
export function ofUse(documents: readonly GroupDocument[]): readonly GroupDocument[] {
  const kept = documents.filter(
    (document) => keepsAll(document.kind) || newerThan(document, documents) < maxKeptOfCount,
  );
  const surplus = kept
    .filter(({ kind }) => !takesBack(kind) && kind !== 'openpgp-certificate')
    .sort((a, b) => a.request.createdAtUnixSeconds - b.request.createdAtUnixSeconds)
    .slice(0, Math.max(0, kept.length - maxIssued));
  return kept.filter((document) => !surplus.includes(document));
}

/** How many higher numbers of its count there are. */
function newerThan(document: GroupDocument, documents: readonly GroupDocument[]): number {
  const higher = documents.filter((one) => countOf(one) === countOf(document) && one.number > document.number);
  return new Set(higher.map(({ number }) => number)).size;
}
