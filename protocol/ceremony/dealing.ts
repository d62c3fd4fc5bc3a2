/** What a member deals in a ceremony: one polynomial for each sharing it holds, shown by its commitments and a proof of knowledge. */
import { hexToBytes, taggedHash, u32, utf8ToBytes } from '../wire/bytes.ts';
import { production, type Charter, type Member } from '../files/charter.ts';
import type { Point } from '../frost/group.ts';
import type { Sharing } from '../frost/sharing.ts';

/** One sharing by its place: channel, and index among the channel's sharings. */
export interface SharingPlace {
  readonly channel: string;
  readonly sharing: number;
}

/** A sharing that somebody holds, with its place. */
export interface HeldSharing extends SharingPlace {
  readonly of: Sharing;
}

/** A dealer's decoded and verified commitments for one sharing. */
export interface PublicDealing extends SharingPlace {
  readonly commitments: readonly Point[];
}

/** The sharings that `member` holds, in charter order. */
export function sharingsHeldBy(charter: Charter, member: Member): HeldSharing[] {
  return charter.channels.flatMap((channel) =>
    channel.sharings.flatMap((of, sharing) =>
      of.members.includes(member.identifier) ? [{ channel: channel.name, sharing, of }] : [],
    ),
  );
}

/** Where production's sharings come from: dealt in the ceremony by those who hold them, or before it, out of a key that was whole. */
export type Origin = 'generated' | 'imported';

/** The sharings that `member` deals in the ceremony, in charter order: those it holds, but for an imported production key. */
export function sharingsDealtBy(charter: Charter, member: Member, origin: Origin): HeldSharing[] {
  return sharingsHeldBy(charter, member).filter(({ channel }) => origin === 'generated' || channel !== production);
}

/** The sharings that both hold and deal, in charter order: what a box between them carries. */
export function commonSharings(charter: Charter, a: Member, b: Member, origin: Origin): HeldSharing[] {
  return sharingsDealtBy(charter, a, origin).filter((place) => place.of.members.includes(b.identifier));
}

/** Whether both are of one channel, and the same sharing of it. */
export function isSamePlace(a: SharingPlace, b: SharingPlace): boolean {
  return a.channel === b.channel && a.sharing === b.sharing;
}

/** What a proof of knowledge must not outlive: ceremony (which hashes charter and nonces) and place. */
export function dealingContext(ceremony: string, { channel, sharing }: SharingPlace): Uint8Array {
  return taggedHash('dealing', hexToBytes(ceremony), utf8ToBytes(channel), u32(sharing));
}

/** What every box begins with, so that it opens in no other ceremony and between no other two members. */
export function boxHeader(ceremony: string, sender: Member, receiver: Member): Uint8Array {
  return taggedHash('box', hexToBytes(ceremony), u32(sender.identifier), u32(receiver.identifier));
}

/** A proof of share is bound to the whole transcript and the place. */
export function shareContext(transcript: string, { channel, sharing }: SharingPlace): Uint8Array {
  return taggedHash('share', hexToBytes(transcript), utf8ToBytes(channel), u32(sharing));
}
