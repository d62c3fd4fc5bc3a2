/** The one document of a release that is signed as a whole, by a format that knows no artifacts. */
import { decodeDocument } from '../documents/index.ts';
import { ProtocolError } from '../errors.ts';
import type { FormatInput } from './format.ts';

export interface ReleaseDocument {
  readonly kind: string;
  readonly bytes: Uint8Array;
}

/** Throws `ProtocolError('bad-request')` without a document, and `('bad-document')` for one that is not of its kind. */
export function releaseDocument(format: string, { request, documents }: FormatInput): ReleaseDocument {
  const [entry, ...others] = request.payload.documents;
  const [bytes] = documents;
  if (entry === undefined || bytes === undefined || others.length > 0)
    throw new ProtocolError(
      'bad-request',
      `${format} signs exactly one document: ask for a manifest of the files, or say by --kind what the file is`,
    );
  decodeDocument(entry.kind, bytes);
  return { kind: entry.kind, bytes };
}
