import { execFileSync } from 'node:child_process';
import { appendFileSync, renameSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { hashChunkBytes, maxBundleBytes } from '../../verifier/limits.ts';
import { verifyFile, type FileQuestion } from '../../verifier/verify-file.ts';
import { artifact, atUnixSeconds, codeOfAsync, group, productionBundle, sha256 } from './fixtures.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'frostmark-verify-'));
  path = join(folder, 'app.tar.gz');
  await write(path, artifact);
  await writeFile(`${path}.frostmark`, productionBundle());
});
afterEach(() => rm(folder, { recursive: true }));

/** Writes a file, and waits until the clock of the file system has moved on, so that any later write shows. */
async function write(file: string, bytes: Uint8Array): Promise<void> {
  await writeFile(file, bytes);
  const written = statSync(file, { bigint: true }).ctimeNs;
  const probe = join(folder, 'probe');
  do writeFileSync(probe, 'x');
  while (statSync(probe, { bigint: true }).ctimeNs === written);
}

function verify(changes: Partial<FileQuestion> = {}) {
  return verifyFile({ path, groupKey: group.publicKey, channel: 'production', at: atUnixSeconds, ...changes });
}

/** A file of several chunks, and the bundle beside it. */
async function writeLong(): Promise<Buffer> {
  const bytes = Buffer.alloc(4 * hashChunkBytes + 17, 'long');
  await write(path, bytes);
  await writeFile(`${path}.frostmark`, productionBundle({ subjects: [{ name: 'app.tar.gz', sha256: sha256(bytes) }] }));
  return bytes;
}

describe('a file', () => {
  it('is verified with the bundle beside it, and the result says what was hashed (T39)', async () => {
    const { file, bundlePath, subject } = await verify();
    expect(file).toEqual({ path, name: 'app.tar.gz', size: artifact.length, sha256: sha256(artifact) });
    expect(bundlePath).toBe(`${path}.frostmark`);
    expect(subject.name).toBe('app.tar.gz');
  });

  it('may be empty, or a whole number of chunks long', async () => {
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(2 * hashChunkBytes)]) {
      await write(path, bytes);
      await writeFile(
        `${path}.frostmark`,
        productionBundle({ subjects: [{ name: 'app.tar.gz', sha256: sha256(bytes) }] }),
      );
      expect((await verify()).file.size).toBe(bytes.length);
    }
  });

  it('is verified with a bundle from elsewhere, through a symbolic link of its name', async () => {
    await rename(`${path}.frostmark`, join(folder, 'elsewhere'));
    await mkdir(join(folder, 'links'));
    const link = join(folder, 'links', 'app.tar.gz');
    await symlink(path, link);
    expect((await verify({ path: link, bundlePath: join(folder, 'elsewhere') })).file.path).toBe(link);
  });

  it('is refused under another name on disk (T22)', async () => {
    await rename(path, join(folder, 'app-2.tar.gz'));
    const renamed = { path: join(folder, 'app-2.tar.gz'), bundlePath: `${path}.frostmark` };
    expect(await codeOfAsync(verify(renamed))).toBe('wrong-name');
    expect((await verify({ ...renamed, anyName: true })).file.name).toBe('app-2.tar.gz');
  });

  it('is refused with a byte changed, added or cut off (T22)', async () => {
    await write(path, Buffer.concat([artifact, Buffer.from('\n')]));
    expect(await codeOfAsync(verify())).toBe('wrong-digest');
    await truncate(path, artifact.length - 1);
    expect(await codeOfAsync(verify())).toBe('wrong-digest');
  });

  it('is reported when it or its bundle is missing, a folder or a pipe that nobody writes to', async () => {
    expect(await codeOfAsync(verify({ path: join(folder, 'none') }))).toBe('missing-file');
    expect(await codeOfAsync(verify({ bundlePath: join(folder, 'none') }))).toBe('missing-file');
    expect(await codeOfAsync(verify({ path: folder }))).toBe('unreadable');
    expect(await codeOfAsync(verify({ bundlePath: folder }))).toBe('unreadable');
    expect(await codeOfAsync(verify({ path: join(path, 'x') }))).toBe('unreadable');
    execFileSync('/usr/bin/mkfifo', [join(folder, 'pipe')]);
    expect(await codeOfAsync(verify({ path: join(folder, 'pipe') }))).toBe('unreadable');
    expect(await codeOfAsync(verify({ bundlePath: join(folder, 'pipe') }))).toBe('unreadable');
  });

  it('is refused when its bundle is too large, without reading all of it (T23)', async () => {
    await truncate(`${path}.frostmark`, maxBundleBytes + 1);
    expect(await codeOfAsync(verify())).toBe('too-large');
    await truncate(`${path}.frostmark`, 2 ** 30);
    expect(await codeOfAsync(verify())).toBe('too-large');
  });

  it('is not hashed when the bundle itself is refused', async () => {
    await writeLong();
    let hashed = 0;
    const onProgress = (bytes: number) => void (hashed = bytes);
    expect(await codeOfAsync(verify({ channel: 'development', onProgress }))).toBe('wrong-channel');
    expect(hashed).toBe(0);
  });
});

