import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { chmod, copyFile, cp, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { openKeystore, type OpenedShares, type ShareHeader } from '../../home/keystore.ts';
import { applyPassphraseChange, changePassphrase, finishPassphraseChange } from '../../home/passphrase-change.ts';
import type { ShareFile, ShareToSeal, SpareKeys } from '../../home/spare-keys.ts';
import { MortalDisk } from '../harness/mortal-disk.ts';
import { onTerminal } from '../harness/terminal.ts';
import { openShares, sealShares } from '../harness/shares.ts';
import { compile, run, temporaryFolder, type Program } from './support.ts';

const folder = mkdtempSync(join(tmpdir(), 'frostmark-keystore-'));
const workFactor = 'FROSTMARK_TESTING_ONLY_SCRYPT_WORK_FACTOR';
let childPath = '';
let program = '';
const template = join(folder, 'template');
const sealedNames = ['share.age', 'key.age', 'next.age'] as const;
beforeAll(async () => {
  process.env[workFactor] = '4';
  childPath = await compile('home/age-child.ts', folder);
  program = await compile('test/home/programs/keystore.ts', folder);
  mkdirSync(template, { mode: 0o700 });
  const file = join(template, 'passphrase');
  await writeFile(file, 'correct horse\n', { mode: 0o600 });
  const shares = [share('production', 0xa5)];
  await sealShares({ path: join(template, 'share.age'), passphrase: { file }, childPath, ...header, shares });
});
afterAll(() => {
  delete process.env['FROSTMARK_TESTING_ONLY_SCRYPT_WORK_FACTOR'];
  rmSync(folder, { recursive: true });
});

const hash = Uint8Array.from({ length: 32 }, (_, index) => index);
const header: ShareHeader = { hash };
const scalar = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);

function share(channel: string, byte: number, labels: Partial<ShareToSeal> = {}): ShareToSeal {
  return { channel, sharing: 0, identifier: 3, export: (write) => write(scalar(byte)), ...labels };
}

/** What a share file holds, with the scalars as hex. */
function described({ hash, shares }: OpenedShares): unknown {
  const scalars = shares.map(({ channel, sharing, identifier, ...rest }) => [
    channel,
    sharing,
    identifier,
    hexOf(rest),
  ]);
  return { hash: Buffer.from(hash).toString('hex'), scalars };
}

function hexOf({ take }: { take: OpenedShares['shares'][number]['take'] }): string {
  return take((bytes) => Buffer.from(bytes).toString('hex'));
}

interface Files {
  readonly folder: string;
  /** The share file. */
  readonly path: string;
  /** An owner-only file with `correct horse`. */
  readonly file: string;
}

async function newFiles(): Promise<Files> {
  const place = await temporaryFolder();
  const file = join(place, 'passphrase');
  await writeFile(file, 'correct horse\n', { mode: 0o600 });
  return { folder: place, path: join(place, 'share.age'), file };
}

async function sealedAnew(shares: readonly ShareToSeal[]): Promise<Files> {
  const files = await newFiles();
  await sealShares({ path: files.path, passphrase: { file: files.file }, childPath, ...header, shares });
  return files;
}

/** These shares, or a copy of one file that was sealed once for all tests. */
async function sealed(shares?: readonly ShareToSeal[]): Promise<Files> {
  if (shares !== undefined) return sealedAnew(shares);
  const files = await newFiles();
  for (const name of sealedNames) await copyFile(join(template, name), join(files.folder, name));
  return files;
}

function opened({ path, file }: Files): Promise<OpenedShares> {
  return openShares({ path, passphrase: { file }, childPath });
}

/** What is in the payload: magic, state, hash, then channel, sharing, identifier and scalar of each share. */
function payload(...shares: readonly Uint8Array[]): Buffer {
  return Buffer.concat([Buffer.from('frostmark-share\x02'), hash, ...shares]);
}

const productionShare = Buffer.concat([
  Uint8Array.of(10),
  Buffer.from('production'),
  Uint8Array.of(0, 0, 3),
  scalar(0xa5),
]);

