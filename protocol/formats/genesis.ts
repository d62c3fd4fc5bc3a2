/** Genesis under the production quorum's signature: the first thing that a quorum signs. */
import { genesisMessage, genesisOf } from '../ceremony/founding.ts';
import { ProtocolError } from '../errors.ts';
import { equalBytes } from '../wire/bytes.ts';
import { dsseFormat } from './format.ts';

/** The format of the same name. Refuses as `bad-document` any document but the one that the epoch makes. */
export const genesis = dsseFormat({
  name: 'genesis',
  kind: 'genesis',
  payloadType: genesisMessage.payloadType,
  payloadOf: ({ epoch, documents: [document] }) => {
    if (document === undefined || !equalBytes(document, genesisOf(epoch))) {
      throw new ProtocolError('bad-document', 'the genesis document does not follow from the certificate');
    }
    return document;
  },
});
