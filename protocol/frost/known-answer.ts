/** RFC 9591's own example, run through both groups before a participant trusts this machine with a share (Appendix E.1, FROST(Ed25519, SHA-512)). */
import { aggregate } from './aggregate.ts';
import { FrostError } from './errors.ts';
import type { Point, RandomBytes, Secret, SecretGroup } from './group.ts';
import { createNobleGroup } from './group-noble.ts';
import { createSodiumGroup } from './group-sodium.ts';
import { encodeScalar, type Scalar } from './scalar.ts';
import { samePoint, toIdentifier, type Identifier } from './sharing.ts';
import { commit, encodeShare, prepareAttempt, signShare, verifyShare, type Attempt, type Nonces } from './sign.ts';

const message = Buffer.from('test');
const groupPublicKey = '15d21ccd7ee42959562fc8aa63224c8851fb3ec85a3faf66040d380fb9738673';
const signature =
  '36282629c383bb820a88b71cae937d41f2f2adfcc3d02e55507e2fb9e2dd3cbebd9d2b0844e49ae0f3fa935161e1419aab7b47d21a37ebeae1f17d4987b3160b';
const signers = [
  {
    identifier: toIdentifier(1),
    share: '929dcc590407aae7d388761cddb0c0db6f5627aea8e217f4a033f2ec83d93509',
    randomness:
      '0fd2e39e111cdc266f6c0f4d0fd45c947761f1f5d3cb583dfcb9bbaf8d4c9fec69cd85f631d5f7f2721ed5e40519b1366f340a87c2f6856363dbdcda348a7501',
    hiding: 'b5aa8ab305882a6fc69cbee9327e5a45e54c08af61ae77cb8207be3d2ce13de3',
    binding: '67e98ab55aa310c3120418e5050c9cf76cf387cb20ac9e4b6fdb6f82a469f932',
    bindingFactor: 'f2cb9d7dd9beff688da6fcc83fa89046b3479417f47f55600b106760eb3b5603',
    signatureShare: '001719ab5a53ee1a12095cd088fd149702c0720ce5fd2f29dbecf24b7281b603',
  },
  {
    identifier: toIdentifier(3),
    share: 'd3cb090a075eb154e82fdb4b3cb507f110040905468bb9c46da8bdea643a9a02',
    randomness:
      '86d64a260059e495d0fb4fcc17ea3da7452391baa494d4b00321098ed2a0062f13e6b25afb2eba51716a9a7d44130c0dbae0004a9ef8d7b5550c8a0e07c61775',
    hiding: 'cfbdb165bd8aad6eb79deb8d287bcc0ab6658ae57fdcc98ed12c0669e90aec91',
    binding: '7487bc41a6e712eea2f2af24681b58b1cf1da278ea11fe4e8b78398965f13552',
    bindingFactor: 'b087686bf35a13f3dc78e780a34b0fe8a77fef1b9938c563f5573d71d8d7890f',
    signatureShare: 'bd86125de990acc5e1f13781d8e32c03a9bbd4c53539bbc106058bfd14326007',
  },
] as const;
type ExampleSigner = (typeof signers)[number];

/**
 * The generator plus the point of order two: canonical, on the curve, and outside the prime-order subgroup. A library
 * whose subgroup check looks at one coordinate only lets it pass (CVE-2025-69277).
 */
const mixedOrderPoint = '9599999999999999999999999999999999999999999999999999999999999999';

/** Runs the example on fresh instances of both groups. Throws `known-answer`, naming group and value, at the first difference. */
export async function assertKnownAnswers(): Promise<void> {
  assertKnownAnswer(await createSodiumGroup({ randomBytes: exampleRandomness(), arenaSlots: 8 }));
  assertKnownAnswer(createNobleGroup({ randomBytes: exampleRandomness() }));
}

/** The randomness of the example: its nonces' 32 bytes each, in order, and zeros for a library that seeds itself. */
export function exampleRandomness(): RandomBytes {
  const queue = signers.flatMap(({ randomness }) => [bytesOf(randomness.slice(0, 64)), bytesOf(randomness.slice(64))]);
  return (count) => (count === 32 ? queue.shift() : undefined) ?? new Uint8Array(count);
}

