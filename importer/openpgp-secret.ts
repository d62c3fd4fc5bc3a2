/** The secret half of an OpenPGP key packet, in the clear or under a passphrase (RFC 4880, Sections 3.7 and 5.5.3). */
import { createDecipheriv, createHash, timingSafeEqual } from 'node:crypto';
import { ByteReader } from './byte-reader.ts';
import { ImporterError } from './errors.ts';
import { withPassphrase, type AskPassphrase } from './key.ts';

/** By number (RFC 4880, Section 9.2). */
const ciphers: Readonly<
  Record<number, { readonly algorithm: string; readonly keyBytes: number; readonly ivBytes: number }>
> = {
  2: { algorithm: 'des-ede3-cfb', keyBytes: 24, ivBytes: 8 },
  7: { algorithm: 'aes-128-cfb', keyBytes: 16, ivBytes: 16 },
  8: { algorithm: 'aes-192-cfb', keyBytes: 24, ivBytes: 16 },
  9: { algorithm: 'aes-256-cfb', keyBytes: 32, ivBytes: 16 },
  11: { algorithm: 'camellia-128-cfb', keyBytes: 16, ivBytes: 16 },
  12: { algorithm: 'camellia-192-cfb', keyBytes: 24, ivBytes: 16 },
  13: { algorithm: 'camellia-256-cfb', keyBytes: 32, ivBytes: 16 },
};
/** By number (RFC 4880, Section 9.4). */
const hashes: Readonly<Record<number, string>> = { 2: 'sha1', 8: 'sha256', 9: 'sha384', 10: 'sha512', 11: 'sha224' };

/** How the secret is protected (RFC 4880, Section 5.5.3). */
const usage = { none: 0, aead: 253, sha1: 254, checksum: 255 } as const;
/** String-to-key specifiers (RFC 4880, Section 3.7.1); 101 is GnuPG's own for secrets that are elsewhere. */
const specifier = { simple: 0, salted: 1, iterated: 3, argon2: 4, gnu: 101 } as const;

/** Whether the export holds only a note that the secret half is elsewhere. */
export function isElsewhere([protection, , type]: Uint8Array): boolean {
  return protection !== usage.none && type === specifier.gnu;
}

/** Says so; `hint` names what else can be taken. */
export function elsewhere(hint: string): ImporterError {
  return new ImporterError(
    'unsupported-key',
    `the secret half is not in this file: the export holds a stub of a key that is elsewhere, on a smartcard or left out by --export-secret-subkeys; export it where gpg has it. From a card no key comes out${hint}`,
  );
}

/** The 32-byte seed after the public part of a packet of the old Ed25519 algorithm. Throws `ImporterError`. */
export async function openSecretPart(part: Uint8Array, ask: AskPassphrase): Promise<Uint8Array> {
  const reader = new ByteReader(part);
  const protection = reader.u8();
  if (protection === usage.none) return readSeed(reader.rest(), 'sum', 'bad-key-file');
  if (protection === usage.aead) throw tooNew('in the way of RFC 9580 (AEAD)');
  if (protection !== usage.sha1 && protection !== usage.checksum)
    throw unknownProtection('in a way older than OpenPGP');
  const cipherNumber = reader.u8();
  const derive = readSpecifier(reader);
  const cipher = ciphers[cipherNumber];
  if (cipher === undefined) throw unknownProtection(`with the cipher number ${cipherNumber}`);
  const [iv, encrypted] = [reader.take(cipher.ivBytes), reader.rest()];
  const opened = await withPassphrase(ask, (passphrase) => {
    const key = derive(passphrase, cipher.keyBytes);
    try {
      return createDecipheriv(cipher.algorithm, key, iv).update(encrypted);
    } finally {
      key.fill(0);
    }
  });
  try {
    return readSeed(opened, protection === usage.sha1 ? 'sha1' : 'sum', 'wrong-passphrase');
  } finally {
    opened.fill(0);
  }
}

type DeriveKey = (passphrase: Uint8Array, length: number) => Uint8Array;

