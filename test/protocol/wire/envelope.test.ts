/** What an identity signs: who the sender is, and every way in which an envelope is not one. */
import { ed25519 } from '@noble/curves/ed25519.js';
import { describe, expect, it } from 'vitest';
import { encodeBase64Url } from '../../../verifier/base64.ts';
import { sha256Hex } from '../../../protocol/wire/bytes.ts';
import {
  defineMessage,
  openMessage,
  sealMessage,
  type Envelope,
  type Identity,
} from '../../../protocol/wire/envelope.ts';
import { Strict, Text, Type } from '../../../protocol/wire/schema.ts';
import { person } from '../../harness/people.ts';
import { hostilePoints } from '../frost/hostile.ts';
import { codeOf, flipped, refusalOf, signBytes, utf8 } from '../support.ts';

const schema = Strict({ sender: Text(20), note: Text(200), count: Type.Integer({ minimum: 0 }) });
const type = defineMessage('greeting', schema, 'bad-decision', 300);
const other = defineMessage('farewell', schema, 'bad-decision', 300);
const [alice, bob, stranger] = ['alice', 'bob', 'eve'].map((name) => person(name)) as [
  ReturnType<typeof person>,
  ReturnType<typeof person>,
  ReturnType<typeof person>,
];
const payload = { sender: 'alice', note: 'good day?>', count: 3 };
const isMember = (key: string): boolean => key === alice.key || key === bob.key;
const open = (envelope: unknown): unknown => openMessage(type, envelope, isMember);
const honest = sealMessage(type, payload, alice);
const [signature] = honest.signatures;
const withSignature = (change: Partial<typeof signature>): Envelope => ({
  ...honest,
  signatures: [{ ...signature, ...change }],
});

describe('an envelope', () => {
  it('gives back the payload, its exact bytes, their hash, and the key that signed', () => {
    const bytes = utf8(JSON.stringify(payload));
    expect(openMessage(type, honest, isMember)).toEqual({
      from: alice.key,
      payload,
      bytes,
      hash: sha256Hex(bytes),
      envelope: honest,
    });
  });

  it('is not made for a payload that no reader would accept', () => {
    expect(codeOf(() => sealMessage(type, { ...payload, count: -1 }, alice))).toBe('bad-decision');
    expect(codeOf(() => sealMessage(type, { ...payload, extra: 1 } as typeof payload, alice))).toBe('bad-decision');
  });

  it('is refused with any bit of its signature or any byte of its payload changed', () => {
    const [sig, bytes] = [Buffer.from(signature.sig, 'base64'), Buffer.from(honest.payload, 'base64')];
    for (let index = 0; index < sig.length; index += 1) {
      const changed = Buffer.from(flipped(sig, index, index % 8)).toString('base64');
      expect(codeOf(() => open(withSignature({ sig: changed })))).toBe('bad-signature');
    }
    for (let index = 0; index < bytes.length; index += 1) {
      const changed = Buffer.from(flipped(bytes, index)).toString('base64');
      expect(codeOf(() => open({ ...honest, payload: changed }))).toBe('bad-signature');
    }
  });
});

