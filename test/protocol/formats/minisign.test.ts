/** The minisign format: exact bytes, two stages, and what must not follow from one another. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyId } from '../../../protocol/wire/envelope.ts';
import {
  areFirstSignatures,
  finishRequest,
  followRequest,
  formatNames,
  formatOf,
  isSignedRequest,
  prepareRequest,
} from '../../../protocol/formats/index.ts';
import { minisignPublicKey } from '../../../protocol/formats/minisign.ts';
import { requestKinds, type RequestPayload } from '../../../protocol/request/request.ts';
import {
  goldenDocuments,
  goldenEpoch,
  goldenFiles,
  goldenFormat,
  goldenRelease,
  goldenSignature,
  otherSignature,
} from '../documents/golden.ts';
import { anyCharacter } from '../../harness/characters.ts';
import { codeOf, flipped, utf8 } from '../support.ts';

const epoch = goldenEpoch();
const key = epoch.channel('production').point.bytes;
const document = goldenDocuments['manifest']!;
const comment = 'timestamp:1795334400\tchannel:production\tgroup:acme\tkind:manifest\tproduct:tool\trelease:1.4.2';
const preparedWith = (change: Partial<RequestPayload> = {}) =>
  prepareRequest({
    epoch,
    request: goldenRelease(epoch, 'manifest', document, { formats: ['minisign'], ...change }),
    documents: [document],
  });
const prepared = preparedWith();
const sign = (message: Uint8Array): Uint8Array => goldenSignature('production', message);
const first = prepared.messages.map(sign);
const second = followRequest(prepared, first).map(({ message }) => sign(message));
const fileOf = (change: Partial<RequestPayload> = {}): string[] =>
  goldenFiles(epoch, goldenRelease(epoch, 'manifest', document, { formats: ['minisign'], ...change }), [document])
    .get('minisign')!
    .split('\n');
const commentOf = (change: Partial<RequestPayload>): string => fileOf(change)[2]!.slice('trusted comment: '.length);

describe('a minisign signature', () => {
  it('is as its golden file', () => {
    expect(fileOf().join('\n')).toBe(new TextDecoder().decode(goldenFormat('document.manifest.minisig')));
    expect(minisignPublicKey(key, 'acme production')).toBe(new TextDecoder().decode(goldenFormat('minisign.pub')));
  });

  it('is over the BLAKE2b-512 of the document, then over signature and comment', () => {
    expect(prepared.messages).toEqual([new Uint8Array(createHash('blake2b512').update(document).digest())]);
    expect(followRequest(prepared, first).map(({ message }) => message)).toEqual([
      new Uint8Array(Buffer.concat([first[0]!, Buffer.from(comment)])),
    ]);
    expect(prepared.followers).toBe(1);
    expect(prepared.formats[0]!.format.shows!(prepared.formats[0]!.state)).toBe(`trusted comment: ${comment}`);
  });

  it('has four lines: ED, key id and signature, the comment, the second signature', () => {
    const [untrusted, signature, trusted, global, end] = fileOf();
    expect(untrusted).toMatch(/^untrusted comment: [ -~]+$/);
    const id = createHash('sha256').update(key).digest().subarray(0, 8);
    expect(Buffer.from(signature!, 'base64')).toEqual(Buffer.concat([Buffer.from('ED'), id, first[0]!]));
    expect(trusted).toBe(`trusted comment: ${comment}`);
    expect(Buffer.from(global!, 'base64')).toEqual(Buffer.from(second[0]!));
    expect(end).toBe('');
    expect(Buffer.from(minisignPublicKey(key, 'x').split('\n')[1]!, 'base64')).toEqual(
      Buffer.concat([Buffer.from('Ed'), id, key]),
    );
  });

  it('beside other formats keeps the order of both stages', () => {
    const request = goldenRelease(epoch, 'manifest', document, { formats: ['ssh', 'minisign'] });
    const both = prepareRequest({ epoch, request, documents: [document] });
    const signatures = both.messages.map(sign);
    const followed = followRequest(both, signatures);
    expect(followed.map(({ message }) => message)).toEqual([
      new Uint8Array(Buffer.concat([signatures[1]!, Buffer.from(comment)])),
    ]);
    const all = [...signatures, ...followed.map(({ message }) => sign(message))];
    expect(isSignedRequest(both, key, all)).toBe(true);
    expect(finishRequest(both, all).map(({ format }) => format)).toEqual(['ssh', 'minisign']);
    expect(isSignedRequest(both, key, [all[1]!, all[0]!, all[2]!])).toBe(false);
  });
});

describe('the trusted comment', () => {
  it('says time, channel, group, kind, and what the request has of product and release', () => {
    expect(commentOf({})).toBe(comment);
    expect(commentOf({ product: null })).toBe(comment.replace('\tproduct:tool', ''));
    expect(commentOf({ product: null, release: null })).toBe(
      'timestamp:1795334400\tchannel:production\tgroup:acme\tkind:manifest',
    );
    expect(commentOf({ createdAt: '2026-11-22T08:00:01Z' })).toBe(comment.replace('400', '401'));
    expect(commentOf({ note: 'x', source: null })).toBe(comment);
  });

  it.each([
    ['a\tchannel:production', 'a\\u{9}channel:production'],
    ['a\nb', 'a\\u{a}b'],
    ['a\r\0b', 'a\\u{d}\\u{0}b'],
    ['\u{1b}[2J', '\\u{1b}[2J'],
    ['\u{202e}', '\\u{202e}'],
    ['é😀', '\\u{e9}\\u{1f600}'],
    ['\\u{9}', '\\u{5c}u{9}'],
    ['\x7f', '\\u{7f}'],
    ['a b:c', 'a b:c'],
  ])('is one line of ASCII whatever the product: %j', (product, escaped) => {
    expect(commentOf({ product, release: null })).toBe(comment.replace(/tool\t.*/, escaped));
  });

  it('is never the same for two products or releases, and never empty (T10)', () => {
    const name = fc.string({ minLength: 1, maxLength: 20, unit: anyCharacter });
    fc.assert(
      fc.property(name, name, name, name, (product, release, otherProduct, otherRelease) => {
        const one = commentOf({ product, release });
        expect(one).toMatch(/^[ -~\t]+$/);
        expect(one.split('\t')).toHaveLength(6);
        const isSame = product === otherProduct && release === otherRelease;
        expect(commentOf({ product: otherProduct, release: otherRelease }) === one).toBe(isSame);
      }),
      { numRuns: 200 },
    );
  });
});

