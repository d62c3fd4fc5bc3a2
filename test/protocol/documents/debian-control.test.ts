/** A .dsc, .changes or .buildinfo file, as a document that a quorum signs. */
import { describe, expect, it } from 'vitest';
import { decodeDocument, documentKinds } from '../../../protocol/documents/index.ts';
import { refusalOf, utf8 } from '../support.ts';

const [a, b] = ['ab', 'cd'];
/** As dpkg-genchanges writes it, all kinds of lists in it. */
const lines = [
  'Format: 1.8',
  'Date: Sun, 22 Nov 2026 08:00:00 +0100',
  'Source: tool (1.4)',
  'Binary: tool',
  'Architecture: source all',
  'Version: 1.4.2-1',
  'Distribution: unstable',
  'Maintainer: Zoë Release <zoe@acme.example>',
  'Changes:',
  ' tool (1.4.2-1) unstable; urgency=medium',
  ' .',
  '   * New.',
  'Checksums-Sha1:',
  ` ${a.repeat(20)} 500 tool_1.4.2-1.dsc`,
  ` ${b.repeat(20)} 0 tool_1.4.2-1_all.deb`,
  'Checksums-Sha256:',
  ` ${a.repeat(32)} 500 tool_1.4.2-1.dsc`,
  ` ${b.repeat(32)} 0 tool_1.4.2-1_all.deb`,
  'Files:',
  ` ${a.repeat(16)} 500 devel optional tool_1.4.2-1.dsc`,
  ` ${b.repeat(16)} 0 devel optional tool_1.4.2-1_all.deb`,
];
/** The file with some lines, counted from 1, replaced or, with '', left out. */
const changes = (change: Readonly<Record<number, string>> = {}, end = '\n'): Uint8Array =>
  utf8(lines.flatMap((line, index) => (change[index + 1] === '' ? [] : [change[index + 1] ?? line])).join('\n') + end);
const decode = (bytes: Uint8Array) => decodeDocument('debian-control', bytes);

describe('a control file of Debian', () => {
  it('is shown by its fields, and by the checksums that dpkg believes, which no signer can check', () => {
    const { fields, text } = decode(changes());
    expect(fields.map(({ name, value }) => `${name}: ${value}`)).toEqual([
      ...lines.slice(0, 8),
      `tool_1.4.2-1.dsc: ${a.repeat(32)}`,
      `tool_1.4.2-1_all.deb: ${b.repeat(32)}`,
    ]);
    expect(fields.filter(({ isChecked }) => !isChecked).map(({ name }) => name)).toEqual([
      'tool_1.4.2-1.dsc',
      'tool_1.4.2-1_all.deb',
    ]);
    expect(text).toBe(`${lines.slice(8, 12).join('\n')}\n`);
  });

  it('may end with the empty line that debsign and dpkg-buildpackage add, and with no more', () => {
    expect(decode(changes({}, '\n\n'))).toEqual(decode(changes()));
    expect(refusalOf(() => decode(changes({}, '\n\n\n'))).message).toContain('line 22 is empty');
  });

  it.each<[string, Readonly<Record<number, string>>, string]>([
    ['no list that dpkg believes', { 16: '', 17: '', 18: '' }, 'there is no Checksums-Sha256'],
    ['no source', { 3: '' }, 'there is no Source'],
    ['an empty version', { 6: 'Version:' }, 'there is no Version'],
    ['a field twice', { 7: 'version: 2' }, 'line 7 has the field version for the second time'],
    ['a second paragraph', { 9: '\nChanges:' }, 'line 9 is empty'],
    ['a comment', { 2: '# hello' }, 'line 2'],
    ['a signature around it', { 1: '-----BEGIN PGP SIGNED MESSAGE-----' }, 'line 1'],
    ['a hash of another length', { 17: ` ${a.repeat(31)} 500 tool_1.4.2-1.dsc` }, 'line 17'],
    ['a hash in capitals', { 17: ` ${a.toUpperCase().repeat(32)} 500 tool_1.4.2-1.dsc` }, 'line 17'],
    ['a path', { 17: ` ${a.repeat(32)} 500 ../tool_1.4.2-1.dsc` }, 'line 17 does not name a plain file'],
    [
      'a name twice',
      { 18: ` ${b.repeat(32)} 500 tool_1.4.2-1.dsc` },
      'line 18 has tool_1.4.2-1.dsc for the second time',
    ],
    ['a list on the line of its name', { 16: `Checksums-Sha256: ${a.repeat(32)} 1 x` }, 'line 16 has a value'],
    ['a file that only a weak hash vouches for', { 18: '' }, 'Checksums-Sha1 and Checksums-Sha256'],
    ['a weak list with another size', { 20: ` ${a.repeat(16)} 501 devel optional tool_1.4.2-1.dsc` }, 'Files and'],
    ["a list of apt's", { 9: `SHA256:\n ${a.repeat(32)} 1 x\nChanges:` }, "reads as a list of files in apt's Release"],
    ['a checksum in a text', { 10: ` ${a.repeat(32)}  tool` }, 'line 10 reads as a checksum'],
    ['a carriage return', { 4: 'Binary: tool\r' }, 'line 4 has the character U+000D'],
  ])('is refused with %s (T10)', (_what, change, said) => {
    const { code, message } = refusalOf(() => decode(changes(change)));
    expect(code).toBe('bad-document');
    expect(message).toContain(said);
  });

  it('is signed as nothing else (T10)', () => {
    for (const kind of documentKinds.filter((name) => name !== 'debian-control'))
      expect(refusalOf(() => decodeDocument(kind, changes())).code, kind).toBe('bad-document');
  });
});
