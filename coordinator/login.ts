/**
 * Who is calling: challenges that the coordinator signs, answers that it takes once, and the tokens that serve HTTP and WebSocket.
 *
 * A challenge leaves nothing here: it is 16 random bytes and half an HMAC-SHA256 (RFC 2104) over them, the URL and the expiry, under a key drawn
 * at the start. Only a login that its identity signed is remembered, until the challenge expires (T44).
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { memberByKey, type Charter, type Member } from '../protocol/files/charter.ts';
import { openMessage, sealMessage, type Envelope, type Identity, type PayloadOf } from '../protocol/wire/envelope.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { challengeMessage, loginMessage, protocolVersion, type JournalHead } from '../protocol/wire/frames.ts';
import { formatTimestamp } from '../protocol/wire/time.ts';
import { CoordinatorError } from './errors.ts';
import { standingOf, type Groups } from './groups.ts';
import { isLive, type KnownGroup } from './lineage.ts';
import { maxSpentPerIdentity, type Limits } from './limits.ts';

/** Whoever calls with a token. */
export type Caller = {
  /** Identity key, base64url. */
  readonly key: string;
  readonly expiresAtMs: number;
  readonly charter: Charter;
} & ({ readonly role: 'member'; readonly member: Member } | { readonly role: 'requester' });

/** Whose challenges they are, and who may answer them. */
export interface LoginsOptions {
  readonly identity: Identity;
  readonly groups: Groups;
  readonly limits: Limits;
  readonly nowMs: () => number;
  /** Judges and stores a member's journal head. Throws `ProtocolError('rolled-back')` or `CoordinatorError('too-many')`. */
  readonly checkJournal: (charter: Charter, member: Member, journal: JournalHead) => Promise<void>;
}

type LoginPayload = PayloadOf<typeof loginMessage>;

/** The logins of members and requesters: challenges that were answered, and tokens by their hash; a restart forgets both. */
export class Logins {
  readonly #options: LoginsOptions;
  /** What members and requesters call this coordinator; known once it listens. */
  #url = '';
  /** Vouches for challenges of this run. */
  readonly #key = randomBytes(32);
  /** By identity: challenges that it answered, and when they expire, oldest first. */
  readonly #spent = new Map<string, Map<string, number>>();
  /** By SHA-256 of the token, so that a lookup tells nothing of it by its time. */
  readonly #callers = new Map<string, Caller>();
  readonly #tokensOf = new Map<string, string[]>();

  constructor(options: LoginsOptions) {
    this.#options = options;
  }

  use(url: string): void {
    this.#url = url;
  }

