/** RFC 9591's published example, with every intermediate value, on both groups. */
import { readFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { aggregate } from '../../../protocol/frost/aggregate.ts';
import { FrostError } from '../../../protocol/frost/errors.ts';
import { createNobleGroup } from '../../../protocol/frost/group-noble.ts';
import { createSodiumGroup } from '../../../protocol/frost/group-sodium.ts';
import type { Point, RandomBytes, SecretGroup } from '../../../protocol/frost/group.ts';
import { assertKnownAnswer, assertKnownAnswers, exampleRandomness } from '../../../protocol/frost/known-answer.ts';
import { encodeScalar, littleEndianInteger, reduceScalar } from '../../../protocol/frost/scalar.ts';
import { evaluateCommitments, toIdentifier } from '../../../protocol/frost/sharing.ts';
import { commit, encodeShare, prepareAttempt, signShare, verifyShare } from '../../../protocol/frost/sign.ts';
import { flat, hex, readSecret, unhex, variantOf } from './keys.ts';

interface Vector {
  inputs: {
    participant_list: number[];
    group_secret_key: string;
    group_public_key: string;
    message: string;
    share_polynomial_coefficients: string[];
    participant_shares: { identifier: number; participant_share: string }[];
  };
  round_one_outputs: {
    outputs: {
      identifier: number;
      hiding_nonce_randomness: string;
      binding_nonce_randomness: string;
      hiding_nonce: string;
      binding_nonce: string;
      hiding_nonce_commitment: string;
      binding_nonce_commitment: string;
      binding_factor_input: string;
      binding_factor: string;
    }[];
  };
  round_two_outputs: { outputs: { identifier: number; sig_share: string }[] };
  final_output: { sig: string };
}

const path = new URL('../../vectors/rfc9591-frost-ed25519-sha512.json', import.meta.url);
const { inputs, round_one_outputs, round_two_outputs, final_output } = JSON.parse(readFileSync(path, 'utf8')) as Vector;
const outputs = round_one_outputs.outputs;

const makers: { name: string; make: (randomBytes: RandomBytes) => Promise<SecretGroup> }[] = [
  { name: 'sodium', make: (randomBytes) => createSodiumGroup({ randomBytes, arenaSlots: 32 }) },
  { name: 'noble', make: (randomBytes) => Promise.resolve(createNobleGroup({ randomBytes })) },
];

describe.each(makers)('the example of RFC 9591, Appendix E.1, on $name', ({ make }) => {
  test('deals the printed shares from the printed polynomial (Appendix C.1)', async () => {
    const group = await make((count) => new Uint8Array(count));
    const printed = [inputs.group_secret_key, ...inputs.share_polynomial_coefficients];
    const coefficients = printed.map((text) => group.loadSecret(unhex(text))!);
    const commitments = coefficients.map((secret) => group.publicPoint(secret));
    expect(hex(commitments[0]!.bytes)).toBe(inputs.group_public_key);
    for (const { identifier, participant_share } of inputs.participant_shares) {
      const share = group.evaluatePolynomial(coefficients, BigInt(identifier));
      expect(hex(await readSecret(group, share))).toBe(participant_share);
      expect(group.publicPoint(share)).toEqual(evaluateCommitments(group, commitments, toIdentifier(identifier)));
    }
  });

  test('draws the printed nonces, and computes the printed commitments, binding factors, shares and signature', async () => {
    const queue = outputs.flatMap((output) => [output.hiding_nonce_randomness, output.binding_nonce_randomness]);
    const group = await make((count) => (count === 32 ? unhex(queue.shift()!) : new Uint8Array(count)));
    const shareOf = (identifier: number): string =>
      inputs.participant_shares.find((entry) => entry.identifier === identifier)!.participant_share;
    const signers = outputs.map((printed) => {
      const share = group.loadSecret(unhex(shareOf(printed.identifier)))!;
      return { printed, identifier: toIdentifier(printed.identifier), share, nonces: commit(group, share) };
    });
    expect(queue).toEqual([]);
    for (const { printed, nonces } of signers) {
      expect(hex(await readSecret(group, nonces.hiding))).toBe(printed.hiding_nonce);
      expect(hex(await readSecret(group, nonces.binding))).toBe(printed.binding_nonce);
      expect(hex(nonces.commitments.hiding)).toBe(printed.hiding_nonce_commitment);
      expect(hex(nonces.commitments.binding)).toBe(printed.binding_nonce_commitment);
    }

    const attempt = prepareAttempt(group, {
      key: group.decodePoint(unhex(inputs.group_public_key))!,
      sharings: flat(2, 3),
      publicShares: new Map(signers.map(({ identifier, share }) => [identifier, group.publicPoint(share)])),
      message: unhex(inputs.message),
      commitments: signers.map(({ identifier, nonces }) => ({ identifier, ...nonces.commitments })),
    });
    expect(attempt.signers).toEqual(inputs.participant_list);
    expect(hex(attempt.groupCommitment.bytes)).toBe(final_output.sig.slice(0, 64));
    for (const { printed, identifier } of signers) {
      expect(hex(encodeScalar(attempt.bindingFactorOf(identifier)))).toBe(printed.binding_factor);
      const h1 = createHash('sha512').update('FROST-ED25519-SHA512-v1rho').update(unhex(printed.binding_factor_input));
      expect(reduceScalar(littleEndianInteger(h1.digest()))).toBe(attempt.bindingFactorOf(identifier));
    }

    const shares = new Map(
      signers.map(({ identifier, nonces, share }) => [
        identifier,
        signShare(group, attempt, identifier, nonces, share),
      ]),
    );
    for (const { identifier, sig_share } of round_two_outputs.outputs) {
      const share = shares.get(toIdentifier(identifier))!;
      expect(hex(encodeShare(share))).toBe(sig_share);
      expect(verifyShare(attempt, toIdentifier(identifier), share)).toBe(true);
    }
    expect(hex(aggregate(attempt, shares))).toBe(final_output.sig);
  });

  const lies: [string, (group: SecretGroup) => Partial<SecretGroup>][] = [
    ['accepts a point of order 2L', (group) => ({ decodePoint: (b) => group.decodePoint(b) ?? { bytes: b } })],
    ['accepts no point', () => ({ decodePoint: () => undefined })],
    ['loads no share', () => ({ loadSecret: () => undefined })],
    ['draws other nonces', (group) => ({ makeNonce: () => group.randomSecret() })],
    ['multiplies wrongly', (group) => ({ multiplyEncoded: (b, k) => group.multiplyEncoded(b, k + 1n) })],
    ['answers wrongly', (group) => ({ signatureShare: (n, r, l, c, s) => group.signatureShare(n, r, l, c, s) ^ 1n })],
    ['has a wrong generator', (group) => ({ multiplyBase: (k): Point => group.multiplyBase(k + 1n) })],
    ['adds wrongly', () => ({ add: (p) => p })],
  ];
  test.each(lies)('the known answer catches a library that %s', async (_, lie) => {
    const group = await make(exampleRandomness());
    const lying = variantOf(group, lie(group));
    expect(() => assertKnownAnswer(lying)).toThrow(FrostError);
  });
});

test('both libraries give the known answer on this machine', async () => {
  await expect(assertKnownAnswers()).resolves.toBeUndefined();
});
