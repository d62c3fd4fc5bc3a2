/** Which of two releases is newer (Semantic Versioning 2.0.0, Section 11). */

/** A version; build metadata is dropped, since it has no precedence. */
export interface SemVer {
  /** Major, minor and patch, of any size. */
  readonly core: readonly [bigint, bigint, bigint];
  /** Dot-separated identifiers; none for a release proper. */
  readonly preRelease: readonly string[];
}

const number = '(0|[1-9]\\d*)';
const preReleaseIdentifier = '(?:0|[1-9]\\d*|\\d*[A-Za-z-][0-9A-Za-z-]*)';
const grammar = new RegExp(
  `^${number}\\.${number}\\.${number}(?:-(${preReleaseIdentifier}(?:\\.${preReleaseIdentifier})*))?(?:\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?$`,
);

/** A version by the grammar of Section 2, 9 and 10, without a leading `v`; `undefined` for anything else, or for more than 255 characters. */
export function parseSemVer(text: string): SemVer | undefined {
  if (text.length > 255) return undefined;
  const match = grammar.exec(text);
  if (match === null) return undefined;
  const [, major = '', minor = '', patch = '', preRelease] = match;
  return { core: [BigInt(major), BigInt(minor), BigInt(patch)], preRelease: preRelease?.split('.') ?? [] };
}

/** Negative if `a` is older than `b`, positive if newer, 0 if neither. */
export function compareSemVer(a: SemVer, b: SemVer): number {
  for (const i of [0, 1, 2] as const) {
    const order = compare(a.core[i], b.core[i]);
    if (order !== 0) return order;
  }
  if (a.preRelease.length === 0 || b.preRelease.length === 0) return compare(b.preRelease.length, a.preRelease.length);
  return comparePreReleases(a.preRelease, b.preRelease);
}

function comparePreReleases(a: readonly string[], b: readonly string[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const order = compareIdentifiers(a[i] ?? '', b[i] ?? '');
    if (order !== 0) return order;
  }
  return compare(a.length, b.length);
}

// Numbers compare by value and come before words; words compare in ASCII order (Section 11.4).
function compareIdentifiers(a: string, b: string): number {
  const [aIsNumber, bIsNumber] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (aIsNumber && bIsNumber) return compare(BigInt(a), BigInt(b));
  if (aIsNumber !== bIsNumber) return aIsNumber ? -1 : 1;
  return compare(a, b);
}

function compare<T extends bigint | number | string>(a: T, b: T): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
