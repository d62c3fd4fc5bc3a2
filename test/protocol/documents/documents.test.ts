/** Document kinds: what a quorum may sign whole, and that nothing is of two kinds. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeDocument, documentKindOf, documentKinds } from '../../../protocol/documents/index.ts';
import { assertManifestOf, decodeManifest, manifestOf } from '../../../protocol/documents/manifest.ts';
import { releaseDocument } from '../../../protocol/formats/release-document.ts';
import { maxGitObjectBytes, maxManifestBytes, maxTextBytes } from '../../../protocol/limits.ts';
import { isSubjectName } from '../../../verifier/names.ts';
import { prepareRequest } from '../../../protocol/formats/index.ts';
import { goldenDocuments, goldenEpoch, goldenFormat, goldenRelease, goldenRequest } from './golden.ts';
import { codeOf, flipped, refusalOf, utf8 } from '../support.ts';

const epoch = goldenEpoch();
const digest = 'ab'.repeat(32);
const goldenText = (kind: string): string => new TextDecoder().decode(goldenDocuments[kind]);
const refusal = (kind: string, text: string | Uint8Array): string => {
  const { code, message } = refusalOf(() => decodeDocument(kind, typeof text === 'string' ? utf8(text) : text));
  expect(code).toBe('bad-document');
  return message;
};

/** One change to a right document, and what its refusal says. */
type Change = readonly [what: string, from: string | RegExp, to: string, said: RegExp];
function refusesChanges(kind: string, changes: readonly Change[]): void {
  it.each(changes)('%s', (_what, from, to, said) => {
    const text = goldenText(kind);
    const changed = text.replace(from, () => to);
    expect(changed).not.toBe(text);
    expect(refusal(kind, changed)).toMatch(said);
  });
}

const hiddenCharacters: readonly Change[] = [
  ['with a carriage return', /\n$/, '\r\n', /line \d has the character U\+000D/],
  ['with an escape', /\n$/, '\u{1b}[2J\n', /U\+001B/],
  ['with a NUL', /\n$/, '\0\n', /not plain UTF-8/],
  ['with a C1 control', /\n$/, '\u{9b}2J\n', /U\+009B/],
  ['with a bidirectional override (T36)', /\n$/, '\u{202e}\n', /U\+202E/],
  ['with a bidirectional isolate (T36)', /\n$/, '\u{2066}\n', /U\+2066/],
  ['with a line separator', /\n$/, '\u{2028}\n', /U\+2028/],
  ['with a byte order mark', /^/, '\u{feff}', /not plain UTF-8/],
  ['without a last newline', /\n$/, '', /newline/],
];

describe('the kinds of documents', () => {
  it.each(Object.keys(goldenDocuments))('are as their golden file, read by their own kind: %s', (kind) => {
    expect(goldenFormat(`document.${kind}`)).toEqual(goldenDocuments[kind]);
    expect(() => decodeDocument(kind, goldenDocuments[kind]!)).not.toThrow();
    expect(documentKindOf(goldenDocuments[kind]!)).toBe(kind);
  });

  const pairs = Object.keys(goldenDocuments).flatMap((kind) =>
    documentKinds.filter((other) => other !== kind).map((other) => [kind, other] as const),
  );
  it.each(pairs)('exclude each other: a %s is no %s (T10)', (kind, other) => {
    refusal(other, goldenDocuments[kind]!);
  });

  it('do not include any other name', () => {
    for (const kind of ['', 'raw', 'digest', 'Manifest', 'toString', '__proto__', 'git-blob'])
      expect(refusal(kind, goldenText('text'))).toContain(documentKinds.join(', '));
  });

  it('take nothing that is as long as a digest, or shorter (T10)', () => {
    const short = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc.string({ unit: fc.constantFrom('a', 'b', ' ', '0', '1', '\n', '\t', '(', ')', '='), maxLength: 64 }).map(utf8),
      fc.string({ maxLength: 63 }).map((text) => utf8(`${text}\n`).slice(-64)),
    );
    fc.assert(
      fc.property(short, (bytes) => {
        for (const kind of documentKinds) refusal(kind, bytes);
      }),
    );
    expect(() => decodeDocument('text', utf8(`${'a b '.repeat(16)}\n`))).not.toThrow();
    expect(refusal('text', `${'a b '.repeat(15)}a b\n`)).toMatch(/less than 65 bytes/);
  });

  it('are bounded', () => {
    const bounds = {
      manifest: maxManifestBytes,
      'git-tag': maxGitObjectBytes,
      'git-commit': maxGitObjectBytes,
      text: maxTextBytes,
    };
    for (const [kind, bound] of Object.entries(bounds)) {
      const long = (bytes: number): Uint8Array => {
        const head = kind === 'manifest' ? longManifest(bytes) : goldenText(kind);
        return utf8(head + '\n'.repeat(bytes - utf8(head).length));
      };
      if (kind !== 'manifest') expect(() => decodeDocument(kind, long(bound))).not.toThrow();
      expect(refusal(kind, long(bound + 1))).toMatch(/at most/);
    }
  });

  it('take none of the messages that a quorum signs (T10)', () => {
    const bytes = goldenDocuments['manifest']!;
    const release = goldenRelease(epoch, 'manifest', bytes);
    const native = goldenRequest(epoch, {
      formats: ['native'],
      artifacts: [{ name: 'a', size: 1, sha256: digest, sha512: digest + digest }],
    });
    const messages = [
      ...prepareRequest({ epoch, request: release, documents: [bytes] }).messages,
      ...prepareRequest({ epoch, request: native, documents: [] }).messages,
    ];
    expect(messages).toHaveLength(3);
    for (const message of messages) for (const kind of documentKinds) refusal(kind, message);
  });
});

