/** The Release file of a Debian repository, as a document that a quorum signs. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeDocument, documentKinds } from '../../../protocol/documents/index.ts';
import { codeOf, refusalOf, utf8 } from '../support.ts';

const [a, b] = ['ab', 'cd'].map((digits) => digits.repeat(32));
const lines = [
  'Origin: Acme',
  'Label: Acme tools',
  'Suite: stable',
  'Codename: bookworm',
  'Date: Sun, 22 Nov 2026 08:00:00 UTC',
  'Valid-Until: Sun, 29 Nov 2026 08:00:00 UTC',
  'Acquire-By-Hash: yes',
  'Architectures: amd64 arm64',
  'Components: main contrib/x',
  'Description: what Acme releases',
  'MD5Sum:',
  ` ${'0'.repeat(32)}             1234 main/binary-amd64/Packages`,
  ` ${'1'.repeat(32)} 0 main/binary-arm64/Packages.gz`,
  'SHA256:',
  ` ${a!}             1234 main/binary-amd64/Packages`,
  ` ${b!} 0 main/binary-arm64/Packages.gz`,
];
/** The file with some lines, counted from 1, replaced. */
const release = (change: Readonly<Record<number, string>> = {}): Uint8Array =>
  utf8(lines.flatMap((line, index) => (change[index + 1] === '' ? [] : [change[index + 1] ?? line])).join('\n') + '\n');
const decode = (bytes: Uint8Array) => decodeDocument('apt-release', bytes);

