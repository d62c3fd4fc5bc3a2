import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { readSmallFile } from '../../verifier/open-file.ts';
import { codeOfAsync } from './fixtures.ts';

describe('a small file', () => {
  let folder: string;
  beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'frostmark-small-'))));
  afterAll(() => rm(folder, { recursive: true }));

  it('is read whole up to its bound and refused one byte past it, with the code asked for (T23)', async () => {
    const path = join(folder, 'file');
    for (const length of [0, 1, 9, 10]) {
      await writeFile(path, Buffer.alloc(length, 7));
      expect(await readSmallFile(path, 10, 'too-large')).toEqual(new Uint8Array(length).fill(7));
    }
    for (const length of [11, 12, 1000]) {
      await writeFile(path, Buffer.alloc(length, 7));
      expect(await codeOfAsync(readSmallFile(path, 10, 'too-large'))).toBe('too-large');
      expect(await codeOfAsync(readSmallFile(path, 10, 'bad-key'))).toBe('bad-key');
    }
  });

  it('is no file that only claims to be empty: what /proc holds is read', async () => {
    expect((await readSmallFile('/proc/self/stat', 4096, 'too-large')).length).toBeGreaterThan(10);
  });
});
