/** Nothing that a person has is destroyed, and nobody is asked for what could not be written (T51). */
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  lstatSync,
  rmdirSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { assertSignatureWritable } from '../../cli/stand-in/signature-output.ts';
import { AskerWorld, type Ran } from '../harness/asker.ts';
import { dealtGroup } from '../harness/coordinator-group.ts';

let world: AskerWorld;
beforeAll(async () => {
  world = await AskerWorld.create(
    await dealtGroup({
      tiers: ['admin', 'admin'],
      production: '{ any: 2 }',
      development: '{ any: 1 }',
      openpgp: '{ userId: "Acme <release@acme.example>", created: 2026-01-01T00:00:00Z }',
    }),
  );
});
afterAll(() => world[Symbol.asyncDispose]());

let count = 0;
let folder: string;
beforeEach(() => {
  world.decide = () => 'approve';
  folder = `case-${++count}`;
  // Every case has files of its own, so that it joins nobody else's round.
  file('a.tgz', `a of ${folder}`);
  file('b.tgz', `b of ${folder}`);
});

const at = (name: string): string => world.path(folder, name);
const file = (name: string, content: string | Uint8Array): string => world.write(join(folder, name), content);
const read = (name: string): string => readFileSync(at(name), 'utf8');
const all = (): string[] => readdirSync(at('.')).map(at);
const sign = (paths: readonly string[], ...more: readonly string[]): Promise<Ran> =>
  world.frostmark('sign', ...paths, '--channel', 'production', '--no-source', ...more);

/** Refused before anybody was asked, with every file as it was. */
async function refuses(run: () => Promise<Ran>, code: number, said: string | RegExp): Promise<Ran> {
  const [rounds, before] = [await world.rounds(), snapshot()];
  const ran = await run();
  expect(ran.stderr).toMatch(said);
  expect(ran.code).toBe(code);
  expect(snapshot()).toEqual(before);
  expect(await world.rounds()).toEqual(rounds);
  return ran;
}

function snapshot(): Record<string, string> {
  return Object.fromEntries(
    readdirSync(at('.')).map((name) => [name, lstatSync(at(name)).isFile() ? read(name) : 'no file']),
  );
}

const stock = ['--format', 'minisign,ssh'];

describe('an output that is an input is refused (T51)', () => {
  it.each([
    ['the manifest', ['a.tgz'], 'a.tgz'],
    ['the manifest, one of several', ['a.tgz', 'b.tgz'], 'a.tgz'],
    ['the manifest by another path', ['a.tgz'], '../FOLDER/a.tgz'],
    ['a signature of the manifest', ['a.tgz', 'm.minisig'], 'm'],
    ['a bundle', ['a.tgz', 'a.tgz.frostmark'], 'm'],
  ])('%s', async (_what, inputs, manifest) => {
    for (const name of inputs) if (!existsSync(at(name))) file(name, `precious ${name} of ${folder}`);
    const path = at(manifest.replace('FOLDER', folder));
    for (const force of [[], ['--force']])
      await refuses(
        () => sign(inputs.map(at), '--manifest', path, ...stock, ...force),
        2,
        'give one of them another name',
      );
  });

  it('a release through a link to it', async () => {
    symlinkSync(at('a.tgz'), at('link'));
    await refuses(
      () => sign([at('link')], '--manifest', at('a.tgz'), ...stock),
      2,
      'would be replaced by the manifest',
    );
  });

  it('two outputs that are one file', async () => {
    await refuses(() => sign([at('a.tgz')], '--manifest', at('a.tgz.frostmark'), ...stock), 2, 'another name');
  });
});