function longManifest(bytes: number): string {
  const line = (index: number): string => `${digest}  ${String(index).padStart(9, '0')}\n`;
  return Array.from({ length: Math.floor(bytes / line(0).length) }, (_, index) => line(index)).join('');
}

describe('a manifest', () => {
  it('is read in its order', () => {
    expect(decodeManifest(goldenDocuments['manifest']!)).toEqual([
      { name: 'tool-1.4.2.tgz', sha256: 'a1'.repeat(32) },
      { name: 'tool-1.4.2.sbom', sha256: 'a3'.repeat(32) },
    ]);
    expect(decodeDocument('manifest', goldenDocuments['manifest']!).fields[1]).toEqual({
      name: 'tool-1.4.2.sbom',
      value: 'a3'.repeat(32),
      isChecked: true,
    });
  });

  it('in binary mode names the same files as in text mode', () => {
    const binary = goldenText('manifest').replaceAll('  ', ' *');
    expect(decodeManifest(utf8(binary))).toEqual(decodeManifest(goldenDocuments['manifest']!));
    expect(decodeDocument('manifest', utf8(binary)).fields[0]?.name).toBe('tool-1.4.2.tgz');
  });

  it('may name files with blanks and brackets', () => {
    const text = `${digest}  acme-1.4.2.tgz\n${digest}  acme 1.4.2 (x64).msi\n`;
    expect(decodeManifest(utf8(text)).map(({ name }) => name)).toEqual(['acme-1.4.2.tgz', 'acme 1.4.2 (x64).msi']);
  });

  it('of any files is what is read back, in their order', () => {
    const name = fc.string({ minLength: 1, maxLength: 40 }).filter((text) => isSubjectName(text) && text !== '-');
    const sha256 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex'));
    const entries = fc.uniqueArray(fc.record({ name, sha256 }), {
      minLength: 1,
      maxLength: 20,
      selector: (entry) => entry.name,
    });
    fc.assert(
      fc.property(entries, (files) => {
        const bytes = manifestOf(files);
        expect(decodeManifest(bytes)).toEqual(files);
        expect(() => assertManifestOf(bytes, files)).not.toThrow();
      }),
    );
  });

  describe('is refused', () => {
    refusesChanges('manifest', [
      ['with one space', '  ', ' ', /line 1 is not/],
      ['with a tab', '  ', '\t', /line 1 is not/],
      ['with upper-case digits', 'a1', 'A1', /line 1 is not/],
      ['with a digit missing', 'a1', 'a', /line 1 is not/],
      ['with a digit more', 'a1', 'a11', /line 1 is not/],
      ['with a star and no space', '  ', '**', /line 1 is not/],
      ['with SHA-512', 'a1'.repeat(32), 'a1'.repeat(64), /line 1 has a SHA-512 checksum.*> SHA256SUMS/],
      ['with SHA-1', 'a1'.repeat(32), 'a1'.repeat(20), /line 1 has a SHA-1 checksum.*> SHA256SUMS/],
      ['with MD5', 'a1'.repeat(32), 'a1'.repeat(16), /line 1 has a MD5 checksum.*> SHA256SUMS/],
      ['with an escaped name', /^/, '\\', /line 1 is not/],
      ['with an empty line', '\n', '\n\n', /line 2 is not/],
      ['with an empty last line', /\n$/, '\n\n', /line 3 is not/],
      ['with a comment', '\n', '\n# all of them\n', /line 2 is not/],
      [
        'in the BSD form',
        /^.*\n/,
        `SHA256 (tool-1.4.2.tgz) = ${digest}\n`,
        /line 1 is of the form .*--tag.*> SHA256SUMS/,
      ],
      ['without a name', '  tool-1.4.2.tgz', '  ', /line 1 is not/],
      ['with a path', 'tool-1.4.2.sbom', 'dist/tool', /line 2 does not name a plain file.*> SHA256SUMS/],
      ['with the folder above', 'tool-1.4.2.sbom', '..', /line 2 does not name a plain file/],
      ['with a backslash', 'tool-1.4.2.sbom', 'a\\b', /line 2 does not name a plain file/],
      ['with standard input', 'tool-1.4.2.sbom', '-', /line 2 does not name a plain file/],
      ['with a name too long', 'tool-1.4.2.sbom', 'x'.repeat(256), /line 2 does not name a plain file/],
      ['with a name twice', 'tool-1.4.2.sbom', 'tool-1.4.2.tgz', /line 2 names a file for the second time/],
      ...hiddenCharacters,
    ]);
    it('empty', () => {
      refusal('manifest', '');
      refusal('manifest', '\n');
      expect(codeOf(() => manifestOf([]))).toBe('bad-document');
    });
  });

  it.each(['-', '', 'a/b', 'a\nb', '..', 'a\u{202e}b', '\0'])('is not made of a file named %j', (name) => {
    expect(codeOf(() => manifestOf([{ name, sha256: digest }]))).toBe('bad-document');
  });

  describe('beside artifacts', () => {
    const artifacts = decodeManifest(goldenDocuments['manifest']!).map((entry) => ({
      ...entry,
      size: 1,
      sha512: digest + digest,
    }));
    const [first, second] = artifacts as [(typeof artifacts)[0], (typeof artifacts)[0]];
    const ask = (change: typeof artifacts, formats = ['ssh']): void => {
      const bytes = goldenDocuments['manifest']!;
      const request = goldenRelease(epoch, 'manifest', bytes, { artifacts: change, formats });
      prepareRequest({ epoch, request, documents: [bytes] });
    };

    it('lists exactly them', () => {
      expect(() => ask(artifacts)).not.toThrow();
      expect(() => ask(artifacts, ['native', 'ssh', 'minisign'])).not.toThrow();
    });

    it.each<[string, typeof artifacts, RegExp]>([
      ['another digest', [first, { ...second, sha256: digest }], /line 2/],
      ['another name', [{ ...first, name: 'x' }, second], /line 1/],
      ['one artifact fewer', [first], /line 2/],
      ['one artifact more', [first, second, { ...first, name: 'x' }], /line 3/],
      ['another order', [second, first], /line 1/],
    ])('is refused with %s, whatever the formats (T10)', (_what, change, said) => {
      for (const formats of [['native'], ['ssh'], ['minisign'], ['native', 'ssh', 'minisign']]) {
        const { code, message } = refusalOf(() => ask(change, formats));
        expect(code).toBe('bad-document');
        expect(message).toMatch(said);
      }
    });
  });
});

