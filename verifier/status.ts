/**
 * The status of a group: what its production quorum says has ended. It lies in a file of its own, GROUP.status, and never in a bundle, since
 * whoever has a revoked key writes the bundle.
 */
import { encodeBase64Url } from './base64.ts';
import type { Delegation } from './delegation.ts';
import { openEnvelope, decodeEnvelope } from './dsse.ts';
import { VerifyError, within } from './errors.ts';
import { decodeCanonicalJson, decodeJsonLines, encodeCanonicalJson, readFields, readKey, readString } from './json.ts';
import {
  maxDepth,
  maxRevocations,
  maxStatusAheadSeconds,
  maxStatusBytes,
  maxStatuses,
  maxStatusFileBytes,
  maxTextBytes,
} from './limits.ts';
import { isName, isText, productionChannel } from './names.ts';
import { compareSemVer, parseSemVer } from './semver.ts';
import type { Statement } from './statement.ts';
import { isTime, parseTime } from './time.ts';

const payloadTypePrefix = 'application/vnd.frostmark.status.';

/** DSSE payload type of a status. */
export const statusPayloadType = `${payloadTypePrefix}v1+json`;

const code = 'bad-status';

/** When something ended, and why. */
interface End {
  /** RFC 3339, UTC, whole seconds: when it was revoked first. */
  readonly at: string;
  /** One line of up to 255 bytes of UTF-8. */
  readonly reason: string | null;
}

/** A channel's key: whatever it signed, whenever, does not count. Never production's. */
export interface RevokedChannel extends End {
  readonly channel: string;
  /** 32 bytes as base64url. */
  readonly key: string;
}

/** Releases of a product, on all channels, that are older than `below` by SemVer precedence, or that say no such version. */
export interface RevokedReleases extends End {
  readonly product: string;
  readonly below: string;
}

/** One thing that has ended. */
export type Revocation = RevokedChannel | RevokedReleases;

/** What one document says; each says all that those before it said. */
export interface Status {
  /** 32 bytes; the group that it is of. */
  readonly groupKey: Uint8Array;
  /** Counts from 1. */
  readonly number: number;
  /** RFC 3339, UTC, whole seconds. */
  readonly at: string;
  /** Each once, 0 to 256, in the order in which they were revoked. */
  readonly revoked: readonly Revocation[];
}

/** What is asked of a status file. */
export interface StatusQuestion {
  /** The bytes of GROUP.status. */
  readonly file: Uint8Array;
  /** The lowest number to accept. */
  readonly minNumber?: number | undefined;
  /** How old it may be, in seconds by the clock of this machine. */
  readonly maxAgeSeconds?: number | undefined;
  readonly nowUnixSeconds: number;
}

/** The documents of a file taken together. */
export interface StatusInForce {
  /** The highest. */
  readonly number: number;
  /** The newest date. */
  readonly at: string;
  /** How many different ones have this number: more than one should never be. */
  readonly ofThisNumber: number;
  /** The union of all. */
  readonly revoked: readonly Revocation[];
}

/** What two revocations have in common when they are about the same: a channel's key, or a product and its bound. */
export function revocationId(one: Revocation): string {
  return 'product' in one ? JSON.stringify([one.product, one.below]) : one.key;
}

/** The payload to sign. Throws `bad-status` for fields that `decodeStatus` would refuse. */
export function encodeStatus({ groupKey, number, at, revoked }: Status): Uint8Array {
  const payload = encodeCanonicalJson({
    groupKey: encodeBase64Url(groupKey),
    number,
    at,
    revoked: revoked.map((one) =>
      'product' in one
        ? { product: one.product, below: one.below, at: one.at, reason: one.reason }
        : { channel: one.channel, key: one.key, at: one.at, reason: one.reason },
    ),
  });
  decodeStatus(payload);
  return payload;
}

/** Inverse of `encodeStatus`. Throws `bad-status`, `bad-json`, `bad-base64` or `too-large`. */
export function decodeStatus(payload: Uint8Array): Status {
  const value = decodeCanonicalJson(payload, { maxBytes: maxStatusBytes, maxDepth });
  const fields = readFields(value, ['groupKey', 'number', 'at', 'revoked'], code, 'it');
  const { number, revoked } = fields;
  const groupKey = readKey(fields.groupKey, code, 'groupKey');
  const at = readString(fields.at, isTime, code, 'at');
  if (!Number.isSafeInteger(number) || Number(number) < 1) throw new VerifyError(code, 'number is none from 1 on');
  if (!Array.isArray(revoked) || revoked.length > maxRevocations)
    throw new VerifyError(code, `revoked is not a list of up to ${maxRevocations}`);
  const ends = revoked.map((one: unknown) => decodeRevocation(one, fields.groupKey));
  if (new Set(ends.map(revocationId)).size !== ends.length) throw new VerifyError(code, 'it revokes something twice');
  if (ends.some((one) => timeOf(one.at) > timeOf(at)))
    throw new VerifyError(code, 'it revokes something later than its own date');
  return { groupKey, number: Number(number), at, revoked: ends };
}

