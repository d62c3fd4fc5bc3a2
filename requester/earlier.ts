/** Our own earlier outputs, told by what is in them: whose key they are by, and what they are about. */
import { decodeBundle } from '../verifier/bundle.ts';
import { decodeBase64, encodeBase64Url } from '../verifier/base64.ts';
import { decodeEnvelope } from '../verifier/dsse.ts';
import { VerifyError } from '../verifier/errors.ts';
import { decodeCanonicalJson } from '../verifier/json.ts';
import { maxDepth } from '../verifier/limits.ts';
import { decodeStatus, statusPayloadType } from '../verifier/status.ts';
import { decodeStatement, type Statement } from '../verifier/statement.ts';
import { decodeManifest } from '../protocol/documents/manifest.ts';
import { ProtocolError } from '../protocol/errors.ts';
import type { Epoch } from '../protocol/ceremony/epoch.ts';
import { minisignKeyId } from '../protocol/formats/minisign.ts';
import { dearmor } from '../protocol/openpgp/armor.ts';
import { openpgpKeyOf } from '../protocol/openpgp/group-key.ts';
import { decodeSshSignature } from '../protocol/ssh/signature.ts';
import { maxEarlierOutputBytes } from './limits.ts';

/** What a bundle states, whoever signed it; `undefined` for what is no bundle. */
function statementOf(bytes: Uint8Array): Statement | undefined {
  return attempt(() => decodeStatement(decodeBase64(decodeBundle(bytes).statement.payload)));
}

/** A bundle about a file of this name: of the group with this key (base64url), or of any. */
export function isBundleOf(bytes: Uint8Array, name: string, groupKey?: string): boolean {
  const statement = statementOf(bytes);
  if (statement?.subjects.some((subject) => subject.name === name) !== true) return false;
  return groupKey === undefined || encodeBase64Url(statement.groupKey) === groupKey;
}

/** A manifest that lists nothing but these names: a new one loses nothing. */
export function isManifestOf(bytes: Uint8Array, names: ReadonlySet<string>): boolean {
  return attempt(() => decodeManifest(bytes).every(({ name }) => names.has(name))) ?? false;
}

/** A signature in a format of stock tools, whoever made it. */
export function isStockSignature(bytes: Uint8Array): boolean {
  return /^(-----BEGIN (PGP SIGN|SSH SIGNATURE-----)|untrusted comment: )/.test(textOf(bytes));
}

/** A signature in this format by a key of the group. */
export function isSignatureOf(bytes: Uint8Array, format: string, epoch: Epoch): boolean {
  const keys = epoch.charter.channels.map(({ name }) => ({ name, key: epoch.channel(name).point.bytes }));
  switch (format) {
    case 'openpgp':
    case 'openpgp-cleartext': {
      const packets = attempt(() => dearmor('PGP SIGNATURE', armoredPart(bytes)));
      return keys.some(({ name }) => attempt(() => contains(packets, openpgpKeyOf(epoch, name).fingerprint)) === true);
    }
    case 'ssh': {
      const blob = attempt(() => decodeSshSignature(bytes))?.keyBlob;
      return keys.some(({ key }) => contains(blob, key));
    }
    case 'minisign': {
      const blob = attempt(() => decodeBase64(textOf(bytes).split('\n')[1] ?? ''));
      return keys.some(({ key }) => contains(blob?.subarray(0, 10), minisignKeyId(key)));
    }
    default:
      return false;
  }
}

/**
 * An export of the same group's key in the same form: every line of text names a key that `content` names, too, and of a binary certificate the
 * primary key is the same.
 */
export function isEarlierExport(bytes: Uint8Array, content: Uint8Array): boolean {
  const group = statusGroupOf(content);
  if (group !== undefined) return statusGroupOf(bytes) === group;
  const [before, after] = [bytes, content].map((one) => Buffer.from(one));
  if (before === undefined || after === undefined) return false;
  if (!isAscii(before) || !isAscii(after))
    return before.subarray(0, primaryKeyBytes).equals(after.subarray(0, primaryKeyBytes));
  if (/^-----BEGIN PGP/.test(before.toString()))
    return before.toString().slice(0, armoredKeyCharacters) === after.toString().slice(0, armoredKeyCharacters);
  const words = new Set(keyWords(after.toString()));
  // Comments alone are somebody's text.
  const lines = before
    .toString()
    .trim()
    .split('\n')
    .filter((line) => !isComment(line));
  return lines.length > 0 && lines.every((line) => keyWords(line).some((word) => words.has(word)));
}

function isComment(line: string): boolean {
  return ['#', 'untrusted comment: ', '-----'].some((start) => line.startsWith(start));
}

/** Whose status this is, base64url, as its first line says; `undefined` for what is none. */
export function statusGroupOf(bytes: Uint8Array): string | undefined {
  return attempt(() => {
    const { payloadType, payload } = decodeEnvelope(parsed(textOf(bytes).split('\n')[0] ?? ''));
    return payloadType === statusPayloadType ? encodeBase64Url(decodeStatus(payload).groupKey) : undefined;
  });
}

function parsed(line: string): unknown {
  return decodeCanonicalJson(Buffer.from(line), { maxBytes: maxEarlierOutputBytes, maxDepth });
}

/** Of a certificate, the packet of the primary key: its header and 51 bytes. */
const primaryKeyBytes = 53;
/** What of it is in the first characters of its armor, all of it in whole groups of three bytes. */
const armoredKeyCharacters = '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n'.length + 64;

/** Words of a line that are as long as a key is at least. */
function keyWords(text: string): string[] {
  return text.split(/[\s:"]+/).filter((word) => /^[A-Za-z0-9+/_=-]{43,}$/.test(word));
}

function isAscii(bytes: Buffer): boolean {
  return bytes.every((byte) => byte < 0x80);
}

/** The signature below a clear text; all of a detached one. */
function armoredPart(bytes: Uint8Array): Uint8Array {
  const at = Buffer.from(bytes).lastIndexOf('-----BEGIN PGP SIGNATURE-----');
  return at < 0 ? bytes : bytes.subarray(at);
}

function contains(bytes: Uint8Array | undefined, part: Uint8Array): boolean {
  return bytes !== undefined && Buffer.from(bytes).includes(Buffer.from(part));
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes.subarray(0, maxEarlierOutputBytes));
}

/** What does not decode is not ours. */
function attempt<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof ProtocolError || error instanceof VerifyError) return undefined;
    throw error;
  }
}
