/** The member's line to the coordinator: one WebSocket, kept up for as long as the daemon lives. */
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket, type RawData } from 'ws';
import type { CoordinatorClient, SocketAddress } from '../client/client.ts';
import { ClientError } from '../client/errors.ts';
import { retryAfterOf } from '../client/http.ts';
import { whyNoUpgrade } from '../client/unreachable.ts';
import { maxFrameBytes, maxRequestersBytes } from '../protocol/limits.ts';
import { decodeCoordinatorFrame, type CoordinatorFrame, type MemberFrame } from '../protocol/wire/frames.ts';
import { codeOf, messageOf } from './errors.ts';
import {
  closeTimeoutMs,
  firstBackOffMs,
  httpTimeoutMs,
  longestBackOffMs,
  maxToldReasons,
  maxUnhandledFrames,
  maxUnsentBytes,
  pingIntervalMs,
  pongTimeoutMs,
} from './limits.ts';
import type { Log } from './log.ts';
import { within } from './within.ts';

/** What a connection tells its owner, and what it needs to be one. */
export interface ConnectionOptions {
  /** Logs in anew for every connection. */
  readonly client: Pick<CoordinatorClient, 'socket'>;
  /** Members of the charter: the bound on a frame follows from it. */
  readonly members: number;
  connected(): void;
  /** Said once of each reason until there is a connection again, however often it is tried. */
  disconnected(reason: string): void;
  /** Frames come one at a time, in order; the next waits for the promise. */
  frame(frame: CoordinatorFrame): Promise<void>;
  /** Whether a failed login ends the daemon instead of being tried again. */
  isFatal(error: unknown): boolean;
  fatal(error: unknown): void;
  readonly log: Log;
  /** Milliseconds; the limits by default. */
  readonly timing?: Partial<ConnectionTiming>;
}

/** Waits of a connection, all in milliseconds. */
export interface ConnectionTiming {
  readonly firstBackOffMs: number;
  readonly longestBackOffMs: number;
  readonly pingIntervalMs: number;
  readonly pongTimeoutMs: number;
}

/** How a connection came to an end, and for how long the coordinator asks to be left alone. */
interface Ending {
  readonly reason: string;
  readonly retryAfterMs: number;
}

