/** What the store holds at a start, given to who takes it back: groups and ceremonies, journal heads, pending rounds. */
import type { Ceremonies } from './ceremonies.ts';
import { CoordinatorError } from './errors.ts';
import type { GroupLog } from './group-log.ts';
import type { Groups } from './groups.ts';
import type { Journals } from './journals.ts';
import type { Log } from './log.ts';
import type { StoreRecord } from './records.ts';
import type { Rounds } from './rounds.ts';
import type { Store } from './store.ts';

interface Parts {
  readonly store: Store;
  readonly groups: Groups;
  readonly ceremonies: Ceremonies;
  readonly journals: Journals;
  readonly rounds: Rounds;
  readonly log: Log;
}

/** Gives everything back to its owner. What belongs to a charter that is admitted no more stays in the store, unused. */
export async function restoreAll(parts: Parts): Promise<void> {
  let count = 0;
  for (const log of parts.store.logs) {
    for await (const record of log.ofGroup()) await restoreGroup(record, log, parts);
    for (const { member, journal } of await log.journals()) parts.journals.remember(log.name.charter, member, journal);
    for (const round of log.pending) {
      const group = parts.groups.ofKey(round.groupKey);
      if (group === undefined) continue;
      await parts.rounds.restore(group, log, round);
      count += 1;
    }
  }
  parts.log('info', 'restored', { count });
}

async function restoreGroup(record: StoreRecord, stored: GroupLog, parts: Parts): Promise<void> {
  const { groups, ceremonies, log } = parts;
  try {
    if (record.type === 'ceremony') ceremonies.restore(await groups.charter(record.charter), record.message);
    if (record.type === 'group' || record.type === 'group-document')
      await groups.restore(record, (sha256) => stored.blob(sha256));
  } catch (error) {
    if (!(error instanceof CoordinatorError) || error.code !== 'not-found') throw error;
    log('warn', 'charter-not-admitted', { code: error.code });
  }
}
