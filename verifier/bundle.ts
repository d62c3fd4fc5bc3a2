/** The file beside the artifact, NAME.frostmark: the signed statement and, off production, the delegation, as one line of canonical JSON. */
import { decodeEnvelope, type Envelope } from './dsse.ts';
import { VerifyError, within } from './errors.ts';
import { decodeJsonLines, encodeCanonicalJson, readFields } from './json.ts';
import { maxBundleBytes, maxDelegationBytes, maxDepth, maxPayloadBytes } from './limits.ts';

/** How the file's name ends. */
export const bundleSuffix = '.frostmark';

const mediaType = 'application/vnd.frostmark.bundle.v1+json';
const newline = 0x0a;

/** Both envelopes are well formed and have an empty key id; nothing in them is verified. */
export interface Bundle {
  readonly statement: Envelope;
  readonly delegation: Envelope | null;
}

/** The file's bytes. Throws what `decodeBundle` would. */
export function encodeBundle({ statement, delegation }: Bundle): Uint8Array {
  const json = encodeCanonicalJson({ mediaType, statement, delegation });
  const bytes = new Uint8Array(json.length + 1);
  bytes.set(json);
  bytes[json.length] = newline;
  decodeBundle(bytes);
  return bytes;
}

/** Inverse of `encodeBundle`. Throws `bad-bundle`, `bad-envelope`, `bad-base64`, `bad-json` or `too-large`. */
export function decodeBundle(bytes: Uint8Array): Bundle {
  return within('bundle', () => {
    const [value] = decodeJsonLines(bytes, { maxBytes: maxBundleBytes, maxDepth, maxLines: 1 }, 'bad-bundle');
    const fields = readFields(value, ['mediaType', 'statement', 'delegation'], 'bad-bundle', 'it');
    if (fields.mediaType !== mediaType) throw new VerifyError('bad-bundle', `mediaType is not ${mediaType}`);
    return {
      statement: readEnvelope(fields.statement, maxPayloadBytes),
      delegation: fields.delegation === null ? null : readEnvelope(fields.delegation, maxDelegationBytes),
    };
  });
}

function readEnvelope(value: unknown, maxBytes: number): Envelope {
  const { keyid } = decodeEnvelope(value, maxBytes);
  // The pinned key decides; a hint that some other verifier might follow has no place here.
  if (keyid !== '') throw new VerifyError('bad-bundle', 'a signature has a key id');
  return value as Envelope;
}
