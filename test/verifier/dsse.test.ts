import { sign } from 'node:crypto';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { decodeEnvelope, encodeEnvelope, openEnvelope, preAuthEncoding } from '../../verifier/dsse.ts';
import { codeOf, group, keyPair, signedEnvelope, stranger } from './fixtures.ts';

const type = 'application/vnd.frostmark.test.v1+json';
const payload = Buffer.from('{"hello":"world"}');
const envelope = signedEnvelope(type, payload, group);
const [signature] = envelope.signatures;

describe('a DSSE envelope', () => {
  it('signs what the specification prints (DSSE v1, protocol.md, "PAE" and "Test Vectors")', () => {
    const pae = preAuthEncoding('http://example.com/HelloWorld', Buffer.from('hello world'));
    expect(Buffer.from(pae).toString()).toBe('DSSEv1 29 http://example.com/HelloWorld 11 hello world');
    expect(Buffer.from(preAuthEncoding('é', Buffer.from('ü'))).toString()).toBe('DSSEv1 2 é 2 ü');
  });

  it('never signs the same bytes for two different pairs of type and payload', () => {
    const part = fc.oneof(fc.constantFrom('', ' ', '1 a 1', 'a 1 ', '1'), fc.string({ maxLength: 6 }));
    fc.assert(
      fc.property(part, part, part, part, (typeA, a, typeB, b) => {
        fc.pre(typeA !== typeB || a !== b);
        const [one, two] = [preAuthEncoding(typeA, Buffer.from(a)), preAuthEncoding(typeB, Buffer.from(b))];
        expect(Buffer.compare(one, two)).not.toBe(0);
      }),
    );
  });

  it('gives back what was put in', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.uint8Array({ minLength: 64, maxLength: 64 }), (bytes, sig) => {
        expect(
          decodeEnvelope(encodeEnvelope({ payloadType: type, payload: bytes, keyid: 'key', signature: sig })),
        ).toEqual({
          payloadType: type,
          payload: bytes,
          keyid: 'key',
          signature: sig,
        });
      }),
    );
  });

  it('opens for the key that signed it, whatever its key id says (T38)', () => {
    expect(openEnvelope(envelope, type, group.publicKey)).toEqual(new Uint8Array(payload));
    const foreign = { ...envelope, signatures: [{ ...signature, keyid: 'stranger' }] };
    expect(openEnvelope(foreign, type, group.publicKey)).toEqual(new Uint8Array(payload));
    expect(codeOf(() => openEnvelope(foreign, type, stranger.publicKey))).toBe('bad-signature');
  });

  it('refuses a signature over the payload alone', () => {
    const raw = encodeEnvelope({
      payloadType: type,
      payload,
      keyid: '',
      signature: sign(null, payload, group.privateKey),
    });
    expect(codeOf(() => openEnvelope(raw, type, group.publicKey))).toBe('bad-signature');
  });

  it('refuses a signature that was made for another payload type', () => {
    const other = signedEnvelope('application/vnd.frostmark.other.v1+json', payload, group);
    expect(codeOf(() => openEnvelope(other, type, group.publicKey))).toBe('bad-payload-type');
    const relabelled = { ...other, payloadType: type };
    expect(codeOf(() => openEnvelope(relabelled, type, group.publicKey))).toBe('bad-signature');
  });

  it('refuses a changed payload or signature, whichever bit it is', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.nat(), fc.nat(7), (inPayload, at, bit) => {
        const changed = { payload: Buffer.from(payload), sig: Buffer.from(signature.sig, 'base64') };
        const target = inPayload ? changed.payload : changed.sig;
        const index = at % target.length;
        target[index] = target[index]! ^ (1 << bit);
        const forged = encodeEnvelope({
          payloadType: type,
          payload: changed.payload,
          keyid: '',
          signature: changed.sig,
        });
        expect(codeOf(() => openEnvelope(forged, type, group.publicKey))).toBe('bad-signature');
      }),
      { numRuns: 200 },
    );
  });

  const sig = (text: string): unknown => ({ ...envelope, signatures: [{ keyid: '', sig: text }] });
  it.each<[string, unknown, string]>([
    ['no signature', { ...envelope, signatures: [] }, 'bad-envelope'],
    ['a second signature', { ...envelope, signatures: [signature, signature] }, 'bad-envelope'],
    ['signatures that are no list', { ...envelope, signatures: { 0: signature, length: 1 } }, 'bad-envelope'],
    ['an unknown field', { ...envelope, extra: 1 }, 'bad-envelope'],
    ['an unknown field in the signature', { ...envelope, signatures: [{ ...signature, extra: 1 }] }, 'bad-envelope'],
    ['no key id', { ...envelope, signatures: [{ sig: signature.sig }] }, 'bad-envelope'],
    ['a key id that is no string', { ...envelope, signatures: [{ ...signature, keyid: null }] }, 'bad-envelope'],
    ['a long key id', { ...envelope, signatures: [{ ...signature, keyid: 'k'.repeat(129) }] }, 'bad-envelope'],
    ['no payload', { payloadType: type, signatures: [signature] }, 'bad-envelope'],
    ['a payload that is no string', { ...envelope, payload: 1 }, 'bad-envelope'],
    ['a payload without padding', { ...envelope, payload: envelope.payload.replace(/=+$/, '') }, 'bad-base64'],
    ['a payload in the URL-safe alphabet', { ...envelope, payload: '__-_' }, 'bad-base64'],
    ['a payload with a newline', { ...envelope, payload: `${envelope.payload}\n` }, 'bad-base64'],
    ['an empty payload type', { ...envelope, payloadType: '' }, 'bad-envelope'],
    ['a payload type with a space', { ...envelope, payloadType: 'a b' }, 'bad-envelope'],
    ['a long payload type', { ...envelope, payloadType: 'a'.repeat(129) }, 'bad-envelope'],
    ['a signature of 63 bytes', sig(Buffer.alloc(63).toString('base64')), 'bad-envelope'],
    ['a signature of 65 bytes', sig(Buffer.alloc(65).toString('base64')), 'bad-envelope'],
    ['a signature of 66 bytes in 88 characters', sig(Buffer.alloc(66).toString('base64')), 'bad-envelope'],
    ['a signature without padding', sig(signature.sig.replace(/=+$/, '')), 'bad-base64'],
    ['a signature with trailing bits', sig(`${signature.sig.slice(0, -3)}B==`), 'bad-base64'],
    ['null', null, 'bad-envelope'],
    ['a list', [envelope], 'bad-envelope'],
  ])('refuses %s (T38)', (_, value, code) => {
    expect(codeOf(() => decodeEnvelope(value))).toBe(code);
    expect(codeOf(() => openEnvelope(value, type, group.publicKey))).toBe(code);
  });

  it('refuses a payload over the bound before and after decoding it (T23)', () => {
    const of = (length: number) =>
      encodeEnvelope({ payloadType: type, payload: new Uint8Array(length), keyid: '', signature: new Uint8Array(64) });
    expect(decodeEnvelope(of(10), 10).payload).toHaveLength(10);
    expect(codeOf(() => decodeEnvelope(of(11), 10))).toBe('too-large');
    expect(codeOf(() => decodeEnvelope(of(100), 10))).toBe('too-large');
  });

  it('does not encode a signature of another length', () => {
    expect(codeOf(() => encodeEnvelope({ payloadType: type, payload, keyid: '', signature: new Uint8Array(63) }))).toBe(
      'bad-envelope',
    );
  });

  it('refuses any other key', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 255 }), (seed) => {
        expect(codeOf(() => openEnvelope(envelope, type, keyPair(seed).publicKey))).toBe('bad-signature');
      }),
      { numRuns: 20 },
    );
  });
});
