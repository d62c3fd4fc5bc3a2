import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { anyCharacter } from '../harness/characters.ts';
import { printable, printableJson } from '../../verifier/printable.ts';

const hostile = [
  ['a right-to-left override', '\u202e', '\\u{202e}'],
  ['a left-to-right isolate', '\u2066', '\\u{2066}'],
  ['a right-to-left mark', '\u200f', '\\u{200f}'],
  ['an Arabic letter mark', '\u061c', '\\u{61c}'],
  ['a zero-width space', '\u200b', '\\u{200b}'],
  ['a zero-width joiner', '\u200d', '\\u{200d}'],
  ['a soft hyphen', '\u00ad', '\\u{ad}'],
  ['a byte order mark', '\ufeff', '\\u{feff}'],
  ['a newline', '\n', '\\u{a}'],
  ['a carriage return', '\r', '\\u{d}'],
  ['a tab', '\t', '\\u{9}'],
  ['an escape', '\u001b', '\\u{1b}'],
  ['an eight-bit CSI', '\u009b', '\\u{9b}'],
  ['a delete', '\u007f', '\\u{7f}'],
  ['a line separator', '\u2028', '\\u{2028}'],
  ['a no-break space', '\u00a0', '\\u{a0}'],
  ['an ideographic space', '\u3000', '\\u{3000}'],
  ['a Hangul filler', '\u3164', '\\u{3164}'],
  ['a blank Braille pattern', '\u2800', '\\u{2800}'],
  ['a variation selector', '\ufe0f', '\\u{fe0f}'],
  ['a language tag', '\u{e0041}', '\\u{e0041}'],
  ['a lone surrogate', '\ud800', '\\u{d800}'],
  ['a private-use character', '\ue000', '\\u{e000}'],
  ['an unassigned code point', '\u{e0fff}', '\\u{e0fff}'],
  ['an accent apart from its letter', '\u0301', '\\u{301}'],
  ['an enclosing circle', '\u20dd', '\\u{20dd}'],
] as const;

describe('text for a person', () => {
  it.each(hostile)('shows %s as an escape (T36)', (_, character, escaped) => {
    expect(printable(`a${character}b`)).toBe(`a${escaped}b`);
  });

  it.each(hostile)('holds no %s in JSON, and the same value (T36)', (_, character) => {
    const text = printableJson({ [character]: `a${character}b` });
    expect(text).toMatch(/^[ -~]*$/);
    expect(JSON.parse(text)).toEqual({ [character]: `a${character}b` });
  });

  it('leaves letters, digits, signs and the ordinary space of any language alone', () => {
    const text = 'app-1.4.2 (naïve) Größe 漢字 עברית العربية 🚀 \\ " \' <&>';
    expect(printable(text)).toBe(text);
    expect(printableJson(text)).toBe(JSON.stringify(text));
  });

  it('leaves the vowel signs of a script alone, and shows a pile of marks as escapes (T36)', () => {
    expect(printable('हिन्दी ไทยนี้')).toBe('हिन्दी ไทยนี้');
    expect(printable('น' + '\u0e35'.repeat(4))).toBe('น\u0e35\u0e35\\u{e35}\\u{e35}');
  });

  it('never lets a control or format character through (T36)', () => {
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter }), (text) => {
        expect(printable(text)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
        expect(printableJson(text)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      }),
      { numRuns: 1000 },
    );
  });
});
