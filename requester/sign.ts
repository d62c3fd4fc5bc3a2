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
import { assertCertified, readIssued } from './issued.ts';
import { askForRelease, type Submission, type WholeDocument } from './request.ts';
import type { RoundView } from './round-view.ts';
import { writeManifest, writeSignedFiles } from './signed-files.ts';

/** What is signed: files by their digests, with a manifest of them for stock tools or without, or one document that travels whole. */
export type SignSubject =
  | { readonly kind: 'files'; readonly paths: readonly string[] }
  | { readonly kind: 'manifest'; readonly paths: readonly string[]; readonly manifestPath: string }
  | { readonly kind: 'document'; readonly documentKind: string; readonly path: string };

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

/** Judges names and opens every file once: a typing error shows before anybody is asked anything. Throws what `assertArtifacts` does. */
export async function assertSubject(subject: SignSubject): Promise<void> {
  await assertArtifacts(subject.kind === 'document' ? [subject.path] : subject.paths);
}

/**
 * A signature that no installer would accept is not asked for.
 * Throws `RequesterError` (`no-delegation`, `no-certificate`), `ProtocolError('unknown-channel')` and `ClientError`.
 */
export async function assertAcceptable(
  connection: Connection,
  { channel, formats }: Pick<SignWish, 'channel' | 'formats'>,
  nowUnixSeconds: number,
): Promise<void> {
  channelOf(connection.group.epoch.charter, channel);
  delegationFor(connection.group, channel, nowUnixSeconds);
  if (!formats.some((format) => format !== 'minisign')) return;
  assertCertified(await readIssued(connection), formats, channel, nowUnixSeconds);
}

/** Hashes and builds the request. Throws what `hashArtifacts`, `readWholeDocument` and `askForRelease` do. */
export async function prepareSigning(
  { group, identity }: Connection,
  wish: SignWish,
  nowUnixSeconds: number,
  onHash?: (progress: HashProgress) => void,
): Promise<Signing> {
  const { files, document } = await readSubject(wish.subject, onHash);
  const formats = wish.subject.kind === 'document' ? wish.formats : ['native', ...wish.formats];
  const submission = askForRelease(group, { ...wish, formats, artifacts: files, document }, identity, nowUnixSeconds);
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
  { wish: { channel }, files, document }: Signing,
  view: RoundView,
  nowUnixSeconds: number,
): Promise<Signed> {
  const group = channel === production ? connection.group : await connection.refresh();
  const documents = document === undefined ? [] : [document.bytes];
  const finished = openResult(group, view.request, documents, view.body.signatures);
  const bundle = assembleBundle(group, channel, finished, nowUnixSeconds);
  const bundles = bundle === undefined ? [] : await writeBundles(group, channel, files, bundle, nowUnixSeconds);
  const beside =
    document === undefined ? [] : await writeDocument(connection, { ...document, channel }, finished, nowUnixSeconds);
  return { request: view.request, signers: signersOf(group, view), files, bundles, written: [...bundles, ...beside] };
}

/** A manifest that we made is written with its signatures; a file that was there already stays as it is. */
async function writeDocument(
  connection: Connection,
  document: WholeDocument & { readonly path: string; readonly channel: string },
  finished: readonly FinishedFile[],
  nowUnixSeconds: number,
): Promise<string[]> {
  const made = document.kind === 'manifest' ? [await writeManifest(document.path, document.bytes)] : [];
  return [...made, ...(await writeSignedFiles(document, finished, await readIssued(connection), nowUnixSeconds))];
}

/** Names of those who signed, as the coordinator says. */
export function signersOf({ epoch }: OpenedGroup, { body: { signers } }: Pick<RoundView, 'body'>): string[] {
  return signers.map((identifier) => memberByIdentifier(epoch.charter, identifier)?.name ?? `member ${identifier}`);
}

/** Everything from the files to the signatures beside them. Throws what its steps do, and what `ask` does. */
export async function sign(
  connection: Connection,
  wish: SignWish,
  options: { readonly ask: Ask; readonly nowUnixSeconds: () => number },
): Promise<Signed> {
  await assertSubject(wish.subject);
  await assertAcceptable(connection, wish, options.nowUnixSeconds());
  const signing = await prepareSigning(connection, wish, options.nowUnixSeconds());
  const view = await options.ask(connection, signing.submission);
  return finishSigning(connection, signing, view, options.nowUnixSeconds());
}
