/** Signing: the laws of a quorum, and share for share the same as an independent implementation of RFC 9591. */
import { createPublicKey, verify } from 'node:crypto';
import { ed25519_FROST } from '@noble/curves/ed25519.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { aggregate } from '../../../protocol/frost/aggregate.ts';
import type { Point } from '../../../protocol/frost/group.ts';
import { decodeScalar, encodeScalar, groupOrder, invertScalar, reduceScalar } from '../../../protocol/frost/scalar.ts';
import {
  interpolationCoefficient,
  toIdentifier,
  type Identifier,
  type Sharing,
} from '../../../protocol/frost/sharing.ts';
import {
  bindingFactors,
  commit,
  decodeShare,
  encodeShare,
  prepareAttempt,
  signShare,
  verifyShare,
  type Commitment,
} from '../../../protocol/frost/sign.ts';
import { hostilePoints, hostileScalars } from './hostile.ts';
import {
  flat,
  groups,
  hex,
  identifiers,
  makeKey,
  openSession,
  readSecret,
  signAll,
  sodium,
  variantOf,
  type Key,
} from './keys.ts';

const code = (value: string) => expect.objectContaining({ code: value }) as Error;
const message = Buffer.from('a release');

/** `{ admin: 2, build: 1 }`: builds 1 and 2, admins 3, 4 and 5. */
const tiers: Sharing[] = [
  { threshold: 2, members: identifiers(3, 4, 5), tier: 'admin' },
  { threshold: 1, members: identifiers(1, 2), tier: 'build' },
];

/** The judge that shares no code with us: OpenSSL's Ed25519. */
function isValid(key: Point, bytes: Uint8Array, signature: Uint8Array): boolean {
  const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), key.bytes]);
  return verify(null, bytes, createPublicKey({ key: spki, format: 'der', type: 'spki' }), signature);
}

/** All subsets of `count` elements. */
function subsets<T>(items: readonly T[], count: number): T[][] {
  if (count === 0) return [[]];
  return items.flatMap((item, index) => subsets(items.slice(index + 1), count - 1).map((rest) => [item, ...rest]));
}

function signWith(key: Key, signers: readonly Identifier[], bytes: Uint8Array = message): Uint8Array {
  const session = openSession(key, signers, bytes);
  return aggregate(session.attempt, signAll(key, session));
}

describe.each(groups)('a quorum on $name', ({ group }) => {
  test('of 3 of 5 signs with every three, and with no two (whatever they claim the threshold to be)', () => {
    const key = makeKey(group, flat(3, 5));
    const members = [...key.shares.keys()];
    for (const signers of subsets(members, 3)) expect(isValid(key.key, message, signWith(key, signers))).toBe(true);
    for (const signers of subsets(members, 2)) {
      expect(() => openSession(key, signers, message)).toThrow(code('not-qualified'));
      expect(isValid(key.key, message, signWith({ ...key, sharings: flat(2, 5) }, signers))).toBe(false);
    }
  });

  test('of 2 admins and 1 build signs with every such set, and with no three admins', () => {
    const key = makeKey(group, tiers);
    for (const admins of subsets(identifiers(3, 4, 5), 2)) {
      for (const build of identifiers(1, 2)) {
        expect(isValid(key.key, message, signWith(key, [build, ...admins]))).toBe(true);
      }
    }
    const admins = identifiers(3, 4, 5);
    expect(() => openSession(key, admins, message)).toThrow(code('not-qualified'));
    const pretended: Sharing[][] = [
      [{ threshold: 3, members: admins }],
      [{ threshold: 3, members: identifiers(1, 2, 3, 4, 5) }],
      [
        { threshold: 2, members: identifiers(3, 4) },
        { threshold: 1, members: identifiers(5) },
      ],
    ];
    for (const sharings of pretended) {
      expect(isValid(key.key, message, signWith({ ...key, sharings }, admins))).toBe(false);
    }
    const oneAdmin: Sharing[] = [{ threshold: 1, members: identifiers(3) }, tiers[1]!];
    expect(isValid(key.key, message, signWith({ ...key, sharings: oneAdmin }, identifiers(1, 3)))).toBe(false);
  });

  test('of 1 of n has the whole key in each hand', () => {
    const key = makeKey(group, flat(1, 3));
    for (const member of key.shares.keys()) expect(isValid(key.key, message, signWith(key, [member]))).toBe(true);
  });
});

