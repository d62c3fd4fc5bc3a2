/** OpenSSH private keys: `openssh-key-v1`, in the clear or encrypted (OpenSSH, PROTOCOL.key). */
import { createDecipheriv } from 'node:crypto';
import { bcryptPbkdf } from './bcrypt-pbkdf.ts';
import { ByteReader } from './byte-reader.ts';
import { ImporterError, unsupportedKey } from './errors.ts';
import { withPassphrase, type AskPassphrase, type PrivateKey } from './key.ts';
import { maxBcryptRounds } from './limits.ts';

const magic = Buffer.from('openssh-key-v1\0', 'latin1');

interface Cipher {
  readonly algorithm: 'aes-128-ctr' | 'aes-192-ctr' | 'aes-256-ctr' | 'aes-128-cbc' | 'aes-192-cbc' | 'aes-256-cbc';
  readonly keyBytes: number;
}

/** By OpenSSH's names; all have an IV of 16 bytes. */
const ciphers: Readonly<Record<string, Cipher>> = {
  'aes128-ctr': { algorithm: 'aes-128-ctr', keyBytes: 16 },
  'aes192-ctr': { algorithm: 'aes-192-ctr', keyBytes: 24 },
  'aes256-ctr': { algorithm: 'aes-256-ctr', keyBytes: 32 },
  'aes128-cbc': { algorithm: 'aes-128-cbc', keyBytes: 16 },
  'aes192-cbc': { algorithm: 'aes-192-cbc', keyBytes: 24 },
  'aes256-cbc': { algorithm: 'aes-256-cbc', keyBytes: 32 },
};
const ivBytes = 16;

/** Opens the decoded file. Throws `ImporterError`. */
export async function openOpensshKey(file: Uint8Array, ask: AskPassphrase): Promise<PrivateKey> {
  const reader = new ByteReader(file);
  if (!magic.equals(reader.take(magic.length))) throw damaged('it does not begin as one');
  const [cipher, kdf, options] = [text(reader), text(reader), reader.sshString()];
  if (reader.u32() !== 1)
    throw new ImporterError('unsupported-key', 'the OpenSSH file holds several keys; write one to a file of its own');
  const publicKey = readPublicKey(reader.sshString());
  const encrypted = reader.sshString();
  if (cipher === 'none') return { source: 'openssh', publicKey, seed: readSeed(encrypted, publicKey, 'bad-key-file') };
  if (kdf !== 'bcrypt') throw unknownProtection(`${cipher} with ${kdf}`);
  const opened = await withPassphrase(ask, (passphrase) => decrypt({ cipher, options, encrypted }, passphrase));
  try {
    return { source: 'openssh', publicKey, seed: readSeed(opened, publicKey, 'wrong-passphrase') };
  } finally {
    opened.fill(0);
  }
}

function text(reader: ByteReader): string {
  return new TextDecoder('latin1').decode(reader.sshString().subarray(0, 100));
}

function readPublicKey(blob: Uint8Array): Uint8Array {
  const reader = new ByteReader(blob);
  const type = text(reader);
  if (type.startsWith('sk-'))
    throw unsupportedKey(
      `the file is a ${type} key: its secret half is inside a hardware token and cannot be taken out`,
    );
  if (type !== 'ssh-ed25519') throw unsupportedKey(`the file is an OpenSSH key of the type ${type}, not ssh-ed25519`);
  const key = reader.sshString();
  if (key.length !== 32) throw damaged('its public key has no 32 bytes');
  return Uint8Array.from(key);
}

/** The private section as it is in the file: the name of its cipher, the options of bcrypt (salt and rounds), and the bytes. */
interface EncryptedSection {
  readonly cipher: string;
  readonly options: Uint8Array;
  readonly encrypted: Uint8Array;
}

function decrypt({ cipher: name, options, encrypted }: EncryptedSection, passphrase: Uint8Array): Uint8Array {
  const cipher = Object.hasOwn(ciphers, name) ? ciphers[name] : undefined;
  if (cipher === undefined) throw unknownProtection(name);
  const reader = new ByteReader(options);
  const [salt, rounds] = [reader.sshString(), reader.u32()];
  if (rounds < 1 || rounds > maxBcryptRounds) throw unknownProtection(`${rounds} rounds of bcrypt`);
  if (encrypted.length % ivBytes !== 0) throw damaged('its encrypted part is cut off');
  const derived = bcryptPbkdf(passphrase, salt, cipher.keyBytes + ivBytes, rounds);
  try {
    const [key, iv] = [derived.subarray(0, cipher.keyBytes), derived.subarray(cipher.keyBytes)];
    // The padding is OpenSSH's own.
    return createDecipheriv(cipher.algorithm, key, iv).setAutoPadding(false).update(encrypted);
  } finally {
    derived.fill(0);
  }
}

/** The private section. Its two equal numbers tell a wrong passphrase; `code` says what it means when they differ. */
function readSeed(section: Uint8Array, publicKey: Uint8Array, code: 'bad-key-file' | 'wrong-passphrase'): Uint8Array {
  const reader = new ByteReader(section);
  if (reader.u32() !== reader.u32()) {
    throw code === 'wrong-passphrase'
      ? new ImporterError(code, 'the passphrase does not open the OpenSSH key')
      : damaged('its check numbers differ');
  }
  const [type, inner, secret] = [text(reader), reader.sshString(), reader.sshString()];
  // OpenSSH keeps the seed with the public key after it.
  const agrees = [inner, secret.subarray(32)].every((copy) => Buffer.from(copy).equals(publicKey));
  if (type !== 'ssh-ed25519' || secret.length !== 64 || !agrees) throw damaged('its two halves do not agree');
  // A copy: a Buffer's slice would be wiped with the section.
  return Uint8Array.from(secret.subarray(0, 32));
}

function unknownProtection(what: string): ImporterError {
  return new ImporterError(
    'unsupported-key',
    `the OpenSSH key is protected with ${what}, which is not opened here; on a copy of it run: ssh-keygen -p -Z aes256-ctr -f COPY`,
  );
}

function damaged(found: string): ImporterError {
  return new ImporterError('bad-key-file', `the OpenSSH key file is damaged: ${found}`);
}
