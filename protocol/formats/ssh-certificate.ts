/** A channel's SSH certificate by the group key: of it the asker chooses the channel and the end, nothing else. */
import { hexToBytes, taggedHash, utf8ToBytes } from '../wire/bytes.ts';
import { channelOf, production } from '../files/charter.ts';
import { ProtocolError } from '../errors.ts';
import { encodeSshCertificate, sshCertificateBody, type SshCertificate } from '../ssh/certificate.ts';
import { formatTimestamp, parseTimestamp } from '../wire/time.ts';
import { defineFormat, type FormatInput } from './format.ts';

/** Seconds before the request from which the certificate holds: installers' clocks may be that much late. */
const clockSkewSeconds = 30;

/**
 * The only certificate that this request can ask for. It ends no later than a delegation of the same time would, by the charter.
 * Throws `ProtocolError('bad-request')`, `('unknown-channel')`.
 */
function certificateOf({ epoch, request }: FormatInput): SshCertificate {
  const { certify } = request.payload;
  if (certify === undefined || certify.until === null)
    throw new ProtocolError('bad-request', 'an SSH certificate is for a channel, until a time');
  const { name, validitySeconds } = channelOf(epoch.charter, certify.channel);
  if (validitySeconds === undefined) throw new ProtocolError('bad-request', `${production} needs no certificate`);
  const until = parseTimestamp(certify.until, 'bad-request', 'certify.until');
  const latest = request.createdAtUnixSeconds + validitySeconds;
  if (until <= request.createdAtUnixSeconds)
    throw new ProtocolError('bad-request', 'the certificate would end before it was asked for');
  if (until > latest)
    throw new ProtocolError('bad-request', `the charter lets ${name} be certified until ${formatTimestamp(latest)}`);
  return {
    nonce: taggedHash('ssh-certificate', hexToBytes(request.digest)),
    key: epoch.channel(name).point.bytes,
    serial: request.createdAtUnixSeconds,
    keyId: `${epoch.charter.group}/${name}`,
    principals: [name],
    validAfterUnixSeconds: request.createdAtUnixSeconds - clockSkewSeconds,
    validBeforeUnixSeconds: until,
    authority: epoch.channel(production).point.bytes,
  };
}

type SshCertificateState = { readonly certificate: SshCertificate };

/** What `ssh-keygen -L` will say of it. */
function describe({
  keyId,
  serial,
  principals,
  validAfterUnixSeconds,
  validBeforeUnixSeconds,
}: SshCertificate): string {
  return [
    `SSH certificate ${keyId}`,
    `serial ${serial}`,
    `principal ${principals.join(', ')}`,
    `valid from ${formatTimestamp(validAfterUnixSeconds)} to ${formatTimestamp(validBeforeUnixSeconds)}`,
  ].join('\n');
}

/** The format of the same name: production certifies the key of another channel for SSH, until a date. */
export const sshCertificate = defineFormat<SshCertificateState>({
  name: 'ssh-certificate',
  kind: 'ssh-certificate',
  prepare: (input) => {
    const certificate = certificateOf(input);
    return { message: sshCertificateBody(certificate), state: { certificate } };
  },
  shows: ({ certificate }) => describe(certificate),
  finish: ({ certificate }, signature) => utf8ToBytes(encodeSshCertificate(certificate, signature)),
});