test('any qualified set verifies, whatever t, n, signers and message; one fewer is refused', () => {
  const quorum = fc.integer({ min: 1, max: 7 }).chain((size) =>
    fc.record({
      size: fc.constant(size),
      threshold: fc.integer({ min: 1, max: size }),
      order: fc.shuffledSubarray(
        Array.from({ length: size }, (_, index) => index + 1),
        { minLength: size },
      ),
    }),
  );
  fc.assert(
    fc.property(quorum, fc.uint8Array({ maxLength: 300 }), ({ size, threshold, order }, bytes) => {
      const key = makeKey(sodium, flat(threshold, size));
      const signers = identifiers(...order.slice(0, threshold).toSorted((a, b) => a - b));
      const signature = signWith(key, signers, bytes);
      expect(isValid(key.key, bytes, signature)).toBe(true);
      expect(isValid(key.key, Buffer.concat([bytes, Buffer.alloc(1)]), signature)).toBe(false);
      expect(() => openSession(key, signers.slice(1), bytes)).toThrow(code('not-qualified'));
    }),
    { numRuns: 12 },
  );
});

describe('share for share the same as ed25519_FROST', () => {
  const nobleId = (identifier: Identifier): string => ed25519_FROST.Identifier.fromNumber(identifier);

  /** Signs with ours and with noble's, from the same nonces; `scaleOf` turns a share among its tier into one among all signers. */
  async function compare(
    key: Key,
    signers: readonly Identifier[],
    bytes: Uint8Array,
    scaleOf: (signer: Identifier) => bigint,
  ) {
    const { group } = key;
    const session = openSession(key, signers, bytes);
    const list = session.commitments.map((entry) => ({ ...entry, identifier: nobleId(entry.identifier) }));
    const scaled = (signer: Identifier): Uint8Array =>
      group.multiply(key.publicShares.get(signer)!, scaleOf(signer)).bytes;
    const pub = {
      signers: { min: signers.length, max: Math.max(signers.length, key.shares.size) },
      commitments: [key.key.bytes],
      verifyingShares: Object.fromEntries(signers.map((signer) => [nobleId(signer), scaled(signer)])),
    };
    const theirs = new Map<Identifier, string>();
    for (const signer of signers) {
      const nonces = session.nonces.get(signer)!;
      const share = decodeScalar(await readSecret(group, key.shares.get(signer)!))!;
      const secret = { identifier: nobleId(signer), signingShare: encodeScalar(reduceScalar(share * scaleOf(signer))) };
      const pair = { hiding: await readSecret(group, nonces.hiding), binding: await readSecret(group, nonces.binding) };
      theirs.set(signer, hex(ed25519_FROST.signShare(secret, pub, pair, list, bytes)));
    }
    const ours = signAll(key, session);
    for (const [signer, share] of ours) {
      expect(hex(encodeShare(share))).toBe(theirs.get(signer));
      expect(verifyShare(session.attempt, signer, share)).toBe(true);
      expect(ed25519_FROST.verifyShare(pub, list, bytes, nobleId(signer), encodeShare(share))).toBe(true);
    }
    const shares = Object.fromEntries([...ours].map(([signer, share]) => [nobleId(signer), encodeShare(share)]));
    const signature = aggregate(session.attempt, ours);
    expect(hex(signature)).toBe(hex(ed25519_FROST.aggregate(pub, list, bytes, shares)));
    expect(isValid(key.key, bytes, signature)).toBe(true);
  }

  test('for random t, n, signers and messages', async () => {
    const quorum = fc.integer({ min: 2, max: 6 }).chain((size) =>
      fc.record({
        size: fc.constant(size),
        threshold: fc.integer({ min: 2, max: Math.min(size, 4) }),
        order: fc.shuffledSubarray(
          Array.from({ length: size }, (_, index) => index + 1),
          { minLength: size },
        ),
      }),
    );
    await fc.assert(
      fc.asyncProperty(quorum, fc.uint8Array({ maxLength: 200 }), async ({ size, threshold, order }, bytes) => {
        const signers = identifiers(...order.slice(0, threshold).toSorted((a, b) => a - b));
        await compare(makeKey(sodium, flat(threshold, size)), signers, bytes, () => 1n);
      }),
      { numRuns: 6 },
    );
  });

  test('for tiers, with every share scaled from its tier to all signers', async () => {
    const key = makeKey(sodium, tiers);
    for (const signers of [identifiers(1, 3, 4), identifiers(2, 3, 5), identifiers(1, 4, 5)]) {
      await compare(key, signers, message, (signer) => {
        const chosen = signers.filter((other) =>
          tiers.some((tier) => tier.members.includes(other) && tier.members.includes(signer)),
        );
        const plain = interpolationCoefficient(signers, signer);
        return reduceScalar(interpolationCoefficient(chosen, signer) * invertScalar(plain));
      });
    }
  });
});

