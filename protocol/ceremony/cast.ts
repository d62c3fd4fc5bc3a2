/**
 * The cast of a ceremony: who speaks in it, who deals what, and who gets shares. Making a key and handing one on differ in this alone, from the hash
 * commitments to the certificate.
 */
import { memberByKey, production, type Charter, type Member } from '../files/charter.ts';
import type { Group, Point } from '../frost/group.ts';
import { at } from '../wire/present.ts';
import {
  dealingContext,
  sharingsDealtBy,
  type HeldSharing,
  type Origin,
  type PublicDealing,
  type SharingPlace,
} from './dealing.ts';
import type { Import } from './import.ts';
import type { Inbox } from './inbox.ts';
import type { ChannelKey, Provenance } from './transcript.ts';

/** A sharing that somebody deals for. */
export interface DealtPlace extends HeldSharing {
  /** What the proof of knowledge of this dealing must not outlive. */
  context(ceremony: string): Uint8Array;
}

/** Who takes part in one ceremony, and what each of them has to say in it. */
export interface Cast {
  /** Its members get the shares: they sign the transcript and say `stored`. */
  readonly charter: Charter;
  /** SHA-256 of the requesters payload, hex. */
  readonly requesters: string;
  /** Whoever commits, reveals and sends boxes, in the order of the transcript: first the members of the charter. */
  readonly speakers: readonly Member[];
  /** Where the keys come from, as the transcript says it. */
  readonly provenance: Provenance;
  /** What this speaker deals, in charter order. */
  dealtBy(speaker: Member): readonly DealtPlace[];
  /** Commitments of a sharing that nobody deals here. */
  fixed(place: SharingPlace): readonly Point[] | undefined;
  /** SHA-256 of the hello with which this speaker is in the ceremony, hex; `undefined` while there is none. */
  helloOf(inbox: Inbox, speaker: Member): string | undefined;
  /** What is wrong with all that a speaker dealt taken together, in words; each dealing is right by itself. */
  problemOf(arithmetic: Group, speaker: Member, dealings: readonly PublicDealing[]): string | undefined;
  /** What is wrong with the keys that come out, in words. */
  problemIn(channels: ReadonlyMap<string, ChannelKey>): string | undefined;
}

/** What both sides know of a ceremony that makes a key. */
export interface Founding {
  readonly charter: Charter;
  readonly requesters: string;
  readonly origin: Origin;
  /** Where production's sharings come from, unless the members deal them; whoever only judges needs it not. */
  readonly imported: Import | undefined;
}

/** A ceremony that makes a key: every member speaks, and deals for each sharing that it holds. */
export function foundingCast({ charter, requesters, origin, imported }: Founding): Cast {
  return {
    charter,
    requesters,
    speakers: charter.members,
    provenance:
      imported === undefined
        ? { origin: 'generated' }
        : { origin: 'imported', import: { file: imported.hash, groupKey: imported.groupKey } },
    dealtBy: (speaker) =>
      sharingsDealtBy(charter, speaker, origin).map((place) => ({
        ...place,
        context: (ceremony) => dealingContext(ceremony, place),
      })),
    fixed: ({ channel, sharing }) =>
      imported !== undefined && channel === production ? at(imported.vectors, sharing) : undefined,
    helloOf: ({ hellos }, { key }) => hellos.get(key)?.hash,
    problemOf: () => undefined,
    problemIn: () => undefined,
  };
}

/** What the one deals for the other, who gets shares: what a box between them carries, in charter order. */
export function dealtTo(cast: Cast, dealer: Member, holder: Member): DealtPlace[] {
  if (!isHolder(cast, holder)) return [];
  return cast.dealtBy(dealer).filter((place) => place.of.members.includes(holder.identifier));
}

/** Whether this speaker is of the charter whose key is made, and not only a dealer. */
export function isHolder({ charter }: Pick<Cast, 'charter'>, { key }: Member): boolean {
  return memberByKey(charter, key) !== undefined;
}
