/** Live streams of rounds: server-sent events, each the whole state, so that what a slow reader missed is never wanted back. */
import type { ServerResponse } from 'node:http';
import type { RoundBody } from '../protocol/wire/frames.ts';
import { CoordinatorError } from './errors.ts';
import type { Limits } from './limits.ts';
import type { Round } from './round.ts';

/** Names this run: a number alone would repeat after a restart, and a reader would take the new state for one that it has seen. */
export class Streams {
  readonly #run: string;
  readonly #limits: Limits;
  readonly #ofIdentity = new Map<string, number>();
  readonly #open = new Set<Stream>();
  readonly #newest = new WeakMap<Round, Event>();

  constructor(run: string, limits: Limits) {
    this.#run = run;
    this.#limits = limits;
  }

  /** Throws `CoordinatorError('too-many')` past the streams of one identity. */
  assertRoom(key: string): void {
    const count = this.#ofIdentity.get(key) ?? 0;
    if (count >= this.#limits.maxStreamsPerIdentity)
      throw new CoordinatorError('too-many', `${count} live streams are open for this identity; close some`);
  }

  /** Streams a round that is pending until it is over. */
  follow(key: string, response: ServerResponse, round: Round, lastEventId: string | undefined): void {
    const stream = new Stream(response, this.#limits, lastEventId);
    const show = (): void => {
      stream.show(() => this.#eventOf(round));
      if (round.outcome !== 'pending') stream.end();
    };
    const unsubscribe = round.subscribe(show);
    this.#count(key, 1);
    this.#open.add(stream);
    response.once('close', () => {
      unsubscribe();
      stream.stop();
      this.#open.delete(stream);
      this.#count(key, -1);
    });
    show();
  }

  /** One event for a round that is over. */
  finish(response: ServerResponse, body: RoundBody): void {
    const stream = new Stream(response, this.#limits, undefined);
    stream.show(() => ({ id: `${this.#run}.over`, data: JSON.stringify(body) }));
    stream.end();
    stream.stop();
  }

  closeAll(): void {
    for (const stream of this.#open) stream.cut();
  }

  /** Written once for all that follow the round. */
  #eventOf(round: Round): Event {
    const id = `${this.#run}.${round.version}`;
    const known = this.#newest.get(round);
    if (known?.id === id) return known;
    const event = { id, data: JSON.stringify(round.body()) };
    this.#newest.set(round, event);
    return event;
  }

  #count(key: string, by: number): void {
    const count = (this.#ofIdentity.get(key) ?? 0) + by;
    if (count > 0) this.#ofIdentity.set(key, count);
    else this.#ofIdentity.delete(key);
  }
}

interface Event {
  readonly id: string;
  /** JSON. */
  readonly data: string;
}

class Stream {
  readonly #response: ServerResponse;
  readonly #limits: Limits;
  readonly #comments: NodeJS.Timeout;
  #lastId: string | undefined;
  /** The newest state, while the reader has not taken the one before. */
  #newest: (() => Event) | undefined;
  #isEnding = false;
  #stalled: NodeJS.Timeout | undefined;

  constructor(response: ServerResponse, limits: Limits, lastEventId: string | undefined) {
    this.#response = response;
    this.#limits = limits;
    this.#lastId = lastEventId;
    response.on('error', () => undefined); // ends in 'close'
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    response.flushHeaders();
    response.on('drain', () => this.#drained());
    this.#comments = setInterval(() => this.#comment(), limits.streamCommentMs);
  }

  /** Shows a state now or, to a slow reader, the newest one later. */
  show(event: () => Event): void {
    this.#newest = event;
    if (!this.#response.writableNeedDrain) this.#write();
  }

  /** Ends behind the newest state. */
  end(): void {
    this.#isEnding = true;
    if (this.#newest === undefined) this.#response.end();
  }

  cut(): void {
    this.#response.destroy();
  }

  stop(): void {
    clearInterval(this.#comments);
    clearTimeout(this.#stalled);
  }

  #drained(): void {
    clearTimeout(this.#stalled);
    this.#stalled = undefined;
    if (this.#newest !== undefined) this.#write();
    if (this.#isEnding && this.#newest === undefined) this.#response.end();
  }

  #write(): void {
    const event = this.#newest?.();
    this.#newest = undefined;
    if (event === undefined || event.id === this.#lastId) return;
    this.#lastId = event.id;
    this.#send(`id: ${event.id}\ndata: ${event.data}\n\n`);
  }

  #comment(): void {
    if (!this.#response.writableNeedDrain) this.#send(': still here\n\n');
  }

  #send(text: string): void {
    if (this.#response.write(text)) return;
    this.#stalled ??= setTimeout(() => this.cut(), this.#limits.streamStalledMs);
  }
}
