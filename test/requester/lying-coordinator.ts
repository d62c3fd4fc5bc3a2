/** A coordinator over real HTTP that answers whatever a test tells it to: the client under test is the real one. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

import { formatCoordinatorUrl } from '../../client/url.ts';
import { sealMessage } from '../../protocol/wire/envelope.ts';
import { challengeMessage, protocolVersion, type IssuedBody, type RoundBody } from '../../protocol/wire/frames.ts';
import { formatTimestamp } from '../../protocol/wire/time.ts';
import { person } from '../harness/people.ts';

interface Answers {
  /** Each becomes one event of the live stream, in order; the first is also the answer to GET. Then the stream stays open. */
  rounds: RoundBody[];
  /** By SHA-256. */
  evidence: Map<string, Uint8Array>;
  issued: IssuedBody['issued'];
  submitted: { digest: string; joined: boolean; missing: string[] };
}

export interface LyingCoordinator extends AsyncDisposable {
  readonly url: string;
  readonly answers: Answers;
  /** What was sent, in order: `PUT /v1/rounds/…`. */
  readonly calls: { readonly call: string; readonly body: Uint8Array }[];
  /** Breaks every open stream. */
  breakStreams(): void;
}

export async function startLyingCoordinator(): Promise<LyingCoordinator> {
  const identity = person('coordinator');
  const answers: Answers = {
    rounds: [],
    evidence: new Map(),
    issued: [],
    submitted: { digest: '', joined: false, missing: [] },
  };
  const calls: { call: string; body: Uint8Array }[] = [];
  const streams = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    void answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const call = `${request.method ?? ''} ${request.url ?? ''}`;
    calls.push({ call, body: new Uint8Array(await buffer(request)) });
    const send = (body: unknown): unknown =>
      response.writeHead(200).end(body instanceof Uint8Array ? body : JSON.stringify(body));
    const expiresAt = formatTimestamp(Math.floor(Date.now() / 1000) + 60);
    if (call.startsWith('POST /v1/challenge')) {
      const challenge = { challenge: '11'.repeat(32), url: base, version: protocolVersion, expiresAt } as const;
      send(sealMessage(challengeMessage, challenge, identity));
    } else if (call.startsWith('POST /v1/login')) send({ token: '22'.repeat(32), expiresAt });
    else if (call === 'POST /v1/rounds' || call.includes('/documents/')) send(answers.submitted);
    else if (/\/events\b/.test(call)) stream(response);
    else if (call.includes('/evidence/')) send(answers.evidence.get(call.split('/').at(-1) ?? '') ?? new Uint8Array());
    else if (call.endsWith('/issued')) send({ issued: answers.issued });
    else if (call.startsWith('GET /v1/rounds?')) send({ rounds: answers.rounds });
    else if (call.startsWith('GET /v1/rounds/') && answers.rounds[0] !== undefined) send(answers.rounds[0]);
    else response.writeHead(404).end(JSON.stringify({ code: 'not-found', message: 'no such thing' }));
  }

  function stream(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    answers.rounds.forEach((body, index) => response.write(event(body, index)));
    streams.add(response);
  }

  return {
    url: formatCoordinatorUrl(base, identity.publicKey),
    answers,
    calls,
    breakStreams: () => {
      for (const response of streams) response.destroy();
      streams.clear();
    },
    [Symbol.asyncDispose]: () => close(server),
  };
}

function event(body: RoundBody, id: number): string {
  return `id: ${id}\ndata: ${JSON.stringify(body)}\n\n`;
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
}