describe('the sender of an envelope', () => {
  it('is the key that signed, whoever the payload says it is (T7)', () => {
    expect(openMessage(type, sealMessage(type, { ...payload, sender: 'alice' }, bob), isMember).from).toBe(bob.key);
  });

  it('cannot be claimed through the keyid of another member (T7, T38)', () => {
    const claimed = signBytes(type.payloadType, JSON.stringify(payload), bob, alice.key);
    expect(codeOf(() => open(claimed))).toBe('bad-signature');
    expect(codeOf(() => open(withSignature({ keyid: bob.key })))).toBe('bad-signature');
  });

  it('must be expected here, however right the signature is (T7)', () => {
    expect(codeOf(() => open(sealMessage(type, payload, stranger)))).toBe('not-a-member');
  });

  it.each([
    ['nothing', ''],
    ['a name', 'alice'],
    ['another encoding of the key', Buffer.from(alice.publicKey).toString('hex')],
    ['standard base64', Buffer.from([...alice.publicKey.slice(0, 31), 255]).toString('base64')],
    ['padding', `${alice.key}=`],
    ['a stray bit after the last byte', alice.key.slice(0, -1) + String.fromCharCode(alice.key.charCodeAt(42) + 1)],
    ['a line break', `${alice.key}\n`],
    ['31 bytes', encodeBase64Url(alice.publicKey.slice(1))],
    ['33 bytes', encodeBase64Url(Uint8Array.from([...alice.publicKey, 0]))],
    ['a text past every bound', 'A'.repeat(5000)],
  ])('is not read from a keyid that is %s (T38)', (_name, keyid) => {
    expect(codeOf(() => openMessage(type, withSignature({ keyid }), () => true))).toBe('bad-envelope');
  });

  // R = O, S = 0 satisfies S·B = R + h·A for every message if A is the identity, and for one in eight if it is of order 8.
  const empty: Identity = {
    publicKey: new Uint8Array(32),
    sign: () => Uint8Array.from([1, ...new Uint8Array(63)]),
  };
  it.each(hostilePoints.filter(([name]) => name !== 'mixed order'))(
    'is never a key that is %s (T38)',
    (_name, encodings) => {
      for (const encoding of encodings) {
        const envelope = signBytes(type.payloadType, JSON.stringify(payload), empty, encodeBase64Url(encoding));
        expect(codeOf(() => openMessage(type, envelope, () => true))).toBe('bad-envelope');
      }
    },
  );

  it('would be anybody if weak keys were let in: a lax verifier accepts the forgery (T38)', () => {
    const identity = Uint8Array.from([1, ...new Uint8Array(31)]);
    expect(ed25519.verify(empty.sign(new Uint8Array()), utf8('anything'), identity, { zip215: true })).toBe(true);
  });
});

describe('the encoding of an envelope', () => {
  // Its base64 holds both characters in which the alphabets differ, and padding.
  const text = sealMessage(type, { sender: 'alice', note: '~~~~~~?????', count: 3 }, alice).payload;
  const sig = `+/${signature.sig.slice(2)}`;

  const lax: [string, (text: string) => string][] = [
    ['a line break inside', (text) => `${text.slice(0, 20)}\n${text.slice(20)}`],
    ['a space at the end', (text) => `${text} `],
    ['no padding', (text) => text.replace(/=+$/, '')],
    ['padding too long', (text) => `${text}=`],
    ['the URL-safe alphabet', (text) => text.replaceAll('+', '-').replaceAll('/', '_')],
    [
      'a stray bit before the padding',
      (text) => text.replace(/(.)(=+)$/, (_all, last: string, end: string) => next(last) + end),
    ],
    ['a character of no alphabet', (text) => `!${text}`],
    ['something after the padding', (text) => `${text}AAAA`],
  ];
  function next(character: string): string {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
    return alphabet[alphabet.indexOf(character) + 1]!;
  }

  it.each(lax)('is refused for base64 with %s, in payload and signature (T38)', (_name, loosen) => {
    expect(loosen(text)).not.toBe(text);
    expect(loosen(sig)).not.toBe(sig);
    expect(codeOf(() => open({ ...honest, payload: loosen(text) }))).toBe('bad-envelope');
    expect(codeOf(() => open(withSignature({ sig: loosen(sig) })))).toBe('bad-envelope');
    expect(codeOf(() => open(withSignature({ sig })))).toBe('bad-signature');
  });

  it.each<[string, unknown]>([
    ['no signature', { ...honest, signatures: [] }],
    ['a second signature', { ...honest, signatures: [signature, sealMessage(type, payload, bob).signatures[0]] }],
    ['the same signature twice', { ...honest, signatures: [signature, signature] }],
    ['signatures that are no list', { ...honest, signatures: { 0: signature, length: 1 } }],
    ['a field too many', { ...honest, version: 1 }],
    ['a field too many beside the signature', withSignature({ cert: 'x' } as Partial<typeof signature>)],
    ['a field too few', { payload: honest.payload, signatures: honest.signatures }],
    ['a signature of 63 bytes', withSignature({ sig: Buffer.alloc(63, 1).toString('base64') })],
    ['a signature of 65 bytes', withSignature({ sig: Buffer.alloc(65, 1).toString('base64') })],
    ['a payload that is no text', { ...honest, payload: [honest.payload] }],
    ['a list', [honest]],
    ['a text', JSON.stringify(honest)],
    ['null', null],
    ['nothing', undefined],
  ])('is refused with %s (T38)', (_name, envelope) => {
    expect(codeOf(() => open(envelope))).toBe('bad-envelope');
  });

  it('is refused for a payload larger than its type allows, and not at the bound', () => {
    const fixed = JSON.stringify({ ...payload, note: '' }).length;
    const atBound = { ...payload, note: 'n'.repeat(200) };
    const tight = defineMessage('greeting', schema, 'bad-decision', fixed + 200);
    const tighter = defineMessage('greeting', schema, 'bad-decision', fixed + 199);
    const envelope = sealMessage(tight, atBound, alice);
    expect(openMessage(tight, envelope, isMember).payload).toEqual(atBound);
    expect(refusalOf(() => openMessage(tighter, envelope, isMember)).message).toContain('longer than');
    expect(codeOf(() => openMessage(tighter, envelope, isMember))).toBe('bad-envelope');
  });
});

