/** The group on libsodium: secrets stay in one arena of its WebAssembly memory, used in place by its constant-time functions. */
import { Arena, sealBytes } from './arena.ts';
import { FrostError } from './errors.ts';
import {
  assertRandomLength,
  nonceRandomBytes,
  type BoxKey,
  type Point,
  type RandomBytes,
  type SealingGroup,
  type Secret,
  type SecretGroup,
} from './group.ts';
import { evaluateByAdditions } from './group-noble.ts';
import { loadLibsodium, type Libsodium } from './libsodium.ts';
import { defaultArenaSlots, maxBoxPlaintextBytes } from './limits.ts';
import { encodeScalar, littleEndianInteger, reduceScalar, type Scalar } from './scalar.ts';

/** contextString || "nonce" (RFC 9591, Section 6.1, H3). */
const h3Prefix = new TextEncoder().encode('FROST-ED25519-SHA512-v1nonce');

/**
 * Starts a libsodium of its own with room for `arenaSlots` secrets (`defaultArenaSlots`).
 *
 * Throws `FrostError` with `no-webassembly` or `unexpected-library` where secrets could not be kept safely.
 */
export async function createSodiumGroup(options: {
  readonly randomBytes: RandomBytes;
  readonly arenaSlots?: number;
}): Promise<SealingGroup> {
  const sodium = await loadLibsodium(options.randomBytes);
  return new SodiumGroup(sodium, options.randomBytes, options.arenaSlots ?? defaultArenaSlots);
}

const memories = new WeakMap<object, Libsodium>();

/** The whole memory of a group made by `createSodiumGroup`, for tests that look for residue in it. */
export function testingOnlyMemory(group: SecretGroup): Uint8Array {
  const sodium = memories.get(group);
  if (sodium === undefined) throw new TypeError('not a group on libsodium');
  return sodium.raw.HEAPU8;
}

class SodiumGroup implements SealingGroup {
  readonly name = 'sodium';
  readonly identity: Point;
  readonly generator: Point;
  readonly #raw: Libsodium['raw'];
  readonly #arena: Arena;
  readonly #randomBytes: RandomBytes;

  constructor(sodium: Libsodium, randomBytes: RandomBytes, slots: number) {
    this.#raw = sodium.raw;
    this.#arena = new Arena(sodium, slots);
    this.#randomBytes = randomBytes;
    memories.set(this, sodium);
    this.identity = { bytes: encodeScalar(1n) };
    this.generator = this.multiplyBase(1n);
  }

  decodePoint(bytes: Uint8Array): Point | undefined {
    if (bytes.length !== 32) return undefined;
    const { a } = this.#arena.scratch;
    this.#put(a, bytes);
    return this.#raw._crypto_core_ed25519_is_valid_point(a) === 1 ? this.#pointAt(a) : undefined;
  }

  multiplyEncoded(bytes: Uint8Array, scalar: Scalar): Point | undefined {
    if (bytes.length !== 32) return undefined;
    const k = reduceScalar(scalar);
    if (k === 0n) return this.decodePoint(bytes) && this.identity;
    const { a, b, c } = this.#arena.scratch;
    this.#put(a, bytes);
    this.#put(b, encodeScalar(k));
    // libsodium decodes with the rule of is_valid_point, and refuses a result of identity, which k·P is not for 0 < k < L.
    return this.#raw._crypto_scalarmult_ed25519_noclamp(c, b, a) === 0 ? this.#pointAt(c) : undefined;
  }

