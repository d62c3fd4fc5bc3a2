/** What is left of secrets in libsodium's memory: nothing but the slots that hold them, and at the end nothing at all (T29). */
import { createHash } from 'node:crypto';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createSodiumGroup, testingOnlyMemory } from '../../../protocol/frost/group-sodium.ts';
import type { Point, Secret, SealingGroup } from '../../../protocol/frost/group.ts';
import {
  deal,
  dealShare,
  finalShare,
  groupPublicKey,
  proveDealing,
  proveShare,
  sumCommitments,
  verifyDealing,
  verifyDealtShare,
} from '../../../protocol/frost/keygen.ts';
import { decodeScalar, encodeScalar, littleEndianInteger, reduceScalar } from '../../../protocol/frost/scalar.ts';
import { toIdentifier, publicShare } from '../../../protocol/frost/sharing.ts';
import { dealCut } from '../../../protocol/frost/resharing.ts';
import { commit, prepareAttempt, signShare, verifyShare } from '../../../protocol/frost/sign.ts';
import { littleEndian } from './hostile.ts';
import { flat, identifiers, makeKey, openSession, randomBytes, readSecret } from './keys.ts';

/** Where any 8 consecutive bytes of `secret` are in the memory. */
function findWindows(group: SealingGroup, secret: Uint8Array): number[] {
  return scan(group, [secret])[0]!;
}

/** The same for many secrets in one pass; each place is where the secret would begin. */
function scan(group: SealingGroup, secrets: readonly Uint8Array[]): number[][] {
  const memory = testingOnlyMemory(group);
  // By their first two bytes: most of the memory is zeros, and a window that begins so must not bring all others along.
  const windows: { owner: number; from: number; bytes: Uint8Array }[][] = Array.from({ length: 65_536 }, () => []);
  for (const [owner, secret] of secrets.entries()) {
    for (let from = 0; from + 8 <= secret.length; from++)
      windows[secret[from]! | (secret[from + 1]! << 8)]!.push({ owner, from, bytes: secret.subarray(from, from + 8) });
  }
  const found = secrets.map(() => new Set<number>());
  for (let at = 0; at + 8 <= memory.length; at++) {
    for (const { owner, from, bytes } of windows[memory[at]! | (memory[at + 1]! << 8)]!) {
      if (bytes.every((byte, index) => memory[at + index] === byte)) found[owner]!.add(at - from);
    }
  }
  return found.map((places) => [...places]);
}

const h3Prefix = Buffer.from('FROST-ED25519-SHA512-v1nonce');