describe('a share file', () => {
  it('gives back what was sealed, and is owner-only', async () => {
    const files = await sealed([
      share('production', 0xa5, { sharing: 0, identifier: 65535 }),
      share('production', 0xa6, { sharing: 255, identifier: 1 }),
      share('dévelopment', 0xa7, { identifier: 258 }),
    ]);
    expect((await stat(files.path)).mode & 0o777).toBe(0o600);
    expect((await readdir(files.folder)).sort()).toEqual(['key.age', 'next.age', 'passphrase', 'share.age']);
    for (const name of ['key.age', 'next.age']) expect((await stat(join(files.folder, name))).mode & 0o777).toBe(0o600);
    expect(described(await opened(files))).toEqual({
      hash: Buffer.from(hash).toString('hex'),
      scalars: [
        ['production', 0, 65535, 'a5'.repeat(32)],
        ['production', 255, 1, 'a6'.repeat(32)],
        ['dévelopment', 0, 258, 'a7'.repeat(32)],
      ],
    });
  });

  it('holds its shares neither open nor twice alike', async () => {
    const shares = [share('production', 0xa5)];
    const first = await readFile((await sealed(shares)).path);
    const second = await readFile((await sealed(shares)).path);
    expect(first.includes(Buffer.alloc(8, 0xa5))).toBe(false);
    expect(first.includes('production')).toBe(false);
    expect(first.equals(second)).toBe(false);
  });

  it('hands each share out once, and wipes it whatever the loader does (T29)', async () => {
    const { shares } = await opened(await sealed());
    const seen: Uint8Array[] = [];
    expect(() =>
      shares[0]!.take((bytes) => {
        expect(bytes).toEqual(scalar(0xa5));
        seen.push(bytes);
        throw new Error('no thanks');
      }),
    ).toThrow('no thanks');
    expect(seen).toEqual([scalar(0)]);
    expect(() => shares[0]!.take(() => undefined)).toThrow(/was taken already/);
  });

  it('serves requests that overlap one after the other', async () => {
    const files = await sealed();
    await using keystore = await openKeystore({ passphrase: { file: files.file }, purpose: 'existing', childPath });
    const results = await Promise.all([
      keystore.open(files.path),
      keystore.spareKeys(files.folder),
      keystore.open(files.path),
    ]);
    expect([results[0].shares[0]!.channel, results[2].shares[0]!.channel]).toEqual(['production', 'production']);
  });

  it('may hold no share: a member may be in no sharing', async () => {
    expect((await opened(await sealed([]))).shares).toEqual([]);
  });
});

describe('the stock age tool', () => {
  it('opens our file in two steps: the key with the passphrase, the share with the key', async () => {
    const { folder: place, path } = await sealed();
    const [key, output] = [join(place, 'key.txt'), join(place, 'payload')];
    const first = onTerminal(`age -d -o ${key} ${join(place, 'key.age')}`);
    await first.answer('passphrase', 'correct horse');
    expect(await first.exited).toBe(0);
    expect(spawnSync('age', ['-d', '-i', key, '-o', output, path]).status).toBe(0);
    expect(await readFile(output)).toEqual(payload(productionShare));
  });

  it('made a file of an earlier version, itself under the passphrase: it is read, and given a key of its own', async () => {
    const files = await newFiles();
    await writeFile(join(files.folder, 'payload'), payload(productionShare));
    await stockSeal(files);
    for (let time = 0; time < 2; time++)
      expect(described(await opened(files))).toMatchObject({ scalars: [['production', 0, 3, 'a5'.repeat(32)]] });
    expect(await readFile(files.path, 'latin1')).toMatch(/^age-encryption.org\/v1\n-> X25519 /);
    await writeFile(files.file, 'battery staple\n');
    await expect(opened(files)).rejects.toMatchObject({ code: 'wrong-passphrase' });
  });

  it('finds the work factor 18 in what we make by default', async () => {
    const files = await newFiles();
    delete process.env['FROSTMARK_TESTING_ONLY_SCRYPT_WORK_FACTOR'];
    onTestFinished(() => void (process.env[workFactor] = '4'));
    await sealShares({ path: files.path, passphrase: { file: files.file }, childPath, ...header, shares: [] });
    expect((await readFile(join(files.folder, 'key.age'), 'latin1')).split('\n').slice(0, 2)).toEqual([
      'age-encryption.org/v1',
      expect.stringMatching(/^-> scrypt [A-Za-z0-9+/]{22} 18$/),
    ]);
  });
});