describe('the binding factors (T11)', () => {
  const key = makeKey(sodium, flat(2, 2));
  const { commitments } = openSession(key, identifiers(1, 2), message);
  const input = { key: key.key, message, commitments };
  const before = bindingFactors(input);
  const flip = (bytes: Uint8Array, bit: number): Uint8Array =>
    bytes.with(bit >> 3, (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7)));
  const bits = (length: number): number[] => Array.from({ length: 8 * length }, (_, bit) => bit);
  const changeEntry = (place: number, change: Partial<Commitment>): Commitment[] =>
    commitments.with(place, { ...commitments[place]!, ...change });
  const changed = [
    ...bits(32).map((bit) => ({ ...input, key: { bytes: flip(key.key.bytes, bit) } })),
    ...bits(message.length).map((bit) => ({ ...input, message: flip(message, bit) })),
    ...[0, 1].flatMap((place) => [
      ...bits(32).map((bit) => ({
        ...input,
        commitments: changeEntry(place, { hiding: flip(commitments[place]!.hiding, bit) }),
      })),
      ...bits(32).map((bit) => ({
        ...input,
        commitments: changeEntry(place, { binding: flip(commitments[place]!.binding, bit) }),
      })),
      ...bits(2).map((bit) => ({
        ...input,
        commitments: changeEntry(place, { identifier: (commitments[place]!.identifier ^ (1 << bit)) as Identifier }),
      })),
    ]),
    { ...input, message: Buffer.concat([message, Buffer.alloc(1)]) },
    { ...input, message: new Uint8Array() },
    { ...input, commitments: commitments.toReversed() },
    { ...input, commitments: [...commitments, commitments[0]!] },
  ];

  test('differ between signers, and are a function of the input', () => {
    expect(before[0]).not.toBe(before[1]);
    expect(bindingFactors(input)).toEqual(before);
  });

  test('all change when any bit of key, message, identifiers or commitments changes', () => {
    expect(changed).toHaveLength(8 * (32 + message.length + 2 * (32 + 32 + 2)) + 4);
    for (const other of changed) {
      const after = bindingFactors(other);
      for (const factor of before) expect(after.includes(factor)).toBe(false);
    }
  });
});

