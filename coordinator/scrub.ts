/**
 * The slow walk over everything that is stored: one bundle of records a second is read and proved, and its bytes and places in the indexes are looked
 * at. A disk forgets in silence; whoever would read a record next year should not be the first who learns of it.
 */
import { tileWidth } from '../protocol/record/tile.ts';
import { scrubBundle } from './check.ts';
import type { GroupLog } from './group-log.ts';
import type { Log } from './log.ts';
import { scrubEveryMs } from './limits.ts';
import type { Store } from './store.ts';

/** How far the walk is. */
export interface ScrubStatus {
  /** Bundles that were looked at since the start. */
  readonly bundles: number;
  /** Whole walks over everything. */
  readonly rounds: number;
  /** Bundles in which something was wrong. */
  readonly damaged: number;
}

/** The walk of one store, until it is stopped. */
export class Scrub {
  readonly #store: Store;
  readonly #log: Log;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #place = { log: 0, bundle: 0 };
  #status: ScrubStatus = { bundles: 0, rounds: 0, damaged: 0 };

  constructor(store: Store, log: Log) {
    this.#store = store;
    this.#log = log;
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

  /** Waits for the step that is under way. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }

  /** Looks at the next bundle. Never rejects: what is wrong is in the log, and the coordinator serves what is right. */
  async step(): Promise<void> {
    const log = this.#next();
    if (log === undefined) return;
    const { bundle } = this.#place;
    this.#place = { ...this.#place, bundle: bundle + 1 };
    const problems = await scrubBundle(log, bundle).catch((error: unknown) => [String(error)]);
    const { bundles, damaged, rounds } = this.#status;
    this.#status = { rounds, bundles: bundles + 1, damaged: damaged + (problems.length > 0 ? 1 : 0) };
    for (const failure of problems)
      this.#log('error', 'scrub-found', { record: log.name.log, code: 'store-damaged', failure });
  }

  /** The log whose turn it is; after its last bundle comes the next log, and after the last log the first. */
  #next(): GroupLog | undefined {
    const { logs } = this.#store;
    const log = logs[this.#place.log];
    if (log !== undefined && this.#place.bundle * tileWidth < log.head.size) return log;
    const isLast = this.#place.log + 1 >= logs.length;
    this.#place = { log: isLast ? 0 : this.#place.log + 1, bundle: 0 };
    if (isLast) this.#status = { ...this.#status, rounds: this.#status.rounds + 1 };
    return logs[this.#place.log];
  }
}