describe('keys that wait for a share', () => {
  /** A home whose daemon knew the passphrase once: the child that was told it is gone. */
  async function waiting(): Promise<Files & { readonly keys: SpareKeys }> {
    const files = await newFiles();
    await using keystore = await openKeystore({ passphrase: { file: files.file }, purpose: 'new', childPath });
    return { ...files, keys: await keystore.spareKeys(files.folder) };
  }
  const shareIn = ({ folder: place }: Files, digit: string): string => join(place, `share-${digit.repeat(64)}.age`);
  const fileIn = (files: Files, digit: string): ShareFile => ({
    path: shareIn(files, digit),
    hash,
    shares: [share('production', Number.parseInt(digit, 16))],
  });

  it('take new shares while nobody knows the passphrase, one each, until none is left', async () => {
    const files = await waiting();
    rmSync(files.file);
    expect(files.keys.left).toBe(8);
    const digits = ['1', '2', '3', '4', '5', '6', '7', '8'];
    for (const digit of digits) await files.keys.store(fileIn(files, digit));
    expect(files.keys.left).toBe(0);
    await expect(files.keys.store(fileIn(files, '9'))).rejects.toMatchObject({ code: 'no-key' });
    await writeFile(files.file, 'correct horse\n', { mode: 0o600 });
    await using keystore = await openKeystore({ passphrase: { file: files.file }, purpose: 'existing', childPath });
    for (const digit of digits)
      expect(described(await keystore.open(shareIn(files, digit)))).toMatchObject({
        scalars: [['production', 0, 3, `0${digit}`.repeat(32)]],
      });
    // The next start sees that all are taken, and makes new ones.
    expect((await keystore.spareKeys(files.folder)).left).toBe(8);
  });

  it('are one file with the keys of the shares: a start opens it once, and takes none of them twice', async () => {
    const files = await waiting();
    await files.keys.store(fileIn(files, '1'));
    const keyPath = join(files.folder, `key-${'1'.repeat(64)}.age`);
    expect(await readFile(keyPath)).toEqual(await readFile(join(files.folder, 'next.age')));
    // A restored home has the share's key alone, and one of an earlier version had a file for each.
    rmSync(join(files.folder, 'next.age'));
    await writeFile(join(files.folder, 'next-0.age'), 'of an earlier version', { mode: 0o600 });
    await using keystore = await openKeystore({ passphrase: { file: files.file }, purpose: 'existing', childPath });
    const keys = await keystore.spareKeys(files.folder);
    expect(keys.left).toBe(7);
    expect(await readdir(files.folder)).not.toContain('next-0.age');
    await keys.store(fileIn(files, '2'));
    expect(await readFile(join(files.folder, 'next.age'))).toEqual(await readFile(keyPath));
    const sealedFor = await Promise.all(['1', '2'].map((digit) => readFile(shareIn(files, digit))));
    await writeFile(join(files.folder, 'first'), (await keystore.unseal(keyPath, await readFile(keyPath))).slice());
    const [, identity = ''] = (await readFile(join(files.folder, 'first'), 'latin1')).split('\n');
    await writeFile(join(files.folder, 'identity'), identity);
    const statuses = sealedFor.map(
      (input) => spawnSync('age', ['-d', '-i', join(files.folder, 'identity')], { input }).status,
    );
    expect(statuses).toEqual([0, 1]);
  });

  it('are not made under a passphrase that does not open the keys of the shares: a home has one', async () => {
    const files = await waiting();
    await files.keys.store(fileIn(files, '1'));
    const wrong = join(files.folder, 'wrong');
    await writeFile(wrong, 'battery staple\n', { mode: 0o600 });
    const before = await readFile(join(files.folder, 'next.age'));
    await using keystore = await openKeystore({ passphrase: { file: wrong }, purpose: 'new', childPath });
    await expect(keystore.spareKeys(files.folder)).rejects.toMatchObject({ code: 'wrong-passphrase' });
    expect(await readFile(join(files.folder, 'next.age'))).toEqual(before);
  });

  it('stay what they are at the next start; those that do not open with its passphrase are replaced', async () => {
    const files = await waiting();
    const read = (): Buffer => readFileSync(join(files.folder, 'next.age'));
    const before = read();
    await using keystore = await openKeystore({ passphrase: { file: files.file }, purpose: 'existing', childPath });
    await keystore.spareKeys(files.folder);
    expect(read()).toEqual(before);
    const others = join(files.folder, 'others');
    await writeFile(others, 'battery staple\n', { mode: 0o600 });
    await using second = await openKeystore({ passphrase: { file: others }, purpose: 'existing', childPath });
    const keys = await second.spareKeys(files.folder);
    expect(read()).not.toEqual(before);
    await keys.store(fileIn(files, '1'));
    expect((await second.open(shareIn(files, '1'))).shares).toHaveLength(1);
  });

  it('lose no share when the process is killed at any step: it is there with its key, or not at all', async () => {
    const template = await waiting();
    // One child for all: what is killed here is whoever writes.
    await using keystore = await openKeystore({ passphrase: { file: template.file }, purpose: 'existing', childPath });
    let isThere: boolean[] = [];
    for (let killAt = 0; ; killAt++) {
      const files = { ...template, folder: await temporaryFolder() };
      await cp(template.folder, files.folder, { recursive: true });
      const keys = await keystore.spareKeys(files.folder);
      const disk = new MortalDisk(killAt);
      await keys.store({ ...fileIn(files, '1'), disk }).catch(() => undefined);
      const path = shareIn(files, '1');
      const opens = await keystore.open(path).then(
        ({ shares }) => shares.length === 1,
        () => false,
      );
      isThere = [...isThere, existsSync(path)];
      expect(opens).toBe(existsSync(path));
      if (!disk.killed) break;
    }
    expect(isThere.length).toBeGreaterThan(10);
    expect([isThere[0], isThere.at(-1)]).toEqual([false, true]);
  });
});