describe('a file that changes while it is hashed (T39)', () => {
  /** Runs `change` once, when the first chunk is hashed, and says that it ran. */
  function during(change: () => void) {
    const state = { ran: false };
    const onProgress = (): void => {
      if (state.ran) return;
      state.ran = true;
      change();
    };
    return { onProgress, state };
  }

  it('is refused when another one takes its path', async () => {
    await writeLong();
    const evil = join(folder, 'evil');
    await write(evil, Buffer.alloc(10, 'evil'));
    const { onProgress, state } = during(() => renameSync(evil, path));
    expect(await codeOfAsync(verify({ onProgress }))).toBe('changed-file');
    expect(state.ran).toBe(true);
  });

  it('is refused when the good one takes the path of the bad one', async () => {
    const bytes = await writeLong();
    const good = join(folder, 'good');
    await rename(path, good);
    await write(path, Buffer.alloc(bytes.length, 'evil'));
    const { onProgress, state } = during(() => renameSync(good, path));
    expect(await codeOfAsync(verify({ onProgress }))).toBe('changed-file');
    expect(state.ran).toBe(true);
    expect((await verify()).file.sha256).toBe(sha256(bytes));
  });

  it('is refused when what was hashed already is overwritten in place', async () => {
    const bytes = await writeLong();
    const { onProgress, state } = during(() => writeFileSync(path, Buffer.from('evil'), { flag: 'r+' }));
    expect(await codeOfAsync(verify({ onProgress }))).toBe('changed-file');
    expect(state.ran).toBe(true);
    expect(bytes.length).toBeGreaterThan(hashChunkBytes);
  });

  it('is refused when it is overwritten and its modification time set back', async () => {
    await writeLong();
    const { mtime } = statSync(path);
    const { onProgress, state } = during(() => {
      writeFileSync(path, Buffer.from('evil'), { flag: 'r+' });
      utimesSync(path, mtime, mtime);
    });
    expect(await codeOfAsync(verify({ onProgress }))).toBe('changed-file');
    expect(state.ran).toBe(true);
  });

  it('is refused when it grows, shrinks or goes away', async () => {
    const changes = [() => appendFileSync(path, 'x'), () => truncateSync(path, hashChunkBytes + 1), () => rmSync(path)];
    for (const change of changes) {
      await writeLong();
      const { onProgress, state } = during(change);
      expect(await codeOfAsync(verify({ onProgress }))).toBe('changed-file');
      expect(state.ran).toBe(true);
    }
  });

  it('is verified to the last byte of the one that was opened', async () => {
    const bytes = await writeLong();
    const seen: number[] = [];
    const { file } = await verify({ onProgress: (hashed, total) => void seen.push(hashed, total) });
    expect(file).toMatchObject({ size: bytes.length, sha256: sha256(bytes) });
    expect(seen).toHaveLength(10);
    expect(seen.slice(-2)).toEqual([bytes.length, bytes.length]);
  });
});
