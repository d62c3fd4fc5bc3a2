/** The document of a release, as every format that signs one takes it. */
import type { FormatInput } from './format.ts';
import { ProtocolError } from '../errors.ts';
import type { DocumentView } from '../documents/document.ts';
import { assertOneReading, decodeDocument } from '../documents/index.ts';
import { assertManifestOf } from '../documents/manifest.ts';

/** The document of a release, read by the grammar of its kind. */
export interface ReleaseDocument {
  readonly kind: string;
  readonly bytes: Uint8Array;
  /** What approvers read. */
  readonly view: DocumentView;
}

/**
 * The one document of a release, read by the grammar of its kind; beside artifacts it is their manifest, and exactly theirs (T10).
 * Throws `ProtocolError('bad-document')`, and `('bad-request')` when there is none.
 */
export function releaseDocument({ request, documents }: FormatInput): ReleaseDocument {
  const { artifacts, documents: entries } = request.payload;
  const [entry] = entries;
  const [bytes] = documents;
  if (entry === undefined || bytes === undefined || documents.length !== 1)
    throw new ProtocolError(
      'bad-request',
      'this format signs one whole document: ask for a manifest of the files, or say by --kind what the file is',
    );
  const view = decodeDocument(entry.kind, bytes);
  if (artifacts.length > 0) assertManifestOf(bytes, artifacts);
  return { kind: entry.kind, bytes, view };
}

/**
 * The same for a format whose signatures do not say what kind of document they are of, and could be shown to any tool (T10).
 * Throws `ProtocolError('bad-document')`, and `('bad-request')` when there is none.
 */
export function namelessDocument(input: FormatInput, format: string): ReleaseDocument {
  const document = releaseDocument(input);
  assertOneReading(document.kind, document.bytes, format);
  return document;
}
