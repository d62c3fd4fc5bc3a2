/** Words that can be taken for others, marked: letters of several scripts in one word, and letters in another dress (Unicode UTS 39, Section 5). */
import { printable } from '../../verifier/printable.ts';

/** A letter belongs to each of these that uses it (Script_Extensions); what is in none of them is rare enough to be a script of its own. */
const scripts = {
  Latin: /\p{scx=Latin}/u,
  Cyrillic: /\p{scx=Cyrillic}/u,
  Greek: /\p{scx=Greek}/u,
  Armenian: /\p{scx=Armenian}/u,
  Georgian: /\p{scx=Georgian}/u,
  Cherokee: /\p{scx=Cherokee}/u,
  Coptic: /\p{scx=Coptic}/u,
  Hebrew: /\p{scx=Hebrew}/u,
  Arabic: /\p{scx=Arabic}/u,
  Devanagari: /\p{scx=Devanagari}/u,
  Thai: /\p{scx=Thai}/u,
  Han: /\p{scx=Han}/u,
  Hiragana: /\p{scx=Hiragana}/u,
  Katakana: /\p{scx=Katakana}/u,
  Bopomofo: /\p{scx=Bopomofo}/u,
  Hangul: /\p{scx=Hangul}/u,
} as const;

type Script = keyof typeof scripts | 'other';

/** What belongs together though it is several scripts: "highly restrictive" (UTS 39, Section 5.2). */
const together: readonly (readonly Script[])[] = [
  ['Latin', 'Han', 'Hiragana', 'Katakana'],
  ['Latin', 'Han', 'Bopomofo'],
  ['Latin', 'Han', 'Hangul'],
];

const words = /[^ ]+/g;
const letters = /\p{L}/gu;
const notAscii = /[^ -~]/gu;

/**
 * The text escaped (`printable`); after a word that may not be what it looks like comes what it is, in square brackets:
 * `раypal [Cyrillic and Latin: \u{440}\u{430}ypal]`.
 */
export function marked(text: string): string {
  return printable(text).replace(words, (word) => {
    const doubt = doubtOf(word);
    return doubt === undefined ? word : `${word} [${doubt}: ${word.replace(notAscii, escaped)}]`;
  });
}

function escaped(character: string): string {
  return `\\u{${character.codePointAt(0)?.toString(16) ?? ''}}`;
}

/** Why a word is not what it looks like, if so. */
function doubtOf(word: string): string | undefined {
  const all = (word.match(letters) ?? []).filter((letter) => letter > '\u007f');
  if (all.length === 0) return undefined;
  const plain = all.map((letter) => letter.normalize('NFKC'));
  if (plain.some((letter, index) => letter !== all[index])) return 'letters in another form';
  const used = (word.match(letters) ?? []).map(scriptsOf);
  const single = new Set(used.flat());
  if ([...together, ...[...single].map((script) => [script])].some((set) => covers(set, used))) return undefined;
  const [first, ...others] = [...new Set(used.map(([script]) => script))];
  return others.length === 0 ? first : `${others.join(', ')} and ${first ?? 'other'}`;
}

function scriptsOf(letter: string): Script[] {
  const found = (Object.keys(scripts) as (keyof typeof scripts)[]).filter((name) => scripts[name].test(letter));
  return found.length === 0 ? ['other'] : found;
}

function covers(set: readonly Script[], used: readonly (readonly Script[])[]): boolean {
  return used.every((one) => one.some((script) => set.includes(script)));
}
