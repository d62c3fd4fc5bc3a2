/** A delegation: a statement under the group public key that a channel key may sign for its channel from one time until another. */
import { encodeBase64Url } from './base64.ts';
import { isPublicKey } from './ed25519.ts';
import { VerifyError, within } from './errors.ts';
import { decodeCanonicalJson, encodeCanonicalJson, readFields, readKey, readString } from './json.ts';
import { maxDelegationBytes, maxDepth } from './limits.ts';
import { isName, productionChannel } from './names.ts';
import { isTime, parseTime } from './time.ts';

const code = 'bad-delegation';

/** DSSE payload type of a delegation. */
export const delegationPayloadType = 'application/vnd.frostmark.delegation.v1+json';

/** What a delegation says. */
export interface Delegation {
  /** 32 bytes; the group it belongs to. A verifier compares it with the key it pinned. */
  readonly groupKey: Uint8Array;
  /** Never `production`. */
  readonly channel: string;
  /** 32 bytes, passed `isPublicKey`, not the group's own. */
  readonly channelKey: Uint8Array;
  /** First second at which it holds: RFC 3339, UTC, whole seconds. */
  readonly from: string;
  /** First second at which it no longer holds; later than `from`. */
  readonly until: string;
}

/** The payload to sign. Throws `bad-delegation` for fields that `decodeDelegation` would refuse. */
export function encodeDelegation(delegation: Delegation): Uint8Array {
  const payload = encodeCanonicalJson({
    groupKey: encodeBase64Url(delegation.groupKey),
    channel: delegation.channel,
    channelKey: encodeBase64Url(delegation.channelKey),
    from: delegation.from,
    until: delegation.until,
  });
  decodeDelegation(payload);
  return payload;
}

/** Inverse of `encodeDelegation`. Throws `bad-delegation`, `bad-json`, `bad-base64` or `too-large`. */
export function decodeDelegation(payload: Uint8Array): Delegation {
  return within('delegation', () => {
    const value = decodeCanonicalJson(payload, { maxBytes: maxDelegationBytes, maxDepth });
    const names = ['groupKey', 'channel', 'channelKey', 'from', 'until'] as const;
    const fields = readFields(value, names, code, 'delegation');
    const { from, until } = decodeWindow(fields.from, fields.until);
    const channel = readString(fields.channel, isName, code, 'channel');
    if (channel === productionChannel) throw new VerifyError(code, 'production is never delegated');
    const groupKey = readKey(fields.groupKey, code, 'groupKey');
    const channelKey = readKey(fields.channelKey, code, 'channelKey');
    if (!isPublicKey(channelKey)) throw new VerifyError(code, 'channelKey is no Ed25519 key that may be trusted');
    if (fields.groupKey === fields.channelKey) throw new VerifyError(code, 'the group key is delegated to itself');
    return { groupKey, channel, channelKey, from, until };
  });
}

/** Whether it holds at this time (seconds since 1970): before it, in it or past it. */
export function positionInWindow(delegation: Delegation, atUnixSeconds: number): 'before' | 'within' | 'after' {
  if (atUnixSeconds < timeOf(delegation.from)) return 'before';
  return atUnixSeconds < timeOf(delegation.until) ? 'within' : 'after';
}

function decodeWindow(from: unknown, until: unknown): Pick<Delegation, 'from' | 'until'> {
  const window = {
    from: readString(from, isTime, code, 'from'),
    until: readString(until, isTime, code, 'until'),
  };
  if (timeOf(window.from) >= timeOf(window.until)) throw new VerifyError(code, 'it ends before it begins');
  return window;
}

function timeOf(text: string): number {
  return parseTime(text) ?? NaN;
}
