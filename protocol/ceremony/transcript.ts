/** The transcript: everything that the members of one ceremony said, in one value that all of them sign, and the keys that follow from it. */
import { encodeBase64Url } from '../../verifier/base64.ts';
import { encodeCanonicalJson } from '../../verifier/json.ts';
import { ProtocolError } from '../errors.ts';
import { production, type Charter, type Member } from '../files/charter.ts';
import type { Group, Point } from '../frost/group.ts';
import { decodeCommitments, groupPublicKey, verifyShareProof } from '../frost/keygen.ts';
import { publicShare, type Identifier, type Sharing } from '../frost/sharing.ts';
import { maxChannels, maxEpochNumber, maxMembers, maxSpeakers } from '../limits.ts';
import { hexToBytes, sha256Hex } from '../wire/bytes.ts';
import { Hash, Hex, IdentifierNumber, Key, Name, Strict, Type, type Static } from '../wire/schema.ts';
import { isSamePlace, shareContext, sharingsHeldBy, type Origin } from './dealing.ts';
import type { CeremonyPayload } from './messages.ts';
import { at } from '../wire/present.ts';

/** The epoch that a key was handed on from, and by whom. */
const lineageSchema = Strict({
  /** Transcript hash of the epoch before. */
  epoch: Hash,
  /** SHA-256 of the payload of its genesis. */
  genesis: Hash,
  /** SHA-256 of the succession document, and its number, which is the new epoch's. */
  succession: Hash,
  number: Type.Integer({ minimum: 1, maximum: maxEpochNumber }),
  /** Where production's key came from in the beginning. */
  key: Type.Union([Type.Literal('generated'), Type.Literal('imported')]),
  /** For each channel whose key stays, in the new charter's order: who dealt, by identifiers of the old charter. */
  dealers: Type.Array(
    Strict({ channel: Name, identifiers: Type.Array(IdentifierNumber, { minItems: 1, maxItems: maxMembers }) }),
    { minItems: 1, maxItems: maxChannels },
  ),
});

/** The epoch that a key was handed on from, as the new transcript says it. */
export type Lineage = Static<typeof lineageSchema>;

const transcriptFields = {
  charter: Hash,
  requesters: Hash,
  ceremony: Hash,
  channels: Type.Array(
    Strict({
      channel: Name,
      /** For each sharing, the dealers' commitments summed, constant term first. */
      sharings: Type.Array(Strict({ commitments: Type.Array(Hex(32), { minItems: 1, maxItems: maxMembers }) }), {
        minItems: 1,
        maxItems: maxMembers,
      }),
    }),
    { minItems: 1, maxItems: maxChannels },
  ),
  /** SHA-256 of what each speaker said: the members in order of identifiers, then dealers that are none. The boxes' ciphertexts are part of it. */
  messages: Type.Array(Strict({ hello: Hash, commit: Hash, reveal: Hash, boxes: Hash }), {
    minItems: 2,
    maxItems: maxSpeakers,
  }),
};
/** How it is written, told apart by `origin`: hashes, keys and points have 32 bytes, in hex but for the keys. */
export const transcriptSchema = Type.Union([
  Strict({ version: Type.Literal(1), origin: Type.Literal('generated'), ...transcriptFields }),
  /** Production's key once was whole: its commitments are those of this import file, and sum to this key. */
  Strict({
    version: Type.Literal(1),
    origin: Type.Literal('imported'),
    import: Strict({ file: Hash, groupKey: Key }),
    ...transcriptFields,
  }),
  /** The old quorums dealt the keys that stay; the heirs made those that are new. */
  Strict({ version: Type.Literal(1), origin: Type.Literal('reshared'), from: lineageSchema, ...transcriptFields }),
]);

/** A decoded transcript; whether it fits its charter is what `channelKeysOf` checks. */
export type Transcript = Static<typeof transcriptSchema>;

/** Where the keys of a transcript come from, in its own fields. */
export type Provenance =
  | { readonly origin: 'generated' }
  | { readonly origin: 'imported'; readonly import: { readonly file: string; readonly groupKey: string } }
  | { readonly origin: 'reshared'; readonly from: Lineage };

/** Where production's key came from in the beginning, through all successions. */
export function keyOriginOf(transcript: Transcript): Origin {
  return transcript.origin === 'reshared' ? transcript.from.key : transcript.origin;
}

/** One channel's quorum key. */
export interface ChannelKey {
  readonly channel: string;
  /** Public key, base64url. */
  readonly key: string;
  /** Decoded public key. */
  readonly point: Point;
  readonly sharings: readonly Sharing[];
  /** Public share of every holder. */
  readonly publicShares: ReadonlyMap<Identifier, Point>;
}

/** The same transcript with its fields in our own order, as every member makes it: only that spelling has the hash that was signed. */
export function respelledTranscript(transcript: Transcript): Transcript {
  const { version, charter, requesters, ceremony } = transcript;
  const channels = transcript.channels.map(({ channel, sharings }) => ({
    channel,
    sharings: sharings.map(({ commitments }) => ({ commitments })),
  }));
  const messages = transcript.messages.map(({ hello, commit, reveal, boxes }) => ({ hello, commit, reveal, boxes }));
  return { version, ...respelledProvenance(transcript), charter, requesters, ceremony, channels, messages };
}