/** One member of 2 of 3: its part of a ceremony and of a round, with every secret and intermediate value noted on the way. */
async function participate(group: SealingGroup) {
  const intermediate = new Map<string, Uint8Array>();
  const note = (name: string, bytes: Uint8Array | bigint): void => {
    intermediate.set(name, typeof bytes === 'bigint' ? encodeScalar(reduceScalar(bytes)) : bytes.slice());
  };
  const valueOf = async (secret: Secret): Promise<bigint> => decodeScalar(await readSecret(group, secret))!;
  const [one, two, three] = [toIdentifier(1), toIdentifier(2), toIdentifier(3)];
  const context = Buffer.from('context');

  const dealing = deal(group, 2);
  const [constant, linear] = [await valueOf(dealing.coefficients[0]!), await valueOf(dealing.coefficients[1]!)];
  note('constant coefficient', constant);
  note('linear coefficient', linear);
  note('polynomial term', linear * 3n);
  const proof = proveDealing(group, dealing, one, context);
  expect(verifyDealing(group, dealing.commitments, proof, one, context)).toBe(true);

  const boxKey = group.makeBoxKey();
  const peer = group.makeBoxKey();
  const header = Buffer.from('from 1 to 3, in this ceremony');
  const toPeer = dealShare(group, dealing, three);
  note('share dealt to another', await valueOf(toPeer));
  const box = group.seal(peer.publicKey, header, [toPeer])!;
  const [received] = group.open(peer, box, header, 1)!;
  expect(verifyDealtShare(group, received!, three, dealing.commitments)).toBe(true);

  const other = deal(group, 2);
  note("another's coefficient", await valueOf(other.coefficients[0]!));
  note("another's linear coefficient", await valueOf(other.coefficients[1]!));
  const dealt = [dealShare(group, dealing, one), dealShare(group, other, one)];
  note('own dealt share', await valueOf(dealt[0]!));
  note('received share', await valueOf(dealt[1]!));
  const sum = sumCommitments(group, [dealing.commitments, other.commitments]);
  const share = finalShare(group, dealt);
  const peerShare = finalShare(group, [received!, dealShare(group, other, three)]);
  note("the other signer's share", await valueOf(peerShare));
  proveShare(group, share, one, context);

  const nonces = commit(group, share);
  const peerNonces = commit(group, peerShare);
  const attempt = prepareAttempt(group, {
    key: groupPublicKey(group, [sum]),
    sharings: flat(2, 3),
    publicShares: new Map<typeof one, Point>([
      [one, publicShare(group, sum, one)],
      [two, publicShare(group, sum, two)],
    ]),
    message: Buffer.from('message'),
    commitments: [
      { identifier: one, ...nonces.commitments },
      { identifier: three, ...peerNonces.commitments },
    ],
  });
  const [s, d, e] = [await valueOf(share), await valueOf(nonces.hiding), await valueOf(nonces.binding)];
  const [lambda, rho, c] = [attempt.coefficientOf(one), attempt.bindingFactorOf(one), attempt.challenge];
  note('hiding nonce', d);
  note('binding nonce', e);
  note('λs', lambda * s);
  note('cs', c * s);
  note('cλs', c * lambda * s);
  note('ρe', rho * e);
  note('d + ρe', d + rho * e);
  note('ρe + cλs', rho * e + c * lambda * s);
  const z = signShare(group, attempt, one, nonces, share);
  expect(verifyShare(attempt, one, z)).toBe(true);

  const live = new Map([['share', await readSecret(group, share)]]);
  for (const secret of [...dealing.coefficients, ...other.coefficients, ...dealt, toPeer, received!, peerShare])
    group.wipe(secret);
  for (const secret of [peerNonces.hiding, peerNonces.binding]) group.wipe(secret);
  group.wipe(boxKey);
  group.wipe(peer);
  return { intermediate, live };
}

describe('a member that took part in a ceremony and a round', () => {
  const drawn: Uint8Array[] = [];
  const handedOver: Uint8Array[] = [];
  let group: SealingGroup;
  let secrets: Awaited<ReturnType<typeof participate>>;

  beforeAll(async () => {
    group = await createSodiumGroup({
      randomBytes: (count) => {
        const bytes = randomBytes(count);
        drawn.push(bytes.slice());
        handedOver.push(bytes);
        return bytes;
      },
    });
    drawn.length = 0;
    secrets = await participate(group);
  });

  const expectNone = (named: [string, Uint8Array][]): void => {
    const places = scan(
      group,
      named.map(([, bytes]) => bytes),
    );
    expect(named.filter((_, index) => places[index]!.length > 0).map(([name]) => name)).toEqual([]);
  };

  test('the scan sees a secret where there is one', () => {
    const [share] = secrets.live.values();
    const memory = testingOnlyMemory(group);
    memory.set(share!.subarray(11, 19), 200_000);
    expect(findWindows(group, share!)).toContain(200_000 - 11);
    memory.fill(0, 200_000, 200_008);
  });

  test('holds its share in one place, its slot', () => {
    for (const [name, bytes] of secrets.live) expect(findWindows(group, bytes), name).toHaveLength(1);
  });

  test('holds no nonce, coefficient, product, sum, dealt share or box plaintext', () => {
    expect(secrets.intermediate.size).toBeGreaterThan(15);
    expectNone([...secrets.intermediate]);
  });

  test('holds none of the randomness it drew, and nothing that was hashed from it', () => {
    const [share] = secrets.live.values();
    const nonceRandomness = drawn.filter((bytes) => bytes.length === 32);
    expect(nonceRandomness.length).toBeGreaterThan(3);
    const derived = drawn
      .filter(({ length }) => length >= 8)
      .flatMap((bytes) => {
        const hash = createHash('sha512').update(h3Prefix).update(bytes).update(share!).digest();
        return [bytes, hash, ...[bytes, hash].map((wide) => encodeScalar(reduceScalar(littleEndianInteger(wide))))];
      });
    expectNone(derived.map((bytes, index) => [`value ${index}`, bytes]));
    const boxKeys = drawn.filter((bytes) => bytes.length === 4);
    expect(boxKeys.length).toBeGreaterThanOrEqual(24);
    const words = Buffer.concat(boxKeys.map((bytes) => Uint8Array.from(bytes).reverse()));
    expect(findWindows(group, words)).toEqual([]);
  });

  test('has wiped every buffer of randomness that it was handed', () => {
    expect(handedOver.map(({ length }) => length)).toEqual(expect.arrayContaining([4, 32, 64]));
    for (const bytes of handedOver) expect(bytes.every((byte) => byte === 0)).toBe(true);
  });

  test('holds nothing after its end', () => {
    group.end();
    expectNone([...secrets.live, ...secrets.intermediate]);
  });
});

