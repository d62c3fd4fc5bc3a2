/**
 * What a record that grew for years costs: a start, memory, an append, and a lookup with its proof, over stores of few and of many finished rounds, all
 * of which were made through the store's own way in.
 */
import { spawn } from 'node:child_process';
import { createHash, generateKeyPairSync, randomInt, sign } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { GroupLog } from '../coordinator/group-log.ts';
import { admitCharter, initCoordinator, storePaths } from '../coordinator/init.ts';
import { openLevel, type KeyValues } from '../coordinator/level.ts';
import { openLevelDatabase } from '../coordinator/level-database.ts';
import { startCoordinator } from '../coordinator/main.ts';
import type { StoreRecord } from '../coordinator/records.ts';
import { openStoreOn, type Store } from '../coordinator/store.ts';
import { disk as realDisk } from '../home/disk.ts';
import { openHome } from '../home/home.ts';
import { loadIdentity } from '../home/identity.ts';
import { encodeCard } from '../protocol/files/card.ts';
import { decodeCharter, type Charter } from '../protocol/files/charter.ts';
import { keyId, type Envelope, type Identity } from '../protocol/wire/envelope.ts';
import { formatTimestamp } from '../protocol/wire/time.ts';
import { median, percentile } from './measure.ts';

/** What one store costs. */
export interface RecordRow {
  readonly rounds: number;
  readonly records: number;
  /** Of a coordinator as a process, until it listens: the middle of several. */
  readonly startMs: number;
  readonly heapMiB: number;
  /** Of one of a round's records, synced. */
  readonly appendP50Ms: number;
  readonly syncedWritesARound: number;
  /** Of any record with the proof that it is in the log. */
  readonly lookupP50Ms: number;
  readonly lookupMaxMs: number;
}

const starts = 7;
const measuredRounds = 200;
const lookups = 400;
/** Bytes that one takes on disk: four leaves, their places in the indexes, and what level rewrites meanwhile. */
const bytesARound = 4 * 1024;
/** Rounds that are appended at once while a store is filled: they are synced together. */
const filledAtOnce = 512;

