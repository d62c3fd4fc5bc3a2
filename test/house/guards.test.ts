/** Every row of `test/guards` still finds its statement in the sources, once, and its test. Whether the test misses the guard is what `npm run guards` asks. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { placesOf, readSources, toSource, trackedSources, unknownNames, type Guard } from '../guards/places.mjs';
import { guards } from '../guards/table.mjs';

const root = join(import.meta.dirname, '../..');
const sources = readSources(root, trackedSources(root));
const places = (guard: Guard): string[] => placesOf(guard, sources).map(({ file, start }) => `${file}:${start}`);
const textOf = (file: string): string => readFileSync(join(root, file), 'utf8');
const guard = (change: Partial<Guard>): Guard => ({ row: 'T0', what: '', from: '', to: '', test: '', ...change });

describe('a guard', () => {
  it.each(guards.map((row) => [row.row, row.what, row] as const))(
    '%s: %s is once in the sources',
    (_row, _what, row) => {
      expect(places(row), `${row.in ?? row.file}: ${row.from}`).toHaveLength(1);
    },
  );

  it('names a test that there is', () => {
    // A title may be put together from a table, but its words are in the file.
    const gone = guards.filter(
      ({ test, name = '' }) => !existsSync(join(root, test)) || !new RegExp(name).test(textOf(test)),
    );
    expect(gone.map(({ row, what, test, name }) => [row, what, test, name])).toEqual([]);
  });

  it('is exchanged for names that its file knows: a test that fails for another shows nothing', () => {
    const strange = guards.flatMap((row) =>
      placesOf(row, sources).flatMap((place) => unknownNames(place, row).map((name) => [row.row, row.what, name])),
    );
    expect(strange).toEqual([]);
  });

  it('is another statement without itself', () => {
    for (const { what, from, to } of guards) expect(to, what).not.toBe(from);
  });

  it('has one name', () => {
    const names = guards.map(({ row, what }) => `${row} ${what}`);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });
});

describe('what a guard is exchanged for', () => {
  const place = { file: 'x.ts', text: 'const [a, b] = [1, 2];\nif (a === b) f(a);\n', start: 0, end: 0 };

  it('is looked through for names that are not there', () => {
    for (const to of ['', 'if (a.c === Math.max(b, 1))', 'const b = { c: a };', 'void b; // c'])
      expect(unknownNames(place, { to }), to).toEqual([]);
    for (const to of ['if (c === b)', 'f({ a: c });', 'c.a;', 'a ? b : c', '...c'])
      expect(unknownNames(place, { to }), to).toEqual(['c']);
  });
});

describe('a statement', () => {
  const text =
    'const a = 1;\nfunction f() {\n  return g(\n    a,\n    2,\n  );\n}\nclass C {\n  #g = () => {\n    h();\n  };\n  h() {\n    h();\n  }\n}\n';
  const found = (change: Partial<Guard>): number => placesOf(guard(change), [toSource('x.ts', text)]).length;

  it('is found however it is laid out', () => {
    expect(found({ in: 'f', from: 'return g(a, 2);' })).toBe(1);
    expect(found({ in: 'f', from: 'return g(a, 3);' })).toBe(0);
  });

  it('is found in its function and in no other', () => {
    expect(found({ from: 'h();' })).toBe(2);
    expect(found({ in: '#g', from: 'h();' })).toBe(1);
    expect(found({ in: 'h', from: 'h();' })).toBe(1);
    expect(found({ in: 'f', from: 'h();' })).toBe(0);
    expect(found({ in: 'h', file: 'y.ts', from: 'h();' })).toBe(0);
  });
});
