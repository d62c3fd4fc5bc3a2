/**
 * A store of the old form becomes one of today's: every record of its chain goes into the log of its group, in its order, into a store beside it,
 * which is read back whole before it gets its name. The old one is kept, under a name that nothing reads. Whatever interrupts it, it simply runs again.
 */
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { disk } from '../home/disk.ts';
import { memberByIdentifier, type Charter } from '../protocol/files/charter.ts';
import { refOf, type BlobRef, type Beginning } from '../protocol/record/leaf.ts';
import { sha256Hex } from '../protocol/wire/bytes.ts';
import { checkLog, type LogFindings } from './check.ts';
import type { StorePaths } from './database.ts';
import { CoordinatorError } from './errors.ts';
import type { GroupLog } from './group-log.ts';
import { openLevel } from './level.ts';
import { openOldChain, type OldChain, type OldRecord } from './old-chain.ts';
import type { StoreRecord } from './records.ts';
import { storedRequest } from './round-body.ts';
import { createStore, exists, openStore, type Store, type StoreOptions } from './store.ts';

/** Where things are, and who knows the charters. */
export interface TakeOverOptions extends StoreOptions {
  readonly paths: StorePaths;
  /** Of the store of the old form. */
  readonly oldPaths: StorePaths;
  /** An admitted charter by its hash. Throws `CoordinatorError('not-found')`. */
  readonly charter: (hash: string) => Promise<Charter>;
}

/** How much was taken over. */
export interface TakenOver {
  /** Records of the old chain. */
  readonly records: number;
  /** Logs that they are in now. */
  readonly logs: number;
}

/** Whether there is a store of the old form, or the taking over of one did not end. */
export function needsTakeOver(oldPaths: StorePaths): Promise<boolean> {
  return exists(oldPaths.database);
}

/** Takes an old store over. Throws `CoordinatorError` (`store-damaged`, `store-older`, `store-failed`); the old store is then as it was. */
export async function takeOver(options: TakeOverOptions): Promise<TakenOver> {
  const { paths, oldPaths } = options;
  const taken = (await exists(paths.database)) ? { records: 0, logs: 0 } : await copy(options);
  // The new store has its name: from here on the old one is only put aside.
  for (const path of [oldPaths.anchor, oldPaths.database]) await putAside(path);
  await disk.syncFolder(dirname(paths.database));
  return taken;
}

async function putAside(path: string): Promise<void> {
  const aside = `${path}.taken-over`;
  if (!(await exists(path))) return;
  if (await exists(aside))
    throw new CoordinatorError(
      'store-older',
      `${path} is of the old form, and ${aside} says that it was taken over before; an older frostmark ran here since: move one of the two away`,
    );
  await disk.rename(path, aside);
}

async function copy(options: TakeOverOptions): Promise<TakenOver> {
  const { paths, oldPaths } = options;
  const beside: StorePaths = { database: `${paths.database}.taking-over`, anchor: `${paths.anchor}.taking-over` };
  for (const path of [beside.database, beside.anchor]) await rm(path, { recursive: true, force: true });
  const keys = await openLevel(oldPaths.database, oldPaths, { create: false });
  try {
    const chain = await openOldChain(keys, oldPaths);
    await createStore(beside);
    const logs = await copyInto(beside, chain, options);
    await disk.rename(beside.anchor, paths.anchor);
    await disk.rename(beside.database, paths.database);
    await disk.syncFolder(dirname(paths.database));
    return { records: chain.head.sequence, logs };
  } finally {
    await keys.close();
  }
}

async function copyInto(beside: StorePaths, chain: OldChain, options: TakeOverOptions): Promise<number> {
  let failure: CoordinatorError | undefined;
  const store = await openStore(beside, { ...options, onFailure: (error) => (failure = error) });
  try {
    const copier = new Copier(store, chain, options.charter);
    for await (const record of chain.records()) await copier.copy(record);
    await copier.flush();
    for (const log of store.logs) assertWhole(await checkLog(log, `${beside.database}.check`));
    return store.logs.length;
  } finally {
    await store.close();
    if (failure !== undefined) throw failure;
  }
}

type OldDocument = Extract<OldRecord, { type: 'round-document' }>;

function assertWhole({ problems: [first] }: LogFindings): void {
  if (first !== undefined)
    throw new CoordinatorError(
      'store-failed',
      `the new store is not what was written (${first}); check the disk and start again`,
    );
}

/** Records of one group that wait to be written together. */
interface Batch {
  readonly records: StoreRecord[];
  readonly blobs: Uint8Array[];
}

/** Records that are written together: enough that syncing costs little. */
const recordsAtOnce = 256;
const bytesAtOnce = 4 * 1024 * 1024;

