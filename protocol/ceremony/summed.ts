/** The transcript that follows from what the speakers of a ceremony dealt and said. */
import { ProtocolError } from '../errors.ts';
import { FrostError } from '../frost/errors.ts';
import type { Group } from '../frost/group.ts';
import { sumCommitments } from '../frost/keygen.ts';
import { bytesToHex } from '../wire/bytes.ts';
import type { Cast } from './cast.ts';
import { isSamePlace, type PublicDealing, type SharingPlace } from './dealing.ts';
import { channelKeysOf, type Transcript } from './transcript.ts';

/** What the speakers of one ceremony said. */
export interface TranscriptParts {
  readonly ceremony: string;
  /** What each speaker dealt, by identity key. */
  readonly dealings: ReadonlyMap<string, readonly PublicDealing[]>;
  readonly messages: Transcript['messages'];
}

/** The transcript of these parts; a text that says what is wrong when dealers cancel each other, or come to other keys than they must. */
export function transcriptOf(arithmetic: Group, cast: Cast, parts: TranscriptParts): Transcript | string {
  const { charter, requesters, provenance } = cast;
  const { ceremony, dealings, messages } = parts;
  try {
    const channels = charter.channels.map(({ name, sharings }) => ({
      channel: name,
      sharings: sharings.map((_, sharing) => ({
        commitments: summed(arithmetic, cast, { channel: name, sharing }, dealings),
      })),
    }));
    const transcript: Transcript = {
      version: 1,
      ...provenance,
      charter: charter.hash,
      requesters,
      ceremony,
      channels,
      messages,
    };
    return cast.problemIn(channelKeysOf(arithmetic, charter, transcript)) ?? transcript;
  } catch (error) {
    if (error instanceof FrostError || error instanceof ProtocolError) return error.message;
    throw error;
  }
}

function summed(arithmetic: Group, cast: Cast, place: SharingPlace, dealings: TranscriptParts['dealings']): string[] {
  const fixed = cast.fixed(place);
  if (fixed !== undefined) return fixed.map((point) => bytesToHex(point.bytes));
  const vectors = cast.speakers
    .filter((speaker) => cast.dealtBy(speaker).some((dealt) => isSamePlace(dealt, place)))
    .map((speaker) => {
      const dealing = dealings.get(speaker.key)?.find((candidate) => isSamePlace(candidate, place));
      if (dealing === undefined)
        throw new ProtocolError('bad-ceremony-message', `${speaker.name} dealt nothing for ${place.channel}`);
      return dealing.commitments;
    });
  return sumCommitments(arithmetic, vectors).map((point) => bytesToHex(point.bytes));
}
