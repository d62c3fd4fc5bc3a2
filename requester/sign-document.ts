/** One document signed whole in one format of a stock tool; nothing is written. */
import { channelOf } from '../protocol/files/charter.ts';
import type { Request } from '../protocol/request/request.ts';
import type { Ask } from './ask.ts';
import { openResult } from './bundle.ts';
import type { Connection } from './connection.ts';
import { requestDate } from './dating.ts';
import { assertCertified, earliestDate, readIssued, type Issued } from './issued.ts';
import { assertNotEnded } from './status.ts';
import { askForRelease, type WholeDocument } from './request.ts';

/** One document, the channel to sign it on, and the format to sign it in. */
export interface DocumentWish {
  readonly channel: string;
  readonly format: 'openpgp' | 'openpgp-cleartext' | 'ssh';
  readonly document: WholeDocument;
}

/** A document that was signed. */
export interface DocumentSignature {
  /** The format's file. */
  readonly file: Uint8Array;
  /** The request that was signed: ours, or the same one from before. */
  readonly request: Request;
  /** The group's certificates, as they are now that it is signed. */
  readonly issued: readonly Issued[];
}

/** Asks, waits as `ask` does, verifies. Throws what `channelOf`, `askForRelease`, `assertCertified`, `ask` and `openResult` do. */
export async function signDocument(
  connection: Connection,
  { channel, format, document }: DocumentWish,
  ask: Ask,
  nowUnixSeconds: () => number,
): Promise<DocumentSignature> {
  const formats = [format];
  const wish = {
    channel,
    formats,
    artifacts: [],
    document,
    product: undefined,
    release: undefined,
    source: null,
    note: undefined,
  };
  channelOf(connection.group.epoch.charter, channel);
  const before = await readIssued(connection);
  const date = requestDate(connection, nowUnixSeconds());
  assertNotEnded(connection.group, before, wish);
  assertCertified(before, formats, channel, date);
  const dated = requestDate(connection, nowUnixSeconds(), earliestDate(before, formats, channel, date));
  const submission = askForRelease(connection.group, wish, connection.identity, dated);
  const { request, body } = await ask(connection, submission);
  const issued = await readIssued(connection);
  assertNotEnded(connection.group, issued, wish);
  assertCertified(issued, formats, channel, nowUnixSeconds());
  const [file] = openResult(connection.group, request, submission.documents, body.signatures);
  if (file === undefined) throw new Error('a request of one format has one file');
  return { file: file.bytes, request, issued };
}
