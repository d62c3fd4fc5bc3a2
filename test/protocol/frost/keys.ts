/** Groups and keys for the tests of this folder: a whole key generation in one process, every check done. */
import { randomBytes as nodeRandomBytes } from 'node:crypto';
import { createNobleGroup } from '../../../protocol/frost/group-noble.ts';
import { createSodiumGroup } from '../../../protocol/frost/group-sodium.ts';
import type { Point, RandomBytes, Secret, SecretGroup } from '../../../protocol/frost/group.ts';
import {
  deal,
  dealShare,
  decodeCommitments,
  finalShare,
  groupPublicKey,
  proveDealing,
  sumCommitments,
  verifyDealing,
  verifyDealtShare,
} from '../../../protocol/frost/keygen.ts';
import { publicShare, toIdentifier, type Identifier, type Sharing } from '../../../protocol/frost/sharing.ts';
import {
  commit,
  prepareAttempt,
  signShare,
  type Attempt,
  type Commitment,
  type Nonces,
} from '../../../protocol/frost/sign.ts';
import type { Scalar } from '../../../protocol/frost/scalar.ts';

export const randomBytes: RandomBytes = (count) => Uint8Array.from(nodeRandomBytes(count));

export const sodium = await createSodiumGroup({ randomBytes });
export const noble = createNobleGroup({ randomBytes });
/** For `describe.each`: every law holds on both. */
export const groups: readonly { readonly name: string; readonly group: SecretGroup }[] = [
  { name: 'sodium', group: sodium },
  { name: 'noble', group: noble },
];

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
export const unhex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
export const identifiers = (...values: number[]): Identifier[] => values.map(toIdentifier);

/** `{ any: t }` over members 1 to n. */
export function flat(threshold: number, size: number): Sharing[] {
  return [{ threshold, members: identifiers(...Array.from({ length: size }, (_, index) => index + 1)) }];
}

export interface Key {
  readonly group: SecretGroup;
  readonly sharings: readonly Sharing[];
  readonly key: Point;
  readonly shares: ReadonlyMap<Identifier, Secret>;
  readonly publicShares: ReadonlyMap<Identifier, Point>;
}

/** PedPop among all members of every sharing. */
export function makeKey(group: SecretGroup, sharings: readonly Sharing[]): Key {
  const shares = new Map<Identifier, Secret>();
  const publicShares = new Map<Identifier, Point>();
  const sums = sharings.map((sharing) => {
    const dealings = sharing.members.map((dealer) => checkedDealing(group, dealer, sharing.threshold));
    const sum = sumCommitments(
      group,
      dealings.map(({ commitments }) => commitments),
    );
    for (const member of sharing.members) {
      const dealt = dealings.map((dealing) => {
        const share = dealShare(group, dealing, member);
        if (!verifyDealtShare(group, share, member, dealing.commitments)) throw new Error('a dealt share is wrong');
        return share;
      });
      shares.set(member, finalShare(group, dealt));
      publicShares.set(member, publicShare(group, sum, member));
    }
    return sum;
  });
  return { group, sharings, key: groupPublicKey(group, sums), shares, publicShares };
}

function checkedDealing(group: SecretGroup, dealer: Identifier, threshold: number) {
  const context = Buffer.from('a test');
  const dealing = deal(group, threshold);
  const proof = proveDealing(group, dealing, dealer, context);
  const encoded = dealing.commitments.map(({ bytes }) => bytes);
  const commitments = decodeCommitments(group, encoded, threshold);
  if (commitments === undefined || !verifyDealing(group, commitments, proof, dealer, context)) {
    throw new Error('a dealing is wrong');
  }
  return { coefficients: dealing.coefficients, commitments };
}

export interface Session {
  readonly attempt: Attempt;
  readonly nonces: ReadonlyMap<Identifier, Nonces>;
  readonly commitments: readonly Commitment[];
}

/** Round one of these signers, and the attempt over their commitments. */
export function openSession(key: Key, signers: readonly Identifier[], message: Uint8Array): Session {
  const nonces = new Map(signers.map((signer) => [signer, commit(key.group, key.shares.get(signer)!)]));
  const commitments = signers.map((identifier) => ({ identifier, ...nonces.get(identifier)!.commitments }));
  const attempt = prepareAttempt(key.group, { ...key, message, commitments });
  return { attempt, nonces, commitments };
}

/** Round two of all signers. */
export function signAll(key: Key, session: Session): Map<Identifier, Scalar> {
  const { attempt, nonces } = session;
  return new Map(
    attempt.signers.map((signer) => [
      signer,
      signShare(key.group, attempt, signer, nonces.get(signer)!, key.shares.get(signer)!),
    ]),
  );
}

/** A secret's bytes, by the one door it may leave through. */
export async function readSecret(group: SecretGroup, secret: Secret): Promise<Uint8Array> {
  let copy = new Uint8Array();
  await group.exportSecret(secret, async (bytes) => {
    copy = bytes.slice();
    return Promise.resolve();
  });
  return copy;
}

/** The same group with some methods replaced. */
export function variantOf(group: SecretGroup, change: Partial<SecretGroup>): SecretGroup {
  const prototype = Object.getPrototypeOf(group) as Record<string, unknown>;
  const names = Object.getOwnPropertyNames(prototype).filter((name) => name !== 'constructor');
  const methods = names.map((name) => [name, (prototype[name] as () => unknown).bind(group)]);
  const { name, identity, generator } = group;
  return { ...(Object.fromEntries(methods) as SecretGroup), name, identity, generator, ...change };
}
