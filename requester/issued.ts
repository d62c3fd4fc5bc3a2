/** Certificates for stock tools that the group has signed: as the coordinator keeps them, verified here before anything is believed. */
import type { OpenedGroup } from '../client/group.ts';
import { decodeBase64 } from '../verifier/base64.ts';
import { VerifyError } from '../verifier/errors.ts';
import { hexToBytes } from '../protocol/wire/bytes.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { production } from '../protocol/files/charter.ts';
import { finishRequest, isSignedRequest, prepareRequest } from '../protocol/formats/index.ts';
import type { FormatInput } from '../protocol/formats/format.ts';
import type { IssuedBody } from '../protocol/wire/frames.ts';
import { isCertificateKind, openRequest, type CertificateKind } from '../protocol/request/request.ts';
import { revokedChannels, statusOf } from '../protocol/request/status.ts';
import { present } from '../protocol/wire/present.ts';
import { clockSlackSeconds } from '../protocol/formats/openpgp.ts';
import { formatTimestamp } from '../protocol/wire/time.ts';
import { parseTime } from '../verifier/time.ts';
import { assembleOpenpgpCertificate } from '../protocol/openpgp/certificate.ts';
import { withSshCertificate } from '../protocol/ssh/signature.ts';
import type { Connection } from './connection.ts';
import { RequesterError } from './errors.ts';

/** What a file of a round is: a status brings revocations for stock tools with it. */
export type IssuedKind = CertificateKind | 'ssh-revocation';

/** One certificate, or one file of a status, verified. */
export interface Issued {
  readonly kind: IssuedKind;
  /** Whose key it is about: `production` for the group's own. */
  readonly channel: string;
  readonly createdAtUnixSeconds: number;
  /** Unix seconds; `undefined` for what has no end. */
  readonly untilUnixSeconds: number | undefined;
  /** As its format finishes it. */
  readonly bytes: Uint8Array;
}

/** All of them, oldest first by their own times; what does not verify is left out. Throws `ClientError`. */
export async function readIssued({ client, group }: Connection): Promise<Issued[]> {
  const issued = await client.issued(group.epoch.groupKey);
  return issued
    .flatMap((one) => openIssued(group, one))
    .sort((a, b) => a.createdAtUnixSeconds - b.createdAtUnixSeconds);
}

function openIssued({ epoch }: OpenedGroup, one: IssuedBody['issued'][number]): Issued[] {
  try {
    const documents = one.documents.map(decodeBase64);
    return issuedBy({ epoch, request: openRequest(one.request), documents }, one.signatures);
  } catch (error) {
    if (error instanceof ProtocolError || error instanceof VerifyError) return [];
    throw error;
  }
}

/**
 * The files of one round; none of a round that makes nothing to keep, or that its quorum did not sign. `signatures` are the coordinator's, in hex.
 * Throws what `prepareRequest` does.
 */
export function issuedBy(input: FormatInput, signatures: readonly string[]): Issued[] {
  const { epoch, request } = input;
  const { kind, channel, certify } = request.payload;
  if (!isCertificateKind(kind)) return [];
  const prepared = prepareRequest(input);
  const bytes = signatures.map(hexToBytes);
  if (!isSignedRequest(prepared, epoch.channel(channel).point.bytes, bytes)) return [];
  return finishRequest(prepared, bytes).map((file) => ({
    kind: kind === 'status' ? (file.format as IssuedKind) : kind,
    channel: channelOfFile(input, file.format),
    createdAtUnixSeconds: request.createdAtUnixSeconds,
    untilUnixSeconds: typeof certify?.until === 'string' ? parseTime(certify.until) : undefined,
    bytes: file.bytes,
  }));
}

/** Whose key a file is about. */
function channelOfFile({ epoch, request, documents: [document] }: FormatInput, format: string): string {
  const { kind, channel, certify, createdAt } = request.payload;
  if (kind !== 'status' || format !== 'openpgp-revocation') return certify?.channel ?? channel;
  const [ended] = revokedChannels(statusOf(epoch, present(document, 'the status'), createdAt).added);
  return present(ended, 'the channel whose subkey ended').channel;
}

/** The newest of a kind, for a channel, that holds at this time: what was asked for is dated a little earlier, for clocks that are behind. */
function newestIssued(
  issued: readonly Issued[],
  kind: CertificateKind,
  channel: string,
  nowUnixSeconds: number,
): Issued | undefined {
  return endingAfter(issued, kind, channel, nowUnixSeconds).findLast(
    ({ createdAtUnixSeconds }) => createdAtUnixSeconds <= nowUnixSeconds + clockSlackSeconds,
  );
}

function endingAfter(issued: readonly Issued[], kind: CertificateKind, channel: string, unixSeconds: number): Issued[] {
  return issued.filter(
    (one) =>
      one.kind === kind &&
      one.channel === channel &&
      (one.untilUnixSeconds === undefined || one.untilUnixSeconds > unixSeconds),
  );
}