describe.each(groups)('an attempt on $name', ({ group }) => {
  const key = makeKey(group, flat(2, 3));
  const signers = identifiers(1, 3);
  const { commitments } = openSession(key, signers, message);
  const prepare = (list: readonly Commitment[]) => prepareAttempt(group, { ...key, message, commitments: list });
  const entry = (identifier: number): Commitment => ({ ...commitments[0]!, identifier: identifier as Identifier });
  const [first, last] = commitments as [Commitment, Commitment];

  const lists: [string, Commitment[]][] = [
    ['nobody', []],
    ['one of two', [first]],
    ['three of two', [first, entry(2), last]],
    ['somebody twice', [first, first]],
    ['descending members', [last, first]],
    ['a stranger', [first, entry(4)]],
    ['member 0', [entry(0), first]],
    ['member -1', [entry(-1), first]],
    ['member 1.5', [first, entry(1.5)]],
    ['member NaN', [first, entry(NaN)]],
    ['member 1 + L', [first, entry(Number(groupOrder + 1n))]],
  ];
  test.each(lists)('of %s is refused (T6, T8)', (_, list) => {
    expect(() => prepare(list)).toThrow(code('not-qualified'));
  });

  test.each(hostilePoints)('with a commitment of %s names the culprit (T4, T8)', (_, encodings) => {
    for (const bytes of encodings) {
      for (const change of [{ hiding: bytes }, { binding: bytes }]) {
        const call = () => prepare([first, { ...last, ...change }]);
        expect(call).toThrow(expect.objectContaining({ code: 'invalid-commitment', culprits: [3] }) as Error);
      }
    }
  });

  test('names every culprit at once', () => {
    const bad = new Uint8Array(32);
    const call = () =>
      prepare([
        { ...first, hiding: bad },
        { ...last, binding: bad },
      ]);
    expect(call).toThrow(expect.objectContaining({ culprits: [1, 3] }) as Error);
  });

  test('refuses a group commitment of identity', () => {
    // No commitments make one, short of a preimage of SHA-512: a group that adds up to nothing does.
    const nothing = variantOf(group, { add: () => group.identity });
    const call = () => prepareAttempt(nothing, { ...key, message, commitments });
    expect(call).toThrow(code('identity'));
  });

  test('answers for its signers alone', () => {
    const attempt = prepare(commitments);
    const stranger = toIdentifier(2);
    const refused = code('invalid-identifier');
    expect(() => attempt.bindingFactorOf(stranger)).toThrow(refused);
    expect(() => attempt.coefficientOf(stranger)).toThrow(refused);
    expect(() => attempt.commitmentOf(stranger)).toThrow(refused);
    expect(() => attempt.commitmentShareOf(stranger)).toThrow(refused);
    expect(() => attempt.publicShareOf(stranger)).toThrow(refused);
    expect(() => verifyShare(attempt, toIdentifier(2), 5n)).toThrow(code('invalid-identifier'));
  });

  test('accepts no share but the one that was computed (T9)', () => {
    const session = openSession(key, signers, message);
    const shares = signAll(key, session);
    for (const [signer, share] of shares) {
      expect(verifyShare(session.attempt, signer, share)).toBe(true);
      for (const wrong of [share + 1n, 0n, groupOrder - share]) {
        expect(verifyShare(session.attempt, signer, wrong)).toBe(false);
      }
    }
    const [one, three] = signers as [Identifier, Identifier];
    expect(verifyShare(session.attempt, one, shares.get(three)!)).toBe(false);
    expect(verifyShare(openSession(key, signers, message).attempt, one, shares.get(one)!)).toBe(false);
  });

  test('takes one share from one nonce pair, even for the same message (T1)', () => {
    const session = openSession(key, signers, message);
    signAll(key, session);
    expect(() => signAll(key, session)).toThrow(code('secret-gone'));
  });

  const member = toIdentifier(1);
  const share = key.shares.get(member)!;
  test('is not signed when the own entry is missing, changed or exchanged, and the nonces are gone then (T4)', () => {
    const own = commit(group, share);
    const { hiding, binding } = own.commitments;
    const foreign: Commitment[][] = [
      [first, last],
      [{ identifier: member, hiding: binding, binding: hiding }, last],
      [{ identifier: member, hiding, binding: first.binding }, last],
      [{ identifier: member, hiding: first.hiding, binding }, last],
      [{ ...first, identifier: member, hiding: last.hiding, binding: last.binding }, last],
    ];
    for (const list of foreign) {
      const nonces = { ...commit(group, share), commitments: own.commitments };
      expect(() => signShare(group, prepare(list), member, nonces, share)).toThrow(code('own-commitment'));
      expect(() => group.publicPoint(nonces.hiding)).toThrow(code('secret-gone'));
      expect(() => group.publicPoint(nonces.binding)).toThrow(code('secret-gone'));
    }
    const others = prepareAttempt(group, {
      ...key,
      message,
      commitments: [{ ...first, identifier: toIdentifier(2) }, last],
    });
    expect(() => signShare(group, others, member, own, share)).toThrow(code('invalid-identifier'));
    expect(() => group.publicPoint(own.hiding)).toThrow(code('secret-gone'));
  });

  test('is aggregated from exactly one share of every signer', () => {
    const session = openSession(key, signers, message);
    const shares = signAll(key, session);
    const [one, three] = signers as [Identifier, Identifier];
    const wrong: [Identifier, bigint][][] = [
      [],
      [[one, 5n]],
      [
        [one, 5n],
        [toIdentifier(2), 5n],
      ],
      [
        [one, 5n],
        [toIdentifier(2), 5n],
        [three, 5n],
      ],
    ];
    for (const entries of wrong) {
      expect(() => aggregate(session.attempt, new Map(entries))).toThrow(code('missing-share'));
    }
    expect(isValid(key.key, message, aggregate(session.attempt, shares))).toBe(true);
  });
});

describe('encoded signature shares', () => {
  test.each(hostileScalars)('of %s are refused (T8)', (_, bytes) => {
    expect(decodeShare(bytes)).toBeUndefined();
  });

  test('come back as they went', () => {
    for (const share of [0n, 1n, groupOrder - 1n]) expect(decodeShare(encodeShare(share))).toBe(share);
  });
});
