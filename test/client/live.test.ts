import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ClientError } from '../../client/errors.ts';
import { Http } from '../../client/http.ts';
import { firstRetryMs, longestRetryMs, maxRoundBytes } from '../../client/limits.ts';
import { readEvents, watch, type StreamEvent } from '../../client/live.ts';
import { retryDelay } from '../../client/patience.ts';
import type { RoundBody } from '../../protocol/wire/frames.ts';
import { clientCodeOf } from '../harness/coordinator-refusals.ts';

async function* chunksOf(...chunks: string[]): AsyncIterable<Buffer> {
  for (const chunk of chunks) yield await Promise.resolve(Buffer.from(chunk));
}

async function eventsOf(...chunks: string[]): Promise<StreamEvent[]> {
  const events: StreamEvent[] = [];
  for await (const event of readEvents(chunksOf(...chunks))) events.push(event);
  return events;
}

describe('server-sent events', () => {
  test('come whole, however the bytes are cut', async () => {
    const text = 'id: r.1\ndata: {"a":"ü"}\n\n: a comment\n\nevent: change\nid: r.2\ndata: {}\n\n';
    const expected = [
      { name: undefined, id: 'r.1', data: '{"a":"ü"}' },
      { name: 'change', id: 'r.2', data: '{}' },
    ];
    expect(await eventsOf(text)).toEqual(expected);
    const bytes = [...Buffer.from(text)].map((byte) => Buffer.of(byte));
    const events: StreamEvent[] = [];
    for await (const event of readEvents(
      (async function* () {
        for (const one of bytes) yield await Promise.resolve(one);
      })(),
    ))
      events.push(event);
    expect(events).toEqual(expected);
  });

  test('that break off are not events', async () => {
    expect(await eventsOf('id: r.1\ndata: {}')).toEqual([]);
    expect(await eventsOf('', '\n', ': \n\n')).toEqual([]);
  });

  test('without an end are refused at their bound', async () => {
    expect(await clientCodeOf(eventsOf('data: ', 'x'.repeat(maxRoundBytes + 1)))).toBe('bad-response');
  });
});

test('retries wait twice as long each time, up to a bound, and never all alike', () => {
  expect(retryDelay(0, () => 0)).toBe(firstRetryMs);
  expect(retryDelay(3, () => 0)).toBe(8 * firstRetryMs);
  expect(retryDelay(3, () => 1)).toBe(4 * firstRetryMs);
  expect(retryDelay(1000, () => 0)).toBe(longestRetryMs);
});

function bodyOf(outcome: RoundBody['outcome'], connected: number[] = []): RoundBody {
  const envelope = {
    payload: 'e30=',
    payloadType: 'x/y',
    signatures: [{ keyid: 'k', sig: `${'A'.repeat(86)}==` }],
  } as const satisfies RoundBody['request'];
  return {
    digest: '00'.repeat(32),
    request: envelope,
    outcome,
    decisions: [],
    connected,
    ready: [],
    out: [],
    attempts: [],
    signatures: [],
    signers: [],
    evidence: [],
  };
}

/** A server whose answers are scripted, one for each connection. */
async function scripted(
  answers: readonly ((response: ServerResponse, lastEventId: string | undefined) => void)[],
): Promise<{ http: Http; seen: (string | undefined)[] }> {
  const seen: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    const id = request.headers['last-event-id'] as string | undefined;
    const answer = answers[seen.length];
    seen.push(id);
    if (answer === undefined) response.destroy();
    else answer(response, id);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const http = new Http(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { timeoutMs: 1000 });
  onTestFinished(() => {
    http.close();
    server.closeAllConnections();
    server.close();
  });
  return { http, seen };
}

const event = (id: string, body: RoundBody): string => `id: ${id}\ndata: ${JSON.stringify(body)}\n\n`;

const change = (id: string, of: Partial<RoundBody>): string =>
  `event: change\nid: ${id}\ndata: ${JSON.stringify(of)}\n\n`;

