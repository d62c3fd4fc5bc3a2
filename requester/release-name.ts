/** Releases that an installer's `--min-release` can compare (Semantic Versioning 2.0.0), and the spelling that somebody may have meant. */
import { parseSemVer } from '../verifier/semver.ts';
import { RequesterError } from './errors.ts';

/**
 * Refuses what would be signed for nobody: whoever says `--min-release` refuses a release of such a name for ever.
 * Throws `RequesterError('bad-field')`.
 */
export function assertComparable(release: string | undefined): void {
  if (release === undefined || parseSemVer(release) !== undefined) return;
  const meant = meantBy(release);
  const remedy = meant === undefined ? 'write it as 1.4.2 or 1.4.2-rc.1' : `write ${meant}`;
  throw new RequesterError(
    'bad-field',
    `--release ${JSON.stringify(release.slice(0, 80))} is no version that --min-release can compare, so that every installer who asks for one would refuse it for ever; ${remedy}, or say --any-release if that is meant`,
  );
}

/** `v1.4.2`, `1.4`, `acme-1.4.2` and `2026.01.05` as versions. */
function meantBy(release: string): string | undefined {
  const [, major, minor, patch, rest = ''] = /^\D*(\d+)(?:\.(\d+))?(?:\.(\d+))?([-+].*)?$/.exec(release) ?? [];
  if (major === undefined) return undefined;
  const version = `${[major, minor ?? '0', patch ?? '0'].map(BigInt).join('.')}${rest}`;
  return parseSemVer(version) === undefined ? undefined : version;
}