const gitChanges: readonly Change[] = [
  ['with a name in angle brackets', 'Zoë', '<Zoë>', /line \d has no (?:tagger|author)/],
  ['without an email', '<zoe@acme.example>', '', /as git writes it/],
  ['with two emails', '<zoe@acme.example>', '<a@b> <c@d>', /as git writes it/],
  ['with a space at the end of the email', 'zoe@acme.example>', 'zoe@acme.example >', /as git writes it/],
  ['with a tab in the email', 'zoe@acme', 'zoe\t@acme', /as git writes it/],
  ['without a name', 'Zoë Release ', '', /as git writes it/],
  ['with spaces around the name', 'Zoë Release', ' Zoë Release ', /as git writes it/],
  ['with a time before 1970', '1795334400', '-1', /as git writes it/],
  ['with a time of leading zeros', '1795334400', '01795334400', /as git writes it/],
  ['with a time past the year 9999', '1795334400', '253402300800', /as git writes it/],
  ['with a fraction of a second', '1795334400', '1795334400.5', /as git writes it/],
  ['without a zone', ' +0100', '', /as git writes it/],
  ['with a zone by name', '+0100', 'CET', /as git writes it/],
  ['with an impossible zone', '+0100', '+1560', /as git writes it/],
  ['with something after the zone', '+0100', '+0100 x', /as git writes it/],
  ['with a hash cut short', '5c'.repeat(20), '5c'.repeat(19), /40 or 64/],
  ['with an upper-case hash', '5c'.repeat(20), '5C'.repeat(20), /40 or 64/],
  ['without a message or the line before it', /\n\n[^]*$/, '\n', /no empty line/],
  ['with a header more', '\n\n', '\ngpgsig x\n\n', /"gpgsig", which is not signed here/],
  ['with a header continued', '\n\n', '\n continued\n\n', /which is not signed here/],
  ...hiddenCharacters,
];