describe('the purpose of an envelope', () => {
  it('is its payload type: the same payload signed for another purpose is refused (T10)', () => {
    expect(codeOf(() => open(sealMessage(other, payload, alice)))).toBe('bad-envelope');
  });

  it('is signed with it: another label does not fit the signature (T10)', () => {
    const relabelled = { ...sealMessage(other, payload, alice), payloadType: type.payloadType };
    expect(codeOf(() => open(relabelled))).toBe('bad-signature');
  });

  it.each([
    ['empty', ''],
    ['a space', ' '],
    ['of no vendor', 'application/json'],
    ['followed by a space', `${type.payloadType} `],
    ['in capitals', type.payloadType.toUpperCase()],
    ['longer than any', 'x'.repeat(5000)],
  ])('is never %s', (_name, payloadType) => {
    expect(codeOf(() => open({ ...honest, payloadType }))).toBe('bad-envelope');
  });
});

describe('a payload', () => {
  const text = JSON.stringify(payload);
  it.each<[string, string | Uint8Array]>([
    ['a space', text.replace(',', ', ')],
    ['a line break at the end', `${text}\n`],
    ['a duplicate key', text.replace('{', '{"count":1,')],
    ['a duplicate key in other spelling', text.replace('{', '{"c\\u006funt":1,')],
    ['a key spelled with an escape', text.replace('"count"', '"c\\u006funt"')],
    ['a number spelled 3.0', text.replace(':3', ':3.0')],
    ['a number spelled 3e0', text.replace(':3', ':3e0')],
    ['a number spelled 3.0000000000000000001', text.replace(':3', ':3.0000000000000000001')],
    ['minus zero', text.replace(':3', ':-0')],
    ['a lone surrogate', text.replace('good', '\\ud800')],
    ['surrogates in the wrong order', text.replace('good', '\\udc00\\ud800')],
    ['a field named __proto__', text.replace('{', '{"__proto__":{},')],
    ['a byte order mark', `\ufeff${text}`],
    ['bytes that are no UTF-8', Buffer.concat([Buffer.from(text.slice(0, -1)), Buffer.from([0xff, 0x7d])])],
    ['two values', `${text}${text}`],
    ['half of it', text.slice(0, -1)],
    ['nothing', ''],
    ['another bracket at every level', `${'['.repeat(100)}${']'.repeat(100)}`],
    ['a field too many', JSON.stringify({ ...payload, extra: 1 })],
    ['a field too few', JSON.stringify({ sender: 'alice', note: 'n' })],
    ['a text for a number', JSON.stringify({ ...payload, count: '3' })],
    ['a fraction for an integer', JSON.stringify({ ...payload, count: 3.5 })],
    ['null for a text', JSON.stringify({ ...payload, note: null })],
    ['an empty text', JSON.stringify({ ...payload, note: '' })],
    ['a text too long', JSON.stringify({ ...payload, note: 'n'.repeat(201) })],
    ['a list', JSON.stringify([payload])],
    ['a bare text', '"alice"'],
    ['null', 'null'],
  ])('is refused with %s, although its signature is right (T38)', (_name, bytes) => {
    expect(codeOf(() => open(signBytes(type.payloadType, bytes, alice, alice.key)))).toBe('bad-decision');
  });
});
