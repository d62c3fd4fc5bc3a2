/**
 * The slow walk over everything that is stored: each second some records are read and proved, and their bytes and places in the indexes are looked
 * at. A disk forgets in silence; whoever would read a record next year should not be the first who learns of it.
 */
import { tileWidth } from '../protocol/record/tile.ts';
import { scrubRecords, type Scrubbed } from './check.ts';
import type { WalkPlace } from './database.ts';
import type { GroupLog } from './group-log.ts';
import type { Log } from './log.ts';
import { maxScrubbedBytes, scrubEveryMs, scrubNotedEvery } from './limits.ts';
import type { Store } from './store.ts';

/** How far the walk is. */
export interface ScrubStatus {
  /** Steps of it since the start. */
  readonly steps: number;
  /** How often it came to the end of everything. */
  readonly rounds: number;
  /** Steps in which something was wrong. */
  readonly damaged: number;
}

/** The walk of one store, until it is stopped. A start goes on where the one before was. */
export class Scrub {
  readonly #store: Store;
  readonly #log: Log;
  readonly #maxBytes: number;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #place: WalkPlace | undefined;
  #status: ScrubStatus = { steps: 0, rounds: 0, damaged: 0 };

  constructor(store: Store, log: Log, maxBytes = maxScrubbedBytes) {
    this.#store = store;
    this.#log = log;
    this.#maxBytes = maxBytes;
  }

  get status(): ScrubStatus {
    return this.#status;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#running ??= this.step().finally(() => (this.#running = undefined));
    }, scrubEveryMs);
    this.#timer.unref();
  }

  /** Waits for the step that is under way, and notes where the walk is. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
    await this.#note();
  }

  /** Looks at the next records. Never rejects: what is wrong is in the log, and the coordinator serves what is right. */
  async step(): Promise<void> {
    // A place that cannot be read is none: the walk begins anew.
    this.#place ??= await this.#store.walkPlace().catch(() => undefined);
    const [log, first] = this.#next();
    if (log === undefined) return;
    await this.#look(log, first);
    if (this.#status.steps % scrubNotedEvery === 0) await this.#note();
  }

  /** Of a store that cannot be written, its owner is told elsewhere. */
  async #note(): Promise<void> {
    if (this.#place !== undefined) await this.#store.noteWalkPlace(this.#place).catch(() => undefined);
  }

  async #look(log: GroupLog, first: number): Promise<void> {
    const nextBundle = (Math.floor(first / tileWidth) + 1) * tileWidth;
    const { problems, next } = await scrubRecords(log, first, this.#maxBytes).catch((error: unknown): Scrubbed => ({
      problems: [String(error)],
      next: nextBundle,
    }));
    const { steps, damaged, rounds } = this.#status;
    this.#status = { rounds, steps: steps + 1, damaged: damaged + (problems.length > 0 ? 1 : 0) };
    for (const failure of problems)
      this.#log('error', 'scrub-found', { record: log.name.log, code: 'store-damaged', failure });
    this.#place = { log: log.name.log, index: next };
  }

  /** Whose turn it is, and from which record on; after its last record comes the next log, and after the last log the first. */
  #next(): readonly [GroupLog | undefined, number] {
    const { logs } = this.#store;
    const turn = Math.max(
      0,
      logs.findIndex(({ name }) => name.log === this.#place?.log),
    );
    const index = logs[turn]?.name.log === this.#place?.log ? (this.#place?.index ?? 0) : 0;
    if (index < (logs[turn]?.head.size ?? 0)) return [logs[turn], index];
    if (turn + 1 < logs.length) return [logs[turn + 1], 0];
    if (logs.length === 0) return [undefined, 0];
    this.#status = { ...this.#status, rounds: this.#status.rounds + 1 };
    return [logs[0], 0];
  }
}