describe('the second stage', () => {
  const followed = (signature: Uint8Array, change: Partial<RequestPayload> = {}): Uint8Array =>
    followRequest(preparedWith(change), [signature])[0]!.message;

  it('is signed over one first signature and one comment (T37)', () => {
    expect(isSignedRequest(prepared, key, [...first, ...second])).toBe(true);
  });

  it('is refused after another first signature, although that one verifies, too (T37)', () => {
    const another = otherSignature('production', prepared.messages[0]!);
    expect(areFirstSignatures(prepared, key, [another])).toBe(true);
    expect(isSignedRequest(prepared, key, [another, ...second])).toBe(false);
    expect(isSignedRequest(prepared, key, [another, sign(followed(another))])).toBe(true);
  });

  it('is refused after a first signature that does not verify, although the second is over it (T37)', () => {
    for (const wrong of [
      flipped(first[0]!, 0),
      flipped(first[0]!, 40),
      new Uint8Array(64),
      new Uint8Array(),
      sign(utf8('x')),
      goldenSignature('development', prepared.messages[0]!),
    ]) {
      expect(areFirstSignatures(prepared, key, [wrong])).toBe(false);
      expect(isSignedRequest(prepared, key, [wrong, sign(followed(wrong))])).toBe(false);
    }
  });

  it.each<[string, Partial<RequestPayload>]>([
    ['release', { release: '1.4.3' }],
    ['product', { product: 'other' }],
    ['time', { createdAt: '2026-11-22T08:00:01Z' }],
    ['presence of a product', { product: null }],
  ])('is refused with the comment of another %s (T37)', (_what, change) => {
    const swapped = sign(followed(first[0]!, change));
    expect(isSignedRequest(prepared, key, [first[0]!, swapped])).toBe(false);
    expect(isSignedRequest(preparedWith(change), key, [first[0]!, swapped])).toBe(true);
  });

  it('is refused when it is missing, doubled, or in the place of the first (T37)', () => {
    const [one, two] = [first[0]!, second[0]!];
    for (const signatures of [[], [one], [two], [two, one], [one, one], [one, two, two], [one, flipped(two, 9)]])
      expect(isSignedRequest(prepared, key, signatures)).toBe(false);
  });

  it('is refused under the key of another channel, which has another comment besides (T21)', () => {
    const development = epoch.channel('development').point.bytes;
    expect(isSignedRequest(prepared, development, [...first, ...second])).toBe(false);
    expect(isSignedRequest(preparedWith({ channel: 'development' }), key, [...first, ...second])).toBe(false);
  });

  it('is longer than any digest, and begins with a signature (T10)', () => {
    const { message } = followRequest(preparedWith({ product: null, release: null }), first)[0]!;
    expect(message.length).toBeGreaterThan(64 + 32);
    expect(message.subarray(0, 64)).toEqual(first[0]);
  });
});

describe('formats that would sign bytes as they are', () => {
  it.each(['minisign-legacy', 'minisign-ed', 'Ed', 'signify', 'raw', 'openssl', 'cosign', 'note'])(
    'do not exist: %s (T10)',
    (name) => {
      for (const kind of requestKinds) expect(codeOf(() => formatOf(name, kind))).toBe('unknown-format');
    },
  );

  it('are none of those of a release: no message is the document or a digest that others sign (T10)', () => {
    for (const [kind, bytes] of Object.entries(goldenDocuments)) {
      const formats = ['ssh', 'minisign'].filter((name) => formatNames('release').includes(name));
      const { messages } = prepareRequest({
        epoch,
        request: goldenRelease(epoch, kind, bytes, { formats }),
        documents: [bytes],
      });
      const digests = ['sha256', 'sha512'].map((name) => createHash(name).update(bytes).digest('hex'));
      expect(messages).toHaveLength(2);
      for (const message of messages) {
        const hex = Buffer.from(message).toString('hex');
        expect([Buffer.from(bytes).toString('hex'), ...digests]).not.toContain(hex);
      }
    }
  });
});

describe('a minisign public key', () => {
  it.each(['', 'a\nb', 'a\tb', 'é', '\u{1b}'])('has one line of ASCII as its comment, not %j', (wrong) => {
    expect(codeOf(() => minisignPublicKey(key, wrong))).toBe('bad-document');
  });

  it('of another channel has another key id', () => {
    const ids = ['production', 'development'].map((channel) =>
      minisignPublicKey(epoch.channel(channel).point.bytes, 'x').split('\n')[1]!.slice(0, 14),
    );
    expect(new Set(ids).size).toBe(2);
    expect(keyId(key)).toBe(epoch.groupKey);
  });
});
