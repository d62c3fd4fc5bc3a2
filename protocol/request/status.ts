/** The status of a group, as whoever asks drafts it and every signer completes it: what has ended, and nothing that ended before is left out. */
import { decodeBase64Url } from '../../verifier/base64.ts';
import { decodeCanonicalJson, encodeCanonicalJson, readFields } from '../../verifier/json.ts';
import { maxDepth, maxStatusBytes } from '../../verifier/limits.ts';
import {
  decodeStatus,
  encodeStatus,
  revocationId,
  statusInForce,
  type Revocation,
  type RevokedChannel,
  type Status,
} from '../../verifier/status.ts';
import type { Epoch } from '../ceremony/epoch.ts';
import { ProtocolError } from '../errors.ts';
import { channelOf } from '../files/charter.ts';
import { equalBytes } from '../wire/bytes.ts';
import { refuseAs } from '../wire/envelope.ts';

/** In place of a date that is not known yet. */
const lastDate = '9999-12-31T23:59:59Z';

/** What somebody wants to end: the key of a channel, or releases of a product. */
export type RevocationWish =
  | { readonly channel: string; readonly reason: string | null }
  | { readonly product: string; readonly below: string; readonly reason: string | null };

/** A status as a request asks for it. */
export interface StatusDraft {
  /** What will be signed. */
  readonly status: Status;
  /** Its payload. */
  readonly bytes: Uint8Array;
  /** What this one ends, and none before it did. */
  readonly added: readonly Revocation[];
}

/**
 * The document of a request: the next status without its dates, so that the same wish is the same request whenever it is asked for; `null`
 * where all of it has ended already. `held` are the statuses that were signed, in any order. Throws `ProtocolError` (`unknown-channel`,
 * `bad-document`) for what cannot be revoked.
 */
export function draftStatus(epoch: Epoch, held: readonly Status[], wish?: RevocationWish): Uint8Array | null {
  const before = held.length === 0 ? { number: 0, revoked: [] } : statusInForce(held);
  const added = wish === undefined ? [] : [revocationOf(epoch, wish)];
  const known = new Set(before.revoked.map(revocationId));
  if (added.some((one) => known.has(revocationId(one)))) return null;
  const draft = encodeCanonicalJson({
    groupKey: epoch.groupKey,
    number: before.number + 1,
    at: null,
    revoked: [...before.revoked, ...added.map((one) => ({ ...one, at: null }))],
  });
  // Refused here already if it could never be signed.
  statusOf(epoch, draft, lastDate);
  return draft;
}

/** In the order of fields that is signed. */
function revocationOf(epoch: Epoch, wish: RevocationWish): Revocation {
  if ('product' in wish) return { product: wish.product, below: wish.below, at: lastDate, reason: wish.reason };
  const { name } = channelOf(epoch.charter, wish.channel);
  return { channel: name, key: epoch.channel(name).key, at: lastDate, reason: wish.reason };
}

/**
 * The status that a request with this document and date asks for: what has no date gets the request's. A channel that it ends has the key of
 * this epoch. Throws `ProtocolError` (`bad-document`, `wrong-group`, `unknown-channel`).
 */
export function statusOf(epoch: Epoch, document: Uint8Array, createdAt: string): StatusDraft {
  const { bytes, isNew } = refuseAs('bad-document', 'status', () => completed(document, createdAt));
  const status = refuseAs('bad-document', 'status', () => decodeStatus(bytes));
  if (!equalBytes(encodeStatus(status), bytes))
    throw new ProtocolError('bad-document', 'status: its fields are in another order');
  if (!equalBytes(status.groupKey, decodeBase64Url(epoch.groupKey)))
    throw new ProtocolError('wrong-group', 'the status is of another group');
  const added = status.revoked.filter((_, index) => isNew[index] === true);
  for (const one of added) if ('key' in one) assertKeyOf(epoch, one);
  return { status, bytes, added };
}

function completed(document: Uint8Array, createdAt: string): { readonly bytes: Uint8Array; readonly isNew: boolean[] } {
  const value = decodeCanonicalJson(document, { maxBytes: maxStatusBytes, maxDepth });
  const fields = readFields(value, ['groupKey', 'number', 'at', 'revoked'], 'bad-status', 'it');
  if (fields.at !== null || !Array.isArray(fields.revoked))
    throw new ProtocolError('bad-document', 'the status has a date of its own, or no list of what ended');
  const undated = fields.revoked.map((one: unknown) => isObject(one) && one['at'] === null);
  const revoked = fields.revoked.map((one: unknown, index) =>
    undated[index] === true ? { ...(one as object), at: createdAt } : one,
  );
  return { bytes: encodeCanonicalJson({ ...fields, at: createdAt, revoked }), isNew: undated };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function assertKeyOf(epoch: Epoch, { channel, key }: RevokedChannel): void {
  channelOf(epoch.charter, channel);
  if (epoch.channel(channel).key !== key)
    throw new ProtocolError('bad-document', `status: this is not the key of ${channel}`);
}

/**
 * Whether this status follows those that were signed, as far as they are known: its number is the next, and it says all that they say, word
 * for word, and as new only what is. Throws `ProtocolError` (`stale-version` for another number, `bad-document`).
 */
export function assertNextStatus({ status, added }: StatusDraft, held: readonly Status[]): void {
  const next = Math.max(0, ...held.map(({ number }) => number)) + 1;
  if (status.number !== next)
    throw new ProtocolError('stale-version', `the status has number ${status.number}, and the next is ${next}`);
  const known = held.flatMap(({ revoked }) => revoked);
  const ids = new Set(status.revoked.map(revocationId));
  const forgotten = known.find((one) => !ids.has(revocationId(one)));
  if (forgotten !== undefined)
    throw new ProtocolError('bad-document', `the status leaves out what was revoked before: ${nameOf(forgotten)}`);
  const words = new Set(known.map((one) => JSON.stringify(one)));
  const foreign = status.revoked.find((one) => !added.includes(one) && !words.has(JSON.stringify(one)));
  if (foreign !== undefined)
    throw new ProtocolError('bad-document', `the status says of before what no earlier one says: ${nameOf(foreign)}`);
  const again = added.find((one) => known.some((other) => revocationId(other) === revocationId(one)));
  if (again !== undefined)
    throw new ProtocolError('bad-document', `the status revokes ${nameOf(again)} anew, which was revoked before`);
}

/** `development`, or `acme below 1.4.2`. */
export function nameOf(one: Revocation): string {
  return 'product' in one ? `${one.product} below ${one.below}` : one.channel;
}

/** The channels among what ended. */
export function revokedChannels(revoked: readonly Revocation[]): RevokedChannel[] {
  return revoked.filter((one) => 'key' in one);
}
