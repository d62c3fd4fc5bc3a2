/** The rule by which a release is valid; coordinator, participants and requester apply the same one that installers do. */
import { decodeBundle, type Bundle } from './bundle.ts';
import { decodeDelegation, delegationPayloadType, positionInWindow, type Delegation } from './delegation.ts';
import { openEnvelope } from './dsse.ts';
import { VerifyError, within } from './errors.ts';
import { productionChannel } from './names.ts';
import { compareSemVer, parseSemVer } from './semver.ts';
import { decodeStatement, statementPayloadType, type Statement, type Subject } from './statement.ts';
import { assertNotRevoked, readStatus, type StatusInForce, type StatusQuestion } from './status.ts';
import { formatTime } from './time.ts';

/** What is asked of a bundle. */
export interface BundleQuestion {
  /** The bytes of the bundle file. */
  readonly bundle: Uint8Array;
  /** 32 bytes: the one thing that is pinned. */
  readonly groupKey: Uint8Array;
  /** It is for messages only. */
  readonly groupName?: string | undefined;
  readonly channel: string;
  /** When a delegation must hold; a number is in seconds since 1970. */
  readonly at: Date | number;
  /** What the group says has ended; without it nothing is known of revocations. */
  readonly status?: StatusQuestion | undefined;
}

/** What is asked of a release: a bundle, and the file it is to be about. */
export interface ReleaseQuestion extends BundleQuestion {
  /** SHA-256 of the bytes on disk, 64 lower-case hexadecimal digits. */
  readonly sha256: string;
  /** Base name of the file. */
  readonly name: string;
  /** Accepts the file under any name. */
  readonly anyName?: boolean | undefined;
  readonly product?: string | undefined;
  /** The oldest release to accept, by the precedence of Semantic Versioning 2.0.0. */
  readonly minRelease?: string | undefined;
}

/** A bundle that verified. */
export interface VerifiedBundle {
  readonly statement: Statement;
  /** `null` on production. */
  readonly delegation: Delegation | null;
  /** `null` when revocations were not looked at. */
  readonly status: StatusInForce | null;
}

/** A release that verified, and the subject that the file is. */
export interface VerifiedRelease extends VerifiedBundle {
  readonly subject: Subject;
}

/**
 * Verifies what a bundle says by itself: signatures, group, channel, the delegation at the time asked for, and that none of it was revoked.
 * Throws `VerifyError`.
 */
export function verifyBundle(question: BundleQuestion): VerifiedBundle {
  const bundle = decodeBundle(question.bundle);
  const delegation = bundle.delegation === null ? null : openDelegation(bundle.delegation, question);
  const statement = openStatement(bundle, delegation, question);
  assertChannel(statement, delegation, question.channel);
  if (delegation !== null) assertCurrent(delegation, question.at);
  const status = question.status === undefined ? null : readStatus(question.status, question.groupKey);
  assertNotRevoked(statement, delegation, status?.revoked ?? []);
  return { statement, delegation, status };
}

/** Verifies a bundle, and that it is about this file, product and release. Throws `VerifyError`. */
export function verifyRelease(question: ReleaseQuestion): VerifiedRelease {
  const verified = verifyBundle(question);
  assertProduct(verified.statement, question.product);
  assertRelease(verified.statement, question.minRelease);
  return { ...verified, subject: findSubject(verified.statement, question) };
}

function openDelegation(envelope: Bundle['statement'], question: BundleQuestion): Delegation {
  const payload = within('delegation', () => openEnvelope(envelope, delegationPayloadType, question.groupKey));
  const delegation = decodeDelegation(payload);
  assertGroup('delegation', delegation.groupKey, question);
  return delegation;
}

function openStatement(bundle: Bundle, delegation: Delegation | null, question: BundleQuestion): Statement {
  const key = delegation === null ? question.groupKey : delegation.channelKey;
  const statement = decodeStatement(
    within('statement', () => openEnvelope(bundle.statement, statementPayloadType, key)),
  );
  assertGroup('statement', statement.groupKey, question);
  return statement;
}

function assertGroup(what: string, signedKey: Uint8Array, { groupKey, groupName }: BundleQuestion): void {
  if (signedKey.length === groupKey.length && signedKey.every((byte, i) => byte === groupKey[i])) return;
  throw new VerifyError('wrong-group', `${what} is for another group than ${groupName ?? 'the pinned one'}`);
}

function assertChannel(statement: Statement, delegation: Delegation | null, asked: string): void {
  if (statement.channel !== asked) {
    throw new VerifyError('wrong-channel', `signed for channel ${statement.channel}, asked for ${asked}`);
  }
  if (delegation === null && asked !== productionChannel) {
    throw new VerifyError('wrong-channel', `signed for channel ${asked} without the delegation that this needs`);
  }
  // This is what keeps a channel key from signing production: no delegation for that name decodes.
  if (delegation !== null && delegation.channel !== asked) {
    throw new VerifyError('wrong-channel', `signed by the key of channel ${delegation.channel}, asked for ${asked}`);
  }
}

/** The last second of a `Date` (ECMA-262, Section 21.4.1.1). */
const lastUnixSeconds = 8.64e12;

function assertCurrent(delegation: Delegation, at: Date | number): void {
  const atUnixSeconds = typeof at === 'number' ? at : at.getTime() / 1000;
  if (!(Math.abs(atUnixSeconds) <= lastUnixSeconds)) throw new VerifyError('usage', 'the time to verify at is no time');
  switch (positionInWindow(delegation, atUnixSeconds)) {
    case 'before':
      throw new VerifyError(
        'delegation-not-yet-valid',
        `the key of channel ${delegation.channel} may sign from ${delegation.from}, and it is judged at ${formatTime(Math.floor(atUnixSeconds))}`,
      );
    case 'after':
      throw new VerifyError(
        'delegation-expired',
        `the key of channel ${delegation.channel} could sign until ${delegation.until}, and it is judged at ${formatTime(Math.floor(atUnixSeconds))}`,
      );
    case 'within':
      return;
  }
}

function assertProduct({ product }: Statement, asked: string | undefined): void {
  if (asked === undefined || product === asked) return;
  throw new VerifyError(
    'wrong-product',
    `signed ${product === null ? 'without a product' : `as ${product}`}, asked for ${asked}`,
  );
}

function assertRelease({ release }: Statement, minRelease: string | undefined): void {
  if (minRelease === undefined) return;
  const least = parseSemVer(minRelease);
  if (least === undefined)
    throw new VerifyError('usage', `the least release ${minRelease} is no version such as 1.4.2`);
  const signed = release === null ? undefined : parseSemVer(release);
  if (signed === undefined) {
    const found =
      release === null ? 'signed without a release' : `signed as release ${release}, which is no version such as 1.4.2`;
    throw new VerifyError('old-release', `${found}, asked for ${minRelease} or newer`);
  }
  if (compareSemVer(signed, least) < 0) {
    throw new VerifyError('old-release', `signed as release ${release ?? ''}, asked for ${minRelease} or newer`);
  }
}

function findSubject({ subjects }: Statement, question: ReleaseQuestion): Subject {
  const sameBytes = subjects.filter(({ sha256 }) => sha256 === question.sha256);
  const [first] = sameBytes;
  if (first === undefined) throw new VerifyError('wrong-digest', 'its bytes are not the ones that were signed');
  const subject = question.anyName === true ? first : sameBytes.find(({ name }) => name === question.name);
  if (subject === undefined)
    throw new VerifyError('wrong-name', `these bytes were signed as ${first.name}, not as ${question.name}`);
  return subject;
}
