/** The pieces of a group's OpenPGP certificate: its own word on its user id, and its word on a channel's subkey, for and against. */
import { channelOf } from '../files/charter.ts';
import type { Epoch } from '../ceremony/epoch.ts';
import { ProtocolError } from '../errors.ts';
import {
  openBackSignature,
  prepareBackSignature,
  prepareCertification,
  prepareSubkeyBinding,
  prepareSubkeyRevocation,
  primaryCertificate,
  subkeyPart,
} from '../openpgp/certificate.ts';
import { formatFingerprint, openpgpGroup, openpgpKeyOf, type OpenpgpGroup } from '../openpgp/group-key.ts';
import type { OpenpgpKey } from '../openpgp/key.ts';
import { encodePacket, packetTags } from '../openpgp/packet.ts';
import { finishSignature, type UnfinishedSignature } from '../openpgp/signature.ts';
import type { Request, RequestKind } from '../request/request.ts';
import { formatTimestamp, parseTimestamp } from '../wire/time.ts';
import { defineFormat, type Format, type FormatInput } from './format.ts';
import { signedAt } from './openpgp.ts';
import { present } from '../wire/present.ts';

type CertificateState = { readonly unfinished: UnfinishedSignature; readonly group: OpenpgpGroup };
type SubkeyState = { readonly unfinished: UnfinishedSignature; readonly subkey: OpenpgpKey; readonly shown: string };

/** When finished it is primary key, user id and certification, binary; installers of production pin it. */
export const openpgpCertificate = defineFormat<CertificateState>({
  name: 'openpgp-certificate',
  kind: 'openpgp-certificate',
  prepare: ({ epoch, request }) => {
    const group = openpgpGroup(epoch);
    signedAt(request, group.createdUnixSeconds);
    const unfinished = prepareCertification(group);
    return { message: unfinished.digest, state: { unfinished, group } };
  },
  shows: ({ group }) =>
    `OpenPGP key ${formatFingerprint(group.primary)} of ${new TextDecoder().decode(group.userId)}, created ${formatTimestamp(group.createdUnixSeconds)}`,
  finish: ({ unfinished, group }, signature) => primaryCertificate(group, finishSignature(unfinished, signature)),
});

/** When finished it is one signature packet, the document of `openpgp-subkey`. */
export const openpgpBackSignature = defineFormat<SubkeyState>({
  name: 'openpgp-back-signature',
  kind: 'openpgp-back-signature',
  prepare: ({ epoch, request }) => {
    const group = openpgpGroup(epoch);
    signedAt(request, group.createdUnixSeconds);
    const { channel } = request.payload;
    const subkey = openpgpKeyOf(epoch, channel);
    const unfinished = prepareBackSignature(group, subkey);
    const shown = `OpenPGP: ${described(subkey, channel)} belongs to the key ${formatFingerprint(group.primary)}`;
    return { message: unfinished.digest, state: { unfinished, subkey, shown } };
  },
  shows: ({ shown }) => shown,
  finish: ({ unfinished }, signature) => encodePacket(packetTags.signature, finishSignature(unfinished, signature)),
});

/** When finished it is subkey and binding, binary; a piece for `assembleOpenpgpCertificate`. */
export const openpgpSubkey = defineFormat<SubkeyState>({
  name: 'openpgp-subkey',
  kind: 'openpgp-subkey',
  prepare: ({ epoch, request, documents: [document] }) => {
    const group = openpgpGroup(epoch);
    const { channel, untilUnixSeconds } = bindingOf(epoch, request);
    const subkey = openpgpKeyOf(epoch, channel);
    if (document === undefined) throw new ProtocolError('bad-document', 'the back-signature is missing');
    const unfinished = prepareSubkeyBinding(group, {
      subkey,
      channel,
      createdUnixSeconds: signedAt(request, group.createdUnixSeconds),
      untilUnixSeconds,
      backSignature: openBackSignature(group, subkey, document),
    });
    const shown = `OpenPGP: ${described(subkey, channel)} may sign until ${formatTimestamp(untilUnixSeconds)}`;
    return { message: unfinished.digest, state: { unfinished, subkey, shown } };
  },
  shows: ({ shown }) => shown,
  finish: ({ unfinished, subkey }, signature) => subkeyPart(subkey, finishSignature(unfinished, signature)),
});

/** Takes a channel's subkey back. When finished it is subkey and revocation, binary; a piece for `assembleOpenpgpCertificate`. */
export function revocationFormat(kind: RequestKind, channelOfRequest: (input: FormatInput) => string): Format {
  return defineFormat<SubkeyState>({
    name: 'openpgp-revocation',
    kind,
    prepare: (input) => {
      const { epoch, request } = input;
      const group = openpgpGroup(epoch);
      const channel = channelOfRequest(input);
      const subkey = openpgpKeyOf(epoch, channel);
      const createdUnixSeconds = signedAt(request, group.createdUnixSeconds);
      const unfinished = prepareSubkeyRevocation(group, { subkey, channel, createdUnixSeconds });
      const shown = `OpenPGP: ${described(subkey, channel)} is revoked for good, with all that it ever signed`;
      return { message: unfinished.digest, state: { unfinished, subkey, shown } };
    },
    shows: ({ shown }) => shown,
    finish: ({ unfinished, subkey }, signature) => subkeyPart(subkey, finishSignature(unfinished, signature)),
  });
}

/** The revocation alone, without a status. */
export const openpgpRevocation = revocationFormat('openpgp-revocation', ({ epoch, request }) =>
  certifiedChannel(epoch, request),
);

function described(subkey: OpenpgpKey, channel: string): string {
  return `the subkey ${formatFingerprint(subkey)} of ${channel}`;
}

/** Throws `ProtocolError('unknown-channel')`; production's key is no subkey. */
function certifiedChannel(epoch: Epoch, { payload: { certify } }: Request): string {
  const { name, validitySeconds } = channelOf(epoch.charter, present(certify, 'what the request certifies').channel);
  if (validitySeconds === undefined) throw new ProtocolError('bad-request', `${name} is no subkey`);
  return name;
}

/** A subkey ends when the channel's delegation of that day would: no way of vouching for a channel outlives another. */
function bindingOf(epoch: Epoch, request: Request): { readonly channel: string; readonly untilUnixSeconds: number } {
  const channel = certifiedChannel(epoch, request);
  const until = present(request.payload.certify?.until ?? undefined, 'the end of the certificate');
  const untilUnixSeconds = parseTimestamp(until, 'bad-request', 'certify.until');
  const latest = request.createdAtUnixSeconds + (channelOf(epoch.charter, channel).validitySeconds ?? 0);
  if (untilUnixSeconds <= request.createdAtUnixSeconds || untilUnixSeconds > latest)
    throw new ProtocolError(
      'bad-request',
      `certify.until must lie after the request and, by the charter's validity of ${channel}, not after ${formatTimestamp(latest)}`,
    );
  return { channel, untilUnixSeconds };
}
