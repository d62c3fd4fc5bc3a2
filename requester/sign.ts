/** A release from its files to the signatures beside them. */
import type { OpenedGroup } from '../client/group.ts';
import { manifestOf } from '../protocol/documents/manifest.ts';
import { channelOf, memberByIdentifier, production } from '../protocol/files/charter.ts';
import type { FinishedFile } from '../protocol/formats/index.ts';
import type { Request, Source } from '../protocol/request/request.ts';
import {
  assertArtifacts,
  hashArtifacts,
  readWholeDocument,
  type ArtifactFile,
  type HashProgress,
} from './artifacts.ts';
import type { Ask } from './ask.ts';
import { assembleBundle, delegationFor, openResult, writeBundles } from './bundle.ts';
import type { Connection } from './connection.ts';
import { requestDate } from './dating.ts';
import { assertCertified, earliestDate, readIssued, type Issued } from './issued.ts';
import { assertComparable } from './release-name.ts';
import { askForRelease, type Submission, type WholeDocument } from './request.ts';
import { assertOutputs } from './outputs.ts';
import type { RoundView } from './round-view.ts';
import { assertNotEnded } from './status.ts';
import { outputsOf, settleSubject, type SignSubject } from './subject.ts';
import { writeManifest, writeSignedFiles, writingSigned } from './signed-files.ts';

/** What somebody wants signed, and how. */
export interface SignWish {
  readonly channel: string;
  readonly subject: SignSubject;
  /** Formats of stock tools; files are signed natively besides. */
  readonly formats: readonly string[];
  readonly product: string | undefined;
  readonly release: string | undefined;
  readonly source: Source | null;
  readonly note: string | undefined;
}

/** A wish made into a request that can be submitted. */
export interface Signing {
  readonly wish: SignWish;
  /** Signed by their digests. */
  readonly files: readonly ArtifactFile[];
  /** Signed whole. */
  readonly document: (WholeDocument & { readonly path: string }) | undefined;
  readonly submission: Submission;
}

/** What was signed and written. */
export interface Signed {
  readonly request: Request;
  /** Names, as the coordinator says. */
  readonly signers: readonly string[];
  readonly files: readonly ArtifactFile[];
  /** Paths of the bundles, in the order of the files. */
  readonly bundles: readonly string[];
  /** Every path that was written, the bundles first. */
  readonly written: readonly string[];
}

/** A wish whose files were looked at, before anybody is spoken to. */
export interface SignPlan {
  /** With a subject that is settled. */
  readonly wish: SignWish;
  /** Inputs that are our own earlier outputs of the same command, and no inputs therefore. */
  readonly leftOut: readonly string[];
  /** All inputs together. */
  readonly inputBytes: number;
}

/**
 * Judges release and names, and opens every file once: a typing error shows before anybody is asked anything. Throws what `assertComparable` and
 * `assertArtifacts` do.
 */
export async function planSigning(
  wish: SignWish,
  { anyRelease = false }: { readonly anyRelease?: boolean | undefined } = {},
): Promise<SignPlan> {
  if (!anyRelease) assertComparable(wish.release);
  const { subject, leftOut } = await settleSubject(wish.subject);
  const inputBytes = await assertArtifacts(subject.kind === 'document' ? [subject.path] : subject.paths);
  return { wish: { ...wish, subject }, leftOut, inputBytes };
}

/** Refuses what would destroy something or could not be written, before anybody is asked (T51). Throws what `assertOutputs` does. */
export async function assertWritable(
  { group }: Connection,
  wish: Pick<SignWish, 'subject' | 'formats'>,
  { force, documentBytes }: { readonly force: boolean; readonly documentBytes: number },
): Promise<void> {
  await assertOutputs({ ...outputsOf(group, wish, documentBytes), force });
}

/**
 * A signature that no installer would accept is not asked for. Answers the date of the request, Unix seconds.
 * Throws `RequesterError` (`no-delegation`, `no-certificate`, `revoked`), `ProtocolError('unknown-channel')` and `ClientError`.
 */
async function assertAcceptable(
  connection: Connection,
  wish: Pick<SignWish, 'channel' | 'formats' | 'product' | 'release'>,
  nowUnixSeconds: number,
): Promise<number> {
  const { channel, formats } = wish;
  const date = requestDate(connection, nowUnixSeconds);
  channelOf(connection.group.epoch.charter, channel);
  delegationFor(connection.group, channel, date);
  const issued = await readIssued(connection);
  assertNotEnded(connection.group, issued, wish);
  assertCertified(issued, formats, channel, date);
  return requestDate(connection, nowUnixSeconds, earliestDate(issued, formats, channel, date));
}

