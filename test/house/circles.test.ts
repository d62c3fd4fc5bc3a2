/** Imports of sources run in no circle, of types neither: whoever reads a file from its imports up comes to an end. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { trackedSources } from '../guards/places.mjs';

const root = join(import.meta.dirname, '../..');
const sources = trackedSources(root);

type Imports = ReadonlyMap<string, readonly string[]>;

function importsOf(file: string): string[] {
  const { importedFiles } = ts.preProcessFile(readFileSync(join(root, file), 'utf8'), true, true);
  return importedFiles.flatMap(({ fileName }) => (fileName.startsWith('.') ? [join(dirname(file), fileName)] : []));
}

/** Files that can be reached from themselves. */
function circlesIn(imports: Imports): string[] {
  return [...imports.keys()].filter((file) => reachedFrom(file, imports).has(file)).sort();
}

function reachedFrom(file: string, imports: Imports): Set<string> {
  const reached = new Set<string>();
  const waiting = [...(imports.get(file) ?? [])];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (reached.has(next)) continue;
    reached.add(next);
    waiting.push(...(imports.get(next) ?? []));
  }
  return reached;
}

describe('imports', () => {
  it('run in no circle', () => {
    const imports = new Map(sources.map((file) => [file, importsOf(file)]));
    expect([...imports.values()].flat().length).toBeGreaterThan(sources.length);
    expect(circlesIn(imports)).toEqual([]);
  });

  it('are seen to, of two files and of three', () => {
    const imports = new Map([
      ['a', ['b']],
      ['b', ['a']],
      ['c', ['d', 'a']],
      ['d', ['e']],
      ['e', ['c']],
      ['f', ['a', 'c']],
    ]);
    expect(circlesIn(imports)).toEqual(['a', 'b', 'c', 'd', 'e']);
  });
});