/** Measures stores of these numbers of finished rounds, one after another. */
export async function benchRecord(counts: readonly number[], talk: (line: string) => void): Promise<RecordRow[]> {
  const folder = await mkdtemp(join(tmpdir(), 'frostmark-bench-'));
  try {
    await assertRoom(folder, counts, talk);
    const stores: Measured[] = [];
    for (const rounds of counts) stores.push(await measure(join(folder, String(rounds)), rounds, talk));
    // In turn, so that a machine that is busy for a while is busy for all of them.
    for (let run = 0; run < starts; run += 1)
      for (const { home, started } of stores) started.push(await startOnce(home));
    return stores.map(({ row, started }) => ({
      ...row,
      startMs: median(started.map(({ ms }) => ms)),
      heapMiB: median(started.map(({ heapMiB }) => heapMiB)),
    }));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Says what it takes before it takes it; TMPDIR puts it elsewhere. */
async function assertRoom(folder: string, counts: readonly number[], talk: (line: string) => void): Promise<void> {
  const bytes = counts.reduce((sum, count) => sum + count, 0) * bytesARound;
  const free = await realDisk.freeBytes(folder);
  talk(`  about ${(bytes / 2 ** 30).toFixed(1)} GiB in ${folder}, where ${(free / 2 ** 30).toFixed(1)} are free`);
  if (bytes > free) throw new Error(`not enough room in ${folder}: set TMPDIR to a folder on a larger disk`);
}

async function measure(folder: string, rounds: number, talk: (line: string) => void): Promise<Measured> {
  const { home, charter } = await newHome(folder);
  const opened = await open(home, charter);
  await fill(opened.log, charter, rounds, talk);
  const appended = await measureAppends(opened, charter, rounds);
  const looked = await measureLookups(opened.log);
  const records = opened.log.head.size;
  await opened.store.close();
  return { home, row: { rounds, records, ...appended, ...looked }, started: [] };
}

interface Started {
  readonly ms: number;
  readonly heapMiB: number;
}

/** A store that is filled and closed. */
interface Measured {
  readonly home: string;
  readonly row: Omit<RecordRow, keyof Pick<RecordRow, 'startMs' | 'heapMiB'>>;
  readonly started: Started[];
}

interface Opened {
  readonly store: Store;
  readonly log: GroupLog;
  /** Synced writes of the database so far. */
  readonly writes: () => number;
}

async function newHome(folder: string): Promise<{ readonly home: string; readonly charter: Charter }> {
  await mkdir(folder);
  const home = join(folder, 'coordinator');
  await initCoordinator(home);
  const members = ['alice', 'bob'].map(
    (name) => `  - { name: ${name}, tier: admin, card: "${encodeCard('member', name, newIdentity())}" }`,
  );
  const text = `version: 1\ngroup: acme\nmembers:\n${members.join('\n')}\nchannels:\n  production: { quorum: { any: 2 }, expiry: 72h }\n`;
  const path = join(folder, 'charter.yaml');
  await writeFile(path, text);
  await admitCharter(home, path);
  return { home, charter: decodeCharter(new TextEncoder().encode(text)) };
}

function newIdentity(): Identity {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const bytes = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  return { publicKey: new Uint8Array(bytes), sign: (message) => new Uint8Array(sign(null, message, privateKey)) };
}

async function open(home: string, charter: Charter): Promise<Opened> {
  const opened = await openHome('coordinator', home);
  const paths = storePaths(opened);
  const keys = await openLevel(paths.database, paths, { create: false });
  let writes = 0;
  const counting: KeyValues = {
    ...keys,
    write: (entries, options) => {
      if (options.sync) writes += 1;
      return keys.write(entries, options);
    },
  };
  // The store is this home's own: the coordinator that is started on it later refuses any other.
  const coordinator = keyId((await loadIdentity(opened)).publicKey);
  const options = {
    coordinator,
    onFailure: (error: Error): never => {
      throw error;
    },
  };
  const store = await openStoreOn(await openLevelDatabase(counting), realDisk, paths, options);
  return { store, log: await store.of(charter), writes: () => writes };
}

async function fill(log: GroupLog, charter: Charter, rounds: number, talk: (line: string) => void): Promise<void> {
  const start = performance.now();
  for (let first = 0; first < rounds; first += filledAtOnce) {
    const count = Math.min(filledAtOnce, rounds - first);
    const batches = Array.from({ length: count }, (_, at) => recordsOf(first + at, charter));
    await Promise.all(batches.map((records) => log.append(records)));
    if (first % (filledAtOnce * 100) !== 0 || first === 0) continue;
    const minutes = (((performance.now() - start) / first) * (rounds - first)) / 60_000;
    talk(`  ${first} of ${rounds} rounds are stored; about ${minutes.toFixed(1)} minutes more`);
  }
  talk(`  ${rounds} rounds were stored in ${((performance.now() - start) / 1000).toFixed(0)} s`);
}

/** As a round comes: request, two decisions and the end, each stored before the next. */
async function measureAppends(
  { log, writes }: Opened,
  charter: Charter,
  first: number,
): Promise<Pick<RecordRow, 'appendP50Ms' | 'syncedWritesARound'>> {
  const times: number[] = [];
  const before = writes();
  for (let at = 0; at < measuredRounds; at += 1) {
    for (const record of recordsOf(first + at, charter)) {
      const start = performance.now();
      await log.append([record]);
      times.push(performance.now() - start);
    }
  }
  return { appendP50Ms: median(times), syncedWritesARound: (writes() - before) / measuredRounds };
}

async function measureLookups(log: GroupLog): Promise<Pick<RecordRow, 'lookupP50Ms' | 'lookupMaxMs'>> {
  const times: number[] = [];
  for (let at = 0; at < lookups; at += 1) {
    const index = randomInt(log.head.size);
    const start = performance.now();
    await log.record(index);
    await log.inclusion(index, log.head.size);
    times.push(performance.now() - start);
  }
  return { lookupP50Ms: median(times), lookupMaxMs: percentile(times, 100) };
}

function recordsOf(number: number, charter: Charter): StoreRecord[] {
  const digest = createHash('sha256').update(`round ${number}`).digest('hex');
  return [
    { type: 'round', digest, charter: charter.hash, request: envelope(number, 1200) },
    { type: 'decision', digest, decision: envelope(number, 400) },
    { type: 'decision', digest, decision: envelope(number, 400) },
    { type: 'closed', digest, outcome: 'signed', signatures: ['5e'.repeat(64)], signers: [1, 2] },
  ];
}

const asker = keyId(new Uint8Array(32));
const signature = Buffer.alloc(64, 1).toString('base64');
const began = Date.UTC(2026, 0, 1) / 1000;

/** A signed message of about so many bytes, as far as an index reads it. */
function envelope(number: number, bytes: number): Envelope {
  const payload = {
    groupKey: asker,
    kind: 'release',
    channel: 'production',
    createdAt: formatTimestamp(began + number),
    documents: [],
    note: 'n'.repeat(bytes),
  };
  return {
    payload: Buffer.from(JSON.stringify(payload)).toString('base64'),
    payloadType: 'application/vnd.frostmark.bench+json',
    signatures: [{ keyid: asker, sig: signature }],
  };
}

/** A coordinator as a process of its own, which ends as soon as it listens. */
function startOnce(home: string): Promise<Started> {
  const main = fileURLToPath(new URL('./main.js', import.meta.url));
  const child = spawn(process.execPath, ['--expose-gc', main, 'record-start', home], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (bytes: Buffer) => (text += bytes.toString()));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(JSON.parse(text) as Started);
      else reject(new Error(`the coordinator that was to be measured ended with ${code}: ${text}`));
    });
  });
}

/** What such a process does: says how long the start took, and what is on its heap afterwards. */
export async function startAndSay(home: string): Promise<string> {
  const start = performance.now();
  const coordinator = await startCoordinator({ home, listen: '127.0.0.1:0', log: () => undefined });
  const ms = performance.now() - start;
  globalThis.gc?.();
  const heapMiB = process.memoryUsage().heapUsed / 1024 / 1024;
  await coordinator.close();
  return JSON.stringify({ ms, heapMiB });
}
