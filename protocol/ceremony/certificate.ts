/** The certificate: one transcript of a whole ceremony, signed by every member with a proof of its share. The transcript's hash names the key epoch. */
import { decodeCanonicalJson, encodeCanonicalJson } from '../../verifier/json.ts';
import { maxCertificateBytes, maxJsonDepth, maxMembers } from '../limits.ts';
import { refuseAs, respelled, type Envelope } from '../wire/envelope.ts';
import { assertSchema, EnvelopeSchema, Strict, Type, type Static } from '../wire/schema.ts';
import { respelledTranscript, transcriptHash, transcriptSchema, type Transcript } from './transcript.ts';

const certificateSchema = Strict({
  transcript: transcriptSchema,
  signatures: Type.Array(EnvelopeSchema, { minItems: 2, maxItems: maxMembers }),
});

/**
 * Any set of n valid signatures and share proofs over one transcript. Two certificates of one transcript are as good as each other, so nothing
 * is ever named by these bytes: a relay may choose among signatures, and a member may make several.
 */
export interface Certificate {
  /** Canonical JSON, spelled as this program spells it. */
  readonly bytes: Uint8Array;
  readonly ceremony: string;
  readonly transcript: Transcript;
  /** Hex: names the epoch. */
  readonly transcriptHash: string;
  /** One signed transcript of each member, in order of identifiers. */
  readonly signatures: readonly Envelope[];
}

/** The certificate of a transcript and all its signatures, in order of identifiers. */
export function buildCertificate(transcript: Transcript, signatures: readonly Envelope[]): Certificate {
  return {
    bytes: encodeCanonicalJson({ transcript, signatures }),
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
  return buildCertificate(respelledTranscript(transcript), signatures.map(respelled));
}
