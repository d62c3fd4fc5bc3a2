/** How a coordinator is, as its operator asks it: what fits one answer, and how much did not. */
import { bytesToHex } from '../protocol/wire/bytes.ts';
import type { CoordinatorStatus } from './control.ts';
import { maxStatusBytes, maxStatusGroups } from './limits.ts';
import type { Groups } from './groups.ts';
import type { Presence } from './presence.ts';
import type { Scrub } from './scrub.ts';
import type { Store } from './store.ts';

/** What is looked at. */
export interface StatusParts {
  readonly store: Store;
  readonly groups: Groups;
  readonly presence: Presence;
  readonly scrub: Scrub;
}

type GroupStatus = CoordinatorStatus['groups'][number];

/** The log of each group and who is connected, as far as they fit one answer. */
export async function statusOf({ store, groups, presence, scrub }: StatusParts): Promise<CoordinatorStatus> {
  const all: GroupStatus[] = [];
  const { logs } = store;
  for (const { name, head, pending } of logs.slice(0, maxStatusGroups)) {
    const charter = await groups.charter(name.charter).catch(() => undefined); // admitted no more
    all.push({
      group: charter?.group ?? '',
      charter: name.charter,
      log: name.log,
      records: head.size,
      root: bytesToHex(head.root),
      pending: pending.length,
      connected: presence.of(name.charter).map(({ member }) => member.name),
    });
  }
  const shown = fitting(all);
  return { groups: shown, more: logs.length - shown.length, scrub: scrub.status };
}

/** As many of these groups, from the first on, as one answer has room for. */
export function fitting(all: readonly GroupStatus[]): GroupStatus[] {
  let bytes = 0;
  const end = all.findIndex((group) => (bytes += Buffer.byteLength(JSON.stringify(group)) + 1) > maxStatusBytes);
  return end === -1 ? [...all] : all.slice(0, end);
}
