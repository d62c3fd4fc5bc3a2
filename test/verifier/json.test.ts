import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { decodeCanonicalJson, encodeCanonicalJson, readFields } from '../../verifier/json.ts';
import { codeOf } from './fixtures.ts';

const bounds = { maxBytes: 10_000, maxDepth: 4 };

function decode(text: string | Uint8Array): unknown {
  return decodeCanonicalJson(typeof text === 'string' ? Buffer.from(text) : text, bounds);
}

describe('canonical JSON', () => {
  it('gives any value back', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 3, noUnicodeString: false }), (value) => {
        fc.pre(!JSON.stringify(value).includes('__proto__') && JSON.stringify(value).isWellFormed());
        fc.pre(!/\\ud[89a-f]/.test(JSON.stringify(value)));
        const bytes = encodeCanonicalJson(value);
        expect(decodeCanonicalJson(bytes, bounds)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(Buffer.from(bytes).toString()).toBe(JSON.stringify(value));
      }),
      { numRuns: 40 },
    );
  });

  it('keeps the order of keys', () => {
    expect(Object.keys(decode('{"b":1,"a":2}') as object)).toEqual(['b', 'a']);
  });

  it.each([
    ['a space', '{"a": 1}'],
    ['a newline at the end', '{"a":1}\n'],
    ['a duplicate key', '{"a":1,"a":1}'],
    ['a duplicate key spelled with an escape', '{"a":1,"\\u0061":1}'],
    ['an escape that is not needed', '"\\u0041"'],
    ['an escaped slash', '"\\/"'],
    ['upper-case hexadecimal in an escape', '"\\u001F"'],
    ['a number with a trailing zero', '1.0'],
    ['a number with an exponent', '1e2'],
    ['a number too large for a double', '1e999'],
    ['a number that a double rounds', '9007199254740993'],
    ['minus zero', '-0'],
    ['keys that engines reorder', '{"b":1,"1":1}'],
    ['a lone surrogate as an escape', '"\\ud800"'],
    ['a lone surrogate in a key', '{"\\udfff":1}'],
    ['a key __proto__', '{"__proto__":{"a":1}}'],
    ['a key __proto__ inside', '{"a":[{"__proto__":null}]}'],
    ['a comment', '{}/**/'],
    ['nothing', ''],
    ['half an object', '{"a":'],
    ['a second value', '{}{}'],
    ['a byte order mark', '\ufeff{}'],
    ['a control character in a string', '"\u0001"'],
    ['NaN', 'NaN'],
  ])('refuses %s (T23)', (_, text) => {
    expect(codeOf(() => decode(text))).toBe('bad-json');
  });

  it.each([
    ['a stray continuation byte', [0x22, 0x80, 0x22]],
    ['an overlong encoding', [0x22, 0xc1, 0x81, 0x22]],
    ['a surrogate encoded in UTF-8', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['UTF-16', [0xff, 0xfe, 0x7b, 0, 0x7d, 0]],
  ])('refuses bytes that are not UTF-8: %s (T23)', (_, bytes) => {
    expect(codeOf(() => decode(Uint8Array.from(bytes)))).toBe('bad-json');
  });

  it('refuses too many bytes before it parses them (T23)', () => {
    expect(codeOf(() => decode(`"${'a'.repeat(bounds.maxBytes)}"`))).toBe('too-large');
    expect(codeOf(() => decodeCanonicalJson(new Uint8Array(bounds.maxBytes + 1), bounds))).toBe('too-large');
  });

  it('refuses too many levels before it parses them, and counts no brackets in strings (T23)', () => {
    expect(decode('[[[["[[[[[{{{{\\"[["]]]]')).toEqual([[[['[[[[[{{{{"[[']]]]);
    expect(codeOf(() => decode('[[[[[]]]]]'))).toBe('too-large');
    expect(codeOf(() => decode('[{"a":[{"b":[]}]}]'))).toBe('too-large');
    expect(codeOf(() => decodeCanonicalJson(Buffer.alloc(1_000_000, '['), { maxBytes: 2_000_000, maxDepth: 8 }))).toBe(
      'too-large',
    );
    // Brackets after a string that ends in an escaped backslash do count.
    expect(codeOf(() => decode('["\\\\",[[[[]]]]]'))).toBe('too-large');
  });

  it.each([
    ['undefined', undefined],
    ['an undefined field', { a: undefined }],
    ['an undefined item', [undefined]],
    ['a hole', new Array(1)],
    ['NaN', NaN],
    ['Infinity', [Infinity]],
    ['a bigint', 1n],
    ['a function', () => 1],
    ['a symbol', Symbol('a')],
    ['a date', new Date(0)],
    ['bytes', new Uint8Array(1)],
    ['an object with toJSON', { toJSON: () => 1 }],
    ['a lone surrogate', 'a\ud800'],
    ['a lone surrogate in a key', { '\udc00': 1 }],
    ['a key __proto__', JSON.parse('{"__proto__":1}')],
  ])('does not encode %s', (_, value) => {
    expect(codeOf(() => encodeCanonicalJson(value))).toBe('bad-json');
  });

  it('does not encode a cycle', () => {
    const cycle: unknown[] = [];
    cycle.push(cycle);
    expect(codeOf(() => encodeCanonicalJson(cycle))).toBe('bad-json');
  });
});

describe('readFields', () => {
  it('reads exactly the fields it is told, in any order', () => {
    expect(readFields({ b: 1, a: 2 }, ['a', 'b'], 'bad-bundle', 'it')).toEqual({ a: 2, b: 1 });
  });

  it.each([
    ['a missing field', { a: 1 }],
    ['an inherited field', Object.create({ b: 1 }, { a: { value: 1, enumerable: true } })],
    ['an extra field', { a: 1, b: 1, c: 1 }],
    ['another field instead', { a: 1, c: 1 }],
    ['null', null],
    ['a list', [1, 2]],
    ['a string', 'ab'],
    ['nothing', undefined],
  ])('refuses %s', (_, value) => {
    expect(codeOf(() => readFields(value, ['a', 'b'], 'bad-bundle', 'it'))).toBe('bad-bundle');
  });
});
