/** The two groups: one rule for what enters, the same results, and secrets that are gone when they are gone. */
import fc from 'fast-check';
import { ed25519 } from '@noble/curves/ed25519.js';
import { describe, expect, test } from 'vitest';
import { createNobleGroup } from '../../../protocol/frost/group-noble.ts';
import { createSodiumGroup, testingOnlyMemory } from '../../../protocol/frost/group-sodium.ts';
import type { Secret } from '../../../protocol/frost/group.ts';
import { loadLibsodium, type Libsodium } from '../../../protocol/frost/libsodium.ts';
import { maxBoxPlaintextBytes } from '../../../protocol/frost/limits.ts';
import { decodeScalar, encodeScalar, groupOrder, invertScalar, reduceScalar } from '../../../protocol/frost/scalar.ts';
import { hostilePoints, hostileScalars, littleEndian } from './hostile.ts';
import { groups, hex, noble, randomBytes, readSecret, sodium, unhex } from './keys.ts';

const anyScalar = fc.bigInt({ min: 0n, max: groupOrder - 1n });
const edgeScalar = fc.oneof(fc.constantFrom(0n, 1n, 2n, groupOrder - 1n, groupOrder, groupOrder + 1n, -1n), anyScalar);
const code = (value: string) => expect.objectContaining({ code: value }) as Error;

describe('public arithmetic', () => {
  test.each(hostilePoints)('both groups refuse a point of %s, and never throw (T8)', (_, encodings) => {
    expect(encodings.length).toBeGreaterThan(0);
    for (const bytes of encodings) {
      for (const { group } of groups) {
        expect(group.decodePoint(bytes), `${group.name} ${hex(bytes)}`).toBeUndefined();
        for (const k of [0n, 1n, 8n, groupOrder - 1n, groupOrder]) {
          expect(group.multiplyEncoded(bytes, k), `${group.name} ${hex(bytes)}`).toBeUndefined();
        }
      }
    }
  });

  test('both groups agree on any bytes (T8)', () => {
    const anyBytes = fc.oneof(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.uint8Array({ maxLength: 40 }),
      anyScalar.map((k) => sodium.multiplyBase(k).bytes),
    );
    fc.assert(
      fc.property(anyBytes, edgeScalar, (bytes, k) => {
        const [one, other] = [sodium.decodePoint(bytes), noble.decodePoint(bytes)];
        expect(other?.bytes).toEqual(one?.bytes);
        const [product, otherProduct] = [sodium.multiplyEncoded(bytes, k), noble.multiplyEncoded(bytes, k)];
        expect(otherProduct?.bytes).toEqual(product?.bytes);
        expect(product === undefined).toBe(one === undefined);
      }),
      { numRuns: 120 },
    );
  });

  test('both groups compute the same, at 0, 1, L - 1 and across L, too', () => {
    fc.assert(
      fc.property(edgeScalar, edgeScalar, (j, k) => {
        const [p, q] = [sodium.multiplyBase(j), noble.multiplyBase(j)];
        expect(q.bytes).toEqual(p.bytes);
        expect(noble.multiply(q, k).bytes).toEqual(sodium.multiply(p, k).bytes);
        expect(sodium.multiply(p, k).bytes).toEqual(sodium.multiplyBase(j * k).bytes);
        const sum = sodium.add(p, sodium.multiplyBase(k));
        expect(sum.bytes).toEqual(sodium.multiplyBase(j + k).bytes);
        expect(noble.add(q, noble.multiplyBase(k)).bytes).toEqual(sum.bytes);
      }),
      { numRuns: 40 },
    );
  });

  test.each(groups)('$name maps 0·P, k·O and P - P to the identity', ({ group }) => {
    const { identity, generator } = group;
    expect(hex(identity.bytes)).toBe('01'.padEnd(64, '0'));
    expect(group.multiply(generator, 0n)).toEqual(identity);
    expect(group.multiply(generator, groupOrder)).toEqual(identity);
    expect(group.multiply(identity, 5n)).toEqual(identity);
    expect(group.multiplyBase(0n)).toEqual(identity);
    expect(group.add(generator, group.multiplyBase(-1n))).toEqual(identity);
    expect(group.add(identity, identity)).toEqual(identity);
    expect(group.multiplyEncoded(generator.bytes, 0n)).toEqual(identity);
  });

  test('a group takes the points of the other, but none that nobody decoded', () => {
    expect(noble.add(sodium.multiplyBase(2n), sodium.identity).bytes).toEqual(noble.multiplyBase(2n).bytes);
    expect(sodium.multiply(noble.multiplyBase(2n), 3n).bytes).toEqual(noble.multiplyBase(6n).bytes);
    for (const { group } of groups) {
      expect(() => group.multiply({ bytes: littleEndian(2n) }, 3n)).toThrow(code('foreign-point'));
      expect(() => group.add({ bytes: littleEndian(2n) }, group.generator)).toThrow(code('foreign-point'));
    }
  });
});

