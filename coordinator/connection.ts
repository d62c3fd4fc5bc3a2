/** One member's WebSocket, authenticated before its first frame: bounded in what it may send and in what may wait for it. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { WebSocketServer, type RawData, type WebSocket } from 'ws';
import type { Charter, Member } from '../protocol/files/charter.ts';
import { longestTimerMs, maxFrameBytes } from '../protocol/limits.ts';
import { decodeMemberFrame, type CoordinatorFrame, type MemberFrame } from '../protocol/wire/frames.ts';
import type { Bucket } from './bucket.ts';
import { problemOf } from './errors.ts';
import {
  maxBufferedBytes,
  maxBufferedChunks,
  maxFragments,
  maxWaitingFrames,
  refusalLogMs,
  refusedFrameCount,
  slowestLineBytesPerSecond,
  workedAtOnceMs,
  type Limits,
} from './limits.ts';
import type { Log } from './log.ts';

/** Why a connection was closed (RFC 6455, Section 7.4). */
export const closeCodes = {
  /** The coordinator stops. */
  goingAway: 1001,
  /** Floods, or does not read. */
  policy: 1008,
  /** A newer connection of the same member took its place. */
  replaced: 4000,
  /** The token has expired: log in again. */
  expired: 4001,
  /** The member's journal went back (T3). */
  rolledBack: 4002,
} as const;

/** Who is told of a connection. */
export interface ConnectionHandlers {
  /** One frame at a time, in order. What it throws is told to the member. */
  readonly frame: (frame: MemberFrame) => Promise<void>;
  readonly closed: () => void;
}

/** Whose connection it is, until when, and within what bounds. */
export interface ConnectionOptions {
  readonly charter: Charter;
  readonly member: Member;
  /** Members of the largest charter that the group has or is going to have: frames are as large as theirs. */
  readonly size: number;
  readonly expiresAtMs: number;
  /** Of the member's frames, whichever connection they come by. */
  readonly bucket: Bucket;
  /** Told when the member is cut for a flood. */
  readonly flooded?: (() => void) | undefined;
  readonly limits: Limits;
  readonly nowMs: () => number;
  readonly log: Log;
}

const encoded = new WeakMap<CoordinatorFrame, Buffer>();

/** One authenticated WebSocket: reads frames one at a time, sends within bounds, pings, and is closed when its token expires. */
export class Connection {
  readonly charter: Charter;
  readonly member: Member;
  /** `new` until it said what it holds, then `catching-up`, then asked by rounds, then told who is present. */
  stage: 'new' | 'catching-up' | 'greeting' | 'greeted' = 'new';
  /** Successions whose messages this member asked for, by the hashes of their documents: only such that a quorum signed. */
  readonly successions = new Set<string>();
  readonly #socket: WebSocket;
  readonly #options: ConnectionOptions;
  readonly #bucket: Bucket;
  readonly #maxFrameBytes: number;
  readonly #maxBufferedBytes: number;
  readonly #timers: NodeJS.Timeout[] = [];
  /** The end of the backlog. */
  #paced: Promise<unknown> = Promise.resolve();
  #waiting: Uint8Array[] = [];
  #working: Promise<void> | undefined;
  #handlers: ConnectionHandlers | undefined;
  /** Refused frames that no line tells of yet, and when the last line was written. */
  #refused = 0;
  #refusedLoggedAtMs = -Infinity;
  #isAlive = true;
  #pingedAtMs = 0;
  /** Bytes sent since the last ping that was answered, and how many of them were sent before the newest ping. */
  #unansweredBytes = 0;
  #pingedAfterBytes = 0;
  #rested: NodeJS.Timeout | undefined;

  constructor(socket: WebSocket, options: ConnectionOptions) {
    const { charter, member, size } = options;
    this.charter = charter;
    this.member = member;
    this.#socket = socket;
    this.#options = options;
    this.#bucket = options.bucket;
    this.#maxFrameBytes = maxFrameBytes(size);
    this.#maxBufferedBytes = maxBufferedBytes(size);
  }

  start(handlers: ConnectionHandlers): void {
    this.#handlers = handlers;
    this.#socket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    this.#socket.on('pong', () => this.#ponged());
    // A broken or refused frame ends in 'close', which says all there is to know.
    this.#socket.on('error', () => undefined);
    this.#socket.once('close', () => this.#closed());
    const leftMs = Math.min(Math.max(0, this.#options.expiresAtMs - this.#options.nowMs()), longestTimerMs);
    this.#timers.push(
      setInterval(() => this.#ping(), this.#options.limits.pingMs),
      setTimeout(() => this.close(closeCodes.expired, 'the token has expired; log in again'), leftMs),
    );
  }

  /** Sends at once, or cuts a member that lets too much wait. */
  send(frame: CoordinatorFrame): void {
    this.#write(frame, () => undefined);
  }

  /**
   * Sends frames of a backlog one by one, each once the one before has left: a slow line then delays them and is not cut for them (T42). They
   * are made when their turn comes. Resolves when the last has left: true, or false when the connection ended before.
   */
  sendPaced(make: () => readonly CoordinatorFrame[]): Promise<boolean> {
    const sent = this.#paced.then(async () => {
      for (const frame of make()) if (!(await this.#written(frame))) return false;
      return this.#socket.readyState === this.#socket.OPEN;
    });
    this.#paced = sent;
    return sent;
  }

  #written(frame: CoordinatorFrame): Promise<boolean> {
    return new Promise((resolve) => this.#write(frame, () => resolve(this.#socket.readyState === this.#socket.OPEN)));
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
    // A peer that does not answer the close frame is cut.
    this.#timers.push(setTimeout(() => this.#socket.terminate(), this.#options.limits.closeWithinMs));
  }

  /** The coordinator stops. */
  leave(): void {
    this.close(closeCodes.goingAway, 'the coordinator is about to stop');
  }

  #write(frame: CoordinatorFrame, done: () => void): void {
    if (this.#socket.readyState !== this.#socket.OPEN) {
      done();
      return;
    }
    const bytes = encoded.get(frame) ?? Buffer.from(JSON.stringify(frame));
    encoded.set(frame, bytes);
    if (this.#socket.bufferedAmount + bytes.length > this.#maxBufferedBytes) {
      this.#cut('does-not-read');
      done();
      return;
    }
    this.#unansweredBytes += bytes.length;
    this.#socket.send(bytes, { binary: false }, done);
  }

  #cut(code: string): void {
    this.#options.log('warn', 'member-cut', { group: this.charter.group, member: this.member.name, code });
    this.#socket.terminate();
  }

