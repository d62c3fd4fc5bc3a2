/** A delegation: the production quorum vouches for a channel's own key, from a request's time for the validity in the charter. */
import { decodeDelegation, delegationPayloadType, encodeDelegation } from '../../verifier/delegation.ts';
import { decodeBase64Url } from '../../verifier/base64.ts';
import { equalBytes } from '../wire/bytes.ts';
import { channelOf } from '../files/charter.ts';
import { refuseAs } from '../wire/envelope.ts';
import type { Epoch } from '../ceremony/epoch.ts';
import { ProtocolError } from '../errors.ts';
import { formatTimestamp } from '../wire/time.ts';
import { dsseFormat } from './format.ts';

/** The only delegation of `channel` that a request made at that time can ask for. Throws `ProtocolError('bad-document')` for production. */
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

export const delegation = dsseFormat(
  'delegation',
  'delegation',
  delegationPayloadType,
  ({ epoch, request, documents: [document] }) => {
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
);