describe('another passphrase', () => {
  async function home(): Promise<Files & { readonly newFile: string }> {
    const files = await newFiles();
    const path = join(files.folder, `share-${'1'.repeat(64)}.age`);
    await sealShares({ path, passphrase: { file: files.file }, childPath, hash, shares: [share('production', 0xa5)] });
    const newFile = join(files.folder, 'new-passphrase');
    await writeFile(newFile, 'battery staple\n', { mode: 0o600 });
    return { ...files, path, newFile };
  }
  const change = ({ folder: place, file, newFile }: Awaited<ReturnType<typeof home>>, disk = new MortalDisk()) =>
    changePassphrase({ folder: place, passphrase: { file }, newPassphrase: { file: newFile }, childPath, disk });
  const codeOf = (files: Files): Promise<string> =>
    opened(files).then(
      () => 'opened',
      (error: unknown) => (error as { code: string }).code,
    );

  it('rewrites the small files only, and the old one opens nothing any more', async () => {
    const files = await home();
    const before = await readFile(files.path);
    expect(await change(files)).toBe(2);
    expect(await readFile(files.path)).toEqual(before);
    expect(await codeOf(files)).toBe('wrong-passphrase');
    const renewed = { ...files, file: files.newFile };
    expect(await codeOf(renewed)).toBe('opened');
    await using keystore = await openKeystore({ passphrase: { file: files.newFile }, purpose: 'existing', childPath });
    // Copies of one file are copies of one file again: a start opens it once.
    const waiting = await readFile(join(files.folder, 'next.age'));
    expect(await readFile(join(files.folder, `key-${'1'.repeat(64)}.age`))).toEqual(waiting);
    expect((await keystore.spareKeys(files.folder)).left).toBe(7);
    expect(await readFile(join(files.folder, 'next.age'))).toEqual(waiting);
    expect(await readdir(files.folder)).not.toContain('keys-new');
  });

  it('reaches a share file of an earlier version, which gets a key first', async () => {
    const files = await home();
    const old = { ...files, path: join(files.folder, `share-${'2'.repeat(64)}.age`) };
    await using keystore = await openKeystore({ passphrase: { file: files.file }, purpose: 'existing', childPath });
    await writeFile(old.path, await keystore.seal(payload(productionShare)), { mode: 0o600 });
    expect(await change(files)).toBe(3);
    expect(await codeOf(old)).toBe('wrong-passphrase');
    expect(await codeOf({ ...old, file: files.newFile })).toBe('opened');
  });

  it('leaves everything when the old one is wrong or the key of a share is damaged', async () => {
    const files = await home();
    await expect(change({ ...files, file: files.newFile })).rejects.toMatchObject({ code: 'wrong-passphrase' });
    const key = join(files.folder, `key-${'1'.repeat(64)}.age`);
    const bytes = await readFile(key);
    await writeFile(key, 'nothing');
    await expect(change(files)).rejects.toMatchObject({
      code: 'damaged',
      message: expect.stringContaining(key) as string,
    });
    await writeFile(key, bytes);
    expect(await codeOf(files)).toBe('opened');
  });

  it('makes the keys that wait anew when they are damaged or gone', async () => {
    const files = await home();
    await writeFile(join(files.folder, 'next.age'), 'nothing');
    expect(await change(files)).toBe(2);
    await using keystore = await openKeystore({ passphrase: { file: files.newFile }, purpose: 'existing', childPath });
    expect((await keystore.spareKeys(files.folder)).left).toBe(8);
    expect((await keystore.open(files.path)).shares).toHaveLength(1);
  });

  it('is refused on a home without shares when the old one does not open the keys that wait', async () => {
    const files = await home();
    rmSync(files.path);
    rmSync(join(files.folder, `key-${'1'.repeat(64)}.age`));
    await expect(change({ ...files, file: files.newFile })).rejects.toMatchObject({ code: 'wrong-passphrase' });
    expect(await change(files)).toBe(1);
  });

  it('holds for all files or for none, at whatever step the process is killed, and says which', async () => {
    const template = await home();
    const namesOfKeys = [`key-${'1'.repeat(64)}.age`, 'next.age'];
    const keysIn = (place: string): Promise<Buffer[]> =>
      Promise.all(namesOfKeys.map((name) => readFile(join(place, name))));
    const old = await keysIn(template.folder);
    const renewed = await temporaryFolder();
    await cp(template.folder, renewed, { recursive: true });
    await change({ ...template, folder: renewed });
    const changed = Object.fromEntries(
      (await keysIn(renewed)).map((key, index) => [namesOfKeys[index]!, key.toString('base64')]),
    );
    const seen: boolean[] = [];
    for (let killAt = 0; ; killAt++) {
      const place = await temporaryFolder();
      await cp(template.folder, place, { recursive: true });
      const disk = new MortalDisk(killAt);
      const said = await applyPassphraseChange(place, changed, disk).catch((error: unknown) => error);
      // As whoever opens the home next does.
      await finishPassphraseChange(place);
      expect(await readdir(place)).not.toContain('keys-new');
      const isNew = (await keysIn(place)).map((key, index) => !key.equals(old[index]!));
      expect(new Set(isNew).size).toBe(1);
      seen.push(isNew[0]!);
      if (!disk.killed) break;
      const words = isNew[0]! ? 'is changed: the new one holds' : 'nothing was changed';
      expect(said).toMatchObject({ message: expect.stringContaining(words) as string });
    }
    expect(seen.length).toBeGreaterThan(12);
    expect([seen[0], seen.at(-2)]).toEqual([false, true]);
    const files = { ...template, folder: renewed, path: join(renewed, basename(template.path)) };
    expect(await codeOf({ ...files, file: files.newFile })).toBe('opened');
  });

  it('is not taken from a file that somebody else put there', async () => {
    const files = await home();
    await writeFile(join(files.folder, 'keys-new'), '{"../key.age":"AAAA"}', { mode: 0o600 });
    await expect(finishPassphraseChange(files.folder)).rejects.toMatchObject({ code: 'damaged' });
  });

  it('is asked for twice, after the old one', async () => {
    const files = await home();
    const terminal = onTerminal(`${process.execPath} ${program} change ${childPath} ${files.path}`);
    await terminal.answer('Passphrase', 'correct horse');
    await terminal.answer('New passphrase', 'battery staple');
    await terminal.answer('once more', 'battery staple');
    await terminal.exited;
    expect(terminal.shown()).toContain('changed 2');
    expect(await codeOf({ ...files, file: files.newFile })).toBe('opened');
  });
});

