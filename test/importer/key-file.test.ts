/** Private key files, read: every form, every protection, and everything that is something else or damaged. */
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { ImporterErrorCode } from '../../importer/errors.ts';
import { bcryptPbkdf } from '../../importer/bcrypt-pbkdf.ts';
import { blowfishStart } from '../../importer/blowfish.ts';
import { maxKeyFileBytes } from '../../importer/limits.ts';
import { rfc8032Keys } from '../harness/import.ts';
import {
  armored,
  curves,
  open,
  openssh,
  packet,
  pkcs8,
  protectedSecret,
  secretKey,
  summed,
  transferable,
  type HandKey,
} from './key-files.ts';

const [key, other] = rfc8032Keys;
const gpg = 'PGP PRIVATE KEY BLOCK';

/** A seed that begins with two zero bytes: an MPI drops them. */
const short: HandKey = (() => {
  const seed = `0000${'5a'.repeat(30)}`;
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.from(seed, 'hex')]);
  const spki = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
  return { seed, publicKey: spki.export({ format: 'der', type: 'spki' }).subarray(12).toString('hex') };
})();

async function expectOpens(bytes: Uint8Array | string, expected: HandKey, passphrase?: string): Promise<void> {
  const opened = await open(bytes, passphrase === undefined ? {} : { passphrase });
  expect(Buffer.from(opened.seed).toString('hex')).toBe(expected.seed);
  expect(Buffer.from(opened.publicKey).toString('hex')).toBe(expected.publicKey);
  expect(opened.asked).toBe(passphrase === undefined ? 0 : 1);
}

async function expectRefused(
  bytes: Uint8Array | string,
  code: ImporterErrorCode,
  found: string,
  options: { readonly passphrase?: string; readonly subkey?: string } = {},
): Promise<void> {
  await expect(open(bytes, options)).rejects.toMatchObject({ code, message: expect.stringContaining(found) as string });
}

describe('a key file in the clear', () => {
  it.each([...rfc8032Keys, short])('gives its seed, whatever wrote it: $publicKey', async (one) => {
    await expectOpens(transferable(one), one);
    await expectOpens(armored(gpg, transferable(one), 'Comment: one\nVersion: x\n\n'), one);
    await expectOpens(armored(gpg, transferable(one), '\n'), one);
    await expectOpens(armored(gpg, transferable(one), ' \r\n').replaceAll(/\r?\n/g, '\r\n'), one);
    await expectOpens(armored('OPENSSH PRIVATE KEY', openssh(one)), one);
    await expectOpens(armored('PRIVATE KEY', pkcs8(one)), one);
    await expectOpens(`Bag Attributes\n  name: x\n${armored('PRIVATE KEY', pkcs8(one))}`, one);
  });

  it('may have packets of either format, and signatures between them', async () => {
    const parts = [
      packet(5, secretKey(key), 'new'),
      packet(13, Buffer.from('x'), 'new'),
      packet(2, Buffer.alloc(300, 4), 'new'),
    ];
    await expectOpens(Buffer.concat(parts), key);
    const opened = await open(Buffer.concat(parts));
    expect(opened.openpgp).toMatchObject({ userIds: ['x'], isPrimary: true, createdUnixSeconds: 1704067200 });
  });

  it('has the fingerprint of RFC 4880, Section 12.2', async () => {
    const { openpgp } = await open(transferable(key));
    const body = secretKey(key, { secret: Buffer.alloc(0) });
    const expected = createHash('sha1')
      .update(Buffer.of(0x99, 0, body.length))
      .update(body)
      .digest('hex');
    expect(openpgp?.fingerprint).toBe(expected);
    const later = await open(transferable(key, { created: 1704067201 }));
    expect(later.openpgp?.fingerprint).not.toBe(expected);
  });
});