/** One member's WebSocket to the coordinator: it logs in, pings, and connects again for as long as nobody closes it. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #timing: ConnectionTiming;
  readonly #stop = new AbortController();
  #socket: WebSocket | undefined;
  #running: Promise<void> | undefined;
  /** Why the last tries failed, as far as it was told. */
  readonly #told = new Set<string>();

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#timing = { firstBackOffMs, longestBackOffMs, pingIntervalMs, pongTimeoutMs, ...options.timing };
  }

  get isConnected(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Connects, and again after every loss, until `close`. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Does nothing while there is no connection. */
  send(frame: MemberFrame): void {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) return;
    socket.send(JSON.stringify(frame));
    if (socket.bufferedAmount <= maxUnsentBytes) return;
    this.#options.log('warn', 'connection-stuck', { bytes: socket.bufferedAmount });
    socket.terminate();
  }

  /** Sends what is buffered, closes, and resolves when the line is down for good. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#socket?.close(1000);
    await within(closeTimeoutMs, this.#running);
    this.#socket?.terminate();
  }

  /** The login waits out what is in its way. */
  waits(reason: string): void {
    if (!this.isConnected && !this.#isStopped()) this.#tell(reason);
  }

  #tell(reason: string): void {
    if (this.#told.has(reason)) return;
    if (this.#told.size < maxToldReasons) this.#told.add(reason);
    this.#options.disconnected(reason);
  }

  #isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    let backOffMs = this.#timing.firstBackOffMs;
    while (!this.#isStopped()) {
      const { reason, retryAfterMs } = await this.#connectOnce(() => {
        backOffMs = this.#timing.firstBackOffMs;
        this.#told.clear();
      });
      if (this.#isStopped()) return;
      this.#tell(reason);
      // Drawn at random: after a restart of the coordinator, or a wait that it asked for, not everybody comes back at the same moment.
      const waitMs = Math.max(backOffMs * (0.5 + Math.random() / 2), retryAfterMs * (1 + Math.random() / 2));
      backOffMs = Math.min(2 * backOffMs, this.#timing.longestBackOffMs);
      await sleep(waitMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }

  /** Resolves when the connection is over. */
  async #connectOnce(opened: () => void): Promise<Ending> {
    try {
      const address = await this.#options.client.socket();
      if (this.#isStopped()) return { reason: 'closed', retryAfterMs: 0 };
      return await this.#serve(address, opened);
    } catch (error) {
      if (!this.#told.has(messageOf(error)))
        this.#options.log('warn', 'login-failed', { code: codeOf(error), message: messageOf(error) });
      if (this.#options.isFatal(error)) this.#options.fatal(error);
      const { retryAfterMs = 0 } = (error instanceof ClientError ? error.refusal : undefined) ?? {};
      return { reason: messageOf(error), retryAfterMs };
    }
  }

  #serve(address: SocketAddress, opened: () => void): Promise<Ending> {
    const maxBytes = maxIncomingBytes(this.#options.members);
    const socket = new WebSocket(address.url, {
      headers: address.headers,
      maxPayload: maxBytes,
      perMessageDeflate: false,
      handshakeTimeout: httpTimeoutMs,
      agent: address.agent,
    });
    this.#socket = socket;
    const inbox = new Inbox(
      socket,
      (bytes) => this.#options.frame(decodeCoordinatorFrame(bytes, maxBytes)),
      (error) => {
        this.#options.log('warn', 'frame-refused', { code: codeOf(error), message: messageOf(error) });
        socket.terminate();
      },
    );
    const stopPings = keepAlive(socket, this.#timing);
    return new Promise((resolve) => {
      let fault: string | undefined;
      let retryAfterMs = 0;
      socket.on('unexpected-response', (_request, { statusCode = 0, headers }) => {
        fault = whyRefused(statusCode, address.url);
        retryAfterMs = retryAfterOf(headers['retry-after'], Date.now()) ?? 0;
        socket.terminate();
      });
      socket.on('open', () => {
        opened();
        this.#options.connected();
      });
      socket.on('message', (data) => {
        inbox.push(data);
      });
      socket.on('error', (error) => {
        fault ??= error.message;
      });
      socket.on('close', (code) => {
        stopPings();
        this.#socket = undefined;
        void inbox.drained().then(() => {
          const reason = fault ?? 'the coordinator closed the connection';
          resolve({ reason: code === 1000 || code === 1006 ? reason : `${reason} (${code})`, retryAfterMs });
        });
      });
    });
  }
}

/** Statuses with which the coordinator itself refuses an upgrade; any other is of a call that is none any more. */
const ownRefusals: readonly number[] = [401, 403, 429, 503];

function whyRefused(status: number, url: string): string {
  if (ownRefusals.includes(status)) return `the coordinator refused the WebSocket (HTTP status ${status})`;
  return whyNoUpgrade(status, new URL(url).host);
}

/** Messages in order, one at a time; reading stops while too many wait. */
class Inbox {
  readonly #socket: WebSocket;
  readonly #handle: (bytes: Uint8Array) => Promise<void>;
  readonly #refuse: (error: unknown) => void;
  #queue: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(socket: WebSocket, handle: (bytes: Uint8Array) => Promise<void>, refuse: (error: unknown) => void) {
    this.#socket = socket;
    this.#handle = handle;
    this.#refuse = refuse;
  }

  push(data: RawData): void {
    const bytes = Array.isArray(data) ? Buffer.concat(data) : new Uint8Array(data);
    this.#waiting += 1;
    if (this.#waiting >= maxUnhandledFrames) this.#socket.pause();
    this.#queue = this.#queue.then(() => this.#handleOne(bytes));
  }

  drained(): Promise<void> {
    return this.#queue;
  }

  async #handleOne(bytes: Uint8Array): Promise<void> {
    try {
      await this.#handle(bytes);
    } catch (error) {
      this.#refuse(error);
    } finally {
      this.#waiting -= 1;
      if (this.#socket.isPaused && this.#waiting < maxUnhandledFrames) this.#socket.resume();
    }
  }
}

/** A ping now and then; a missing answer ends the connection, which TCP alone would hold for hours. */
function keepAlive(socket: WebSocket, timing: ConnectionTiming): () => void {
  let deadline: NodeJS.Timeout | undefined;
  const pings = setInterval(() => {
    if (socket.readyState !== WebSocket.OPEN) return;
    socket.ping();
    deadline ??= setTimeout(() => {
      socket.terminate();
    }, timing.pongTimeoutMs);
  }, timing.pingIntervalMs);
  socket.on('pong', () => {
    clearTimeout(deadline);
    deadline = undefined;
  });
  return () => {
    clearInterval(pings);
    clearTimeout(deadline);
  };
}

/** A frame of the machine's kind, or the group's documents: requesters in base64, genesis and delegations. */
function maxIncomingBytes(members: number): number {
  return Math.max(maxFrameBytes(members), 2 * maxRequestersBytes + 256 * 1024);
}
