/** Token buckets: how much one identity or address may have done for it, and how much at once. */

/** How fast a bucket fills, in tokens a second, and how many it holds. */
export interface BucketOptions {
  readonly perSecond: number;
  readonly burst: number;
  /** Milliseconds; any clock that does not go back. */
  readonly nowMs?: () => number;
}

/** One bucket, full at first. It can owe twice what it holds: who floods waits, but not for ever. */
export class Bucket {
  readonly #options: BucketOptions;
  #tokens: number;
  #filledAtMs: number;

  constructor(options: BucketOptions) {
    this.#options = options;
    this.#tokens = options.burst;
    this.#filledAtMs = this.#nowMs();
  }

  /** Takes so many tokens if they are there; more than it ever holds are there when it is full. */
  take(count = 1): boolean {
    if (this.#fill() < this.#enough(count)) return false;
    this.#spend(count);
    return true;
  }

  /** Takes tokens even if there are none; answers for how many milliseconds the taker should rest. */
  owe(count = 1): number {
    this.#fill();
    this.#spend(count);
    return this.#tokens >= 0 ? 0 : (-this.#tokens * 1000) / this.#options.perSecond;
  }

  /** Gives tokens back. */
  refund(count: number): void {
    this.#tokens = Math.min(this.#options.burst, this.#tokens + count);
  }

  /** Milliseconds until so many can be taken. */
  waitMs(count = 1): number {
    return (Math.max(0, this.#enough(count) - this.#fill()) * 1000) / this.#options.perSecond;
  }

  /** Whether nothing was taken lately: it is as good as new. */
  get isFull(): boolean {
    return this.#fill() >= this.#options.burst;
  }

  #enough(count: number): number {
    return Math.min(count, this.#options.burst);
  }

  #spend(count: number): void {
    this.#tokens = Math.max(-2 * this.#options.burst, this.#tokens - count);
  }

  #fill(): number {
    const nowMs = this.#nowMs();
    const { perSecond, burst } = this.#options;
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#filledAtMs) * perSecond) / 1000);
    this.#filledAtMs = nowMs;
    return this.#tokens;
  }

  #nowMs(): number {
    return this.#options.nowMs?.() ?? performance.now();
  }
}

/** One bucket for each key; full ones are forgotten, and past the bound the oldest, which costs a flooder's victim nothing. */
export class Buckets {
  readonly #options: BucketOptions;
  readonly #maxKeys: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: BucketOptions, maxKeys: number) {
    this.#options = options;
    this.#maxKeys = maxKeys;
  }

  /** The bucket of this key. */
  of(key: string): Bucket {
    const known = this.#buckets.get(key);
    if (known !== undefined) return known;
    const bucket = new Bucket(this.#options);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.#maxKeys) this.#forget();
    return bucket;
  }

  /** Takes a token of this key's bucket if there is one. */
  take(key: string, count = 1): boolean {
    return this.of(key).take(count);
  }

  #forget(): void {
    for (const [key, bucket] of this.#buckets) if (bucket.isFull) this.#buckets.delete(key);
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > this.#maxKeys && oldest !== undefined) this.#buckets.delete(oldest);
  }
}