describe('a git tag', () => {
  it('shows what it says; of the object only a hash, which nobody checked', () => {
    expect(decodeDocument('git-tag', goldenDocuments['git-tag']!)).toEqual({
      fields: [
        { name: 'object', value: '5c'.repeat(20), isChecked: false },
        { name: 'type', value: 'commit', isChecked: false },
        { name: 'tag', value: 'v1.4.2', isChecked: true },
        { name: 'tagger', value: 'Zoë Release <zoe@acme.example> 2026-11-22T08:00:00Z +0100', isChecked: true },
      ],
      text: 'Tool 1.4.2\n\nFixes “the bug”.\n',
    });
  });

  it.each(['v1', '1.0', 'release/1.0', 'a@b', 'ü', 'a.lockb', 'a-b'])('may be named %s', (name) => {
    expect(() => decodeDocument('git-tag', utf8(goldenText('git-tag').replace('v1.4.2', name)))).not.toThrow();
  });

  it.each([
    '-v',
    '/v',
    'v/',
    'v.',
    '.v',
    'a/.b',
    'a..b',
    'a//b',
    'a b',
    'a~1',
    'a^',
    'a:b',
    'a?',
    'a*',
    'a[1',
    'a\\b',
    'a@{1}',
    '@',
    'v.lock',
    'a.lock/b',
    '',
  ])('is refused with the name %j', (name) => {
    expect(refusal('git-tag', goldenText('git-tag').replace('v1.4.2', name))).toMatch(/line 3/);
  });

  describe('is refused', () => {
    refusesChanges('git-tag', [
      ['of an unknown type', 'type commit', 'type note', /line 2 must name one of the types/],
      ['without a tagger', /tagger.*\n/, '', /no empty line|line 4 must be the tagger/],
      ['without a name', /tag v.*\n/, '', /line 3 must be the tag/],
      ['with the lines exchanged', /type.*\n(tag v.*)\n/, 'tag v1.4.2\ntype commit\n', /line 2 must be the type/],
      ['with two objects', /\n/, `\nobject ${'5c'.repeat(20)}\n`, /line 2 must be the type/],
      [
        'with an SSH signature in it',
        'Fixes',
        '-----BEGIN SSH SIGNATURE-----\nFixes',
        /line 8 begins like a signature/,
      ],
      ['with a PGP signature in it', 'Fixes', '-----BEGIN PGP SIGNATURE-----\nFixes', /line 8 begins like a signature/],
      ...gitChanges,
    ]);
  });
});

