/** bcrypt_pbkdf(3) of OpenBSD: how OpenSSH turns a passphrase into a key. */
import { createHash } from 'node:crypto';
import { blowfishStart, encryptBlock, expandKey, type BlowfishState } from './blowfish.ts';

const outputBytes = 32;
const noSalt = new Uint32Array(16);
const magic = wordsOf(Buffer.from('OxychromaticBlowfishSwatDynamite', 'latin1'));

/** `length` bytes from a passphrase; time grows with `rounds`. Who takes the result wipes it. */
export function bcryptPbkdf(passphrase: Uint8Array, salt: Uint8Array, length: number, rounds: number): Uint8Array {
  const key = new Uint8Array(length);
  const secret = sha512Words(passphrase);
  const blocks = Math.ceil(length / outputBytes);
  for (let block = 0; block < blocks; block++) {
    const output = deriveBlock(secret, salt, block + 1, rounds);
    // The blocks' bytes are dealt out in turn, so that no part of the key can be had for less work.
    for (let index = 0; index * blocks + block < length; index++) key[index * blocks + block] = output[index] ?? 0;
    output.fill(0);
  }
  secret.fill(0);
  return key;
}

function deriveBlock(secret: Uint32Array, salt: Uint8Array, count: number, rounds: number): Uint8Array {
  const counted = Buffer.alloc(salt.length + 4);
  counted.set(salt);
  counted.writeUInt32BE(count, salt.length);
  let last = bcryptHash(secret, sha512Words(counted));
  const output = last.slice();
  for (let round = 1; round < rounds; round++) {
    last = bcryptHash(secret, sha512Words(last));
    for (const [index, byte] of last.entries()) output[index] = (output[index] ?? 0) ^ byte;
  }
  last.fill(0);
  return output;
}

/** bcrypt with 64 expansions and a longer text; its words come out little-endian. */
function bcryptHash(secret: Uint32Array, salt: Uint32Array): Uint8Array {
  const state: BlowfishState = blowfishStart();
  expandKey(state, secret, salt);
  for (let count = 0; count < 64; count++) {
    expandKey(state, salt, noSalt);
    expandKey(state, secret, noSalt);
  }
  const text = magic.slice();
  for (let count = 0; count < 64; count++) for (let at = 0; at < text.length; at += 2) encryptBlock(state, text, at);
  state.fill(0);
  const bytes = new Uint8Array(outputBytes);
  text.forEach((word, index) => {
    new DataView(bytes.buffer).setUint32(4 * index, word, true);
  });
  return bytes;
}

function sha512Words(bytes: Uint8Array): Uint32Array {
  const hash = createHash('sha512').update(bytes).digest();
  const words = wordsOf(hash);
  hash.fill(0);
  return words;
}

/** Big-endian words. */
function wordsOf(bytes: Buffer): Uint32Array {
  return Uint32Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readUInt32BE(4 * index));
}
