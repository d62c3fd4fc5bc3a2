/** The import file: a key that was whole, split; and every way in which one is not believed. */
import { ed25519, x25519 } from '@noble/curves/ed25519.js';
import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { decodeBase64, decodeBase64Url, encodeBase64, encodeBase64Url } from '../../../verifier/base64.ts';
import { encodeCanonicalJson } from '../../../verifier/json.ts';
import { bytesToHex, hexToBytes } from '../../../protocol/wire/bytes.ts';
import { decodeCharter, type Charter } from '../../../protocol/files/charter.ts';
import { createSodiumGroup, testingOnlyMemory } from '../../../protocol/frost/group-sodium.ts';
import type { SealingGroup, Secret } from '../../../protocol/frost/group.ts';
import { encodeScalar, groupOrder, littleEndianInteger, reduceScalar } from '../../../protocol/frost/scalar.ts';
import { interpolationCoefficient, toIdentifier } from '../../../protocol/frost/sharing.ts';
import { openImport, openImportedShare, splitKey, type Import } from '../../../protocol/ceremony/import.ts';
import { maxImportBytes } from '../../../protocol/limits.ts';
import { publicGroup, sharedSodium } from '../../harness/ceremony-network.ts';
import { importBytes, oneTimeKeysOf, oneTimeSecretOf, openFor, rfc8032Keys, shareFor } from '../../harness/import.ts';
import { writeCharter, type Person } from '../../harness/people.ts';
import { codeOf, refusalOf, spoiltOf, utf8 } from '../support.ts';
import { readSecret, variantOf } from '../frost/keys.ts';

const tiers = ['admin', 'admin', 'admin', 'build', 'spare'];
const flat = writeCharter({ tiers, production: '{ any: 3 }', development: '{ build: 1 }' });
const tiered = writeCharter({ tiers, production: '{ admin: 2, build: 1 }', development: '{ any: 1 }' });
const plans = [
  ['flat', flat],
  ['tiered', tiered],
] as const;

let sodium: SealingGroup;
beforeAll(async () => {
  sodium = await sharedSodium();
});

const jsonOf = (bytes: Uint8Array): Record<string, unknown> =>
  JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
const refuse = (charter: Charter, bytes: Uint8Array): string => {
  const { code, message } = refusalOf(() => openImport(publicGroup, charter, bytes));
  expect(code).toBe('bad-import');
  return message;
};

/** A group whose named methods lie. */
function liar(change: Partial<SealingGroup>): SealingGroup {
  return variantOf(sodium, change) as SealingGroup;
}

describe('the secret scalar of a seed (RFC 8032, Section 5.1.5)', () => {
  it.each(rfc8032Keys)('gives the public key of the RFC: $publicKey', ({ seed, publicKey }) => {
    const secret = sodium.loadSeed(hexToBytes(seed));
    expect(bytesToHex(sodium.publicPoint(secret).bytes)).toBe(publicKey);
    sodium.wipe(secret);
  });

  it('is what noble and OpenSSL come to, for random seeds', async () => {
    for (let count = 0; count < 20; count++) {
      const seed = new Uint8Array(randomBytes(32));
      const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
      const spki = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
      const { scalar } = ed25519.utils.getExtendedPublicKey(seed);
      const secret = sodium.loadSeed(seed.slice());
      expect(bytesToHex(sodium.publicPoint(secret).bytes)).toBe(
        bytesToHex(new Uint8Array(spki.export({ format: 'der', type: 'spki' }).subarray(12))),
      );
      expect(littleEndianInteger(await readSecret(sodium, secret))).toBe(reduceScalar(scalar));
      sodium.wipe(secret);
    }
  });

  it('takes 32 bytes and wipes whatever it was given', () => {
    for (const length of [0, 31, 32, 33, 64]) {
      const seed = new Uint8Array(length).fill(7);
      if (length === 32) sodium.wipe(sodium.loadSeed(seed));
      else expect(() => sodium.loadSeed(seed)).toThrow(expect.objectContaining({ code: 'invalid-seed' }));
      expect(seed).toEqual(new Uint8Array(length));
    }
    const short = new Uint8Array(31).fill(7);
    expect(() => sodium.loadBoxKey(short)).toThrow(expect.objectContaining({ code: 'invalid-seed' }));
    expect(short).toEqual(new Uint8Array(31));
  });

  it('splits into random secrets that sum to it', async () => {
    const secret = sodium.loadSeed(hexToBytes(rfc8032Keys[0].seed));
    const whole = littleEndianInteger(await readSecret(sodium, secret));
    for (const count of [1, 2, 5]) {
      const parts = sodium.split(secret, count);
      const values = await Promise.all(parts.map(async (part) => littleEndianInteger(await readSecret(sodium, part))));
      expect(values).toHaveLength(count);
      expect(new Set(values).size).toBe(count);
      expect(reduceScalar(values.reduce((sum, value) => sum + value, 0n))).toBe(whole);
      for (const part of parts) sodium.wipe(part);
    }
    sodium.wipe(secret);
  });
});

