/** From signature shares to one ordinary Ed25519 signature (RFC 9591, Section 5.3). */
import { FrostError } from './errors.ts';
import { encodeScalar, reduceScalar, type Scalar } from './scalar.ts';
import type { Identifier } from './sharing.ts';
import type { Attempt } from './sign.ts';

/**
 * R || Σ z_i, 64 bytes (RFC 8032, Section 5.1.6). The caller verifies the result before anybody sees it, and the shares one by one where it does not
 * verify, as Section 5.3 has it. Throws `missing-share` unless there is exactly one share of every signer.
 */
export function aggregate(attempt: Attempt, shares: ReadonlyMap<Identifier, Scalar>): Uint8Array {
  if (shares.size !== attempt.signers.length) {
    throw new FrostError('missing-share', `${shares.size} shares of ${attempt.signers.length} signers`);
  }
  const z = attempt.signers.reduce((sum, identifier) => sum + shareOf(shares, identifier), 0n);
  return Buffer.concat([attempt.groupCommitment.bytes, encodeScalar(reduceScalar(z))]);
}

function shareOf(shares: ReadonlyMap<Identifier, Scalar>, identifier: Identifier): Scalar {
  const share = shares.get(identifier);
  if (share === undefined) throw new FrostError('missing-share', `no share of member ${identifier}`);
  return share;
}
