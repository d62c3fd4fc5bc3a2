import { chmod, copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { CoordinatorClient } from '../../client/client.ts';
import { formatCoordinatorUrl, parseCoordinatorUrl } from '../../client/url.ts';
import { sealMessage } from '../../protocol/wire/envelope.ts';
import { challengeMessage } from '../../protocol/wire/frames.ts';
import { startCoordinator } from '../../coordinator/main.ts';
import { dealtGroup } from '../harness/coordinator-group.ts';
import { clientCodeOf } from '../harness/coordinator-refusals.ts';
import { CoordinatorWorld } from '../harness/coordinator-server.ts';
import { person, type Person } from '../harness/people.ts';

const group = await dealtGroup({ tiers: ['admin', 'admin'], production: '{ any: 2 }' });
const challenge = '11'.repeat(32);

function clientOf(url: string, options: { readonly ca?: string } = {}): CoordinatorClient {
  const client = new CoordinatorClient({
    url: parseCoordinatorUrl(url),
    identity: group.requester,
    role: 'requester',
    groupKey: group.epoch.groupKey,
    ...options,
  });
  onTestFinished(() => client.close());
  return client;
}

/** Somebody who answers challenges in a coordinator's place; what he is sent afterwards. */
async function impostor(
  answer: (base: string) => object,
  identity: Person,
): Promise<{ url: string; logins: unknown[] }> {
  const logins: unknown[] = [];
  const server = createServer((request, response) => {
    if (request.url === '/v1/login') logins.push(request.url);
    response.end(JSON.stringify(answer(base)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url: formatCoordinatorUrl(base, identity.publicKey), logins };
}

describe('a client tells nothing to somebody who is not the coordinator of its URL (T34)', () => {
  const real = person('coordinator');
  const fresh = '2099-01-01T00:00:00Z';
  const cases: readonly (readonly [string, (base: string) => object])[] = [
    [
      'a challenge signed by another identity',
      (base) =>
        sealMessage(challengeMessage, { challenge, url: base, version: 1, expiresAt: fresh }, person('mallory')),
    ],
    [
      'a challenge of the real coordinator at another URL (T26)',
      () =>
        sealMessage(challengeMessage, { challenge, url: 'https://elsewhere:7443', version: 1, expiresAt: fresh }, real),
    ],
    [
      'an old challenge of the real coordinator',
      (base) =>
        sealMessage(challengeMessage, { challenge, url: base, version: 1, expiresAt: '2020-01-01T00:00:00Z' }, real),
    ],
    [
      'a challenge with a changed payload',
      (base) => ({
        ...sealMessage(challengeMessage, { challenge, url: base, version: 1, expiresAt: fresh }, real),
        payload: 'e30=',
      }),
    ],
  ];
  test.each(cases)('%s', async (_what, answer) => {
    const { url, logins } = await impostor(answer, real);
    expect(await clientCodeOf(clientOf(url).rounds(group.epoch.groupKey))).toBe('wrong-coordinator');
    expect(logins).toEqual([]);
  });

  test('no challenge at all', async () => {
    const { url } = await impostor(() => ({ hello: 1 }), real);
    expect(await clientCodeOf(clientOf(url).rounds(group.epoch.groupKey))).toBe('bad-response');
  });
});

test('a client logs in again by itself when the coordinator was restarted', async () => {
  await using world = await CoordinatorWorld.create(group);
  await world.start();
  await world.learn(group);
  const client = world.requester(group);
  expect(await client.rounds(group.epoch.groupKey)).toEqual([]);
  await world.stop();
  await world.start();
  expect(await client.rounds(group.epoch.groupKey)).toEqual([]);
});

describe('TLS', () => {
  /** The self-signed certificate of localhost beside this file, good for a hundred years and for nothing else. */
  async function certificate(): Promise<{ cert: string; key: string }> {
    const folder = await mkdtemp(join(tmpdir(), 'frostmark-tls-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    await copyFile(join(import.meta.dirname, 'loopback-cert.pem'), cert);
    await copyFile(join(import.meta.dirname, 'loopback-key.pem'), key);
    await chmod(key, 0o600);
    return { cert, key };
  }

  test('is served with certificate and key, and trusted with its authority only', async () => {
    await using world = await CoordinatorWorld.create(group);
    const tls = await certificate();
    await world.start({ tls });
    expect(world.url).toMatch(/^https:\/\/127\.0\.0\.1:/);
    const ca = await readFile(tls.cert, 'utf8');
    await expect(clientOf(world.url, { ca }).login()).rejects.toMatchObject({ refusal: { code: 'not-found' } });
    expect(await clientCodeOf(clientOf(world.url).login())).toBe('unreachable');
  });

  test('with a key that others can read, or a file that is none, does not start', async () => {
    await using world = await CoordinatorWorld.create(group);
    const tls = await certificate();
    await chmod(tls.key, 0o644);
    await expect(world.start({ tls })).rejects.toMatchObject({ code: 'not-private' });
    await chmod(tls.key, 0o600);
    await expect(world.start({ tls: { cert: tls.key, key: tls.key } })).rejects.toMatchObject({ code: 'bad-tls' });
  });
});

describe('a coordinator does not listen where everybody can read along', () => {
  test.each([
    ['plain http beyond loopback', { listen: { host: '192.0.2.1', port: 0 } }, 'bad-listen'],
    ['every address without a URL', { listen: { host: '0.0.0.0', port: 0 }, insecure: true }, 'bad-listen'],
    ['an address that is none', { listen: 'nowhere' }, 'bad-listen'],
    ['a port that is none', { listen: '127.0.0.1:70000' }, 'bad-listen'],
    ['a plain URL to another machine', { listen: '127.0.0.1:0', url: 'http://sign.example.org/' }, 'insecure-url'],
  ] as const)('%s', async (_what, options, code) => {
    await using world = await CoordinatorWorld.create();
    await expect(startCoordinator({ home: world.home, log: () => undefined, ...options })).rejects.toMatchObject({
      code,
    });
  });

  test('unless it is told to', async () => {
    await using world = await CoordinatorWorld.create();
    await world.start({ listen: '0.0.0.0:0', insecure: true, url: 'http://sign.example.org:7443' });
    expect(world.url).toMatch(/^http:\/\/sign\.example\.org:7443\/#/);
  });
});