function readSpecifier(reader: ByteReader): DeriveKey {
  const type = reader.u8();
  const hashNumber = reader.u8();
  const hash = hashes[hashNumber];
  if (hash === undefined) throw unknownProtection(`with the hash number ${hashNumber}`);
  if (type === specifier.simple) return (passphrase, length) => iterate(hash, passphrase, 0, length);
  if (type === specifier.argon2) throw tooNew(`with Argon2 (specifier ${type})`);
  if (type !== specifier.salted && type !== specifier.iterated) throw unknownProtection(`with the specifier ${type}`);
  const salt = reader.take(8);
  // The count of bytes to hash is coded as a mantissa of 4 bits and an exponent (RFC 4880, Section 3.7.1.3).
  const coded = type === specifier.iterated ? reader.u8() : undefined;
  const count = coded === undefined ? 0 : (16 + (coded & 15)) * 2 ** ((coded >> 4) + 6);
  return (passphrase, length) => {
    const salted = Buffer.concat([salt, passphrase]);
    const key = iterate(hash, salted, count, length);
    salted.fill(0);
    return key;
  };
}

/** Hashes `text` over and over, `count` bytes and at least once whole; a longer key takes more hashes, each with one more zero byte before it. */
function iterate(hash: string, text: Uint8Array, count: number, length: number): Uint8Array {
  const key = new Uint8Array(length);
  for (let at = 0, zeros = 0; at < length; zeros++) {
    const digest = createHash(hash).update(new Uint8Array(zeros));
    const total = Math.max(count, text.length);
    const many = Buffer.concat(Array.from({ length: Math.ceil(4096 / Math.max(text.length, 1)) }, () => text));
    let left = total;
    for (; left > many.length && many.length > 0; left -= many.length) digest.update(many);
    const bytes = digest.update(many.subarray(0, left)).digest();
    key.set(bytes.subarray(0, length - at), at);
    at += bytes.length;
    bytes.fill(0);
    many.fill(0);
  }
  return key;
}

/** An MPI and its checksum. */
function readSeed(part: Uint8Array, check: 'sum' | 'sha1', code: 'bad-key-file' | 'wrong-passphrase'): Uint8Array {
  const checkBytes = check === 'sum' ? 2 : 20;
  const content = part.subarray(0, Math.max(0, part.length - checkBytes));
  if (!agrees(content, part.subarray(content.length), check)) {
    throw code === 'wrong-passphrase'
      ? new ImporterError(code, 'the passphrase does not open the OpenPGP key')
      : new ImporterError(code, 'the OpenPGP key is damaged: its checksum is wrong');
  }
  const reader = new ByteReader(content);
  const value = reader.take(Math.ceil(reader.u16() / 8));
  if (value.length > 32 || !reader.isAtEnd)
    throw new ImporterError('bad-key-file', 'the OpenPGP key is damaged: its secret half is not 32 bytes');
  const seed = new Uint8Array(32);
  // An MPI has no leading zeros, and a seed may (RFC 4880, Section 3.2).
  seed.set(value, 32 - value.length);
  return seed;
}

function agrees(content: Uint8Array, checksum: Uint8Array, check: 'sum' | 'sha1'): boolean {
  if (check === 'sha1') {
    const digest = createHash('sha1').update(content).digest();
    return checksum.length === digest.length && timingSafeEqual(digest, checksum);
  }
  const sum = content.reduce((total, byte) => (total + byte) & 0xffff, 0);
  return checksum.length === 2 && (checksum[0] ?? 0) * 256 + (checksum[1] ?? 0) === sum;
}

/** gpg cannot open these either, so it is no help. */
function tooNew(how: string): ImporterError {
  return new ImporterError(
    'unsupported-key',
    `the OpenPGP key is protected ${how}, which neither gpg nor this command opens; take the passphrase off with the program that made the key (Sequoia: sq key password --clear-password; OpenPGP.js: decryptKey), offline, and import what that writes`,
  );
}

function unknownProtection(how: string): ImporterError {
  return new ImporterError(
    'unsupported-key',
    `the OpenPGP key is protected ${how}, which is not opened here; take the passphrase off with gpg --passwd and export the key again`,
  );
}
