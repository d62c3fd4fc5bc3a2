import { spawnSync } from 'node:child_process';
import { chmod, chown, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { disk as realDisk, type Disk, type DiskFile } from '../../home/disk.ts';
import {
  assertOwnerOnly,
  assertPrivateFolder,
  ensurePrivateFolder,
  readFileBounded,
  tryToWrite,
  useOwnerOnlyUmask,
  writeFileAtomic,
  writeFileOnce,
  type WriteOptions,
} from '../../home/files.ts';
import { aftermaths, SimulatedDisk, systemError } from './simulated-disk.ts';
import { temporaryFolder } from './support.ts';

const oldText = 'the old file';
const newText = 'the new file, longer';
const oldBytes = new TextEncoder().encode(oldText);
const newBytes = new TextEncoder().encode(newText);
const writers = [
  ['writeFileAtomic', writeFileAtomic],
  ['writeFileOnce', writeFileOnce],
] as const;

async function modeOf(path: string): Promise<number> {
  return (await stat(path)).mode & 0o777;
}

describe('writing a file', () => {
  it('replaces it, owner-only, and leaves nothing beside it', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, 'file');
    await writeFileAtomic(path, oldBytes);
    await writeFileAtomic(path, newBytes);
    expect(await readFile(path, 'utf8')).toBe(newText);
    expect(await modeOf(path)).toBe(0o600);
    expect(await readdir(folder)).toEqual(['file']);
  });

  it('gives another mode only on demand, cut by the umask (T29)', async () => {
    const path = join(await temporaryFolder(), 'file');
    const umask = process.umask(0o022);
    onTestFinished(() => void process.umask(umask));
    await writeFileAtomic(path, newBytes, { mode: 0o664 });
    expect(await modeOf(path)).toBe(0o644);
  });

  it('writes once, and refuses to replace (exists)', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, 'file');
    await writeFileOnce(path, oldBytes);
    await expect(writeFileOnce(path, newBytes)).rejects.toMatchObject({ code: 'exists', path });
    expect(await readFile(path, 'utf8')).toBe(oldText);
    expect(await readdir(folder)).toEqual(['file']);
  });

  it('lets exactly one of many that write once win', async () => {
    const path = join(await temporaryFolder(), 'file');
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, (_, index) => writeFileOnce(path, Buffer.from([index]))),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it.each(writers)('refuses where there is no folder (%s)', async (_, write) => {
    await expect(write(join(await temporaryFolder(), 'none', 'file'), newBytes)).rejects.toMatchObject({
      code: 'missing',
    });
  });

  it('refuses to replace a folder and leaves nothing beside it', async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'file'));
    await expect(writeFileAtomic(join(folder, 'file'), newBytes)).rejects.toMatchObject({ code: 'write-failed' });
    expect(await readdir(folder)).toEqual(['file']);
  });
});

describe('a write that fails', () => {
  it.each(['create', 'write'] as const)('at %s is found by a trial, which leaves nothing', async (step) => {
    const folder = await temporaryFolder();
    const failing = failingAt(step);
    await expect(tryToWrite([{ path: join(folder, 'file'), size: 9 }], failing.disk)).rejects.toMatchObject({
      code: 'disk-full',
    });
    expect(failing.failed()).toBe(1);
    expect(await readdir(folder)).toEqual([]);
  });

  const steps = ['create', 'write', 'sync', 'publish', 'syncFolder'] as const;

  it.each(steps.slice(0, 4).flatMap((step) => writers.map(([name, write]) => [step, name, write] as const)))(
    'at %s leaves no file and no part of one (%s)',
    async (step, _, write) => {
      const folder = await temporaryFolder();
      const failing = failingAt(step);
      await expect(write(join(folder, 'file'), newBytes, { disk: failing.disk })).rejects.toMatchObject({
        code: 'disk-full',
      });
      expect(failing.failed()).toBe(1);
      expect(await readdir(folder)).toEqual([]);
    },
  );

  it.each(steps.slice(0, 4))('at %s leaves the old file', async (step) => {
    const path = join(await temporaryFolder(), 'file');
    await writeFile(path, oldBytes);
    const failing = failingAt(step);
    await expect(writeFileAtomic(path, newBytes, { disk: failing.disk })).rejects.toMatchObject({
      code: 'disk-full',
      path,
    });
    expect(failing.failed()).toBe(1);
    expect(await readFile(path, 'utf8')).toBe(oldText);
  });

  it('at the sync of the folder is told', async () => {
    const path = join(await temporaryFolder(), 'file');
    const { disk } = failingAt('syncFolder');
    await expect(writeFileAtomic(path, newBytes, { disk })).rejects.toThrow(
      /was written, but the disk does not confirm/,
    );
  });

  const mounted =
    process.getuid?.() === 0 && spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0;
  it.skipIf(!mounted)('on a disk that is full for real leaves the old file and no part of the new one', async () => {
    const folder = await temporaryFolder();
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=700', 'tmpfs', folder]).status).toBe(0);
    onTestFinished(() => void spawnSync('umount', [folder]));
    const path = join(folder, 'file');
    await writeFileAtomic(path, oldBytes);
    await expect(writeFileAtomic(path, new Uint8Array(100_000))).rejects.toMatchObject({ code: 'disk-full' });
    await expect(writeFileOnce(join(folder, 'other'), new Uint8Array(100_000))).rejects.toMatchObject({
      code: 'disk-full',
    });
    // Each of the two would have room alone.
    const trials = ['a', 'b'].map((name) => ({ path: join(folder, name), size: 40_000 }));
    await expect(tryToWrite(trials)).rejects.toMatchObject({ code: 'disk-full', path: trials[1]!.path });
    await tryToWrite(trials.slice(1));
    expect(await readFile(path, 'utf8')).toBe(oldText);
    expect(await readdir(folder)).toEqual(['file']);
  });
  if (!mounted) process.stderr.write('SKIPPED: a full disk for real needs root, to mount a small tmpfs\n');
});