describe('what is there and not our own earlier output for the same thing is kept (T51)', () => {
  it.each([
    ['a bundle of nobody', 'a.tgz.frostmark', 'precious'],
    ['a list of other files', 'SHA256SUMS', `${'ab'.repeat(32)}  other.tgz\n`],
    ['a text', 'SHA256SUMS', 'precious'],
    ['a signature of somebody else', 'SHA256SUMS.minisig', 'untrusted comment: me\nRUTabcdefgh\n'],
    [
      'a signature by another tool',
      'SHA256SUMS.sig',
      '-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n',
    ],
  ])('%s, unless --force says otherwise', async (_what, name, content) => {
    file(name, content);
    const run = (...more: readonly string[]) => sign([at('a.tgz')], '--manifest', at('SHA256SUMS'), ...stock, ...more);
    expect((await refuses(run, 2, /where the .* goes, is a file that is no earlier output/)).stderr).toContain(
      '--force',
    );
    expect((await run('--force')).code).toBe(0);
    expect(read(name)).not.toBe(content);
  });

  it('a bundle of another group', async () => {
    await using other = await AskerWorld.create(await dealtGroup({ tiers: ['x', 'x'], production: '{ any: 2 }' }));
    other.write('a.tgz', 'a of theirs');
    await other.frostmark('sign', other.path('a.tgz'), '--channel', 'production', '--no-source');
    file('a.tgz.frostmark', other.read('a.tgz.frostmark'));
    await refuses(() => sign([at('a.tgz')]), 2, 'no earlier output');
  });

  it.each([
    ['a folder', () => mkdirSync(at('a.tgz.frostmark')), 'is a folder'],
    ['a link', () => symlinkSync('/nonexistent', at('a.tgz.frostmark')), 'is no regular file'],
  ])('%s, whatever is said', async (_what, make, said) => {
    make();
    await refuses(() => sign([at('a.tgz')], '--force'), 2, said);
  });

  it('but an earlier bundle for the same name is replaced, also by another channel, and an empty file', async () => {
    expect((await world.frostmark('sign', at('a.tgz'), '--channel', 'development', '--no-source')).code).toBe(0);
    file('b.tgz.frostmark', '');
    expect(await sign([at('a.tgz'), at('b.tgz')])).toMatchObject({ code: 0 });
    file('a.tgz', 'a, built again');
    expect(await sign([at('a.tgz')])).toMatchObject({ code: 0 });
  });
});

describe('what cannot be written is found before anybody is asked (T51)', () => {
  it('a missing folder', async () => {
    await refuses(() => sign([at('a.tgz')], '--manifest', at('no/SHA256SUMS'), ...stock), 1, 'make it first');
  });

  it.runIf(process.getuid?.() !== 0)('a place that is read-only', async () => {
    chmodSync(at('.'), 0o500);
    await refuses(() => sign([at('a.tgz')]), 1, 'you may not write into its folder').finally(() =>
      chmodSync(at('.'), 0o700),
    );
  });

  it('a place that is no folder, and a file system that takes no files', async () => {
    await refuses(() => sign([at('a.tgz')], '--manifest', '/proc/SHA256SUMS', ...stock), 1, '/proc/SHA256SUMS');
    await refuses(() => sign([at('a.tgz')], '--manifest', at('b.tgz/SHA256SUMS'), ...stock), 1, 'b.tgz');
  });

  it('a name that is too long', async () => {
    const long = 'x'.repeat(250);
    file(long, folder);
    await refuses(() => sign([at(long)]), 1, 'its name is too long');
  });

  it('but not one that only a temporary name would be too long for', async () => {
    const long = 'x'.repeat(245);
    file(long, folder);
    expect(await sign([at(long)])).toMatchObject({ code: 0 });
  });

  it('an export, too', async () => {
    const run = (out: string, ...more: readonly string[]) =>
      world.frostmark('group', 'export', '--format', 'minisign', '--out', out, ...more);
    await refuses(() => run(at('no/minisign.pub')), 1, 'make it first');
    await refuses(() => run(at('a.tgz')), 2, 'no earlier output');
    const theirs = file('theirs', `untrusted comment: theirs\nRWS${'q'.repeat(53)}\n`);
    await refuses(() => run(theirs), 2, 'no earlier output');
    const comments = file('comments', '# how we release\n# on Mondays\n');
    await refuses(() => run(comments), 2, 'no earlier output');
    for (const format of ['native', 'pem', 'ssh-key', 'ssh', 'minisign'])
      for (let again = 0; again < 2; again += 1)
        expect(
          await world.frostmark('group', 'export', '--format', format, '--out', at(`key.${format}`)),
        ).toMatchObject({
          code: 0,
        });
    expect((await run(at('a.tgz'), '--force')).code).toBe(0);
    // A default for how to sign says nothing about the form of a key.
    const config = read('../home/config.yaml');
    file('../home/config.yaml', `${config}format: [openpgp, ssh]\n`);
    const native = await world.frostmark('group', 'export').finally(() => file('../home/config.yaml', config));
    expect([native.code, native.stdout]).toEqual([0, world.read('GROUP.pub')]);
    for (const format of ['openpgp', 'ssh', 'ssh-key', 'ssh-revocation', 'minisign'])
      await refuses(
        () => world.frostmark('group', 'export', '--format', format, '--channel', 'developmint'),
        2,
        /no channel "developmint"/,
      );
  });
});