describe('a live stream', () => {
  test('is a round and then what is new in it, also after the line broke', async () => {
    const { http } = await scripted([
      (response) => {
        response.write(event('r.1', bodyOf('pending')) + change('r.2', { connected: [1] }), () => response.destroy());
      },
      (response) => response.end(change('r.3', { ready: [1] }) + change('r.4', { outcome: 'signed' })),
    ]);
    const bodies: RoundBody[] = [];
    for await (const body of watch(() => http.stream({ method: 'GET', path: '/' }, {}))) bodies.push(body);
    expect(bodies).toEqual([
      bodyOf('pending'),
      bodyOf('pending', [1]),
      { ...bodyOf('pending', [1]), ready: [1] },
      { ...bodyOf('signed', [1]), ready: [1] },
    ]);
  });

  test('is refused when it begins with a change, or with one that no round can have', async () => {
    const other = { digest: '11'.repeat(32) };
    for (const events of [change('r.1', {}), event('r.1', bodyOf('pending')) + change('r.2', other)]) {
      const { http } = await scripted([(response) => response.end(events)]);
      const all = async (): Promise<void> => {
        for await (const body of watch(() => http.stream({ method: 'GET', path: '/' }, {}))) expect(body).toBeDefined();
      };
      expect(await clientCodeOf(all())).toBe('bad-response');
    }
  });

  test('resumes after the last event after the line broke, was refused for a while, and fell silent in the middle', async () => {
    const { http, seen } = await scripted([
      (response) => {
        response.write(event('r.1', bodyOf('pending')), () => response.destroy());
      },
      (response) => response.writeHead(503).end(),
      (response) => {
        response.write('id: r.2\ndata: {"dig');
        setTimeout(() => response.destroy(), 20);
      },
      (response) => response.end(event('r.3', bodyOf('signed', [1]))),
    ]);
    const retries: string[] = [];
    const bodies: RoundBody[] = [];
    const open = (lastEventId: string | undefined) =>
      http.stream({ method: 'GET', path: '/' }, lastEventId === undefined ? {} : { 'last-event-id': lastEventId });
    for await (const body of watch(open, { onRetry: ({ code }) => retries.push(code) })) bodies.push(body);
    expect(bodies.map(({ outcome }) => outcome)).toEqual(['pending', 'signed']);
    expect(seen).toEqual([undefined, 'r.1', 'r.1', 'r.1']);
    expect(retries).toEqual(['unreachable', 'refused', 'unreachable']);
  });

  test('ends with an error for what no retry can mend', async () => {
    const { http } = await scripted([
      (response) => response.writeHead(404).end('{"code":"not-found","message":"no round"}'),
    ]);
    const stream = watch(() => http.stream({ method: 'GET', path: '/' }, {}));
    await expect(stream.next()).rejects.toMatchObject({ code: 'refused', refusal: { status: 404, code: 'not-found' } });
    const garbage = await scripted([(response) => response.end('data: {"outcome":"signed"}\n\n')]);
    await expect(watch(() => garbage.http.stream({ method: 'GET', path: '/' }, {})).next()).rejects.toMatchObject({
      code: 'bad-response',
    });
  });

  test('ends quietly when it is no longer wanted', async () => {
    const { http } = await scripted([(response) => void response.write(event('r.1', bodyOf('pending')))]);
    const stop = new AbortController();
    const open = (_id: string | undefined, signal: AbortSignal | undefined) =>
      http.stream({ method: 'GET', path: '/', signal }, {});
    const stream = watch(open, { signal: stop.signal });
    expect((await stream.next()).done).toBe(false);
    const next = stream.next();
    stop.abort();
    expect((await next).done).toBe(true);
  });
});

describe('a call', () => {
  test('is refused by an answer that is too long, slow, broken, not JSON or in other words than ours', async () => {
    const { http } = await scripted([
      (response) => response.end('x'.repeat(2000)),
      () => undefined,
      (response) => {
        response.writeHead(200, { 'content-length': '100' }).write('half');
        setTimeout(() => response.destroy(), 20);
      },
      (response) => response.end('<html>'),
      (response) => response.end('{"b":1,"a":1,"a":2}'),
      (response) => response.writeHead(502).end('<html>'),
      (response) => response.writeHead(401).end('{"code":"not-authenticated","message":"log in"}'),
    ]);
    const call = { method: 'GET', path: '/', maxBytes: 1000 } as const;
    const { problemBody } = await import('../../protocol/wire/frames.ts');
    expect(await clientCodeOf(http.bytes(call))).toBe('bad-response');
    expect(await clientCodeOf(http.bytes(call))).toBe('timeout');
    expect(await clientCodeOf(http.bytes(call))).toBe('unreachable');
    expect(await clientCodeOf(http.json(problemBody, call))).toBe('bad-response');
    expect(await clientCodeOf(http.json(problemBody, call))).toBe('bad-response');
    await expect(http.bytes(call)).rejects.toMatchObject({
      code: 'refused',
      refusal: { status: 502, code: 'unknown' },
    });
    await expect(http.bytes(call)).rejects.toBeInstanceOf(ClientError);
  });

  test('to nobody says that nobody is there', async () => {
    const http = new Http('http://127.0.0.1:9');
    await expect(http.bytes({ method: 'GET', path: '/' })).rejects.toMatchObject({ code: 'unreachable' });
  });
});