describe('what does not open', () => {
  it('says that the passphrase is wrong', async () => {
    const files = await sealed();
    await writeFile(files.file, 'battery staple\n');
    await expect(opened(files)).rejects.toMatchObject({
      code: 'wrong-passphrase',
      message: expect.stringContaining(files.path) as string,
    });
  });

  it.each([
    ['share', ['damaged']],
    ['key', ['damaged', 'wrong-passphrase']],
  ])('refuses a flipped bit anywhere in the %s file', async (name, expected) => {
    const files = await sealed();
    const path = join(files.folder, `${name}.age`);
    const bytes = await readFile(path);
    await using keystore = await openKeystore({ passphrase: { file: files.file }, purpose: 'existing', childPath });
    const codes = new Set<string>();
    // Every byte of the header, and of what is one encrypted block after it every eleventh.
    const header = bytes.indexOf('\n--- ') + 64;
    for (let index = 0; index < bytes.length; index += index < header ? 1 : 11) {
      const flipped = Buffer.from(bytes);
      flipped[index]! ^= 1;
      await writeFile(path, flipped);
      codes.add(
        await keystore.open(files.path).then(
          () => `byte ${index} opened`,
          (error: unknown) => (error as { code: string }).code,
        ),
      );
    }
    expect([...codes].sort()).toEqual(expected);
  });

  it('says which file is missing when a share has no key', async () => {
    const files = await sealed();
    rmSync(join(files.folder, 'key.age'));
    await expect(opened(files)).rejects.toMatchObject({ code: 'missing', path: join(files.folder, 'key.age') });
  });

  it('does not take the key of another share', async () => {
    const [files, other] = [await sealed(), await sealed([share('production', 0xa5)])];
    await copyFile(join(other.folder, 'key.age'), join(files.folder, 'key.age'));
    await expect(opened(files)).rejects.toMatchObject({ code: 'damaged' });
  });

  it.each([
    ['nothing', ''],
    ['text', 'no age file\n'],
    ['another version of age', 'age-encryption.org/v2\n'],
    ['a file for a public key', '-----'],
  ])('refuses %s', async (_, text) => {
    const files = await newFiles();
    await writeFile(files.path, text, { mode: 0o600 });
    await expect(opened(files)).rejects.toMatchObject({ code: 'damaged' });
  });

  it('refuses a file that is missing, huge, or open to others (T29)', async () => {
    const files = await newFiles();
    await expect(opened(files)).rejects.toMatchObject({ code: 'missing', path: files.path });
    await writeFile(files.path, Buffer.alloc(100_000), { mode: 0o600 });
    await expect(opened(files)).rejects.toMatchObject({ code: 'too-large' });
    await chmod(files.path, 0o640);
    await expect(opened(files)).rejects.toMatchObject({ code: 'not-private' });
  });
});

