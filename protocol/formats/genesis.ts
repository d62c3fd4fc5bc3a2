/** Genesis: the group's key vouches for its own certificate, charter and channel keys. The first thing a quorum signs. */
import { encodeCanonicalJson } from '../../verifier/json.ts';
import { equalBytes } from '../wire/bytes.ts';
import { defineMessage } from '../wire/envelope.ts';
import type { Epoch } from '../ceremony/epoch.ts';
import { ProtocolError } from '../errors.ts';
import { maxChannels } from '../limits.ts';
import { Hash, Key, Name, Strict, Type } from '../wire/schema.ts';
import { dsseFormat } from './format.ts';

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

/** The only bytes of genesis this epoch can have. */
export function genesisOf(epoch: Epoch): Uint8Array {
  return encodeCanonicalJson({
    group: epoch.charter.group,
    groupKey: epoch.groupKey,
    certificate: epoch.certificateHash,
    charter: epoch.charter.hash,
    channels: epoch.charter.channels.map(({ name }) => ({ channel: name, key: epoch.channel(name).key })),
  });
}

export const genesis = dsseFormat(
  'genesis',
  'genesis',
  genesisMessage.payloadType,
  ({ epoch, documents: [document] }) => {
    if (document === undefined || !equalBytes(document, genesisOf(epoch))) {
      throw new ProtocolError('bad-document', 'the genesis document does not follow from the certificate');
    }
    return document;
  },
);
