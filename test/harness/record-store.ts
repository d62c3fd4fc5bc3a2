/** A store with records that a test can tell apart, on any database and disk. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { StorePaths } from '../../coordinator/database.ts';
import type { GroupLog } from '../../coordinator/group-log.ts';
import { beginLevelDatabase, openLevelDatabase } from '../../coordinator/level-database.ts';
import type { StoreRecord } from '../../coordinator/records.ts';
import { createStore, openStore, openStoreOn, type Store, type StoreOptions } from '../../coordinator/store.ts';
import { refOf } from '../../protocol/record/leaf.ts';
import { sha256Hex } from '../../protocol/wire/bytes.ts';
import type { Envelope } from '../../protocol/wire/envelope.ts';
import { SimulatedDisk } from '../home/simulated-disk.ts';
import { personFromSeed, writeCharter } from './people.ts';
import { SimulatedDatabase } from './simulated-database.ts';

const alice = personFromSeed('alice', 1);
const bob = personFromSeed('bob', 2);

/** The charter of the one group in these stores, and of another. */
export const { charter } = writeCharter({ tiers: ['admin', 'admin'], production: '{ any: 2 }' }, [alice, bob]);
export const { charter: otherCharter } = writeCharter({ tiers: ['admin', 'build'], production: '{ any: 2 }' }, [
  alice,
  bob,
]);
const coordinatorKey = personFromSeed('coordinator', 9).key;

/** Paths that only a simulated disk knows. */
const simulatedPaths: StorePaths = { database: '/home/record', anchor: '/home/record-anchor' };

/** Identity keys of those who ask: every third round is Bob's. */
export const askers = { alice: alice.key, bob: bob.key };

/** A request as far as an index reads it. */
export function requestEnvelope(number: number, note = ''): Envelope {
  const payload = {
    groupKey: 'G'.repeat(43),
    kind: 'release',
    channel: number % 2 === 0 ? 'production' : 'development',
    createdAt: new Date(Date.UTC(2026, 0, 1) + number * 60_000).toISOString().replace('.000Z', 'Z'),
    release: `1.0.${number}`,
    documents: [],
    note,
  };
  return {
    payload: Buffer.from(JSON.stringify(payload)).toString('base64'),
    payloadType: 'application/vnd.frostmark.request+json',
    signatures: [{ keyid: number % 3 === 0 ? bob.key : alice.key, sig: `${'A'.repeat(86)}==` }],
  };
}

/** The digest that these tests give to round `number`. */
export function digestOf(number: number): string {
  return sha256Hex(Buffer.from(`round ${number}`));
}

export function round(number: number, note = ''): StoreRecord {
  return {
    type: 'round',
    digest: digestOf(number),
    charter: charter.hash,
    request: requestEnvelope(number, note),
  };
}

export function decision(number: number): StoreRecord {
  return { type: 'decision', digest: digestOf(number), decision: requestEnvelope(number, 'decision') };
}

export function document(number: number, bytes: Uint8Array): StoreRecord {
  return { type: 'round-document', digest: digestOf(number), document: refOf(bytes) };
}

export function signed(number: number): StoreRecord {
  const digest = digestOf(number);
  return { type: 'closed', digest, outcome: 'signed', signatures: ['5e'.repeat(64)], signers: [1, 2] };
}

export function expired(number: number): StoreRecord {
  return { type: 'closed', digest: digestOf(number), outcome: 'expired', signatures: [], signers: [] };
}

export function journal(length: number, incarnation = 1): StoreRecord {
  const hex = incarnation.toString(16).padStart(2, '0');
  const head = length.toString(16).padStart(64, '0');
  return { type: 'journal', member: alice.key, journal: { incarnation: hex.repeat(16), length, head } };
}

export function storeOptions(changed: Partial<StoreOptions> = {}): StoreOptions {
  return { coordinator: coordinatorKey, onFailure: () => undefined, ...changed };
}

/** Paths in a folder that is gone when the test is over. */
export async function storeFolder(): Promise<StorePaths> {
  const path = await mkdtemp(join(tmpdir(), 'frostmark-store-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return { database: join(path, 'record'), anchor: join(path, 'record-anchor') };
}

/** A store on a real disk, opened; with the log of the one group. */
export async function openedStore(
  paths: StorePaths,
  options: Partial<StoreOptions> = {},
): Promise<{ readonly store: Store; readonly log: GroupLog }> {
  const store = await openStore(paths, storeOptions(options));
  return { store, log: await store.of(charter) };
}

/** A closed store of so many rounds, every second of which is over. Each document is of 2000 bytes. */
export async function filledStore(rounds: number): Promise<StorePaths> {
  const paths = await storeFolder();
  await createStore(paths);
  const { store, log } = await openedStore(paths);
  for (let number = 1; number <= rounds; number += 1) await appendRound(log, number);
  await store.close();
  return paths;
}

/** A round with a document; over and signed if its number is even. */
export async function appendRound(log: GroupLog, number: number): Promise<void> {
  const bytes = documentOf(number);
  await log.append([round(number), document(number, bytes)], [bytes]);
  if (number % 2 === 0) await log.append([decision(number), signed(number)]);
}

export function documentOf(number: number): Uint8Array {
  return new Uint8Array(Buffer.alloc(2000, number));
}

/** Every record that a log has, or why it is not shown. */
export async function readLog(log: GroupLog): Promise<(StoreRecord | Error)[]> {
  const records: (StoreRecord | Error)[] = [];
  for (let index = 0; index < log.head.size; index += 1)
    records.push(await log.record(index).catch((error: unknown) => error as Error));
  return records;
}

/** What the anchor of a store without a log holds. */
export const emptyAnchor = Buffer.from('frostmark anchor 2\n'.padEnd(512, ' '));

/** A machine with an empty store, before its first start; `lost` are charters that an earlier store may have had. */
export async function newMachine(
  lost: readonly string[] = [],
): Promise<{ readonly disk: SimulatedDisk; readonly database: SimulatedDatabase }> {
  const disk = new SimulatedDisk();
  disk.put(simulatedPaths.anchor, emptyAnchor);
  const database = new SimulatedDatabase();
  await beginLevelDatabase(database, lost);
  database.writes = 0;
  return { disk, database };
}

/** Starts a machine's store. */
export async function startedOn(
  { disk, database }: { readonly disk: SimulatedDisk; readonly database: SimulatedDatabase },
  options: Partial<StoreOptions> = {},
): Promise<Store> {
  return openStoreOn(await openLevelDatabase(database), disk, simulatedPaths, storeOptions(options));
}
