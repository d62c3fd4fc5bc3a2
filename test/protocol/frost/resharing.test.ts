/** Handing a key on: the same secret in other hands, share for share what plain integers give, and nothing for those who are too few (T47). */
import { describe, expect, test } from 'vitest';
import { verifySignature } from '../../../verifier/ed25519.ts';
import { aggregate } from '../../../protocol/frost/aggregate.ts';
import { FrostError } from '../../../protocol/frost/errors.ts';
import { createSodiumGroup } from '../../../protocol/frost/group-sodium.ts';
import type { Point, Secret } from '../../../protocol/frost/group.ts';
import {
  dealShare,
  decodeCommitments,
  finalShare,
  groupPublicKey,
  proveDealing,
  sumCommitments,
  verifyDealing,
  verifyDealtShare,
  type Dealing,
} from '../../../protocol/frost/keygen.ts';
import { chooseMinimalSet, dealCut, isCutOf, placeOfHolder, wipeDealing } from '../../../protocol/frost/resharing.ts';
import { groupOrder, littleEndianInteger, reduceScalar } from '../../../protocol/frost/scalar.ts';
import {
  chosenOf,
  interpolationCoefficient,
  publicShare,
  samePoint,
  toIdentifier,
  type Identifier,
  type Sharing,
} from '../../../protocol/frost/sharing.ts';
import { flat, identifiers, makeKey, openSession, randomBytes, readSecret, signAll, sodium, type Key } from './keys.ts';
import { Knowledge, type Row } from './solver.ts';

/** `{ a: 2, b: 1 }` over members 1, 2, …: as many in each tier as it says. */
function tiers(...sizes: readonly (readonly [threshold: number, size: number])[]): Sharing[] {
  let next = 1;
  return sizes.map(([threshold, size], index) => ({
    threshold,
    tier: `tier-${index}`,
    members: identifiers(...Array.from({ length: size }, () => next++)),
  }));
}

interface Resharing {
  readonly old: Key;
  readonly dealers: readonly Identifier[];
  readonly sharings: readonly Sharing[];
  /** By dealer: one dealing for each new sharing. */
  readonly dealt: ReadonlyMap<Identifier, readonly Dealing[]>;
  readonly next: Key;
}

function coefficientOf(
  { sharings }: Pick<Key, 'sharings'>,
  dealers: readonly Identifier[],
  dealer: Identifier,
): bigint {
  const sharing = sharings[placeOfHolder(sharings, dealer)!]!;
  return interpolationCoefficient(chosenOf(sharing, dealers), dealer);
}

/** Hands a key on with every check that the public values allow. */
function reshare(old: Key, dealers: readonly Identifier[], sharings: readonly Sharing[]): Resharing {
  const thresholds = sharings.map(({ threshold }) => threshold);
  const dealt = new Map(
    dealers.map((dealer) => {
      const coefficient = coefficientOf(old, dealers, dealer);
      const dealings = dealCut(sodium, { share: old.shares.get(dealer)!, coefficient, thresholds });
      const constants = dealings.map(({ commitments }) => commitments[0]!);
      expect(isCutOf(sodium, constants, { coefficient, publicShare: old.publicShares.get(dealer)! })).toBe(true);
      return [dealer, dealings] as const;
    }),
  );
  const shares = new Map<Identifier, Secret>();
  const publicShares = new Map<Identifier, Point>();
  const sums = sharings.map((sharing, place) => {
    const own = [...dealt.values()].map((dealings) => dealings[place]!);
    const sum = sumCommitments(
      sodium,
      own.map(({ commitments }) => commitments),
    );
    for (const heir of sharing.members) {
      const parts = own.map((dealing) => {
        const part = dealShare(sodium, dealing, heir);
        expect(verifyDealtShare(sodium, part, heir, dealing.commitments)).toBe(true);
        return part;
      });
      shares.set(heir, finalShare(sodium, parts));
      publicShares.set(heir, publicShare(sodium, sum, heir));
    }
    return sum;
  });
  return {
    old,
    dealers,
    sharings,
    dealt,
    next: { group: sodium, sharings, key: groupPublicKey(sodium, sums), shares, publicShares },
  };
}

