/**
 * Signed notes: a text and, below it, who signed it (C2SP signed-note). Only Ed25519, by the verifier's rule.
 *
 * An identity key signs notes besides envelopes. Neither can be taken for the other: what is signed of an envelope begins with `DSSEv1 `, and
 * our notes begin with `frostmark/`.
 */
import { concatBytes } from '@noble/hashes/utils.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { decodeBase64, encodeBase64 } from '../../verifier/base64.ts';
import { verifySignature } from '../../verifier/ed25519.ts';
import { bytesToHex, equalBytes, utf8ToBytes } from '../wire/bytes.ts';
import { refuseAs, type Identity } from '../wire/envelope.ts';
import { ProtocolError } from '../errors.ts';
import { maxNoteBytes, maxNoteSignatures } from './limits.ts';

/** Whose signature is looked for: name and key together. */
export interface NoteKey {
  /** Without spaces and `+`. */
  readonly name: string;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
}

/** Bytes of a key's id. */
const keyIdBytes = 4;
/** The byte for Ed25519 (C2SP signed-note, "Signature types"). */
const ed25519Type = 0x01;

/** Which key signed, 4 bytes: a hint for who looks, and never a proof (C2SP signed-note, "Signatures"). */
export function noteKeyId({ name, publicKey }: NoteKey): Uint8Array {
  return sha256(concatBytes(utf8ToBytes(`${name}\n`), Uint8Array.of(ed25519Type), publicKey)).slice(0, keyIdBytes);
}

/** The key as Go's tools take it: `<name>+<id, hex>+<base64 of type and key>` (golang.org/x/mod/sumdb/note). */
export function encodeNoteKey(key: NoteKey): string {
  const typed = concatBytes(Uint8Array.of(ed25519Type), key.publicKey);
  return `${key.name}+${bytesToHex(noteKeyId(key))}+${encodeBase64(typed)}`;
}

/** Signs a text that ends with a line feed, under a name. */
export function signNote(text: string, name: string, identity: Identity): string {
  assertLines(text);
  const id = noteKeyId({ name, publicKey: identity.publicKey });
  const signature = encodeBase64(concatBytes(id, identity.sign(utf8ToBytes(text))));
  return `${text}\n— ${name} ${signature}\n`;
}

/**
 * The text of a note that this key signed, with its last line feed. Signatures by others are passed over, as the specification demands.
 * Throws `ProtocolError`: `bad-checkpoint` for a note that is malformed or not signed by the key, `bad-signature` for a signature of the key that does
 * not verify.
 */
export function openNote(note: string, key: NoteKey): string {
  const { text, signatures } = splitNote(note);
  const own = signatures.filter(({ name, id }) => name === key.name && equalBytes(id, noteKeyId(key)));
  if (own.length === 0) throw new ProtocolError('bad-checkpoint', `the note is not signed by ${key.name}`);
  for (const { signature } of own) {
    if (!verifySignature(key.publicKey, utf8ToBytes(text), signature))
      throw new ProtocolError('bad-signature', `the signature by ${key.name} on the note is not valid`);
  }
  return text;
}

interface NoteSignature {
  readonly name: string;
  readonly id: Uint8Array;
  readonly signature: Uint8Array;
}

/** The last empty line parts text and signatures (C2SP signed-note, "Format"). */
function splitNote(note: string): { readonly text: string; readonly signatures: readonly NoteSignature[] } {
  if (note.length > maxNoteBytes || utf8ToBytes(note).length > maxNoteBytes)
    throw new ProtocolError('too-large', `a note of more than ${maxNoteBytes} bytes`);
  const end = note.lastIndexOf('\n\n') + 1;
  const text = note.slice(0, end);
  assertLines(note);
  assertLines(text);
  const lines = note.slice(end + 1).split('\n');
  if (lines.pop() !== '' || lines.length === 0 || lines.length > maxNoteSignatures)
    throw new ProtocolError('bad-checkpoint', `the note does not end with 1 to ${maxNoteSignatures} signatures`);
  return { text, signatures: lines.map(decodeSignatureLine) };
}

function decodeSignatureLine(line: string): NoteSignature {
  const [, name, base64] = /^— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/.exec(line) ?? [];
  if (name === undefined || base64 === undefined)
    throw new ProtocolError('bad-checkpoint', 'a line below the note is not a signature');
  const bytes = refuseAs('bad-checkpoint', 'a signature of the note', () => decodeBase64(base64));
  if (bytes.length <= keyIdBytes) throw new ProtocolError('bad-checkpoint', 'a signature of the note is empty');
  return { name, id: bytes.slice(0, keyIdBytes), signature: bytes.slice(keyIdBytes) };
}

/** UTF-8 can hold it, no control character but the line feed is in it, and its last line is ended (C2SP signed-note, "Format"). */
function assertLines(text: string): void {
  if (!text.endsWith('\n') || !text.isWellFormed() || /[\0-\x09\x0b-\x1f]/.test(text))
    throw new ProtocolError('bad-checkpoint', 'the note is not made of lines of plain text');
}
