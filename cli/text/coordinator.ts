/** What a coordinator's operator reads: how it is, what a check found, what was archived. */
import type { CoordinatorStatus } from '../../coordinator/control.ts';
import type { Archived, CheckedLog } from '../../coordinator/maintain.ts';
import { countText, sizeText, table } from './page.ts';

/** One line for each group, and one for the walk over the store. */
export function statusText({ groups, more, scrub }: CoordinatorStatus): string {
  const rows = groups.map(({ group, charter, records, pending, connected }) => [
    group === '' ? '(not admitted)' : group,
    charter.slice(0, 12),
    String(records),
    String(pending),
    connected.join(' ') || '-',
  ]);
  const damage = scrub.damaged === 0 ? 'nothing damaged' : `damage at ${countText(scrub.damaged, 'step')}: see the log`;
  return [
    groups.length === 0
      ? 'no group has anything stored yet'
      : table([['group', 'charter', 'records', 'pending', 'connected'], ...rows], 4),
    ...(more === 0 ? [] : [`and ${countText(more, 'group')} more, for which there is no room here`]),
    `store: ${countText(scrub.steps, 'step')} of the walk since the start, its end reached ${countText(scrub.rounds, 'time')}, ${damage}`,
  ].join('\n');
}

/** A line for each log, and below it what is wrong. */
export function checkedText(logs: readonly CheckedLog[]): string {
  if (logs.length === 0) return 'nothing is stored yet';
  return logs.flatMap((log) => [lineOf(log), ...log.problems.map((problem) => `  ${problem}`)]).join('\n');
}

function lineOf({ charter, records, blobs, problems, isRebuilt }: CheckedLog): string {
  const state =
    problems.length > 0 ? 'NOT what was written' : isRebuilt ? 'whole; its indexes were made anew' : 'whole';
  return `${charter.slice(0, 12)}  ${countText(records, 'record')}, ${countText(blobs, 'file')}: ${state}`;
}

/** How much went, and where to. */
export function archivedText({ documents, bytes }: Archived, to: string | undefined): string {
  const place = to === undefined ? 'dropped' : `moved to ${to}`;
  return `${countText(documents, 'document')} (${sizeText(bytes)}) ${place}`;
}
