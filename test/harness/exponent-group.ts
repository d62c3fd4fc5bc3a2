/**
 * A group whose points show their logarithms: integers modulo L under addition. Every law of the real one holds in it, and nothing is hidden; so
 * thousands of ceremonies run in seconds, every check of their machines done, and a test reads every secret. Boxes are open, too.
 */
import { FrostError } from '../../protocol/frost/errors.ts';
import type { BoxKey, Point, SealingGroup, Secret } from '../../protocol/frost/group.ts';
import { decodeScalar, encodeScalar, groupOrder, reduceScalar, type Scalar } from '../../protocol/frost/scalar.ts';
import type { Random } from './random.ts';

const sealBytes = 48;

export class ExponentGroup implements SealingGroup {
  readonly name = 'noble';
  readonly identity: Point = { bytes: encodeScalar(0n) };
  readonly generator: Point = { bytes: encodeScalar(1n) };
  readonly #random: Random;
  readonly #secrets = new WeakMap<Secret, bigint>();
  readonly #logarithms = new WeakMap<Point, bigint>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** What no other group tells. */
  integerOf(secret: Secret): bigint {
    const value = this.#secrets.get(secret);
    if (value === undefined) throw new FrostError('secret-gone', 'the secret was wiped');
    return value;
  }

  logarithmOf(point: Point): bigint {
    const known = this.#logarithms.get(point) ?? decodeScalar(point.bytes)!;
    this.#logarithms.set(point, known);
    return known;
  }

  #point(value: bigint): Point {
    const point = { bytes: encodeScalar(value) };
    this.#logarithms.set(point, value);
    return point;
  }

  #keep(value: bigint): Secret {
    const secret: Secret = Object.freeze({ kind: 'secret' });
    this.#secrets.set(secret, value);
    return secret;
  }

  #draw(): bigint {
    let value = 1n;
    for (let word = 0; word < 8; word += 1) value = (value << 32n) + BigInt(this.#random.below(2 ** 32));
    return value % groupOrder;
  }

  decodePoint(bytes: Uint8Array): Point | undefined {
    const value = decodeScalar(bytes);
    return value === undefined || value === 0n ? undefined : this.#point(value);
  }

  multiplyEncoded(bytes: Uint8Array, scalar: Scalar): Point | undefined {
    const point = this.decodePoint(bytes);
    return point && this.multiply(point, scalar);
  }

  add(a: Point, b: Point): Point {
    return this.#point((this.logarithmOf(a) + this.logarithmOf(b)) % groupOrder);
  }

  multiply(point: Point, scalar: Scalar): Point {
    return this.#point(reduceScalar(this.logarithmOf(point) * scalar));
  }

  evaluate(points: readonly Point[], x: Scalar): Point {
    return this.#point(points.reduceRight((sum, point) => (sum * x + this.logarithmOf(point)) % groupOrder, 0n));
  }

  multiplyBase(scalar: Scalar): Point {
    return this.#point(reduceScalar(scalar));
  }

  assertRoom(): void {
    // There is always room.
  }

  randomSecret(): Secret {
    return this.#keep(this.#draw());
  }

  loadSecret(bytes: Uint8Array): Secret | undefined {
    const value = decodeScalar(bytes);
    return value === undefined || value === 0n ? undefined : this.#keep(value);
  }

  makeNonce(): Secret {
    return this.randomSecret();
  }

  publicPoint(secret: Secret): Point {
    return this.#point(this.integerOf(secret));
  }

  evaluatePolynomial(coefficients: readonly Secret[], x: Scalar): Secret {
    return this.#keep(coefficients.reduceRight((sum, one) => (sum * x + this.integerOf(one)) % groupOrder, 0n));
  }

  sum(secrets: readonly Secret[]): Secret {
    return this.evaluatePolynomial(secrets, 1n);
  }

  scale(secret: Secret, factor: Scalar): Secret {
    return this.#keep(reduceScalar(this.integerOf(secret) * factor));
  }

  respond(nonce: Secret, challenge: Scalar, secret: Secret): Scalar {
    return reduceScalar(this.integerOf(nonce) + challenge * this.integerOf(secret));
  }

  signatureShare(): Scalar {
    throw new Error('nothing is signed here');
  }

  split(secret: Secret, parts: number): Secret[] {
    const random = Array.from({ length: parts - 1 }, () => this.#draw());
    const last = random.reduce((sum, value) => sum - value, this.integerOf(secret));
    return [...random, reduceScalar(last)].map((value) => this.#keep(value));
  }

  makeBoxKey(): BoxKey {
    return { kind: 'box-key', publicKey: encodeScalar(this.#draw()) };
  }

  boxKeyOf(): Uint8Array {
    throw new Error('nothing is sealed to identities here');
  }

  loadBoxKey(): BoxKey {
    throw new Error('nothing is sealed to identities here');
  }

  loadSeed(): Secret {
    throw new Error('no key is imported here');
  }

  seal(receiver: Uint8Array, header: Uint8Array, secrets: readonly Secret[]): Uint8Array {
    const inside = secrets.map((secret) => encodeScalar(this.integerOf(secret)));
    return Buffer.concat([receiver, Buffer.alloc(sealBytes - 32), header, ...inside]);
  }

  open({ publicKey }: BoxKey, box: Uint8Array, header: Uint8Array, count: number): Secret[] | undefined {
    const start = sealBytes + header.length;
    if (box.length !== start + 32 * count) return undefined;
    const bytes = Buffer.from(box);
    if (!bytes.subarray(0, 32).equals(publicKey) || !bytes.subarray(sealBytes, start).equals(header)) return undefined;
    const values = Array.from({ length: count }, (_, index) =>
      decodeScalar(bytes.subarray(start + 32 * index, start + 32 * (index + 1))),
    );
    return values.every((value) => value !== undefined) ? values.map((value) => this.#keep(value)) : undefined;
  }

  exportSecret(): Promise<void> {
    throw new Error('no share leaves');
  }

  wipe(secret: Secret | BoxKey): void {
    if (secret.kind === 'secret') this.#secrets.delete(secret);
  }

  end(): void {
    // Nothing was ever secret.
  }
}
