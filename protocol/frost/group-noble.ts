/**
 * The group on @noble/curves: portable, and the independent second opinion.
 *
 * Its secrets are JavaScript integers that cannot be wiped and its arithmetic is not constant time: it holds no member's share.
 */
import { ed25519 } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { FrostError } from './errors.ts';
import {
  assertRandomLength,
  nonceRandomBytes,
  type Point,
  type RandomBytes,
  type Secret,
  type SecretGroup,
} from './group.ts';
import { decodeScalar, encodeScalar, littleEndianInteger, reduceScalar, type Scalar } from './scalar.ts';

type CurvePoint = InstanceType<typeof ed25519.Point>;

/** contextString || "nonce" (RFC 9591, Section 6.1, H3). */
const h3Prefix = new TextEncoder().encode('FROST-ED25519-SHA512-v1nonce');

/** The group on noble. `randomBytes` is asked for secrets and nonces only; public arithmetic takes none. */
export function createNobleGroup(options: { readonly randomBytes: RandomBytes }): SecretGroup {
  return new NobleGroup(options.randomBytes);
}

class NobleGroup implements SecretGroup {
  readonly name = 'noble';
  readonly identity: Point;
  readonly generator: Point;
  #secrets = new WeakMap<Secret, bigint>();
  readonly #randomBytes: RandomBytes;
  #ended = false;

  constructor(randomBytes: RandomBytes) {
    this.#randomBytes = randomBytes;
    this.identity = pointOf(ed25519.Point.ZERO);
    this.generator = pointOf(ed25519.Point.BASE);
  }

  decodePoint(bytes: Uint8Array): Point | undefined {
    const point = decodeStrictly(bytes);
    return point && pointOf(point);
  }

  multiplyEncoded(bytes: Uint8Array, scalar: Scalar): Point | undefined {
    const point = this.decodePoint(bytes);
    return point && this.multiply(point, scalar);
  }

