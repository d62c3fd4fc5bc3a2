/** The coordinator's server: HTTP and WebSocket, who may call, and every limit on what comes in before anything reads it. */
import {
  fastify,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type RouteShorthandOptions,
} from 'fastify';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { ProtocolError } from '../protocol/errors.ts';
import { loginBody } from '../protocol/wire/frames.ts';
import type { Addresses } from './address.ts';
import { decodeBody } from './body.ts';
import { Buckets } from './bucket.ts';
import { Connection, Upgrader } from './connection.ts';
import { CoordinatorError, problemOf } from './errors.ts';
import { Gate } from './gate.ts';
import type { Groups } from './groups.ts';
import type { Issued } from './issued.ts';
import type { Ledger } from './ledger.ts';
import { costs, maxBucketKeys, maxDumpedBytes, maxLoginBodyBytes, maxRefusalWaitMs, type Limits } from './limits.ts';
import { listenFailure } from './listen.ts';
import type { Log } from './log.ts';
import type { Logins, Caller } from './login.ts';
import type { Members } from './members.ts';
import type { Presence } from './presence.ts';
import type { Rounds } from './rounds.ts';
import { bodyAs, Routes } from './routes.ts';
import type { ServedRecord } from './served-record.ts';
import { Sockets } from './sockets.ts';
import { Streams } from './streams.ts';

/** What the server leads to, and what bounds it. */
export interface AppOptions {
  readonly groups: Groups;
  readonly rounds: Rounds;
  readonly issued: Issued;
  readonly ledger: Ledger;
  readonly logins: Logins;
  readonly members: Members;
  readonly record: ServedRecord;
  readonly presence: Presence;
  readonly addresses: Addresses;
  readonly limits: Limits;
  readonly nowMs: () => number;
  readonly log: Log;
  /** Random, names this run. */
  readonly run: string;
  /** Plain http without. */
  readonly tls: Tls | undefined;
}

/** Certificate chain and key, PEM. */
export interface Tls {
  readonly cert: Uint8Array;
  readonly key: Uint8Array;
}

const socketPath = '/v1/members/socket';

/** The server: listens, authenticates, hands calls to the routes and sockets to the members, and closes what never ends by itself. */
export class App {
  readonly #options: AppOptions;
  readonly #fastify: FastifyInstance;
  readonly #sockets: Sockets;
  readonly #streams: Streams;
  readonly #upgrader = new Upgrader();
  readonly #gate: Gate;
  /** Of members' frames, by identity. */
  readonly #frames: Buckets;
  /** Of requests that brought a token. */
  readonly #callers = new WeakMap<FastifyRequest, Caller>();
  #isClosing = false;