describe('sealing that fails', () => {
  it.each([
    [
      'the share does not come',
      share('production', 1, { export: () => Promise.reject(new Error('no share')) }),
      'no share',
    ],
    ['the share is never written', share('production', 1, { export: () => Promise.resolve() }), 'was not exported'],
    ['the share is short', share('production', 1, { export: (write) => write(new Uint8Array(31)) }), '31 bytes'],
    [
      'the share comes twice',
      share('production', 1, { export: (write) => write(scalar(1)).then(() => write(scalar(1))) }),
      '64 bytes',
    ],
    ['the channel has no name', share('', 1), '1 to 255 bytes'],
    ['the identifier is 0', share('production', 1, { identifier: 0 }), 'no identifier 0'],
    ['the sharing is 256', share('production', 1, { sharing: 256 }), 'no sharing 256'],
  ])('leaves no file: %s', async (_, wrong, reason) => {
    const files = await newFiles();
    const request = {
      path: files.path,
      passphrase: { file: files.file },
      childPath,
      ...header,
      shares: [share('development', 2), wrong],
    };
    await expect(sealShares(request)).rejects.toThrow(reason);
    expect((await readdir(files.folder)).sort()).toEqual(['next.age', 'passphrase']);
  });

  it('leaves a share file that is there: none is ever replaced', async () => {
    const files = await sealed();
    const bytes = await readFile(files.path);
    const request = { path: files.path, passphrase: { file: files.file }, childPath, ...header, shares: [] };
    await expect(sealShares(request)).rejects.toMatchObject({ code: 'exists' });
    expect(await readFile(files.path)).toEqual(bytes);
    expect((await opened(files)).shares).toHaveLength(1);
  });

  it('refuses more shares than a file holds', async () => {
    const many = Array.from({ length: 700 }, (_, index) => share('x'.repeat(64), 1, { identifier: index + 1 }));
    await expect(sealed(many)).rejects.toMatchObject({ code: 'too-large' });
  });

  it('says how the child ended when it breaks', async () => {
    const files = await newFiles();
    const broken = join(files.folder, 'broken.mjs');
    for (const [source, reason] of [
      ['process.exit(7)', 'ended with 7'],
      ['process.kill(process.pid, "SIGKILL")', 'ended with SIGKILL'],
    ]) {
      await writeFile(broken, source!);
      const request = openShares({ path: files.path, passphrase: { file: files.file }, childPath: broken });
      await expect(request).rejects.toMatchObject({
        code: 'age-failed',
        message: expect.stringContaining(reason!) as string,
      });
    }
  });
});

