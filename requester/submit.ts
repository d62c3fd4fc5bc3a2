/** Submits a request with its documents. */
import { sha256Hex } from '../protocol/wire/bytes.ts';
import type { Connection } from './connection.ts';
import type { Submission } from './request.ts';

/** A round that handles our submission: ours, or the same one that was there before. */
export interface Submitted {
  /** Names the round. */
  readonly digest: string;
  readonly joined: boolean;
}

/**
 * Submits and uploads what is missing. The same submission joins the round that exists, also one that is over; `again` opens a new one in place of
 * a round that ended without a signature. Throws `ClientError`.
 */
export async function submit(
  { client }: Connection,
  { request, documents }: Submission,
  again = false,
): Promise<Submitted> {
  const { digest, joined, missing } = await client.submit(request.envelope, again);
  for (const bytes of documents) {
    if (missing.includes(sha256Hex(bytes))) await client.putDocument(digest, bytes);
  }
  return { digest, joined };
}