/** An independent few lines over integers: no group, no polynomial code of ours, inverses by Fermat. */
const plain = {
  power(base: bigint, exponent: bigint): bigint {
    let [result, b] = [1n, base % groupOrder];
    for (let e = exponent; e > 0n; e >>= 1n) {
      if (e & 1n) result = (result * b) % groupOrder;
      b = (b * b) % groupOrder;
    }
    return result;
  },
  lambda(all: readonly number[], i: number): bigint {
    let value = 1n;
    for (const j of all)
      if (j !== i) value = value * BigInt(j) * plain.power(BigInt(j - i) + groupOrder, groupOrder - 2n);
    return ((value % groupOrder) + groupOrder) % groupOrder;
  },
  atZero(shares: ReadonlyMap<number, bigint>): bigint {
    const all = [...shares.keys()];
    return all.reduce((sum, i) => (sum + plain.lambda(all, i) * shares.get(i)!) % groupOrder, 0n);
  },
};

const integerOf = async (secret: Secret): Promise<bigint> => littleEndianInteger(await readSecret(sodium, secret));

async function integersOf(key: Key): Promise<Map<number, bigint>> {
  return new Map(
    await Promise.all([...key.shares].map(async ([who, share]) => [Number(who), await integerOf(share)] as const)),
  );
}

/** The secret, by the first t holders of every sharing, or the last. */
async function secretOf(key: Key, from: 'first' | 'last'): Promise<bigint> {
  const shares = await integersOf(key);
  return key.sharings.reduce((sum, { members, threshold }) => {
    const some = from === 'first' ? members.slice(0, threshold) : members.slice(members.length - threshold);
    return (sum + plain.atZero(new Map(some.map((one) => [Number(one), shares.get(one)!])))) % groupOrder;
  }, 0n);
}

/** Whether these signers of a key make a signature that the release verifier takes. */
function signAndVerify(key: Key, signers: readonly Identifier[]): boolean {
  const message = Buffer.from('a release');
  const session = openSession(key, signers, message);
  return verifySignature(key.key.bytes, message, aggregate(session.attempt, signAll(key, session)));
}

const shapes: [string, Sharing[], number[], Sharing[]][] = [
  ['any 3 of 5 to any 3 of 6', flat(3, 5), [1, 3, 5], flat(3, 6)],
  ['a threshold that rises', flat(2, 3), [2, 3], flat(4, 5)],
  ['a threshold that falls', flat(4, 5), [1, 2, 4, 5], flat(2, 4)],
  ['flat to tiers', flat(3, 5), [1, 2, 5], tiers([2, 3], [1, 2])],
  ['tiers to flat', tiers([2, 3], [1, 2]), [1, 3, 5], flat(3, 4)],
  ['fewer tiers', tiers([1, 2], [2, 2], [1, 1]), [2, 3, 4, 5], tiers([2, 2], [1, 3])],
  ['more tiers', tiers([2, 3], [1, 1]), [2, 3, 4], tiers([1, 2], [2, 3], [1, 1])],
  ['1 of n to 1 of m', flat(1, 3), [2], flat(1, 4)],
  ['1 of n to tiers', flat(1, 3), [3], tiers([1, 2], [1, 2])],
  ['all of n', flat(3, 3), [1, 2, 3], flat(4, 4)],
  ['a refresh', flat(3, 5), [2, 3, 4], flat(3, 5)],
  ['a refresh of tiers', tiers([2, 3], [1, 2]), [1, 2, 4], tiers([2, 3], [1, 2])],
];

