/** What the store holds at a start, given to who takes it back: groups and ceremonies, journal heads, pending rounds. */
import type { Ceremonies } from './ceremonies.ts';
import { decodeCharter } from '../protocol/files/charter.ts';
import { openRequest } from '../protocol/request/request.ts';
import { CoordinatorError } from './errors.ts';
import type { GroupLog } from './group-log.ts';
import type { Groups } from './groups.ts';
import type { Issued } from './issued.ts';
import type { Journals } from './journals.ts';
import type { Log } from './log.ts';
import type { StoreRecord } from './records.ts';
import type { Rounds } from './rounds.ts';
import type { Store } from './store.ts';
import type { Decided } from './lineage.ts';
import type { Successions } from './successions.ts';

interface Parts {
  readonly store: Store;
  readonly groups: Groups;
  readonly ceremonies: Ceremonies;
  readonly successions: Successions;
  readonly issued: Issued;
  readonly journals: Journals;
  readonly rounds: Rounds;
  readonly log: Log;
}

/** Gives everything back to its owner. What belongs to a charter that is admitted no more stays in the store, unused. */
export async function restoreAll(parts: Parts): Promise<void> {
  let count = 0;
  for (const log of parts.store.logs) {
    if (await isAdmitted(log, parts)) {
      for await (const record of log.ofGroup()) await restoreGroup(record, log, parts);
      await restoreDecided(log, parts);
    }
    for (const { member, journal } of await log.journals()) parts.journals.remember(log.name.charter, member, journal);
    for (const round of log.pending) {
      await parts.rounds.restore(log, round);
      count += 1;
    }
    const { live } = parts.groups.lineageOf(log.name.charter);
    parts.successions.forgetOver(parts.groups.lineageOf(log.name.charter));
    // The coordinator may have stopped between a genesis and the end of what it ended.
    if (live !== undefined) parts.rounds.endOthers(live);
  }
  parts.log('info', 'restored', { count });
}

/** What continues a group whose charter is admitted needs no operator. */
async function isAdmitted({ name }: GroupLog, { groups, log }: Parts): Promise<boolean> {
  try {
    await groups.charter(name.charter);
    return true;
  } catch (error) {
    if (!(error instanceof CoordinatorError) || error.code !== 'not-found') throw error;
    log('warn', 'charter-not-admitted', { code: error.code });
    return false;
  }
}

async function restoreGroup(record: StoreRecord, stored: GroupLog, parts: Parts): Promise<void> {
  const { groups, ceremonies, successions } = parts;
  switch (record.type) {
    case 'charter':
      if (record.charter !== stored.name.charter) groups.learn(decodeCharter(await stored.blob(record.file.sha256)));
      return;
    case 'ceremony':
      if (record.succession === undefined) ceremonies.restore(await groups.charter(record.charter), record.message);
      else successions.restore(await decidedAs(record.succession, stored, parts), record.message);
      return;
    case 'group':
      // It may have come of a succession.
      if (groups.lineageOf(record.charter).live !== undefined) await restoreDecided(stored, parts);
      return groups.restore(record, (sha256) => stored.blob(sha256));
    case 'group-document':
      return groups.restore(record, (sha256) => stored.blob(sha256));
    case 'born':
    case 'moved':
    case 'arrived':
    case 'journal':
    case 'round':
    case 'round-document':
    case 'decision':
    case 'evidence':
    case 'closed':
      return;
  }
}

/** A succession that was signed before what was said in it. */
async function decidedAs(hash: string, log: GroupLog, parts: Parts): Promise<Decided> {
  const { successions } = parts.groups.lineageOf(log.name.charter);
  if (!successions.has(hash)) await restoreDecided(log, parts);
  const decided = successions.get(hash);
  if (decided === undefined)
    throw new CoordinatorError('store-damaged', `the succession ${hash} of a stored message is not there`);
  return decided;
}

/** Every signed succession out of an epoch that is known so far. */
async function restoreDecided(log: GroupLog, { groups, issued }: Parts): Promise<void> {
  const lineage = groups.lineageOf(log.name.charter);
  const known = new Set([...lineage.successions.values()].map(({ digest }) => digest));
  for (const digest of await log.signedOf('succession')) {
    if (known.has(digest)) continue;
    const { request, ...body } = await issued.stored(log, digest);
    const from = lineage.all.find(({ epoch }) => epoch.hash === openRequest(request).payload.epoch);
    if (from !== undefined) groups.decided(from, { request, ...body }).apply();
  }
}