describe('a git commit', () => {
  it('shows what it says; of tree and parents only hashes, which nobody checked', () => {
    expect(decodeDocument('git-commit', goldenDocuments['git-commit']!)).toEqual({
      fields: [
        { name: 'tree', value: '7e'.repeat(20), isChecked: false },
        { name: 'parent', value: '5c'.repeat(20), isChecked: false },
        { name: 'parent', value: '5d'.repeat(20), isChecked: false },
        { name: 'author', value: 'Zoë Release <zoe@acme.example> 2026-11-22T08:00:00Z +0100', isChecked: true },
        { name: 'committer', value: 'CI <ci@acme.example> 2026-11-22T08:01:00Z +0000', isChecked: true },
      ],
      text: 'Merge the fix\n',
    });
  });

  it('may be the first one, of SHA-256, and without a message', () => {
    const text = goldenText('git-commit').replace(/parent.*\n/g, '');
    for (const right of [text, text.replace('7e'.repeat(20), '7e'.repeat(32)), text.replace('Merge the fix\n', '')])
      expect(() => decodeDocument('git-commit', utf8(right))).not.toThrow();
  });

  it.each<[string, string, string, string]>([
    ['an empty email, as git writes it when told', '<zoe@acme.example>', '<>', 'Zoë Release <> 2026'],
    ['spaces in the email', '<zoe@acme.example>', '<zoe at acme.example>', 'Zoë Release <zoe at acme.example> 2026'],
    ['the id of a change (jj, GitButler)', '\n\n', '\nchange-id kkmpptxzrspxrzommnulwmwkkqwworpl\n\n', 'kkmpptxzrspx'],
    ['a message without the name of a subject', 'Merge the fix\n', '\n', ''],
  ])('may have %s', (_what, from, to, shown) => {
    const { fields } = decodeDocument('git-commit', utf8(goldenText('git-commit').replace(from, () => to)));
    expect(fields.map(({ value }) => value).join('\n')).toContain(shown);
  });

  it.each<[string, string, RegExp]>([
    ['encoding ISO-8859-1', '--unset i18n.commitEncoding', /write it in UTF-8/],
    [`mergetag object ${'5c'.repeat(20)}`, 'merge TAG^{} instead', /TAG/],
    ['gpgsig-sha256 x', 'it is signed already', /signed/],
    ['HG:extra rebase_source:1', 'write the object without it', /without/],
  ])('is told how to be written, where it has the header %s', (header, remedy, said) => {
    const message = refusal('git-commit', goldenText('git-commit').replace('\n\n', `\n${header}\n\n`));
    expect(message).toMatch(/line 6 has/);
    expect(message).toContain(remedy);
    expect(message).toMatch(said);
  });

  describe('is refused', () => {
    refusesChanges('git-commit', [
      ['with a change that is none', '\n\n', '\nchange-id X Y\n\n', /line 6 has no change-id/],
      ['with hashes of two lengths', '7e'.repeat(20), '7e'.repeat(32), /line 2 has no parent/],
      ['without a tree', /tree.*\n/, '', /line 1 must be the tree/],
      ['with two trees', /\n/, `\ntree ${'7e'.repeat(20)}\n`, /line 2 must be the author/],
      [
        'with a parent after the author',
        /(\ncommitter)/,
        `\nparent ${'5c'.repeat(20)}\ncommitter`,
        /must be the committer/,
      ],
      ['without an author', /author.*\n/, '', /line 4 must be the author/],
      ['without a committer', /committer.*\n/, '', /must be the committer/],
      ['in another encoding', '\n\n', '\nencoding ISO-8859-1\n\n', /"encoding", which is not signed here/],
      [
        'with the tag that it merges',
        '\n\n',
        `\nmergetag object ${'5c'.repeat(20)}\n\n`,
        /"mergetag", which is not signed here/,
      ],
      [
        'that is signed already',
        '\n\n',
        '\ngpgsig -----BEGIN SSH SIGNATURE-----\n\n',
        /"gpgsig", which is not signed here/,
      ],
      ...gitChanges,
    ]);
  });
});