describe('scalars', () => {
  test.each(hostileScalars)('refuses %s as a scalar, everywhere (T8)', (_, bytes) => {
    expect(decodeScalar(bytes)).toBeUndefined();
    for (const { group } of groups) expect(group.loadSecret(bytes.slice()), group.name).toBeUndefined();
  });

  test('encodes and decodes every scalar below L', () => {
    fc.assert(
      fc.property(anyScalar, (k) => {
        expect(decodeScalar(encodeScalar(k))).toBe(k);
        expect(encodeScalar(k)).toEqual(littleEndian(k));
      }),
    );
    expect(decodeScalar(littleEndian(groupOrder - 1n))).toBe(groupOrder - 1n);
    expect(decodeScalar(littleEndian(0n))).toBe(0n);
  });

  test('inverts every scalar but zero', () => {
    fc.assert(
      fc.property(
        anyScalar.filter((k) => k !== 0n),
        (k) => {
          expect(reduceScalar(k * invertScalar(k))).toBe(1n);
        },
      ),
    );
  });
});

describe.each(groups)('secrets on $name', ({ group }) => {
  const load = (k: bigint): Secret => group.loadSecret(encodeScalar(k))!;

  test('wipe the bytes they were loaded from, whatever the result', () => {
    for (const bytes of [littleEndian(5n), littleEndian(groupOrder), littleEndian(5n, 33), littleEndian(0n)]) {
      group.loadSecret(bytes);
      expect(bytes.every((byte) => byte === 0)).toBe(true);
    }
  });

  test('refuse zero', () => {
    expect(group.loadSecret(new Uint8Array(32))).toBeUndefined();
  });

  test('compute what the same integers would', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          anyScalar.filter((k) => k !== 0n),
          { minLength: 1, maxLength: 4 },
        ),
        edgeScalar,
        async (values, x) => {
          const secrets = values.map(load);
          const valueOf = async (secret: Secret): Promise<bigint> => decodeScalar(await readSecret(group, secret))!;
          const polynomial = values.reduceRight((sum, value) => reduceScalar(sum * x + value), 0n);
          expect(await valueOf(group.evaluatePolynomial(secrets, x))).toBe(polynomial);
          expect(await valueOf(group.sum(secrets))).toBe(reduceScalar(values.reduce((a, b) => a + b)));
          expect(await valueOf(group.scale(secrets[0]!, x))).toBe(reduceScalar(x * values[0]!));
          expect(group.publicPoint(secrets[0]!).bytes).toEqual(sodium.multiplyBase(values[0]!).bytes);
          const nonces = { hiding: load(7n), binding: load(9n) };
          expect(group.signatureShare(nonces, x, 3n, x + 1n, secrets[0]!)).toBe(
            reduceScalar(7n + 9n * x + 3n * (x + 1n) * values[0]!),
          );
          expect(group.respond(load(7n), x, secrets[0]!)).toBe(reduceScalar(7n + x * values[0]!));
        },
      ),
      { numRuns: 20 },
    );
  });

  test('are not mixed up with what public arithmetic left in the scratch area', () => {
    const secrets = [load(5n), load(6n)];
    group.multiplyBase(123n);
    expect(group.publicPoint(group.evaluatePolynomial(secrets, 2n))).toEqual(group.multiplyBase(17n));
    group.multiplyBase(123n);
    expect(group.publicPoint(group.sum(secrets))).toEqual(group.multiplyBase(11n));
  });

  test('may sum to zero, and then mean the identity', () => {
    const zero = group.sum([load(5n), load(groupOrder - 5n)]);
    expect(group.publicPoint(zero)).toEqual(group.identity);
    expect(group.publicPoint(group.sum([]))).toEqual(group.identity);
  });

  test('are consumed by one answer, and cannot give a second (T1)', () => {
    const share = group.randomSecret();
    const [hiding, binding] = [group.randomSecret(), group.randomSecret()];
    group.signatureShare({ hiding, binding }, 1n, 2n, 3n, share);
    expect(() => group.signatureShare({ hiding, binding }, 1n, 2n, 4n, share)).toThrow(code('secret-gone'));
    const nonce = group.randomSecret();
    group.respond(nonce, 1n, share);
    expect(() => group.respond(nonce, 2n, share)).toThrow(code('secret-gone'));
    expect(group.publicPoint(share)).toBeDefined();
  });

  test('a failed answer consumes its nonces, too (T1)', () => {
    const [hiding, binding, share] = [group.randomSecret(), group.randomSecret(), group.randomSecret()];
    group.wipe(share);
    expect(() => group.signatureShare({ hiding, binding }, 1n, 2n, 3n, share)).toThrow(code('secret-gone'));
    expect(() => group.publicPoint(hiding)).toThrow(code('secret-gone'));
    expect(() => group.publicPoint(binding)).toThrow(code('secret-gone'));
  });

  test('show nothing when printed', () => {
    expect(JSON.stringify(load(5n))).toBe('{"kind":"secret"}');
  });

  test('are gone when wiped, and a second wipe is a no-op', () => {
    const secret = group.randomSecret();
    group.wipe(secret);
    group.wipe(secret);
    expect(() => group.publicPoint(secret)).toThrow(code('secret-gone'));
    expect(() => group.publicPoint(Object.freeze({ kind: 'secret' }))).toThrow(code('secret-gone'));
  });

  test('leave by the export alone, in a copy that is wiped even when the writer fails', async () => {
    const secret = load(5n);
    let seen = new Uint8Array();
    const write = async (bytes: Uint8Array): Promise<void> => {
      expect(bytes).toEqual(littleEndian(5n));
      seen = bytes as Uint8Array<ArrayBuffer>;
      return Promise.reject(new Error('broken pipe'));
    };
    await expect(group.exportSecret(secret, write)).rejects.toThrow('broken pipe');
    expect(seen).toEqual(new Uint8Array(32));
  });
});

