/** What an installer's tool will judge is judged before anybody is asked: names of releases, dates, certificates that ended or were taken back. */
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { verify } from '../../cli/verify.ts';
import { openRequest } from '../../protocol/request/request.ts';
import { assertCertified } from '../../requester/issued.ts';
import { assertComparable } from '../../requester/release-name.ts';
import { AskerWorld, type Ran } from '../harness/asker.ts';
import { dealtGroup } from '../harness/coordinator-group.ts';
import { hasTool, run } from '../interop/tools.ts';

let world: AskerWorld;
beforeAll(async () => {
  world = await AskerWorld.create(
    await dealtGroup({
      tiers: ['admin', 'admin', 'admin'],
      production: '{ any: 2 }',
      development: '{ any: 1 }',
      openpgp: '{ userId: "Acme <release@acme.example>", created: 2026-01-01T00:00:00Z }',
    }),
  );
});
afterAll(() => world[Symbol.asyncDispose]());

let count = 0;
let path: string;
beforeEach(() => {
  world.ahead = 0;
  path = world.write(`case-${++count}/SHA256SUMS`, `${'ab'.repeat(32)}  a-${count}.tgz\n`);
});

const sign = (channel: string, ...more: readonly string[]): Promise<Ran> =>
  world.frostmark('sign', path, '--channel', channel, '--no-source', ...more);
const openpgp = ['--kind', 'manifest', '--format', 'openpgp'];

async function refused(run: () => Promise<Ran>, code: number, said: RegExp): Promise<void> {
  const rounds = await world.rounds();
  const ran = await run();
  expect(ran.stderr).toMatch(said);
  expect(ran.code).toBe(code);
  world.ahead = 0;
  expect(await world.rounds()).toEqual(rounds);
}

describe('the name of a release', () => {
  const installs = async (): Promise<number> => {
    const silent = { write: () => true };
    const args = [path, '--key', world.path('GROUP.pub'), '--product', 'acme', '--min-release', '1.0.0'];
    return await verify(args, {
      stdout: silent,
      stderr: silent,
      stdin: () => (async function* () {})(),
      environment: {},
      folder: world.folder,
      nowUnixSeconds: () => Math.floor(Date.now() / 1000),
    });
  };
  const release = (name: string, ...more: readonly string[]): Promise<Ran> =>
    sign('production', '--product', 'acme', '--release', name, ...more);

  it.each(['1.4.2', '2026.11.27', '1.4.2-rc.1+build.7'])('%s is signed, and --min-release takes it', async (name) => {
    expect((await release(name)).code).toBe(0);
    expect(await installs()).toBe(0);
  });

  it.each([
    ['v1.4.2', 'write 1.4.2,'],
    ['1.4', 'write 1.4.0,'],
    ['2026.01.05', 'write 2026.1.5,'],
    ['acme-1.4.2-rc.1', 'write 1.4.2-rc.1,'],
    ['nightly', 'write it as 1.4.2'],
  ])('%s, which no --min-release can accept, is refused before anybody is asked', async (name, remedy) => {
    await refused(() => release(name), 2, new RegExp(`--release "${name}" is no version.*${remedy}`));
  });

  it('is signed as it is when that is meant', async () => {
    expect((await release('nightly', '--any-release')).code).toBe(0);
    expect(await installs()).toBe(3);
  });

  it('may be left out', () => {
    expect(() => assertComparable(undefined)).not.toThrow();
  });
});

describe('the date of a signature', () => {
  it('is one that sqv takes at once, though the clock of whoever asks is four minutes ahead', async () => {
    world.ahead = 240;
    expect((await world.frostmark('group', 'certify', 'openpgp')).code).toBe(0);
    expect((await world.frostmark('group', 'certify', 'openpgp', '--channel', 'development')).code).toBe(0);
    for (const channel of ['production', 'development']) {
      expect(await sign(channel, ...openpgp, ...(channel === 'production' ? [] : ['--force']))).toMatchObject({
        code: 0,
      });
      const keys = world.path(`${channel}.pgp`);
      await world.frostmark('group', 'export', '--format', 'openpgp', '--channel', channel, '--out', keys);
      if (!hasTool('sqv')) continue;
      const { status, stderr } = run('sqv', ['--keyring', keys, `${path}.asc`, path]);
      expect([status, stderr]).toEqual([0, '']);
    }
  });

  it.each([
    [7200, /this machine's clock \(.*Z\) is 2 h .*ahead of the coordinator's \(.*Z\)/],
    [-86_400, /this machine's clock \(.*Z\) is (1 day|23 h 59 min) behind the coordinator's/],
  ])('is not what a clock says that is %i s ahead: whose, and by how much, is told', async (ahead, words) => {
    const run = (): Promise<Ran> => {
      world.ahead = ahead;
      return sign('production');
    };
    await refused(run, 1, words);
  });

  it('matters to whoever only looks as a warning', async () => {
    world.ahead = -7200;
    const { code, stderr } = await world.frostmark('group', 'show');
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^warning: this machine's clock.*behind/) as string]);
  });
});