  #receive(data: RawData, isBinary: boolean): void {
    const bytes = isBinary ? new Uint8Array(0) : toBytes(data);
    const restMs = this.#bucket.owe();
    // What is buffered comes even after a pause; more than a second burst of it is a flood.
    if (restMs > (this.#options.limits.frameBurst * 1000) / this.#options.limits.framesPerSecond) {
      this.#cut('floods');
      this.#options.flooded?.();
      return;
    }
    this.#waiting.push(bytes);
    if (restMs > 0) this.#rest(restMs);
    if (this.#waiting.length > maxWaitingFrames) this.#socket.pause();
    this.#working ??= this.#work();
  }

  /** Reads no more for a while: the sender feels it, and nothing piles up here. */
  #rest(restMs: number): void {
    this.#socket.pause();
    clearTimeout(this.#rested);
    this.#rested = setTimeout(() => {
      this.#rested = undefined;
      this.#resume();
    }, restMs);
  }

  #resume(): void {
    if (this.#waiting.length <= maxWaitingFrames / 2 && this.#rested === undefined) this.#socket.resume();
  }

  /** The one reader of this member's frames. Never rejects. */
  async #work(): Promise<void> {
    let turnAtMs = performance.now();
    for (let bytes = this.#waiting.shift(); bytes !== undefined; bytes = this.#waiting.shift()) {
      if (performance.now() - turnAtMs > workedAtOnceMs) {
        await nextTurn();
        turnAtMs = performance.now();
      }
      await this.#handle(bytes);
      if (this.#socket.isPaused) this.#resume();
    }
    this.#working = undefined;
  }

  async #handle(bytes: Uint8Array): Promise<void> {
    try {
      await this.#handlers?.frame(decodeMemberFrame(bytes, this.#maxFrameBytes));
    } catch (error) {
      const { code, message } = problemOf(error);
      this.#bucket.owe(refusedFrameCount - 1);
      this.#logRefused(code, code === 'failed' ? String(error) : undefined);
      this.send({ type: 'error', code, message });
    }
  }

  /** One line for many: a log is no place that a flood may fill. */
  #logRefused(code: string, failure: string | undefined): void {
    this.#refused += 1;
    if (failure === undefined && performance.now() - this.#refusedLoggedAtMs < refusalLogMs) return;
    const of = { group: this.charter.group, member: this.member.name };
    this.#options.log('warn', 'frame-refused', { ...of, code, failure, count: this.#refused });
    this.#refused = 0;
    this.#refusedLoggedAtMs = performance.now();
  }

  #ping(): void {
    if (!this.#isAlive) {
      // The ping waits on the line after what was sent before it.
      const passedMs = performance.now() - this.#pingedAtMs;
      if (passedMs > this.#options.limits.pingMs / 2 + (this.#pingedAfterBytes * 1000) / slowestLineBytesPerSecond)
        this.#cut('silent');
      return;
    }
    this.#isAlive = false;
    this.#pingedAtMs = performance.now();
    this.#pingedAfterBytes = this.#unansweredBytes;
    this.#socket.ping();
  }

  #ponged(): void {
    this.#isAlive = true;
    this.#unansweredBytes -= this.#pingedAfterBytes;
    this.#pingedAfterBytes = 0;
  }

  #closed(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    clearTimeout(this.#rested);
    this.#waiting = [];
    this.#handlers?.closed();
  }
}

function toBytes(data: RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}

/** Upgrades sockets of authenticated members, each with the frame size of its group. */
export class Upgrader {
  /** By bytes of a frame; there are as many as sizes of groups. */
  readonly #servers = new Map<number, WebSocketServer>();

  upgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    members: number,
    upgraded: (socket: WebSocket) => void,
  ): void {
    this.#serverFor(maxFrameBytes(members)).handleUpgrade(request, socket, head, upgraded);
  }

  #serverFor(maxPayload: number): WebSocketServer {
    const server =
      this.#servers.get(maxPayload) ??
      new WebSocketServer({
        noServer: true,
        clientTracking: false,
        perMessageDeflate: false,
        maxPayload,
        maxFragments,
        maxBufferedChunks,
      });
    this.#servers.set(maxPayload, server);
    return server;
  }
}