describe('an output that is never replaced unasked is planned, too (T51)', () => {
  it.each([
    ['the key itself', 'key.asc', 'give one of them another name'],
    ['the charter', 'charter.yaml', 'give one of them another name'],
    ["the holders' lines", 'keys.txt', 'give one of them another name'],
    ['any other file', 'a.tgz', 'where the import file goes, is a file'],
    ['a folder', 'folder', 'is a folder'],
  ])('an import file that would replace %s', async (_what, out, said) => {
    file('key.asc', 'no key, and nobody looks');
    file('charter.yaml', 'no charter, and nobody looks');
    mkdirSync(at('folder'));
    file('keys.txt', 'no lines of holders, and nobody looks');
    const paths = ['--charter', at('charter.yaml'), '--keys', at('keys.txt'), '--out', at(out)];
    const run = (): Promise<Ran> => world.frostmark('group', 'import', at('key.asc'), ...paths, '--yes');
    await refuses(run, 2, said);
  });

  it('the packet that rpmsign asks for, and the text that debsign does', async () => {
    const call = (out: string, ...args: readonly string[]): Promise<void> =>
      assertSignatureWritable({ out: at(out), file: at('a.tgz'), isReplacing: args.includes('--yes') });
    await expect(call('packet')).resolves.toBe(undefined);
    await expect(call('b.tgz', '--yes')).resolves.toBe(undefined);
    await expect(call('b.tgz')).rejects.toMatchObject({
      code: 'usage',
      hint: expect.stringContaining('--yes') as string,
    });
    await expect(call('a.tgz', '--yes')).rejects.toMatchObject({ code: 'output-is-input' });
    await expect(call('no/packet')).rejects.toMatchObject({ code: 'missing' });
    expect(read('b.tgz')).toBe(`b of ${folder}`);
  });
});

describe.each([
  ['gpg', () => ['--status-fd=2', '-sbo', at('out'), at('text')]],
  ['ssh-keygen', () => ['-Y', 'sign', '-n', 'file', '-f', at('key.pub'), at('text')]],
] as const)('in the place of %s', (name, args) => {
  it('it is said that the signature exists when it could not be written, and the same call fetches it', async () => {
    if (name === 'gpg') await world.frostmark('group', 'certify', 'openpgp');
    const header = readFileSync(join(import.meta.dirname, '../vectors/documents/rpm-header.bin'));
    file('text', name === 'gpg' ? header : 'long enough to be no bare digest that somebody signs as another text\n');
    file('key.pub', (await world.frostmark('group', 'export', '--format', 'ssh-key')).stdout);
    const out = at(name === 'gpg' ? 'out' : 'text.sig');
    world.decide = () => {
      mkdirSync(out, { recursive: true });
      return 'approve';
    };
    const ran = await world.inPlaceOf(name, args(), { FROSTMARK_CHANNEL: 'production' });
    expect(ran.stderr).toMatch(/round [0-9a-f]{64} is signed, and /);
    expect(ran.stderr).toContain('the same command again fetches it');
    expect(ran.code).toBe(1);
    rmdirSync(out);
    const again = await world.inPlaceOf(name, args(), { FROSTMARK_CHANNEL: 'production' });
    expect(again.stderr).toContain('joined round');
    expect([again.code, existsSync(out)]).toEqual([0, true]);
  });
});

