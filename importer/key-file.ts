/** One private key file, whatever wrote it: recognised by its first bytes or its BEGIN line, never by its name. */
import { readFileBounded } from '../home/files.ts';
import { decodeBase64Bytes, decodeOpenpgpArmor, findArmor, type Armor } from './armor.ts';
import { ImporterError, unsupportedKey } from './errors.ts';
import type { AskPassphrase, PrivateKey } from './key.ts';
import { maxKeyFileBytes } from './limits.ts';
import { openOpenpgpKey } from './openpgp-key.ts';
import { openOpensshKey } from './openssh-key.ts';
import { openPkcs8Key } from './pkcs8-key.ts';

/** Which key of which file. */
export interface KeyFileOptions {
  readonly path: string;
  /** Fingerprint of an OpenPGP subkey; without it the primary key is taken. */
  readonly subkey?: string | undefined;
  readonly ask: AskPassphrase;
  /** Judges what has expired; the machine's clock unless said. */
  readonly nowUnixSeconds?: number;
}

/** Reads and opens the file; nothing of it stays in memory but the result. Throws `ImporterError` and `HomeError`. */
export async function openKeyFile(options: KeyFileOptions): Promise<PrivateKey> {
  const file = await readFileBounded(options.path, maxKeyFileBytes);
  try {
    return await openBytes(file, options);
  } finally {
    file.fill(0);
  }
}

async function openBytes(
  file: Uint8Array,
  { subkey, ask, nowUnixSeconds = Math.floor(Date.now() / 1000) }: KeyFileOptions,
): Promise<PrivateKey> {
  const isBinary = ((file[0] ?? 0) & 0x80) !== 0;
  const armor = isBinary ? undefined : findArmor(file);
  if (isBinary || armor?.label === 'PGP PRIVATE KEY BLOCK') {
    const packets = armor === undefined ? file : decodeOpenpgpArmor(armor.body);
    return await wiping(packets, () => openOpenpgpKey(packets, { subkey, nowUnixSeconds }, ask));
  }
  if (subkey !== undefined)
    throw new ImporterError('no-such-subkey', '--subkey is for OpenPGP keys, and this file is none');
  if (armor === undefined) throw unknownFile(file);
  return await openText(armor, ask);
}

async function openText(armor: Armor, ask: AskPassphrase): Promise<PrivateKey> {
  const { label, body } = armor;
  switch (label) {
    case 'OPENSSH PRIVATE KEY': {
      const decoded = decodeBase64Bytes(body);
      return await wiping(decoded, () => openOpensshKey(decoded, ask));
    }
    case 'PRIVATE KEY':
    case 'ENCRYPTED PRIVATE KEY':
      return await openPkcs8Key(armor, ask);
    case 'RSA PRIVATE KEY':
    case 'DSA PRIVATE KEY':
    case 'EC PRIVATE KEY':
      throw unsupportedKey(`the file is a private key of the type ${label.split(' ')[0] ?? ''}, not Ed25519`);
    case 'PUBLIC KEY':
    case 'PGP PUBLIC KEY BLOCK':
    case 'CERTIFICATE':
      throw new ImporterError('bad-key-file', `the file holds a ${label.toLowerCase()}: the private key is needed`);
    default:
      throw new ImporterError('bad-key-file', `the file holds a ${label}, which is no private key that is known here`);
  }
}

async function wiping<T>(bytes: Uint8Array, use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } finally {
    bytes.fill(0);
  }
}

function unknownFile(file: Uint8Array): ImporterError {
  const start = Buffer.from(file.subarray(0, 64)).toString('latin1');
  const known = 'a gpg export (gpg --export-secret-keys), an OpenSSH private key and a PKCS#8 PEM are known here';
  if (start.startsWith('PuTTY-User-Key-File'))
    return new ImporterError(
      'bad-key-file',
      'the file is a PuTTY key; write it as OpenSSH first: puttygen KEY.ppk -O private-openssh -o KEY',
    );
  if (start.startsWith('ssh-'))
    return new ImporterError('bad-key-file', 'the file is an OpenSSH public key: the private key beside it is needed');
  if (file[0] === 0x30)
    return new ImporterError(
      'bad-key-file',
      'the file may be DER; write it as PEM first: openssl pkey -inform DER -in KEY -out KEY.pem',
    );
  return new ImporterError('bad-key-file', `the file is no private key file; ${known}`);
}
