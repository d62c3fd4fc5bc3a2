/**
 * When an old epoch ends for a member. Nothing that only the group's key signed stops a member or erases a share: those who were a quorum once can
 * still make such signatures, so what counts is what identities signed and what lies on the member's own disk.
 */
import type { Certificate } from '../ceremony/certificate.ts';
import type { Epoch } from '../ceremony/epoch.ts';
import { transcriptHash } from '../ceremony/transcript.ts';
import { memberByKey } from '../files/charter.ts';
import type { SuccessionGround } from './cast.ts';
import type { SuccessionMemory } from './memory.ts';

/**
 * An epoch that `openSuccessor` proved to follow on another: certificate, every heir's `stored`, the succession with identity-signed approvals of
 * a qualified set of the old charter, and a genesis that verifies.
 */
export interface Successor {
  readonly ground: SuccessionGround;
  readonly epoch: Epoch;
  /** SHA-256 of the payload of its genesis, hex. */
  readonly genesis: string;
}

/** What a member has to hold against a successor. */
export interface OldHome {
  /** Identity key, base64url. */
  readonly key: string;
  /** Transcript hash of the epoch that is live here. */
  readonly epoch: string;
  readonly memory: SuccessionMemory;
  /** Certificates on this member's disk, by ceremony. */
  readonly held: ReadonlyMap<string, Certificate>;
}

/** How a member leaves its old epoch, or why it does not by itself. */
export type Farewell =
  | { readonly kind: 'heir' | 'bystander' }
  /** `stranger`: of another epoch; `lost`: an heir without its share; `unknown`: nobody of the old charter is in the new one, so its owner decides. */
  | { readonly kind: 'stranger' | 'lost' | 'unknown'; readonly reason: string };

/** Whether a successor ends the epoch of this home by itself. */
export function farewellTo({ key, epoch, memory, held }: OldHome, successor: Successor): Farewell {
  const { ground, epoch: next } = successor;
  if (ground.from.hash !== epoch)
    return { kind: 'stranger', reason: `it follows on the epoch ${ground.from.hash}, and ${epoch} is live here` };
  if (memberByKey(next.charter, key) === undefined) return bystander(ground);
  const { ceremony } = next.certificate;
  const signed = memory.ceremonies.signed.get(ceremony);
  // Its own share, checked and on disk before its signature was said, and the certificate that has that signature in it.
  const isOwn = signed !== undefined && transcriptHash(signed.transcript) === next.hash;
  if (!isOwn || held.get(ceremony)?.transcriptHash !== next.hash)
    return { kind: 'lost', reason: 'this home holds no share of it, and its identity signed that it does' };
  return { kind: 'heir' };
}

/** Who gets no share trusts the word of heirs that it knows: of nobody's whom it does not. */
function bystander({ from, charter }: SuccessionGround): Farewell {
  if (charter.members.some((heir) => memberByKey(from.charter, heir.key) !== undefined)) return { kind: 'bystander' };
  return { kind: 'unknown', reason: 'no member of this epoch is among its heirs: frostmark participant retire' };
}