  constructor(options: AppOptions) {
    const { limits } = options;
    this.#options = options;
    this.#sockets = new Sockets({ maxStrangers: limits.maxUnauthenticatedSockets, maxSockets: limits.maxSockets });
    this.#streams = new Streams(options.run, limits);
    this.#frames = new Buckets({ perSecond: limits.framesPerSecond, burst: limits.frameBurst }, maxBucketKeys);
    this.#gate = new Gate({ ...options, isKnown: (key) => options.groups.isKnown(key) });
    this.#fastify = fastify({
      logger: false,
      exposeHeadRoutes: false,
      bodyLimit: maxLoginBodyBytes,
      serverFactory: (listener) => this.#makeServer(listener),
    });
    this.#readBodies();
    this.#answerErrors();
    this.#addOpenRoutes();
    this.#fastify.register((scope, _options, done) => {
      this.#addRoutes(scope);
      done();
    });
    this.#fastify.addHook('preClose', (done) => {
      this.#closeSockets();
      done();
    });
  }

  /** The port that it listens on. Throws `CoordinatorError('bad-listen')`. */
  async listen(host: string, port: number): Promise<number> {
    try {
      await this.#fastify.listen({ host, port });
    } catch (error) {
      throw listenFailure({ host, port }, error);
    }
    const [address] = this.#fastify.addresses();
    return typeof address === 'object' ? address.port : port;
  }

  /** Takes no more calls, closes members' sockets and live streams, and gives calls under way a moment. */
  async close(): Promise<void> {
    this.#isClosing = true;
    const cut = setTimeout(() => this.#sockets.destroyAll(), this.#options.limits.closeWithinMs);
    await this.#fastify.close();
    clearTimeout(cut);
  }

  #makeServer(listener: RequestListener): Server {
    const { limits, tls } = this.#options;
    const bounds = {
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: limits.connectionsCheckMs,
      keepAliveTimeout: limits.keepAliveMs,
    };
    const server = tls === undefined ? createServer(bounds, listener) : this.#makeTlsServer(tls, bounds, listener);
    server.setTimeout(limits.idleTimeoutMs);
    this.#sockets.watch(server);
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    return server;
  }

  #makeTlsServer(tls: Tls, bounds: object, listener: RequestListener): Server {
    const { cert, key } = tls;
    const handshakeTimeout = this.#options.limits.handshakeTimeoutMs;
    try {
      return createTlsServer({ ...bounds, cert: Buffer.from(cert), key: Buffer.from(key), handshakeTimeout }, listener);
    } catch (cause) {
      const found = (cause as Error).message;
      throw new CoordinatorError('bad-tls', `certificate and key do not make a TLS server: ${found}`, { cause });
    }
  }

  /** Bodies are canonical JSON or raw bytes, nothing else. */
  #readBodies(): void {
    this.#fastify.removeAllContentTypeParsers();
    this.#fastify.addContentTypeParser(
      'application/json',
      { parseAs: 'buffer' },
      (_request: FastifyRequest, body: Buffer) => decodeBody(body),
    );
    this.#fastify.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_request, body, done) =>
      done(null, body),
    );
  }

  #answerErrors(): void {
    this.#fastify.setErrorHandler((error, _request, reply) => this.#refuse(reply, error));
    this.#fastify.setNotFoundHandler((request, reply) => this.#refuse(reply, this.#strayed(request)));
  }

  async #refuse(reply: FastifyReply, error: unknown): Promise<void> {
    const { status, code, message, retryAfterSeconds } = problemOf(error);
    if (status >= 500) this.#options.log('error', 'call-failed', { code, failure: String(error) });
    // Whoever announced so much is not read to its end for the sake of a refusal.
    if (Number(reply.request.headers['content-length'] ?? 0) > maxDumpedBytes) void reply.header('connection', 'close');
    if (retryAfterSeconds !== undefined) void reply.header('retry-after', String(retryAfterSeconds));
    // Who is refused for calling too often learns it when waiting would have helped: each connection holds one such call.
    if (error instanceof CoordinatorError && error.waitMs !== undefined)
      await delay(Math.min(error.waitMs, maxRefusalWaitMs), undefined, { ref: false });
    await reply.status(status).send({ code, message });
  }

  #addOpenRoutes(): void {
    const { logins } = this.#options;
    const admitted = (cost: number): RouteShorthandOptions => ({
      onRequest: (request, _reply, done) => done(this.#admitOpen(request, cost)),
      bodyLimit: maxLoginBodyBytes,
    });
    this.#fastify.get('/healthz', admitted(costs.call), () => ({ status: 'ok' }));
    this.#fastify.post('/v1/challenge', admitted(costs.challenge), () => logins.challenge());
    this.#fastify.post('/v1/login', admitted(costs.login), (request) => this.#login(request));
  }

  /** Who looks for what is not here is charged for it. */
  #strayed(request: FastifyRequest): Error {
    return this.#admitOpen(request, costs.call) ?? new CoordinatorError('not-found', 'there is no such route');
  }

  #admitOpen(request: FastifyRequest, cost: number): Error | undefined {
    try {
      this.#gate.admitOpen(request.raw, keyOf(request), cost);
      return undefined;
    } catch (error) {
      return error as Error;
    }
  }

  async #login(request: FastifyRequest): Promise<{ readonly token: string; readonly expiresAt: string }> {
    const key = keyOf(request);
    try {
      if (key === undefined) throw new CoordinatorError('bad-body', 'a login says in its query whose it is: ?key=KEY');
      const answer = await this.#options.logins.login(key, bodyAs(loginBody, request).login);
      this.#gate.loginSucceeded(request.raw, key);
      return answer;
    } catch (error) {
      this.#gate.loginFailed(request.raw);
      throw error;
    }
  }

  /** Every one of them needs a token, which is looked at before the body is read. */
  #addRoutes(scope: FastifyInstance): void {
    scope.addHook('onRequest', (request, _reply, done) => done(this.#authenticate(request)));
    const callerOf = (request: FastifyRequest): Caller => this.#callerOf(request);
    new Routes({ ...this.#options, streams: this.#streams, gate: this.#gate, callerOf }).add(scope);
  }

  #authenticate(request: FastifyRequest): Error | undefined {
    try {
      this.#callers.set(request, this.#vouch(request.raw, request.raw.socket));
      return undefined;
    } catch (error) {
      return error as Error;
    }
  }

  /** Who calls. Throws `CoordinatorError` or `ProtocolError`. */
  #vouch(request: IncomingMessage, socket: Socket): Caller {
    const caller = this.#gate.vouch(request);
    this.#sockets.vouch(socket);
    return caller;
  }

  #callerOf(request: FastifyRequest): Caller {
    const caller = this.#callers.get(request);
    if (caller === undefined) throw new CoordinatorError('not-authenticated', 'log in first');
    return caller;
  }

  /** A member's WebSocket: authenticated here, before a single frame of it is read. */
  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    try {
      if (this.#isClosing) throw new CoordinatorError('closing', 'the coordinator is about to stop');
      if (request.url !== socketPath) throw new CoordinatorError('not-found', 'there is no such route');
      const caller = this.#vouch(request, request.socket);
      if (caller.role !== 'member') throw new ProtocolError('not-allowed', 'only members have a socket');
      const backlogKiB = this.#options.rounds.pendingBytes(caller.charter.hash) / 1024;
      this.#gate.charge(caller.key, costs.connect + backlogKiB * costs.backlogKiB);
      this.#accept(caller, request, socket, head);
    } catch (error) {
      const waitMs = error instanceof CoordinatorError ? (error.waitMs ?? 0) : 0;
      setTimeout(() => refuseUpgrade(socket, error), Math.min(waitMs, maxRefusalWaitMs)).unref();
    }
  }

  #accept(caller: Extract<Caller, { role: 'member' }>, request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { groups, limits, nowMs, log, members } = this.#options;
    const { charter, member, key, expiresAtMs } = caller;
    const bucket = this.#frames.of(key);
    const size = groups.lineageOf(charter.hash).sizeBeside(charter);
    this.#upgrader.upgrade(request, socket, head, size, (webSocket) => {
      const flooded = (): void => this.#gate.chargeMore(key, costs.flood);
      const bounds = { size, bucket, flooded, limits };
      members.join(new Connection(webSocket, { charter, member, expiresAtMs, ...bounds, nowMs, log }));
    });
  }

  #closeSockets(): void {
    for (const connection of this.#options.presence.all()) connection.leave();
    this.#streams.closeAll();
  }
}

function refuseUpgrade(socket: Duplex, error: unknown): void {
  const { status, code, message, retryAfterSeconds } = problemOf(error);
  const body = JSON.stringify({ code, message });
  const retry = retryAfterSeconds === undefined ? '' : `retry-after: ${retryAfterSeconds}\r\n`;
  socket.end(
    `HTTP/1.1 ${status} Refused\r\nconnection: close\r\n${retry}content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** Which key a challenge or login says that it is for. */
function keyOf(request: FastifyRequest): string | undefined {
  const { key } = request.query as { readonly key?: unknown };
  return typeof key === 'string' && isKeyText(key) ? key : undefined;
}

/** As long as a key in base64url. */
function isKeyText(text: string): boolean {
  return /^[A-Za-z0-9_-]{43}$/.test(text);
}