  add(p: Point, q: Point): Point {
    return pointOf(this.#curvePoint(p).add(this.#curvePoint(q)));
  }

  multiply(point: Point, scalar: Scalar): Point {
    return pointOf(this.#curvePoint(point).multiplyUnsafe(reduceScalar(scalar)));
  }

  evaluate(points: readonly Point[], x: Scalar): Point {
    return evaluateByAdditions(points, x);
  }

  multiplyBase(scalar: Scalar): Point {
    return this.multiply(this.generator, scalar);
  }

  randomSecret(): Secret {
    return this.#keepReduced(this.#randomBytes(64));
  }

  loadSecret(bytes: Uint8Array): Secret | undefined {
    const value = decodeScalar(bytes);
    bytes.fill(0);
    return value === undefined || value === 0n ? undefined : this.#keep(value);
  }

  assertRoom(): void {
    // Handles of the garbage-collected heap need no slots.
  }

  makeNonce(share: Secret, random = this.#randomBytes(nonceRandomBytes)): Secret {
    const shareBytes = encodeScalar(this.#value(share));
    return this.#keepReduced(sha512(Buffer.concat([h3Prefix, assertRandomLength(random), shareBytes])));
  }

  publicPoint(secret: Secret): Point {
    const value = this.#value(secret);
    return value === 0n ? this.identity : pointOf(ed25519.Point.BASE.multiply(value));
  }

  evaluatePolynomial(coefficients: readonly Secret[], x: Scalar): Secret {
    return this.#keep(coefficients.reduceRight((sum, secret) => reduceScalar(sum * x + this.#value(secret)), 0n));
  }

  sum(secrets: readonly Secret[]): Secret {
    return this.evaluatePolynomial(secrets, 1n);
  }

  scale(secret: Secret, factor: Scalar): Secret {
    return this.#keep(reduceScalar(this.#value(secret) * reduceScalar(factor)));
  }

  respond(nonce: Secret, challenge: Scalar, secret: Secret): Scalar {
    try {
      return reduceScalar(this.#value(nonce) + challenge * this.#value(secret));
    } finally {
      this.wipe(nonce);
    }
  }

  signatureShare(
    nonces: { readonly hiding: Secret; readonly binding: Secret },
    bindingFactor: Scalar,
    coefficient: Scalar,
    challenge: Scalar,
    share: Secret,
  ): Scalar {
    try {
      const bound = this.#value(nonces.hiding) + this.#value(nonces.binding) * bindingFactor;
      return reduceScalar(bound + coefficient * this.#value(share) * challenge);
    } finally {
      this.wipe(nonces.hiding);
      this.wipe(nonces.binding);
    }
  }

  async exportSecret(secret: Secret, write: (bytes: Uint8Array) => Promise<void>): Promise<void> {
    const copy = encodeScalar(this.#value(secret));
    try {
      await write(copy);
    } finally {
      copy.fill(0);
    }
  }

  wipe(secret: Secret): void {
    this.#secrets.delete(secret);
  }

  end(): void {
    this.#secrets = new WeakMap();
    this.#ended = true;
  }

  #keepReduced(wide: Uint8Array): Secret {
    const value = reduceScalar(littleEndianInteger(wide));
    if (value === 0n) throw new FrostError('no-randomness', 'the random source gives zeros');
    return this.#keep(value);
  }

  #keep(value: bigint): Secret {
    if (this.#ended) throw gone();
    const secret: Secret = Object.freeze({ kind: 'secret' });
    this.#secrets.set(secret, value);
    return secret;
  }

  #value(secret: Secret): bigint {
    const value = this.#secrets.get(secret);
    if (value === undefined) throw gone();
    return value;
  }

  /** Points of another group come by their bytes. */
  #curvePoint(point: Point): CurvePoint {
    return curvePointOf(point, decodeStrictly);
  }
}

/** Points as the library computes with them, each encoded or decoded once. */
const curvePoints = new WeakMap<Point, CurvePoint>();

function pointOf(curvePoint: CurvePoint): Point {
  const point: Point = { bytes: curvePoint.toBytes() };
  curvePoints.set(point, curvePoint);
  return point;
}

function curvePointOf(point: Point, decode: (bytes: Uint8Array) => CurvePoint | undefined): CurvePoint {
  const known = curvePoints.get(point);
  if (known !== undefined) return known;
  const { ZERO } = ed25519.Point;
  const decoded = Buffer.from(point.bytes).equals(ZERO.toBytes()) ? ZERO : decode(point.bytes);
  if (decoded === undefined) throw new FrostError('foreign-point', 'a point was used that no decoder has passed');
  curvePoints.set(point, decoded);
  return decoded;
}

/**
 * Σ x^k·P_k by Horner's rule in coordinates that need no encoding in between; any group's points will do. That they are in the prime-order subgroup
 * was checked where they were decoded, and is not checked again.
 */
export function evaluateByAdditions(points: readonly Point[], x: Scalar): Point {
  const k = reduceScalar(x);
  const sum = points.reduceRight(
    (total, point) => total.multiplyUnsafe(k).add(curvePointOf(point, decodeOnCurve)),
    ed25519.Point.ZERO,
  );
  return pointOf(sum);
}

/** Whether 32 bytes are the one encoding of a point of the prime-order subgroup that is not its identity. */
export function isPrimeOrderPoint(bytes: Uint8Array): boolean {
  return decodeStrictly(bytes) !== undefined;
}

/** RFC 8032's decoding without ZIP 215's leniency, then the prime-order subgroup without its identity (RFC 9591, Section 6.1). */
function decodeStrictly(bytes: Uint8Array): CurvePoint | undefined {
  const point = decodeOnCurve(bytes);
  return point === undefined || point.is0() || !point.isTorsionFree() ? undefined : point;
}

function decodeOnCurve(bytes: Uint8Array): CurvePoint | undefined {
  try {
    return ed25519.Point.fromBytes(bytes, false);
  } catch {
    return undefined;
  }
}

function gone(): FrostError {
  return new FrostError('secret-gone', 'the secret was wiped, consumed, or never in this group');
}
