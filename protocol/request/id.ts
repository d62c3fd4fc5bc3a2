/** How people name a round: its digest, or enough of its first digits. */
import { minIdDigits } from '../limits.ts';

/** What one id names among those that are there. */
export type IdMatch =
  | { readonly kind: 'one'; readonly digest: string }
  | { readonly kind: 'none' }
  | { readonly kind: 'many'; readonly count: number }
  /** No id at all: other characters, or fewer digits than tell rounds apart. */
  | { readonly kind: 'malformed' };

/** Whether this can name a round: `minIdDigits` to 64 lowercase hexadecimal digits. */
export function isRoundId(id: string): boolean {
  return /^[0-9a-f]{1,64}$/.test(id) && id.length >= minIdDigits;
}

/** The round among `digests` (64 hexadecimal digits each) that `id` names. */
export function matchId(digests: readonly string[], id: string): IdMatch {
  if (!isRoundId(id)) return { kind: 'malformed' };
  const found = digests.filter((digest) => digest.startsWith(id));
  const [digest] = found;
  if (digest === undefined) return { kind: 'none' };
  return found.length === 1 ? { kind: 'one', digest } : { kind: 'many', count: found.length };
}
