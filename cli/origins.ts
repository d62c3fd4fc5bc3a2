/** Says of a setting that a message speaks of where it was written: whoever reads it gave no such flag. */
import { printable } from '../verifier/printable.ts';
import type { Explanation } from './explain.ts';
import type { Origins } from './settings.ts';

/** Characters of a value from which on its being quoted is no accident. */
const tellingCharacters = 4;

/** The same explanation, with the variable, or file and line, of each setting that it names by its flag or quotes. */
export function withOrigins(explanation: Explanation, origins: Origins): Explanation {
  const { message, hint } = explanation;
  const notes = Object.entries(origins)
    .filter(([name, { value }]) => namesFlag(`${message} ${hint ?? ''}`, name) || quotes(message, value))
    .filter(([, { from }]) => !message.includes(from))
    .map(([name, { from }]) => `--${name} comes from ${printable(from)}.`);
  if (notes.length === 0) return explanation;
  return { ...explanation, hint: [...(hint === undefined ? [] : [hint]), ...notes].join(' ') };
}

function namesFlag(text: string, name: string): boolean {
  return new RegExp(`--${name}(?![\\w-])`).test(text);
}

/** Of a coordinator's URL a message may have the address alone. */
function quotes(message: string, value: unknown): boolean {
  if (typeof value !== 'string') return false;
  const texts = [value, value.replace(/\/*#.*$/, '')];
  return texts.some((text) => text.length >= tellingCharacters && message.includes(text));
}
