/**
 * Distributed key generation for one sharing (PedPop: Komlo and Goldberg, "FROST: Flexible Round-Optimized Schnorr Threshold
 * Signatures", 2020, Figure 1): every member deals a random polynomial, and the key is the sum of what they dealt.
 *
 * RFC 9591 leaves key generation out; who sends what, and when, is the ceremony's business.
 */
import { createHash } from 'node:crypto';
import { FrostError } from './errors.ts';
import type { Group, Point, Secret, SecretGroup } from './group.ts';
import { decodeScalar, encodeScalar, littleEndianInteger, reduceScalar, type Scalar } from './scalar.ts';
import { assertNotIdentity, evaluateCommitments, samePoint, sumPoints, type Identifier } from './sharing.ts';

/** One dealer's polynomial of degree t - 1 and the public commitment to each of its coefficients, constant term first. */
export interface Dealing {
  readonly coefficients: readonly Secret[];
  readonly commitments: readonly Point[];
}

/** Bytes of every proof below: R || z, a point and a scalar. */
export const proofBytes = 64;

/** Draws a polynomial for a sharing with this threshold. */
export function deal(group: SecretGroup, threshold: number): Dealing {
  const coefficients = Array.from({ length: threshold }, () => group.randomSecret());
  return { coefficients, commitments: coefficients.map((coefficient) => group.publicPoint(coefficient)) };
}

/** A random polynomial whose constant term is `secret`, which stays the caller's (RFC 9591, Appendix C.1: `secret_share_shard`). */
export function dealSecret(group: SecretGroup, secret: Secret, threshold: number): Dealing {
  const { coefficients, commitments } = deal(group, threshold - 1);
  return { coefficients: [secret, ...coefficients], commitments: [group.publicPoint(secret), ...commitments] };
}

/** The dealer that is no member: who splits a key that was whole. No member has this number. */
export const outsideDealer = 0;

/** Decodes a dealer's commitments: exactly `threshold` of them, none the identity; `undefined` for anything else. */
export function decodeCommitments(
  group: Group,
  encoded: readonly Uint8Array[],
  threshold: number,
): Point[] | undefined {
  // More or fewer coefficients would change how many members can sign.
  if (encoded.length !== threshold || threshold < 1) return undefined;
  const points = encoded.map((bytes) => group.decodePoint(bytes));
  return points.every((point) => point !== undefined) ? points : undefined;
}

/**
 * Proves that the dealer knows the constant term of its polynomial (Figure 1, Round 1, Step 2), so that nobody can choose
 * a commitment that depends on the others'. `context` is everything that the proof must not outlive.
 *
 * Differs from Figure 1: the challenge covers the whole vector, so that no commitment can be exchanged under a proof.
 */
export function proveDealing(
  group: SecretGroup,
  dealing: Dealing,
  dealer: Identifier | typeof outsideDealer,
  context: Uint8Array,
): Uint8Array {
  const [secret] = dealing.coefficients;
  if (secret === undefined) throw new FrostError('invalid-sharing', 'a dealing has at least one coefficient');
  return prove(group, secret, { purpose: 'dealing', prover: dealer, points: dealing.commitments, context });
}

/** Checks a dealer's proof against its decoded commitments. */
export function verifyDealing(
  group: Group,
  commitments: readonly Point[],
  proof: Uint8Array,
  dealer: Identifier | typeof outsideDealer,
  context: Uint8Array,
): boolean {
  const [point] = commitments;
  if (point === undefined) return false;
  return verify(group, point, proof, { purpose: 'dealing', prover: dealer, points: commitments, context });
}

/** The share of a polynomial that is meant for `receiver`. */
export function dealShare(group: SecretGroup, dealing: Dealing, receiver: Identifier): Secret {
  return group.evaluatePolynomial(dealing.coefficients, BigInt(receiver));
}

