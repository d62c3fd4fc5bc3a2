import { spawnSync } from 'node:child_process';
import { appendFile, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { disk as realDisk, type Disk, type DiskFile } from '../../home/disk.ts';
import { JournalError, openJournal, type Journal, type JournalErrorCode } from '../../participant/journal.ts';
import { maxJournalRecordBytes } from '../../participant/limits.ts';
import { aftermaths, SimulatedDisk, systemError, type Aftermath } from '../home/simulated-disk.ts';
import { temporaryFolder } from '../home/support.ts';

const path = '/home/journal';

async function codeOf(promise: Promise<unknown>): Promise<JournalErrorCode | 'none'> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    if (error instanceof JournalError) return error.code;
    throw error;
  }
}

/** A journal with these records, as bytes. */
async function journalOf(records: readonly object[]): Promise<Uint8Array> {
  const disk = new SimulatedDisk();
  await using journal = await openJournal(path, { mustExist: false, disk });
  for (const record of records) await journal.append(record);
  return disk.contents(path)!;
}

function holding(bytes: Uint8Array): SimulatedDisk {
  const disk = new SimulatedDisk();
  disk.put(path, bytes);
  return disk;
}

/** What opening these bytes says: the number of records and of torn bytes, or the code of the refusal. */
async function classify(bytes: Uint8Array): Promise<string> {
  try {
    await using journal = await openJournal(path, { mustExist: true, disk: holding(bytes) });
    return `${journal.records.length} records, ${journal.cutBack ?? 0} torn`;
  } catch (error) {
    if (error instanceof JournalError) return error.code;
    throw error;
  }
}

const three = [
  { kind: 'burn', attempt: 'a1' },
  { kind: 'share', text: 'ünïcode\n' },
  { kind: 'burn', attempt: 'a2' },
];