describe('an OpenPGP key under a passphrase', () => {
  it.each([
    ['what gpg writes', { cipher: [7, 'aes-128-cfb', 16], hash: [2, 'sha1'] }],
    ['AES-192 and SHA-224', { cipher: [8, 'aes-192-cfb', 24], hash: [11, 'sha224'] }],
    ['AES-256 and SHA-256', {}],
    ['a key longer than the hash', { cipher: [9, 'aes-256-cfb', 32], hash: [2, 'sha1'] }],
    ['SHA-384', { hash: [9, 'sha384'] }],
    ['SHA-512', { hash: [10, 'sha512'] }],
    ['TripleDES', { cipher: [2, 'des-ede3-cfb', 24] }],
    ['Camellia', { cipher: [13, 'camellia-256-cfb', 32] }],
    ['the salted specifier', { specifier: 1 }],
    ['the simple specifier', { specifier: 0 }],
    ['the old checksum', { usage: 255 }],
  ] as const)('opens: %s', async (_what, how) => {
    const secret = protectedSecret(key.seed, 'open sesame', how);
    await expectOpens(transferable(key, { secret }), key, 'open sesame');
    await expectRefused(transferable(key, { secret }), 'wrong-passphrase', 'does not open', {
      passphrase: 'Open sesame',
    });
  });

  it('opens with leading zeros in its seed, and with a passphrase longer than what is hashed', async () => {
    await expectOpens(transferable(short, { secret: protectedSecret(short.seed, 'p') }), short, 'p');
    const long = 'long '.repeat(190);
    await expectOpens(transferable(key, { secret: protectedSecret(key.seed, long) }), key, long);
  });

  it.each([
    ['a key of a smartcard', Buffer.from([255, 0, 101, 0, 0x47, 0x4e, 0x55, 2]), 'smartcard'],
    ['a key that was left out', Buffer.from([254, 0, 101, 0, 0x47, 0x4e, 0x55, 1]), '--export-secret-subkeys'],
    ['AEAD', Buffer.concat([Buffer.of(253, 9, 2, 3, 8), Buffer.alloc(60)]), 'AEAD'],
    ['a cipher of old', Buffer.concat([Buffer.of(9), Buffer.alloc(60)]), 'older than OpenPGP'],
    ['Argon2', Buffer.concat([Buffer.of(254, 9, 4, 8), Buffer.alloc(60)]), 'specifier 4'],
    ['MD5', Buffer.concat([Buffer.of(254, 9, 3, 1), Buffer.alloc(60)]), 'hash number 1'],
    ['CAST5', Buffer.concat([Buffer.of(254, 3, 3, 2), Buffer.alloc(60)]), 'cipher number 3'],
  ])('is refused, with what to do: %s', async (_what, secret, found) => {
    await expectRefused(transferable(key, { secret }), 'unsupported-key', found, { passphrase: 'x' });
  });
});

describe('an OpenPGP key of another kind', () => {
  it.each([
    [1, 'RSA'],
    [17, 'DSA'],
    [18, 'ECDH'],
    [19, 'ECDSA'],
    [25, 'X25519'],
    [26, 'X448'],
    [27, 'fingerprint would change'],
    [28, 'Ed448'],
    [99, 'unknown algorithm 99'],
  ])('is refused with a way forward: algorithm %i', async (algorithm, found) => {
    await expectRefused(transferable(key, { algorithm }), 'unsupported-key', found);
    await expectRefused(transferable(key, { algorithm }), 'unsupported-key', 'join without --import');
  });

  it.each([3, 5, 6])('is refused: version %i', async (version) => {
    await expectRefused(transferable(key, { version }), 'unsupported-key', `version ${version}`);
  });

  it('is refused on another curve', async () => {
    await expectRefused(transferable(key, { oid: curves.ed448 }), 'unsupported-key', 'another curve');
  });

  it('names the Ed25519 subkey that can be taken instead, and takes it', async () => {
    const subkey = packet(7, secretKey(other, { created: 1704070000 }));
    const file = transferable(key, { algorithm: 1 }, subkey);
    const refusal = await open(file).catch((error: unknown) => error as Error);
    const fingerprint = /--subkey ([0-9a-f]{40})/.exec((refusal as Error).message)?.[1] ?? '';
    for (const wanted of [fingerprint, `0x${fingerprint.toUpperCase()}`, fingerprint.replaceAll(/(.{4})/g, '$1 ')]) {
      const opened = await open(file, { subkey: wanted });
      expect(Buffer.from(opened.publicKey).toString('hex')).toBe(other.publicKey);
      expect(opened.openpgp).toMatchObject({ isPrimary: false, createdUnixSeconds: 1704070000, fingerprint });
    }
  });

  it('has no such subkey', async () => {
    const primary = (await open(transferable(key))).openpgp!.fingerprint;
    for (const subkey of [primary, '', '1234', 'ff'.repeat(20)])
      await expectRefused(transferable(key), 'no-such-subkey', 'it has none', { subkey });
    await expectRefused(armored('PRIVATE KEY', pkcs8(key)), 'no-such-subkey', 'OpenPGP', { subkey: primary });
  });
});

