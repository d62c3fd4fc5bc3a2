/** A coordinator that is busy, starts again or cannot be reached for a while is waited out; what lasts is said at once. */
import fc from 'fast-check';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { CoordinatorClient } from '../../client/client.ts';
import { ClientError } from '../../client/errors.ts';
import { longestRetryAfterMs, longestRetryMs } from '../../client/limits.ts';
import { delayAfter, patiently, type Patience } from '../../client/patience.ts';
import { parseCoordinatorUrl } from '../../client/url.ts';
import { Http } from '../../client/http.ts';
import { askAndWait } from '../../requester/ask.ts';
import { connect } from '../../requester/connection.ts';
import { askForRelease } from '../../requester/request.ts';
import { dealtGroup } from '../harness/coordinator-group.ts';
import { CoordinatorWorld } from '../harness/coordinator-server.ts';
import { decodeBase64Url } from '../../verifier/base64.ts';

const group = await dealtGroup({ tiers: ['admin', 'admin'], production: '{ any: 2 }' });
const signal = new AbortController().signal;
const busy = (retryAfterMs?: number): ClientError =>
  new ClientError('refused', 'too many calls', {
    refusal: {
      status: 429,
      code: 'too-many',
      message: 'too many calls',
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    },
  });

describe('what passes is waited out', () => {
  test.each([
    ['429', busy()],
    ['503', new ClientError('refused', 'closing', { refusal: { status: 503, code: 'closing', message: 'closing' } })],
    ['a refused connection', new ClientError('unreachable', 'x', { cause: systemError('ECONNREFUSED') })],
    ['a broken connection', new ClientError('unreachable', 'x', { cause: systemError('ECONNRESET') })],
    ['silence', new ClientError('timeout', 'x')],
  ])('%s', async (_what, failure) => {
    const told: ClientError[] = [];
    const patience: Patience = { forMs: 60_000, onWaiting: (error) => told.push(error) };
    let calls = 0;
    const call = () => (++calls < 2 ? Promise.reject(failure) : Promise.resolve('done'));
    expect(await patiently(call, { patience, nowMs: Date.now, signal })).toBe('done');
    expect(told).toEqual([failure]);
  });

  test.each([
    ['404', new ClientError('refused', 'x', { refusal: { status: 404, code: 'not-found', message: 'x' } })],
    ['another identity', new ClientError('wrong-coordinator', 'x')],
    [
      'a login that is refused',
      new ClientError('not-authenticated', 'x', { refusal: { status: 401, code: 'x', message: 'x' } }),
    ],
    ['a name that nobody has', new ClientError('unreachable', 'x', { cause: systemError('ENOTFOUND') })],
    [
      'a certificate of nobody',
      new ClientError('unreachable', 'x', { cause: systemError('DEPTH_ZERO_SELF_SIGNED_CERT') }),
    ],
    ['a fault of ours', new TypeError('x')],
  ])('but %s is said at once', async (_what, failure) => {
    const patience = { forMs: 60_000 };
    let calls = 0;
    const call = () => Promise.reject((calls++, failure));
    await expect(patiently(call, { patience, nowMs: Date.now, signal })).rejects.toBe(failure);
    expect(calls).toBe(1);
  });

  test('and not at all without patience, past its time, or when the coordinator wants more than is left of it', async () => {
    const call = () => Promise.reject(busy(5_000));
    for (const patience of [undefined, { forMs: 0 }, { forMs: 4_000 }, { forMs: 60_000, untilMs: 1_004_000 }])
      await expect(patiently(call, { patience, nowMs: () => 1_000_000, signal })).rejects.toMatchObject({
        code: 'refused',
      });
  });

  test('until the client is closed', async () => {
    const client = clientOf('http://127.0.0.1:9', {
      forMs: 60_000,
      onWaiting: () => queueMicrotask(() => client.close()),
    });
    await expect(client.rounds(group.epoch.groupKey)).rejects.toMatchObject({ code: 'unreachable' });
  });
});