describe('a one-time key', () => {
  it('leaves the group and comes back as the same key, which noble agrees with, and opens what was sealed to it', async () => {
    const made = sodium.makeBoxKey();
    let kept = new Uint8Array();
    await sodium.exportSecret(made, (bytes) => {
      kept = bytes.slice();
      return Promise.resolve();
    });
    expect(made.publicKey).toEqual(x25519.getPublicKey(kept));
    const secret = sodium.randomSecret();
    const box = sodium.seal(made.publicKey, utf8('header'), [secret])!;
    const loaded = sodium.loadBoxKey(kept);
    expect(kept).toEqual(new Uint8Array(32));
    expect(loaded.publicKey).toEqual(made.publicKey);
    const [opened] = sodium.open(loaded, box, utf8('header'), 1)!;
    expect(sodium.publicPoint(opened!)).toEqual(sodium.publicPoint(secret));
    for (const used of [made, loaded, secret, opened!]) sodium.wipe(used);
  });
});

describe.each(plans)('a split key, %s', (_name, { charter, people }) => {
  const [production] = charter.channels;
  const holders = people.filter((who, index) =>
    production!.sharings.some(({ members }) => members.includes(toIdentifier(index + 1)) && who.name !== ''),
  );

  it('is of the same public key, and each holder finds its share', async () => {
    const imported = openFor(charter, await importBytes(charter));
    expect(imported.groupKey).toBe(encodeBase64Url(hexToBytes(rfc8032Keys[0].publicKey)));
    for (const who of people) {
      const share = await shareFor(charter, imported, who);
      expect(share !== undefined, who.name).toBe(holders.includes(who));
      if (share !== undefined) sodium.wipe(share);
    }
  });

  it('comes together again from t shares of every sharing, and from no fewer', async () => {
    const imported = openFor(charter, await importBytes(charter));
    const whole = reduceScalar(ed25519.utils.getExtendedPublicKey(hexToBytes(rfc8032Keys[0].seed)).scalar);
    const join = async (missing: number): Promise<bigint> => {
      let sum = 0n;
      for (const { members, threshold } of production!.sharings) {
        const chosen = members.slice(0, threshold - missing);
        for (const identifier of chosen) {
          const share = (await shareFor(charter, imported, people[identifier - 1]!))!;
          const value = littleEndianInteger(await readSecret(sodium, share));
          sum = reduceScalar(sum + value * interpolationCoefficient(chosen, identifier));
          sodium.wipe(share);
        }
      }
      return sum;
    };
    expect(await join(0)).toBe(whole);
    expect(await join(1)).not.toBe(whole);
  });

  it('is split anew every time', async () => {
    const [one, two] = [await importBytes(charter), await importBytes(charter)].map(jsonOf);
    for (const field of ['sharings', 'boxes', 'proofs']) expect(one![field]).not.toEqual(two![field]);
    expect(one!['groupKey']).toBe(two!['groupKey']);
  });

  it('is refused with any field changed, left out, doubled or added', async () => {
    const bytes = await importBytes(charter);
    const spoilt = spoiltOf(jsonOf(bytes));
    expect(spoilt.length).toBeGreaterThan(30);
    for (const { at, value } of spoilt)
      expect(
        codeOf(() => openImport(publicGroup, charter, encodeCanonicalJson(value))),
        at,
      ).toBe('bad-import');
  });
});

