/** What operators run into: an address that is taken, a port that is not theirs, a setting that they did not give as a flag. */
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { rootCertificates } from 'node:tls';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readAuthority } from '../../cli/ask-coordinator.ts';
import { withOrigins } from '../../cli/origins.ts';
import { runProgram } from '../../cli/program.ts';
import { initCoordinator } from '../../coordinator/init.ts';
import { listenFailure } from '../../coordinator/listen.ts';
import { initHome } from '../../home/home.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'frostmark-operator-'));
  await initCoordinator(join(folder, 'coordinator'));
  await initHome('requester', join(folder, 'requester'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(args: readonly string[], environment: Record<string, string> = {}): Promise<Ran> {
  const texts = { stdout: '', stderr: '' };
  const code = await runProgram(args, {
    stdout: { write: (text: string) => (texts.stdout += text) },
    stderr: { write: (text: string) => (texts.stderr += text) },
    stdin: () => Readable.from([]),
    environment,
    folder,
    nowUnixSeconds: () => Math.floor(Date.now() / 1000),
  });
  return { code, ...texts };
}

const config = (role: string, text: string): void => writeFileSync(join(folder, role, 'config.yaml'), text);

describe('frostmark coordinator serve', () => {
  const serve = (listen: string) =>
    run(['coordinator', 'serve', '--home', join(folder, 'coordinator'), '--listen', listen, '--insecure']);

  it('names an address that another program has, and what to do', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const { code, stderr } = await serve(`127.0.0.1:${port}`);
    server.close();
    expect(code).toBe(2);
    expect(stderr).toContain(
      `error: 127.0.0.1:${port} cannot be listened on: another program listens there already; stop it`,
    );
    expect(stderr).not.toMatch(/unexpected|report/);
  });

  it('names an address of another machine', async () => {
    const { code, stderr } = await serve('192.0.2.1:7443');
    expect([code, stderr]).toEqual([2, expect.stringContaining('this machine has no address 192.0.2.1') as string]);
  });

  it('says where a taken address was written when no flag gave it', async () => {
    config('coordinator', '# where\nlisten: 192.0.2.1:7443\ninsecure: true\n');
    const { stderr } = await run(['coordinator', 'serve', '--home', join(folder, 'coordinator')]);
    expect(stderr).toContain(`--listen comes from ${join(folder, 'coordinator', 'config.yaml')}:2.`);
  });

  it.each([
    ['EACCES', 80, 'a port below 1024'],
    ['EACCES', 7443, 'firewall or sandbox'],
    ['ENOTFOUND', 7443, 'no machine is called somewhere'],
    ['EAFNOSUPPORT', 7443, 'no network of that kind'],
  ])('tells %s on port %i', (code, port, words) => {
    const cause = Object.assign(new Error('x'), { code });
    expect(listenFailure({ host: 'somewhere', port }, cause).message).toContain(words);
  });
});

describe('a message about a setting says where it was written', () => {
  const home = (): string[] => ['--home', join(folder, 'requester')];

  it('by file and line', async () => {
    config('requester', 'channel: production\nwait: soon\n');
    const { code, stderr } = await run(['sign', 'x', ...home()]);
    expect([code, stderr]).toEqual([
      2,
      `error: --wait soon is no duration\nhint: Write it as 90s, 30m, 72h or 3d. --wait comes from ${join(folder, 'requester', 'config.yaml')}:2.\n`,
    ]);
  });

  it('by the variable', async () => {
    config('requester', '');
    const { stderr } = await run(['sign', 'x', ...home()], { FROSTMARK_WAIT: 'soon', FROSTMARK_CHANNEL: 'a' });
    expect(stderr).toContain('--wait comes from FROSTMARK_WAIT.');
    expect(stderr).not.toContain('--channel');
  });

  it('not by the flag, which whoever reads it has just written', async () => {
    const { stderr } = await run(['sign', 'x', '--channel', 'a', '--wait', 'soon', ...home()]);
    expect(stderr).not.toContain('comes from');
  });

  it('when its file is not there, with the folder that it was looked for in', async () => {
    config('requester', 'group: GROUP.pub\ncoordinator: http://127.0.0.1:1/#x\n');
    const { stderr } = await run(['rounds', ...home()]);
    expect(stderr).toContain(join(folder, 'requester', 'GROUP.pub'));
    expect(stderr).toContain(`--group comes from ${join(folder, 'requester', 'config.yaml')}:1.`);
  });

  it('also of the home', async () => {
    const { stderr } = await run(['requester', 'card'], { FROSTMARK_HOME: '/nonexistent/home' });
    expect(stderr).toContain('--home comes from FROSTMARK_HOME.');
  });

  it('in JSON, too, where a setting and no flag asks for that', async () => {
    const { stdout } = await run(['sign', 'x', ...home()], { FROSTMARK_JSON: 'true', FROSTMARK_WAIT: 'soon' });
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: 'usage', hint: expect.stringContaining('--wait comes from FROSTMARK_WAIT') as string },
    });
  });

  it('only of those that the message is about', () => {
    const told = { exitCode: 1, code: 'x', message: 'http://a.example:1 cannot be reached', hint: undefined } as const;
    const origins = {
      coordinator: { from: 'FROSTMARK_COORDINATOR', value: 'http://a.example:1/#AbC' },
      channel: { from: 'FROSTMARK_CHANNEL', value: 'a' },
      wait: { from: 'FROSTMARK_WAIT', value: '30m' },
    };
    expect(withOrigins(told, origins).hint).toBe('--coordinator comes from FROSTMARK_COORDINATOR.');
    expect(withOrigins({ ...told, message: 'say --wait-long' }, origins).hint).toBe(undefined);
  });
});

describe('--ca', () => {
  it('is a file with certificates, or refused by its name', async () => {
    const path = join(folder, 'no-ca');
    for (const text of ['', 'hello', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n']) {
      writeFileSync(path, text);
      await expect(readAuthority(path)).rejects.toMatchObject({
        code: 'usage',
        message: `--ca ${path} is no PEM file with the certificate of an authority`,
      });
    }
    const pem = rootCertificates.slice(0, 2).join('\n');
    writeFileSync(path, pem);
    expect(await readAuthority(path)).toBe(pem);
  });
});
