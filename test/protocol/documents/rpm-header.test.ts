/** The main header of an RPM package, as a document that a quorum signs. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeDocument } from '../../../protocol/documents/index.ts';
import { codeOf, flipped, utf8 } from '../support.ts';

/** Of a package with scripts and triggers, as rpmbuild 4.18 wrote it. */
const real = new Uint8Array(
  readFileSync(join(import.meta.dirname, '..', '..', 'vectors', 'documents', 'rpm-header.bin')),
);
const decode = (bytes: Uint8Array) => decodeDocument('rpm-header', bytes);

interface Entry {
  readonly tag: number;
  readonly type: number;
  readonly count: number;
  readonly data: Uint8Array;
  /** Where it is not right after the data before, aligned. */
  readonly offset?: number;
}
const text = (tag: number, value: string, type = 6, count = 1): Entry => ({
  tag,
  type,
  count,
  data: utf8(`${value}\0`),
});
const number = (tag: number, value: number): Entry => ({ tag, type: 4, count: 1, data: Uint8Array.of(0, 0, 0, value) });
const width: Readonly<Record<number, number>> = { 3: 2, 4: 4, 5: 8 };

/** A header of these entries; `region` are the four numbers of the region's trailer where they should be others. */
function header(
  entries: readonly Entry[],
  change: { region?: number[]; first?: number[]; tail?: Uint8Array } = {},
): Uint8Array {
  const store: number[] = [];
  const index = entries.map(({ tag, type, count, data, offset }) => {
    while (store.length % (width[type] ?? 1) !== 0) store.push(0);
    const at = offset ?? store.length;
    store.push(...data);
    return [tag, type, at, count];
  });
  store.push(...(change.tail ?? []));
  const words = (numbers: readonly number[]): number[] =>
    numbers.flatMap((value) => [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]);
  const count = entries.length + 1;
  const first = change.first ?? [63, 7, store.length, 16];
  const trailer = words(change.region ?? [63, 7, -16 * count, 16]);
  return Uint8Array.from([
    ...[0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0],
    ...words([count, store.length + 16]),
    ...words(first),
    ...index.flatMap(words),
    ...store,
    ...trailer,
  ]);
}

const least = [
  text(1000, 'tool'),
  text(1001, '1.0'),
  text(1002, '1'),
  text(1022, 'noarch'),
  text(5092, 'ab'.repeat(32), 8),
  number(5093, 8),
];
/** The least header with one entry put in, or in the place of the one with its tag. */
const withEntry = (entry: Entry): Uint8Array =>
  header([...least.filter(({ tag }) => tag !== entry.tag), entry].sort((x, y) => x.tag - y.tag));
const without = (tag: number): Uint8Array => header(least.filter((entry) => entry.tag !== tag));

