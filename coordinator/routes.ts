/** The routes for those who have logged in: what each takes, and what it answers. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { maxGroupBytes } from '../client/limits.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { openRequest } from '../protocol/request/request.ts';
import type { Envelope } from '../protocol/wire/envelope.ts';
import { cancelBody, groupBody, submitBody } from '../protocol/wire/frames.ts';
import { assertSchema, type Static, type TSchema } from '../protocol/wire/schema.ts';
import { CoordinatorError } from './errors.ts';
import { bodyOf, type Groups, type KnownGroup } from './groups.ts';
import { maxCancelBodyBytes, maxDocumentBodyBytes, maxSubmitBodyBytes } from './limits.ts';
import type { Session } from './login.ts';
import type { Members } from './members.ts';
import type { Rounds } from './rounds.ts';
import type { Streams } from './streams.ts';

/** What the routes lead to. */
export interface RoutesOptions {
  readonly groups: Groups;
  readonly rounds: Rounds;
  readonly members: Members;
  readonly streams: Streams;
  /** Whose token a request brought. Throws `CoordinatorError('not-authenticated')`. */
  readonly sessionOf: (request: FastifyRequest) => Session;
}

/** Adds every route that needs a token to a scope of the server that has looked at the token before it reads a body. */
export class Routes {
  readonly #options: RoutesOptions;

  constructor(options: RoutesOptions) {
    this.#options = options;
  }

  add(scope: FastifyInstance): void {
    this.#addGroups(scope);
    this.#addRounds(scope);
    this.#addFiles(scope);
  }

  #addGroups(scope: FastifyInstance): void {
    const { groups, rounds } = this.#options;

    scope.get('/v1/groups/:groupKey', (request) => {
      const group = groups.ofKey(paramOf(request, 'groupKey'));
      return bodyOf(this.#ownGroup(request, group));
    });

    scope.get('/v1/groups/:groupKey/issued', (request) => {
      const group = this.#ownGroup(request, groups.ofKey(paramOf(request, 'groupKey')));
      return rounds.issued(group.epoch.charter.hash);
    });

    scope.get('/v1/charters/:charterHash/groups', (request) => {
      const session = this.#sessionOf(request);
      if (session.role !== 'member' || session.charter.hash !== paramOf(request, 'charterHash'))
        throw new ProtocolError('not-allowed', 'only a member of the charter asks for its keys');
      return { groupKeys: groups.candidatesOf(session.charter.hash).map(({ epoch }) => epoch.groupKey) };
    });

    scope.put('/v1/charters/:charterHash/group', { bodyLimit: maxGroupBytes }, async (request) => {
      const session = this.#sessionOf(request);
      if (session.role !== 'member' || session.charter.hash !== paramOf(request, 'charterHash'))
        throw new ProtocolError('not-allowed', 'only a member of the charter brings its group');
      await this.#learnGroup(session, bodyAs(groupBody, request));
      return { done: true };
    });
  }

  #addRounds(scope: FastifyInstance): void {
    const { groups, rounds } = this.#options;

    scope.get('/v1/rounds', async (request) => {
      const { groupKey } = request.query as { readonly groupKey?: unknown };
      const group = this.#ownGroup(request, groups.ofKey(typeof groupKey === 'string' ? groupKey : ''));
      return { rounds: await rounds.list(group) };
    });

