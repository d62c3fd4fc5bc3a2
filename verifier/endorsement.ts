/**
 * An endorsement: a group whose key is still safe says which key comes after it, and that key agrees. It is printed for a person, who pins the new
 * key or does not; no verifier ever follows it by itself.
 */
import { Buffer } from 'node:buffer';

import { openEnvelope } from './dsse.ts';
import { VerifyError, within } from './errors.ts';
import { formatGroupKey, parseGroupKey, type GroupKey } from './group-key.ts';
import { decodeCanonicalJson, decodeJsonLines, encodeCanonicalJson, readFields, readString } from './json.ts';
import { maxDepth, maxEndorsementBytes, maxEndorsementFileBytes, maxTextBytes } from './limits.ts';
import { isText } from './names.ts';
import { isTime } from './time.ts';

/** DSSE payload type of an endorsement, under either key. */
export const endorsementPayloadType = 'application/vnd.frostmark.endorsement.v1+json';

const code = 'bad-endorsement';

/** What both keys say. */
export interface Endorsement {
  readonly group: GroupKey;
  /** Another key than the group's. */
  readonly successor: GroupKey;
  /** The successor's OpenPGP user id and the creation time of its key, where it has one. */
  readonly openpgp: { readonly userId: string; readonly created: string } | null;
  /** RFC 3339, UTC, whole seconds: when the successor agreed. */
  readonly at: string;
}

/** The payload to sign. Throws `bad-endorsement` for fields that `decodeEndorsement` would refuse. */
export function encodeEndorsement({ group, successor, openpgp, at }: Endorsement): Uint8Array {
  const payload = encodeCanonicalJson({
    group: formatGroupKey(group),
    successor: formatGroupKey(successor),
    openpgp: openpgp === null ? null : { userId: openpgp.userId, created: openpgp.created },
    at,
  });
  decodeEndorsement(payload);
  return payload;
}

/** Inverse of `encodeEndorsement`. Throws `bad-endorsement`. */
export function decodeEndorsement(payload: Uint8Array): Endorsement {
  return within('endorsement', () => readEndorsement(payload), code);
}

function readEndorsement(payload: Uint8Array): Endorsement {
  const value = decodeCanonicalJson(payload, { maxBytes: maxEndorsementBytes, maxDepth });
  const fields = readFields(value, ['group', 'successor', 'openpgp', 'at'], code, 'it');
  const [group, successor] = [fields.group, fields.successor].map((line) =>
    parseGroupKey(readString(line, () => true, code, 'group or successor')),
  ) as [GroupKey, GroupKey];
  if (Buffer.compare(group.key, successor.key) === 0) throw new VerifyError(code, 'a key endorses itself');
  const at = readString(fields.at, isTime, code, 'at');
  if (fields.openpgp === null) return { group, successor, openpgp: null, at };
  const openpgp = readFields(fields.openpgp, ['userId', 'created'], code, 'openpgp');
  const userId = readString(openpgp.userId, (it) => isText(it, maxTextBytes), code, 'userId');
  return { group, successor, openpgp: { userId, created: readString(openpgp.created, isTime, code, 'created') }, at };
}

/**
 * The endorsement in a file of two lines, an envelope each over one payload: by the pinned key (32 bytes), and by the key that it endorses.
 * Throws `bad-endorsement`.
 */
export function openEndorsement(file: Uint8Array, groupKey: Uint8Array): Endorsement {
  const bounds = { maxBytes: maxEndorsementFileBytes, maxDepth, maxLines: 2 };
  return within(
    'endorsement',
    () => {
      const [own, consent] = decodeJsonLines(file, bounds, code);
      const payload = openEnvelope(own, endorsementPayloadType, groupKey);
      const endorsement = readEndorsement(payload);
      const { group, successor } = endorsement;
      if (Buffer.compare(group.key, groupKey) !== 0) throw new VerifyError(code, 'it is of another group');
      const agreed = openEnvelope(consent, endorsementPayloadType, successor.key);
      if (Buffer.compare(payload, agreed) !== 0) throw new VerifyError(code, 'the new key agreed to something else');
      return endorsement;
    },
    code,
  );
}