test.each(['sodium', 'noble'])('after its end %s holds no secret and still does public arithmetic', async (name) => {
  const group = name === 'sodium' ? await createSodiumGroup({ randomBytes }) : createNobleGroup({ randomBytes });
  const secret = group.randomSecret();
  group.end();
  expect(() => group.publicPoint(secret)).toThrow(code('secret-gone'));
  expect(() => group.randomSecret()).toThrow(code('secret-gone'));
  expect(() => group.loadSecret(littleEndian(5n))).toThrow(code('secret-gone'));
  expect(group.multiplyBase(2n)).toEqual(group.add(group.generator, group.generator));
});

test.each(['sodium', 'noble'])('%s refuses a random source that gives zeros', async (name) => {
  const zeros = (count: number): Uint8Array => new Uint8Array(count);
  const group =
    name === 'sodium' ? await createSodiumGroup({ randomBytes: zeros }) : createNobleGroup({ randomBytes: zeros });
  expect(() => group.randomSecret()).toThrow(code('no-randomness'));
});

describe('the arena', () => {
  test('is full when every slot is taken, and has room again after a wipe', async () => {
    const group = await createSodiumGroup({ randomBytes, arenaSlots: 3 });
    const secrets = [group.randomSecret(), group.randomSecret(), group.randomSecret()];
    expect(() => group.randomSecret()).toThrow(code('arena-full'));
    const points = secrets.map((secret) => hex(group.publicPoint(secret).bytes));
    expect(new Set(points).size).toBe(3);
    group.wipe(secrets[1]!);
    group.randomSecret();
    expect(() => group.makeBoxKey()).toThrow(code('arena-full'));
    expect(hex(group.publicPoint(secrets[2]!).bytes)).toBe(points[2]);
  });

  test('opens no box halfway when it is full', async () => {
    const group = await createSodiumGroup({ randomBytes, arenaSlots: 3 });
    const key = group.makeBoxKey();
    const secret = group.randomSecret();
    const box = group.seal(key.publicKey, new Uint8Array(), [secret, secret])!;
    expect(() => group.open(key, box, new Uint8Array(), 2)).toThrow(code('arena-full'));
    group.wipe(secret);
    expect(group.open(key, box, new Uint8Array(), 2)).toHaveLength(2);
  });

  test.each([0, -1, 1.5, 2 ** 20 + 1, 2 ** 27, 2 ** 32, NaN])('refuses to have %d slots', async (arenaSlots) => {
    await expect(createSodiumGroup({ randomBytes, arenaSlots })).rejects.toThrow(code('arena-full'));
  });

  test('works on after the heap has grown and its memory was replaced', async () => {
    const group = await createSodiumGroup({ randomBytes, arenaSlots: 400_000 });
    expect(testingOnlyMemory(group).length).toBeGreaterThan(testingOnlyMemory(sodium).length);
    const secret = group.loadSecret(littleEndian(6n))!;
    expect(group.publicPoint(secret)).toEqual(group.multiplyBase(6n));
  });
});

