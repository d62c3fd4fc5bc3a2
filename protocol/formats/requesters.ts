/** The requesters document under the production quorum's signature. */
import { ProtocolError } from '../errors.ts';
import { requestersMessage } from '../files/requesters.ts';
import { requestersOf } from '../request/rights.ts';
import { dsseFormat } from './format.ts';

/** The format of the same name. Refuses as `bad-document` what is no requesters document of this charter. */
export const requesters = dsseFormat({
  name: 'requesters',
  kind: 'requesters',
  payloadType: requestersMessage.payloadType,
  payloadOf: ({ epoch, documents: [document] }) => {
    if (document === undefined) throw new ProtocolError('bad-document', 'the requesters document is missing');
    return requestersOf(epoch, document).bytes;
  },
});