/** A subkey that was taken back stays so, whatever is signed about it later. Throws `RequesterError('revoked')`. */
export function assertNotRevoked(issued: readonly Issued[], channel: string): void {
  const revocation = issued.find((one) => one.kind === 'openpgp-revocation' && one.channel === channel);
  if (revocation === undefined) return;
  throw new RequesterError(
    'revoked',
    `the OpenPGP subkey of ${channel} was revoked on ${formatTimestamp(revocation.createdAtUnixSeconds)}, for good: no tool takes what it signs; sign in other formats, or on another channel`,
  );
}

/** Unix seconds before which a signature in these formats must not be dated: nothing vouches for the channel's key earlier; 0 where nothing has to. */
export function earliestDate(
  issued: readonly Issued[],
  formats: readonly string[],
  channel: string,
  nowUnixSeconds: number,
): number {
  if (channel === production || !formats.some(isOpenpgp)) return 0;
  return endingAfter(issued, 'openpgp-subkey', channel, nowUnixSeconds)[0]?.createdAtUnixSeconds ?? 0;
}

function isOpenpgp(format: string): boolean {
  return format.startsWith('openpgp');
}

/**
 * The OpenPGP certificate for installers: of production alone, or with the development subkeys of `channels`, revoked ones included.
 * Binary. Throws `RequesterError('no-certificate')` naming the command that makes what is missing.
 */
export function openpgpCertificateOf(issued: readonly Issued[], channels: readonly string[]): Uint8Array {
  // The first one, for good: a second would say the same in other bytes.
  const certificate = issued.find(({ kind }) => kind === 'openpgp-certificate');
  if (certificate === undefined) throw missing('OpenPGP certificate', 'frostmark group certify openpgp');
  for (const channel of channels) {
    if (!issued.some((one) => one.kind === 'openpgp-subkey' && one.channel === channel))
      throw missing(`OpenPGP subkey of ${channel}`, `frostmark group certify openpgp --channel ${channel}`);
  }
  const partsOf = (kind: CertificateKind): Uint8Array[] =>
    issued.filter((one) => one.kind === kind && channels.includes(one.channel)).map(({ bytes }) => bytes);
  return assembleOpenpgpCertificate({
    certificate: certificate.bytes,
    subkeys: partsOf('openpgp-subkey'),
    revocations: partsOf('openpgp-revocation'),
  });
}

/** The file of an SSH signature as installers take it: off production it carries the channel's certificate. Throws `RequesterError('no-certificate')`. */
export function sshFileOf(
  issued: readonly Issued[],
  channel: string,
  file: Uint8Array,
  nowUnixSeconds: number,
): Uint8Array {
  const certificate = newestIssued(issued, 'ssh-certificate', channel, nowUnixSeconds);
  if (certificate === undefined)
    throw missing(`SSH certificate of ${channel}`, `frostmark group certify ssh --channel ${channel}`);
  return withSshCertificate(file, new TextDecoder().decode(certificate.bytes));
}

/**
 * What an installer's tool will judge besides the signature itself, judged by the same dates: before anybody is asked, and again before a result
 * is written. Throws `RequesterError` (`no-certificate`, `revoked`) for formats that no installer would accept.
 */
export function assertCertified(
  issued: readonly Issued[],
  formats: readonly string[],
  channel: string,
  nowUnixSeconds: number,
): void {
  if (formats.some(isOpenpgp) && !issued.some(({ kind }) => kind === 'openpgp-certificate'))
    throw missing('OpenPGP certificate', 'frostmark group certify openpgp');
  if (channel === production) return;
  if (formats.some(isOpenpgp)) {
    assertNotRevoked(issued, channel);
    assertHolds(issued, ['openpgp-subkey', `OpenPGP subkey of ${channel}`, 'openpgp'], channel, nowUnixSeconds);
  }
  if (formats.includes('ssh'))
    assertHolds(issued, ['ssh-certificate', `SSH certificate of ${channel}`, 'ssh'], channel, nowUnixSeconds);
}

function assertHolds(
  issued: readonly Issued[],
  [kind, what, format]: readonly [CertificateKind, string, string],
  channel: string,
  nowUnixSeconds: number,
): void {
  if (newestIssued(issued, kind, channel, nowUnixSeconds) !== undefined) return;
  const [later] = endingAfter(issued, kind, channel, nowUnixSeconds);
  if (later !== undefined)
    throw new RequesterError(
      'no-certificate',
      `the ${what} begins only at ${formatTimestamp(later.createdAtUnixSeconds)}, and no tool takes an earlier signature; ask again then, or set this machine's clock`,
    );
  const ended = issued.findLast((one) => one.kind === kind && one.channel === channel)?.untilUnixSeconds;
  throw missing(what, `frostmark group certify ${format} --channel ${channel}`, ended);
}

function missing(what: string, command: string, endedUnixSeconds?: number): RequesterError {
  const ended = endedUnixSeconds === undefined ? '' : ` (the last one ended at ${formatTimestamp(endedUnixSeconds)})`;
  return new RequesterError(
    'no-certificate',
    `the group has no ${what} that is valid now${ended}; first run: ${command}`,
  );
}