describe('an OpenPGP file that is damaged', () => {
  it('is refused wherever it is cut off', async () => {
    const whole = packet(5, secretKey(key));
    for (let length = 1; length < whole.length; length++)
      await expect(open(whole.subarray(0, length)), `${length} bytes`).rejects.toMatchObject({ code: 'bad-key-file' });
  });

  it('is refused when its sum, its secret’s length or its point is wrong', async () => {
    const wrongSum = Buffer.concat([Buffer.of(0), summed(Buffer.from(key.seed, 'hex'), 1)]);
    await expectRefused(transferable(key, { secret: wrongSum }), 'bad-key-file', 'checksum');
    const long = Buffer.concat([Buffer.of(0), summed(Buffer.alloc(33, 9))]);
    await expectRefused(transferable(key, { secret: long }), 'bad-key-file', 'not 32 bytes');
    await expectRefused(transferable(key, { prefix: 0x41 }), 'bad-key-file', 'no Ed25519 point');
  });

  it('is refused when it holds several keys, a public key, no key, or packets in pieces', async () => {
    await expectRefused(Buffer.concat([transferable(key), transferable(other)]), 'bad-key-file', 'several keys');
    await expectRefused(packet(6, secretKey(key)), 'bad-key-file', 'public key only');
    await expectRefused(packet(13, Buffer.from('x')), 'bad-key-file', 'no OpenPGP secret key');
    await expectRefused(Buffer.of(0xc5, 0xe8, 1, 2, 3), 'bad-key-file', 'in pieces');
    await expectRefused(Buffer.of(0x97, 1, 2, 3), 'bad-key-file', 'without a length');
    await expectRefused(Buffer.concat([transferable(key), Buffer.of(0x00)]), 'bad-key-file', 'damaged');
  });

  it('is refused with broken armor', async () => {
    const text = armored(gpg, transferable(key), '\n');
    await expectRefused(text.replace(/-----END.*/s, ''), 'bad-key-file', 'cut off');
    await expectRefused(armored(gpg, transferable(key)), 'bad-key-file', '');
    await expectRefused(text.replace('\n\n', '\n\n!'), 'bad-key-file', 'not base64');
    await expectRefused(text.replace('\n\nl', '\n\n'), 'bad-key-file', '');
    await expectRefused(
      armored('PGP PUBLIC KEY BLOCK', transferable(key), '\n'),
      'bad-key-file',
      'the private key is needed',
    );
  });
});

describe('an OpenSSH key that cannot be split', () => {
  const label = 'OPENSSH PRIVATE KEY';

  it.each([
    ['ssh-rsa', 'ssh-rsa'],
    ['ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp256'],
    ['ssh-ed448', 'ssh-ed448'],
    ['sk-ssh-ed25519@openssh.com', 'hardware token'],
  ])('is refused with a way forward: %s', async (type, found) => {
    await expectRefused(armored(label, openssh(key, { type })), 'unsupported-key', found);
    await expectRefused(armored(label, openssh(key, { type })), 'unsupported-key', 'join without --import');
  });

  it('is refused when it is protected in a way that is not opened here', async () => {
    const options = Buffer.from('0000000873616c7473616c7400000010', 'hex');
    const many = Buffer.from('0000000873616c7473616c7400ffffff', 'hex');
    for (const change of [
      { cipher: 'chacha20-poly1305@openssh.com', kdf: 'bcrypt', options },
      { cipher: 'toString', kdf: 'bcrypt', options },
      { cipher: 'aes256-ctr', kdf: 'scrypt', options },
      { cipher: 'aes256-ctr', kdf: 'bcrypt', options: many },
    ])
      await expectRefused(armored(label, openssh(key, change)), 'unsupported-key', 'ssh-keygen -p', {
        passphrase: 'x',
      });
  });

  it('is refused when it is damaged: cut off anywhere, check numbers, halves that do not agree, several keys', async () => {
    const whole = openssh(key);
    for (let length = 0; length < whole.length - 12; length += 3)
      await expect(open(armored(label, whole.subarray(0, length))), `${length}`).rejects.toMatchObject({
        code: 'bad-key-file',
      });
    await expectRefused(armored(label, openssh(key, { checks: [1, 2] })), 'bad-key-file', 'check numbers');
    await expectRefused(armored(label, openssh(key, { inner: other.publicKey })), 'bad-key-file', 'do not agree');
    await expectRefused(armored(label, openssh(key, { keys: 2 })), 'unsupported-key', 'several keys');
    await expectRefused(armored(label, Buffer.from('openssh-key-v2\0')), 'bad-key-file', 'does not begin');
  });
});

