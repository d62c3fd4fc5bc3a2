/** A succession under the production quorum's signature: the group decides into whose hands its keys go. */
import { ProtocolError } from '../errors.ts';
import { decodeCharter } from '../files/charter.ts';
import { openSuccession, successionMessage } from '../succession/document.ts';
import { dsseFormat } from './format.ts';

/** The format of the same name. Refuses what names another epoch, charter or requesters document, or cannot be carried out. */
export const succession = dsseFormat({
  name: 'succession',
  kind: 'succession',
  payloadType: successionMessage.payloadType,
  payloadOf: ({ epoch, documents: [document, charter, requesters] }) => {
    if (document === undefined || charter === undefined || requesters === undefined)
      throw new ProtocolError('bad-document', 'a succession travels with its charter and its requesters document');
    return openSuccession(epoch, { document, charter: decodeCharter(charter), requesters }).succession.bytes;
  },
});
