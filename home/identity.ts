/** A role's identity: an Ed25519 key (RFC 8032) in the home, as PKCS#8 PEM (RFC 8410), owner-only. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { HomeError } from './errors.ts';
import { readFileBounded, writeFileOnce } from './files.ts';
import type { Home } from './home.ts';
import { maxIdentityFileBytes } from './limits.ts';

/** A key that signs and never shows itself. */
export interface Identity {
  /** 32 bytes (RFC 8032, Section 5.1.5). */
  readonly publicKey: Uint8Array;
  /** 64 bytes (RFC 8032, Section 5.1.6). */
  sign(message: Uint8Array): Uint8Array;
}

const identityName = 'identity.pem';

/** Makes the home's identity. Throws `HomeError('exists')` if it has one: an identity is never replaced. */
export async function createIdentity(home: Home): Promise<Identity> {
  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = Buffer.from(privateKey.export({ format: 'pem', type: 'pkcs8' }));
  try {
    await writeFileOnce(home.file(identityName), pem);
  } finally {
    pem.fill(0);
  }
  return identityOf(privateKey);
}

/** The public key (32 bytes) of an identity file that is not in a home; `path` is for messages. Throws `HomeError('damaged')`. */
export function publicKeyOfPem(pem: Uint8Array, path: string): Uint8Array {
  return identityOf(decodePrivateKey(pem, path)).publicKey;
}

/** Loads the home's identity. Throws `HomeError` (`missing`, `unreadable`, `not-private`, `too-large`, `damaged`). */
export async function loadIdentity(home: Home): Promise<Identity> {
  const path = home.file(identityName);
  const pem = await readIdentityFile(home, path);
  try {
    return identityOf(decodePrivateKey(pem, path));
  } finally {
    pem.fill(0);
  }
}

async function readIdentityFile(home: Home, path: string): Promise<Uint8Array> {
  try {
    return await readFileBounded(path, maxIdentityFileBytes, { ownerOnly: true });
  } catch (error) {
    if (!(error instanceof HomeError) || error.code !== 'missing') throw error;
    throw new HomeError('missing', `${path} is not there; make an identity with: frostmark ${home.role} init`, {
      path,
      cause: error,
    });
  }
}

function decodePrivateKey(pem: Uint8Array, path: string): KeyObject {
  const refusal = `${path} is not an unencrypted Ed25519 key in PKCS#8 PEM; restore it from your own copy`;
  if (!Buffer.from(pem.buffer, pem.byteOffset, pem.length).includes('-----BEGIN PRIVATE KEY-----\n')) {
    throw new HomeError('damaged', refusal, { path });
  }
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: Buffer.from(pem.buffer, pem.byteOffset, pem.length), format: 'pem', type: 'pkcs8' });
  } catch (cause) {
    throw new HomeError('damaged', refusal, { path, cause });
  }
  if (key.asymmetricKeyType !== 'ed25519') throw new HomeError('damaged', refusal, { path });
  return key;
}

function identityOf(privateKey: KeyObject): Identity {
  // An Ed25519 SPKI is 12 fixed bytes and the key (RFC 8410, Section 4).
  const publicKey = new Uint8Array(createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(12));
  return { publicKey, sign: (message) => new Uint8Array(sign(null, message, privateKey)) };
}
