/** The routes for those who have logged in: what each takes, and what it answers. */
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify';
import { maxGroupBytes } from '../client/limits.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { encodeLink } from '../protocol/chain.ts';
import { decodeCharter, type Charter } from '../protocol/files/charter.ts';
import { maxListed, maxListedErased } from '../protocol/limits.ts';
import { isTreeSize } from '../protocol/record/tree.ts';
import { openRequest } from '../protocol/request/request.ts';
import { refuseAs, type Envelope } from '../protocol/wire/envelope.ts';
import { decodeBase64 } from '../verifier/base64.ts';
import {
  cancelBody,
  documentBody,
  erasingBody,
  groupBody,
  submitBody,
  type ChainLinkBody,
} from '../protocol/wire/frames.ts';
import { assertSchema, type Static, type TSchema } from '../protocol/wire/schema.ts';
import { CoordinatorError } from './errors.ts';
import { bodyOf, linkOf, type Groups } from './groups.ts';
import type { Ledger } from './ledger.ts';
import type { KnownGroup, Lineage } from './lineage.ts';
import type { Gate } from './gate.ts';
import type { Issued } from './issued.ts';
import {
  costs,
  maxCancelBodyBytes,
  maxChainBytes,
  maxDocumentBodyBytes,
  maxErasedBodyBytes,
  maxGroupBodyBytes,
  maxGroupDocumentBodyBytes,
  maxSubmitBodyBytes,
  roundOverheadBytes,
} from './limits.ts';
import type { Caller } from './login.ts';
import type { Members } from './members.ts';
import { parseRoundQuery } from './round-query.ts';
import type { Rounds } from './rounds.ts';
import type { ServedRecord } from './served-record.ts';
import type { Streams } from './streams.ts';

/** What the routes lead to. */
export interface RoutesOptions {
  readonly groups: Groups;
  readonly rounds: Rounds;
  readonly issued: Issued;
  readonly ledger: Ledger;
  readonly members: Members;
  readonly record: ServedRecord;
  readonly streams: Streams;
  readonly gate: Gate;
  /** Whose token a request brought. Throws `CoordinatorError('not-authenticated')`. */
  readonly callerOf: (request: FastifyRequest) => Caller;
}

/** What is judged of a call before its body is read. */
interface Rule {
  /** Of the call besides its bytes, in milliseconds of the coordinator's time. */
  readonly cost: number;
  /** Bytes of its body from this caller; none if it is left out. */
  readonly maxBytes?: (caller: Caller) => number;
  /** Whether this caller may do this at all. Throws `CoordinatorError` or `ProtocolError`. */
  readonly judge?: (caller: Caller, request: FastifyRequest) => void | Promise<void>;
  /** Who besides the people of the epoch that lives: heirs of a succession that is decided, and then former members, too. */
  readonly also?: 'heirs' | 'former';
}

/** Adds every route that needs a token to a scope of the server that has looked at the token before it reads a body. */
export class Routes {
  readonly #options: RoutesOptions;

  constructor(options: RoutesOptions) {
    this.#options = options;
  }

  add(scope: FastifyInstance): void {
    this.#addGroups(scope);
    this.#addChain(scope);
    this.#addDocuments(scope);
    this.#addRounds(scope);
    this.#addFiles(scope);
    this.#addRecord(scope);
  }

  #addGroups(scope: FastifyInstance): void {
    const { groups, issued } = this.#options;

    scope.get('/v1/groups/:groupKey', this.#rule({ cost: costs.group }), (request) => {
      const group = groups.ofKey(paramOf(request, 'groupKey'));
      return bodyOf(this.#ownGroup(request, group));
    });