describe('an RPM header', () => {
  it('of rpmbuild is shown by name, version, release, architecture, payload digest and all its scripts', () => {
    const { fields, text: shown } = decode(real);
    expect(Object.fromEntries(fields.map(({ name, value }) => [name, value]))).toMatchObject({
      name: 'tool',
      version: '1.0',
      release: '1',
      arch: 'noarch',
      summary: 'a tool',
      files: '3',
      'source rpm': 'tool-1.0-1.src.rpm',
      'payload digest': expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    });
    expect(fields.filter(({ isChecked }) => !isChecked).map(({ name }) => name)).toEqual(['payload digest']);
    expect(shown).toBe(
      [
        '# Run after installation by /sbin/ldconfig\n',
        '# Run before removal by <lua>\nprint("x")\n',
        '# Run triggered by other packages by /bin/sh\necho trig\n',
        '# Run triggered by files by /bin/sh\necho ft\n',
        '# Run triggered by files of a transaction by /bin/sh\necho tft\n',
      ].join('\n'),
    );
  });

  it('may have no more than it needs', () => {
    const { fields, text: shown } = decode(header(least));
    expect(fields.map(({ value }) => value)).toEqual(['tool', '1.0', '1', 'noarch', '0', 'ab'.repeat(32)]);
    expect(shown).toBeNull();
    expect(decode(withEntry(number(1003, 7))).fields[1]).toEqual({ name: 'epoch', value: '7', isChecked: true });
  });

  it.each<[string, Uint8Array]>([
    ['no name', without(1000)],
    ['no version', without(1001)],
    ['no release', without(1002)],
    ['no architecture', without(1022)],
    ['no payload digest', without(5092)],
    ['no algorithm of the payload digest', without(5093)],
    ['a payload digest by MD5', withEntry(number(5093, 1))],
    ['a payload digest by SHA-1', withEntry(number(5093, 2))],
    ['a payload digest of another length', withEntry(text(5092, 'ab'.repeat(20), 8))],
    ['two payload digests', withEntry(text(5092, `${'ab'.repeat(32)}\0${'cd'.repeat(32)}`, 8, 2))],
    ['a payload digest that is none', withEntry(text(5092, 'xy'.repeat(32), 8))],
    ['a name that is a number', withEntry(number(1000, 1))],
    ['an epoch that is a text', withEntry(text(1003, '1'))],
    ['two epochs', withEntry({ tag: 1003, type: 4, count: 2, data: new Uint8Array(8) })],
    ['a name that is not UTF-8', withEntry({ tag: 1000, type: 6, count: 1, data: Uint8Array.of(0xff, 0) })],
    ['a name that is not ended', header([...least, { tag: 6000, type: 6, count: 1, data: utf8('x') }])],
    ['a text of two', withEntry(text(1000, 'a\0b', 6, 2))],
    ['an entry of no elements', withEntry(text(1000, '', 8, 0))],
    ['more elements than there are', withEntry({ tag: 6000, type: 4, count: 1_000_000, data: new Uint8Array(4) })],
    ['more texts than there are', withEntry(text(6000, 'a', 8, 9))],
    ['an unknown type', withEntry({ tag: 6000, type: 10, count: 1, data: Uint8Array.of(0) })],
    ['the type of nothing', withEntry({ tag: 6000, type: 0, count: 1, data: Uint8Array.of(0) })],
    ['tags out of order', header([...least, text(1000, 'evil')])],
    ['a tag twice', header([least[0]!, ...least])],
    ['a tag of another region', header([text(62, 'x'), ...least])],
    ['data that two tags share', header([...least, { ...text(6000, ''), offset: 0, data: new Uint8Array() }])],
    ['a hole in the store', header([...least.slice(0, 5), { ...number(5093, 8), offset: 96 }])],
    ['bytes that belong to no tag', header(least, { tail: Uint8Array.of(1) })],
    ['a region of fewer tags', header(least, { region: [63, 7, -16 * 3, 16] })],
    ['a region of another tag', header(least, { region: [62, 7, -16 * 7, 16] })],
    ['another first tag', header(least, { first: [62, 7, 96, 16] })],
    ['a region that is not at the end', header(least, { first: [63, 7, 0, 16] })],
    ['no entries', Uint8Array.from([0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])],
    ['nothing', new Uint8Array()],
    ['an index past every bound', flipped(real, 8, 6)],
    ['another magic', flipped(real, 0)],
    ['another version', flipped(real, 3)],
    ['reserved bytes in use', flipped(real, 7)],
    ['a byte more', new Uint8Array([...real, 0])],
    ['a digest of 64 bytes', new Uint8Array(64).fill(7)],
    ['a text', utf8('a header\n')],
  ])('is refused with %s (T10)', (_what, bytes) => {
    expect(codeOf(() => decode(bytes))).toBe('bad-document');
  });

  it('is refused cut off anywhere', () => {
    for (let length = 0; length < real.length; length += 1)
      expect(
        codeOf(() => decode(real.subarray(0, length))),
        `${length}`,
      ).toBe('bad-document');
  });

  it('has one place for the data of each tag: with any bit of any offset changed it is refused', () => {
    const entries = new DataView(real.buffer).getUint32(8);
    for (let entry = 0; entry < entries; entry += 1)
      for (let bit = 0; bit < 32; bit += 1) {
        const bytes = flipped(real, 16 + 16 * entry + 8 + (bit >>> 3), bit & 7);
        expect(
          codeOf(() => decode(bytes)),
          `entry ${entry}, bit ${bit}`,
        ).toBe('bad-document');
      }
  });

  it('is refused or read, whatever is written over it', () => {
    const change = fc.tuple(fc.nat(real.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const bytes = real.slice();
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
