/** What an operator does with a store that nobody serves: checks it whole, makes its indexes anew, takes old documents out. */
import { join } from 'node:path';
import { HomeError } from '../home/errors.ts';
import { writeFileOnce } from '../home/files.ts';
import { openHome, type Home } from '../home/home.ts';
import { loadIdentity } from '../home/identity.ts';
import { acquireLock } from '../home/lock.ts';
import { keyId } from '../protocol/wire/envelope.ts';
import { checkLog, type LogFindings } from './check.ts';
import { CoordinatorError } from './errors.ts';
import type { GroupLog } from './group-log.ts';
import { oldStorePaths, storePaths } from './init.ts';
import { archivedAtOnce } from './limits.ts';
import { openStore, type Store } from './store.ts';
import { needsTakeOver } from './take-over.ts';

/** What a check found in the log of one group. */
export interface CheckedLog extends LogFindings {
  /** Hash of its founding charter, hex. */
  readonly charter: string;
  /** Id of the log, hex. */
  readonly log: string;
  /** Whether its indexes were made anew, at the opening or because it was asked for. */
  readonly isRebuilt: boolean;
}

/** Checks every log whole; with `rebuild`, indexes that are wrong are made anew. Throws `HomeError` or `CoordinatorError`. */
export function checkStore(
  homePath: string | undefined,
  { rebuild }: { readonly rebuild: boolean },
): Promise<CheckedLog[]> {
  return withStore(homePath, async (store, home, rebuilt) => {
    const checked: CheckedLog[] = [];
    for (const log of store.logs) {
      const scratch = `${storePaths(home).database}.check`;
      const first = await checkLog(log, scratch);
      const isToRebuild = rebuild && first.isIndexOnly && first.problems.length > 0;
      if (isToRebuild) await log.rebuild();
      const findings = isToRebuild ? await checkLog(log, scratch) : first;
      checked.push({
        ...findings,
        charter: log.name.charter,
        log: log.name.log,
        isRebuilt: isToRebuild || rebuilt.has(log),
      });
    }
    return checked;
  });
}

/** Which documents go, and where to. */
export interface ArchiveOptions {
  /** Unix seconds: of releases that were asked for before, and are over. */
  readonly before: number;
  /** A folder that gets each document as a file named by its SHA-256; `undefined` drops them. */
  readonly to: string | undefined;
}

/** What was taken out. */
export interface Archived {
  readonly documents: number;
  readonly bytes: number;
}

/**
 * Takes the documents of old releases out of the store; their hashes stay, and a read says so. Certificates and documents of the group stay whole.
 * Throws `HomeError` or `CoordinatorError`.
 */
export function archiveStore(homePath: string | undefined, options: ArchiveOptions): Promise<Archived> {
  return withStore(homePath, async (store) => {
    let [documents, bytes] = [0, 0];
    for (const log of store.logs) {
      const taken: string[] = [];
      for await (const sha256 of archivable(log, options.before)) {
        bytes += await takeOut(log, sha256, options.to);
        taken.push(sha256);
        if (taken.length >= archivedAtOnce) await log.archive(taken.splice(0));
        documents += 1;
      }
      if (taken.length > 0) await log.archive(taken);
    }
    return { documents, bytes };
  });
}

/** Documents that only old releases need, each once. */
async function* archivable(log: GroupLog, before: number): AsyncIterable<string> {
  const seen = new Set<string>();
  for await (const round of log.rounds({ until: before, outcome: 'signed' }, { most: Infinity, count: 0 })) {
    for (const sha256 of round.kind === 'release' ? round.documents : []) {
      if (seen.has(sha256) || !(await log.isNeeded(sha256))) continue;
      seen.add(sha256);
      if (await isOldEverywhere(log, sha256, before)) yield sha256;
    }
  }
}

async function isOldEverywhere(log: GroupLog, sha256: string, before: number): Promise<boolean> {
  for await (const digest of log.namesOf(sha256)) {
    const round = digest === undefined ? undefined : await log.round(digest);
    if (round?.kind !== 'release' || round.outcome === 'pending' || round.createdAt >= before) return false;
  }
  return true;
}

/** The copy is on the medium before the original goes. Answers its bytes. */
async function takeOut(log: GroupLog, sha256: string, to: string | undefined): Promise<number> {
  const bytes = await log.blob(sha256);
  if (to === undefined) return bytes.length;
  try {
    await writeFileOnce(join(to, sha256), bytes);
  } catch (error) {
    // An archiving that was interrupted runs again; the name is the content's.
    if (!(error instanceof HomeError) || error.code !== 'exists') throw error;
  }
  return bytes.length;
}

async function withStore<T>(
  homePath: string | undefined,
  work: (store: Store, home: Home, rebuilt: ReadonlySet<GroupLog>) => Promise<T>,
): Promise<T> {
  const home = await openHome('coordinator', homePath);
  const lock = await acquireLock(home);
  try {
    if (await needsTakeOver(oldStorePaths(home)))
      throw new CoordinatorError(
        'store-older',
        'the store is of the old form; start the coordinator once, which takes it over: frostmark coordinator serve',
      );
    const identity = await loadIdentity(home);
    const rebuilt = new Set<GroupLog>();
    const store = await openStore(storePaths(home), {
      coordinator: keyId(identity.publicKey),
      onFailure: () => undefined, // thrown to whoever waits
      onRebuilt: (log) => rebuilt.add(log),
    });
    try {
      return await work(store, home, rebuilt);
    } finally {
      await store.close();
    }
  } finally {
    await lock[Symbol.asyncDispose]();
  }
}
