/** Who is calling: challenges that the coordinator signs, answers that it takes once, and the tokens that serve HTTP and WebSocket. */
import { createHash, randomBytes } from 'node:crypto';
import { memberByKey, type Charter, type Member } from '../protocol/files/charter.ts';
import { openMessage, sealMessage, type Envelope, type Identity, type PayloadOf } from '../protocol/wire/envelope.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { challengeMessage, loginMessage, protocolVersion, type JournalHead } from '../protocol/wire/frames.ts';
import { formatTimestamp } from '../protocol/wire/time.ts';
import { CoordinatorError } from './errors.ts';
import { isLive, standingOf, type Groups, type KnownGroup } from './groups.ts';
import type { Limits } from './limits.ts';

/** Who a token stands for. */
export type Session = {
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
  /** Judges and stores a member's journal head. Throws `ProtocolError('rolled-back')`. */
  readonly checkJournal: (charter: Charter, member: Member, journal: JournalHead) => Promise<void>;
}

type LoginPayload = PayloadOf<typeof loginMessage>;

/** The logins of members and requesters: challenges that wait, and tokens by their hash; a restart forgets both. */
export class Logins {
  readonly #options: LoginsOptions;
  /** What members and requesters call this coordinator; known once it listens. */
  #url = '';
  /** Challenge to its expiry, oldest first. */
  readonly #challenges = new Map<string, string>();
  /** By SHA-256 of the token, so that a lookup tells nothing of it by its time. */
  readonly #sessions = new Map<string, Session>();
  readonly #tokensOf = new Map<string, string[]>();

  constructor(options: LoginsOptions) {
    this.#options = options;
  }

  use(url: string): void {
    this.#url = url;
  }

  /** A fresh challenge, signed: it proves the coordinator to the client, and can be answered once. */
  challenge(): Envelope {
    const challenge = randomBytes(32).toString('hex');
    const expiresAt = this.#timestampIn(this.#options.limits.challengeSeconds);
    this.#challenges.set(challenge, expiresAt);
    const [oldest] = this.#challenges.keys();
    if (this.#challenges.size > this.#options.limits.maxChallenges && oldest !== undefined)
      this.#challenges.delete(oldest);
    const payload = { challenge, url: this.#url, version: protocolVersion, expiresAt } as const;
    return sealMessage(challengeMessage, payload, this.#options.identity);
  }

  /** Answers a token for a signed challenge. Throws `ProtocolError` or `CoordinatorError`. */
  async login(envelope: unknown): Promise<{ readonly token: string; readonly expiresAt: string }> {
    const { from, payload } = openMessage(loginMessage, envelope, () => true);
    this.#spend(payload);
    const expiresAt = this.#timestampIn(this.#options.limits.tokenSeconds);
    const session = await this.#sessionOf(from, payload, Date.parse(expiresAt));
    return { token: this.#issue(session), expiresAt };
  }

  /** Single use: gone before anything else is looked at, so that no second answer finds it. */
  #spend(payload: LoginPayload): void {
    const expiresAt = this.#challenges.get(payload.challenge);
    this.#challenges.delete(payload.challenge);
    if (expiresAt === undefined)
      throw new ProtocolError('bad-login', 'the challenge is unknown, or was answered before; log in again');
    if (payload.expiresAt !== expiresAt || Date.parse(expiresAt) <= this.#options.nowMs())
      throw new ProtocolError('bad-login', 'the challenge has expired; log in again');
    if (payload.url !== this.#url)
      throw new ProtocolError('bad-login', `the login is for ${payload.url}, and this is ${this.#url}`);
  }

  async #sessionOf(key: string, payload: LoginPayload, expiresAtMs: number): Promise<Session> {
    switch (payload.role) {
      case 'member':
        return this.#memberSession(key, payload, expiresAtMs);
      case 'requester':
        return this.#requesterSession(key, payload, expiresAtMs);
    }
  }

  async #memberSession(key: string, payload: LoginPayload, expiresAtMs: number): Promise<Session> {
    const { charter: hash, groupKey, journal } = payload;
    if (hash === null || journal === null || groupKey !== null)
      throw new ProtocolError('bad-login', 'a member names its charter and its journal, and no group key');
    const charter = await this.#options.groups.charter(hash);
    const member = memberByKey(charter, key);
    if (member === undefined) throw new ProtocolError('not-a-member', `this identity is no member of ${charter.group}`);
    await this.#options.checkJournal(charter, member, journal);
    return { role: 'member', key, charter, member, expiresAtMs };
  }

  #requesterSession(key: string, payload: LoginPayload, expiresAtMs: number): Session {
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

  #issue(session: Session): string {
    const token = randomBytes(32).toString('hex');
    const name = hashOf(token);
    this.#sessions.set(name, session);
    const names = [...(this.#tokensOf.get(session.key) ?? []), name];
    const tooMany = names.splice(0, Math.max(0, names.length - this.#options.limits.maxTokensPerIdentity));
    for (const old of tooMany) this.#sessions.delete(old);
    this.#tokensOf.set(session.key, names);
    return token;
  }

  /**
   * Who a request is from, by its `Authorization` header; a requester only while the newest document lists it (T25).
   * Throws `CoordinatorError('not-authenticated')` or `ProtocolError('not-a-requester')`.
   */
  session(authorization: string | undefined): Session {
    const [, token] = /^Bearer ([0-9a-f]{64})$/.exec(authorization ?? '') ?? [];
    const session = token === undefined ? undefined : this.#sessions.get(hashOf(token));
    if (session === undefined || session.expiresAtMs <= this.#options.nowMs())
      throw new CoordinatorError('not-authenticated', 'no token, or one that is unknown or expired; log in again');
    if (session.role === 'requester') {
      const group = this.#options.groups.ofCharter(session.charter.hash);
      if (group !== undefined) assertMayRead(session.key, group);
    }
    return session;
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