describe('a key that is handed on', () => {
  test.each(shapes)('is the same one, share for share as integers have it: %s', async (_, before, who, after) => {
    const run = reshare(makeKey(sodium, before), identifiers(...who), after);
    expect(run.next.key.bytes).toEqual(run.old.key.bytes);
    expect(await secretOf(run.next, 'first')).toBe(await secretOf(run.old, 'last'));
    expect(await secretOf(run.next, 'last')).toBe(await secretOf(run.old, 'first'));
    // Every share by itself, from what each dealer drew and from λ that our code did not make.
    const old = await integersOf(run.old);
    const next = await integersOf(run.next);
    for (const [place, { members, threshold }] of after.entries()) {
      const polynomials: bigint[][] = [];
      for (const dealings of run.dealt.values())
        polynomials.push(await Promise.all(dealings[place]!.coefficients.map(integerOf)));
      for (const polynomial of polynomials) expect(polynomial).toHaveLength(threshold);
      for (const heir of members) {
        const dealt = polynomials.map((one) => one.reduceRight((sum, c) => (sum * BigInt(heir) + c) % groupOrder, 0n));
        expect(next.get(heir)).toBe(dealt.reduce((sum, value) => (sum + value) % groupOrder, 0n));
      }
    }
    for (const [dealer, dealings] of run.dealt) {
      const constants = await Promise.all(dealings.map(({ coefficients }) => integerOf(coefficients[0]!)));
      const sharing = before.find(({ members }) => members.includes(dealer))!;
      const lambda = plain.lambda(
        who.filter((one) => sharing.members.includes(toIdentifier(one))),
        dealer,
      );
      expect(constants.reduce((sum, value) => (sum + value) % groupOrder, 0n)).toBe(
        (lambda * old.get(dealer)!) % groupOrder,
      );
    }
  });

  test('signs under the new quorum, and the old shares sign with the old ones alone', () => {
    const run = reshare(makeKey(sodium, flat(2, 3)), identifiers(1, 3), tiers([1, 2], [1, 2]));
    expect(signAndVerify(run.next, identifiers(2, 3))).toBe(true);
    expect(signAndVerify(run.old, identifiers(2, 3))).toBe(true);
  });

  test('is in other hands only when all of a sharing are handed on: an old share fits no new one (trap 4)', () => {
    const run = reshare(makeKey(sodium, flat(2, 3)), identifiers(1, 2), flat(2, 3));
    const mixed = new Map(run.next.shares).set(toIdentifier(3), run.old.shares.get(toIdentifier(3))!);
    expect(signAndVerify({ ...run.next, shares: mixed }, identifiers(1, 2))).toBe(true);
    expect(signAndVerify({ ...run.next, shares: mixed }, identifiers(1, 3))).toBe(false);
  });

  test('is refreshed by the cut where one holder is enough in every tier: dealing zero would change nothing (trap 6)', async () => {
    const shape = tiers([1, 2], [1, 2]);
    const run = reshare(makeKey(sodium, shape), identifiers(1, 3), shape);
    const [old, next] = [await integersOf(run.old), await integersOf(run.next)];
    for (const who of old.keys()) expect(next.get(who)).not.toBe(old.get(who));
    expect(reduceScalar(next.get(1)! + next.get(3)!)).toBe(reduceScalar(old.get(1)! + old.get(3)!));
    // A thief of an old part and a new one has nothing.
    expect(reduceScalar(old.get(1)! + next.get(3)!)).not.toBe(reduceScalar(old.get(1)! + old.get(3)!));
  });
});

