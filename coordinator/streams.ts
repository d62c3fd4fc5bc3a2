/**
 * Live streams of rounds: server-sent events of the newest state, so that what a slow reader missed is never wanted back. Whoever asked for changes gets
 * what is new since the event before.
 */
import type { ServerResponse } from 'node:http';
import type { RoundBody } from '../protocol/wire/frames.ts';
import { changeEvent, changeOf } from '../protocol/wire/round-change.ts';
import { CoordinatorError } from './errors.ts';
import type { Limits } from './limits.ts';
import type { Round } from './round.ts';

/** What a reader asks for. */
export interface StreamWanted {
  /** The event that it saw last. */
  readonly lastEventId: string | undefined;
  /** Whether it takes changes in place of whole rounds. */
  readonly changes: boolean;
}

/** The live streams of all identities. */
export class Streams {
  /** Names this run: a number alone would repeat after a restart, and a reader would take the new state for one that it has seen. */
  readonly #run: string;
  readonly #limits: Limits;
  readonly #ofIdentity = new Map<string, number>();
  readonly #open = new Set<Stream>();
  readonly #newest = new WeakMap<Round, State>();

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
  follow(key: string, response: ServerResponse, round: Round, wanted: StreamWanted): void {
    const stream = new Stream(response, this.#limits, wanted);
    const show = (): void => stream.show(() => this.#stateOf(round), round.outcome !== 'pending');
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
    const stream = new Stream(response, this.#limits, { lastEventId: undefined, changes: false });
    stream.show(() => new State(`${this.#run}.over`, body), true);
    stream.stop();
  }

  closeAll(): void {
    for (const stream of this.#open) stream.cut();
  }

  /** Made once for all that follow the round. */
  #stateOf(round: Round): State {
    const id = `${this.#run}.${round.version}`;
    const known = this.#newest.get(round);
    if (known?.id === id) return known;
    const state = new State(id, round.body());
    this.#newest.set(round, state);
    return state;
  }

  #count(key: string, by: number): void {
    const count = (this.#ofIdentity.get(key) ?? 0) + by;
    if (count > 0) this.#ofIdentity.set(key, count);
    else this.#ofIdentity.delete(key);
  }
}

/** A round at one moment, written once for all that are told of it. */
class State {
  readonly id: string;
  readonly #body: RoundBody;
  #whole: string | undefined;
  /** From one earlier state, in which most readers are. */
  #change: { readonly from: State; readonly text: string } | undefined;

  constructor(id: string, body: RoundBody) {
    this.id = id;
    this.#body = body;
  }

  get whole(): string {
    this.#whole ??= `id: ${this.id}\ndata: ${JSON.stringify(this.#body)}\n\n`;
    return this.#whole;
  }

  changeFrom(from: State): string {
    if (this.#change?.from !== from) {
      const change = JSON.stringify(changeOf(from.#body, this.#body));
      this.#change = { from, text: `event: ${changeEvent}\nid: ${this.id}\ndata: ${change}\n\n` };
    }
    return this.#change.text;
  }
}

class Stream {
  readonly #response: ServerResponse;
  readonly #limits: Limits;
  readonly #wanted: StreamWanted;
  readonly #comments: NodeJS.Timeout;
  #last: State | undefined;
  /** The newest state, while the reader has not taken the one before or was told only just now. */
  #newest: (() => State) | undefined;
  #isEnding = false;
  #stalled: NodeJS.Timeout | undefined;
  /** Runs while a pending state would come too soon after the one before. */
  #pause: NodeJS.Timeout | undefined;

  constructor(response: ServerResponse, limits: Limits, wanted: StreamWanted) {
    this.#response = response;
    this.#limits = limits;
    this.#wanted = wanted;
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

  /** Shows a state now or, to a slow reader or soon after another one, the newest one later. The last one is never held back. */
  show(state: () => State, isLast: boolean): void {
    this.#newest = state;
    this.#isEnding ||= isLast;
    this.#flush();
  }

  cut(): void {
    this.#response.destroy();
  }

  stop(): void {
    clearInterval(this.#comments);
    clearTimeout(this.#stalled);
    clearTimeout(this.#pause);
  }

  #drained(): void {
    clearTimeout(this.#stalled);
    this.#stalled = undefined;
    this.#flush();
  }

  #flush(): void {
    if (this.#response.writableEnded || this.#response.writableNeedDrain) return;
    if (this.#pause !== undefined && !this.#isEnding) return;
    this.#write();
    if (this.#isEnding) this.#response.end();
  }

  #write(): void {
    const state = this.#newest?.();
    this.#newest = undefined;
    if (state === undefined || state === this.#last) return;
    const last = this.#last;
    this.#last = state;
    // The reader has it already, from a stream that broke.
    if (last === undefined && state.id === this.#wanted.lastEventId) return;
    this.#pause = setTimeout(() => this.#resume(), this.#limits.streamPauseMs);
    this.#send(last === undefined || !this.#wanted.changes ? state.whole : state.changeFrom(last));
  }

  #resume(): void {
    this.#pause = undefined;
    this.#flush();
  }

  #comment(): void {
    if (!this.#response.writableNeedDrain) this.#send(': still here\n\n');
  }

  #send(text: string): void {
    if (this.#response.write(text)) return;
    this.#stalled ??= setTimeout(() => this.cut(), this.#limits.streamStalledMs);
  }
}