describe('an import file', () => {
  const { charter, people } = tiered;
  let bytes: Uint8Array;
  let imported: Import;
  beforeAll(async () => {
    bytes = await importBytes(charter);
    imported = openFor(charter, bytes);
  });

  it('is refused in any spelling but one, cut off, and past its bytes', () => {
    const text = new TextDecoder().decode(bytes);
    for (const spelled of [
      `${text}\n`,
      ` ${text}`,
      text.slice(0, -1),
      text.slice(1),
      '',
      'null',
      '[]',
      '\u{feff}' + text,
    ])
      refuse(charter, utf8(spelled));
    expect(refuse(charter, new Uint8Array(maxImportBytes + 1).fill(32))).toContain('import file');
  });

  it('is refused under another charter, even one with the same members (T18)', () => {
    const other = decodeCharter(utf8(`${tiered.text}# the same people\n`));
    expect(refuse(other, bytes)).toContain('another charter');
    const renamed = encodeCanonicalJson({ ...jsonOf(bytes), charter: other.hash });
    expect(refuse(other, renamed)).toContain('proofs do not hold');
  });

  it('is refused with a longer or shorter vector, though everything in it is proved (T14)', async () => {
    for (const change of [1, -1]) {
      const lower = decodeCharter(utf8(tiered.text.replace('admin: 2', `admin: ${2 + change}`)));
      const other = jsonOf(await importBytes(lower));
      expect(refuse(charter, encodeCanonicalJson({ ...other, charter: charter.hash }))).toContain('exactly 2 valid');
    }
  });

  it('is refused when a holder got no box, though everything in it is proved', async () => {
    const [production, ...others] = flat.charter.channels;
    const [sharing] = production!.sharings;
    const fewer = { ...production!, sharings: [{ ...sharing!, members: sharing!.members.slice(0, -1) }] };
    const partial = await importBytes({ ...flat.charter, channels: [fewer, ...others] });
    expect(refuse(flat.charter, partial)).toContain('boxes are for other members');
  });

  it('is refused when somebody else’s group key is claimed', () => {
    const claimed = { ...jsonOf(bytes), groupKey: encodeBase64Url(hexToBytes(rfc8032Keys[1].publicKey)) };
    expect(refuse(charter, encodeCanonicalJson(claimed))).toContain('do not sum to its group key');
  });

  it('is refused when its maker knows the sum of the parts and not the parts (T15)', async () => {
    // A rogue part: the group key, minus a part whose secret is known; nobody can prove it.
    const key = publicGroup.decodePoint(hexToBytes(rfc8032Keys[1].publicKey))!;
    const known = jsonOf(await importBytes(charter));
    const [admins, build] = known['sharings'] as [{ commitments: string[] }, { commitments: string[] }];
    const minus = publicGroup.multiply(publicGroup.decodePoint(hexToBytes(admins.commitments[0]!))!, groupOrder - 1n);
    const rogue = bytesToHex(publicGroup.add(key, minus).bytes);
    expect(build.commitments).toHaveLength(1);
    const forged = {
      ...known,
      groupKey: encodeBase64Url(key.bytes),
      sharings: [admins, { commitments: [rogue] }],
    };
    expect(refuse(charter, encodeCanonicalJson(forged))).toContain('proofs do not hold');
  });

  it('is refused with the proofs or boxes of another one of the same key', async () => {
    const other = jsonOf(await importBytes(charter));
    for (const field of ['proofs', 'boxes', 'sharings']) {
      const mixed = { ...jsonOf(bytes), [field]: other[field] };
      refuse(charter, encodeCanonicalJson(mixed));
    }
    const swapped = { ...jsonOf(bytes), proofs: (jsonOf(bytes)['proofs'] as string[]).toReversed() };
    expect(refuse(charter, encodeCanonicalJson(swapped))).toContain('proofs do not hold');
  });

  it('is refused when the imported key is the identity key of a member (T38)', async () => {
    const identity = bytesToHex(people[0]!.seed());
    expect(refuse(charter, await importBytes(charter, { seed: identity }))).toContain('identity key of a member');
  });

  it('is refused with a box that is not base64 in its one spelling', () => {
    const value = jsonOf(bytes);
    const boxes = (value['boxes'] as { to: number; key: string; box: string }[]).map(({ to, key, box }) => ({
      to,
      key,
      box: box.slice(0, -1),
    }));
    refuse(charter, encodeCanonicalJson({ ...value, boxes }));
  });

  it('opens for each member its own box only (T17)', async () => {
    const [alice, bob] = people as [Person, Person];
    const self = charter.members[0]!;
    const other = sodium.loadBoxKey(oneTimeSecretOf(bob.key));
    expect(
      refusalOf(() => openImportedShare(imported, { arithmetic: sodium, charter, self, boxKey: other })),
    ).toMatchObject({
      code: 'bad-import',
      message: expect.stringContaining('another one-time key') as string,
    });
    sodium.wipe(other);
    const swapped: Import = {
      ...imported,
      boxes: new Map([...imported.boxes].map(([to], index, all) => [to, all[(index + 1) % all.length]![1]])),
    };
    await expect(shareFor(charter, swapped, alice)).rejects.toMatchObject({ code: 'bad-import' });
  });

  it('is refused by the member whose box was made for another key, charter or member', async () => {
    const [alice] = people as [Person];
    const key = { bytes: decodeBase64Url(imported.groupKey) };
    expect(key.bytes).toHaveLength(32);
    // The box is good; what it was made for is not.
    const others: [Charter, Import][] = [
      [charter, { ...imported, groupKey: encodeBase64Url(hexToBytes(rfc8032Keys[1].publicKey)) }],
      [{ ...charter, hash: '00'.repeat(32) }, imported],
    ];
    for (const [other, opened] of others)
      await expect(shareFor(other, opened, alice)).rejects.toMatchObject({
        message: expect.stringContaining('does not open') as string,
      });
    const second = charter.members[1]!;
    const boxKey = sodium.loadBoxKey(oneTimeSecretOf(alice.key));
    const moved: Import = { ...imported, boxes: new Map([[second.identifier, imported.boxes.get(toIdentifier(1))!]]) };
    expect(codeOf(() => openImportedShare(moved, { arithmetic: sodium, charter, self: second, boxKey }))).toBe(
      'bad-import',
    );
    sodium.wipe(boxKey);
  });

  it('is refused by the member whose box is changed in any byte', async () => {
    const [alice] = people as [Person];
    const { key, box } = imported.boxes.get(toIdentifier(1))!;
    for (const at of [0, 31, 32, 47, 48, 79, 80, box.length - 1]) {
      const changed = box.map((byte, index) => (index === at ? byte ^ 1 : byte));
      const opened: Import = {
        ...imported,
        boxes: new Map(imported.boxes).set(toIdentifier(1), { key, box: changed }),
      };
      await expect(shareFor(charter, opened, alice), `byte ${at}`).rejects.toMatchObject({ code: 'bad-import' });
    }
    expect(decodeBase64(encodeBase64(box))).toEqual(box);
  });

  it('is refused by the member that was dealt a share off the polynomial, and by nobody else (Appendix C.2)', async () => {
    let dealt = 0;
    const arithmetic = liar({
      evaluatePolynomial: (coefficients: readonly Secret[], x: bigint): Secret => {
        dealt += 1;
        const right = sodium.evaluatePolynomial(coefficients, x);
        if (x !== 2n) return right;
        const one = sodium.loadSecret(encodeScalar(1n))!;
        const wrong = sodium.sum([right, one]);
        sodium.wipe(one);
        return wrong;
      },
    });
    const lying = openFor(charter, await importBytes(charter, { by: arithmetic }));
    expect(dealt).toBe(4);
    for (const [index, who] of people.slice(0, 4).entries()) {
      const opening = shareFor(charter, lying, who);
      if (index === 1)
        await expect(opening).rejects.toMatchObject({
          code: 'bad-import',
          message: expect.stringContaining('does not fit') as string,
        });
      else sodium.wipe((await opening)!);
    }
  });

  it('is not made for a holder whose one-time key is missing or cannot be sealed to', async () => {
    const refusal = (found: string) => ({ code: 'bad-import', message: expect.stringContaining(found) as string });
    await expect(importBytes(charter, { keys: new Map() })).rejects.toMatchObject(refusal('no one-time key of'));
    await expect(importBytes(charter, { by: liar({ seal: () => undefined }) })).rejects.toMatchObject(
      refusal('nothing can be sealed'),
    );
  });
});

describe('memory (T29)', () => {
  it('holds neither seed nor key nor shares once the key is split and the group has ended', async () => {
    const { charter } = flat;
    const arithmetic = await createSodiumGroup({
      randomBytes: (count) => new Uint8Array(randomBytes(count)),
      arenaSlots: 64,
    });
    const seed = randomBytes(32);
    const scalar = Buffer.from(encodeScalar(reduceScalar(ed25519.utils.getExtendedPublicKey(seed).scalar)));
    const memory = (): Buffer => Buffer.from(testingOnlyMemory(arithmetic));
    const secret = arithmetic.loadSeed(Uint8Array.from(seed));
    expect(memory().includes(seed)).toBe(false);
    expect(memory().includes(scalar)).toBe(true);
    expect(
      Buffer.from(splitKey({ arithmetic, charter, secret, keys: await oneTimeKeysOf(charter) })).includes(
        scalar.toString('hex'),
      ),
    ).toBe(false);
    arithmetic.wipe(secret);
    expect(memory().includes(scalar)).toBe(false);
    arithmetic.end();
    expect(memory().includes(seed)).toBe(false);
  });
});
