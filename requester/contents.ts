/** What a round is about, word for word: its documents are fetched, hashed, and read by the grammar that its members read them by. */
import { ClientError } from '../client/errors.ts';
import { titleOf } from '../protocol/documents/document.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { prepareRequest, signedTexts, type PreparedRequest } from '../protocol/formats/index.ts';
import type { Connection } from './connection.ts';
import { RequesterError } from './errors.ts';
import { maxTitledBytes } from './limits.ts';
import type { RoundView } from './round-view.ts';

/** What is signed in a round. */
export interface RoundContents {
  /** What each document says. */
  readonly contents: PreparedRequest['contents'];
  /** The exact texts that the signatures cover. */
  readonly signs: readonly string[];
}

/** Throws `ClientError`, and `RequesterError('no-contents')` saying why they cannot be had. */
export async function readContents(connection: Connection, { request, outcome }: RoundView): Promise<RoundContents> {
  const unreadable = (why: string, cause: unknown): RequesterError =>
    new RequesterError('no-contents', `what round ${request.digest} is about cannot be shown: ${why}`, { cause });
  try {
    const documents: Uint8Array[] = [];
    for (const { sha256 } of request.payload.documents)
      documents.push(await connection.client.document(request.digest, sha256));
    const prepared = prepareRequest({ epoch: connection.group.epoch, request, documents });
    return { contents: prepared.contents, signs: signedTexts(prepared) };
  } catch (error) {
    if (error instanceof ProtocolError)
      throw unreadable(`it is nothing that this group signs (${error.message})`, error);
    const status = error instanceof ClientError ? error.refusal?.status : undefined;
    if (status !== 404 && status !== 410) throw error;
    throw unreadable(
      status === 404 && outcome === 'pending'
        ? 'its documents have not come to the coordinator yet'
        : `the coordinator has its documents no more (${outcome})`,
      error,
    );
  }
}

/** The same; `undefined` where they cannot be had. Throws `ClientError`. */
export async function fetchContents(connection: Connection, view: RoundView): Promise<RoundContents | undefined> {
  try {
    return await readContents(connection, view);
  } catch (error) {
    if (error instanceof RequesterError && error.code === 'no-contents') return undefined;
    throw error;
  }
}

/**
 * By which people know the one document of each round that is signed whole, where it is small enough to be fetched for that: `v1.4.2` of a git tag.
 * A title is an extra: once the coordinator fails at one, the rest are `null`, and nobody waits for each of them.
 */
export async function fetchTitles(connection: Connection, views: readonly RoundView[]): Promise<(string | null)[]> {
  const titles: (string | null)[] = [];
  let isFailing = false;
  for (const view of views) {
    const found: RoundContents | ClientError | null | undefined =
      isFailing || !isTitled(view) ? null : await fetchContents(connection, view).catch(unlessClient);
    isFailing ||= found instanceof ClientError;
    titles.push(found === null || found instanceof ClientError ? null : titleOf(found?.contents[0]));
  }
  return titles;
}

function unlessClient(error: unknown): ClientError {
  if (error instanceof ClientError) return error;
  throw error;
}

function isTitled({ request }: RoundView): boolean {
  const { kind, artifacts, documents } = request.payload;
  return (
    kind === 'release' && artifacts.length === 0 && documents.reduce((sum, { size }) => sum + size, 0) <= maxTitledBytes
  );
}
