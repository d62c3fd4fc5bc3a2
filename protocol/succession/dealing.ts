/** What whoever holds the secrets of a succession does with them: cuts and polynomials by plan, and what it reveals of them. */
import type { DealtPlace } from '../ceremony/cast.ts';
import type { CeremonyPayload } from '../ceremony/messages.ts';
import type { Charter } from '../files/charter.ts';
import type { SealingGroup, Secret } from '../frost/group.ts';
import { deal, proveDealing, type Dealing } from '../frost/keygen.ts';
import { dealCut } from '../frost/resharing.ts';
import type { Identifier } from '../frost/sharing.ts';
import { bytesToHex } from '../wire/bytes.ts';
import { inCharterOrder, type DealingPlan } from './cast.ts';

/** One polynomial, and the new sharing that it is for. */
export interface DealtPolynomial {
  readonly place: DealtPlace;
  readonly dealing: Dealing;
}

/**
 * Cuts the old shares, which stay the caller's, and draws the polynomials of new keys: one for each place, in charter order. `shareOf` is this
 * member's old share of a channel. `wipeDealing` forgets each.
 */
export function dealPlan(
  group: SealingGroup,
  charter: Charter,
  { cuts, fresh }: DealingPlan,
  shareOf: (channel: string) => Secret,
): DealtPolynomial[] {
  const cut = cuts.flatMap(({ channel, coefficient, places }) => {
    const thresholds = places.map(({ of }) => of.threshold);
    const dealings = dealCut(group, { share: shareOf(channel), coefficient, thresholds });
    return dealings.map((dealing, index) => ({ place: places[index] as DealtPlace, dealing }));
  });
  const drawn = fresh.map((place) => ({ place, dealing: deal(group, place.of.threshold) }));
  return inCharterOrder(charter, [...cut, ...drawn], ({ place }) => place);
}

/** What a dealer reveals of them: commitments and proofs, under its identifier in the charter that it speaks for. */
export function revealOf(
  group: SealingGroup,
  {
    ceremony,
    speaker,
    encryptionKey,
  }: { readonly ceremony: string; readonly speaker: Identifier; readonly encryptionKey: Uint8Array },
  dealt: readonly DealtPolynomial[],
): CeremonyPayload<'reveal'> {
  return {
    ceremony,
    encryptionKey: bytesToHex(encryptionKey),
    dealings: dealt.map(({ place, dealing }) => ({
      channel: place.channel,
      sharing: place.sharing,
      commitments: dealing.commitments.map((point) => bytesToHex(point.bytes)),
      proof: bytesToHex(proveDealing(group, dealing, speaker, place.context(ceremony))),
    })),
  };
}