describe('a crash at every step of a write (T28)', () => {
  const path = '/home/file';

  /** Writes at the given crash point; whether the write was acknowledged. */
  async function crashing(disk: SimulatedDisk, write: () => Promise<void>): Promise<boolean> {
    try {
      await write();
      return true;
    } catch (error) {
      if (!disk.crashed) throw error;
      return false;
    }
  }

  async function everyCrash(
    old: Uint8Array | undefined,
    write: (path: string, bytes: Uint8Array, options: WriteOptions) => Promise<void>,
  ): Promise<Set<string>> {
    const found = new Set<string>();
    let crashes = 0;
    for (const aftermath of aftermaths) {
      for (const tear of [false, true]) {
        for (let crashAt = 0; ; crashAt++) {
          const disk = new SimulatedDisk();
          if (old !== undefined) disk.put(path, old);
          Object.assign(disk, { crashAt, tear });
          const acknowledged = await crashing(disk, () => write(path, newBytes, { disk }));
          const bytes = disk.after(aftermath).contents(path);
          found.add(bytes === undefined ? 'none' : Buffer.from(bytes).toString());
          if (acknowledged) expect(bytes, aftermath).toEqual(newBytes);
          if (!disk.crashed) break;
          crashes++;
        }
      }
    }
    expect(crashes).toBeGreaterThan(40);
    return found;
  }

  it('leaves the old file or the new one, the new one once acknowledged', async () => {
    expect(await everyCrash(oldBytes, writeFileAtomic)).toEqual(new Set([oldText, newText]));
  });

  it.each(writers)('leaves no file or the whole one (%s)', async (_, write) => {
    expect(await everyCrash(undefined, write)).toEqual(new Set(['none', newText]));
  });

  it('sees the loss on a disk that says it synced and did not', async () => {
    const disk = new SimulatedDisk();
    disk.syncsNothing = true;
    await writeFileAtomic(path, newBytes, { disk });
    expect(disk.after('nothing').contents(path)).toBeUndefined();
    expect(disk.after('names').contents(path)).toEqual(new Uint8Array(0));
  });
});

describe('reading a file', () => {
  it('takes as many bytes as the bound and no more', async () => {
    const path = join(await temporaryFolder(), 'file');
    await writeFile(path, newBytes);
    expect(await readFileBounded(path, newBytes.length)).toEqual(newBytes);
    await expect(readFileBounded(path, newBytes.length - 1)).rejects.toMatchObject({ code: 'too-large', path });
  });

  it('bounds what claims to be empty and is not', async () => {
    expect((await stat('/proc/self/maps')).size).toBe(0);
    await expect(readFileBounded('/proc/self/maps', 100)).rejects.toMatchObject({ code: 'too-large' });
    // Its size is not known before it is read.
    expect((await readFileBounded('/proc/self/status', 100_000)).length).toBeGreaterThan(500);
  });

  it('refuses what is not there, a folder, and a FIFO that nobody writes to', async () => {
    const folder = await temporaryFolder();
    await expect(readFileBounded(join(folder, 'none'), 10)).rejects.toMatchObject({ code: 'missing' });
    await expect(readFileBounded(folder, 10)).rejects.toMatchObject({ code: 'unreadable' });
    expect(spawnSync('mkfifo', [join(folder, 'fifo')]).status).toBe(0);
    await expect(readFileBounded(join(folder, 'fifo'), 10)).rejects.toMatchObject({ code: 'unreadable' });
  });
});

