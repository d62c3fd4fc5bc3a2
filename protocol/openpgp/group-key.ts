/** A group as OpenPGP sees it: production's key is the primary key, and every other channel's key a subkey that production vouches for. */
import { bytesToHex, utf8ToBytes } from '../wire/bytes.ts';
import { production } from '../files/charter.ts';
import type { Epoch } from '../ceremony/epoch.ts';
import { ProtocolError } from '../errors.ts';
import { parseTimestamp } from '../wire/time.ts';
import { openpgpKey, type OpenpgpKey } from './key.ts';

/** What the charter says about the group's OpenPGP key, with the key itself. */
export interface OpenpgpGroup {
  /** UTF-8. */
  readonly userId: Uint8Array;
  /** Creation time of every key of the group, and of what they say about themselves. */
  readonly createdUnixSeconds: number;
  readonly primary: OpenpgpKey;
}

/** Throws `ProtocolError('unknown-format')` for a group whose charter has no `openpgp`. */
export function openpgpGroup(epoch: Epoch): OpenpgpGroup {
  const { openpgp, group } = epoch.charter;
  if (openpgp === undefined)
    throw new ProtocolError(
      'unknown-format',
      `the group ${group} has no OpenPGP key: its charter lacks a line such as openpgp: { userId: "Acme <release@acme.example>", created: 2026-11-22T08:00:00Z }`,
    );
  return openpgpGroupOf(epoch.channel(production).point.bytes, openpgp);
}

/** A group by its key (32 bytes) and what its charter says. */
export function openpgpGroupOf(
  key: Uint8Array,
  { userId, created }: { readonly userId: string; readonly created: string },
): OpenpgpGroup {
  const createdUnixSeconds = parseTimestamp(created, 'bad-charter', 'openpgp.created');
  return { userId: utf8ToBytes(userId), createdUnixSeconds, primary: openpgpKey(key, createdUnixSeconds) };
}

/** The key that signs on this channel: production's primary key, or the channel's subkey. Throws `ProtocolError('unknown-channel')`. */
export function openpgpKeyOf(epoch: Epoch, channel: string): OpenpgpKey {
  return openpgpKey(epoch.channel(channel).point.bytes, openpgpGroup(epoch).createdUnixSeconds);
}

/** 40 capital hex digits, as gpg and apt write fingerprints. */
export function formatFingerprint(key: OpenpgpKey): string {
  return bytesToHex(key.fingerprint).toUpperCase();
}
