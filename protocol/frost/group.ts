/**
 * The prime-order group FROST computes in (RFC 9591, Sections 3.1 and 6.1: edwards25519), behind one interface.
 *
 * Public values are points and scalars; secret scalars are opaque handles into memory that only the group touches.
 * Two implementations: `group-sodium.ts` for everything that holds a secret, `group-noble.ts` as the portable second opinion.
 */
import { FrostError } from './errors.ts';
import type { Scalar } from './scalar.ts';

/**
 * A point that passed the decoder, or came out of group arithmetic: on the curve and in the prime-order subgroup.
 * It may be the identity only as a result. Every group takes the points of every other.
 */
export interface Point {
  /** The canonical 32-byte encoding (RFC 8032, Section 5.1.2). */
  readonly bytes: Uint8Array;
}

/** A secret scalar: a handle that prints nothing and means nothing outside its group. */
export interface Secret {
  readonly kind: 'secret';
}

/** An X25519 key pair, made for one use or of an identity; the secret half stays in the group. */
export interface BoxKey {
  readonly kind: 'box-key';
  /** 32 bytes, X25519. */
  readonly publicKey: Uint8Array;
}

/** The source of all randomness: `count` fresh bytes, which the group wipes after use. */
export type RandomBytes = (count: number) => Uint8Array;

/** Bytes of randomness in one nonce (RFC 9591, Section 4.1). */
export const nonceRandomBytes = 32;

/** The bytes themselves. Throws `FrostError('no-randomness')` for another number than a nonce takes. */
export function assertRandomLength(random: Uint8Array): Uint8Array {
  if (random.length === nonceRandomBytes) return random;
  throw new FrostError('no-randomness', `a nonce takes ${nonceRandomBytes} random bytes, not ${random.length}`);
}

/** Public arithmetic. Nothing here throws for a wrong value: a hostile encoding decodes to `undefined`. */
export interface Group {
  readonly name: 'sodium' | 'noble';
  readonly identity: Point;
  readonly generator: Point;
  /** Decodes once, strictly: canonical, not the identity, torsion-free; `undefined` for anything else, whatever its length. */
  decodePoint(bytes: Uint8Array): Point | undefined;
  /** k·P for an encoded P that need not be kept: the same rule as `decodePoint`, at the price of the multiplication alone. */
  multiplyEncoded(bytes: Uint8Array, scalar: Scalar): Point | undefined;
  add(a: Point, b: Point): Point;
  /** k·P; 0·P and k·O are the identity. Scalars are taken modulo L. */
  multiply(point: Point, scalar: Scalar): Point;
  /** Σ x^k·P_k (RFC 9591, Appendix C.2), by additions: for x as small as an identifier that takes a tenth of multiplications, which are as long for any x. */
  evaluate(points: readonly Point[], x: Scalar): Point;
  /** k·B. */
  multiplyBase(scalar: Scalar): Point;
}

/** A group that also holds secrets. Whatever takes a `Secret` after it was wiped, or after `end()`, throws `FrostError('secret-gone')`. */
export interface SecretGroup extends Group {
  /** Throws `FrostError('arena-full')` unless so many more secrets fit. */
  assertRoom(count: number): void;
  /** A uniformly random scalar; throws `FrostError('no-randomness')` if it is zero, which no working source gives. */
  randomSecret(): Secret;
  /** Takes a canonical 32-byte little-endian non-zero scalar in and wipes `bytes`, whatever the result; `undefined` if it is not one. */
  loadSecret(bytes: Uint8Array): Secret | undefined;
  /**
   * RFC 9591, Section 4.1, `nonce_generate`: H3(random || share). `random` are the 32 bytes of its random_bytes(32), fresh and used for
   * nothing else; they are wiped. Without them the group draws its own.
   */
  makeNonce(share: Secret, random?: Uint8Array): Secret;
  /** secret·B. */
  publicPoint(secret: Secret): Point;
  /** Σ coefficients[k]·x^k (RFC 9591, Appendix C.1, `polynomial_evaluate`). */
  evaluatePolynomial(coefficients: readonly Secret[], x: Scalar): Secret;
  /** The sum modulo L; it may be zero when somebody chose the summands. */
  sum(secrets: readonly Secret[]): Secret;
  /** factor·secret modulo L, as a secret of its own. */
  scale(secret: Secret, factor: Scalar): Secret;
  /** Schnorr response: nonce + challenge·secret. Consumes (wipes) the nonce. */
  respond(nonce: Secret, challenge: Scalar, secret: Secret): Scalar;
  /**
   * RFC 9591, Section 5.2: hiding + binding·bindingFactor + coefficient·challenge·share. Consumes (wipes) both nonces.
   * `coefficient` is the interpolation coefficient among the chosen signers of the member's own sharing.
   */
  signatureShare(
    nonces: { readonly hiding: Secret; readonly binding: Secret },
    bindingFactor: Scalar,
    coefficient: Scalar,
    challenge: Scalar,
    share: Secret,
  ): Scalar;
  /**
   * Hands the 32 bytes of one secret to `write`, the only way a share leaves (into the pipe of the age child); wipes the
   * copy when the promise settles.
   */
  exportSecret(secret: Secret, write: (bytes: Uint8Array) => Promise<void>): Promise<void>;
  /** Forgets one secret at once; a repeat is a no-op. */
  wipe(secret: Secret): void;
  /** Zeroes everything that was ever secret, the stack residue included. The group can be used for public arithmetic afterwards. */
  end(): void;
}

/** A group that also moves secrets between members: libsodium's sealed boxes (X25519, XSalsa20-Poly1305). */
export interface SealingGroup extends SecretGroup {
  /** A fresh one-time X25519 key pair. */
  makeBoxKey(): BoxKey;
  /** The key pair of an X25519 secret key, 32 bytes (RFC 7748, Section 5), as `exportSecret` gave it. Wipes `secret`. */
  loadBoxKey(secret: Uint8Array): BoxKey;
  /** The secret scalar of a 32-byte Ed25519 seed, hashed and clamped (RFC 8032, Section 5.1.5), modulo L. Wipes `seed`. */
  loadSeed(seed: Uint8Array): Secret;
  /** Random secrets that sum to this one: `parts` of them, at least one. */
  split(secret: Secret, parts: number): Secret[];
  /**
   * `crypto_box_seal` of header || secrets (32 bytes each, in order) to `receiver`: 48 bytes longer than that.
   * `undefined` if `receiver` is no usable key; throws `FrostError('box-too-large')` past `maxBoxPlaintextBytes`.
   */
  seal(receiver: Uint8Array, header: Uint8Array, secrets: readonly Secret[]): Uint8Array | undefined;
  /**
   * Opens such a box that must hold exactly `header` and then `count` canonical scalars; `undefined` otherwise.
   * A scalar may be zero: a dealer may choose a polynomial with a root at the receiver. The plaintext never leaves the group.
   */
  open(key: BoxKey, box: Uint8Array, header: Uint8Array, count: number): Secret[] | undefined;
  /** As `SecretGroup` says; a one-time key leaves in the same way, to be kept until it is used. */
  exportSecret(secret: Secret | BoxKey, write: (bytes: Uint8Array) => Promise<void>): Promise<void>;
  wipe(secret: Secret | BoxKey): void;
}