/** Checks one received share against its dealer's commitments (Figure 1, Round 2, Step 2; RFC 9591, Appendix C.2, `vss_verify`). */
export function verifyDealtShare(
  group: SecretGroup,
  share: Secret,
  receiver: Identifier,
  commitments: readonly Point[],
): boolean {
  return samePoint(group.publicPoint(share), evaluateCommitments(group, commitments, receiver));
}

/** The commitments of the sum of all dealers' polynomials. Throws `identity` if dealers cancel, `invalid-sharing` on unequal lengths. */
export function sumCommitments(group: Group, vectors: readonly (readonly Point[])[]): Point[] {
  const [first] = vectors;
  if (first === undefined || vectors.some((vector) => vector.length !== first.length)) {
    throw new FrostError('invalid-sharing', 'dealers of one sharing commit to equally many coefficients');
  }
  return first.map((_, k) => {
    const column = vectors.flatMap((vector) => vector.slice(k, k + 1));
    return assertNotIdentity(group, sumPoints(group, column), `the sum of coefficient ${k}`);
  });
}

/** The public key of a quorum: the constants of its sharings' summed commitments, added up. Throws `identity`. */
export function groupPublicKey(group: Group, summedCommitments: readonly (readonly Point[])[]): Point {
  const constants = summedCommitments.flatMap((vector) => vector.slice(0, 1));
  return assertNotIdentity(group, sumPoints(group, constants), 'the group public key');
}

/** A member's share of the key: the sum of what each dealer dealt it, itself included. */
export function finalShare(group: SecretGroup, dealtShares: readonly Secret[]): Secret {
  return group.sum(dealtShares);
}

/** Proves that a member holds the share of its public share; the ceremony's transcript is the context. */
export function proveShare(group: SecretGroup, share: Secret, holder: Identifier, context: Uint8Array): Uint8Array {
  return prove(group, share, { purpose: 'share', prover: holder, points: [group.publicPoint(share)], context });
}

/** Checks a member's proof of its share. */
export function verifyShareProof(
  group: Group,
  publicShare: Point,
  proof: Uint8Array,
  holder: Identifier,
  context: Uint8Array,
): boolean {
  return verify(group, publicShare, proof, { purpose: 'share', prover: holder, points: [publicShare], context });
}

/** What a proof is about; the first point is the one whose logarithm is known. */
interface Claim {
  readonly purpose: 'dealing' | 'share';
  readonly prover: Identifier | typeof outsideDealer;
  readonly points: readonly Point[];
  readonly context: Uint8Array;
}

/** Schnorr's proof, made non-interactive by hashing: R = k·B, z = k + c·secret. */
function prove(group: SecretGroup, secret: Secret, claim: Claim): Uint8Array {
  const nonce = group.makeNonce(secret);
  const commitment = group.publicPoint(nonce);
  const response = group.respond(nonce, proofChallenge(claim, commitment), secret);
  return Buffer.concat([commitment.bytes, encodeScalar(response)]);
}

function verify(group: Group, point: Point, proof: Uint8Array, claim: Claim): boolean {
  const commitment = group.decodePoint(proof.subarray(0, 32));
  const response = decodeScalar(proof.subarray(32));
  if (commitment === undefined || response === undefined) return false;
  const expected = group.add(commitment, group.multiply(point, proofChallenge(claim, commitment)));
  return samePoint(group.multiplyBase(response), expected);
}

/** SHA-512(tag, context, prover, points, R) modulo L; every part of variable length has its length before it. */
function proofChallenge(claim: Claim, commitment: Point): Scalar {
  const tag = Buffer.from(`frostmark proof of ${claim.purpose} v1`);
  const hash = createHash('sha512');
  for (const part of [tag, claim.context]) hash.update(u32(part.length)).update(part);
  hash.update(u32(claim.prover)).update(u32(claim.points.length));
  for (const point of claim.points) hash.update(point.bytes);
  return reduceScalar(littleEndianInteger(hash.update(commitment.bytes).digest()));
}

function u32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