describe('a dealer that lies', () => {
  const run = reshare(makeKey(sodium, flat(2, 3)), identifiers(1, 2), tiers([2, 2], [1, 2]));
  const dealer = toIdentifier(1);
  const place = {
    coefficient: coefficientOf(run.old, run.dealers, dealer),
    publicShare: run.old.publicShares.get(dealer)!,
  };
  const constants = run.dealt.get(dealer)!.map(({ commitments }) => commitments[0]!);
  const context = Buffer.from('old sharing 0 to new sharing 0');

  test('with the coefficient of other dealers is seen: λ is that of those who deal (trap 2)', () => {
    expect(isCutOf(sodium, constants, place)).toBe(true);
    const others = coefficientOf(run.old, identifiers(1, 3), dealer);
    expect(isCutOf(sodium, constants, { ...place, coefficient: others })).toBe(false);
  });

  test('is named by its own sum, where the sum over all dealers only says that somebody lied (trap 5)', () => {
    const shifted = [sodium.add(constants[0]!, sodium.generator), ...constants.slice(1)];
    expect(isCutOf(sodium, shifted, place)).toBe(false);
    const other = toIdentifier(2);
    const honest = run.dealt.get(other)!.map(({ commitments }) => commitments[0]!);
    const ground = {
      coefficient: coefficientOf(run.old, run.dealers, other),
      publicShare: run.old.publicShares.get(other)!,
    };
    expect(isCutOf(sodium, honest, ground)).toBe(true);
    const vectors = [shifted, honest].map((two) => two.map((point) => [point]));
    expect(samePoint(groupPublicKey(sodium, vectors.flat()), run.old.key)).toBe(false);
  });

  test('can park a point that nobody knows beside its opposite under every sum, but cannot prove that it knows it (trap 1)', () => {
    const nobodys = sodium.decodePoint(
      Buffer.from('5866666666666666666666666666666666666666666666666666666666666666', 'hex'),
    )!;
    const parked = [sodium.add(constants[0]!, nobodys), sodium.add(constants[1]!, sodium.multiply(nobodys, -1n))];
    expect(isCutOf(sodium, parked, place)).toBe(true);
    for (const [index, point] of parked.entries()) {
      const dealing = run.dealt.get(dealer)![index]!;
      const pretended = { ...dealing, commitments: [point, ...dealing.commitments.slice(1)] };
      const proof = proveDealing(sodium, pretended, dealer, context);
      expect(verifyDealing(sodium, pretended.commitments, proof, dealer, context)).toBe(false);
      expect(
        verifyDealing(sodium, dealing.commitments, proveDealing(sodium, dealing, dealer, context), dealer, context),
      ).toBe(true);
    }
  });

  test('deals by exactly as many coefficients as the new charter says (trap 3)', () => {
    for (const dealings of run.dealt.values()) {
      expect(dealings.map(({ commitments }) => commitments.length)).toEqual([2, 1]);
      const [encoded] = dealings.map(({ commitments }) => commitments.map(({ bytes }) => bytes));
      for (const threshold of [1, 3]) expect(decodeCommitments(sodium, encoded!, threshold)).toBeUndefined();
    }
  });
});

