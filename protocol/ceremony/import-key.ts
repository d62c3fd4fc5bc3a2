/**
 * A one-time key that a holder makes before an existing key is split: its share of that key is sealed to it, and nothing else ever is
 * (X25519, RFC 7748). Signed by the holder's identity and bound to the charter, it travels as one line of text.
 */
import { decodeBase64Url, encodeBase64Url } from '../../verifier/base64.ts';
import { decodeCanonicalJson, encodeCanonicalJson } from '../../verifier/json.ts';
import { bytesToHex, equalBytes, hexToBytes } from '../wire/bytes.ts';
import { defineMessage, openMessage, refuseAs, sealMessage, type Identity } from '../wire/envelope.ts';
import { ProtocolError } from '../errors.ts';
import { memberByKey, type Charter, type Member } from '../files/charter.ts';
import type { Identifier } from '../frost/sharing.ts';
import { maxImportKeyBytes, maxImportKeysBytes, maxJsonDepth } from '../limits.ts';
import { Hash, Hex, Strict } from '../wire/schema.ts';
import { isSmallOrderBoxKey } from './box-key.ts';
import { holdersOfProduction } from './import.ts';

const importKeyMessage = defineMessage(
  'import-key',
  Strict({ charter: Hash, key: Hex(32) }),
  'bad-import-key',
  maxImportKeyBytes,
);

const prefix = 'frostmark-import-key:';

/** One-time X25519 public keys (32 bytes each) of a charter's holders of production. */
export type ImportKeys = ReadonlyMap<Identifier, Uint8Array>;

/** The line of a member's one-time key (X25519 public key, 32 bytes), without a newline. */
export function encodeImportKey(charter: Charter, key: Uint8Array, identity: Identity): string {
  const envelope = sealMessage(importKeyMessage, { charter: charter.hash, key: bytesToHex(key) }, identity);
  return prefix + encodeBase64Url(encodeCanonicalJson(envelope));
}

/**
 * Reads a file of such lines: exactly one key for every holder of production. Empty lines, and those that begin with #, say nothing. `name` is for
 * messages. Throws `ProtocolError`: `bad-import-key` with file and line, or with the names of the holders whose line is missing.
 */
export function readImportKeys(file: Uint8Array, name: string, charter: Charter): ImportKeys {
  if (file.length > maxImportKeysBytes)
    throw new ProtocolError('bad-import-key', `has more than ${maxImportKeysBytes} bytes`, { file: name });
  const { holders } = holdersOfProduction(charter);
  const keys = new Map<Identifier, Uint8Array>();
  const seen = new Set<string>();
  for (const [index, text] of new TextDecoder().decode(file).split('\n').entries()) {
    const line = text.trim();
    if (line === '' || line.startsWith('#') || seen.has(line)) continue;
    seen.add(line);
    try {
      addKey(keys, decodeImportKey(line, charter, holders));
    } catch (cause) {
      if (!(cause instanceof ProtocolError)) throw cause;
      throw new ProtocolError('bad-import-key', cause.message, { file: name, line: index + 1, cause });
    }
  }
  assertComplete(keys, holders, name);
  return keys;
}

function addKey(keys: Map<Identifier, Uint8Array>, { holder, key }: HolderKey): void {
  const known = keys.get(holder.identifier);
  if (known !== undefined && !equalBytes(known, key))
    throw refusal(`${holder.name} has two lines with different keys; ask ${holder.name} which one its home prints`);
  keys.set(holder.identifier, key);
}

function assertComplete(keys: ImportKeys, holders: readonly Member[], name: string): void {
  const missing = holders.filter(({ identifier }) => !keys.has(identifier)).map((holder) => holder.name);
  if (missing.length === 0) return;
  throw new ProtocolError(
    'bad-import-key',
    `has no key of ${missing.join(', ')}: each runs frostmark participant import-key CHARTER.yaml, and its line belongs into this file`,
    { file: name },
  );
}

interface HolderKey {
  readonly holder: Member;
  readonly key: Uint8Array;
}

function decodeImportKey(line: string, charter: Charter, holders: readonly Member[]): HolderKey {
  if (!line.startsWith(prefix)) throw refusal(`a line starts with ${prefix}`);
  const envelope = refuseAs('bad-import-key', 'import key', () =>
    decodeCanonicalJson(decodeBase64Url(line.slice(prefix.length)), {
      maxBytes: 2 * maxImportKeyBytes,
      maxDepth: maxJsonDepth,
    }),
  );
  const { from, payload } = openMessage(importKeyMessage, envelope, (key) => memberByKey(charter, key) !== undefined);
  if (payload.charter !== charter.hash)
    throw refusal(`the key was made for another charter (${payload.charter}); its member makes one for this charter`);
  const holder = holders.find(({ key }) => key === from);
  if (holder === undefined) throw refusal('the key is of a member that holds no share of production');
  const key = hexToBytes(payload.key);
  // With such a key every shared secret is zero, and whoever sees the box opens it (T17).
  if (isSmallOrderBoxKey(key)) throw refusal(`the key of ${holder.name} has a small order`);
  return { holder, key };
}

function refusal(found: string): ProtocolError {
  return new ProtocolError('bad-import-key', found);
}
