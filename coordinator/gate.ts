/**
 * Who may, before what it costs (T41, T44): every call is judged by its head alone. A call with a token is charged to its identity, by what it
 * costs; whatever fails, or comes from nobody that is known, to its address. A known key has a share of its own at every address, so that
 * strangers behind the same proxy refuse nobody.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Addresses } from './address.ts';
import { Buckets, type Bucket } from './bucket.ts';
import { CoordinatorError } from './errors.ts';
import { costs, maxBucketKeys, type Limits } from './limits.ts';
import type { Logins, Caller } from './login.ts';

/** What the gate judges by. */
export interface GateOptions {
  readonly logins: Logins;
  readonly addresses: Addresses;
  readonly limits: Limits;
  /** Whether a key (base64url) is a member's or a requester's of any group here. */
  readonly isKnown: (key: string) => boolean;
}

/** What one identity has under way: calls, and bytes of their bodies. */
interface UnderWay {
  readonly calls: number;
  readonly bytes: number;
}

/** Judges calls and keeps the accounts of identities and addresses. */
export class Gate {
  readonly #options: GateOptions;
  readonly #identities: Buckets;
  readonly #addresses: Buckets;
  /** By address and key. */
  readonly #reserved: Buckets;
  readonly #underWay = new Map<string, UnderWay>();

  constructor(options: GateOptions) {
    const { limits } = options;
    this.#options = options;
    this.#identities = new Buckets({ perSecond: limits.costPerSecond, burst: limits.costBurst }, maxBucketKeys);
    this.#addresses = new Buckets(
      { perSecond: limits.addressCostPerSecond, burst: limits.addressCostBurst },
      maxBucketKeys,
    );
    this.#reserved = new Buckets(
      { perSecond: limits.reservedLoginsPerSecond, burst: limits.reservedLoginBurst },
      maxBucketKeys,
    );
  }

  /** Who calls, by its token. Throws `CoordinatorError` (`not-authenticated`, `too-many`) or `ProtocolError('not-a-requester')`. */
  vouch(request: IncomingMessage): Caller {
    try {
      return this.#options.logins.caller(request.headers.authorization);
    } catch (error) {
      this.#assertTakes(this.#bucketOf(request), costs.call, 'calls without a login from this address');
      throw error;
    }
  }

  /** Charges an identity before the work is done. Throws `CoordinatorError('too-many')`. */
  charge(key: string, cost: number): void {
    this.#assertTakes(this.#identities.of(key), cost, 'calls by this identity');
  }

  /** Charges an identity for what turned out to cost more. */
  chargeMore(key: string, cost: number): void {
    this.#identities.of(key).owe(cost);
  }

  /** Counts a call and the bytes of its body until the last byte of its answer. Throws `CoordinatorError('too-many')`. */
  count(key: string, bytes: number, response: ServerResponse): void {
    const { maxCallsAtOnce, maxBytesUnderWay } = this.#options.limits;
    const { calls, bytes: under } = this.#underWay.get(key) ?? { calls: 0, bytes: 0 };
    if (calls >= maxCallsAtOnce)
      throw new CoordinatorError('too-many', `${calls} calls of this identity are under way; let some end`);
    if (under > 0 && under + bytes > maxBytesUnderWay)
      throw new CoordinatorError('too-many', `${under} bytes of this identity are under way; let some arrive`);
    this.#add(key, 1, bytes);
    response.once('close', () => this.#add(key, -1, -bytes));
  }

  /** Admits a call that needs no token; of a challenge or login it says for which key it is. Throws `CoordinatorError('too-many')`. */
  admitOpen(request: IncomingMessage, key: string | undefined, cost: number): void {
    const bucket = this.#bucketOf(request);
    if (bucket.take(cost)) return;
    // What is reserved is kept for when strangers have used up the address.
    if (key !== undefined && this.#options.isKnown(key) && this.#reservedOf(request, key).take(1)) return;
    this.#assertTakes(bucket, cost, 'calls without a login from this address');
  }

  /** A login that failed is charged to its address, whatever it was admitted by. */
  loginFailed(request: IncomingMessage): void {
    this.#bucketOf(request).owe(costs.failedLogin);
  }

  /** A login that succeeded is its identity's. */
  loginSucceeded(request: IncomingMessage, key: string): void {
    this.#bucketOf(request).refund(costs.challenge + costs.login);
    this.chargeMore(key, costs.challenge + costs.login);
  }

  #add(key: string, calls: number, bytes: number): void {
    const before = this.#underWay.get(key) ?? { calls: 0, bytes: 0 };
    if (before.calls + calls > 0) this.#underWay.set(key, { calls: before.calls + calls, bytes: before.bytes + bytes });
    else this.#underWay.delete(key);
  }

  #bucketOf(request: IncomingMessage): Bucket {
    return this.#addresses.of(this.#options.addresses.of(request));
  }

  #reservedOf(request: IncomingMessage, key: string): Bucket {
    return this.#reserved.of(`${this.#options.addresses.of(request)} ${key}`);
  }

  #assertTakes(bucket: Bucket, cost: number, what: string): void {
    if (bucket.take(cost)) return;
    // A refusal costs something, too: who goes on is refused for longer.
    bucket.owe(costs.refusal);
    throw new CoordinatorError('too-many', `too many ${what}; try again a little later`, {
      waitMs: bucket.waitMs(cost),
    });
  }
}
