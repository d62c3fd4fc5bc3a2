/** What a speaker dealt, judged by the cast: its reveal, and whom its boxes are for. */
import { hexToBytes } from '../wire/bytes.ts';
import type { Member } from '../files/charter.ts';
import type { Group } from '../frost/group.ts';
import { decodeCommitments, verifyDealing } from '../frost/keygen.ts';
import { isSmallOrderBoxKey } from './box-key.ts';
import { isHolder, type Cast } from './cast.ts';
import { isSamePlace, type PublicDealing } from './dealing.ts';
import type { CeremonyPayload } from './messages.ts';

/** Whether a speaker's boxes are for exactly those others that get shares which it deals, in order of identifiers. */
export function hasRightReceivers(cast: Cast, dealer: Member, { boxes }: CeremonyPayload<'boxes'>): boolean {
  const holders = new Set(cast.dealtBy(dealer).flatMap((place) => place.of.members));
  const others = [...holders].filter((identifier) => identifier !== dealer.identifier || !isHolder(cast, dealer));
  return boxes.map(({ to }) => to).join() === others.sort((a, b) => a - b).join();
}

/** What a reveal is judged by. */
export interface RevealGround {
  readonly arithmetic: Group;
  readonly cast: Cast;
}

/** Decodes and checks all that a dealer revealed; a text that says what is wrong if anything is. */
export function verifyReveal(
  { arithmetic, cast }: RevealGround,
  dealer: Member,
  reveal: CeremonyPayload<'reveal'>,
): PublicDealing[] | string {
  // Nobody could seal a box to it, and the ceremony would wait for boxes that cannot come.
  if (isSmallOrderBoxKey(hexToBytes(reveal.encryptionKey))) return 'its one-time key has a small order';
  const places = cast.dealtBy(dealer);
  if (reveal.dealings.length !== places.length)
    return `it dealt ${reveal.dealings.length} sharings instead of ${places.length}`;
  const dealings: PublicDealing[] = [];
  for (const [index, place] of places.entries()) {
    const dealt = reveal.dealings[index];
    if (dealt === undefined || !isSamePlace(dealt, place)) return 'it dealt other sharings than the charter says';
    // Exactly t coefficients, none the identity: a longer or shorter vector would move the threshold (T14).
    const commitments = decodeCommitments(arithmetic, dealt.commitments.map(hexToBytes), place.of.threshold);
    if (commitments === undefined)
      return `its commitments for ${place.channel} are not exactly ${place.of.threshold} valid points`;
    const context = place.context(reveal.ceremony);
    if (!verifyDealing(arithmetic, commitments, hexToBytes(dealt.proof), dealer.identifier, context)) {
      return `its proof of knowledge for ${place.channel} is wrong`;
    }
    dealings.push({ channel: place.channel, sharing: place.sharing, commitments });
  }
  return cast.problemOf(arithmetic, dealer, dealings) ?? dealings;
}
