/** One document, one reading: what a quorum approves as one kind no tool of another kind takes for its own. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeDocument, documentKinds } from '../../../protocol/documents/index.ts';
import { readingsOf } from '../../../protocol/documents/readings.ts';
import { prepareRequest } from '../../../protocol/formats/index.ts';
import { baits, embed, embedFields, withText } from './embedded.ts';
import { goldenDocuments, goldenEpoch, goldenRelease } from './golden.ts';
import { codeOf, refusalOf, utf8 } from '../support.ts';

const epoch = goldenEpoch();
const rpm = embed['rpm-header']!('Nothing else.')!;
const documents: Readonly<Record<string, Uint8Array>> = { ...goldenDocuments, 'rpm-header': rpm };
const own: Readonly<Record<string, readonly string[]>> = {
  'apt-release': ['apt-release', 'listing'],
  'debian-control': ['debian-control', 'listing'],
  text: [],
};
const isGit = (kind: string): boolean => kind.startsWith('git-');

/** Whether every signer of a request would take this document under this format. */
function prepares(kind: string, bytes: Uint8Array, format: string): boolean {
  try {
    prepareRequest({ epoch, request: goldenRelease(epoch, kind, bytes, { formats: [format] }), documents: [bytes] });
    return true;
  } catch (error) {
    expect((error as { code?: string }).code).toBe('bad-document');
    return false;
  }
}

const kindPairs = documentKinds.flatMap((kind) =>
  documentKinds.filter((other) => other !== kind).map((other) => [kind, other] as const),
);
const baitPairs = documentKinds.flatMap((kind) =>
  Object.entries(baits).flatMap(([reading, lines]) =>
    own[kind]?.includes(reading) === true ? [] : [[kind, reading, lines] as const],
  ),
);

describe('one document, one reading (T10)', () => {
  it.each(documentKinds)('a %s is read as what it is, and as nothing else', (kind) => {
    expect([...readingsOf(documents[kind]!)].sort()).toEqual(own[kind] ?? [kind]);
    expect(() => decodeDocument(kind, documents[kind]!)).not.toThrow();
  });

  it.each(kindPairs)('a %s is signed as no %s', (kind, other) => {
    expect(codeOf(() => decodeDocument(other, documents[kind]!))).toBe('bad-document');
  });

  it.each(baitPairs)('a %s holds nothing that reads as %s', (kind, reading, lines) => {
    for (const line of lines) {
      const found = [embed[kind]!(line), embedFields[kind]?.(line)].filter((bytes) => bytes !== undefined);
      for (const bytes of found.filter((one) => readingsOf(one).has(reading as 'manifest'))) {
        if (!isGit(kind))
          expect(
            codeOf(() => decodeDocument(kind, bytes)),
            line,
          ).toBe('bad-document');
        for (const format of ['openpgp', 'minisign']) expect(prepares(kind, bytes, format), line).toBe(false);
      }
    }
  });

  it('is a rule of all kinds: each has lines in it that it is refused for', () => {
    for (const kind of documentKinds.filter((name) => name !== 'manifest')) {
      const refused = Object.entries(baits).flatMap(([reading, lines]) =>
        lines.filter((line) =>
          [embed[kind]!(line)!, embedFields[kind]?.(line)].some(
            (bytes) =>
              bytes !== undefined &&
              own[kind]?.includes(reading) !== true &&
              readingsOf(bytes).has(reading as 'manifest'),
          ),
        ),
      );
      expect(refused.length, kind).toBeGreaterThan(baits.manifest.length);
    }
  });

  it('a tag or commit with checksums in its message is signed for SSH, whose signature says that it is for git', () => {
    for (const kind of ['git-tag', 'git-commit'])
      for (const line of Object.values(baits).flat()) {
        const bytes = embed[kind]!(line)!;
        expect(prepares(kind, bytes, 'ssh'), line).toBe(true);
        expect(prepares(kind, bytes, 'openpgp'), line).toBe(false);
        expect(prepares(kind, bytes, 'minisign'), line).toBe(false);
      }
    const bytes = embed['git-tag']!(baits.manifest[0]!)!;
    const request = goldenRelease(epoch, 'git-tag', bytes, { formats: ['ssh', 'openpgp'] });
    const { message } = refusalOf(() => prepareRequest({ epoch, request, documents: [bytes] }));
    expect(message).toMatch(/^git-tag: line 10 reads as a checksum of a file, and .* signed for SSH$/);
  });

  it('nothing that people need is lost', () => {
    const texts = [
      'Tool 1.4.2 is out. SHA-256 of the archive: see SHA256SUMS beside it.\n- fixes 3f2504e\n- SHA256: no more\n',
      `#!/bin/sh\nset -eu\necho "${'a1'.repeat(32)}  tool.tgz" | sha256sum -c -\nsha256=${'a1'.repeat(32)}\n`,
      `<?xml version="1.0"?>\n<repomd xmlns="http://linux.duke.edu/metadata/repo">\n  <data type="primary">\n    <checksum type="sha256">${'a1'.repeat(32)}</checksum>\n    <size>12</size>\n</data></repomd>\n`,
      'This note is long enough to be signed as a whole document by the members.\nSharing (beta) now works between accounts.\n',
      `| tool.tgz | ${'a1'.repeat(32)} | 12 |\nFiles: all of them, as listed in the archive, twelve in number\nobject lesson of the day\n`,
    ];
    for (const text of texts)
      for (const format of ['ssh', 'minisign', 'openpgp']) {
        expect([...readingsOf(utf8(text))], text).toEqual([]);
        if (format !== 'openpgp') expect(prepares('text', utf8(text), format), text).toBe(true);
      }
    const commits = `Merge\n\n${'1a2b3c4d'.repeat(5).slice(0, 12)} Fix it\n- ${'1a2b3c4d'.repeat(5)} Fix it\n`;
    expect([...readingsOf(utf8(commits))]).toEqual([]);
  });

  it('is found wherever it is, however much is around it', () => {
    const junk = fc.string({
      unit: fc.constantFrom('a', '1', ' ', '\t', '\n', '-', '(', ')', '=', ':', '\\', 'é'),
      maxLength: 400,
    });
    const bait = fc.constantFrom(...baits.manifest);
    fc.assert(
      fc.property(junk, bait, junk, (before, line, after) => {
        expect(readingsOf(utf8(`${before}\n${line}\n${after}`)).has('manifest')).toBe(true);
        expect(readingsOf(utf8(`${before}\n${line.toUpperCase()}\n${after}`)).has('manifest')).toBe(true);
      }),
    );
  });

  it('is found in a field wherever the field is', () => {
    const junk = fc.string({ unit: fc.constantFrom('a', '1', ' ', '\t', '\n', ':', ' x'), maxLength: 200 });
    const cases = fc.constantFrom(
      ...baits['apt-release'].map((line) => ['apt-release', line] as const),
      ...baits['debian-control'].map((line) => ['debian-control', line] as const),
    );
    fc.assert(
      fc.property(junk, cases, junk, (before, [reading, line], after) => {
        expect(readingsOf(utf8(`${before}\n${line}\n${after}`)).has(reading)).toBe(true);
      }),
    );
  });

  it('the header of a package with other words in it is still one', () => {
    expect(() => decodeDocument('rpm-header', rpm)).not.toThrow();
    expect(withText(rpm, 1005, 'About.\nNothing else.\n')).toEqual(rpm);
  });
});