describe('a Release file', () => {
  it('is shown by its fields, and by the hashes that apt believes, which no signer can check', () => {
    const { fields, text } = decode(release());
    expect(fields.map(({ name, value }) => `${name}: ${value}`)).toEqual([
      ...lines.slice(0, 10),
      'files: 2, by SHA256',
    ]);
    expect(fields.map(({ isChecked }) => isChecked)).toEqual([...Array<boolean>(10).fill(true), false]);
    expect(text).toBe(`${a!} 1234 main/binary-amd64/Packages\n${b!} 0 main/binary-arm64/Packages.gz\n`);
  });

  it('may be as bare as apt-ftparchive writes it, with any of the dates that apt reads', () => {
    for (const zone of ['UTC', 'GMT', '+0000'])
      expect(decode(utf8(`Date: Sun, 22 Nov 2026 08:00:00 ${zone}\nSHA512:\n`)).fields).toHaveLength(2);
  });

  it.each<[string, Readonly<Record<number, string>>, string]>([
    ['a field that apt does not know', { 1: 'X-Acme-Build: 42' }, 'X-Acme-Build: 42'],
    ['a field named like a property', { 1: 'constructor: x' }, 'constructor: x'],
    ['an empty field', { 9: 'Components:' }, 'Components: '],
    ['blanks around a value', { 1: 'Origin:  Acme ' }, 'Origin: Acme'],
    ['a day of one digit', { 5: 'Date: Thu, 5 Nov 2026 14:00:00 UTC' }, 'Date: Thu, 5 Nov 2026 14:00:00 UTC'],
    [
      'a text over lines',
      { 10: 'Description: Acme packages\n for every machine\n .\n of the company' },
      'Description: Acme packages\n for every machine\n .\n of the company\n',
    ],
    [
      'fingerprints over lines',
      { 10: `Signed-By:\n ${'1A'.repeat(20)}\n ${'2B'.repeat(20)}!` },
      `Signed-By:\n ${'1A'.repeat(20)}\n ${'2B'.repeat(20)}!\n`,
    ],
  ])('is signed and shown with %s, as apt reads it', (_what, change, shown) => {
    const { fields, text } = decode(release(change));
    expect([...fields.map(({ name, value }) => `${name}: ${value}`), text].join('\n')).toContain(shown);
  });

  it.each<[string, Readonly<Record<number, string>>, string]>([
    ['a field in capitals that only apt forgives', { 1: 'oriGin: Acme' }, 'written Origin'],
    ['a field with a space before its colon', { 1: 'Origin : Acme' }, 'line 1'],
    ['a list of hashes in small letters', { 14: 'sha256:' }, 'written SHA256'],
    ["a list of dpkg's", { 10: `Files:\n ${'0'.repeat(32)} 1 x` }, 'line 11 reads as a list of files in a .dsc'],
    ['a checksum in a text over lines', { 10: `Description: x\n ${a!}  tool` }, 'line 11 reads as a checksum'],
    ['a checksum in a field that apt does not know', { 10: `X-A:\n ${a!} *tool` }, 'line 11 reads as a checksum'],
    ['a tagged checksum in a text over lines', { 10: `Description: x\n SHA256 (tool) = ${a!}` }, 'line 11 reads as'],
    ['a field twice', { 2: 'Origin: Acme' }, 'line 2'],
    ['a field in other capitals', { 2: 'origin: Acme' }, 'line 2'],
    ['a line that is no field', { 2: 'hello' }, 'line 2'],
    ['an empty line', { 2: '\nLabel: x' }, 'line 2'],
    ['a comment', { 2: '# hello' }, 'line 2'],
    ['a field over two lines that has one', { 2: 'Label: x\n y' }, 'line 3'],
    ['words over two lines', { 8: 'Architectures: amd64\n arm64' }, 'line 9'],
    ['a carriage return', { 2: 'Label: x\r' }, 'line 2 has the character U+000D: write it with the line ends of Unix'],
    ['a tab', { 2: 'Label: x\ty' }, 'line 2'],
    ['a suite that is none', { 3: 'Suite: ../etc' }, 'line 3'],
    ['no date', { 5: '' }, 'no Date'],
    ['a date of another form', { 5: 'Date: 2026-11-22T08:00:00Z' }, 'Date'],
    [
      'a date in another language',
      { 5: 'Date: 四, 05 11月 2026 14:00:00 UTC' },
      'line 5 has a Date that apt does not read',
    ],
    ['a date in another zone', { 5: 'Date: Sun, 22 Nov 2026 08:00:00 +0100' }, 'LC_ALL=C date -Ru'],
    ['the wrong day of the week', { 5: 'Date: Mon, 22 Nov 2026 08:00:00 UTC' }, 'Date'],
    ['a 31st of November', { 5: 'Date: Tue, 31 Nov 2026 08:00:00 UTC' }, 'Date'],
    ['an end that is none', { 6: 'Valid-Until: never' }, 'Valid-Until'],
    ['an end before its date', { 6: 'Valid-Until: Sun, 22 Nov 2026 08:00:00 UTC' }, 'Valid-Until'],
    ['a flag that is none', { 7: 'Acquire-By-Hash: maybe' }, 'line 7'],
    [
      'no list that apt believes',
      {
        14: 'SHA1:',
        15: ` ${'2'.repeat(40)} 1234 main/binary-amd64/Packages`,
        16: ` ${'3'.repeat(40)} 0 main/binary-arm64/Packages.gz`,
      },
      'neither',
    ],
    ['a list on the line of its name', { 14: `SHA256: ${a!} 1234 x` }, 'line 14'],
    ['a list twice', { 11: 'SHA256:' }, 'line 14'],
    ['a hash of another length', { 15: ` ${a!.slice(2)} 1234 main/binary-amd64/Packages` }, 'line 15'],
    ['a hash in capitals', { 15: ` ${a!.toUpperCase()} 1234 main/binary-amd64/Packages` }, 'line 15'],
    ['a size with a zero before it', { 15: ` ${a!} 01234 main/binary-amd64/Packages` }, 'line 15'],
    ['no size', { 15: ` ${a!} main/binary-amd64/Packages` }, 'line 15'],
    ['a path twice', { 16: ` ${b!} 1234 main/binary-amd64/Packages` }, 'line 16'],
    ['a path out of the repository', { 15: ` ${a!} 1234 ../../etc/passwd` }, 'line 15'],
    ['an absolute path', { 15: ` ${a!} 1234 /etc/passwd` }, 'line 15'],
    ['a path with an empty name', { 15: ` ${a!} 1234 main//Packages` }, 'line 15'],
    ['a path past its bound', { 15: ` ${a!} 1234 ${'p'.repeat(256)}` }, 'line 15'],
    ['a path with a space', { 15: ` ${a!} 1234 main/Pack ages` }, 'line 15'],
    ['a path with an invisible character', { 15: ` ${a!} 1234 main/\u202ePackages` }, 'line 15'],
    ['a file that only a weak hash vouches for', { 16: '' }, 'MD5Sum'],
    ['a weak list with another size', { 12: ` ${'0'.repeat(32)} 1235 main/binary-amd64/Packages` }, 'MD5Sum'],
  ])('is refused with %s (T10)', (_what, change, said) => {
    expect(codeOf(() => decode(release(change)))).toBe('bad-document');
    expect(refusalOf(() => decode(release(change))).message).toContain(said);
  });

  it.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array()],
    ['a last line without a newline', release().subarray(0, -1)],
    ['bytes that are not UTF-8', new Uint8Array([...release(), 0xff, 0x0a])],
    ['a byte order mark', new Uint8Array([0xef, 0xbb, 0xbf, ...release()])],
    ['a zero byte', new Uint8Array([...release(), 0, 0x0a])],
    ['two of them', new Uint8Array([...release(), ...release()])],
    ['an OpenPGP header', utf8(`-----BEGIN PGP SIGNED MESSAGE-----\n${new TextDecoder().decode(release())}`)],
  ])('is refused: %s (T10)', (_what, bytes) => {
    expect(codeOf(() => decode(bytes))).toBe('bad-document');
  });

  it('is signed as nothing else (T10)', () => {
    for (const kind of documentKinds.filter((name) => name !== 'apt-release'))
      expect(
        codeOf(() => decodeDocument(kind, release())),
        kind,
      ).toBe('bad-document');
  });

  it('is refused or read, whatever is written over it', () => {
    const change = fc.tuple(fc.nat(release().length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
        const bytes = release();
        for (const [at, value] of changes) bytes[at] = value;
        try {
          expect(decode(bytes).fields.length).toBeGreaterThan(0);
        } catch (error) {
          expect((error as { code?: string }).code).toBe('bad-document');
        }
      }),
      { numRuns: 1000 },
    );
  });
});