test('end alone wipes what nobody wiped before', async () => {
  const group = await createSodiumGroup({ randomBytes });
  const key = makeKey(group, flat(2, 3));
  const session = openSession(key, identifiers(1, 2), Buffer.from('message'));
  const secrets = [
    ...key.shares.values(),
    ...[...session.nonces.values()].flatMap(({ hiding, binding }) => [hiding, binding]),
  ];
  const bytes = await Promise.all(secrets.map((secret) => readSecret(group, secret)));
  for (const places of scan(group, bytes)) expect(places).toHaveLength(1);
  group.end();
  for (const places of scan(group, bytes)) expect(places).toEqual([]);
});

describe('right after each operation, before anything else could overwrite the stack,', () => {
  const slots = 16;
  const header = Buffer.from('header');
  let group: SealingGroup;
  let secrets: Secret[];
  let firstSlot: number;

  beforeEach(async () => {
    group = await createSodiumGroup({ arenaSlots: slots, randomBytes });
    secrets = Array.from({ length: 4 }, () => group.randomSecret());
    [firstSlot] = findWindows(group, await readSecret(group, secrets[0]!)) as [number];
  });

  const operations: [string, () => void][] = [
    ['randomSecret', () => group.randomSecret()],
    ['loadSecret', () => group.loadSecret(littleEndian(7n))],
    ['makeNonce', () => group.makeNonce(secrets[0]!)],
    ['publicPoint', () => group.publicPoint(secrets[0]!)],
    ['evaluatePolynomial', () => group.evaluatePolynomial(secrets, 3n)],
    ['sum', () => group.sum(secrets)],
    ['scale', () => group.scale(secrets[0]!, 12345n)],
    ['dealCut', () => dealCut(group, { share: secrets[0]!, coefficient: 3n, thresholds: [2, 1] })],
    ['respond', () => group.respond(secrets[0]!, 1n, secrets[1]!)],
    [
      'signatureShare',
      () => group.signatureShare({ hiding: secrets[0]!, binding: secrets[1]! }, 1n, 1n, 1n, secrets[2]!),
    ],
    ['makeBoxKey', () => group.makeBoxKey()],
    ['seal', () => group.seal(group.makeBoxKey().publicKey, header, secrets)],
    ['open', () => openOwnBox()],
    ['a sum that fails', () => expect(() => group.sum([secrets[0]!, wiped()])).toThrow()],
    ['a polynomial that fails', () => expect(() => group.evaluatePolynomial([wiped(), secrets[0]!], 1n)).toThrow()],
    ['an answer that fails', () => expect(() => group.respond(secrets[0]!, 1n, wiped())).toThrow()],
  ];
  test.each(operations)('%s has changed nothing outside the slots', (_, operate) => {
    const before = Buffer.from(testingOnlyMemory(group));
    operate();
    const after = testingOnlyMemory(group);
    const isOutside = (at: number): boolean => at < firstSlot || at >= firstSlot + slots * 32;
    expect(after.findLastIndex((byte, at) => byte !== before[at] && isOutside(at))).toBe(-1);
  });

  function openOwnBox(): void {
    const key = group.makeBoxKey();
    const box = group.seal(key.publicKey, header, secrets)!;
    expect(group.open(key, box, header, 4)).toHaveLength(4);
  }

  function wiped(): Secret {
    const secret = group.randomSecret();
    group.wipe(secret);
    return secret;
  }
});
