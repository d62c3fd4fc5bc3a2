/**
 * A minisign signature over a release's document (minisign, "Signature format"; prehashed, `ED`). It has two messages: the document's
 * BLAKE2b-512, then that signature with the trusted comment.
 */
import { blake2b } from '@noble/hashes/blake2.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes } from '@noble/hashes/utils.js';
import { encodeBase64 } from '../../verifier/base64.ts';
import { utf8ToBytes } from '../wire/bytes.ts';
import { namelessDocument } from './release-document.ts';
import { ProtocolError } from '../errors.ts';
import type { RequestKind } from '../request/request.ts';
import { defineFormat, type Format, type FormatInput } from './format.ts';
import { present } from '../wire/present.ts';

const untrustedComment = 'signature by a frostmark quorum';
const prehashed = utf8ToBytes('ED');
const keyAlgorithm = utf8ToBytes('Ed');

/** 8 bytes by which minisign tells keys apart. Ours are the first of SHA-256 of the key. */
export function minisignKeyId(key: Uint8Array): Uint8Array {
  return sha256(key).slice(0, 8);
}

/** The contents of a `minisign.pub`. `comment` is not signed; one line. Throws `ProtocolError('bad-document')` for another. */
export function minisignPublicKey(key: Uint8Array, comment: string): string {
  if (!/^[ -~]+$/.test(comment)) throw new ProtocolError('bad-document', 'a minisign comment is one line of ASCII');
  return `untrusted comment: ${comment}\n${encodeBase64(concatBytes(keyAlgorithm, minisignKeyId(key), key))}\n`;
}

/** On a terminal and between tabs one value stays one value: what is not printable ASCII is written `\u{9}`, a backslash too. */
function escaped(value: string): string {
  const codeOf = (character: string): string => present(character.codePointAt(0), 'the character').toString(16);
  return value.replace(/[^ -~]|\\/gu, (character) => `\\u{${codeOf(character)}}`);
}

/**
 * Fields `name:value` between tabs. It is never empty: after an empty one the second message would be 64 bytes, as long as a digest (T10).
 * `minisign -V` shows it, but does not judge it.
 */
function trustedComment({ epoch, request }: FormatInput, documentKind: string): string {
  const { channel, product, release } = request.payload;
  const fields = [
    ['timestamp', String(request.createdAtUnixSeconds)],
    ['channel', channel],
    ['group', epoch.charter.group],
    ['kind', documentKind],
    ['product', product],
    ['release', release],
  ] as const;
  return fields.flatMap(([name, value]) => (value === null ? [] : [`${name}:${escaped(value)}`])).join('\t');
}

type MinisignState = {
  readonly key: Uint8Array;
  readonly comment: string;
  /** 64 bytes over the document's hash; empty until stage 2. */
  readonly signature: Uint8Array;
};

/** What is signed, and the kind of document that the comment says it is. */
interface Signed {
  readonly kind: string;
  readonly bytes: Uint8Array;
}

/** A format with a second stage: the trusted comment is signed together with the first signature (T37). */
export function minisignFormat(name: string, of: RequestKind, signedOf: (input: FormatInput) => Signed): Format {
  return defineFormat<MinisignState>({
    name,
    kind: of,
    prepare: (input) => {
      const { kind, bytes } = signedOf(input);
      const key = input.epoch.channel(input.request.payload.channel).point.bytes;
      const state = { key, comment: trustedComment(input, kind), signature: new Uint8Array() };
      return { message: blake2b(bytes, { dkLen: 64 }), state };
    },
    // Whether `signature` is one is not judged here: nobody signs this before `areFirstSignatures` says so (T37).
    follow: (state, signature) => ({
      message: concatBytes(signature, utf8ToBytes(state.comment)),
      state: { ...state, signature },
    }),
    shows: ({ comment }) => `trusted comment: ${comment}`,
    finish: ({ key, comment, signature }, globalSignature) => {
      const lines = [
        `untrusted comment: ${untrustedComment}`,
        encodeBase64(concatBytes(prehashed, minisignKeyId(key), signature)),
        `trusted comment: ${comment}`,
        encodeBase64(globalSignature),
        '',
      ];
      return utf8ToBytes(lines.join('\n'));
    },
  });
}

/** The format of the same name, over a release's document. */
export const minisign = minisignFormat('minisign', 'release', (input) => namelessDocument(input, 'minisign'));