test('a client never comes back before it was asked to, nor much later, and no two at once', () => {
  fc.assert(
    fc.property(
      fc.option(fc.integer({ min: 0, max: longestRetryAfterMs }), { nil: undefined }),
      fc.nat(60),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (retryAfterMs, retries, drawn) => {
        const delayMs = delayAfter(busy(retryAfterMs), retries, () => drawn);
        expect(delayMs).toBeGreaterThanOrEqual(retryAfterMs ?? 1);
        expect(delayMs).toBeLessThanOrEqual(Math.max(1.5 * (retryAfterMs ?? 0), longestRetryMs));
      },
    ),
  );
  expect(delayAfter(busy(1000), 0, () => 0.1)).not.toBe(delayAfter(busy(1000), 0, () => 0.2));
});

test('Retry-After is read as seconds or as a date, within a bound; anything else is as good as none', async () => {
  const headers = ['7', new Date(Date.now() + 3_600_000).toUTCString(), '999999999', 'soon', '-1'];
  const http = await answering(
    headers.map((value) => (response) => response.writeHead(429, { 'retry-after': value }).end()),
  );
  const found: unknown[] = [];
  while (found.length < headers.length)
    await http
      .bytes({ method: 'GET', path: '/' })
      .catch((error: unknown) => found.push((error as ClientError).refusal?.retryAfterMs));
  expect(found).toEqual([7000, longestRetryAfterMs, longestRetryAfterMs, undefined, undefined]);
});

test('a coordinator that is not up yet is waited for, and whoever waits is told', async () => {
  await using world = await CoordinatorWorld.create(group);
  await world.start();
  await world.learn(group);
  const { url } = world;
  await world.stop();
  const told: string[] = [];
  let started: Promise<unknown> | undefined;
  const onWaiting = ({ code }: ClientError): void => {
    told.push(code);
    started ??= world.start();
  };
  const { rounds } = { rounds: await clientOf(url, { forMs: 60_000, onWaiting }).rounds(group.epoch.groupKey) };
  expect(rounds).toEqual([]);
  expect(told[0]).toBe('unreachable');
});

test('sixteen rounds in flight of one CI are all signed by a coordinator that is too busy for them at first', async () => {
  await using world = await CoordinatorWorld.create(group);
  await world.start({ limits: { costPerSecond: 20, costBurst: 30 } });
  await world.learn(group);
  await world.members(group, { decide: () => 'approve' });
  let refusals = 0;
  const untilMs = Date.now() + 25_000;
  const patience: Patience = {
    forMs: 0,
    untilMs,
    onWaiting: ({ refusal }) => (refusals += refusal?.status === 429 ? 1 : 0),
  };
  const nowUnixSeconds = (): number => Math.floor(Date.now() / 1000);
  const sign = async (release: string): Promise<string> => {
    using connection = await connect({
      coordinator: world.url,
      groupKey: decodeBase64Url(group.epoch.groupKey),
      identity: group.requester,
      patience,
    });
    const artifacts = [{ path: 'a', name: 'a.tgz', size: 1, sha256: '00'.repeat(32), sha512: '00'.repeat(64) }];
    const wish = {
      channel: 'production',
      formats: ['native'],
      artifacts,
      product: 'a',
      release,
      source: null,
      note: undefined,
    };
    const submission = askForRelease(connection.group, wish, connection.identity, nowUnixSeconds());
    const { outcome } = await askAndWait(connection, submission, { nowUnixSeconds, untilUnixSeconds: untilMs / 1000 });
    return outcome;
  };
  const outcomes = await Promise.all(Array.from({ length: 16 }, (_, index) => sign(`${index}.0.0`)));
  expect(outcomes).toEqual(Array<string>(16).fill('signed'));
  expect(refusals).toBeGreaterThan(0);
});

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

function clientOf(url: string, patience: Patience): CoordinatorClient {
  const withKey = url.includes('#') ? url : `${url}/#${group.requester.key}`;
  const client = new CoordinatorClient({
    url: parseCoordinatorUrl(withKey),
    identity: group.requester,
    role: 'requester',
    groupKey: group.epoch.groupKey,
    patience,
  });
  onTestFinished(() => client.close());
  return client;
}

/** A server that gives these answers, one a call. */
async function answering(answers: ((response: ServerResponse) => unknown)[]): Promise<Http> {
  const server = createServer((_request, response) => answers.shift()?.(response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const http = new Http(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  onTestFinished(() => {
    http.close();
    server.closeAllConnections();
    server.close();
  });
  return http;
}