function decodeRevocation(value: unknown, groupKey: unknown): Revocation {
  const isOfProduct = typeof value === 'object' && value !== null && 'product' in value;
  if (isOfProduct) {
    const fields = readFields(value, ['product', 'below', 'at', 'reason'], code, 'a revocation');
    const product = readString(fields.product, isShort, code, 'product');
    const below = readString(fields.below, (it) => parseSemVer(it) !== undefined, code, 'below');
    return { product, below, ...decodeEnd(fields) };
  }
  const fields = readFields(value, ['channel', 'key', 'at', 'reason'], code, 'a revocation');
  const channel = readString(fields.channel, isName, code, 'channel');
  // The group's own key would have to be believed about itself; it ends when nobody pins it any more.
  if (channel === productionChannel || fields.key === groupKey)
    throw new VerifyError(code, 'the key of production is not revoked by itself');
  // Compared with the keys of delegations, and never used.
  const key = encodeBase64Url(readKey(fields.key, code, 'key'));
  return { channel, key, ...decodeEnd(fields) };
}

function decodeEnd({ at, reason }: { readonly at: unknown; readonly reason: unknown }): End {
  return {
    at: readString(at, isTime, code, 'at of a revocation'),
    reason: reason === null ? null : readString(reason, isShort, code, 'reason'),
  };
}

function isShort(text: string): boolean {
  return isText(text, maxTextBytes);
}

/**
 * All statuses in a file, one envelope on each line, signed by the pinned key (32 bytes): what counts is everything that any of them says.
 * Throws `bad-status` for whatever is wrong with any of them.
 */
export function openStatusFile(file: Uint8Array, groupKey: Uint8Array): readonly Status[] {
  const bounds = { maxBytes: maxStatusFileBytes, maxDepth, maxLines: maxStatuses };
  return within('status', () => decodeJsonLines(file, bounds, code).map((line) => openStatus(line, groupKey)), code);
}

function openStatus(envelope: unknown, groupKey: Uint8Array): Status {
  const { payloadType, payload, keyid } = decodeEnvelope(envelope, maxStatusBytes);
  if (payloadType !== statusPayloadType)
    throw new VerifyError(code, payloadType.startsWith(payloadTypePrefix) ? 'it is of a newer version' : 'it is none');
  if (keyid !== '') throw new VerifyError(code, 'its signature has a key id');
  const status = decodeStatus(payload);
  // Said before the signature, which by another key cannot be right.
  if (encodeBase64Url(status.groupKey) !== encodeBase64Url(groupKey))
    throw new VerifyError(code, 'it is of another group than the pinned one');
  openEnvelope(envelope, statusPayloadType, groupKey);
  return status;
}

/** Takes the statuses of one group together; at least one. */
export function statusInForce(statuses: readonly Status[]): StatusInForce {
  const number = Math.max(...statuses.map((one) => one.number));
  const at =
    statuses
      .map((one) => one.at)
      .sort()
      .at(-1) ?? '';
  const all = new Map<string, Revocation>();
  for (const one of statuses.flatMap(({ revoked }) => revoked))
    if (!all.has(revocationId(one))) all.set(revocationId(one), one);
  const ofThisNumber = new Set(statuses.filter((one) => one.number === number).map((one) => JSON.stringify(one))).size;
  return { number, at, ofThisNumber, revoked: [...all.values()] };
}

/** The status in a file, new enough for what was asked. Throws `bad-status` or `stale-status`. */
export function readStatus(
  { file, minNumber = 1, maxAgeSeconds, nowUnixSeconds }: StatusQuestion,
  groupKey: Uint8Array,
): StatusInForce {
  const status = statusInForce(openStatusFile(file, groupKey));
  const age = nowUnixSeconds - timeOf(status.at);
  if (status.number < minNumber)
    throw new VerifyError('stale-status', `status: it has number ${status.number}, asked for ${minNumber} or newer`);
  if (maxAgeSeconds !== undefined && (age > maxAgeSeconds || age < -maxStatusAheadSeconds))
    throw new VerifyError(
      'stale-status',
      `status: it is of ${status.at}, ${age < 0 ? 'ahead of this clock' : `${age} s ago`}, asked for ${maxAgeSeconds} s at most`,
    );
  return status;
}

/** Throws `revoked` for a statement by a key, or of a release, that has ended. */
export function assertNotRevoked(
  statement: Pick<Statement, 'product' | 'release'>,
  delegation: Pick<Delegation, 'channelKey'> | null,
  revoked: readonly Revocation[],
): void {
  const key = delegation === null ? null : encodeBase64Url(delegation.channelKey);
  const ended = revoked.find((one) => isEnded(one, statement, key));
  if (ended !== undefined) throw new VerifyError('revoked', revocationText(ended));
}

/** Whether this release, or the channel's key (base64url; `null` on production) that signs it, is what ended. */
export function isEnded(
  one: Revocation,
  { product, release }: Pick<Statement, 'product' | 'release'>,
  key: string | null,
): boolean {
  return 'product' in one ? one.product === product && isBelow(release, one.below) : one.key === key;
}

// What says no version may be any of those that ended.
function isBelow(release: string | null, below: string): boolean {
  const [version, bound] = [parseSemVer(release ?? ''), parseSemVer(below)];
  return version === undefined || bound === undefined || compareSemVer(version, bound) < 0;
}

/** What ended, when and why, in one sentence. */
export function revocationText(one: Revocation): string {
  const what = 'product' in one ? `every ${one.product} below ${one.below}` : `the key of channel ${one.channel}`;
  return `${what} was revoked at ${one.at}${one.reason === null ? '' : `: ${one.reason}`}`;
}

function timeOf(text: string): number {
  return parseTime(text) ?? NaN;
}
