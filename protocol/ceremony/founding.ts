/** The founding documents: what the ceremony has signed last of all (genesis, requesters version 1, a delegation for every other channel), byte by byte. */
import { decodeBase64Url } from '../../verifier/base64.ts';
import { encodeDelegation } from '../../verifier/delegation.ts';
import { encodeCanonicalJson } from '../../verifier/json.ts';
import { ProtocolError } from '../errors.ts';
import { channelOf } from '../files/charter.ts';
import { maxChannels } from '../limits.ts';
import { defineMessage, refuseAs } from '../wire/envelope.ts';
import { Hash, Key, Name, Strict, Type } from '../wire/schema.ts';
import { formatTimestamp } from '../wire/time.ts';
import type { Epoch } from './epoch.ts';

/** Genesis: the group's key vouches for its own certificate, charter and channel keys. The first thing that a quorum signs. */
export const genesisMessage = defineMessage(
  'genesis',
  Strict({
    group: Name,
    groupKey: Key,
    certificate: Hash,
    charter: Hash,
    channels: Type.Array(Strict({ channel: Name, key: Key }), { minItems: 1, maxItems: maxChannels }),
  }),
  'bad-document',
);

/** The only bytes of genesis that this epoch can have: canonical JSON. */
export function genesisOf(epoch: Epoch): Uint8Array {
  return encodeCanonicalJson({
    group: epoch.charter.group,
    groupKey: epoch.groupKey,
    certificate: epoch.certificateHash,
    charter: epoch.charter.hash,
    channels: epoch.charter.channels.map(({ name }) => ({ channel: name, key: epoch.channel(name).key })),
  });
}

/**
 * The only delegation of `channel` that a request made at that time can ask for: canonical JSON. Throws `ProtocolError` (`bad-document` for
 * production, `unknown-channel`).
 */
export function delegationOf(epoch: Epoch, channel: string, createdAtUnixSeconds: number): Uint8Array {
  const { validitySeconds } = channelOf(epoch.charter, channel);
  if (validitySeconds === undefined) throw new ProtocolError('bad-document', 'production is never delegated');
  return refuseAs('bad-document', 'delegation', () =>
    encodeDelegation({
      groupKey: decodeBase64Url(epoch.groupKey),
      channel,
      channelKey: epoch.channel(channel).point.bytes,
      from: formatTimestamp(createdAtUnixSeconds),
      until: formatTimestamp(createdAtUnixSeconds + validitySeconds),
    }),
  );
}
