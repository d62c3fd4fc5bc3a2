/** The status of the group, and what stock tools need to know of it: three formats of one request, under one approval. */
import { decodeBase64Url } from '../../verifier/base64.ts';
import { statusPayloadType } from '../../verifier/status.ts';
import { ProtocolError } from '../errors.ts';
import { production } from '../files/charter.ts';
import { revokedChannels, statusOf, type StatusDraft } from '../request/status.ts';
import { revokedKeys } from '../ssh/revoked-keys.ts';
import { encodeSshSignature, sshSignedData } from '../ssh/signature.ts';
import { publicKeyBlob } from '../ssh/wire.ts';
import { utf8ToBytes } from '../wire/bytes.ts';
import { defineFormat, dsseFormat, type Format, type FormatInput } from './format.ts';
import { revocationFormat } from './openpgp-certificate.ts';

/** What the request asks for. Throws `ProtocolError` (`bad-document`, `wrong-group`, `unknown-channel`). */
function draftOf({ epoch, request, documents: [document] }: FormatInput): StatusDraft {
  if (document === undefined) throw new ProtocolError('bad-document', 'the status is missing');
  return statusOf(epoch, document, request.payload.createdAt);
}

/** The format of the same name. Finished: one line of a status file, without its newline. */
export const status = dsseFormat({
  name: 'status',
  kind: 'status',
  payloadType: statusPayloadType,
  payloadOf: (input) => draftOf(input).bytes,
});

/** The subkey of the one channel that the status ends. Finished as `openpgp-revocation` of its own kind of request is. */
export const statusOpenpgpRevocation: Format = revocationFormat('status', (input) => {
  const [ended, another] = revokedChannels(draftOf(input).added);
  if (ended === undefined || another !== undefined)
    throw new ProtocolError('bad-request', 'openpgp-revocation is for a status that ends one channel');
  return ended.channel;
});

type ListState = { readonly key: Uint8Array; readonly list: string };

/**
 * An SSH signature of production over the list of all channels' keys that have ended. Finished: the signature; the list is `revokedKeys` of the status.
 * Throws `ProtocolError('bad-request')` where no channel has ended.
 */
export const sshRevocation = defineFormat<ListState>({
  name: 'ssh-revocation',
  kind: 'status',
  prepare: (input) => {
    const ended = revokedChannels(draftOf(input).status.revoked);
    if (ended.length === 0) throw new ProtocolError('bad-request', 'no channel has ended, so that there is no list');
    const list = revokedKeys(input.epoch.charter.group, ended);
    const key = decodeBase64Url(input.epoch.channel(production).key);
    return { message: sshSignedData('file', utf8ToBytes(list)), state: { key, list } };
  },
  shows: ({ list }) => `SSH: the list of keys that no signature counts of any more:\n${list.trimEnd()}`,
  finish: ({ key }, signature) => encodeSshSignature({ keyBlob: publicKeyBlob(key), namespace: 'file', signature }),
});
