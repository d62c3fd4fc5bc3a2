/** A delegation: the production quorum vouches for a channel's own key, from a request's time for the validity in the charter. */
import { decodeDelegation, delegationPayloadType } from '../../verifier/delegation.ts';
import { equalBytes } from '../wire/bytes.ts';
import { refuseAs } from '../wire/envelope.ts';
import { delegationOf } from '../ceremony/founding.ts';
import { ProtocolError } from '../errors.ts';
import { dsseFormat } from './format.ts';

/** The format of the same name. Refuses as `bad-document` any document but the one that charter, epoch and request time make. */
export const delegation = dsseFormat({
  name: 'delegation',
  kind: 'delegation',
  payloadType: delegationPayloadType,
  payloadOf: ({ epoch, request, documents: [document] }) => {
    if (document === undefined) throw new ProtocolError('bad-document', 'the delegation document is missing');
    const { channel } = refuseAs('bad-document', 'delegation', () => decodeDelegation(document));
    if (!equalBytes(document, delegationOf(epoch, channel, request.createdAtUnixSeconds))) {
      throw new ProtocolError(
        'bad-document',
        `the delegation of ${channel} does not follow from certificate, charter and request`,
      );
    }
    return document;
  },
});
