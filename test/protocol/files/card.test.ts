/** Cards: one line by which somebody presents itself. */
import { createHash } from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';
import { describe, expect, it } from 'vitest';
import { sharedSodium } from '../../harness/ceremony-network.ts';
import { encodeBase64Url } from '../../../verifier/base64.ts';
import { preAuthEncoding } from '../../../verifier/dsse.ts';
import { verifySignature } from '../../../verifier/ed25519.ts';
import { encodeCanonicalJson } from '../../../verifier/json.ts';
import { decodeCard, encodeCard } from '../../../protocol/files/card.ts';
import type { Envelope, Identity } from '../../../protocol/wire/envelope.ts';
import { person } from '../../harness/people.ts';
import { codeOf, flipped, refusalOf, signBytes } from '../support.ts';

const cardType = 'application/vnd.frostmark.card.v1+json';
const [alice, bob] = [person('alice'), person('bob')];
const card = alice.card('member');
const body = Buffer.from(card.slice('frostmark-member:'.length), 'base64url');
const lineOf = (envelope: unknown): string => `frostmark-member:${encodeBase64Url(encodeCanonicalJson(envelope))}`;
const claims = (fields: Record<string, unknown>, signer = alice, keyid = signer.key): string =>
  lineOf(
    signBytes(cardType, JSON.stringify({ role: 'member', name: 'alice', key: alice.key, ...fields }), signer, keyid),
  );

/** An identity whose key is a·B + T with T of order 8, and whose signatures pass the cofactorless check all the same: it tries until c·T cancels. */
function mixedOrderIdentity(): Identity & { readonly key: string } {
  const { Point } = ed25519;
  const torsion = Point.fromHex('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a');
  const secret = 123456789n;
  const publicKey = Point.BASE.multiply(secret).add(torsion).toBytes();
  const sign = (message: Uint8Array): Uint8Array => {
    for (let nonce = 1n; ; nonce += 1n) {
      for (let multiple = 0n; multiple < 8n; multiple += 1n) {
        const r = Point.BASE.multiply(nonce).add(torsion.multiplyUnsafe(multiple)).toBytes();
        const hash = createHash('sha512').update(r).update(publicKey).update(message).digest();
        const challenge = BigInt(`0x${Buffer.from(hash.toReversed()).toString('hex')}`) % Point.Fn.ORDER;
        if ((challenge + multiple) % 8n !== 0n) continue;
        const s = Point.Fn.create(nonce + challenge * secret);
        return Buffer.concat([r, Point.Fn.toBytes(s)]);
      }
    }
  };
  return { publicKey, key: encodeBase64Url(publicKey), sign };
}

describe('a card', () => {
  it('is refused for a key with a small-order part, although its signature verifies (T38)', async () => {
    const mixed = mixedOrderIdentity();
    const line = claims({ key: mixed.key }, mixed as typeof alice);
    const { payload, signatures } = JSON.parse(
      Buffer.from(line.slice('frostmark-member:'.length), 'base64url').toString(),
    ) as Envelope;
    const signed = preAuthEncoding(cardType, Buffer.from(payload, 'base64'));
    expect(verifySignature(mixed.publicKey, signed, Buffer.from(signatures[0].sig, 'base64'))).toBe(true);
    for (const points of [undefined, await sharedSodium()])
      expect(refusalOf(() => decodeCard('member', line, points))).toMatchObject({
        code: 'bad-card',
        message: expect.stringContaining('prime-order') as string,
      });
  });

  it('is one line that names role, name and key', () => {
    expect(card).toMatch(/^frostmark-member:[A-Za-z0-9_-]+$/);
    expect(decodeCard('member', card)).toEqual({ role: 'member', name: 'alice', key: alice.key });
    expect(decodeCard('requester', bob.card('requester'))).toEqual({ role: 'requester', name: 'bob', key: bob.key });
  });

  it('is not made for a name that no reader would accept', () => {
    for (const name of ['', 'Alice', 'a b', '-a', 'a'.repeat(65), 'ал', 'a\n', '7', '2026'])
      expect(codeOf(() => encodeCard('member', name, alice))).toBe('bad-card');
  });

  it.each<[string, string]>([
    ['of another role', alice.card('requester')],
    ['of another role under this prefix', alice.card('requester').replace('requester', 'member')],
    ['that says another role than its prefix', claims({ role: 'requester' })],
    ['of no known role', claims({ role: 'admin' })],
    ['that shows a key that did not sign it', claims({ key: alice.key }, bob)],
    ['signed by somebody else under its keyid', claims({}, bob, alice.key)],
    ['whose name no charter could have', claims({ name: 'Alice' })],
    ['with a field too many', claims({ tier: 'admin' })],
    ['without a name', claims({ name: undefined })],
    [
      'signed for another purpose',
      lineOf(
        signBytes(
          'application/vnd.frostmark.login.v1+json',
          JSON.stringify({ role: 'member', name: 'alice', key: alice.key }),
          alice,
          alice.key,
        ),
      ),
    ],
    [
      'with two signatures',
      lineOf(
        ((envelope: Envelope) => ({ ...envelope, signatures: [envelope.signatures[0], envelope.signatures[0]] }))(
          JSON.parse(body.toString()) as Envelope,
        ),
      ),
    ],
    ['with padding', `${card}=`],
    ['with a line break', `${card}\n`],
    ['after a space', ` ${card}`],
    ['that is a bare key', `frostmark-member:${alice.key}`],
    ['that is a prefix alone', 'frostmark-member:'],
    ['that is nothing', ''],
    ['past every bound', `frostmark-member:${'A'.repeat(100_000)}`],
  ])('is refused when it is one %s (T18, T38)', (_name, line) => {
    expect(codeOf(() => decodeCard('member', line))).toBe('bad-card');
  });

  it('is refused with any of its bytes changed (T18)', () => {
    for (let index = 0; index < body.length; index += 1)
      expect(codeOf(() => decodeCard('member', `frostmark-member:${encodeBase64Url(flipped(body, index))}`))).toBe(
        'bad-card',
      );
  });

  it('is refused with a hint at how the right one begins', () => {
    expect(refusalOf(() => decodeCard('requester', card)).message).toContain('frostmark-requester:');
  });
});
