/** The certificate: one transcript of a whole ceremony, signed by every member with a proof of its share. Its hash names the key epoch. */
import { decodeCanonicalJson, encodeCanonicalJson } from '../../verifier/json.ts';
import { maxCertificateBytes, maxJsonDepth, maxMembers } from '../limits.ts';
import { sha256Hex } from '../wire/bytes.ts';
import { refuseAs, type Envelope } from '../wire/envelope.ts';
import { assertSchema, EnvelopeSchema, Strict, Type, type Static } from '../wire/schema.ts';
import { transcriptHash, transcriptSchema, type Transcript } from './transcript.ts';

const certificateSchema = Strict({
  transcript: transcriptSchema,
  signatures: Type.Array(EnvelopeSchema, { minItems: 2, maxItems: maxMembers }),
});

export interface Certificate {
  /** SHA-256 of the bytes, hex. */
  readonly hash: string;
  /** Canonical JSON. */
  readonly bytes: Uint8Array;
  readonly ceremony: string;
  readonly transcript: Transcript;
  readonly transcriptHash: string;
  /** One signed transcript of each member, in order of identifiers. */
  readonly signatures: readonly Envelope[];
}

/** The certificate of a transcript and all its signatures, in order of identifiers. */
export function buildCertificate(transcript: Transcript, signatures: readonly Envelope[]): Certificate {
  const bytes = encodeCanonicalJson({ transcript, signatures });
  return {
    hash: sha256Hex(bytes),
    bytes,
    ceremony: transcript.ceremony,
    transcript,
    transcriptHash: transcriptHash(transcript),
    signatures,
  };
}

/** Shape only; `openEpoch` checks the rest. Throws `ProtocolError('bad-certificate')`. */
export function decodeCertificate(bytes: Uint8Array): Certificate {
  const value = refuseAs('bad-certificate', 'certificate', () =>
    decodeCanonicalJson(bytes, { maxBytes: maxCertificateBytes, maxDepth: maxJsonDepth }),
  );
  assertSchema(certificateSchema, value, 'bad-certificate', 'certificate');
  const { transcript, signatures } = value as Static<typeof certificateSchema>;
  return {
    hash: sha256Hex(bytes),
    bytes,
    ceremony: transcript.ceremony,
    transcript,
    transcriptHash: transcriptHash(transcript),
    signatures,
  };
}