describe('a text', () => {
  const line = 'A line of text which is long enough that the whole is longer than any digest.\n';

  it.each([
    line,
    `\t${line}\n\n`,
    `${line}Grüße, 你好, שלום\n`,
    `{"payload": "JSON is text"}\n${line}`,
    `object oriented\n${line}`,
    `${line}see SHA-256 of the file\n`,
  ])('is plain text of whole lines: %j', (text) => {
    expect(decodeDocument('text', utf8(text))).toEqual({ fields: [], text });
  });

  describe('is refused', () => {
    const at = (beginning: string): string => `${beginning}${line}`;
    it.each<[string, string | Uint8Array, RegExp]>([
      ['an SSH signature', at('SSHSIG'), /begins like an SSH signature/],
      ['a DSSE message', at('DSSEv1 28 application/vnd.in-toto+json 2 {}'), /begins like a DSSE message/],
      ['a JSON Web Signature', at('eyJhbGciOiJFZERTQSJ9.'), /begins like a JSON Web Signature/],
      ['a minisign file', at('untrusted comment: '), /begins like a minisign file/],
      ['a minisign comment', at('trusted comment: '), /begins like a minisign file/],
      ['a git tag of another form', at(`object ${'5c'.repeat(20)}\ntype x\n`), /reads as a git tag/],
      ['a git commit of another form', at(`tree ${'5c'.repeat(20)}\nx y\n`), /reads as a git commit/],
      ['armor', at('-----BEGIN PGP SIGNATURE-----\n'), /line 1 reads as armor/],
      ['armor further down', `${line}-----BEGIN CERTIFICATE-----\n`, /line 2 reads as armor/],
      ['a checksum', `${line}${digest}  acme.tgz\n`, /line 2 reads as a checksum.*signed as manifest/],
      ['a checksum of another form', `${line}${digest} *tool\n`, /line 2 reads as a checksum/],
      ['a checksum in upper case', `${line}${digest.toUpperCase()}  tool\n`, /line 2 reads as a checksum/],
      ['an indented checksum', `${line} ${digest} 12 main/Packages\n`, /line 2 reads as a checksum/],
      ['an escaped checksum', `${line}\\${digest}  to\\nol\n`, /line 2 reads as a checksum/],
      ['an MD5 checksum', `${line}${'ab'.repeat(16)}  tool\n`, /line 2 reads as a checksum/],
      [
        'a checksum in base64',
        `${line}${Buffer.alloc(32, 1).toString('base64')}  tool\n`,
        /line 2 reads as a checksum/,
      ],
      ['a BSD checksum', `${line}SHA256 (tool) = ${digest}\n`, /line 2 reads as a checksum/],
      ["openssl's checksum", `${line}SHA2-256(tool)= ${digest}\n`, /line 2 reads as a checksum/],
      [
        'an SSH certificate',
        Buffer.concat([Buffer.from([0, 0, 0, 32]), utf8(at('ssh-ed25519-cert-v01@openssh.com'))]),
        /not plain/,
      ],
      ['an X.509 certificate', Buffer.concat([Buffer.from('30820101308200c3', 'hex'), utf8(line)]), /not plain/],
      ['a short DER sequence', Buffer.concat([Buffer.from('3063020102', 'hex'), utf8(line)]), /U\+0002/],
      ['CMS attributes', Buffer.concat([Buffer.from('31818b3018', 'hex'), utf8(line)]), /not plain/],
      ['an OpenPGP packet', Buffer.concat([Buffer.from('c2bf0401160a', 'hex'), utf8(line)]), /U\+0004/],
      ['a package header', Buffer.concat([Buffer.from('8eade80100000000', 'hex'), utf8(line)]), /not plain/],
      ['Latin-1', Buffer.concat([Buffer.from('gr\xfc\xdfe ', 'latin1'), utf8(line)]), /not plain/],
      ['64 bytes of a digest', Buffer.alloc(64, 0x61), /newline/],
    ])('that is %s (T10)', (_what, bytes, said) => {
      expect(refusal('text', bytes)).toMatch(said);
    });
    refusesChanges('text', hiddenCharacters);
  });
});

describe('the document of a release', () => {
  it('is of the kind that the request says', () => {
    const bytes = goldenDocuments['git-tag']!;
    const release = (kind: string) => ({ epoch, request: goldenRelease(epoch, kind, bytes), documents: [bytes] });
    expect(releaseDocument(release('git-tag'))).toMatchObject({ kind: 'git-tag', bytes });
    for (const kind of ['text', 'git-commit', 'manifest', 'raw'])
      expect(codeOf(() => releaseDocument(release(kind)))).toBe('bad-document');
  });

  it('is needed by ssh and minisign', () => {
    const artifacts = [{ name: 'a', size: 1, sha256: digest, sha512: digest + digest }];
    for (const format of ['ssh', 'minisign']) {
      const request = goldenRequest(epoch, { artifacts, formats: [format] });
      expect(refusalOf(() => prepareRequest({ epoch, request, documents: [] })).message).toMatch(
        /signs one whole document/,
      );
    }
  });

  it('is signed whole: other bytes than asked for are refused', () => {
    const bytes = goldenDocuments['text']!;
    const request = goldenRelease(epoch, 'text', bytes);
    for (const documents of [[], [flipped(bytes, 3)], [bytes.slice(1)], [bytes, bytes]])
      expect(codeOf(() => prepareRequest({ epoch, request, documents }))).toBe('bad-document');
  });
});