/** How a planned signing is made into a request. */
export interface PrepareOptions {
  readonly nowUnixSeconds: number;
  /** Replaces files that are in the way and are no earlier results. */
  readonly force?: boolean | undefined;
  readonly onHash?: ((progress: HashProgress) => void) | undefined;
}

/** Judges what an installer's tool and the disk would, then hashes and builds the request. Throws what `assertOutputs`, `hashArtifacts`, `readWholeDocument` and `askForRelease` do, and `RequesterError` (`no-delegation`, `no-certificate`). */
export async function prepareSigning(
  connection: Connection,
  { wish, inputBytes }: SignPlan,
  { nowUnixSeconds, force = false, onHash }: PrepareOptions,
): Promise<Signing> {
  const { group, identity } = connection;
  await assertWritable(connection, wish, { force, documentBytes: inputBytes });
  const date = await assertAcceptable(connection, wish, nowUnixSeconds);
  const { files, document } = await readSubject(wish.subject, onHash);
  const formats = wish.subject.kind === 'document' ? wish.formats : ['native', ...wish.formats];
  const submission = askForRelease(group, { ...wish, formats, artifacts: files, document }, identity, date);
  return { wish, files, document, submission };
}

async function readSubject(
  subject: SignSubject,
  onHash: ((progress: HashProgress) => void) | undefined,
): Promise<Pick<Signing, 'files' | 'document'>> {
  switch (subject.kind) {
    case 'document': {
      const { documentKind: kind, path } = subject;
      return { files: [], document: { kind, path, bytes: await readWholeDocument(path) } };
    }
    case 'files':
      return { files: await hashArtifacts(subject.paths, onHash), document: undefined };
    case 'manifest': {
      const files = await hashArtifacts(subject.paths, onHash);
      return { files, document: { kind: 'manifest', path: subject.manifestPath, bytes: manifestOf(files) } };
    }
  }
}

/**
 * Verifies the result of a signed round as an installer would, and writes everything beside the files. The group is asked for once more: its
 * delegation may have been renewed while we waited. Throws what `openResult`, `writeBundles` and `writeSignedFiles` do.
 */
export async function finishSigning(
  connection: Connection,
  { wish, files, document }: Signing,
  view: RoundView,
  nowUnixSeconds: number,
): Promise<Signed> {
  const { channel } = wish;
  const group = channel === production ? connection.group : await connection.refresh();
  const documents = document === undefined ? [] : [document.bytes];
  const finished = openResult(group, view.request, documents, view.body.signatures);
  const bundle = assembleBundle(group, channel, finished, nowUnixSeconds);
  const issued = await readIssued(connection);
  const written = await writingSigned(view.request, async () => {
    assertNotEnded(group, issued, wish);
    const bundles = bundle === undefined ? [] : await writeBundles(group, channel, files, bundle, nowUnixSeconds);
    if (document === undefined) return { bundles, beside: [] };
    return { bundles, beside: await writeDocument(issued, { ...document, channel }, finished, nowUnixSeconds) };
  });
  const { bundles, beside } = written;
  return { request: view.request, signers: signersOf(group, view), files, bundles, written: [...bundles, ...beside] };
}

/** A manifest that we made is written with its signatures; a file that was there already stays as it is. */
async function writeDocument(
  issued: readonly Issued[],
  document: WholeDocument & { readonly path: string; readonly channel: string },
  finished: readonly FinishedFile[],
  nowUnixSeconds: number,
): Promise<string[]> {
  // The wait may have taken days: what vouched for the channel's key then may have ended.
  const formats = finished.map(({ format }) => format);
  assertCertified(issued, formats, document.channel, nowUnixSeconds);
  const made = document.kind === 'manifest' ? [await writeManifest(document.path, document.bytes)] : [];
  return [...made, ...(await writeSignedFiles(document, finished, issued, nowUnixSeconds))];
}

/** Names of those who signed, as the coordinator says. */
function signersOf({ epoch }: OpenedGroup, { body: { signers } }: Pick<RoundView, 'body'>): string[] {
  return signers.map((identifier) => memberByIdentifier(epoch.charter, identifier)?.name ?? `member ${identifier}`);
}

/** Everything from the files to the signatures beside them. Throws what its steps do, and what `ask` does. */
export async function sign(
  connection: Connection,
  wish: SignWish,
  options: {
    readonly ask: Ask;
    readonly nowUnixSeconds: () => number;
    readonly force?: boolean | undefined;
    readonly anyRelease?: boolean | undefined;
  },
): Promise<Signed> {
  const plan = await planSigning(wish, options);
  const { force } = options;
  const signing = await prepareSigning(connection, plan, { nowUnixSeconds: options.nowUnixSeconds(), force });
  const view = await options.ask(connection, signing.submission);
  return finishSigning(connection, signing, view, options.nowUnixSeconds());
}