it('in the place of gpg a descriptor for its status that cannot be written is refused before anybody is asked', async () => {
  file('text', `signed whole in ${folder}, and long enough to be no bare digest of another text\n`);
  const readOnly = openSync(at('text'), 'r');
  const run = (): Promise<Ran> =>
    world.inPlaceOf('gpg', ['--status-fd', String(readOnly), '-sbo', at('out'), at('text')], {
      FROSTMARK_CHANNEL: 'production',
    });
  await refuses(run, 2, /--status-fd \d+ names no descriptor that can be written \(EBADF\)/);
  closeSync(readOnly);
});

it('says that the signature exists when it could not be written, and the same command fetches it', async () => {
  const blocked = at('a.tgz.frostmark');
  world.decide = () => {
    // Somebody puts a folder there while the members decide.
    mkdirSync(blocked, { recursive: true });
    return 'approve';
  };
  const ran = await sign([at('a.tgz')]);
  expect(ran.code).toBe(1);
  expect(ran.stderr).toMatch(/round [0-9a-f]{64} is signed, and .*a\.tgz\.frostmark/);
  expect(ran.stderr).toContain('the same command again fetches it');
  rmdirSync(blocked);
  const again = await sign([at('a.tgz')]);
  expect(again.stderr).toContain('joined round');
  expect([again.code, again.stdout]).toEqual([0, `${blocked}\n`]);
});

describe('own outputs are no inputs', () => {
  it('so that the same command joins the same round, whatever the pattern caught', async () => {
    const run = () => sign(all(), '--manifest', 'SHA256SUMS', '--format', 'minisign,ssh');
    const first = await run();
    expect(first).toMatchObject({ code: 0 });
    expect(all().length).toBe(2 + 2 + 3);
    const rounds = await world.rounds();
    const second = await run();
    expect(second.code).toBe(0);
    expect(second.stderr).toContain('joined round');
    for (const name of ['a.tgz.frostmark', 'SHA256SUMS', 'SHA256SUMS.minisig', 'SHA256SUMS.sig'])
      expect(second.stderr).toMatch(new RegExp(`^left out, because this command writes them: .*/${name}(,|$)`, 'm'));
    expect(await world.rounds()).toEqual(rounds);
    expect(read('SHA256SUMS').replace(/^.{66}/gm, '')).toBe('a.tgz\nb.tgz\n');
    expect(readdirSync(at('.')).filter((name) => name.includes('frostmark.frostmark'))).toEqual([]);
  });

  it('nor does it matter in which order files are given', async () => {
    expect((await sign([at('a.tgz'), at('b.tgz')])).code).toBe(0);
    expect((await sign([at('b.tgz'), at('a.tgz')])).stderr).toContain('joined round');
  });

  it('but a file that only has such a name is signed', async () => {
    file('c.sig', `upstream's signature of ${folder}`);
    file('lonely.frostmark', `no bundle of ${folder}`);
    const { code, stdout, stderr } = await sign([at('c.sig'), at('lonely.frostmark')]);
    expect([code, stderr.includes('left out')]).toEqual([0, false]);
    expect(stdout.split('\n')).toContain(at('lonely.frostmark.frostmark'));
  });

  it('the manifest lies where sha256sum -c works, unless a path says otherwise', async () => {
    file('deep/er/c.tgz', `c of ${folder}`);
    await sign([at('deep/er/c.tgz')], '--manifest', 'SUMS', ...stock);
    expect(existsSync(at('deep/er/SUMS.minisig'))).toBe(true);
    await sign([at('deep/er/c.tgz'), at('a.tgz')], '--manifest', 'SUMS', ...stock);
    expect(existsSync(at('SUMS.minisig'))).toBe(true);
    mkdirSync(at('out'));
    await sign([at('a.tgz')], '--manifest', at('out/SUMS'), ...stock);
    expect(readdirSync(at('out')).sort()).toEqual(['SUMS', 'SUMS.minisig', 'SUMS.sig']);
  });
});