    scope.post('/v1/rounds', { bodyLimit: maxSubmitBodyBytes }, (request) => {
      const session = this.#sessionOf(request);
      const { request: envelope } = bodyAs(submitBody, request);
      return rounds.submit(session.key, this.#groupOf(session, envelope), envelope);
    });

    scope.get('/v1/rounds/:digest', (request) => rounds.body(this.#charterOf(request), paramOf(request, 'digest')));

    scope.post('/v1/rounds/:digest/cancel', { bodyLimit: maxCancelBodyBytes }, (request) => {
      const { key, charter } = this.#sessionOf(request);
      return rounds.cancel(key, charter.hash, paramOf(request, 'digest'), bodyAs(cancelBody, request).cancel);
    });

    scope.get('/v1/rounds/:digest/events', (request, reply) => this.#follow(request, reply));
  }

  /** Documents and evidence. */
  #addFiles(scope: FastifyInstance): void {
    const { rounds } = this.#options;

    scope.put('/v1/rounds/:digest/documents/:sha256', { bodyLimit: maxDocumentBodyBytes }, async (request) => {
      const session = this.#sessionOf(request);
      const [digest, sha256] = [paramOf(request, 'digest'), paramOf(request, 'sha256')];
      if (!(request.body instanceof Uint8Array))
        throw new CoordinatorError('bad-body', 'a document is sent as raw bytes');
      const missing = await rounds.putDocument(session.key, this.#groupOf(session), {
        digest,
        sha256,
        bytes: request.body,
      });
      return { digest, joined: true, missing };
    });

    scope.get('/v1/rounds/:digest/documents/:sha256', async (request, reply) => {
      const bytes = await rounds.document(
        this.#charterOf(request),
        paramOf(request, 'digest'),
        paramOf(request, 'sha256'),
      );
      return reply.type('application/octet-stream').send(Buffer.from(bytes));
    });

    scope.get('/v1/rounds/:digest/evidence/:sha256', async (request, reply) => {
      const bytes = await rounds.evidence(
        this.#charterOf(request),
        paramOf(request, 'digest'),
        paramOf(request, 'sha256'),
      );
      return reply.type('application/json').send(Buffer.from(bytes));
    });
  }

  #sessionOf(request: FastifyRequest): Session {
    return this.#options.sessionOf(request);
  }

  #charterOf(request: FastifyRequest): string {
    return this.#sessionOf(request).charter.hash;
  }

  /** The live group; before there is one, the candidate that a request names. */
  #groupOf({ charter }: Session, request?: Envelope): KnownGroup {
    const { groups } = this.#options;
    const [candidate] = groups.candidatesOf(charter.hash);
    const named = request === undefined ? undefined : groups.ofEpoch(charter.hash, openRequest(request).payload.epoch);
    const group = named ?? candidate;
    if (group === undefined)
      throw new CoordinatorError(
        'not-found',
        `the key of ${charter.group} is not made yet, or no member brought it here`,
      );
    return group;
  }

  /** The group that was asked for, if it is the caller's own; any other is as good as unknown (T25). */
  #ownGroup(request: FastifyRequest, group: KnownGroup | undefined): KnownGroup {
    if (group?.epoch.charter.hash === this.#charterOf(request)) return group;
    throw new CoordinatorError('not-found', 'there is no such group here');
  }

  async #learnGroup(session: Session, body: Static<typeof groupBody>): Promise<void> {
    const { groups, members, rounds } = this.#options;
    const group = await groups.put(session.charter, body);
    if (group === undefined) return;
    members.documentsChanged(group);
    rounds.judgeAskers(group);
  }

  async #follow(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { rounds, streams } = this.#options;
    const { key, charter } = this.#sessionOf(request);
    const digest = paramOf(request, 'digest');
    streams.assertRoom(key);
    const round = rounds.pendingRound(charter.hash, digest);
    const over = round === undefined ? await rounds.body(charter.hash, digest) : undefined;
    const lastEventId = request.headers['last-event-id'];
    reply.hijack();
    if (over !== undefined) streams.finish(reply.raw, over);
    else if (round !== undefined)
      streams.follow(key, reply.raw, round, typeof lastEventId === 'string' ? lastEventId : undefined);
  }
}

/** A part of the path; empty where the route has none of that name. */
export function paramOf(request: FastifyRequest, name: string): string {
  return (request.params as Readonly<Record<string, string>>)[name] ?? '';
}

/** The body in exactly this shape. Throws `CoordinatorError('bad-body')`. */
export function bodyAs<T extends TSchema>(schema: T, request: FastifyRequest): Static<T> {
  try {
    assertSchema(schema, request.body, 'bad-frame', 'body');
  } catch (cause) {
    throw new CoordinatorError('bad-body', (cause as Error).message, { cause });
  }
  return request.body as Static<T>;
}
