/** The way out through a proxy: which one, for whom, and what its refusal means. */
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect, type AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Http } from '../../client/http.ts';
import { proxyFor } from '../../client/proxy.ts';

const of = (url: string, environment: Record<string, string>): string | undefined => {
  const found = proxyFor(new URL(url), environment);
  return found === undefined ? undefined : `${found.variable} ${found.url.host}`;
};
const coordinator = 'https://sign.example.org:7443';

describe('the proxy', () => {
  test.each<[string, Record<string, string>, string, string | undefined]>([
    [
      'HTTPS_PROXY is for https',
      { HTTPS_PROXY: 'http://p:3128', HTTP_PROXY: 'http://q:1' },
      coordinator,
      'HTTPS_PROXY p:3128',
    ],
    ['HTTP_PROXY is for http', { HTTP_PROXY: 'http://q:1' }, 'http://sign.example.org', 'HTTP_PROXY q:1'],
    ['HTTP_PROXY is not for https', { HTTP_PROXY: 'http://q:1' }, coordinator, undefined],
    ['lower case wins', { HTTPS_PROXY: 'http://p:1', https_proxy: 'http://q:2' }, coordinator, 'https_proxy q:2'],
    ['ALL_PROXY is for what has none', { ALL_PROXY: 'http://p:1' }, coordinator, 'ALL_PROXY p:1'],
    [
      'an address may lack its scheme',
      { HTTPS_PROXY: 'p.example.org:3128' },
      coordinator,
      'HTTPS_PROXY p.example.org:3128',
    ],
    ['an empty variable is none', { HTTPS_PROXY: ' ' }, coordinator, undefined],
    ['this machine has none', { HTTPS_PROXY: 'http://p:1' }, 'https://127.0.0.1:7443', undefined],
    ['NO_PROXY names a host', { ALL_PROXY: 'http://p:1', NO_PROXY: 'x, sign.example.org' }, coordinator, undefined],
    ['NO_PROXY names what is above', { ALL_PROXY: 'http://p:1', NO_PROXY: '.example.org' }, coordinator, undefined],
    ['NO_PROXY is no part of a name', { ALL_PROXY: 'http://p:1', NO_PROXY: 'ample.org' }, coordinator, 'ALL_PROXY p:1'],
    ['NO_PROXY is everybody', { ALL_PROXY: 'http://p:1', no_proxy: '*' }, coordinator, undefined],
    [
      'NO_PROXY names this port',
      { ALL_PROXY: 'http://p:1', NO_PROXY: 'sign.example.org:7443' },
      coordinator,
      undefined,
    ],
    [
      'NO_PROXY names another port',
      { ALL_PROXY: 'http://p:1', NO_PROXY: 'sign.example.org:80' },
      coordinator,
      'ALL_PROXY p:1',
    ],
    ['NO_PROXY names a network', { ALL_PROXY: 'http://p:1', NO_PROXY: '10.0.0.0/8' }, 'https://10.2.3.4', undefined],
    [
      'NO_PROXY names another network',
      { ALL_PROXY: 'http://p:1', NO_PROXY: '10.0.0.0/8' },
      'https://11.2.3.4',
      'ALL_PROXY p:1',
    ],
    [
      'NO_PROXY names an address of IPv6',
      { ALL_PROXY: 'http://p:1', NO_PROXY: 'fd00::1' },
      'https://[fd00::1]:7443',
      undefined,
    ],
  ])('%s', (_what, environment, url, expected) => {
    expect(of(url, environment)).toBe(expected);
  });

  test.each(['socks5://user:secret@p:1080', 'http://user:secret@a b'])(
    '%s is refused aloud, without its password',
    (text) => {
      const attempt = (): unknown => proxyFor(new URL(coordinator), { ALL_PROXY: text });
      expect(attempt).toThrow(
        expect.objectContaining({ code: 'bad-proxy', message: expect.stringContaining('ALL_PROXY') as string }),
      );
      expect(attempt).not.toThrow('secret');
    },
  );
});

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Sends every tunnel to `port`, or answers with `status`. */
async function proxyTo(
  port: number,
  status = 200,
  server = createServer(),
): Promise<{ readonly port: number; readonly asked: string[] }> {
  const asked: string[] = [];
  server.on('connect', ({ url, headers }: IncomingMessage, socket: Duplex) => {
    asked.push(`${url ?? ''} ${headers['proxy-authorization'] ?? ''}`.trim());
    if (status !== 200) return void socket.end(`HTTP/1.1 ${status} No\r\n\r\n`);
    const target = connect(port, '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
    target.pipe(socket).pipe(target);
    for (const end of [target, socket]) end.on('error', () => end.destroy());
  });
  return { port: await listen(server), asked };
}

const pem = (name: string): Promise<string> => readFile(join(import.meta.dirname, name), 'utf8');
const call = { method: 'GET', path: '/v1/x' } as const;

function httpTo(base: string, options: ConstructorParameters<typeof Http>[1]): Http {
  const http = new Http(base, options);
  onTestFinished(() => http.close());
  return http;
}

describe('a call through a proxy', () => {
  test('has its TLS inside the tunnel, with the names and authorities of the coordinator', async () => {
    const server = createTlsServer(
      { cert: await pem('loopback-cert.pem'), key: await pem('loopback-key.pem') },
      (_request, response) => response.end('inside'),
    );
    const { port, asked } = await proxyTo(await listen(server));
    const environment = { HTTPS_PROXY: `http://me:p%40ss@127.0.0.1:${port}` };
    const ca = await pem('loopback-cert.pem');
    // The certificate is for other names: who is at the end of the tunnel is judged as without one.
    const failure = httpTo('https://coordinator.test:7443', { ca, environment }).bytes(call);
    await expect(failure).rejects.toThrow(/is for .* and not for coordinator\.test/);
    expect(asked).toEqual([`coordinator.test:7443 Basic ${Buffer.from('me:p@ss').toString('base64')}`]);
  });

  test('to a TLS proxy judges the proxy by its own name, and the coordinator by its own', async () => {
    const [cert, key] = [await pem('loopback-cert.pem'), await pem('loopback-key.pem')];
    const asked: (string | undefined)[] = [];
    const inside = createTlsServer({ cert, key }, (_request, response) => response.end('inside'));
    const outer = createTlsServer({ cert, key });
    outer.on('secureConnection', (socket: TLSSocket) => asked.push(socket.servername || undefined));
    const { port } = await proxyTo(await listen(inside), 200, outer);
    for (const host of ['localhost', '127.0.0.1']) {
      const environment = { HTTPS_PROXY: `https://${host}:${port}` };
      const failure = httpTo('https://coordinator.test:7443', { ca: cert, environment }).bytes(call);
      await expect(failure).rejects.toThrow(/coordinator\.test:7443 is for .* and not for coordinator\.test/);
    }
    expect(asked).toEqual(['localhost', undefined]);
  });

  test('has a name and a password as curl reads them: a % that no digits follow is itself', async () => {
    const { port, asked } = await proxyTo(0, 407);
    const environment = { HTTPS_PROXY: `http://me:100%-%c3%a9%zz@127.0.0.1:${port}` };
    await expect(httpTo('https://coordinator.test:7443', { environment }).bytes(call)).rejects.toThrow(/407/);
    expect(asked).toEqual([`coordinator.test:7443 Basic ${Buffer.from('me:100%-é%zz').toString('base64')}`]);
  });

  test('arrives, also without TLS', async () => {
    const inside = await listen(createServer((_request, response) => response.end('inside')));
    const { port, asked } = await proxyTo(inside);
    const http = httpTo('http://coordinator.test:7443', { environment: { http_proxy: `127.0.0.1:${port}` } });
    expect(Buffer.from(await http.bytes(call)).toString()).toBe('inside');
    expect(asked).toEqual(['coordinator.test:7443']);
  });

  test.each([
    [
      403,
      /the proxy 127\.0\.0\.1:\d+, which HTTPS_PROXY names, makes no connection to coordinator\.test:7443 \(HTTP status 403\).*NO_PROXY/,
    ],
    [407, /wants a name and a password/],
  ])('that is refused with %i says by whom, and who named it', async (status, words) => {
    const { port } = await proxyTo(0, status);
    const http = httpTo('https://coordinator.test:7443', { environment: { HTTPS_PROXY: `http://127.0.0.1:${port}` } });
    await expect(http.bytes(call)).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringMatching(words) as string,
      cause: { code: 'ERR_PROXY_REFUSED' },
    });
  });

  test('to a proxy that is not there names the proxy', async () => {
    const http = httpTo('https://coordinator.test:7443', { environment: { HTTPS_PROXY: 'http://127.0.0.1:1' } });
    await expect(http.bytes(call)).rejects.toThrow(
      /^the proxy 127\.0\.0\.1:1, which HTTPS_PROXY names, cannot be used/,
    );
  });
});
