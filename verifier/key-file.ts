/** The key that a person pins, in the forms that a command line takes. */
import { createPublicKey } from 'node:crypto';

import { decodeBase64Url } from './base64.ts';
import { isPublicKey } from './ed25519.ts';
import { VerifyError, within } from './errors.ts';
import { groupKeyPrefix, parseGroupKey } from './group-key.ts';
import { maxKeyFileBytes } from './limits.ts';
import { readSmallFile } from './open-file.ts';

/** A group public key; a PEM file gives it no name. */
export interface PinnedKey {
  readonly name: string | null;
  /** 32 bytes, passed `isPublicKey`. */
  readonly key: Uint8Array;
}

/**
 * Reads what was given as a key: a value that begins with `frostmark-group:`, else a path to GROUP.pub or to a PEM file with a
 * SubjectPublicKeyInfo. Throws `bad-key`, `missing-file` or `unreadable`.
 */
export async function readKeyArgument(value: string): Promise<PinnedKey> {
  if (value.startsWith(groupKeyPrefix)) return parseGroupKey(value.trimEnd());
  const text = new TextDecoder().decode(await readSmallFile(value, maxKeyFileBytes, 'bad-key'));
  return within(value, () => parseKeyFile(text));
}

function parseKeyFile(text: string): PinnedKey {
  if (text.startsWith(groupKeyPrefix)) return parseGroupKey(text.trimEnd());
  if (text.startsWith('-----BEGIN PUBLIC KEY-----')) return { name: null, key: parsePem(text) };
  throw new VerifyError('bad-key', 'neither a GROUP.pub line (frostmark-group:NAME:KEY) nor a PEM public key');
}

function parsePem(pem: string): Uint8Array {
  const { crv, x } = exportJwk(pem);
  if (crv !== 'Ed25519' || x === undefined) throw new VerifyError('bad-key', 'a public key, but not an Ed25519 one');
  const key = decodeBase64Url(x);
  if (!isPublicKey(key)) throw new VerifyError('bad-key', 'this is no Ed25519 public key that may be trusted');
  return key;
}

function exportJwk(pem: string): { readonly crv?: string | undefined; readonly x?: string | undefined } {
  try {
    return createPublicKey({ key: pem, format: 'pem' }).export({ format: 'jwk' });
  } catch (cause) {
    throw new VerifyError('bad-key', 'a PEM public key that cannot be read', { cause });
  }
}
