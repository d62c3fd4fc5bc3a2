/**
 * The cost of FROST itself: commit, sign share, verify share and aggregate on libsodium and on noble through our code, beside noble's
 * own `ed25519_FROST`, in one run. Every point of every commitment is checked by all three.
 */
import { randomBytes } from 'node:crypto';
import { ed25519_FROST as oracle } from '@noble/curves/ed25519.js';
import { aggregate } from '../protocol/frost/aggregate.ts';
import type { Point, Secret, SecretGroup } from '../protocol/frost/group.ts';
import { createNobleGroup } from '../protocol/frost/group-noble.ts';
import { createSodiumGroup } from '../protocol/frost/group-sodium.ts';
import type { Scalar } from '../protocol/frost/scalar.ts';
import { toIdentifier, type Identifier } from '../protocol/frost/sharing.ts';
import {
  commit,
  prepareAttempt,
  signShare,
  verifyShare,
  type Attempt,
  type AttemptInput,
  type Nonces,
} from '../protocol/frost/sign.ts';
import { measureInTurn, type Contender } from './measure.ts';

const sizes = [
  [2, 3],
  [3, 5],
  [7, 10],
  [67, 100],
] as const;

/** One operation at one size: `threshold` of `members` sign. Times are medians, in milliseconds, of libsodium, of noble, and of `ed25519_FROST`. */
export interface FrostRow {
  readonly operation: string;
  readonly threshold: number;
  readonly members: number;
  readonly sodiumMs: number;
  readonly nobleMs: number;
  readonly oracleMs: number;
  /** How many times faster libsodium is than `ed25519_FROST`. */
  readonly ratio: number;
}

/** One key from noble's trusted dealer, seen by all three: fit for a benchmark, never for a key that anybody uses. */
function unsafeTrustedDealer(min: number, max: number) {
  const dealt = oracle.trustedDealer({ min, max });
  const identifiers = Array.from({ length: min }, (_, index) => toIdentifier(index + 1));
  const names = new Map(identifiers.map((identifier) => [identifier, oracle.Identifier.fromNumber(identifier)]));
  return { dealt, identifiers, nameOf: (identifier: Identifier) => names.get(identifier) ?? '' };
}

type Dealt = ReturnType<typeof unsafeTrustedDealer>;

/** Our side of one size on one group. */
class Ours {
  readonly #group: SecretGroup;
  readonly #input: AttemptInput;
  readonly #shares: Map<Identifier, Secret>;
  readonly #nonces: Map<Identifier, Nonces>;
  readonly #self: Identifier;
  #spare: Nonces[] = [];

  constructor(group: SecretGroup, { dealt, identifiers, nameOf }: Dealt, message: Uint8Array) {
    const [self] = identifiers;
    if (self === undefined) throw new Error('nobody signs');
    this.#group = group;
    this.#self = self;
    this.#shares = new Map(identifiers.map((identifier) => [identifier, this.#load(dealt, nameOf(identifier))]));
    this.#nonces = new Map([...this.#shares].map(([identifier, share]) => [identifier, commit(group, share)]));
    const members = Array.from({ length: dealt.public.signers.max }, (_, index) => toIdentifier(index + 1));
    this.#input = {
      key: this.#point(dealt.public.commitments[0]),
      sharings: [{ threshold: dealt.public.signers.min, members }],
      publicShares: new Map(
        members.map((identifier) => [
          identifier,
          this.#point(dealt.public.verifyingShares[oracle.Identifier.fromNumber(identifier)]),
        ]),
      ),
      message,
      commitments: [...this.#nonces].map(([identifier, { commitments }]) => ({ identifier, ...commitments })),
    };
  }

