/** Characters for properties over text. */
import fc from 'fast-check';

/** Any code point but surrogates; one in two is below U+3000, where controls and most marks are. fast-check's own `binary` takes a second to build. */
export const anyCharacter: fc.Arbitrary<string> = fc
  .oneof(fc.integer({ min: 0, max: 0x2fff }), fc.integer({ min: 0, max: 0x10ffff }))
  .filter((codePoint) => codePoint < 0xd800 || codePoint > 0xdfff)
  .map((codePoint) => String.fromCodePoint(codePoint));
