/** Private keys as PKCS#8 PEM (RFC 5208, RFC 8410), in the clear or encrypted, read by Node's OpenSSL. */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { decodeBase64Bytes, type Armor } from './armor.ts';
import { ImporterError, unsupportedKey } from './errors.ts';
import { withPassphrase, type AskPassphrase, type PrivateKey } from './key.ts';

/** What an Ed25519 key is written as, before its seed (RFC 8410, Section 7). */
const prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
/** An Ed25519 public key is this many bytes of SPKI, then the key (RFC 8410, Section 4). */
const spkiPrefixBytes = 12;

/** Opens the block of a PEM file. Throws `ImporterError`. */
export async function openPkcs8Key({ label, body }: Armor, ask: AskPassphrase): Promise<PrivateKey> {
  const der = decodeBase64Bytes(body);
  try {
    assertWhole(der);
    const key =
      label === 'PRIVATE KEY'
        ? decode(der, undefined)
        : await withPassphrase(ask, (passphrase) => decode(der, passphrase));
    if (key.asymmetricKeyType !== 'ed25519')
      throw unsupportedKey(`the file is a private key of the type ${key.asymmetricKeyType ?? 'unknown'}, not Ed25519`);
    const publicKey = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(spkiPrefixBytes);
    return { source: 'pkcs8', publicKey: new Uint8Array(publicKey), seed: seedOf(key) };
  } finally {
    der.fill(0);
  }
}

/** Decryption turns a file that is cut off into something that looks like a wrong passphrase; its length tells. */
function assertWhole(der: Uint8Array): void {
  const [tag, first = 0, high = 0, low = 0] = der;
  const whole = first < 0x80 ? 2 + first : first === 0x81 ? 3 + high : first === 0x82 ? 4 + high * 256 + low : 0;
  if (tag !== 0x30 || whole !== der.length)
    throw new ImporterError('bad-key-file', 'the PEM file is damaged or cut off: it is not as long as it says');
}

function decode(der: Uint8Array, passphrase: Uint8Array | undefined): KeyObject {
  const key = { key: Buffer.from(der.buffer, der.byteOffset, der.length), format: 'der', type: 'pkcs8' } as const;
  if (passphrase === undefined)
    return refused(() => createPrivateKey(key), 'bad-key-file', 'the PEM file holds no private key');
  return refused(
    () =>
      createPrivateKey({
        ...key,
        passphrase: Buffer.from(passphrase.buffer, passphrase.byteOffset, passphrase.length),
      }),
    'wrong-passphrase',
    'the passphrase does not open the private key',
  );
}

function refused(open: () => KeyObject, code: 'bad-key-file' | 'wrong-passphrase', message: string): KeyObject {
  try {
    return open();
  } catch (cause) {
    throw new ImporterError(code, message, { cause });
  }
}

function seedOf(key: KeyObject): Uint8Array {
  const der = key.export({ format: 'der', type: 'pkcs8' });
  try {
    if (!der.subarray(0, prefix.length).equals(prefix) || der.length !== prefix.length + 32)
      throw new ImporterError('bad-key-file', 'the private key is not written as RFC 8410 says');
    return Uint8Array.from(der.subarray(prefix.length));
  } finally {
    der.fill(0);
  }
}
