/** The group public key as people pin it: one line, `frostmark-group:<name>:<base64url of 32 bytes>`, the contents of GROUP.pub. */
import { decodeBase64Url, encodeBase64Url } from './base64.ts';
import { isPublicKey } from './ed25519.ts';
import { VerifyError } from './errors.ts';
import { isName } from './names.ts';

/** What a `frostmark-group:` line says. The name is for people; only the charter decides it. */
export interface GroupKey {
  readonly name: string;
  /** 32 bytes, passed `isPublicKey`. */
  readonly key: Uint8Array;
}

/** How every such line begins. */
export const groupKeyPrefix = 'frostmark-group:';

/** Reads such a line without its newline. Throws `bad-key` for another form, a malformed name, or a key that may not be trusted. */
export function parseGroupKey(line: string): GroupKey {
  const [, name = '', encoded = ''] = /^frostmark-group:([^:]*):([A-Za-z0-9_-]{43})$/.exec(line) ?? [];
  if (!isName(name))
    throw new VerifyError('bad-key', 'a group key reads frostmark-group:NAME:KEY, copied whole from GROUP.pub');
  return { name, key: decodePublicKey(encoded) };
}

/** Inverse of `parseGroupKey`. */
export function formatGroupKey({ name, key }: GroupKey): string {
  const line = `${groupKeyPrefix}${name}:${encodeBase64Url(key)}`;
  parseGroupKey(line);
  return line;
}

function decodePublicKey(encoded: string): Uint8Array {
  const key = decodeOrRefuse(encoded);
  if (!isPublicKey(key)) throw new VerifyError('bad-key', 'this is no Ed25519 public key that may be trusted');
  return key;
}

function decodeOrRefuse(encoded: string): Uint8Array {
  try {
    return decodeBase64Url(encoded);
  } catch (cause) {
    throw new VerifyError('bad-key', 'the key is not strict base64url', { cause });
  }
}
