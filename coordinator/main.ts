/** The coordinator of any number of groups: its home, its start and its stop. It holds no secret but its own identity, and is trusted only to be up. */
import { randomBytes } from 'node:crypto';
import { parseBaseUrl, formatCoordinatorUrl } from '../client/url.ts';
import { readFileBounded } from '../home/files.ts';
import { openHome } from '../home/home.ts';
import { loadIdentity } from '../home/identity.ts';
import { acquireLock } from '../home/lock.ts';
import type { Envelope } from '../protocol/envelope.ts';
import { createSodiumGroup } from '../protocol/frost/group-sodium.ts';
import type { Group } from '../protocol/frost/group.ts';
import type { Outcome } from '../protocol/messages.ts';
import { App, type Tls } from './app.ts';
import { Ceremonies } from './ceremonies.ts';
import { CoordinatorError } from './errors.ts';
import { Groups } from './groups.ts';
import { chartersFolder, storePaths } from './init.ts';
import { Journals } from './journals.ts';
import { addressUrl, assertListen, parseListen, type ListenAddress } from './listen.ts';
import { defaultLimits, maxTlsFileBytes, type Limits } from './limits.ts';
import { createLog, type Log } from './log.ts';
import { Logins } from './login.ts';
import { Members } from './members.ts';
import { Presence } from './presence.ts';
import { Rounds } from './rounds.ts';
import { openStore, type Store, type StoreRecord } from './store.ts';

export interface CoordinatorOptions {
  /** Path of the home; the default one if it is left out. */
  readonly home?: string | undefined;
  /** Or `HOST:PORT`. */
  readonly listen: ListenAddress | string;
  /** What members and requesters call it, without fingerprint; follows from `listen` where that names one address. */
  readonly url?: string | undefined;
  /** Paths of PEM files. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /** Allows plain http beyond loopback. */
  readonly insecure?: boolean | undefined;
  /** Gets each log line, with its newline; stderr by default. */
  readonly log?: ((line: string) => void) | undefined;
  readonly limits?: Partial<Limits> | undefined;
  /** Unix milliseconds; the system's clock by default. */
  readonly now?: (() => number) | undefined;
}

export interface Coordinator {
  /** With the fingerprint, as members and requesters need it. */
  readonly url: string;
  readonly port: number;
  /** Stops cleanly; a repeat waits for the same stop. */
  close(): Promise<void>;
  /** Resolves when it has stopped: with the reason if it had to stop by itself. */
  readonly closed: Promise<CoordinatorError | undefined>;
}

/** Serves until it is closed. Throws `HomeError`, `CoordinatorError` or `ClientError` before it listens. */
export async function startCoordinator(options: CoordinatorOptions): Promise<Coordinator> {
  const opened: (() => Promise<void>)[] = [];
  const closeAll = async (): Promise<void> => {
    for (const close of opened.splice(0).reverse()) await close();
  };
  try {
    return await start(options, opened, closeAll);
  } catch (error) {
    await closeAll();
    throw error;
  }
}

async function start(
  options: CoordinatorOptions,
  opened: (() => Promise<void>)[],
  closeAll: () => Promise<void>,
): Promise<Coordinator> {
  const now = options.now ?? Date.now;
  const limits: Limits = { ...defaultLimits, ...options.limits };
  const log = createLog(options.log ?? ((line) => void process.stderr.write(line)), now);
  const listen = typeof options.listen === 'string' ? parseListen(options.listen) : options.listen;
  assertListen(listen, { hasTls: options.tls !== undefined, url: options.url, insecure: options.insecure === true });
  const tls = await readTls(options.tls);
  const home = await openHome('coordinator', options.home);
  const lock = await acquireLock(home);
  opened.push(async () => lock[Symbol.asyncDispose]());
  const identity = await loadIdentity(home);

  let stop: (reason: CoordinatorError | undefined) => Promise<void> = () => Promise.resolve();
  const found = new Found();
  const store = await openStore(storePaths(home), {
    onRecord: (record, sequence) => found.add(record, sequence),
    onFailure: (error) => {
      log('error', 'store-failed', { code: error.code, failure: String(error.cause) });
      void stop(error);
    },
  });
  opened.push(() => store.close());

  const arithmetic: Group = await createSodiumGroup({ randomBytes: fresh, arenaSlots });
  const groups = new Groups({ charters: chartersFolder(home), group: arithmetic, log });
  groups.use(store);
  const presence = new Presence();
  const ceremonies = new Ceremonies((record) => store.append([record]));
  const journals = new Journals(now);
  const rounds: Rounds = new Rounds({
    store,
    groups,
    arithmetic,
    limits,
    now,
    log,
    audienceOf: (charterHash) => presence.audienceOf(charterHash),
    onDocument: (group) => members.documentsChanged(group),
  });
  const members = new Members({ store, groups, ceremonies, journals, rounds, presence, log });
  await found.restore({ store, groups, ceremonies, journals, rounds, log });
  opened.push(() => rounds.stop());

  const logins = new Logins({
    identity,
    groups,
    limits,
    now,
    checkJournal: (charter, member, journal) => members.checkJournal(charter, member, journal),
  });
  const run = randomBytes(8).toString('hex');
  const app = new App({ groups, rounds, logins, members, presence, limits, now, log, run, tls });
  opened.push(() => app.close());
  const port = await app.listen(listen.host, listen.port);
  const base = baseOf(options, listen.host, port);
  logins.use(base);
  const url = formatCoordinatorUrl(base, identity.publicKey);
  log('info', 'listening', { url });

  const { promise: closed, resolve } = withResolvers<CoordinatorError | undefined>();
  let stopping: Promise<void> | undefined;
  stop = (reason) => {
    stopping ??= closeAll().then(() => {
      log('info', 'stopped', { code: reason?.code });
      resolve(reason);
    });
    return stopping;
  };
  return { url, port, closed, close: () => stop(undefined) };
}

