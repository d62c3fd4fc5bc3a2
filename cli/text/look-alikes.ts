/**
 * Words that can be taken for others, marked: letters or digits of several scripts in one word, scripts that hardly anybody writes, characters in
 * another dress, phonetic letters, and signs that are none of a keyboard inside a word (Unicode UTS 39, Sections 3.1 and 5; UAX 31, Table 5).
 */
import { printable } from '../../verifier/printable.ts';

/** The scripts that people write every day; a letter belongs to each of these that uses it (Script_Extensions). */
const scripts = {
  Latin: /\p{scx=Latin}/u,
  Cyrillic: /\p{scx=Cyrillic}/u,
  Greek: /\p{scx=Greek}/u,
  Armenian: /\p{scx=Armenian}/u,
  Georgian: /\p{scx=Georgian}/u,
  Hebrew: /\p{scx=Hebrew}/u,
  Arabic: /\p{scx=Arabic}/u,
  Thaana: /\p{scx=Thaana}/u,
  Ethiopic: /\p{scx=Ethiopic}/u,
  Devanagari: /\p{scx=Devanagari}/u,
  Bengali: /\p{scx=Bengali}/u,
  Gurmukhi: /\p{scx=Gurmukhi}/u,
  Gujarati: /\p{scx=Gujarati}/u,
  Oriya: /\p{scx=Oriya}/u,
  Tamil: /\p{scx=Tamil}/u,
  Telugu: /\p{scx=Telugu}/u,
  Kannada: /\p{scx=Kannada}/u,
  Malayalam: /\p{scx=Malayalam}/u,
  Sinhala: /\p{scx=Sinhala}/u,
  Thai: /\p{scx=Thai}/u,
  Lao: /\p{scx=Lao}/u,
  Khmer: /\p{scx=Khmer}/u,
  Myanmar: /\p{scx=Myanmar}/u,
  Tibetan: /\p{scx=Tibetan}/u,
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
const lettersAndDigits = /[\p{L}\p{Nd}]/gu;
const notAscii = /[^ -~]/gu;
/** Letters of phonetic transcription, and clicks: many are drawn as letters or signs of a keyboard. */
const phonetic = /[\u{1c0}-\u{1c3}\u{250}-\u{2ff}\u{1d00}-\u{1dbf}\u{a720}-\u{a7ff}\u{ab30}-\u{ab6f}]/u;
/** A sign between letters or digits that is none of a keyboard; an apostrophe is in many words. */
const signInside = /(?<=[\p{L}\p{N}])(?![ -~\u{2019}])[\p{P}\p{S}](?=[\p{L}\p{N}])/u;

/**
 * The text escaped (`printable`); after a word that may not be what it looks like comes what it is, in square brackets:
 * `раypal [Cyrillic and Latin: \u{440}\u{430}ypal]`. A bracket with which a word of the text itself begins is escaped: no stranger's text
 * passes for a mark.
 */
export function marked(text: string): string {
  return printable(text).replace(words, (word) => {
    const shown = word.startsWith('[') ? escaped('[') + word.slice(1) : word;
    const doubt = doubtOf(word);
    return doubt === undefined ? shown : `${shown} [${doubt}: ${shown.replace(notAscii, escaped)}]`;
  });
}

function escaped(character: string): string {
  return `\\u{${character.codePointAt(0)?.toString(16) ?? ''}}`;
}

/** Why a word is not what it looks like, if so. */
function doubtOf(word: string): string | undefined {
  const strange = word.match(notAscii) ?? [];
  if (strange.length === 0) return undefined;
  if (strange.some((character) => character.normalize('NFKC') !== character)) return 'characters in another form';
  if (strange.some((character) => phonetic.test(character))) return 'phonetic letters';
  if (signInside.test(word)) return 'signs inside a word';
  const used = (word.match(lettersAndDigits) ?? []).filter(countsBeside(strange)).map(scriptsOf);
  if (used.some(([script]) => script === 'other')) return 'a rare script';
  const single = new Set(used.flat());
  if ([...together, ...[...single].map((script) => [script])].some((set) => covers(set, used))) return undefined;
  const [first, ...others] = [...new Set(used.map(([script]) => script))];
  return others.length === 0 ? first : `${others.join(', ')} and ${first ?? 'other'}`;
}

/** Ordinary digits go with every script, but not with digits of another one. */
function countsBeside(strange: readonly string[]): (character: string) => boolean {
  const hasOtherDigits = strange.some((character) => /\p{Nd}/u.test(character));
  return (character) => hasOtherDigits || !/[0-9]/.test(character);
}

function scriptsOf(character: string): Script[] {
  if (/[0-9]/.test(character)) return ['Latin'];
  const found = (Object.keys(scripts) as (keyof typeof scripts)[]).filter((name) => scripts[name].test(character));
  return found.length === 0 ? ['other'] : found;
}

function covers(set: readonly Script[], used: readonly (readonly Script[])[]): boolean {
  return used.every((one) => one.some((script) => set.includes(script)));
}