class Copier {
  readonly #store: Store;
  readonly #chain: OldChain;
  readonly #charterOf: TakeOverOptions['charter'];
  readonly #charters = new Map<string, Charter>();
  /** By digest: whose round it is, and which documents its request names. */
  readonly #rounds = new Map<string, { readonly charter: string; readonly documents: readonly BlobRef[] }>();
  readonly #batches = new Map<string, Batch>();
  #bytes = 0;
  #records = 0;

  constructor(store: Store, chain: OldChain, charterOf: TakeOverOptions['charter']) {
    this.#store = store;
    this.#chain = chain;
    this.#charterOf = charterOf;
  }

  async copy(record: OldRecord): Promise<void> {
    const charter = await this.#charterOfRecord(record);
    const batch = this.#batches.get(charter.hash) ?? { records: [], blobs: [] };
    this.#batches.set(charter.hash, batch);
    batch.records.push(await this.#translate(record, charter, batch.blobs));
    this.#records += 1;
    if (this.#records >= recordsAtOnce || this.#bytes >= bytesAtOnce) await this.flush();
  }

  async flush(): Promise<void> {
    for (const [hash, { records, blobs }] of this.#batches) {
      const log = await this.#logOf(hash);
      await log.append(records, blobs);
    }
    this.#batches.clear();
    this.#bytes = 0;
    this.#records = 0;
  }

  async #logOf(hash: string): Promise<GroupLog> {
    const { sequence, hash: last } = this.#chain.head;
    const from: Beginning = { kind: 'taken-over', sequence, hash: last };
    return this.#store.of(await this.#charter(hash), from);
  }

  async #charterOfRecord(record: OldRecord): Promise<Charter> {
    if (record.type === 'round') {
      const { documents } = storedRequest(record.request).payload;
      this.#rounds.set(record.digest, { charter: record.charter, documents });
    }
    const hash = 'charter' in record ? record.charter : this.#rounds.get(record.digest)?.charter;
    if (hash === undefined)
      throw new CoordinatorError('store-damaged', `a "${record.type}" record of the old store belongs to no round`);
    return this.#charter(hash);
  }

  /** What was admitted once and is no more has no file, and a log cannot begin without it. */
  async #charter(hash: string): Promise<Charter> {
    const known = this.#charters.get(hash);
    if (known !== undefined) return known;
    try {
      const charter = await this.#charterOf(hash);
      this.#charters.set(hash, charter);
      return charter;
    } catch (cause) {
      if (!(cause instanceof CoordinatorError) || cause.code !== 'not-found') throw cause;
      throw new CoordinatorError(
        'store-older',
        `the old store has records of the charter ${hash}, whose file is gone; admit it again (frostmark coordinator admit CHARTER.yaml), ` +
          'then start again (the old store is as it was)',
        { cause },
      );
    }
  }

  async #translate(record: OldRecord, charter: Charter, blobs: Uint8Array[]): Promise<StoreRecord> {
    switch (record.type) {
      case 'group': {
        const { charter: hash, stored } = record;
        return {
          type: 'group',
          charter: hash,
          certificate: refOf(await this.#blob(record.certificate, blobs)),
          stored,
        };
      }
      case 'group-document': {
        const { charter: hash, document, envelope } = record;
        return { type: 'group-document', charter: hash, document, envelope };
      }
      case 'journal':
        return { type: 'journal', member: this.#memberKey(charter, record.member), journal: record.journal };
      case 'round-document':
        return { type: 'round-document', digest: record.digest, document: await this.#document(record, blobs) };
      case 'evidence': {
        const { digest, member, sha256 } = record;
        return { type: 'evidence', digest, member, evidence: refOf(await this.#blob(sha256, blobs)) };
      }
      case 'ceremony':
      case 'round':
      case 'decision':
      case 'closed':
        return record;
    }
  }

  /** The documents of a round that ended without a signature are gone; their sizes are in its request. */
  async #document({ digest, sha256 }: OldDocument, blobs: Uint8Array[]): Promise<BlobRef> {
    if ((await this.#chain.blob(sha256)) !== undefined) return refOf(await this.#blob(sha256, blobs));
    const named = this.#rounds.get(digest)?.documents.find((document) => document.sha256 === sha256);
    if (named === undefined)
      throw new CoordinatorError('store-damaged', `a document ${sha256} of the old store is in no request`);
    return { sha256, size: named.size };
  }

  #memberKey(charter: Charter, identifier: number): string {
    const member = memberByIdentifier(charter, identifier);
    if (member === undefined) throw new CoordinatorError('store-damaged', `the charter has no member ${identifier}`);
    return member.key;
  }

  async #blob(sha256: string, blobs: Uint8Array[]): Promise<Uint8Array> {
    const bytes = await this.#chain.blob(sha256);
    if (bytes === undefined || sha256Hex(bytes) !== sha256)
      throw new CoordinatorError('store-damaged', `the bytes ${sha256} of the old store are missing or changed`);
    blobs.push(bytes);
    this.#bytes += bytes.length;
    return bytes;
  }
}