    scope.get('/v1/groups/:groupKey/issued', this.#rule({ cost: costs.issued }), (request) => {
      const group = this.#ownGroup(request, groups.ofKey(paramOf(request, 'groupKey')));
      return issued.bodies(group.epoch.charter);
    });

    scope.get('/v1/groups/:groupKey/documents', this.#rule({ cost: costs.group }), (request) =>
      issued.index(this.#ownGroup(request, groups.ofKey(paramOf(request, 'groupKey')))),
    );

    const asking: Rule = {
      cost: costs.call,
      also: 'heirs',
      judge: (caller, request) => this.#assertBrings(caller, paramOf(request, 'charterHash')),
    };
    scope.get('/v1/charters/:charterHash/groups', this.#rule(asking), (request) => ({
      groupKeys: [
        ...new Set(groups.candidatesOf(this.#callerOf(request).charter.hash).map(({ epoch }) => epoch.groupKey)),
      ],
    }));

    const bringing: Rule = {
      cost: costs.group,
      also: 'former',
      maxBytes: ({ charter }) => maxBroughtBytes(charter, groups.lineageOf(charter.hash)),
      judge: (caller, request) => this.#assertBrings(caller, paramOf(request, 'charterHash')),
    };
    scope.put('/v1/charters/:charterHash/group', this.#rule(bringing), async (request) => {
      const body = bodyAs(groupBody, request);
      await this.#learnGroup(await this.#charterToBring(request, body), body);
      return { done: true };
    });
  }

  /** The epochs of a group's key: all its people may see them, those who were members once as well. */
  #addChain(scope: FastifyInstance): void {
    const { groups, ledger } = this.#options;

    scope.get('/v1/groups/:groupKey/chain', this.#rule({ cost: costs.group, also: 'former' }), (request) => {
      const { chain, others } = this.#lineageOf(request);
      const first = queryOf(request, 'first') === '' ? 0 : numberOf('first', queryOf(request, 'first'));
      const links = fittingLinks(chain.slice(first));
      this.#options.gate.chargeMore(this.#callerOf(request).key, links.length * costs.group);
      return { length: chain.length, links, others: others.map(({ epoch }) => epoch.hash) };
    });

    scope.get('/v1/groups/:groupKey/erased', this.#rule({ cost: costs.group, also: 'former' }), (request) => ({
      erased: [...this.#lineageOf(request).erased.values()].slice(-maxListedErased),
    }));

    const erasing: Rule = {
      cost: costs.submit,
      also: 'former',
      maxBytes: () => maxErasedBodyBytes,
      judge: ({ role }) => {
        if (role !== 'member') throw new ProtocolError('not-allowed', 'only members erase shares');
      },
    };
    scope.put('/v1/groups/:groupKey/erased', this.#rule(erasing), async (request) => {
      const { root } = this.#lineageOf(request);
      const { key, charter } = this.#callerOf(request);
      const { erased } = bodyAs(erasingBody, request);
      if (groups.rootOf(charter.hash) !== root) throw noGroup();
      await groups.bringErased(charter, erased, () => ledger.charge(key, erased.payload.length + roundOverheadBytes));
      return { done: true };
    });
  }

  /** Of the caller's own group. Throws `CoordinatorError('not-found')` (T25). */
  #lineageOf(request: FastifyRequest): Lineage {
    const { groups } = this.#options;
    const lineage = groups.lineageOf(this.#charterOf(request));
    const groupKey = paramOf(request, 'groupKey');
    if (lineage.chain.every(({ epoch }) => epoch.groupKey !== groupKey)) throw noGroup();
    return lineage;
  }

  /** Only what belongs to the caller's own group; before that is known here, what its charter says that it goes on with. */
  async #charterToBring(request: FastifyRequest, body: Static<typeof groupBody>): Promise<Charter> {
    const { groups } = this.#options;
    const { charter } = this.#callerOf(request);
    const hash = paramOf(request, 'charterHash');
    if (hash === charter.hash) return charter;
    if (groups.rootOf(hash) === groups.rootOf(charter.hash)) return groups.charter(hash);
    const offered = decodeCharter(refuseAs('bad-charter', 'charter', () => decodeBase64(body.charter)));
    const { groupLine } = groups.epochIn(body);
    if (offered.hash !== hash || offered.continues !== undefined || charter.continues !== groupLine)
      throw new ProtocolError('not-allowed', 'members bring their own group');
    groups.learn(offered);
    return offered;
  }

  #assertBrings({ role, charter }: Caller, charterHash: string): void {
    const isOwn = this.#options.groups.rootOf(charterHash) === this.#options.groups.rootOf(charter.hash);
    // What came before a charter that continues a group is judged with its body.
    if (role === 'member' && (isOwn || charter.continues !== undefined)) return;
    throw new ProtocolError('not-allowed', 'members bring their own group');
  }

  /** What members bring back. */
  #addDocuments(scope: FastifyInstance): void {
    const bringing: Rule = {
      cost: costs.groupDocument,
      also: 'heirs',
      maxBytes: () => maxGroupDocumentBodyBytes,
      judge: (caller, request) => this.#assertBrings(caller, paramOf(request, 'charterHash')),
    };
    scope.put('/v1/charters/:charterHash/documents', this.#rule(bringing), async (request) => {
      const caller = this.#callerOf(request);
      const body = bodyAs(documentBody, request);
      const charter = await this.#options.groups.charter(paramOf(request, 'charterHash'));
      this.#groupOf({ ...caller, charter }, body.request);
      await this.#options.issued.bring(caller.key, charter, body);
      return { done: true };
    });
  }

  #addRounds(scope: FastifyInstance): void {
    const { groups, rounds } = this.#options;

    scope.get('/v1/rounds', this.#rule({ cost: costs.listedRound }), async (request) => {
      const query = request.query as Readonly<Record<string, unknown>>;
      const group = this.#ownGroup(
        request,
        groups.ofKey(typeof query['groupKey'] === 'string' ? query['groupKey'] : ''),
      );
      const { key } = this.#callerOf(request);
      const { gate } = this.#options;
      // Whoever was refused, or got nothing, had it read all the same.
      const listed = await rounds.list(group, parseRoundQuery(query), (count) =>
        gate.chargeMore(key, count * costs.passedRound),
      );
      gate.chargeMore(key, listed.length * costs.listedRound);
      return { rounds: listed };
    });

    const submitting: Rule = {
      cost: costs.submit,
      also: 'heirs',
      maxBytes: () => maxSubmitBodyBytes,
      judge: (caller, request) => rounds.assertRoom(caller.key, this.#groupOf(caller), bodyBytesOf(request)),
    };
    scope.post('/v1/rounds', this.#rule(submitting), (request) => {
      const caller = this.#callerOf(request);
      const body = bodyAs(submitBody, request);
      return rounds.submit(caller.key, this.#groupOf(caller, body.request), body);
    });

    const looking = this.#rule({ cost: costs.listedRound, also: 'heirs' });
    scope.get('/v1/rounds/:digest', looking, (request) =>
      rounds.body(this.#charterOf(request), paramOf(request, 'digest')),
    );

    const cancelling: Rule = {
      cost: costs.submit,
      also: 'heirs',
      maxBytes: () => maxCancelBodyBytes,
      judge: ({ key, charter }, request) => rounds.assertAsker(key, charter.hash, paramOf(request, 'digest')),
    };
    scope.post('/v1/rounds/:digest/cancel', this.#rule(cancelling), (request) => {
      const { key, charter } = this.#callerOf(request);
      return rounds.cancel(key, charter.hash, paramOf(request, 'digest'), bodyAs(cancelBody, request).cancel);
    });

    scope.get('/v1/rounds/:digest/events', looking, (request, reply) => this.#follow(request, reply));
  }

  /** Documents and evidence. */
  #addFiles(scope: FastifyInstance): void {
    const { rounds } = this.#options;
    const path = '/v1/rounds/:digest/documents/:sha256';

    const uploading: Rule = {
      cost: costs.submit,
      also: 'heirs',
      maxBytes: () => maxDocumentBodyBytes,
      judge: ({ key, charter }, request) => rounds.assertUpload(key, charter.hash, this.#fileOf(request)),
    };
    scope.put(path, this.#rule(uploading), async (request) => {
      const caller = this.#callerOf(request);
      const file = this.#fileOf(request);
      if (!(request.body instanceof Uint8Array))
        throw new CoordinatorError('bad-body', 'a document is sent as raw bytes');
      const missing = await rounds.putDocument(caller.key, this.#groupOf(caller), { ...file, bytes: request.body });
      return { digest: file.digest, joined: true, missing };
    });

    scope.get(path, this.#rule({ cost: costs.listedRound, also: 'heirs' }), async (request, reply) => {
      const { digest, sha256 } = this.#fileOf(request);
      const bytes = await rounds.document(this.#charterOf(request), digest, sha256);
      return this.#sendFile(request, reply.type('application/octet-stream'), bytes);
    });

    scope.get(
      '/v1/rounds/:digest/evidence/:sha256',
      this.#rule({ cost: costs.listedRound }),
      async (request, reply) => {
        const { digest, sha256 } = this.#fileOf(request);
        const bytes = await rounds.evidence(this.#charterOf(request), digest, sha256);
        return this.#sendFile(request, reply.type('application/json'), bytes);
      },
    );
  }

  /** The log of the caller's own group, and no other (T25). */
  #addRecord(scope: FastifyInstance): void {
    const { record } = this.#options;
    const rule = this.#rule({ cost: costs.listedRound });

    scope.get('/v1/record/checkpoint', rule, (request, reply) =>
      reply.type('text/plain; charset=utf-8').send(record.checkpoint(this.#charterOf(request))),
    );
    scope.get('/v1/record/tile/*', rule, async (request, reply) => {
      const bytes = await record.resource(this.#charterOf(request), `tile/${paramOf(request, '*')}`);
      return this.#sendFile(request, reply.type('application/octet-stream'), bytes);
    });
    scope.get('/v1/record/entries/:index', rule, (request) =>
      record.entry(
        this.#charterOf(request),
        numberOf('index', paramOf(request, 'index')),
        numberOf('size', queryOf(request, 'size')),
      ),
    );
    scope.get('/v1/record/consistency', rule, (request) =>
      record.consistency(
        this.#charterOf(request),
        numberOf('older', queryOf(request, 'older')),
        numberOf('newer', queryOf(request, 'newer')),
      ),
    );
    scope.get('/v1/record/blobs/:sha256', rule, async (request, reply) => {
      const bytes = await record.blob(this.#charterOf(request), paramOf(request, 'sha256'));
      return this.#sendFile(request, reply.type('application/octet-stream'), bytes);
    });
  }

  /** Judges by the head of a request who may, how much, and at whose cost; only then is a body read. */
  #rule({ cost, maxBytes, judge, also }: Rule): RouteShorthandOptions {
    const { gate } = this.#options;
    const assertMay = async (caller: Caller, request: FastifyRequest, bytes: number): Promise<void> => {
      this.#assertStanding(caller, also);
      if (bytes > (maxBytes?.(caller) ?? 0))
        throw new CoordinatorError('too-large', 'the body is longer than this route takes from you');
      await judge?.(caller, request);
    };
    const admit = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
      const caller = this.#callerOf(request);
      const bytes = bodyBytesOf(request);
      try {
        await assertMay(caller, request, bytes);
      } catch (error) {
        gate.charge(caller.key, costs.call);
        throw error;
      }
      gate.count(caller.key, bytes, reply.raw);
      // At once: whoever waited for the whole of it gets the whole of it.
      gate.charge(caller.key, costs.call + cost + (bytes / 1024) * costs.bodyKiB);
    };
    return {
      bodyLimit: maxGroupBytes,
      onRequest: (request, reply) => admit(request, reply),
    };
  }

  /** Who was a member once, or will be, is served no more of the group than it needs (T25). */
  #assertStanding({ role, key, charter }: Caller, also: Rule['also']): void {
    // A requester is judged by the newest document with each call.
    if (role === 'requester' || also === 'former') return;
    const standing = this.#options.groups.lineageOf(charter.hash).standingOf(key, charter);
    if (standing === 'current' || (standing === 'heir' && also === 'heirs')) return;
    throw new ProtocolError(
      'not-a-member',
      standing === 'heir'
        ? `this identity is no member of ${charter.group} before the succession is carried out`
        : `this identity is no member of ${charter.group} any more`,
    );
  }

  #fileOf(request: FastifyRequest): { readonly digest: string; readonly sha256: string; readonly size: number } {
    return { digest: paramOf(request, 'digest'), sha256: paramOf(request, 'sha256'), size: bodyBytesOf(request) };
  }

  #sendFile(request: FastifyRequest, reply: FastifyReply, bytes: Uint8Array): FastifyReply {
    this.#options.gate.chargeMore(this.#callerOf(request).key, (bytes.length / 1024) * costs.bodyKiB);
    return reply.send(Buffer.from(bytes));
  }

  #callerOf(request: FastifyRequest): Caller {
    return this.#options.callerOf(request);
  }

  #charterOf(request: FastifyRequest): string {
    return this.#callerOf(request).charter.hash;
  }

  /** The live group; before there is one, the candidate that a request names. */
  #groupOf({ charter }: Caller, request?: Envelope): KnownGroup {
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
    const { groups } = this.#options;
    const root = groups.rootOf(this.#charterOf(request));
    if (group !== undefined && groups.rootOf(group.epoch.charter.hash) === root) return group;
    throw noGroup();
  }

  async #learnGroup(charter: Charter, body: Static<typeof groupBody>): Promise<void> {
    const { groups, members, rounds } = this.#options;
    const group = await groups.put(charter, body);
    if (group === undefined) return;
    members.documentsChanged(group);
    rounds.judgeAskers(group);
  }

  async #follow(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { rounds, streams } = this.#options;
    const { key, charter } = this.#callerOf(request);
    const digest = paramOf(request, 'digest');
    streams.assertRoom(key);
    const round = rounds.pendingRound(charter.hash, digest);
    const over = round === undefined ? await rounds.body(charter.hash, digest) : undefined;
    const lastEventId = request.headers['last-event-id'];
    reply.hijack();
    if (over !== undefined) streams.finish(reply.raw, over);
    else if (round !== undefined)
      streams.follow(key, reply.raw, round, {
        lastEventId: typeof lastEventId === 'string' ? lastEventId : undefined,
        changes: queryOf(request, 'changes') === '1',
      });
  }
}