describe('those who are too few', () => {
  /** All unknowns of a resharing, and everything that t−1 old members and t'−1 heirs have or were sent. */
  function learned(run: Resharing, oldThieves: readonly number[], heirThieves: readonly number[]) {
    const knowledge = new Knowledge();
    const part = (place: number, k: number): string => `old ${place} ${k}`;
    const oldShare = (who: number): Map<string, bigint> => {
      const place = placeOfHolder(run.old.sharings, toIdentifier(who))!;
      const { threshold } = run.old.sharings[place]!;
      return new Map(Array.from({ length: threshold }, (_, k) => [part(place, k), BigInt(who) ** BigInt(k)]));
    };
    const coefficient = (dealer: number, place: number, k: number): string => `${dealer} ${place} ${k}`;
    for (const who of oldThieves) knowledge.learn(oldShare(who));
    for (const dealer of run.dealers) {
      // Σ over the new sharings of the constants is λ·s: known to everybody as an equation.
      const lambda = coefficientOf(run.old, run.dealers, dealer);
      const cut = new Map([...oldShare(dealer)].map(([name, value]) => [name, reduceScalar(-lambda * value)]));
      run.sharings.forEach((_, place) => cut.set(coefficient(dealer, place, 0), 1n));
      knowledge.learn(cut);
      for (const [place, { threshold, members }] of run.sharings.entries()) {
        const drawn = Array.from({ length: threshold }, (_, k) => coefficient(dealer, place, k));
        // A dealer that is a thief knows all that it drew; an heir that is one, what every dealer sent it.
        if (oldThieves.includes(dealer)) for (const name of drawn) knowledge.learn(new Map([[name, 1n]]));
        for (const heir of heirThieves)
          if (members.includes(toIdentifier(heir)))
            knowledge.learn(new Map(drawn.map((name, k) => [name, BigInt(heir) ** BigInt(k)])));
      }
    }
    const key: Row = new Map(run.old.sharings.map((_, place) => [part(place, 0), 1n]));
    return { knowledge, key, oldShare };
  }

  test.each<[string, Sharing[], number[], Sharing[], number[], number[], number[], number[]]>([
    ['flat', flat(3, 5), [1, 2, 3], flat(3, 6), [1, 2], [5, 6], [1, 2, 3], [4, 5, 6]],
    ['a refresh', flat(3, 5), [1, 2, 3], flat(3, 5), [4, 5], [1, 2], [3, 4, 5], [1, 2, 3]],
    ['a threshold that falls', flat(4, 5), [1, 2, 3, 4], flat(2, 4), [1, 2, 5], [4], [1, 2, 3, 5], [3, 4]],
    ['tiers', tiers([2, 3], [1, 2]), [1, 2, 4], tiers([2, 3], [2, 2]), [1, 4, 5], [1, 4, 5], [1, 2, 4], [1, 2, 4, 5]],
    ['flat to tiers', flat(3, 4), [1, 2, 3], tiers([1, 2], [2, 2]), [1, 2], [1, 2, 3], [1, 2, 3], [1, 3, 4]],
    ['1 of n', tiers([1, 2], [1, 2]), [1, 3], flat(2, 3), [1, 2], [3], [1, 3], [2, 3]],
  ])(
    'in the old quorum and in the new one find nothing together: %s (trap 10)',
    (_, before, dealers, after, oldThieves, heirs, oldQuorum, newQuorum) => {
      const run = reshare(makeKey(sodium, before), identifiers(...dealers), after);
      const { knowledge, key, oldShare } = learned(run, oldThieves, heirs);
      expect(knowledge.knows(key)).toBe(false);
      const honest = [...run.old.shares.keys()].filter((one) => !oldThieves.includes(one));
      // Where one holder is enough in a tier, its share is every other's of that tier.
      for (const who of honest) {
        const sharing = before.find(({ members }) => members.includes(who))!;
        if (sharing.threshold > 1 || !oldThieves.some((one) => sharing.members.includes(toIdentifier(one))))
          expect(knowledge.knows(oldShare(who))).toBe(false);
      }
      // The same solver finds it at once with one more of either: it was not blind.
      expect(learned(run, oldQuorum, []).knowledge.knows(key)).toBe(true);
      expect(learned(run, [], newQuorum).knowledge.knows(key)).toBe(true);
    },
  );
});

describe('dealers', () => {
  test.each<[string, Sharing[], number[], number[] | undefined]>([
    ['those named first', flat(2, 4), [3, 1, 2], [1, 3]],
    ['exactly t of every tier', tiers([2, 3], [1, 2]), [5, 3, 4, 2, 1], [2, 3, 5]],
    ['nobody where one tier is short', tiers([2, 3], [1, 2]), [1, 2, 3], undefined],
    ['nobody twice', flat(2, 3), [1, 1, 1], undefined],
    ['no stranger', flat(2, 3), [9, 1, 8, 2], [1, 2]],
  ])('are %s', (_, sharings, preferred, expected) => {
    expect(chooseMinimalSet(sharings, identifiers(...preferred))).toEqual(expected);
  });

  test('leave nothing behind: room is asked for first, and the weighted share is wiped at once', async () => {
    const small = await createSodiumGroup({ randomBytes, arenaSlots: 6 });
    const share = small.randomSecret();
    const cut = { share, coefficient: 5n, thresholds: [2, 2] };
    const [one, two] = dealCut(small, cut) as [Dealing, Dealing];
    expect(small.sum([one.coefficients[0]!])).toBeDefined();
    expect(() => dealCut(small, cut)).toThrow(FrostError);
    for (const dealing of [one, two]) wipeDealing(small, dealing);
    expect(() => small.publicPoint(one.coefficients[0]!)).toThrow('wiped');
    small.publicPoint(share);
  });
});
