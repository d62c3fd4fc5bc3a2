/** `frostmark participant join`: the ceremony, and the documents that make its key usable. */
import type { PassphraseSource } from '../home/keystore.ts';
import type { Charter, Member } from '../protocol/charter.ts';
import type { Requesters } from '../protocol/requesters.ts';
import type { Log } from './log.ts';

/** What a person looks at before the ceremony. */
export interface JoinReview {
  readonly charter: Charter;
  readonly requesters: Requesters;
  readonly self: Member;
  /** What the chosen quorums mean (`charterWarnings`). */
  readonly warnings: readonly string[];
}

export type JoinEvent =
  | { readonly kind: 'connected' }
  | { readonly kind: 'disconnected'; readonly reason: string }
  /** The ceremony waits for these members' part of this step. */
  | { readonly kind: 'waiting'; readonly step: string; readonly for: readonly string[] }
  /** All members hold the certificate with this hash. */
  | { readonly kind: 'certified'; readonly certificate: string; readonly groupLine: string }
  /** A document of the ceremony is there under the group's signature. */
  | { readonly kind: 'signed'; readonly document: string }
  /** These documents still need signatures. */
  | { readonly kind: 'signing'; readonly documents: readonly string[] };

export interface JoinOptions {
  readonly home?: string | undefined;
  readonly charterPath: string;
  /** URL with the coordinator's fingerprint. */
  readonly coordinator: string;
  /** Without it only members may ask. */
  readonly requestersPath?: string | undefined;
  /** Asked once, before anything is made; not on a home that has already agreed to this charter. */
  confirm(review: JoinReview): Promise<boolean>;
  progress(event: JoinEvent): void;
  readonly passphrase: PassphraseSource;
  readonly log?: Log | undefined;
  readonly insecure?: boolean | undefined;
  readonly ca?: string | undefined;
  /** Gives up: what is on disk stays, and the next `join` goes on from there. */
  readonly signal?: AbortSignal | undefined;
}

export interface Joined {
  /** The line of GROUP.pub, without a newline. */
  readonly groupLine: string;
  /** GROUP.pub in the home. */
  readonly groupPath: string;
}

/**
 * Makes this member's share of a new group key, or goes on where an earlier run stopped; on a finished home it returns at once.
 * Throws `HomeError`, `JournalError`, `ParticipantError`, `ProtocolError`.
 */
export declare function joinCeremony(options: JoinOptions): Promise<Joined>;