  /** A fresh challenge, signed: it proves the coordinator to the client, and can be answered once. */
  challenge(): Envelope {
    const random = randomBytes(16).toString('hex');
    const expiresAt = this.#timestampIn(this.#options.limits.challengeSeconds);
    const challenge = random + this.#vouchFor(random, expiresAt);
    const payload = { challenge, url: this.#url, version: protocolVersion, expiresAt } as const;
    return sealMessage(challengeMessage, payload, this.#options.identity);
  }

  /** Answers a token for a challenge that `key` signed. Throws `ProtocolError` or `CoordinatorError`. */
  async login(key: string, envelope: unknown): Promise<{ readonly token: string; readonly expiresAt: string }> {
    const { from, payload } = openMessage(loginMessage, envelope, (signer) => signer === key);
    this.#assertOurs(payload);
    const expiresAt = this.#timestampIn(this.#options.limits.tokenSeconds);
    const caller = this.#callerOf(from, await this.#charterOf(payload), payload, Date.parse(expiresAt));
    // Spent before anything is awaited or kept, so that no second answer finds it.
    this.#spend(from, payload);
    if (caller.role === 'member' && payload.journal !== null)
      await this.#options.checkJournal(caller.charter, caller.member, payload.journal);
    return { token: this.#issue(caller), expiresAt };
  }

  #assertOurs({ challenge, url, expiresAt }: LoginPayload): void {
    if (url !== this.#url) throw new ProtocolError('bad-login', `the login is for ${url}, and this is ${this.#url}`);
    const [random, vouched] = [challenge.slice(0, 32), challenge.slice(32)];
    if (!timingSafeEqual(Buffer.from(this.#vouchFor(random, expiresAt)), Buffer.from(vouched)))
      throw new ProtocolError(
        'bad-login',
        'the challenge is not one of this coordinator since it started; log in again',
      );
    if (Date.parse(expiresAt) <= this.#options.nowMs())
      throw new ProtocolError('bad-login', 'the challenge has expired; log in again');
  }

  /** 32 hex digits over everything that a challenge says. */
  #vouchFor(random: string, expiresAt: string): string {
    return createHmac('sha256', this.#key).update(`${random} ${expiresAt} ${this.#url}`).digest('hex').slice(0, 32);
  }

  /** A challenge serves an identity once. What others sign is refused before it comes here, so that only identities of a group are kept. */
  #spend(key: string, { challenge, expiresAt }: LoginPayload): void {
    const spent = this.#spentBy(key);
    if (spent.has(challenge)) throw new ProtocolError('bad-login', 'the challenge was answered before; log in again');
    if (spent.size >= maxSpentPerIdentity)
      throw new CoordinatorError(
        'too-many',
        `${spent.size} logins of this identity within a minute; use one for longer`,
      );
    spent.set(challenge, Date.parse(expiresAt));
    this.#spent.set(key, spent);
  }

  #spentBy(key: string): Map<string, number> {
    const spent = this.#spent.get(key) ?? new Map<string, number>();
    for (const [challenge, expiresAtMs] of spent) {
      if (expiresAtMs > this.#options.nowMs()) break;
      spent.delete(challenge);
    }
    return spent;
  }

  /** Of a member's login; read from disk when the first member comes. */
  async #charterOf({ role, charter }: LoginPayload): Promise<Charter | undefined> {
    return role === 'member' && charter !== null ? this.#options.groups.charter(charter) : undefined;
  }

  #callerOf(key: string, charter: Charter | undefined, payload: LoginPayload, expiresAtMs: number): Caller {
    switch (payload.role) {
      case 'member':
        return this.#memberCaller(key, charter, payload, expiresAtMs);
      case 'requester':
        return this.#requesterCaller(key, payload, expiresAtMs);
    }
  }

  #memberCaller(key: string, charter: Charter | undefined, payload: LoginPayload, expiresAtMs: number): Caller {
    const { groupKey, journal } = payload;
    if (charter === undefined || journal === null || groupKey !== null)
      throw new ProtocolError('bad-login', 'a member names its charter and its journal, and no group key');
    const member = memberByKey(charter, key);
    if (member === undefined) throw new ProtocolError('not-a-member', `this identity is no member of ${charter.group}`);
    return { role: 'member', key, charter, member, expiresAtMs };
  }

  #requesterCaller(key: string, payload: LoginPayload, expiresAtMs: number): Caller {
    const { charter, groupKey, journal } = payload;
    if (groupKey === null || charter !== null || journal !== null)
      throw new ProtocolError('bad-login', 'a requester names a group key, and neither charter nor journal');
    const group = this.#options.groups.ofKey(groupKey);
    // Before its genesis a key is nobody's but its members'.
    if (group === undefined || !isLive(group))
      throw new CoordinatorError('not-found', 'this coordinator serves no group with that key');
    assertMayRead(key, group);
    return { role: 'requester', key, charter: group.epoch.charter, expiresAtMs };
  }

  #issue(caller: Caller): string {
    const token = randomBytes(32).toString('hex');
    const name = hashOf(token);
    this.#callers.set(name, caller);
    const names = [...(this.#tokensOf.get(caller.key) ?? []), name];
    const tooMany = names.splice(0, Math.max(0, names.length - this.#options.limits.maxTokensPerIdentity));
    for (const old of tooMany) this.#callers.delete(old);
    this.#tokensOf.set(caller.key, names);
    return token;
  }

  /**
   * Who a request is from, by its `Authorization` header; a requester only while the newest document lists it (T25).
   * Throws `CoordinatorError('not-authenticated')` or `ProtocolError('not-a-requester')`.
   */
  caller(authorization: string | undefined): Caller {
    const [, token] = /^Bearer ([0-9a-f]{64})$/.exec(authorization ?? '') ?? [];
    const caller = token === undefined ? undefined : this.#callers.get(hashOf(token));
    if (caller === undefined || caller.expiresAtMs <= this.#options.nowMs())
      throw new CoordinatorError('not-authenticated', 'no token, or one that is unknown or expired; log in again');
    if (caller.role === 'requester') {
      const group = this.#options.groups.ofCharter(caller.charter.hash);
      if (group !== undefined) assertMayRead(caller.key, group);
    }
    return caller;
  }

  #timestampIn(seconds: number): string {
    return formatTimestamp(Math.floor(this.#options.nowMs() / 1000) + seconds);
  }
}

/** Members and whoever the newest requesters document lists. Throws `ProtocolError('not-a-requester')`. */
function assertMayRead(key: string, group: KnownGroup): void {
  const { requesters } = standingOf(group);
  const { charter } = group.epoch;
  if (memberByKey(charter, key) !== undefined || requesters.entries.some((entry) => entry.key === key)) return;
  throw new ProtocolError(
    'not-a-requester',
    `this identity is in no entry of the requesters of ${charter.group} (version ${requesters.version}); a member adds it with: frostmark group requesters FILE`,
  );
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
