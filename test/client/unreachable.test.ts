/** Why nobody was reached, each cause told apart from the others in ordinary words. */
import { readFile } from 'node:fs/promises';
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { clockDifference } from '../../client/clock.ts';
import { ClientError } from '../../client/errors.ts';
import { Http } from '../../client/http.ts';
import { whyUnreachable } from '../../client/unreachable.ts';

const pem = async (name: string): Promise<string> => readFile(join(import.meta.dirname, name), 'utf8');
const now = Date.parse('2026-11-27T08:00:00Z') / 1000;

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}
const plain = (answer: RequestListener = (_request, response) => response.end()): Promise<number> =>
  listening(createHttpServer(answer));
const tls = async (): Promise<number> =>
  listening(createTlsServer({ cert: await pem('loopback-cert.pem'), key: await pem('loopback-key.pem') }));

async function failureOf(base: string, ca?: string): Promise<ClientError> {
  const http = new Http(base, { ca, environment: {}, nowMs: () => now * 1000 });
  onTestFinished(() => http.close());
  const failure: unknown = await http.bytes({ method: 'GET', path: '/v1/x' }).catch((error: unknown) => error);
  if (!(failure instanceof ClientError)) throw new Error('the call succeeded');
  return failure;
}

describe('a call that reaches nobody says why', () => {
  test('a port where nobody listens', async () => {
    const port = await plain();
    const { message } = await failureOf('http://127.0.0.1:1');
    expect(message).toMatch(/^nobody listens at http:\/\/127\.0\.0\.1:1;.*running/);
    expect(port).toBeGreaterThan(0);
  });

  test('https to a server that speaks plain http', async () => {
    expect((await failureOf(`https://127.0.0.1:${await plain()}`)).message).toMatch(
      /not with TLS.*check the coordinator's URL/,
    );
  });

  test('plain http to a server that speaks TLS', async () => {
    expect((await failureOf(`http://127.0.0.1:${await tls()}`)).message).toMatch(/hung up.*write https:\/\//);
  });

  test('a certificate of an authority that nobody named, and --ca with another one', async () => {
    const base = `https://127.0.0.1:${await tls()}`;
    expect((await failureOf(base)).message).toMatch(/vouched for by nobody.*name its PEM file with --ca FILE$/);
    const { rootCertificates } = await import('node:tls');
    expect((await failureOf(base, rootCertificates[0])).message).toMatch(
      /neither by the authority in --ca.*right --ca file\?$/,
    );
  });

  test('a certificate for other names', async () => {
    const base = `https://127.0.0.2:${await listeningOnAll()}`;
    const { message } = await failureOf(base, await pem('loopback-cert.pem'));
    expect(message).toMatch(/is for .*127\.0\.0\.1.*and not for 127\.0\.0\.2/);
  });

  async function listeningOnAll(): Promise<number> {
    const server = createTlsServer({ cert: await pem('loopback-cert.pem'), key: await pem('loopback-key.pem') });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.2', resolve));
    onTestFinished(() => void server.close());
    return (server.address() as AddressInfo).port;
  }

  test.each([
    ['ENOTFOUND', /no machine is called sign\.example\.org; check the spelling/],
    ['EAI_AGAIN', /cannot be looked up now.*DNS/],
    ['EHOSTUNREACH', /no way from here to sign\.example\.org/],
    ['ETIMEDOUT', /does not answer; a firewall/],
    ['EACCES', /does not let us connect.*firewall or sandbox/],
    ['ECONNRESET', /hung up without an answer; look at the coordinator/],
    ['CERT_HAS_EXPIRED', /has expired, by this machine's clock \(2026-11-27T08:00:00Z\)/],
    ['CERT_NOT_YET_VALID', /not valid yet, by this machine's clock \(2026-11-27T08:00:00Z\); is the clock right/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', /not with TLS/],
    ['ERR_SSL_PACKET_LENGTH_TOO_LONG', /not with TLS/],
    ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', /no TLS connection.*comes about/],
    ['ESOMETHING', /cannot be reached \(ESOMETHING\)/],
  ])('%s', (code, words) => {
    const way = { base: new URL('https://sign.example.org:7443'), hasAuthority: false, nowUnixSeconds: now };
    const error = Object.assign(new Error('x'), { code });
    expect(whyUnreachable(error, way)).toMatch(words);
    expect(whyUnreachable(new AggregateError([error]), way)).toMatch(words);
  });
});

describe('an answer that no coordinator gives is not called one of it', () => {
  test.each<[string, number, Record<string, string>, RegExp]>([
    [
      'a redirection to https',
      301,
      { location: 'https://sign.example.org/' },
      /sends us elsewhere, to https:\/\/sign\.example\.org\//,
    ],
    ['a server that wants TLS', 400, {}, /takes no plain http.*write https:\/\//],
    ['a proxy without its coordinator', 502, {}, /in front of the coordinator.*does not reach it/],
    ['somebody else', 404, {}, /is no coordinator \(HTTP status 404\)/],
  ])('%s', async (_what, status, headers, words) => {
    const port = await plain((_request, response) => response.writeHead(status, headers).end('<html>'));
    const failure = await failureOf(`http://127.0.0.1:${port}`);
    expect(failure.message).toMatch(words);
    expect(failure.refusal).toMatchObject({ status, code: 'unknown' });
  });
});

describe('two clocks', () => {
  test.each([
    [
      2 * 3600 + 180,
      "this machine's clock (2026-11-27T08:00:00Z) is 2 h 3 min ahead of the coordinator's (2026-11-27T05:57:00Z)",
    ],
    [-86_400, "this machine's clock (2026-11-27T08:00:00Z) is 1 day behind the coordinator's (2026-11-28T08:00:00Z)"],
    [301, "this machine's clock (2026-11-27T08:00:00Z) is 5 min 1 s ahead of the coordinator's (2026-11-27T07:54:59Z)"],
    [300, undefined],
    [-300, undefined],
    [0, undefined],
  ])('that differ by %i s are told so, or are near enough', (seconds, words) => {
    expect(clockDifference({ clockAheadMs: seconds * 1000, nowUnixSeconds: now })).toBe(words);
  });

  test('are compared by every answer', async () => {
    const port = await plain((_request, response) =>
      response.writeHead(200, { date: 'Fri, 27 Nov 2026 07:00:00 GMT' }).end(),
    );
    const http = new Http(`http://127.0.0.1:${port}`, { environment: {}, nowMs: () => now * 1000 });
    expect(http.clockAheadMs).toBe(undefined);
    await http.bytes({ method: 'GET', path: '/' });
    expect(http.clockAheadMs).toBe(3_600_000);
    http.close();
  });
});
