/** The founding documents: what the ceremony has signed last of all (genesis, requesters version 1, a delegation for every other channel), byte by byte. */
import { decodeBase64Url } from '../../verifier/base64.ts';
import { encodeDelegation } from '../../verifier/delegation.ts';
import { encodeCanonicalJson } from '../../verifier/json.ts';
import { ProtocolError } from '../errors.ts';
import { channelOf, production } from '../files/charter.ts';
import { maxChannels, maxEpochNumber } from '../limits.ts';
import { defineMessage, openSignedBy, refuseAs, type Envelope } from '../wire/envelope.ts';
import { equalBytes, sha256Hex } from '../wire/bytes.ts';
import { Hash, Key, Name, Strict, Type } from '../wire/schema.ts';
import { formatTimestamp } from '../wire/time.ts';
import type { Epoch } from './epoch.ts';

const channelsSchema = Type.Array(Strict({ channel: Name, key: Key }), { minItems: 1, maxItems: maxChannels });

/** Genesis: the group's key vouches for its own certificate, charter and channel keys. The first thing that a quorum signs. */
export const genesisMessage = defineMessage(
  'genesis',
  Type.Union([
    Strict({ group: Name, groupKey: Key, epoch: Hash, charter: Hash, channels: channelsSchema }),
    Strict({
      group: Name,
      groupKey: Key,
      epoch: Hash,
      charter: Hash,
      channels: channelsSchema,
      /** The epoch before, SHA-256 of its genesis, and the succession that led from there to here. */
      from: Strict({ epoch: Hash, genesis: Hash, succession: Hash }),
      number: Type.Integer({ minimum: 1, maximum: maxEpochNumber }),
      requesters: Hash,
      origin: Type.Union([Type.Literal('generated'), Type.Literal('imported')]),
    }),
  ]),
  'bad-document',
);

/** The only bytes of genesis that this epoch can have: canonical JSON. */
export function genesisOf(epoch: Epoch): Uint8Array {
  const { charter, certificate, groupKey, hash } = epoch;
  const { transcript } = certificate;
  const made = {
    group: charter.group,
    groupKey,
    epoch: hash,
    charter: charter.hash,
    channels: charter.channels.map(({ name }) => ({ channel: name, key: epoch.channel(name).key })),
  };
  if (transcript.origin !== 'reshared') return encodeCanonicalJson(made);
  const { from, requesters } = transcript;
  return encodeCanonicalJson({
    ...made,
    from: { epoch: from.epoch, genesis: from.genesis, succession: from.succession },
    number: from.number,
    requesters,
    origin: from.key,
  });
}

/** Throws `ProtocolError` (`bad-document`, `bad-signature`) unless the envelope is the genesis of this epoch under the group's key. */
export function assertGenesis(epoch: Epoch, envelope: Envelope): void {
  const payload = openSignedBy(epoch.channel(production).point.bytes, envelope, genesisMessage);
  if (!equalBytes(payload, genesisOf(epoch)))
    throw new ProtocolError('bad-document', 'the genesis document does not follow from the certificate');
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

/** SHA-256 of the only genesis that this epoch can have, hex. */
export function genesisHash(epoch: Epoch): string {
  return sha256Hex(genesisOf(epoch));
}

/** The founding documents of an epoch by name, in the order in which they are asked for: `genesis`, `requesters`, `delegation CHANNEL`. */
export function foundingNames({ charter }: Epoch): string[] {
  const delegated = charter.channels.filter(({ name }) => name !== production);
  return ['genesis', 'requesters', ...delegated.map(({ name }) => `delegation ${name}`)];
}

/** The kind of request that asks for the founding document of that name. */
export function foundingKind(name: string): 'genesis' | 'requesters' | 'delegation' {
  return name === 'genesis' || name === 'requesters' ? name : 'delegation';
}

/**
 * The only bytes that the founding document of that name can have in a request made at that time; `requesters` is the document that the
 * ceremony agreed to. Throws `ProtocolError` (`bad-document`, `unknown-channel`) for a name that is none.
 */
export function foundingDocument(
  epoch: Epoch,
  requesters: Uint8Array,
  { name, createdAtUnixSeconds }: { readonly name: string; readonly createdAtUnixSeconds: number },
): Uint8Array {
  switch (foundingKind(name)) {
    case 'genesis':
      return genesisOf(epoch);
    case 'requesters':
      return requesters;
    case 'delegation':
      return delegationOf(epoch, name.slice('delegation '.length), createdAtUnixSeconds);
  }
}
