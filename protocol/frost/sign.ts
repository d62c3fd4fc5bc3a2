/** Two-round signing over sharings (RFC 9591, Sections 4 and 5): commit, prepare an attempt once, sign and verify shares under it. */
import { createHash } from 'node:crypto';
import { FrostError } from './errors.ts';
import { nonceRandomBytes, type Group, type Point, type RandomBytes, type Secret, type SecretGroup } from './group.ts';
import { decodeScalar, encodeScalar, littleEndianInteger, reduceScalar, type Scalar } from './scalar.ts';
import {
  assertNotIdentity,
  chosenOf,
  interpolationCoefficient,
  isMinimalQualifiedSet,
  publicShareOf,
  samePoint,
  sharingOf,
  type Identifier,
  type Sharing,
} from './sharing.ts';

/** contextString (RFC 9591, Section 6.1). */
const contextString = 'FROST-ED25519-SHA512-v1';

/** Hiding and binding nonce commitments, 32 bytes each. */
interface NonceCommitments {
  readonly hiding: Uint8Array;
  readonly binding: Uint8Array;
}

/** One nonce pair, good for one share of one attempt, and the commitments that were published for it. */
export interface Nonces {
  readonly hiding: Secret;
  readonly binding: Secret;
  readonly commitments: NonceCommitments;
}

/** One entry of the commitment list. */
export interface Commitment extends NonceCommitments {
  readonly identifier: Identifier;
}

/** What an attempt is about. */
export interface AttemptInput {
  /** The key that signs. */
  readonly key: Point;
  readonly sharings: readonly Sharing[];
  /** Y_i of the members; `verifyShare` needs those of the signers. */
  readonly publicShares: ReadonlyMap<Identifier, Point>;
  readonly message: Uint8Array;
  /** Ascending by identifier: exactly t of every sharing. */
  readonly commitments: readonly Commitment[];
}

/**
 * Round one (Section 5.1, `commit`): a fresh nonce pair for the holder of `share`. `random` gives the random_bytes(32) of Section 4.1, once
 * for each nonce; without it the group draws them.
 */
export function commit(group: SecretGroup, share: Secret, random?: RandomBytes): Nonces {
  const makeNonce = (): Secret => group.makeNonce(share, random?.(nonceRandomBytes));
  const [hiding, binding] = [makeNonce(), makeNonce()];
  const commitments = { hiding: group.publicPoint(hiding).bytes, binding: group.publicPoint(binding).bytes };
  return { hiding, binding, commitments };
}

/** Everything that the shares of one attempt have in common, computed once. */
export interface Attempt {
  readonly group: Group;
  readonly signers: readonly Identifier[];
  /** R, 32 bytes: the first half of the signature. */
  readonly groupCommitment: Point;
  /** c (Section 4.6). */
  readonly challenge: Scalar;
  /** The entry of one signer. Throws `invalid-identifier` for anybody else, as do the three below. */
  commitmentOf(identifier: Identifier): Commitment;
  /** ρ_i (Section 4.4). */
  bindingFactorOf(identifier: Identifier): Scalar;
  /** D_i + ρ_i·E_i (Section 5.4). */
  commitmentShareOf(identifier: Identifier): Point;
  /** λ_i, among the chosen signers of the signer's own sharing; computed when first asked for. */
  coefficientOf(identifier: Identifier): Scalar;
  /** Y_i. */
  publicShareOf(identifier: Identifier): Point;
}

/**
 * Checks and computes what every signer and the coordinator need of one attempt.
 *
 * Throws `not-qualified` unless the commitments are ascending and exactly t of every sharing, `invalid-commitment` with
 * the culprits if points do not decode, `identity` if R is the identity.
 */
export function prepareAttempt(group: Group, input: AttemptInput): Attempt {
  const signers = input.commitments.map(({ identifier }) => identifier);
  if (!isMinimalQualifiedSet(input.sharings, signers)) {
    throw new FrostError(
      'not-qualified',
      `signers ${signers.join(', ')} are not exactly the threshold of every sharing, ascending`,
    );
  }
  const factors = bindingFactors(input);
  const entries = decodeEntries(group, input.commitments, factors);
  const sum = [...entries.values()].reduce((total, { share }) => group.add(total, share), group.identity);
  const groupCommitment = assertNotIdentity(group, sum, 'the group commitment');
  const coefficients = new Map<Identifier, Scalar>();
  const entryOf = (identifier: Identifier): Entry => {
    const entry = entries.get(identifier);
    if (entry === undefined) throw notASigner(identifier);
    return entry;
  };
  return {
    group,
    signers,
    groupCommitment,
    challenge: challengeOf(groupCommitment, input.key, input.message),
    commitmentOf: (identifier) => entryOf(identifier).commitment,
    bindingFactorOf: (identifier) => entryOf(identifier).bindingFactor,
    commitmentShareOf: (identifier) => entryOf(identifier).share,
    coefficientOf(identifier) {
      const coefficient = coefficients.get(identifier) ?? coefficientAmong(input.sharings, signers, identifier);
      coefficients.set(identifier, coefficient);
      return coefficient;
    },
    publicShareOf: (identifier) => publicShareOf(input.publicShares, entryOf(identifier).commitment.identifier),
  };
}

