/** The coordinator of any number of groups: its home, its start and its stop. It holds no secret but its own identity, and is trusted only to be up. */
import { randomBytes } from 'node:crypto';
import { parseBaseUrl, formatCoordinatorUrl } from '../client/url.ts';
import { readFileBounded, useOwnerOnlyUmask } from '../home/files.ts';
import { openHome, type Home } from '../home/home.ts';
import { loadIdentity, type Identity } from '../home/identity.ts';
import { Closers } from '../home/closers.ts';
import { acquireLock } from '../home/lock.ts';
import { createSodiumGroup } from '../protocol/frost/group-sodium.ts';
import { keyId } from '../protocol/wire/envelope.ts';
import { Addresses } from './address.ts';
import { App, type Tls } from './app.ts';
import { Ceremonies } from './ceremonies.ts';
import { listenForOperator } from './control.ts';
import { CoordinatorError } from './errors.ts';
import { Groups } from './groups.ts';
import { chartersFolder, oldStorePaths, storePaths } from './init.ts';
import { Issued } from './issued.ts';
import { Journals } from './journals.ts';
import { addressUrl, assertListen, parseListen, type ListenAddress } from './listen.ts';
import { Ledger } from './ledger.ts';
import { defaultLimits, maxTlsFileBytes, type Limits } from './limits.ts';
import { createLog, type Log } from './log.ts';
import { Logins } from './login.ts';
import { Members } from './members.ts';
import { Presence } from './presence.ts';
import { Rounds } from './rounds.ts';
import { restoreAll } from './restore.ts';
import { Scrub } from './scrub.ts';
import { ServedRecord } from './served-record.ts';
import { statusOf } from './status.ts';
import { openStore, type Store, type StoreOptions } from './store.ts';
import { Successions } from './successions.ts';
import { needsTakeOver, takeOver } from './take-over.ts';

/** How to run a coordinator. */
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
  /** IP addresses of proxies whose X-Forwarded-For is believed. */
  readonly trustProxies?: readonly string[] | undefined;
  /** Gets each log line, with its newline; stderr by default. */
  readonly log?: ((line: string) => void) | undefined;
  readonly limits?: Partial<Limits> | undefined;
  /** Unix milliseconds; the system's clock by default. */
  readonly nowMs?: (() => number) | undefined;
}

/** A coordinator that listens. */
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
  useOwnerOnlyUmask();
  const lifetime = new Lifetime();
  try {
    return await start(options, lifetime);
  } catch (error) {
    // What broke first is what the operator must know.
    await lifetime.end(undefined).catch(() => undefined);
    throw error;
  }
}

/** What was opened, and why it ends: closed once, in reverse order, whatever breaks on the way. */
class Lifetime {
  readonly ended: Promise<CoordinatorError | undefined>;
  readonly #closers = new Closers();
  #settle: (reason: CoordinatorError | undefined) => void = () => undefined;

