/** What a round is about, word for word: its documents are fetched, hashed, and read by the grammar that its members read them by. */
import { ClientError } from '../client/errors.ts';
import { titleOf } from '../protocol/documents/document.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { prepareRequest, signedTexts, type PreparedRequest } from '../protocol/formats/index.ts';
import type { Connection } from './connection.ts';
import { maxTitledBytes } from './limits.ts';
import type { RoundView } from './round-view.ts';

/** What is signed in a round. */
export interface RoundContents {
  /** What each document says. */
  readonly contents: PreparedRequest['contents'];
  /** The exact texts that the signatures cover. */
  readonly signs: readonly string[];
}

/** `undefined` where a document is gone, as after a round that ended without a signature, or is nothing that this group signs. Throws `ClientError`. */
export async function fetchContents(connection: Connection, view: RoundView): Promise<RoundContents | undefined> {
  const { request } = view;
  try {
    const documents: Uint8Array[] = [];
    for (const { sha256 } of request.payload.documents)
      documents.push(await connection.client.document(request.digest, sha256));
    const prepared = prepareRequest({ epoch: connection.group.epoch, request, documents });
    return { contents: prepared.contents, signs: signedTexts(prepared) };
  } catch (error) {
    const isGone = error instanceof ClientError && error.refusal?.status === 404;
    if (isGone || error instanceof ProtocolError) return undefined;
    throw error;
  }
}

/** By which people know the one document that is signed whole, where it is small enough to be fetched for that: `v1.4.2` of a git tag. */
export async function fetchTitle(connection: Connection, view: RoundView): Promise<string | null> {
  const { kind, artifacts, documents } = view.request.payload;
  const bytes = documents.reduce((sum, { size }) => sum + size, 0);
  if (kind !== 'release' || artifacts.length > 0 || bytes > maxTitledBytes) return null;
  return titleOf((await fetchContents(connection, view))?.contents[0]);
}
