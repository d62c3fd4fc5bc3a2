/** Whether a text has no lone surrogates (ECMA-262, `String.prototype.isWellFormed`, which Node 18 lacks). */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}