describe('a release that ended while it waited (T46)', () => {
  it('is not written, though members signed it', async () => {
    world.decide = ({ payload: { kind } }) => (kind === 'release' ? 'ask' : 'approve');
    const signing = sign('production', '--product', 'late', '--release', '1.0.0');
    const isLate = ({ request }: { readonly request: unknown }): boolean =>
      openRequest(request).payload.product === 'late';
    await Promise.all(world.members.map((member) => member.next('request', isLate)));
    const [digest = ''] = await world.rounds();
    const ended = ['--product', 'late', '--below', '2.0.0', '--out', world.folder];
    expect((await world.frostmark('group', 'revoke', ...ended)).code).toBe(0);
    for (const member of world.members) member.decide(digest, 'approve');
    const { code, stderr } = await signing;
    expect([code, stderr]).toEqual([
      3,
      expect.stringMatching(/is signed, and every late below 2\.0\.0 was revoked at/) as string,
    ]);
    expect(existsSync(`${path}.frostmark`)).toBe(false);
    world.decide = () => 'approve';
  });
});

describe('a channel that was revoked (T46)', () => {
  it('signs nothing any more, and is not bound anew', async () => {
    expect((await sign('development', ...openpgp)).code).toBe(0);
    const out = ['--out', world.folder];
    expect((await world.frostmark('group', 'revoke', '--channel', 'development', ...out)).code).toBe(0);
    const revoked = /the key of channel development was revoked at .*Z; no verifier that knows it would take this/;
    const unbound =
      /the key of development was revoked for good: \w+ asked for it on .*Z, and the group signed it \(status 2, request [0-9a-f]{12}\): no tool takes/;
    path = world.write('revoked/SHA256SUMS', `${'cd'.repeat(32)}  b.tgz\n`);
    await refused(() => sign('development', ...openpgp), 3, revoked);
    await refused(() => sign('development', ...openpgp, '--dry-run'), 3, revoked);
    await refused(() => sign('development'), 3, revoked);
    await refused(() => world.frostmark('group', 'certify', 'openpgp', '--channel', 'development'), 3, unbound);
    expect((await sign('production', ...openpgp)).code).toBe(0);
  });

  it('is shown with the rest that the group has signed, by its numbers and the names of its keys, 80 columns wide', async () => {
    const { code, stdout } = await world.frostmark('group', 'show');
    expect(code).toBe(0);
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(stdout).toMatch(/^DOCUMENT +NUMBER +ENDS +NEWEST HELD BY$/m);
    expect(stdout).toMatch(/^OpenPGP subkey of development +1 +in \d+ days +nobody says so$/m);
    expect(stdout).toMatch(/^status +2 +- +nobody says so$/m);
    expect(
      stdout.match(/^ +(every late below 2\.0\.0|the key of development) was revoked for good: dev asked/gm),
    ).toHaveLength(2);
    const shown = JSON.parse((await world.frostmark('group', 'show', '--json')).stdout) as {
      fingerprints: { channel: string; ssh: string; openpgp: string; minisign: string }[];
      revoked: object[];
    };
    expect(shown.revoked).toMatchObject([
      { kind: 'status', number: 1 },
      { kind: 'status', number: 2 },
    ]);
    const { ssh, minisign } = shown.fingerprints[0]!;
    // Each as its own tool prints it.
    const keyFile = world.write('key.pub', (await world.frostmark('group', 'export', '--format', 'ssh-key')).stdout);
    if (hasTool('ssh-keygen')) expect(run('ssh-keygen', ['-lf', keyFile], { cwd: world.folder }).stdout).toContain(ssh);
    const exported = (await world.frostmark('group', 'export', '--format', 'minisign')).stdout;
    const id = Buffer.from(exported.split('\n')[1]!, 'base64').subarray(2, 10).reverse();
    expect(minisign).toBe(id.toString('hex').toUpperCase());
  });

  it('or has ended, or begins later, is told with its times', () => {
    const day = 86_400;
    const one = (kind: string, createdAtUnixSeconds: number, untilUnixSeconds?: number) =>
      ({ kind, channel: 'development', createdAtUnixSeconds, untilUnixSeconds, bytes: new Uint8Array() }) as never;
    const certificate = one('openpgp-certificate', 0);
    const at =
      (now: number, ...more: never[]) =>
      () => {
        assertCertified([certificate, ...more], ['openpgp'], 'development', now);
      };
    expect(at(10 * day, one('openpgp-subkey', day, 20 * day))).not.toThrow();
    expect(at(30 * day, one('openpgp-subkey', day, 20 * day))).toThrow(/valid now \(the last one ended at 1970-01-21T/);
    expect(at(0, one('openpgp-subkey', day, 20 * day))).toThrow(/begins only at 1970-01-02T00:00:00Z.*ask again then/);
  });
});
