import { createHash, randomBytes } from 'node:crypto';
import { appendFile, mkdir, mkdtemp, open, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { assertArtifacts, hashArtifacts, sha256Of, toArtifact, type HashProgress } from '../../requester/artifacts.ts';
import { hashChunkBytes, maxChunksUnderWay, minThreadBytes } from '../../requester/limits.ts';
import { ThreadHash } from '../../requester/thread-hash.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'frostmark-artifacts-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function file(name: string, bytes: Uint8Array | string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

const hashOf = (algorithm: string, bytes: Uint8Array): string => createHash(algorithm).update(bytes).digest('hex');

describe('hashing artifacts', () => {
  it.each([0, 1, hashChunkBytes - 1, hashChunkBytes, hashChunkBytes + 1, 3 * hashChunkBytes + 17])(
    'gives SHA-256, SHA-512 and size of a file of %i bytes',
    async (size) => {
      const bytes = randomBytes(size);
      const path = await file('exact.bin', bytes);
      const [artifact] = await hashArtifacts([path]);
      expect(artifact).toEqual({
        path,
        name: 'exact.bin',
        size,
        sha256: hashOf('sha256', bytes),
        sha512: hashOf('sha512', bytes),
      });
    },
  );

  it('keeps the order of many files and tells progress over all of them', async () => {
    const paths = [await file('b', 'bb'), await file('a', 'a'), await file('c', 'ccc')];
    const seen: HashProgress[] = [];
    const artifacts = await hashArtifacts(paths, (progress) => seen.push(progress));
    expect(artifacts.map(({ name }) => name)).toEqual(['b', 'a', 'c']);
    expect(seen.map(({ hashedBytes, totalBytes }) => `${hashedBytes}/${totalBytes}`)).toEqual(['2/6', '3/6', '6/6']);
  });

  it('follows a link and signs it under the name of the link', async () => {
    const target = await file('target.bin', 'x');
    await symlink(target, join(folder, 'latest.bin'));
    const [artifact] = await hashArtifacts([join(folder, 'latest.bin')]);
    expect(artifact?.name).toBe('latest.bin');
  });

  it('puts no path into the request', async () => {
    const [artifact] = await hashArtifacts([await file('x.tgz', 'x')]);
    expect(Object.keys(toArtifact(artifact!))).toEqual(['name', 'size', 'sha256', 'sha512']);
  });

  it('hashes more bytes than memory would hold at once, in flat memory', async () => {
    const path = join(folder, 'sparse.bin');
    const handle = await open(path, 'w');
    await handle.truncate(96 * 1024 * 1024);
    await handle.close();
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    await hashArtifacts([path], () => (most = Math.max(most, process.memoryUsage().arrayBuffers - before)));
    expect(most).toBeLessThan(32 * 1024 * 1024);
  });

  it('makes both hashes of a large file side by side, of the same bytes', async () => {
    const path = join(folder, 'large.bin');
    const [first, last] = [randomBytes(hashChunkBytes + 5), randomBytes(7)];
    const handle = await open(path, 'w');
    await handle.write(first, 0, first.length, 0);
    await handle.write(last, 0, last.length, minThreadBytes);
    await handle.close();
    const [artifact] = await hashArtifacts([path]);
    const hole = new Uint8Array(minThreadBytes - first.length);
    const whole = (algorithm: string): string =>
      createHash(algorithm).update(first).update(hole).update(last).digest('hex');
    expect(artifact).toMatchObject({
      size: minThreadBytes + last.length,
      sha256: whole('sha256'),
      sha512: whole('sha512'),
    });
    expect(await sha256Of(path)).toBe(artifact!.sha256);
  });

  it('hashes in a thread what it was given, whatever becomes of those bytes afterwards', async () => {
    await using hash = new ThreadHash();
    const expected = createHash('sha512');
    const bytes = new Uint8Array(1000);
    for (let turn = 0; turn < 5 * maxChunksUnderWay; turn += 1) {
      bytes.fill(turn);
      expected.update(bytes);
      const isTaken = hash.update(bytes);
      bytes.fill(0xff);
      await isTaken;
    }
    expect(await hash.digest()).toBe(expected.digest('hex'));
  });

  it('refuses no file at all', async () => {
    await expect(hashArtifacts([])).rejects.toMatchObject({ code: 'bad-artifact' });
  });

  it('refuses more files than one request takes', async () => {
    const paths = Array.from({ length: 201 }, (_, index) => `f${index}`);
    await expect(hashArtifacts(paths)).rejects.toMatchObject({
      code: 'bad-artifact',
      message: expect.stringMatching(/201 files.*200/) as string,
    });
  });

  it('refuses two files of one name, from whatever folders', async () => {
    await mkdir(join(folder, 'other'), { recursive: true });
    const paths = [await file('same.tgz', 'a'), join(folder, 'other', 'same.tgz')];
    await writeFile(paths[1]!, 'b');
    await expect(hashArtifacts(paths)).rejects.toMatchObject({
      code: 'bad-artifact',
      message: expect.stringContaining('one name') as string,
    });
  });

  it.each(['new\nline', 'bell\u0007', 'back\\slash'])('refuses the name %j before reading a byte', async (name) => {
    const path = await file(name, 'x');
    let hashed = false;
    await expect(hashArtifacts([path], () => (hashed = true))).rejects.toMatchObject({ code: 'bad-artifact' });
    expect(hashed).toBe(false);
  });

  it('refuses a missing file before it hashes the ones that are there', async () => {
    let hashed = false;
    const paths = [await file('there', 'x'), join(folder, 'not-there')];
    await expect(hashArtifacts(paths, () => (hashed = true))).rejects.toMatchObject({ code: 'missing-file' });
    expect(hashed).toBe(false);
  });

  it('refuses a folder', async () => {
    await expect(assertArtifacts([folder])).rejects.toMatchObject({
      code: 'unreadable',
      message: expect.stringContaining('not a regular file') as string,
    });
  });

  it('refuses a pipe without waiting for its writer', async () => {
    const path = join(folder, 'pipe');
    execFileSync('mkfifo', [path]);
    await expect(hashArtifacts([path])).rejects.toMatchObject({ code: 'unreadable' });
  });

  it('refuses a file that grows while it is hashed (T39)', async () => {
    const path = await file('growing', randomBytes(3 * hashChunkBytes));
    const growth: Promise<void>[] = [];
    await expect(
      hashArtifacts([path], () => {
        if (growth.length === 0) growth.push(appendFile(path, 'more'));
      }),
    ).rejects.toMatchObject({ code: 'changed-file' });
    await Promise.all(growth);
  });

  it('refuses a file that is swapped for another while it is hashed (T39)', async () => {
    const path = await file('swapped', randomBytes(3 * hashChunkBytes));
    const other = await file('swapped.new', randomBytes(3 * hashChunkBytes));
    const swaps: Promise<void>[] = [];
    await expect(
      hashArtifacts([path], () => {
        if (swaps.length === 0) swaps.push(rename(other, path));
      }),
    ).rejects.toMatchObject({ code: 'changed-file' });
    expect(swaps).toHaveLength(1);
    await Promise.all(swaps);
  });
});