describe('sealed boxes', () => {
  const header = Buffer.from('ceremony, sender, receiver');

  test('carry any number of secrets, zero scalars included', () => {
    const key = sodium.makeBoxKey();
    const secrets = [sodium.randomSecret(), sodium.sum([]), sodium.randomSecret()];
    for (let count = 0; count <= 3; count++) {
      const box = sodium.seal(key.publicKey, header, secrets.slice(0, count))!;
      expect(box).toHaveLength(header.length + 32 * count + 48);
      const opened = sodium.open(key, box, header, count)!;
      expect(opened.map((secret) => sodium.publicPoint(secret))).toEqual(
        secrets.slice(0, count).map((secret) => sodium.publicPoint(secret)),
      );
    }
  });

  test('do not open with a changed byte, another header, another count or another key (T17)', () => {
    const [key, other] = [sodium.makeBoxKey(), sodium.makeBoxKey()];
    const box = sodium.seal(key.publicKey, header, [sodium.randomSecret()])!;
    for (let index = 0; index < box.length; index++) {
      const changed = box.with(index, (box[index] ?? 0) ^ 1);
      expect(sodium.open(key, changed, header, 1)).toBeUndefined();
    }
    expect(sodium.open(other, box, header, 1)).toBeUndefined();
    expect(sodium.open(key, box, Buffer.from('ceremony, receiver, sender'), 1)).toBeUndefined();
    expect(sodium.open(key, box, header.subarray(1), 1)).toBeUndefined();
    expect(sodium.open(key, box, header, 0)).toBeUndefined();
    expect(sodium.open(key, box, header, 2)).toBeUndefined();
    expect(sodium.open(key, box.slice(1), header, 1)).toBeUndefined();
    expect(sodium.open(key, new Uint8Array(), header, 1)).toBeUndefined();
    expect(sodium.open(key, new Uint8Array(70_000), header, 1)).toBeUndefined();
    expect(sodium.open(key, box, header, 1_000_000)).toBeUndefined();
    expect(sodium.open(key, box, header, 1)).toHaveLength(1);
  });

  test.each(hostileScalars.filter(([, bytes]) => bytes.length === 32))(
    'do not open on the scalar %s (T8)',
    (_, scalar) => {
      const key = sodium.makeBoxKey();
      const box = sodium.seal(key.publicKey, Buffer.concat([header, encodeScalar(5n), scalar]), [])!;
      expect(sodium.open(key, box, header, 2)).toBeUndefined();
    },
  );

  test('are not made for a receiver whose key is no key', () => {
    const weak = [
      littleEndian(0n),
      littleEndian(1n),
      littleEndian(2n ** 255n - 19n),
      littleEndian(5n, 31),
      new Uint8Array(),
    ];
    const lowOrder = unhex('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800');
    for (const receiver of [...weak, lowOrder]) {
      expect(sodium.seal(receiver, header, [sodium.randomSecret()])).toBeUndefined();
    }
  });

  test('are bounded', () => {
    const key = sodium.makeBoxKey();
    const most = new Uint8Array(maxBoxPlaintextBytes);
    const box = sodium.seal(key.publicKey, most, [])!;
    expect(sodium.open(key, box, most, 0)).toEqual([]);
    const tooMuch = new Uint8Array(maxBoxPlaintextBytes + 1);
    expect(() => sodium.seal(key.publicKey, tooMuch, [])).toThrow(code('box-too-large'));
  });

  test('do not open after their key was wiped (T17)', () => {
    const key = sodium.makeBoxKey();
    const box = sodium.seal(key.publicKey, header, [sodium.randomSecret()])!;
    sodium.wipe(key);
    expect(() => sodium.open(key, box, header, 1)).toThrow(code('secret-gone'));
  });
});

