/** Certificates for stock tools that the group has signed: as the coordinator keeps them, verified here before anything is believed. */
import type { OpenedGroup } from '../client/group.ts';
import { endedChannel, revocationsIn, revokedText } from '../protocol/group-documents/revocations.ts';
import type { GroupDocument } from '../protocol/group-documents/document.ts';
import { production } from '../protocol/files/charter.ts';
import { isCertificateKind, type CertificateKind } from '../protocol/request/request.ts';
import { clockSlackSeconds } from '../protocol/formats/openpgp.ts';
import { formatTimestamp } from '../protocol/wire/time.ts';
import { parseTime } from '../verifier/time.ts';
import { assembleOpenpgpCertificate } from '../protocol/openpgp/certificate.ts';
import { withSshCertificate } from '../protocol/ssh/signature.ts';
import type { Connection } from './connection.ts';
import { readDocuments } from './documents.ts';
import { RequesterError } from './errors.ts';

/** What a file of a round is: a status or an endorsement brings files for stock tools with it. */
export type IssuedKind = CertificateKind | 'ssh-revocation' | `${'openpgp' | 'ssh' | 'minisign'}-endorsement`;

/** One certificate, or one file of a status or an endorsement, verified. */
export interface Issued {
  readonly kind: IssuedKind;
  /** Whose key it is about: `production` for the group's own. */
  readonly channel: string;
  readonly createdAtUnixSeconds: number;
  /** Unix seconds; `undefined` for what has no end. */
  readonly untilUnixSeconds: number | undefined;
  /** As its format finishes it. */
  readonly bytes: Uint8Array;
  /** Of a revocation: what it took back, who asked for it, when, and which document it is. */
  readonly revoked: string | undefined;
}

/** Certificates and revocations, oldest first by their own times; what does not verify is left out. Throws what `readDocuments` does. */
export async function readIssued(connection: Connection): Promise<Issued[]> {
  return issuedOf((await readDocuments(connection)).documents, connection.group);
}

/** Those of the documents that are for stock tools, in their order; of a status each of its files. */
export function issuedOf(
  documents: readonly GroupDocument[],
  { epoch, requesters }: Pick<OpenedGroup, 'epoch' | 'requesters'>,
): Issued[] {
  const names = { charter: epoch.charter, requesters: requesters.entries };
  return documents.flatMap((document) => {
    const { kind, scope, request, files } = document;
    if (!isCertificateKind(kind)) return [];
    const until = request.payload.certify?.until ?? undefined;
    return files.map(({ format, bytes }) => ({
      kind: kind === 'status' || kind === 'endorsement' ? (format as IssuedKind) : kind,
      channel: scope ?? (format === 'openpgp-revocation' ? endedChannel(document) : production),
      createdAtUnixSeconds: request.createdAtUnixSeconds,
      untilUnixSeconds: until === undefined ? undefined : parseTime(until),
      bytes,
      // What a status ends anew comes last in it.
      revoked: revocationsIn([document])
        .map((revocation) => revokedText(revocation, names))
        .at(-1),
    }));
  });
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
    `${revocation.revoked ?? ''}: no tool takes what it signs; sign in other formats, or on another channel`,
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