function respelledProvenance(transcript: Transcript): Provenance {
  switch (transcript.origin) {
    case 'generated':
      return { origin: transcript.origin };
    case 'imported': {
      const { file, groupKey } = transcript.import;
      return { origin: transcript.origin, import: { file, groupKey } };
    }
    case 'reshared': {
      const { epoch, genesis, succession, number, key } = transcript.from;
      const dealers = transcript.from.dealers.map(({ channel, identifiers }) => ({ channel, identifiers }));
      return { origin: transcript.origin, from: { epoch, genesis, succession, number, key, dealers } };
    }
  }
}

/** SHA-256 of the transcript's canonical JSON, hex: the name of the epoch. */
export function transcriptHash(transcript: Transcript): string {
  return sha256Hex(encodeCanonicalJson(transcript));
}

/** What follows from a transcript's commitments, worked out once for as long as somebody holds them: a ceremony and a start need it several times. */
const workedOut = new WeakMap<
  Transcript['channels'],
  { readonly charter: string; readonly channels: ReadonlyMap<string, ChannelKey> }
>();

/** Keys and public shares of every channel. Throws `ProtocolError('bad-certificate')` or `FrostError('identity')`. */
export function channelKeysOf(
  arithmetic: Group,
  charter: Charter,
  transcript: Transcript,
): ReadonlyMap<string, ChannelKey> {
  const known = workedOut.get(transcript.channels);
  const channels = known?.charter === charter.hash ? known.channels : workOutKeys(arithmetic, charter, transcript);
  // Who opens a certificate without the import file still sees which key it must come to.
  if (transcript.origin === 'imported' && transcript.import.groupKey !== channels.get(production)?.key)
    throw new ProtocolError('bad-certificate', 'the sharings of production do not sum to the imported key');
  workedOut.set(transcript.channels, { charter: charter.hash, channels });
  return channels;
}

function workOutKeys(
  arithmetic: Group,
  charter: Charter,
  transcript: Pick<Transcript, 'channels'>,
): Map<string, ChannelKey> {
  const channels = new Map<string, ChannelKey>();
  const taken = new Set(charter.members.map((member) => member.key));
  for (const [index, { name, sharings }] of charter.channels.entries()) {
    const entry = transcript.channels[index];
    if (entry?.channel !== name || entry.sharings.length !== sharings.length) {
      throw new ProtocolError('bad-certificate', 'the channels of the certificate are not those of the charter');
    }
    const vectors = sharings.map((of, place) => decodeVector(arithmetic, of, at(entry.sharings, place).commitments));
    const point = groupPublicKey(arithmetic, vectors);
    const key = encodeBase64Url(point.bytes);
    // One key with two meanings would let the weaker quorum sign for the stronger (T38).
    if (taken.has(key)) throw new ProtocolError('bad-certificate', `the key of ${name} is also somebody else's`);
    taken.add(key);
    channels.set(name, {
      channel: name,
      key,
      point,
      sharings,
      publicShares: publicSharesOf(arithmetic, sharings, vectors),
    });
  }
  return channels;
}

function decodeVector(arithmetic: Group, of: Sharing, commitments: readonly string[]): Point[] {
  const vector = decodeCommitments(arithmetic, commitments.map(hexToBytes), of.threshold);
  if (vector === undefined)
    throw new ProtocolError('bad-certificate', `a sharing does not have exactly ${of.threshold} valid commitments`);
  return vector;
}

function publicSharesOf(
  arithmetic: Group,
  sharings: readonly Sharing[],
  vectors: readonly Point[][],
): Map<Identifier, Point> {
  return new Map(
    sharings.flatMap((of, place) =>
      of.members.map((identifier): [Identifier, Point] => [
        identifier,
        publicShare(arithmetic, at(vectors, place), identifier),
      ]),
    ),
  );
}

/** What proofs of shares are judged by. */
export interface ProofGround {
  readonly arithmetic: Group;
  readonly charter: Charter;
  /** Of the transcript, hex. */
  readonly hash: string;
  /** Those of this transcript, as `channelKeysOf` gives them. */
  readonly channels: ReadonlyMap<string, ChannelKey>;
}

/** Checks that a member proved every share it holds; a text that says what is wrong if not. */
export function verifyShareProofs(
  { arithmetic, charter, hash, channels }: ProofGround,
  member: Member,
  proofs: CeremonyPayload<'transcript'>['proofs'],
): string | undefined {
  const places = sharingsHeldBy(charter, member);
  if (proofs.length !== places.length) return `it proved ${proofs.length} shares instead of ${places.length}`;
  for (const [index, place] of places.entries()) {
    const proof = proofs[index];
    const share = channels.get(place.channel)?.publicShares.get(member.identifier);
    if (proof === undefined || share === undefined || !isSamePlace(proof, place))
      return 'it proved other shares than the charter says';
    if (!verifyShareProof(arithmetic, share, hexToBytes(proof.proof), member.identifier, shareContext(hash, place))) {
      return `its proof of share for ${place.channel} is wrong`;
    }
  }
  return undefined;
}