/** Runs the example on a fresh group made with `exampleRandomness()`, and ends the group. Throws `known-answer`. */
export function assertKnownAnswer(group: SecretGroup): void {
  try {
    assertExample(group);
  } finally {
    group.end();
  }
}

function assertExample(group: SecretGroup): void {
  const key = group.decodePoint(bytesOf(groupPublicKey));
  if (key === undefined || group.decodePoint(bytesOf(mixedOrderPoint)) !== undefined)
    throw wrong(group, 'point decoding');
  const held = signers.map((signer) => ({ signer, share: loadShare(group, signer.share) }));
  assertOnPolynomial(group, key, held);
  const committed = held.map(({ signer, share }) => ({ signer, share, nonces: commitAsPrinted(group, signer, share) }));
  const attempt = prepareAttempt(group, {
    key,
    sharings: [{ threshold: 2, members: [toIdentifier(1), toIdentifier(2), toIdentifier(3)] }],
    publicShares: new Map(held.map(({ signer, share }) => [signer.identifier, group.publicPoint(share)])),
    message,
    commitments: committed.map(({ signer, nonces }) => ({ identifier: signer.identifier, ...nonces.commitments })),
  });
  const shares = new Map<Identifier, Scalar>();
  for (const { signer, share, nonces } of committed) {
    shares.set(signer.identifier, signAsPrinted(group, attempt, signer, nonces, share));
  }
  assertHex(group, 'signature', aggregate(attempt, shares), signature);
}

/** The key, and the slope from it to the first public share, are the line on which the last one lies. */
function assertOnPolynomial(
  group: SecretGroup,
  key: Point,
  held: readonly { readonly signer: ExampleSigner; readonly share: Secret }[],
): void {
  const [first, last] = held;
  if (first === undefined || last === undefined) throw wrong(group, 'share');
  const slope = group.add(group.publicPoint(first.share), group.multiply(key, -1n));
  const value = group.evaluate([key, slope], BigInt(last.signer.identifier));
  if (!samePoint(value, group.publicPoint(last.share))) throw wrong(group, 'value of a polynomial');
}

function loadShare(group: SecretGroup, hex: string): Secret {
  const share = group.loadSecret(bytesOf(hex));
  if (share === undefined) throw wrong(group, 'share');
  return share;
}

function commitAsPrinted(group: SecretGroup, signer: ExampleSigner, share: Secret): Nonces {
  const nonces = commit(group, share);
  assertHex(group, 'hiding nonce commitment', nonces.commitments.hiding, signer.hiding);
  assertHex(group, 'binding nonce commitment', nonces.commitments.binding, signer.binding);
  return nonces;
}

function signAsPrinted(
  group: SecretGroup,
  attempt: Attempt,
  signer: ExampleSigner,
  nonces: Nonces,
  share: Secret,
): Scalar {
  const { identifier } = signer;
  assertHex(group, 'binding factor', encodeScalar(attempt.bindingFactorOf(identifier)), signer.bindingFactor);
  const signatureShare = signShare(group, attempt, identifier, nonces, share);
  assertHex(group, 'signature share', encodeShare(signatureShare), signer.signatureShare);
  if (!verifyShare(attempt, identifier, signatureShare)) throw wrong(group, 'verification of a share');
  if (verifyShare(attempt, identifier, signatureShare + 1n)) throw wrong(group, 'refusal of a wrong share');
  return signatureShare;
}

function assertHex(group: SecretGroup, what: string, bytes: Uint8Array, expected: string): void {
  if (Buffer.from(bytes).toString('hex') !== expected) throw wrong(group, what);
}

function wrong(group: SecretGroup, what: string): FrostError {
  return new FrostError(
    'known-answer',
    `${group.name} computes a wrong ${what} for RFC 9591's example on this machine`,
  );
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}
