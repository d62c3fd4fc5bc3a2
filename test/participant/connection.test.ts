/** The line to the coordinator, against a small server that misbehaves on purpose. */
import { once } from 'node:events';
import { Agent, createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { CoordinatorFrame } from '../../protocol/wire/frames.ts';
import { ClientError } from '../../client/errors.ts';
import { Connection, type ConnectionOptions } from '../../participant/connection.ts';

interface Rig {
  readonly connection: Connection;
  readonly frames: CoordinatorFrame[];
  readonly log: string[];
  readonly reasons: string[];
  readonly fatal: unknown[];
  /** Sockets in the order in which they came. */
  readonly sockets: WebSocket[];
  readonly logins: number[];
  /** Resolves with the n-th socket, from 0. */
  readonly socket: (index: number) => Promise<WebSocket>;
}

async function rig(change: Partial<ConnectionOptions> = {}, serverOptions: object = {}): Promise<Rig> {
  const server: Server = createServer();
  const sockets: WebSocket[] = [];
  const waiting: (() => void)[] = [];
  const websockets = new WebSocketServer({ server, ...serverOptions });
  websockets.on('connection', (socket) => {
    sockets.push(socket);
    for (const wake of waiting.splice(0)) wake();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const agent = new Agent();
  const parts = {
    frames: [] as CoordinatorFrame[],
    log: [] as string[],
    reasons: [] as string[],
    fatal: [] as unknown[],
    logins: [] as number[],
  };
  const connection = new Connection({
    client: {
      socket: () => {
        parts.logins.push(performance.now());
        return Promise.resolve({ url: `ws://127.0.0.1:${port}/`, headers: { authorization: 'Bearer x' }, agent });
      },
    },
    members: 3,
    connected: () => undefined,
    disconnected: (reason) => parts.reasons.push(reason),
    frame: (frame) => {
      parts.frames.push(frame);
      return Promise.resolve();
    },
    isFatal: () => false,
    fatal: (error) => parts.fatal.push(error),
    log: (_level, event, fields) => parts.log.push(`${event} ${JSON.stringify(fields)}`),
    timing: { firstBackOffMs: 10, longestBackOffMs: 40, pingIntervalMs: 50, pongTimeoutMs: 50 },
    ...change,
  });
  onTestFinished(async () => {
    await connection.close();
    for (const socket of websockets.clients) socket.terminate();
    server.close();
  });
  connection.start();
  return {
    ...parts,
    connection,
    sockets,
    socket: async (index) => {
      while (sockets.length <= index) await new Promise<void>((resolve) => waiting.push(resolve));
      return sockets[index]!;
    },
  };
}

const present = (members: number[]): CoordinatorFrame => ({ type: 'present', members });
const say = (socket: WebSocket, value: unknown): void => {
  socket.send(typeof value === 'string' ? value : JSON.stringify(value));
};

describe('a connection', () => {
  it('brings frames one at a time, in order, the next after the promise of the one before', async () => {
    const order: string[] = [];
    let finish: () => void = () => undefined;
    const finished = new Promise<void>((resolve) => (finish = resolve));
    const { socket } = await rig({
      frame: async (frame) => {
        const name = JSON.stringify(frame);
        order.push(`begin ${name}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
        order.push(`end ${name}`);
        if (order.length === 6) finish();
      },
    });
    const server = await socket(0);
    for (const member of [1, 2, 3]) say(server, present([member]));
    await finished;
    const names = [1, 2, 3].map((member) => JSON.stringify(present([member])));
    expect(order).toEqual(names.flatMap((name) => [`begin ${name}`, `end ${name}`]));
  });

  it('logs in anew and comes back after every loss, with waits that grow and are drawn at random', async () => {
    const { socket, logins, reasons } = await rig();
    for (let index = 0; index < 4; index++) (await socket(index)).terminate();
    await socket(4);
    expect(logins).toHaveLength(5);
    expect(reasons).toHaveLength(4);
  });

  it('waits longer and longer while nobody answers', async () => {
    const times: number[] = [];
    let enough: () => void = () => undefined;
    const tried = new Promise<void>((resolve) => (enough = resolve));
    await rig({
      client: {
        socket: () => {
          if (times.push(performance.now()) === 7) enough();
          return Promise.reject(new Error('nobody there'));
        },
      },
    });
    await tried;
    const waits = times.slice(1).map((time, index) => time - times[index]!);
    // From 5..10 ms to 20..40 ms: the timer may be late, never early.
    expect(Math.min(...waits.slice(3))).toBeGreaterThan(18);
  });

  it('tells each reason once until there is a connection again', async () => {
    let tries = 0;
    let enough: () => void = () => undefined;
    const tried = new Promise<void>((resolve) => (enough = resolve));
    const { reasons, log } = await rig({
      client: {
        socket: () => {
          tries += 1;
          if (tries === 6) enough();
          return Promise.reject(new Error(tries === 3 ? 'another reason' : 'nobody there'));
        },
      },
    });
    await tried;
    expect(reasons).toEqual(['nobody there', 'another reason']);
    expect(log).toHaveLength(2);
  });

  it.each([
    [404, /^127\.0\.0\.1:\d+ answered the WebSocket with HTTP status 404: the proxy.*Upgrade.*docs\/operating\.md/],
    [503, /^the coordinator refused the WebSocket \(HTTP status 503\)$/],
  ])('says what an answer of %i to its WebSocket means', async (status, words) => {
    let told: (reason: string) => void = () => undefined;
    const reason = new Promise<string>((resolve) => (told = resolve));
    const verifyClient = (_info: unknown, done: (is: boolean, code: number) => void): void => done(false, status);
    await rig({ disconnected: (found) => told(found) }, { verifyClient });
    expect(await reason).toMatch(words);
  });

  it('leaves the coordinator alone for as long as it asks, at the login and at the upgrade', async () => {
    const refusal = { status: 503, code: 'busy', message: 'later', retryAfterMs: 200 };
    const busy = new ClientError('refused', 'later', { refusal });
    const logins: number[] = [];
    await rig({
      client: {
        socket: () => {
          logins.push(performance.now());
          return Promise.reject(busy);
        },
      },
    });
    const refused: number[] = [];
    const atUpgrade = await rig(
      {},
      {
        verifyClient: (_info: unknown, answer: (...verdict: unknown[]) => void) => {
          refused.push(performance.now());
          if (refused.length === 1) answer(false, 503, 'busy', { 'retry-after': '1' });
          else answer(true);
        },
      },
    );
    await atUpgrade.socket(0);
    expect(atUpgrade.reasons).toEqual(['the coordinator refused the WebSocket (HTTP status 503)']);
    expect(refused[1]! - refused[0]!).toBeGreaterThan(990);
    expect(logins.length).toBeGreaterThan(1);
    for (const [index, at] of logins.slice(1).entries()) expect(at - logins[index]!).toBeGreaterThan(190);
  });

  it('ends the daemon when its login is refused for good', async () => {
    const refusal = new Error('rolled back');
    const { fatal } = await rig({
      client: { socket: () => Promise.reject(refusal) },
      isFatal: (error) => error === refusal,
    });
    expect(fatal[0]).toBe(refusal);
  });

  it.each<[string, unknown]>([
    ['no JSON', 'hello'],
    ['JSON that is spelled otherwise', '{"type": "wanted"}'],
    ['an unknown frame', { type: 'sign-this' }],
    ['a frame with a field too many', { type: 'wanted', now: true }],
    ['a frame with a field of another type', { type: 'present', members: ['alice'] }],
    ['a deep frame', `{"type":"wanted","x":${'['.repeat(50)}${']'.repeat(50)}}`],
  ])('is given up for %s, and a new one comes', async (_what, bad) => {
    const { socket, frames, log } = await rig();
    const first = await socket(0);
    say(first, bad);
    const second = await socket(1);
    say(second, present([1]));
    await once(second, 'ping');
    expect(frames).toEqual([present([1])]);
    expect(log.join()).toContain('frame-refused');
  });

  it('is given up for a frame that is too large, before it is read (T24)', async () => {
    const { socket, frames, reasons } = await rig();
    say(await socket(0), `"${'x'.repeat(4 * 1024 * 1024)}"`);
    await socket(1);
    expect(frames).toEqual([]);
    expect(reasons[0]).toContain('Max payload size exceeded');
  });

  it('is given up when the other end is silent, and kept while it answers pings', async () => {
    const answering = await rig();
    const server = await answering.socket(0);
    await once(server, 'ping');
    await once(server, 'ping');
    await once(server, 'ping');
    expect(answering.sockets).toHaveLength(1);
    const silent = await rig({}, { autoPong: false });
    await silent.socket(1);
    expect(silent.reasons.length).toBeGreaterThan(0);
  });

  it('stops reading while too many frames wait: what a flood costs is the flooder’s', async () => {
    const count = 20_000;
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    let handled = 0;
    let done: () => void = () => undefined;
    const all = new Promise<void>((resolve) => (done = resolve));
    const { socket } = await rig({
      frame: async () => {
        await gate;
        handled += 1;
        if (handled === count) done();
      },
      timing: { pingIntervalMs: 10_000, pongTimeoutMs: 10_000 },
    });
    const server = await socket(0);
    const frame = JSON.stringify({ type: 'error', code: 'x', message: 'x'.repeat(1000) });
    let sent = 0;
    const sendNext = (): void => {
      if (sent < count)
        server.send(frame, () => {
          sent += 1;
          sendNext();
        });
    };
    sendNext();
    // Twenty megabytes: more than the kernel keeps for a reader that has stopped.
    for (let before = -1; before !== sent;) {
      before = sent;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(count);
    expect(handled).toBe(0);
    release();
    await all;
    expect(handled).toBe(count);
  });

  it('sends nothing while it is down, and everything that was sent before it is closed', async () => {
    const { connection, socket } = await rig();
    connection.send({ type: 'holding', epoch: null, requesters: 0 });
    const server = await socket(0);
    const received: string[] = [];
    server.on('message', (data: Buffer) => received.push(data.toString()));
    while (!connection.isConnected) await new Promise((resolve) => setTimeout(resolve, 1));
    for (let requesters = 1; requesters <= 100; requesters++)
      connection.send({ type: 'holding', epoch: null, requesters });
    const closed = once(server, 'close');
    await connection.close();
    await closed;
    expect(received).toHaveLength(100);
    connection.send({ type: 'holding', epoch: null, requesters: 0 });
    await connection.close();
    expect(connection.isConnected).toBe(false);
  });
});