describe('a journal', () => {
  it('gives back its records, in order, and its head', async () => {
    const file = join(await temporaryFolder(), 'journal');
    let head;
    {
      await using journal = await openJournal(file, { mustExist: false });
      expect(journal.records).toEqual([]);
      expect(journal.head.length).toBe(0);
      for (const record of three) await journal.append(record);
      head = journal.head;
    }
    await using again = await openJournal(file, { mustExist: true });
    expect(again.records).toEqual(three);
    expect(again.head).toEqual(head);
    expect(again.head.length).toBe(3);
    expect(again.cutBack).toBeUndefined();
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it('has a head that names its whole history', async () => {
    const heads = [];
    for (const records of [three, three.slice(1), three.slice(0, 2), [...three].reverse(), []]) {
      await using journal = await openJournal(path, { mustExist: true, disk: holding(await journalOf(records)) });
      heads.push(journal.head.hash);
    }
    expect(new Set(heads).size).toBe(heads.length);
  });

  it('keeps the order of concurrent appends and syncs those that wait together once', async () => {
    const { disk, syncs } = counting(realDisk);
    const file = join(await temporaryFolder(), 'journal');
    const journal = await openJournal(file, { mustExist: false, disk });
    const before = syncs();
    const records = Array.from({ length: 200 }, (_, index) => ({ index }));
    await Promise.all(records.map((record) => journal.append(record)));
    expect(syncs() - before).toBe(2); // The first is written alone, then all that came meanwhile.
    await journal.close();
    await using again = await openJournal(file, { mustExist: true });
    expect(again.records).toEqual(records);
  });

  it('resolves an append only after a sync, and shows no head before it', async () => {
    let letGo = (): void => undefined;
    const gate = new Promise<void>((resolve) => (letGo = resolve));
    const disk = new SimulatedDisk();
    const journal = await openJournal(path, {
      mustExist: false,
      disk: changing(disk, { sync: (file) => gate.then(() => file.sync()) }, 2),
    });
    let resolved = false;
    const append = journal.append({ kind: 'burn' }).then(() => (resolved = true));
    while (disk.contents(path)!.length < 30) await new Promise(setImmediate);
    expect({ resolved, length: journal.head.length }).toEqual({ resolved: false, length: 0 });
    letGo();
    await append;
    expect(journal.head.length).toBe(1);
    await journal.close();
  });

  it('reads a journal longer than its read-ahead', async () => {
    const records = Array.from({ length: 40 }, (_, index) => ({ index, filler: 'x'.repeat(100_000) }));
    const bytes = await journalOf(records);
    expect(bytes.length).toBeGreaterThan(3 * 1024 * 1024);
    expect(await classify(bytes)).toBe('40 records, 0 torn');
    expect(await classify(bytes.subarray(0, -1))).toMatch(/^39 records/);
  });

  it('refuses an append after close, and closes twice without harm', async () => {
    const journal = await openJournal(path, { mustExist: false, disk: new SimulatedDisk() });
    const last = journal.append({});
    await journal.close();
    await last;
    expect(await codeOf(journal.append({}))).toBe('closed');
    await journal.close();
  });

  it('refuses a record over the bound and goes on', async () => {
    await using journal = await openJournal(path, { mustExist: false, disk: new SimulatedDisk() });
    expect(await codeOf(journal.append({ text: 'x'.repeat(maxJournalRecordBytes) }))).toBe('too-large');
    await journal.append({ kind: 'small' });
    expect(journal.head.length).toBe(1);
  });
});

describe('damage to a journal (T2)', () => {
  it('is refused wherever a single bit is flipped', async () => {
    const bytes = await journalOf(three);
    const outcomes = new Set<string>();
    for (let index = 0; index < bytes.length; index++) {
      for (let bit = 0; bit < 8; bit++) {
        const flipped = bytes.slice();
        flipped[index]! ^= 1 << bit;
        outcomes.add(await classify(flipped));
      }
    }
    expect([...outcomes]).toEqual(['damaged']);
  });

  it('is refused wherever a byte becomes zero, 0xff, a space or another digit', async () => {
    const bytes = await journalOf(three);
    for (let index = 0; index < bytes.length; index++) {
      for (const value of [0, 0xff, 0x20, 0x0a, 0x30, 0x66]) {
        if (bytes[index] === value) continue;
        const changed = bytes.slice();
        changed[index] = value;
        expect(await classify(changed), `byte ${index} as ${value}`).toBe('damaged');
      }
    }
  });

  it('is refused when a byte is lost before the last record, or doubled anywhere', async () => {
    const bytes = await journalOf(three);
    const last = (await journalOf(three.slice(0, 2))).length;
    for (let index = 0; index < bytes.length; index++) {
      const lost = Buffer.concat([bytes.subarray(0, index), bytes.subarray(index + 1)]);
      if (index < last) expect(await classify(lost), `byte ${index} lost`).toBe('damaged');
      const doubled = Buffer.concat([bytes.subarray(0, index + 1), bytes.subarray(index)]);
      expect(await classify(doubled), `byte ${index} doubled`).toBe('damaged');
    }
  });

  it('is told from a torn tail at every length', async () => {
    const bytes = await journalOf(three);
    const ends = await Promise.all([0, 1, 2, 3].map(async (count) => (await journalOf(three.slice(0, count))).length));
    for (let length = 0; length < bytes.length; length++) {
      const whole = ends.findLastIndex((end) => end <= length);
      const expected = whole === -1 ? 'damaged' : `${whole} records, ${length - ends[whole]!} torn`;
      expect(await classify(bytes.subarray(0, length)), `cut to ${length} bytes`).toBe(expected);
    }
  });

  it('is refused when records are exchanged, repeated or taken out', async () => {
    const bytes = await journalOf([{ a: 1 }, { a: 2 }, { a: 3 }]);
    const start = (await journalOf([])).length;
    const size = (bytes.length - start) / 3;
    const [first, ...lines] = [
      bytes.subarray(0, start),
      ...[0, 1, 2].map((index) => bytes.subarray(start + index * size, start + (index + 1) * size)),
    ];
    for (const order of [
      [1, 0, 2],
      [0, 0, 1, 2],
      [0, 2],
      [1, 2],
      [0, 2, 1],
    ]) {
      expect(await classify(Buffer.concat([first, ...order.map((index) => lines[index]!)])), order.join()).toBe(
        'damaged',
      );
    }
  });

  it.each([
    ['bytes after the last record that are no record', Buffer.from('hello, world\n')],
    ['zeros after the last record', Buffer.alloc(4)],
    ['zeros as long as a record after the last record', Buffer.alloc(400)],
  ])('is refused: %s', async (_, tail) => {
    expect(await classify(Buffer.concat([await journalOf(three), tail]))).toBe('damaged');
  });

  it.each([
    ['an empty file', ''],
    ['another version', 'frostmark-journal v2\n'],
    ['half a first line', 'frostmark-jo'],
  ])('is refused: %s', async (_, text) => {
    expect(await classify(Buffer.from(text))).toBe('damaged');
  });

  it('is refused when the file is gone and was there before, and nothing is made', async () => {
    const disk = new SimulatedDisk();
    expect(await codeOf(openJournal(path, { mustExist: true, disk }))).toBe('missing');
    expect(disk.contents(path)).toBeUndefined();
  });

  it('is reported with path, place and what to do', async () => {
    const bytes = await journalOf(three);
    bytes[bytes.length - 3]! ^= 1;
    await expect(openJournal(path, { mustExist: true, disk: holding(bytes) })).rejects.toThrow(
      /\/home\/journal is damaged: record 3 at byte \d+ is not what was written; nothing is signed.*backup/,
    );
  });

  it('leaves the file as it is', async () => {
    const bytes = await journalOf(three);
    bytes[40]! ^= 1;
    const disk = holding(bytes);
    await codeOf(openJournal(path, { mustExist: true, disk }));
    expect(disk.contents(path)).toEqual(bytes);
  });

  it('cuts a torn tail back on a real disk, reports it and goes on', async () => {
    const file = join(await temporaryFolder(), 'journal');
    {
      await using journal = await openJournal(file, { mustExist: false });
      for (const record of three) await journal.append(record);
    }
    const whole = await readFile(file);
    await truncate(file, whole.length - 5);
    {
      await using journal = await openJournal(file, { mustExist: true });
      expect(journal.records).toEqual(three.slice(0, 2));
      expect(journal.cutBack).toBeGreaterThan(80);
      await journal.append(three[2]!);
    }
    expect(await readFile(file)).toEqual(whole);
  });

  it('refuses a journal that cannot be opened as a file', async () => {
    expect(await codeOf(openJournal(await temporaryFolder(), { mustExist: true }))).toBe('unreadable');
  });
});

describe('a disk that fails', () => {
  it.each([
    ['ENOSPC', 'disk-full'],
    ['EDQUOT', 'disk-full'],
    ['EIO', 'write-failed'],
  ])('poisons the journal: after %s in a write every later append is refused', async (found, code) => {
    const disk = new SimulatedDisk();
    let failures = 0;
    const fail = (): Promise<void> => {
      if (failures++ === 0) return Promise.reject(systemError(found));
      return Promise.resolve();
    };
    const journal = await openJournal(path, { mustExist: false, disk: changing(disk, { write: fail }, 2) });
    const together = [codeOf(journal.append({ a: 1 })), codeOf(journal.append({ a: 2 }))];
    expect(await Promise.all(together)).toEqual([code, code]);
    expect(await codeOf(journal.append({ a: 3 }))).toBe(code);
    expect(failures).toBe(1);
    expect(journal.head.length).toBe(0);
    await journal.close();
  });

  it('poisons the journal when a sync fails, even if the next one would not', async () => {
    const disk = new SimulatedDisk();
    let failures = 0;
    const fail = (file: DiskFile): Promise<void> =>
      failures++ === 0 ? Promise.reject(systemError('EIO')) : file.sync();
    const journal = await openJournal(path, { mustExist: false, disk: changing(disk, { sync: fail }, 2) });
    expect(await codeOf(journal.append({ a: 1 }))).toBe('write-failed');
    expect(await codeOf(journal.append({ a: 2 }))).toBe('write-failed');
    expect({ failures, length: journal.head.length }).toEqual({ failures: 1, length: 0 });
    await journal.close();
  });

  const mounted = canMount();
  it.skipIf(!mounted)(
    'is full for real: nothing acknowledged is lost, and it goes on once there is space',
    async () => {
      const folder = await smallDisk();
      const file = join(folder, 'journal');
      let acknowledged = 0;
      {
        await using journal = await openJournal(file, { mustExist: false });
        await fill(join(folder, 'filler'), 8192);
        let code: string = 'none';
        while (code === 'none') {
          code = await codeOf(journal.append({ index: acknowledged, filler: 'x'.repeat(1000) }));
          if (code === 'none') acknowledged++;
        }
        expect(code).toBe('disk-full');
        expect(acknowledged).toBeGreaterThan(3);
        await rm(join(folder, 'filler'));
        expect(await codeOf(journal.append({}))).toBe('disk-full');
      }
      await using journal = await openJournal(file, { mustExist: true });
      expect(journal.records.length).toBe(acknowledged);
      expect(journal.cutBack).toBeGreaterThan(0);
      await journal.append({ kind: 'after' });
    },
  );
  if (!mounted) process.stderr.write('SKIPPED: a full disk for real needs root, to mount a small tmpfs\n');
});

describe('a crash at every step (T28)', () => {
  const batches: readonly (readonly object[])[] = [
    [{ n: 1 }],
    [{ n: 2 }, { n: 3, text: 'x'.repeat(300) }, { n: 4 }],
    [{ n: 5 }],
  ];
  const attempted = batches.flat();

  /** Runs a whole life of a journal until it ends or crashes; how many records were acknowledged. */
  async function live(disk: SimulatedDisk): Promise<number> {
    let acknowledged = 0;
    try {
      for (const batch of batches) {
        const journal = await openJournal(path, { mustExist: acknowledged > 0, disk });
        await Promise.all(batch.map((record) => journal.append(record).then(() => acknowledged++)));
        await journal.close();
      }
    } catch (error) {
      if (!disk.crashed) throw error;
    }
    return acknowledged;
  }

  async function reopen(disk: SimulatedDisk, acknowledged: number): Promise<Journal> {
    return openJournal(path, { mustExist: acknowledged > 0, disk });
  }

  /** Opens what a crash left, checks it, appends, loses power, checks again. */
  async function check(crashed: SimulatedDisk, aftermath: Aftermath, acknowledged: number): Promise<number> {
    const disk = crashed.after(aftermath);
    const journal = await reopen(disk, acknowledged);
    const seen = journal.records.length;
    expect(seen).toBeGreaterThanOrEqual(acknowledged);
    expect(journal.records).toEqual(attempted.slice(0, seen));
    {
      // What was seen was acted upon: a power loss right now must not take it back.
      await using later = await reopen(disk.after('nothing'), seen);
      expect(later.records.length).toBe(seen);
    }
    await journal.append({ kind: 'after' });
    await using last = await reopen(disk.after('nothing'), seen + 1);
    expect(last.records).toEqual([...attempted.slice(0, seen), { kind: 'after' }]);
    return journal.cutBack ?? 0;
  }

  it.each(aftermaths)('loses nothing acknowledged and opens again (%s)', async (aftermath) => {
    let crashes = 0;
    let torn = 0;
    for (const tear of [false, true]) {
      for (let crashAt = 0; ; crashAt++) {
        const disk = new SimulatedDisk();
        Object.assign(disk, { crashAt, tear });
        const acknowledged = await live(disk);
        if ((await check(disk, aftermath, acknowledged)) > 0) torn++;
        if (!disk.crashed) break;
        crashes++;
      }
    }
    expect(crashes).toBeGreaterThan(40);
    if (aftermath !== 'nothing' && aftermath !== 'names') expect(torn).toBeGreaterThan(0);
  });

  it('sees the loss on a disk that says it synced and did not', async () => {
    const disk = new SimulatedDisk();
    disk.syncsNothing = true;
    const acknowledged = await live(disk);
    expect(acknowledged).toBe(attempted.length);
    await expect(check(disk, 'nothing', acknowledged)).rejects.toThrow(JournalError);
  });
});

/** A disk whose files do some things differently; `skip` uses of each are left alone (the first line, the opening). */
function changing(
  disk: Disk,
  instead: { write?: (file: DiskFile) => Promise<void>; sync?: (file: DiskFile) => Promise<void> },
  skip: number,
): Disk {
  let writes = 0;
  let syncs = 0;
  const change = (file: DiskFile): DiskFile => ({
    read: (buffer, position) => file.read(buffer, position),
    write: (bytes, position) =>
      instead.write !== undefined && ++writes >= skip ? instead.write(file) : file.write(bytes, position),
    sync: () => (instead.sync !== undefined && ++syncs > skip ? instead.sync(file) : file.sync()),
    truncate: (length) => file.truncate(length),
    close: () => file.close(),
  });
  return {
    open: async (name) => change(await disk.open(name)),
    create: async (name, mode) => change(await disk.create(name, mode)),
    rename: (from, to) => disk.rename(from, to),
    link: (from, to) => disk.link(from, to),
    unlink: (name) => disk.unlink(name),
    syncFolder: (name) => disk.syncFolder(name),
    freeBytes: (name) => disk.freeBytes(name),
  };
}

function counting(disk: Disk): { disk: Disk; syncs: () => number } {
  let count = 0;
  const sync = (file: DiskFile): Promise<void> => {
    count++;
    return file.sync();
  };
  return { disk: changing(disk, { sync }, 0), syncs: () => count };
}

function canMount(): boolean {
  return process.getuid?.() === 0 && spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0;
}

/** A folder on a disk of 64 KiB. */
async function smallDisk(): Promise<string> {
  const folder = await temporaryFolder();
  expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=700', 'tmpfs', folder]).status).toBe(0);
  onTestFinished(() => void spawnSync('umount', [folder]));
  return folder;
}

/** Fills a disk until only about `left` bytes are free. */
async function fill(file: string, left: number): Promise<void> {
  await writeFile(file, '');
  for (;;) {
    try {
      await appendFile(file, Buffer.alloc(4096));
    } catch {
      break;
    }
  }
  await using handle = await open(file, 'r+');
  await handle.truncate((await handle.stat()).size - left);
}