  add(p: Point, q: Point): Point {
    const { a, b, c } = this.#arena.scratch;
    this.#put(a, p.bytes);
    this.#put(b, q.bytes);
    if (this.#raw._crypto_core_ed25519_add(c, a, b) !== 0) throw foreignPoint();
    return this.#pointAt(c);
  }

  multiply(point: Point, scalar: Scalar): Point {
    if (isIdentity(point)) return this.identity;
    const product = this.multiplyEncoded(point.bytes, scalar);
    if (product === undefined) throw foreignPoint();
    return product;
  }

  evaluate(points: readonly Point[], x: Scalar): Point {
    return evaluateByAdditions(points, x);
  }

  multiplyBase(scalar: Scalar): Point {
    const { a, b } = this.#arena.scratch;
    this.#put(a, encodeScalar(reduceScalar(scalar)));
    return this.#basePoint(b, a);
  }

  randomSecret(): Secret {
    return this.#arena.compute(() => {
      const { a, wide } = this.#arena.scratch;
      this.#putRandom(wide, 64);
      return this.#keepReduced(a, wide);
    });
  }

  loadSecret(bytes: Uint8Array): Secret | undefined {
    return this.#arena.compute(() => {
      const { a } = this.#arena.scratch;
      const fits = bytes.length === 32;
      if (fits) this.#put(a, bytes);
      bytes.fill(0);
      return fits && this.#isCanonical(a) && !this.#isZero(a) ? this.#keep(a) : undefined;
    });
  }

  assertRoom(count: number): void {
    this.#arena.assertRoom(count);
  }

  makeNonce(share: Secret, random = this.#randomBytes(nonceRandomBytes)): Secret {
    return this.#arena.compute(() => {
      const { a, wide, text } = this.#arena.scratch;
      const place = text + h3Prefix.length;
      this.#put(text, h3Prefix);
      this.#put(place, assertRandomLength(random));
      random.fill(0);
      this.#copy(place + nonceRandomBytes, this.#arena.addressOf(share));
      this.#raw._crypto_hash_sha512(wide, text, h3Prefix.length + 64, 0);
      return this.#keepReduced(a, wide);
    });
  }

  publicPoint(secret: Secret): Point {
    return this.#arena.compute(() => this.#basePoint(this.#arena.scratch.a, this.#arena.addressOf(secret)));
  }

  evaluatePolynomial(coefficients: readonly Secret[], x: Scalar): Secret {
    return this.#arena.compute(() => {
      const { a, b } = this.#arena.scratch;
      this.#put(a, encodeScalar(0n));
      this.#put(b, encodeScalar(reduceScalar(x)));
      for (const coefficient of coefficients.toReversed()) {
        this.#raw._crypto_core_ed25519_scalar_mul(a, a, b);
        this.#raw._crypto_core_ed25519_scalar_add(a, a, this.#arena.addressOf(coefficient));
      }
      return this.#keep(a);
    });
  }

  sum(secrets: readonly Secret[]): Secret {
    return this.#arena.compute(() => {
      const { a } = this.#arena.scratch;
      this.#put(a, encodeScalar(0n));
      for (const secret of secrets) this.#raw._crypto_core_ed25519_scalar_add(a, a, this.#arena.addressOf(secret));
      return this.#keep(a);
    });
  }

  scale(secret: Secret, factor: Scalar): Secret {
    return this.#arena.compute(() => {
      const { a } = this.#arena.scratch;
      this.#multiplySecret(a, factor, secret);
      return this.#keep(a);
    });
  }

  respond(nonce: Secret, challenge: Scalar, secret: Secret): Scalar {
    try {
      return this.#arena.compute(() => {
        const { a } = this.#arena.scratch;
        this.#multiplySecret(a, challenge, secret);
        this.#raw._crypto_core_ed25519_scalar_add(a, a, this.#arena.addressOf(nonce));
        return this.#scalarAt(a);
      });
    } finally {
      this.#arena.release(nonce);
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
      return this.#arena.compute(() => {
        const { a, b } = this.#arena.scratch;
        this.#multiplySecret(a, coefficient * challenge, share);
        this.#multiplySecret(b, bindingFactor, nonces.binding);
        this.#raw._crypto_core_ed25519_scalar_add(a, a, b);
        this.#raw._crypto_core_ed25519_scalar_add(a, a, this.#arena.addressOf(nonces.hiding));
        return this.#scalarAt(a);
      });
    } finally {
      this.#arena.release(nonces.hiding);
      this.#arena.release(nonces.binding);
    }
  }

  makeBoxKey(): BoxKey {
    return this.#arena.compute(() => {
      const { a, b } = this.#arena.scratch;
      this.#raw._crypto_box_keypair(a, b);
      return this.#arena.keep(Object.freeze({ kind: 'box-key', publicKey: this.#bytesAt(a, 32) }), b);
    });
  }

  loadBoxKey(secret: Uint8Array): BoxKey {
    return this.#arena.compute(() => {
      const { a, b } = this.#arena.scratch;
      this.#putSeed(a, secret);
      this.#raw._crypto_scalarmult_base(b, a);
      return this.#arena.keep(Object.freeze({ kind: 'box-key', publicKey: this.#bytesAt(b, 32) }), a);
    });
  }

  loadSeed(seed: Uint8Array): Secret {
    return this.#arena.compute(() => {
      const { a, wide, text } = this.#arena.scratch;
      this.#putSeed(text, seed);
      this.#raw._crypto_hash_sha512(wide, text, 32, 0);
      const { memory } = this.#arena;
      // RFC 8032, Section 5.1.5, step 2; the upper half of the hash makes nonces in EdDSA and is of no use here.
      memory[wide] = (memory[wide] ?? 0) & 248;
      memory[wide + 31] = ((memory[wide + 31] ?? 0) & 127) | 64;
      memory.fill(0, wide + 32, wide + 64);
      return this.#keepReduced(a, wide);
    });
  }

  split(secret: Secret, parts: number): Secret[] {
    const random = Array.from({ length: parts - 1 }, () => this.randomSecret());
    return this.#arena.compute(() => {
      const { a } = this.#arena.scratch;
      this.#copy(a, this.#arena.addressOf(secret));
      for (const part of random) this.#raw._crypto_core_ed25519_scalar_sub(a, a, this.#arena.addressOf(part));
      return [...random, this.#keep(a)];
    });
  }

  seal(receiver: Uint8Array, header: Uint8Array, secrets: readonly Secret[]): Uint8Array | undefined {
    const length = header.length + 32 * secrets.length;
    if (length > maxBoxPlaintextBytes) throw new FrostError('box-too-large', `a box cannot hold ${length} bytes`);
    if (receiver.length !== 32) return undefined;
    return this.#arena.compute(() => {
      const { a, text, box } = this.#arena.scratch;
      this.#put(a, receiver);
      this.#put(text, header);
      secrets.forEach((secret, index) => {
        this.#copy(text + header.length + 32 * index, this.#arena.addressOf(secret));
      });
      if (this.#raw._crypto_box_seal(box, text, length, 0, a) !== 0) return undefined;
      return this.#bytesAt(box, length + sealBytes);
    });
  }

  open(key: BoxKey, box: Uint8Array, header: Uint8Array, count: number): Secret[] | undefined {
    const length = header.length + 32 * count;
    if (length > maxBoxPlaintextBytes || box.length !== length + sealBytes) return undefined;
    this.#arena.assertRoom(count);
    return this.#arena.compute(() => {
      const { a, text, box: sealed } = this.#arena.scratch;
      const secretKey = this.#arena.addressOf(key);
      this.#put(a, key.publicKey);
      this.#put(sealed, box);
      if (this.#raw._crypto_box_seal_open(text, sealed, box.length, 0, a, secretKey) !== 0) return undefined;
      if (!header.every((byte, index) => byte === this.#arena.memory[text + index])) return undefined;
      const addresses = Array.from({ length: count }, (_, index) => text + header.length + 32 * index);
      if (!addresses.every((address) => this.#isCanonical(address))) return undefined;
      return addresses.map((address) => this.#keep(address));
    });
  }

  async exportSecret(secret: Secret | BoxKey, write: (bytes: Uint8Array) => Promise<void>): Promise<void> {
    const copy = this.#bytesAt(this.#arena.addressOf(secret), 32);
    try {
      await write(copy);
    } finally {
      copy.fill(0);
    }
  }

  wipe(secret: Secret | BoxKey): void {
    this.#arena.release(secret);
  }

  end(): void {
    this.#arena.end();
  }

  #keep(address: number): Secret {
    return this.#arena.keep(Object.freeze({ kind: 'secret' }), address);
  }

  /** Takes a seed or a secret key in and wipes it where it was. */
  #putSeed(address: number, seed: Uint8Array): void {
    const fits = seed.length === 32;
    if (fits) this.#put(address, seed);
    seed.fill(0);
    if (!fits) throw new FrostError('invalid-seed', 'a seed or a secret key has 32 bytes');
  }

  /** Keeps a 64-byte integer modulo L: random, or of a clamped seed; zero only if the randomness is broken. */
  #keepReduced(target: number, wide: number): Secret {
    this.#raw._crypto_core_ed25519_scalar_reduce(target, wide);
    if (this.#isZero(target)) throw new FrostError('no-randomness', 'the random source gives zeros');
    return this.#keep(target);
  }

  /** secret·scalar into `target`; the scalar passes through `target`, too. */
  #multiplySecret(target: number, scalar: Scalar, secret: Secret): void {
    this.#put(target, encodeScalar(reduceScalar(scalar)));
    this.#raw._crypto_core_ed25519_scalar_mul(target, target, this.#arena.addressOf(secret));
  }

  /** scalar·B by way of `target`; libsodium refuses 0·B, and nothing else when the scalar is reduced. */
  #basePoint(target: number, scalar: number): Point {
    return this.#raw._crypto_scalarmult_ed25519_base_noclamp(target, scalar) === 0
      ? this.#pointAt(target)
      : this.identity;
  }

  /** libsodium has no test for a canonical scalar, but reduce(x || 0^32) = x holds for those alone. */
  #isCanonical(address: number): boolean {
    const { c, wide } = this.#arena.scratch;
    this.#copy(wide, address);
    this.#arena.memory.fill(0, wide + 32, wide + 64);
    this.#raw._crypto_core_ed25519_scalar_reduce(c, wide);
    const { memory } = this.#arena;
    let difference = 0;
    for (let index = 0; index < 32; index++) difference |= (memory[c + index] ?? 0) ^ (memory[address + index] ?? 0);
    return difference === 0;
  }

  #isZero(address: number): boolean {
    const { memory } = this.#arena;
    let bits = 0;
    for (let index = 0; index < 32; index++) bits |= memory[address + index] ?? 0;
    return bits === 0;
  }

  #put(address: number, bytes: Uint8Array): void {
    this.#arena.memory.set(bytes, address);
  }

  #putRandom(address: number, count: number): void {
    const random = this.#randomBytes(count);
    this.#put(address, random);
    random.fill(0);
  }

  #copy(target: number, source: number): void {
    this.#arena.memory.copyWithin(target, source, source + 32);
  }

  #bytesAt(address: number, length: number): Uint8Array {
    return this.#arena.memory.slice(address, address + length);
  }

  #pointAt(address: number): Point {
    return { bytes: this.#bytesAt(address, 32) };
  }

  #scalarAt(address: number): Scalar {
    return littleEndianInteger(this.#arena.memory.subarray(address, address + 32));
  }
}

function isIdentity(point: Point): boolean {
  return point.bytes.every((byte, index) => byte === (index === 0 ? 1 : 0));
}

function foreignPoint(): FrostError {
  return new FrostError('foreign-point', 'a point was used that no decoder has passed');
}