function noGroup(): CoordinatorError {
  return new CoordinatorError('not-found', 'there is no such group here');
}

/** As many links, from the first on, as one answer has room for, and one at least. */
function fittingLinks(chain: readonly KnownGroup[]): ChainLinkBody[] {
  const links: ChainLinkBody[] = [];
  let bytes = 0;
  for (const known of chain.slice(0, maxListed)) {
    const link = encodeLink(linkOf(known));
    bytes += JSON.stringify(link).length;
    if (links.length > 0 && bytes > maxChainBytes) break;
    links.push(link);
  }
  return links;
}

/** A part of the path; empty where the route has none of that name. */
function paramOf(request: FastifyRequest, name: string): string {
  return (request.params as Readonly<Record<string, string>>)[name] ?? '';
}

function queryOf(request: FastifyRequest, name: string): string {
  const value = (request.query as Readonly<Record<string, unknown>>)[name];
  return typeof value === 'string' ? value : '';
}

/** A number of records. Throws `CoordinatorError('bad-body')`. */
function numberOf(name: string, text: string): number {
  const value = Number(text);
  if (!/^(?:0|[1-9]\d{0,14})$/.test(text) || !isTreeSize(value))
    throw new CoordinatorError('bad-body', `"${name}" is not a number of records`);
  return value;
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

/** Bytes of the body that is announced, 0 for none. Throws `CoordinatorError('bad-body')` for a body of unknown length. */
function bodyBytesOf({ headers }: FastifyRequest): number {
  if (headers['transfer-encoding'] !== undefined)
    throw new CoordinatorError('bad-body', 'a body needs a Content-Length');
  return Number(headers['content-length'] ?? 0);
}

/** Who goes on with a group may bring a larger charter than the own one, before or after it. */
function maxBroughtBytes(charter: Charter, { successions }: Lineage): number {
  if (charter.continues !== undefined || successions.size > 0) return maxGroupBytes;
  return maxGroupBodyBytes(charter.bytes.length, charter.members.length, sharingsOf(charter));
}

function sharingsOf({ channels }: Charter): number {
  return channels.reduce((sum, { sharings }) => sum + sharings.length, 0);
}