describe('privacy (T29)', () => {
  it.each([0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o666].map((mode) => [mode.toString(8), mode] as const))(
    'refuses a secret file of mode %s',
    async (_, mode) => {
      const path = join(await temporaryFolder(), 'secret');
      await writeFile(path, 'secret');
      await chmod(path, mode);
      await expect(readFileBounded(path, 10, { ownerOnly: true })).rejects.toMatchObject({
        code: 'not-private',
        path,
        message: expect.stringContaining('chmod 600') as string,
      });
      await expect(assertOwnerOnly(path)).rejects.toMatchObject({ code: 'not-private' });
      expect((await readFileBounded(path, 10)).length).toBe(6);
    },
  );

  it('judges the file that a link leads to', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'secret'), 'secret', { mode: 0o644 });
    await symlink(join(folder, 'secret'), join(folder, 'link'));
    await expect(readFileBounded(join(folder, 'link'), 10, { ownerOnly: true })).rejects.toMatchObject({
      code: 'not-private',
    });
  });

  it.each([0o600, 0o400].map((mode) => [mode.toString(8), mode] as const))(
    'takes a secret file of mode %s',
    async (_, mode) => {
      const path = join(await temporaryFolder(), 'secret');
      await writeFile(path, 'secret');
      await chmod(path, mode);
      expect((await readFileBounded(path, 10, { ownerOnly: true })).length).toBe(6);
      await assertOwnerOnly(path);
    },
  );

  it.skipIf(process.getuid?.() !== 0)('refuses a file of another user', async () => {
    const path = join(await temporaryFolder(), 'secret');
    await writeFile(path, 'secret', { mode: 0o600 });
    await chown(path, 65534, 65534);
    await expect(readFileBounded(path, 10, { ownerOnly: true })).rejects.toMatchObject({
      code: 'not-private',
      message: expect.stringContaining('65534') as string,
    });
  });

  it('makes folders that only the owner enters', async () => {
    const folder = await temporaryFolder();
    await ensurePrivateFolder(join(folder, 'a', 'b'));
    await ensurePrivateFolder(join(folder, 'a', 'b'));
    expect([await modeOf(join(folder, 'a')), await modeOf(join(folder, 'a', 'b'))]).toEqual([0o700, 0o700]);
  });

  it('refuses a folder that others enter, and a file in its place', async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'open'), { mode: 0o755 });
    await chmod(join(folder, 'open'), 0o755);
    await expect(ensurePrivateFolder(join(folder, 'open'))).rejects.toMatchObject({
      code: 'not-private',
      message: expect.stringContaining('chmod 700') as string,
    });
    await expect(assertOwnerOnly(join(folder, 'open'))).rejects.toMatchObject({ code: 'not-private' });
    await writeFile(join(folder, 'file'), '');
    await expect(ensurePrivateFolder(join(folder, 'file'))).rejects.toMatchObject({ code: 'unreadable' });
    await expect(assertPrivateFolder(join(folder, 'file'))).rejects.toMatchObject({ code: 'unreadable' });
    await expect(assertPrivateFolder(join(folder, 'none'))).rejects.toMatchObject({ code: 'missing' });
  });

  it('has a umask under which even a careless write is private', async () => {
    const umask = process.umask(0o022);
    onTestFinished(() => void process.umask(umask));
    useOwnerOnlyUmask();
    const path = join(await temporaryFolder(), 'careless');
    await writeFile(path, '', { mode: 0o666 });
    expect(await modeOf(path)).toBe(0o600);
  });
});

/** A real disk that is full at one step, once. */
function failingAt(step: 'create' | 'write' | 'sync' | 'publish' | 'syncFolder'): { disk: Disk; failed: () => number } {
  let failures = 0;
  const at = async <T>(here: typeof step, action: () => Promise<T>): Promise<T> => {
    if (here !== step) return action();
    failures++;
    throw systemError('ENOSPC');
  };
  const file = (real: DiskFile): DiskFile => ({
    read: (buffer, position) => real.read(buffer, position),
    write: async (bytes, position) => {
      await real.write(bytes.subarray(0, step === 'write' ? 5 : bytes.length), position);
      await at('write', () => Promise.resolve());
    },
    sync: () => at('sync', () => real.sync()),
    truncate: (length) => real.truncate(length),
    close: () => real.close(),
  });
  const disk: Disk = {
    open: async (path) => file(await realDisk.open(path)),
    create: (path, mode) => at('create', async () => file(await realDisk.create(path, mode))),
    rename: (from, to) => at('publish', () => realDisk.rename(from, to)),
    link: (from, to) => at('publish', () => realDisk.link(from, to)),
    unlink: (path) => realDisk.unlink(path),
    syncFolder: (path) => at('syncFolder', () => realDisk.syncFolder(path)),
    freeBytes: (path) => realDisk.freeBytes(path),
  };
  return { disk, failed: () => failures };
}
