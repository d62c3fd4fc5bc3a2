/** Token buckets: how often one identity or address may do something, and how often at once. */

/** How fast a bucket fills, in tokens a second, and how many it holds. */
export interface BucketOptions {
  readonly perSecond: number;
  readonly burst: number;
  /** Milliseconds; any clock that does not go back. */
  readonly nowMs?: () => number;
}

/** One bucket, full at first. */
export class Bucket {
  readonly #options: BucketOptions;
  #tokens: number;
  #filledAtMs: number;

  constructor(options: BucketOptions) {
    this.#options = options;
    this.#tokens = options.burst;
    this.#filledAtMs = this.#nowMs();
  }

  /** Takes a token if there is one. */
  take(): boolean {
    if (this.#fill() < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Takes a token even if there is none; answers for how many milliseconds the taker should rest. */
  owe(): number {
    this.#fill();
    this.#tokens -= 1;
    return this.#tokens >= 0 ? 0 : (-this.#tokens * 1000) / this.#options.perSecond;
  }

  /** Whether nothing was taken lately: it is as good as new. */
  get isFull(): boolean {
    return this.#fill() >= this.#options.burst;
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

  /** Takes a token of this key's bucket if there is one. */
  take(key: string): boolean {
    const bucket = this.#buckets.get(key) ?? new Bucket(this.#options);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.#maxKeys) this.#forget();
    return bucket.take();
  }

  #forget(): void {
    for (const [key, bucket] of this.#buckets) if (bucket.isFull) this.#buckets.delete(key);
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > this.#maxKeys && oldest !== undefined) this.#buckets.delete(oldest);
  }
}