/**
 * Round two (Section 5.2, `sign`). It consumes the nonces, whatever the result is.
 *
 * Throws `own-commitment` unless the attempt lists exactly what these nonces were published as, `invalid-identifier` if
 * `identifier` is no signer, `secret-gone` if the nonces were used before.
 */
export function signShare(
  group: SecretGroup,
  attempt: Attempt,
  identifier: Identifier,
  nonces: Nonces,
  share: Secret,
): Scalar {
  try {
    const own = attempt.commitmentOf(identifier);
    if (!sameCommitments(own, nonces.commitments)) {
      throw new FrostError(
        'own-commitment',
        `the attempt lists another commitment for member ${identifier} than its own`,
      );
    }
    const [bindingFactor, coefficient] = [attempt.bindingFactorOf(identifier), attempt.coefficientOf(identifier)];
    return group.signatureShare(nonces, bindingFactor, coefficient, attempt.challenge, share);
  } finally {
    group.wipe(nonces.hiding);
    group.wipe(nonces.binding);
  }
}

/** Section 5.4, `verify_signature_share`: z_i·B = D_i + ρ_i·E_i + λ_i·c·Y_i. Throws `invalid-identifier` if `identifier` is no signer. */
export function verifyShare(attempt: Attempt, identifier: Identifier, share: Scalar): boolean {
  const { group, challenge } = attempt;
  const expected = group.add(
    attempt.commitmentShareOf(identifier),
    group.multiply(attempt.publicShareOf(identifier), attempt.coefficientOf(identifier) * challenge),
  );
  return samePoint(group.multiplyBase(share), expected);
}

/** 32 bytes, little-endian. */
export function encodeShare(share: Scalar): Uint8Array {
  return encodeScalar(share);
}

/** `undefined` unless it is 32 bytes and less than L. */
export function decodeShare(bytes: Uint8Array): Scalar | undefined {
  return decodeScalar(bytes);
}

interface Entry {
  readonly commitment: Commitment;
  readonly bindingFactor: Scalar;
  /** D_i + ρ_i·E_i. */
  readonly share: Point;
}

/** Decodes every point, once and strictly; the binding ones on their way through the multiplication, which is half the price. */
function decodeEntries(
  group: Group,
  commitments: readonly Commitment[],
  factors: readonly Scalar[],
): Map<Identifier, Entry> {
  const entries = new Map<Identifier, Entry>();
  const culprits: Identifier[] = [];
  commitments.forEach((commitment, index) => {
    const bindingFactor = factors[index];
    if (bindingFactor === undefined) throw new TypeError('a commitment is without a binding factor');
    const hiding = group.decodePoint(commitment.hiding);
    const bound = group.multiplyEncoded(commitment.binding, bindingFactor);
    if (hiding === undefined || bound === undefined) culprits.push(commitment.identifier);
    else entries.set(commitment.identifier, { commitment, bindingFactor, share: group.add(hiding, bound) });
  });
  if (culprits.length > 0) {
    throw new FrostError('invalid-commitment', `no valid commitment from ${culprits.join(', ')}`, { culprits });
  }
  return entries;
}

/**
 * `compute_binding_factors` (Section 4.4) with H1, H4 and H5 of Section 6.1: H1(key || H4(message) || H5(list) || i), in list order.
 * The bytes are hashed as they came: a point that they do not canonically encode is refused by the decoder afterwards.
 */
export function bindingFactors({
  key,
  message,
  commitments,
}: Pick<AttemptInput, 'key' | 'message' | 'commitments'>): Scalar[] {
  const list = createHash('sha512').update(`${contextString}com`);
  for (const { identifier, hiding, binding } of commitments) {
    list
      .update(encodeScalar(BigInt(identifier)))
      .update(hiding)
      .update(binding);
  }
  const messageHash = createHash('sha512').update(`${contextString}msg`).update(message).digest();
  const prefix = createHash('sha512')
    .update(`${contextString}rho`)
    .update(key.bytes)
    .update(messageHash)
    .update(list.digest());
  return commitments.map(({ identifier }) =>
    hashToScalar(
      prefix
        .copy()
        .update(encodeScalar(BigInt(identifier)))
        .digest(),
    ),
  );
}

/** H2(R || key || message), Ed25519's own challenge (Sections 4.6 and 6.1). */
function challengeOf(groupCommitment: Point, key: Point, message: Uint8Array): Scalar {
  return hashToScalar(createHash('sha512').update(groupCommitment.bytes).update(key.bytes).update(message).digest());
}

function hashToScalar(digest: Uint8Array): Scalar {
  return reduceScalar(littleEndianInteger(digest));
}

/** Differs from RFC 9591, Section 5.2: the coefficient is taken among the signers of one sharing, because a key may be the sum of several. */
function coefficientAmong(
  sharings: readonly Sharing[],
  signers: readonly Identifier[],
  identifier: Identifier,
): Scalar {
  const sharing = sharingOf(sharings, identifier);
  if (sharing === undefined) throw notASigner(identifier);
  return interpolationCoefficient(chosenOf(sharing, signers), identifier);
}

function sameCommitments(a: NonceCommitments, b: NonceCommitments): boolean {
  return Buffer.from(a.hiding).equals(b.hiding) && Buffer.from(a.binding).equals(b.binding);
}

function notASigner(identifier: number): FrostError {
  return new FrostError('invalid-identifier', `member ${identifier} is no signer of this attempt`);
}
