/**
 * Text from strangers, made safe for a person's eyes: nothing invisible, nothing that moves the cursor or turns the line around, no letter
 * that is put together from parts.
 */

// Controls, format characters (all bidirectional ones are), surrogates, private and unassigned code points, line separators, every space
// but the ordinary one, what fonts leave blank (fillers, variation selectors), and the blank Braille pattern; marks that combine with
// letters of any script, which spell a name that looks like another, and any mark after two others, which smears over other lines.
const notPrintable =
  /(?! )[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u{2800}]|(?=\p{M})\p{Script=Inherited}|(?<=\p{M}{2})\p{M}/gu;

/** The text with every character that is not printable written as `\u{202e}`. */
export function printable(text: string): string {
  return text.replace(notPrintable, (character) => `\\u{${character.codePointAt(0)?.toString(16) ?? ''}}`);
}

/** JSON of the value on one line in which such characters are `\u` escapes: the same value to a program, harmless on a terminal. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value).replace(notPrintable, (character) =>
    Array.from(
      { length: character.length },
      (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}