/** Public arithmetic needs none of the memory for secrets. */
const arenaSlots = 16;

function fresh(count: number): Uint8Array {
  return new Uint8Array(randomBytes(count));
}

/** `Promise.withResolvers`, which Node 20 does not have. */
function withResolvers<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}

function baseOf({ url, tls, insecure }: CoordinatorOptions, host: string, port: number): string {
  return parseBaseUrl(url ?? addressUrl(host, port, tls !== undefined), { insecure: insecure === true });
}

async function readTls(paths: CoordinatorOptions['tls']): Promise<Tls | undefined> {
  if (paths === undefined) return undefined;
  return {
    cert: await readFileBounded(paths.cert, maxTlsFileBytes),
    key: await readFileBounded(paths.key, maxTlsFileBytes, { ownerOnly: true }),
  };
}

interface Parts {
  readonly store: Store;
  readonly groups: Groups;
  readonly ceremonies: Ceremonies;
  readonly journals: Journals;
  readonly rounds: Rounds;
  readonly log: Log;
}

type GroupRecord = Extract<StoreRecord, { type: 'group' | 'group-document' | 'ceremony' }>;

/** What the store holds, sorted by who takes it back. */
class Found {
  readonly #ofGroups: GroupRecord[] = [];
  readonly #journals: Extract<StoreRecord, { type: 'journal' }>[] = [];
  readonly #rounds = new Map<string, { readonly charter: string; readonly sequences: number[]; outcome: Outcome }>();

  add(record: StoreRecord, sequence: number): void {
    switch (record.type) {
      case 'group':
      case 'group-document':
      case 'ceremony':
        this.#ofGroups.push(record);
        break;
      case 'journal':
        this.#journals.push(record);
        break;
      case 'round':
        this.#rounds.set(record.digest, { charter: record.charter, sequences: [sequence], outcome: 'pending' });
        break;
      case 'round-document':
      case 'decision':
      case 'evidence':
        this.#rounds.get(record.digest)?.sequences.push(sequence);
        break;
      case 'closed': {
        const round = this.#rounds.get(record.digest);
        if (round?.outcome === 'pending') round.outcome = record.outcome;
        round?.sequences.push(sequence);
        break;
      }
    }
  }

  /** Gives everything back to its owner. What belongs to a charter that is admitted no more stays in the store, unused. */
  async restore(parts: Parts): Promise<void> {
    for (const record of this.#ofGroups) await this.#restoreGroup(record, parts);
    for (const { charter, member, journal } of this.#journals) parts.journals.restore(charter, member, journal);
    for (const { charter, sequences, outcome } of this.#rounds.values()) {
      const group = parts.groups.ofCharter(charter);
      if (group === undefined) continue;
      const envelope = await requestAt(parts.store, sequences[0] ?? 0);
      await parts.rounds.restore(group, envelope, sequences, outcome);
    }
    parts.log('info', 'restored', { count: this.#rounds.size });
  }

  async #restoreGroup(record: GroupRecord, { groups, ceremonies, store, log }: Parts): Promise<void> {
    try {
      if (record.type === 'ceremony') ceremonies.restore(await groups.charter(record.charter), record.message);
      else await groups.restore(record, (hash) => store.blob(hash));
    } catch (error) {
      if (!(error instanceof CoordinatorError) || error.code !== 'not-found') throw error;
      log('warn', 'charter-not-admitted', { code: error.code });
    }
  }
}

async function requestAt(store: Store, sequence: number): Promise<Envelope> {
  const record = await store.record(sequence);
  if (record.type !== 'round') throw new CoordinatorError('store-damaged', `record ${sequence} is not a request`);
  return record.request;
}