  constructor() {
    this.ended = new Promise((resolve) => (this.#settle = resolve));
  }

  add(close: () => Promise<void>): void {
    this.#closers.defer(close);
  }

  /** Throws what a `close` threw first, after all the others were closed; `ended` resolves either way. */
  async end(reason: CoordinatorError | undefined): Promise<void> {
    try {
      await this.#closers.close();
    } finally {
      this.#settle(reason);
    }
  }
}

async function start(options: CoordinatorOptions, lifetime: Lifetime): Promise<Coordinator> {
  const listen = typeof options.listen === 'string' ? parseListen(options.listen) : options.listen;
  assertListen(listen, { hasTls: options.tls !== undefined, url: options.url, insecure: options.insecure === true });
  const addresses = new Addresses(options.trustProxies ?? []);
  const tls = await readTls(options.tls);
  const world = worldOf(options);
  const home = await openHome('coordinator', options.home);
  const lock = await acquireLock(home);
  lifetime.add(async () => lock[Symbol.asyncDispose]());
  const identity = await loadIdentity(home);
  const parts = await openParts(home, identity, world, lifetime);
  const logins = new Logins({
    ...world,
    identity,
    groups: parts.groups,
    checkJournal: (charter, member, journal) => parts.members.checkJournal(charter, member, journal),
  });
  await openControl(home, parts, world.log, lifetime);
  const record = new ServedRecord(parts.store, identity);
  const app = new App({ ...world, ...parts, record, logins, addresses, tls, run: randomBytes(8).toString('hex') });
  lifetime.add(() => app.close());
  // Known before the first call wherever it can be: a challenge names it.
  if (listen.port !== 0) logins.use(baseOf(options, listen));
  const port = await app.listen(listen.host, listen.port);
  const base = baseOf(options, { ...listen, port });
  logins.use(base);
  const url = formatCoordinatorUrl(base, identity.publicKey);
  world.log('info', 'listening', { url });
  return { url, port, closed: lifetime.ended, close: () => lifetime.end(undefined) };
}

/** A home whose path is too long for a socket still serves; its operator reads why there is none. */
async function openControl(home: Home, parts: Parts, log: Log, lifetime: Lifetime): Promise<void> {
  try {
    const control = await listenForOperator(home, {
      cancel: (id) => parts.rounds.cancelByOperator(id),
      status: () => statusOf(parts),
    });
    lifetime.add(async () => control[Symbol.asyncDispose]());
  } catch (error) {
    if (!(error instanceof CoordinatorError) || error.code !== 'bad-socket') throw error;
    log('warn', 'no-control-socket', { code: error.code, failure: error.message });
  }
}

/** What everything here takes from outside. */
interface World {
  readonly limits: Limits;
  readonly nowMs: () => number;
  readonly log: Log;
}

function worldOf(options: CoordinatorOptions): World {
  const nowMs = options.nowMs ?? Date.now;
  const log = createLog(options.log ?? ((line) => void process.stderr.write(line)), nowMs);
  return { limits: { ...defaultLimits, ...options.limits }, nowMs, log };
}

interface Parts {
  readonly store: Store;
  readonly scrub: Scrub;
  readonly groups: Groups;
  readonly rounds: Rounds;
  readonly issued: Issued;
  readonly ledger: Ledger;
  readonly members: Members;
  readonly presence: Presence;
}

/** The store, and everybody who takes back what it holds. */
async function openParts(home: Home, identity: Identity, world: World, lifetime: Lifetime): Promise<Parts> {
  const { limits, nowMs, log } = world;
  const arithmetic = await createSodiumGroup({ randomBytes: fresh, arenaSlots });
  const groups = new Groups({ charters: chartersFolder(home), arithmetic, log });
  const store = await openRecord(home, groups, log, {
    coordinator: keyId(identity.publicKey),
    onRebuilt: ({ name }) => log('warn', 'index-rebuilt', { record: name.log }),
    onFailure: (error) => {
      log('error', 'store-failed', { code: error.code, failure: String(error.cause) });
      lifetime.end(error).catch((failure: unknown) => {
        log('error', 'close-failed', { failure: String(failure) });
      });
    },
  });
  lifetime.add(() => store.close());
  groups.use(store);
  const presence = new Presence((charterHash) => groups.rootOf(charterHash));
  const ceremonies = new Ceremonies(async (charter, record) => (await store.of(charter)).append([record]));
  const successions = new Successions(async (charter, record) => (await store.of(charter)).append([record]), nowMs);
  const journals = new Journals(nowMs);
  const ledger = new Ledger(limits.storedBytesPerDay);
  const rounds: Rounds = new Rounds({
    store,
    groups,
    ledger,
    arithmetic,
    limits,
    nowMs,
    log,
    audienceOf: (charter) => presence.audienceOf(charter),
    onDocument: (group) => members.documentsChanged(group),
  });
  lifetime.add(() => rounds.stop());
  const issued: Issued = new Issued({
    store,
    groups,
    rounds,
    ledger,
    log,
    onDocument: (group) => {
      members.documentsChanged(group);
      rounds.judgeAskers(group);
    },
  });
  const kept = { store, groups, ceremonies, successions, journals, rounds, issued, log };
  const members = new Members({ ...kept, ledger, presence });
  await restoreAll(kept);
  const scrub = new Scrub(store, log);
  lifetime.add(() => scrub.stop());
  scrub.start();
  return { store, scrub, groups, rounds, issued, ledger, members, presence };
}

/** Opens the store; one of the old form is taken over first. */
async function openRecord(home: Home, groups: Groups, log: Log, options: StoreOptions): Promise<Store> {
  const [paths, oldPaths] = [storePaths(home), oldStorePaths(home)];
  if (await needsTakeOver(oldPaths)) {
    log('info', 'taking-over');
    const { records } = await takeOver({ ...options, paths, oldPaths, charter: (hash) => groups.charter(hash) });
    log('info', 'taken-over', { count: records });
  }
  return openStore(paths, options);
}

/** Public arithmetic needs none of the memory for secrets. */
const arenaSlots = 16;

function fresh(count: number): Uint8Array {
  return new Uint8Array(randomBytes(count));
}

function baseOf({ url, tls, insecure }: CoordinatorOptions, { host, port }: ListenAddress): string {
  return parseBaseUrl(url ?? addressUrl(host, port, tls !== undefined), { insecure: insecure === true });
}

async function readTls(paths: CoordinatorOptions['tls']): Promise<Tls | undefined> {
  if (paths === undefined) return undefined;
  return {
    cert: await readFileBounded(paths.cert, maxTlsFileBytes),
    key: await readFileBounded(paths.key, maxTlsFileBytes, { ownerOnly: true }),
  };
}
