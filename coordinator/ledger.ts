/** What each identity had stored: so many bytes in a day, and no more (T43). A restart begins a new day. */
import { Buckets } from './bucket.ts';
import { CoordinatorError } from './errors.ts';
import { maxBucketKeys } from './limits.ts';

const secondsOfDay = 24 * 3600;

/** Charges identities for what is about to be stored for them. */
export class Ledger {
  readonly #bytes: Buckets;
  readonly #bytesPerDay: number;

  constructor(bytesPerDay: number) {
    this.#bytesPerDay = bytesPerDay;
    this.#bytes = new Buckets({ perSecond: bytesPerDay / secondsOfDay, burst: bytesPerDay }, maxBucketKeys);
  }

  /** Whether so many bytes may be stored for a key (base64url); then they are charged. */
  takes(key: string, bytes: number): boolean {
    return this.#bytes.take(key, bytes);
  }

  /** The same. Throws `CoordinatorError('too-many')` with the time until there is room. */
  charge(key: string, bytes: number): void {
    if (this.takes(key, bytes)) return;
    throw new CoordinatorError(
      'too-many',
      `more than ${this.#bytesPerDay} bytes of this identity would be stored within a day; try again later`,
      { waitMs: this.#bytes.of(key).waitMs(bytes) },
    );
  }
}