  #load(dealt: Dealt['dealt'], name: string): Secret {
    const secret = this.#group.loadSecret(Uint8Array.from(dealt.secretShares[name]?.signingShare ?? []));
    if (secret === undefined) throw new Error('the dealer dealt no scalar');
    return secret;
  }

  #point(bytes: Uint8Array | undefined): Point {
    const point = this.#group.decodePoint(bytes ?? new Uint8Array());
    if (point === undefined) throw new Error('the dealer dealt no point');
    return point;
  }

  #share(identifier: Identifier): Secret {
    const share = this.#shares.get(identifier);
    if (share === undefined) throw new Error('no such signer');
    return share;
  }

  commit(): Nonces {
    const nonces = commit(this.#group, this.#share(this.#self));
    this.#group.wipe(nonces.hiding);
    this.#group.wipe(nonces.binding);
    return nonces;
  }

  /** Nonces for `count` sign runs, made outside the measured time; each run puts its own pair into the package. */
  provide(count: number): void {
    while (this.#spare.length < count) this.#spare.push(commit(this.#group, this.#share(this.#self)));
  }

  /** What a signer does with one package: decode and check every point, then sign. */
  signShare(): Scalar {
    const nonces = this.#spare.pop();
    if (nonces === undefined) throw new Error('provide nonces first');
    const [, ...others] = this.#input.commitments;
    const commitments = [{ identifier: this.#self, ...nonces.commitments }, ...others];
    const attempt = prepareAttempt(this.#group, { ...this.#input, commitments });
    return signShare(this.#group, attempt, this.#self, nonces, this.#share(this.#self));
  }

  prepare(): Attempt {
    return prepareAttempt(this.#group, this.#input);
  }

  /** All shares of one attempt; uses up the nonces, so it works once. */
  signAll(attempt: Attempt): Map<Identifier, Scalar> {
    return new Map(
      [...this.#nonces].map(([identifier, nonces]) => [
        identifier,
        signShare(this.#group, attempt, identifier, nonces, this.#share(identifier)),
      ]),
    );
  }
}

function oracleSide({ dealt, identifiers, nameOf }: Dealt, message: Uint8Array) {
  const secretOf = (identifier: Identifier) => {
    const secret = dealt.secretShares[nameOf(identifier)];
    if (secret === undefined) throw new Error('no such signer');
    return secret;
  };
  const made = identifiers.map((identifier) => oracle.commit(secretOf(identifier)));
  const list = made.map(({ commitments }) => commitments);
  const shares = Object.fromEntries(
    identifiers.map((identifier, index) => {
      const nonces = made[index]?.nonces;
      if (nonces === undefined) throw new Error('no nonces');
      return [
        nameOf(identifier),
        oracle.signShare(secretOf(identifier), dealt.public, structuredClone(nonces), list, message),
      ];
    }),
  );
  const [self] = identifiers;
  if (self === undefined) throw new Error('nobody signs');
  const spare: ReturnType<typeof oracle.commit>[] = [];
  return {
    commit: () => oracle.commit(secretOf(self)),
    provide: (count: number) => {
      while (spare.length < count) spare.push(oracle.commit(secretOf(self)));
    },
    signShare: () => {
      const own = spare.pop();
      if (own === undefined) throw new Error('provide nonces first');
      return oracle.signShare(secretOf(self), dealt.public, own.nonces, [own.commitments, ...list.slice(1)], message);
    },
    verifyShare: () =>
      oracle.verifyShare(dealt.public, list, message, nameOf(self), shares[nameOf(self)] ?? new Uint8Array()),
    aggregate: () => oracle.aggregate(dealt.public, list, message, shares),
  };
}

/** Measures every operation at every size, telling `report` as it goes. */
export async function benchFrost(report: (row: FrostRow) => void): Promise<void> {
  const random = (count: number): Uint8Array => new Uint8Array(randomBytes(count));
  const groups = [
    await createSodiumGroup({ randomBytes: random, arenaSlots: 8192 }),
    createNobleGroup({ randomBytes: random }),
  ];
  const message = random(64);
  for (const [threshold, members] of sizes) {
    const dealer = unsafeTrustedDealer(threshold, members);
    const theirs = oracleSide(dealer, message);
    const ours = groups.map((group) => new Ours(group, dealer, message));
    const runs = threshold > 50 ? 3 : 30;
    const measure = (operation: string, contenders: (() => unknown)[], before?: () => void): void => {
      before?.();
      const named = contenders.map((run, index): Contender => ({
        name: ['sodium', 'noble', 'ed25519_FROST'][index] ?? '',
        run,
      }));
      const [sodium, noble, other] = measureInTurn(named, 0, runs);
      if (sodium === undefined || noble === undefined || other === undefined) return;
      const row = {
        operation,
        threshold,
        members,
        sodiumMs: sodium.medianMs,
        nobleMs: noble.medianMs,
        oracleMs: other.medianMs,
      };
      report({ ...row, ratio: other.medianMs / sodium.medianMs });
    };
    measure('commit', [...ours.map((side) => () => side.commit()), theirs.commit]);
    measure('sign share', [...ours.map((side) => () => side.signShare()), theirs.signShare], () => {
      for (const side of [...ours, theirs]) side.provide(runs + 1);
    });
    const prepared = ours.map((side) => {
      const attempt = side.prepare();
      return { attempt, shares: side.signAll(attempt) };
    });
    measure('verify share', [
      ...prepared.map(
        ({ attempt, shares }) =>
          () =>
            verifyOne(attempt, shares),
      ),
      theirs.verifyShare,
    ]);
    measure('verify all, aggregate', [
      ...ours.map(
        (side, index) => () =>
          verifyAndAggregate(side.prepare(), prepared[index]?.shares ?? new Map<Identifier, Scalar>()),
      ),
      theirs.aggregate,
    ]);
  }
}

function verifyOne(attempt: Attempt, shares: ReadonlyMap<Identifier, Scalar>): void {
  const [first] = shares;
  if (first === undefined || !verifyShare(attempt, first[0], first[1]))
    throw new Error('an honest share does not verify');
}

function verifyAndAggregate(attempt: Attempt, shares: ReadonlyMap<Identifier, Scalar>): Uint8Array {
  for (const [identifier, share] of shares) {
    if (!verifyShare(attempt, identifier, share)) throw new Error('an honest share does not verify');
  }
  return aggregate(attempt, shares);
}