describe('the passphrase', () => {
  it.each([
    ['ends without a newline', 'correct horse'],
    ['ends with a newline', 'correct horse\n'],
    ['ends as on another system', 'correct horse\r\n'],
  ])('is the line of its file, which %s', async (_, text) => {
    const files = await sealed();
    await writeFile(files.file, text);
    expect((await opened(files)).shares).toHaveLength(1);
  });

  it('keeps every byte but the one newline', async () => {
    const files = await newFiles();
    await writeFile(files.file, ' \ufeffpäß \n');
    await sealShares({ path: files.path, passphrase: { file: files.file }, childPath, ...header, shares: [] });
    await writeFile(files.file, '\ufeffpäß');
    await expect(opened(files)).rejects.toMatchObject({ code: 'wrong-passphrase' });
    await writeFile(files.file, ' \ufeffpäß ');
    expect((await opened(files)).shares).toEqual([]);
  });

  it.each([
    ['empty', '', 'bad-passphrase'],
    ['a newline', '\n', 'bad-passphrase'],
    ['of two lines', 'correct\nhorse\n', 'bad-passphrase'],
    ['followed by a second newline', 'correct horse\n\n', 'bad-passphrase'],
    ['not UTF-8', Uint8Array.of(0xff, 0x0a), 'bad-passphrase'],
    ['too long', 'x'.repeat(2000), 'too-large'],
  ])('is refused from a file that is %s', async (_, text, code) => {
    const files = await newFiles();
    await writeFile(files.file, text);
    await expect(opened(files)).rejects.toMatchObject({ code });
  });

  it('is refused from a file that others can read, or that is missing (T29)', async () => {
    const files = await sealed();
    await chmod(files.file, 0o644);
    await expect(opened(files)).rejects.toMatchObject({
      code: 'not-private',
      message: expect.stringContaining(files.file) as string,
    });
    rmSync(files.file);
    await expect(opened(files)).rejects.toMatchObject({
      code: 'missing',
      message: expect.stringContaining(files.file) as string,
    });
  });

  it('may be a systemd credential, which shows group bits for its ACL', async () => {
    const files = await sealed();
    await chmod(files.file, 0o440);
    await expect(opened(files)).rejects.toMatchObject({ code: 'not-private' });
    process.env['CREDENTIALS_DIRECTORY'] = files.folder;
    onTestFinished(() => void Reflect.deleteProperty(process.env, 'CREDENTIALS_DIRECTORY'));
    expect((await opened(files)).shares).toHaveLength(1);
    process.env['CREDENTIALS_DIRECTORY'] = `${files.folder}/other`;
    await expect(opened(files)).rejects.toMatchObject({ code: 'not-private' });
  });

  it('is in no argument of the child, nor in its environment (T29)', async () => {
    const files = await sealed();
    process.env['NODE_OPTIONS_CANARY'] = 'canary';
    onTestFinished(() => void Reflect.deleteProperty(process.env, 'NODE_OPTIONS_CANARY'));
    await using keystore = await openKeystore({ passphrase: { file: files.file }, purpose: 'existing', childPath });
    const child = childrenOf(process.pid).find((pid) =>
      readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(childPath),
    )!;
    expect(readFileSync(`/proc/${child}/cmdline`, 'latin1')).not.toContain('horse');
    expect(readFileSync(`/proc/${child}/environ`, 'latin1')).toBe(`${workFactor}=4\0`);
    await keystore.open(files.path);
  });

  it.each(['0', '19', 'x', '-1'])('is not stretched by a work factor of %s', async (factor) => {
    const files = await newFiles();
    process.env[workFactor] = factor;
    onTestFinished(() => void (process.env[workFactor] = '4'));
    await expect(opened(files)).rejects.toMatchObject({
      code: 'bad-config',
      message: expect.stringContaining(workFactor) as string,
    });
  });
});

describe('a passphrase asked for on the terminal', () => {
  it('is asked for twice when it is new, once when it opens, and is not shown', async () => {
    const { path } = await newFiles();
    const first = onTerminal(`${process.execPath} ${program} seal ${childPath} ${path}`);
    await first.answer('New passphrase', 'corrext\x7f\x7fct horse');
    await first.answer('once more', 'wrong\x15correct horse');
    expect(await first.exited).toBe(0);
    expect(first.shown()).toContain('done');
    expect(first.shown()).not.toMatch(/corre|horse|wrong/);

    const second = onTerminal(`${process.execPath} ${program} open ${childPath} ${path}`);
    await second.answer('Passphrase', 'correct horse');
    await second.exited;
    expect(second.shown()).toContain(`production/0/3=${'a5'.repeat(32)} development/0/3=${'5a'.repeat(32)}`);
    expect(second.shown()).not.toContain('horse');
  });

  it('is asked again when the two differ, until they are the same', async () => {
    const { path } = await newFiles();
    const terminal = onTerminal(`${process.execPath} ${program} seal ${childPath} ${path}`);
    await terminal.answer('New passphrase', 'correct horse');
    await terminal.answer('once more', 'correct house');
    await terminal.answer('The two differ. New passphrase', 'correct house');
    await terminal.answer('once more', 'correct house');
    expect(await terminal.exited).toBe(0);
    expect(terminal.shown()).toContain('done');
    const opened = onTerminal(`${process.execPath} ${program} open ${childPath} ${path}`);
    await opened.answer('Passphrase', 'correct house');
    expect(await opened.exited).toBe(0);
  });

  it.each([
    ['Ctrl-C', '\x03', 'cancelled'],
    ['Ctrl-D', '\x04', 'cancelled'],
    ['nothing', '\r', 'bad-passphrase'],
    ['an arrow key', '\x1b[A\r', 'bad-passphrase'],
    ['a cat on the keyboard', `${'x'.repeat(1100)}\r`, 'bad-passphrase'],
  ])('may be %s', async (_, typed, code) => {
    const { path } = await newFiles();
    const terminal = onTerminal(`${process.execPath} ${program} seal ${childPath} ${path}; stty -a`);
    await terminal.answer('New passphrase', typed, '');
    await terminal.exited;
    expect(terminal.shown()).toContain(`${code}: `);
    expect(terminal.shown()).toMatch(/ icanon .* echo /s); // the terminal is as it was
  });

  it('needs a terminal: without one it says what to do', async () => {
    const { path } = await newFiles();
    const alone = run(program, ['seal', childPath, path], { detached: true });
    expect(await alone.line()).toBe(
      'no-terminal: there is no terminal to ask for the passphrase; give it with --passphrase-file',
    );
  });

  it('is no longer asked for when the parent is killed', async () => {
    const { path } = await newFiles();
    const command = `${process.execPath} ${program} seal ${childPath} ${path}`;
    const terminal = onTerminal(`tty; ${command} & echo parent $!; wait; exec sleep 60`);
    await terminal.until('New passphrase');
    const [, device, parent] = /(\/dev\/\S+)\s+parent (\d+)/.exec(terminal.shown())!;
    const [child] = childrenOf(Number(parent));
    process.kill(Number(parent), 'SIGKILL');
    await gone(child!);
    expect(spawnSync('stty', ['-a', '-F', device!], { encoding: 'utf8' }).stdout).toMatch(/ icanon .* echo /s);
  });
});