describe('a PEM file that cannot be split', () => {
  it('is refused when it is cut off or no key', async () => {
    const whole = pkcs8(key);
    for (let length = 0; length < whole.length; length++)
      await expect(open(armored('PRIVATE KEY', whole.subarray(0, length))), `${length}`).rejects.toMatchObject({
        code: 'bad-key-file',
      });
    await expectRefused(armored('PRIVATE KEY', Buffer.from('3003020100', 'hex')), 'bad-key-file', 'no private key');
    await expectRefused(
      armored('PRIVATE KEY', Buffer.concat([whole, Buffer.of(0)])),
      'bad-key-file',
      'not as long as it says',
    );
  });

  it.each([
    ['RSA PRIVATE KEY', 'unsupported-key', 'RSA'],
    ['EC PRIVATE KEY', 'unsupported-key', 'EC'],
    ['DSA PRIVATE KEY', 'unsupported-key', 'DSA'],
    ['PUBLIC KEY', 'bad-key-file', 'the private key is needed'],
    ['CERTIFICATE', 'bad-key-file', 'the private key is needed'],
    ['SSH2 ENCRYPTED PRIVATE KEY', 'bad-key-file', 'no private key that is known'],
  ] as const)('is refused by its label: %s', async (label, code, found) => {
    await expectRefused(armored(label, pkcs8(key)), code, found);
  });
});

describe('a file that is no key file', () => {
  it.each([
    ['an empty file', '', 'no private key file'],
    ['text', 'hello\n', 'no private key file'],
    ['a public key of OpenSSH', 'ssh-ed25519 AAAA x\n', 'the private key beside it'],
    ['a PuTTY key', 'PuTTY-User-Key-File-3: ssh-ed25519\n', 'puttygen'],
    ['DER', pkcs8(key), 'openssl pkey'],
    ['a BEGIN line alone', '-----BEGIN PRIVATE KEY', 'no private key file'],
    ['a label without an end', '-----BEGIN PRIVATE KEY-----\nAAAA\n', 'cut off'],
    ['binary junk', Buffer.alloc(64, 0xff), ''],
  ])('is refused: %s', async (_what, bytes, found) => {
    await expectRefused(bytes, 'bad-key-file', found);
  });

  it('is refused past its bytes, and where it is not there', async () => {
    await expect(open(Buffer.alloc(maxKeyFileBytes + 1))).rejects.toMatchObject({ code: 'too-large' });
  });
});

describe('bcrypt_pbkdf', () => {
  it('begins with the first digits of π (Blowfish, Appendix A)', () => {
    const state = blowfishStart();
    expect(state).toHaveLength(18 + 1024);
    expect([state[0], state[17], state[18], state[1041]].map((word) => word?.toString(16))).toEqual([
      '243f6a88',
      '8979fb1b',
      'd1310ba6',
      '3ac372e6',
    ]);
  });

  it.each([
    [4, 'password', 'salt', '5bbf0cc293587f1c3635555c27796598d47e579071bf427e9d8fbe842aba34d9'],
    [4, 'password', '\0', 'c12b566235eee04c212598970a579a67'],
    [4, '\0', 'salt', '6051be18c2f4f82cbf0efee5471b4bb9'],
    [
      8,
      'password',
      'salt',
      'e1367ec5151a33faac4cc1c144cd23fa15d5548493ecc99b9b5d9c0d3b27bec76227ea66088b849b20ab7aa478010246e74bba51723fefa9f9474d6508845e8d',
    ],
  ])('comes to the known answers: %i rounds of %j and %j', (rounds, passphrase, salt, expected) => {
    const bytes = bcryptPbkdf(Buffer.from(passphrase), Buffer.from(salt), expected.length / 2, rounds);
    expect(Buffer.from(bytes).toString('hex')).toBe(expected);
  });
});
