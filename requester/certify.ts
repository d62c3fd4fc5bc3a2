/** Certificates for stock tools, made by rounds like any other: one round each, and two for an OpenPGP subkey. */
import { channelOf } from '../protocol/files/charter.ts';
import { formatTimestamp } from '../protocol/wire/time.ts';
import type { OpenedGroup } from '../client/group.ts';
import type { Ask } from './ask.ts';
import { openResult } from './bundle.ts';
import type { Connection } from './connection.ts';
import { numberOfNext } from './documents.ts';
import { requestDate } from './dating.ts';
import { RequesterError } from './errors.ts';
import { assertNotRevoked, readIssued } from './issued.ts';
import { askForCertificate, type CertificateWish, type Submission } from './request.ts';

/** Which certificate is wanted. */
export interface CertifyWish {
  readonly format: 'openpgp' | 'ssh';
  /** Whose key it is about; `undefined` for the group's own, which has no SSH certificate. */
  readonly channel: string | undefined;
  /** How long a channel's key is vouched for; `undefined` for as long as a delegation, by the charter. */
  readonly validSeconds: number | undefined;
  readonly note: string | undefined;
}

/** How the rounds of one certificate are asked for. */
export interface CertifyOptions {
  readonly ask: Ask;
  readonly nowUnixSeconds: () => number;
  /** Told before the first of two rounds: the channel itself says that it belongs to the group, then production vouches for it. */
  readonly onFirstOfTwo?: ((channel: string) => void) | undefined;
}

/** A certificate that was signed and verified. */
export interface Certified {
  /** Names the last round. */
  readonly digest: string;
  /** As its format finishes it. */
  readonly file: Uint8Array;
}

/**
 * Asks for a certificate and waits as `options.ask` does; everything in it is verified.
 * Throws `RequesterError('bad-field')` for a channel or time that it cannot have, `('no-certificate')` for a subkey that is revoked, and what `askForCertificate`, `ask` and `openResult` do.
 */
export async function certify(connection: Connection, wish: CertifyWish, options: CertifyOptions): Promise<Certified> {
  const { channel, note } = wish;
  const date = requestDate(connection, options.nowUnixSeconds());
  const only = await lastWish(connection, wish, date);
  if (wish.format === 'ssh' || channel === undefined) return await askOne(connection, only, date, options.ask);
  assertNotRevoked(await readIssued(connection), channel);
  options.onFirstOfTwo?.(channel);
  const first: CertificateWish = { kind: 'openpgp-back-signature', channel, until: null, note };
  const { file } = await askOne(connection, first, date, options.ask);
  // The wait may have taken days: the second request has a date of its own, and its certificate ends by that.
  const then = requestDate(connection, options.nowUnixSeconds());
  const document = { kind: 'openpgp-back-signature', bytes: file };
  return await askOne(connection, { ...(await lastWish(connection, wish, then)), document }, then, options.ask);
}

/**
 * Only asks; for a certificate that takes one round. Throws `RequesterError('bad-field')` for one that takes two, of which the second needs the
 * result of the first.
 */
export async function askToCertify<T>(
  connection: Connection,
  wish: CertifyWish,
  options: { readonly submit: (submission: Submission) => Promise<T>; readonly nowUnixSeconds: number },
): Promise<T> {
  if (wish.format === 'openpgp' && wish.channel !== undefined)
    throw new RequesterError('bad-field', 'the second round needs the result of the first, so that this has to wait');
  const date = requestDate(connection, options.nowUnixSeconds);
  const last = await lastWish(connection, wish, date);
  const submission = askForCertificate(connection.group, last, connection.identity, date);
  return await options.submit(submission);
}

async function askOne(
  connection: Connection,
  wish: CertificateWish,
  dateUnixSeconds: number,
  ask: Ask,
): Promise<Certified> {
  const submission = askForCertificate(connection.group, wish, connection.identity, dateUnixSeconds);
  const view = await ask(connection, submission);
  const [file] = openResult(connection.group, view.request, submission.documents, view.body.signatures);
  if (file === undefined) throw new Error('a certificate is one file');
  return { digest: view.request.digest, file: file.bytes };
}

/** What production signs in the end, without the document that a subkey's round has besides. */
async function lastWish(connection: Connection, wish: CertifyWish, dateUnixSeconds: number): Promise<CertificateWish> {
  const { format, channel, note } = wish;
  if (channel === undefined && format === 'ssh')
    throw new RequesterError('bad-field', "production's SSH key needs no certificate; say which channel's is wanted");
  if (channel === undefined)
    // The same one again: another would only say the same in other bytes.
    return { kind: 'openpgp-certificate', number: 1, channel, until: null, note };
  const until = endOf(connection.group, channel, wish.validSeconds, dateUnixSeconds);
  const kind = format === 'ssh' ? 'ssh-certificate' : 'openpgp-subkey';
  const number = await numberOfNext(connection, { kind, scope: channel });
  return { kind, number, channel, until, note };
}

/** RFC 3339. */
function endOf(
  { epoch }: OpenedGroup,
  channel: string,
  validSeconds: number | undefined,
  nowUnixSeconds: number,
): string {
  const longest = channelOf(epoch.charter, channel).validitySeconds;
  if (longest === undefined)
    throw new RequesterError('bad-field', `${channel} signs under the group key itself: leave the channel out`);
  const seconds = validSeconds ?? longest;
  if (seconds > longest)
    throw new RequesterError(
      'bad-field',
      `--valid is no duration up to ${Math.floor(longest / 86_400)} days: the charter says so of keys of ${channel}`,
    );
  return formatTimestamp(nowUnixSeconds + seconds);
}