describe('libsodium', () => {
  test('is refused where there is no WebAssembly', async () => {
    const held = Object.getOwnPropertyDescriptor(globalThis, 'WebAssembly')!;
    delete (globalThis as Record<string, unknown>)['WebAssembly'];
    try {
      await expect(loadLibsodium(randomBytes)).rejects.toThrow(code('no-webassembly'));
    } finally {
      Object.defineProperty(globalThis, 'WebAssembly', held);
    }
  });

  /** Starts libsodium with exports that went through `change`. */
  async function loadChanged(change: (exported: Exports) => Exports): Promise<Libsodium> {
    const api = WebAssembly as unknown as {
      instantiate: (...args: unknown[]) => Promise<{ instance: { exports: Exports } }>;
    };
    const { instantiate } = api;
    api.instantiate = async (...args) => ({
      instance: { exports: change((await instantiate(...args)).instance.exports) },
    });
    try {
      return await loadLibsodium(randomBytes);
    } finally {
      api.instantiate = instantiate;
    }
  }
  type Exports = Record<string, unknown>;
  const mapFunctions = (exported: Exports, wrap: (f: (...args: number[]) => number) => unknown): Exports =>
    Object.fromEntries(
      Object.entries(exported).map(([name, value]) => [
        name,
        typeof value === 'function' ? wrap(value as (...args: number[]) => number) : value,
      ]),
    );

  /** A word instead of the whole module, which takes a test runner half a minute to print. */
  const started = (): string => 'started';

  test('is refused when its functions are JavaScript', async () => {
    const asJavaScript = loadChanged((exported) =>
      mapFunctions(
        exported,
        (f) =>
          (...args: number[]) =>
            f(...args),
      ),
    );
    await expect(asJavaScript.then(started)).rejects.toThrow(code('no-webassembly'));
  });

  test('is refused when its stack is not where the residue is wiped', async () => {
    let exported: Exports = {};
    const { raw } = await loadChanged((seen) => (exported = seen));
    const name = Object.keys(exported).find((key) => exported[key] === raw._malloc)!;
    const displaced = (bytes: number) =>
      loadChanged((seen) => {
        const malloc = seen[name] as (size: number) => number;
        return { ...seen, [name]: (size: number) => malloc(size + bytes) + bytes };
      });
    for (const bytes of [-65_536, -1024, 1040, 16_384, 65_536]) {
      await expect(displaced(bytes).then(started), `${bytes}`).rejects.toThrow(code('unexpected-library'));
    }
    await expect(displaced(0).then(started)).resolves.toBe('started');
  });

  test('agrees with noble on the generator', () => {
    expect(sodium.generator.bytes).toEqual(ed25519.Point.BASE.toBytes());
  });
});
