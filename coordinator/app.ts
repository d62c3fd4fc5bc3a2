/** The coordinator's server: HTTP and WebSocket, who may call, and every limit on what comes in before anything reads it. */
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { decodeCanonicalJson } from '../verifier/json.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { loginBody } from '../protocol/wire/frames.ts';
import { Buckets } from './bucket.ts';
import { Connection, Upgrader } from './connection.ts';
import { CoordinatorError, problemOf } from './errors.ts';
import type { Groups } from './groups.ts';
import { maxBodyDepth, maxLoginBodyBytes, type Limits } from './limits.ts';
import type { Log } from './log.ts';
import type { Logins, Session } from './login.ts';
import type { Members } from './members.ts';
import type { Presence } from './presence.ts';
import type { Rounds } from './rounds.ts';
import { bodyAs, Routes } from './routes.ts';
import { Sockets } from './sockets.ts';
import { Streams } from './streams.ts';

/** What the server leads to, and what bounds it. */
export interface AppOptions {
  readonly groups: Groups;
  readonly rounds: Rounds;
  readonly logins: Logins;
  readonly members: Members;
  readonly presence: Presence;
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
/** Keys of buckets: identities that have a token, and addresses that log in. */
const maxBucketKeys = 4096;

/** The server: listens, authenticates, hands calls to the routes and sockets to the members, and closes what never ends by itself. */
export class App {
  readonly #options: AppOptions;
  readonly #fastify: FastifyInstance;
  readonly #sockets: Sockets;
  readonly #streams: Streams;
  readonly #upgrader = new Upgrader();
  readonly #calls: Buckets;
  readonly #logins: Buckets;
  /** Calls under way, by identity. */
  readonly #underWay = new Map<string, number>();
  /** Of requests that brought a token. */
  readonly #sessions = new WeakMap<FastifyRequest, Session>();
  #isClosing = false;

  constructor(options: AppOptions) {
    const { limits } = options;
    this.#options = options;
    this.#sockets = new Sockets({ maxStrangers: limits.maxUnauthenticatedSockets, maxSockets: limits.maxSockets });
    this.#streams = new Streams(options.run, limits);
    this.#calls = new Buckets({ perSecond: limits.callsPerSecond, burst: limits.callBurst }, maxBucketKeys);
    this.#logins = new Buckets({ perSecond: limits.loginsPerSecond, burst: limits.loginBurst }, maxBucketKeys);
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

  /** The port that it listens on. */
  async listen(host: string, port: number): Promise<number> {
    await this.#fastify.listen({ host, port });
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
    this.#fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
      try {
        done(null, decodeCanonicalJson(body as Buffer, { maxBytes: body.length, maxDepth: maxBodyDepth }));
      } catch (cause) {
        done(
          new CoordinatorError('bad-body', `the body is not JSON as we write it: ${(cause as Error).message}`, {
            cause,
          }),
        );
      }
    });
    this.#fastify.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_request, body, done) =>
      done(null, body),
    );
  }

  #answerErrors(): void {
    this.#fastify.setErrorHandler((error, _request, reply) => this.#refuse(reply, error));
    this.#fastify.setNotFoundHandler((_request, reply) =>
      this.#refuse(reply, new CoordinatorError('not-found', 'there is no such route')),
    );
  }

  async #refuse(reply: FastifyReply, error: unknown): Promise<void> {
    const { status, code, message } = problemOf(error);
    if (status >= 500) this.#options.log('error', 'call-failed', { code, failure: String(error) });
    if (status === 429) void reply.header('retry-after', '1');
    await reply.status(status).send({ code, message });
  }

  #addOpenRoutes(): void {
    const { logins } = this.#options;
    const bounded = {
      onRequest: (request: FastifyRequest) => this.#boundLogins(request),
      bodyLimit: maxLoginBodyBytes,
    };
    this.#fastify.get('/healthz', () => ({ status: 'ok' }));
    this.#fastify.post('/v1/challenge', bounded, () => logins.challenge());
    this.#fastify.post('/v1/login', bounded, (request) => logins.login(bodyAs(loginBody, request).login));
  }

  async #boundLogins(request: FastifyRequest): Promise<void> {
    if (this.#logins.take(request.ip)) return;
    await Promise.reject(new CoordinatorError('too-many', 'too many logins from this address; try again in a second'));
  }

  /** Every one of them needs a token, which is looked at before the body is read. */
  #addRoutes(scope: FastifyInstance): void {
    scope.addHook('onRequest', (request, reply, done) => done(this.#authenticate(request, reply)));
    const sessionOf = (request: FastifyRequest): Session => this.#sessionOf(request);
    new Routes({ ...this.#options, streams: this.#streams, sessionOf }).add(scope);
  }

  #authenticate(request: FastifyRequest, reply: FastifyReply): Error | undefined {
    try {
      const session = this.#vouch(request.raw, request.raw.socket);
      this.#countCall(session.key, reply);
      this.#sessions.set(request, session);
      return undefined;
    } catch (error) {
      return error as Error;
    }
  }

  /** From its head to the last byte of its answer. */
  #countCall(key: string, reply: FastifyReply): void {
    const count = this.#underWay.get(key) ?? 0;
    if (count >= this.#options.limits.maxCallsAtOnce)
      throw new CoordinatorError('too-many', `${count} calls of this identity are under way; let some end`);
    this.#underWay.set(key, count + 1);
    reply.raw.once('close', () => {
      const left = (this.#underWay.get(key) ?? 1) - 1;
      if (left > 0) this.#underWay.set(key, left);
      else this.#underWay.delete(key);
    });
  }

  /** Who calls; counted against what one identity may do. Throws `CoordinatorError` or `ProtocolError`. */
  #vouch(request: IncomingMessage, socket: Socket): Session {
    const session = this.#options.logins.session(request.headers.authorization);
    this.#sockets.vouch(socket);
    if (!this.#calls.take(session.key))
      throw new CoordinatorError('too-many', 'too many calls by this identity; try again in a second');
    return session;
  }

  #sessionOf(request: FastifyRequest): Session {
    const session = this.#sessions.get(request);
    if (session === undefined) throw new CoordinatorError('not-authenticated', 'log in first');
    return session;
  }

  /** A member's WebSocket: authenticated here, before a single frame of it is read. */
  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    try {
      if (this.#isClosing) throw new CoordinatorError('closing', 'the coordinator is about to stop');
      if (request.url !== socketPath) throw new CoordinatorError('not-found', 'there is no such route');
      const session = this.#vouch(request, request.socket);
      if (session.role !== 'member') throw new ProtocolError('not-allowed', 'only members have a socket');
      this.#accept(session, request, socket, head);
    } catch (error) {
      refuseUpgrade(socket, error);
    }
  }

  #accept(session: Extract<Session, { role: 'member' }>, request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { limits, nowMs, log, members } = this.#options;
    const { charter, member, expiresAtMs } = session;
    this.#upgrader.upgrade(request, socket, head, charter.members.length, (webSocket) => {
      members.join(new Connection(webSocket, { charter, member, expiresAtMs, limits, nowMs, log }));
    });
  }

  #closeSockets(): void {
    for (const connection of this.#options.presence.all()) connection.leave();
    this.#streams.closeAll();
  }
}

function refuseUpgrade(socket: Duplex, error: unknown): void {
  const { status, code, message } = problemOf(error);
  const body = JSON.stringify({ code, message });
  socket.end(
    `HTTP/1.1 ${status} Refused\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