describe('memory (T29)', () => {
  it('keeps no share once it was taken, sealed again and wiped', async () => {
    const scalars = [0, 1].map(() => crypto.getRandomValues(new Uint8Array(32)));
    const files = await sealed(
      scalars.map((bytes, index) => share(`channel-${index}`, 0, { export: (write) => write(bytes) })),
    );
    const daemon = run(program, ['hold', childPath, files.path, files.file]);
    expect(await daemon.line()).toBe('held');
    expect(windowsFound(daemon, scalars)).toBe(8); // the arena of the daemon: the search itself works
    daemon.tell('wipe');
    expect(await daemon.line()).toBe('wipe done');
    expect(windowsFound(daemon, scalars)).toBe(0);
    expect(
      (await opened({ ...files, path: join(files.folder, 'share-copy.age') })).shares.map((one) => hexOf(one)),
    ).toEqual(scalars.map((bytes) => Buffer.from(bytes).toString('hex')));
  });
});

/** Each aligned 8-byte window of the scalars that is anywhere in the writable memory of the process, counted once. */
function windowsFound({ process: { pid } }: Program, scalars: readonly Uint8Array[]): number {
  const windows = scalars.flatMap((bytes) =>
    [0, 8, 16, 24].map((offset) => Buffer.from(bytes.subarray(offset, offset + 8))),
  );
  const found = new Set<Buffer>();
  const memory = openSync(`/proc/${String(pid)}/mem`, 'r');
  for (const [, from, to] of readFileSync(`/proc/${String(pid)}/maps`, 'latin1').matchAll(
    /^([0-9a-f]+)-([0-9a-f]+) rw/gm,
  )) {
    const region = Buffer.alloc(Number.parseInt(to!, 16) - Number.parseInt(from!, 16));
    const length = readRegion(memory, region, BigInt(`0x${from!}`));
    for (const window of windows) if (region.subarray(0, length).includes(window)) found.add(window);
  }
  closeSync(memory);
  return found.size;
}

function readRegion(memory: number, region: Buffer, position: bigint): number {
  try {
    return readSync(memory, region, 0, region.length, position);
  } catch {
    return 0; // [vvar] and the like
  }
}

function childrenOf(pid: number): number[] {
  const output = spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' }).stdout;
  return output
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map(Number);
}

/** Resolves when the process is no more (or a zombie that nobody reaps). */
async function gone(pid: number): Promise<void> {
  for (;;) {
    const state = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).stdout;
    if (state === '' || state.startsWith('Z')) return;
    await new Promise(setImmediate);
  }
}

/** Seals `payload` in the folder with the stock tool. */
async function stockSeal({ folder: place, path }: Files): Promise<void> {
  const terminal = onTerminal(`age -p -o ${path} ${join(place, 'payload')}`);
  await terminal.answer('passphrase', 'correct horse');
  await terminal.answer('onfirm passphrase', 'correct horse');
  expect(await terminal.exited).toBe(0);
  await chmod(path, 0o600);
}
