import { describe, expect, it } from 'vitest';
import { archivedText, checkedText, statusText } from '../../../cli/text/coordinator.ts';
import type { CoordinatorStatus } from '../../../coordinator/control.ts';
import type { CheckedLog } from '../../../coordinator/maintain.ts';

const acme: CoordinatorStatus['groups'][number] = {
  group: 'acme',
  charter: 'ab'.repeat(32),
  log: 'cd'.repeat(16),
  records: 12,
  root: 'ef'.repeat(32),
  pending: 1,
  connected: ['alice', 'bob'],
};
const quiet = { steps: 3, rounds: 1, damaged: 0 };

describe('the status of a coordinator', () => {
  it('has a line for each group, and one for the walk over the store', () => {
    const gone = { ...acme, group: '', charter: '12'.repeat(32), connected: [] };
    const [head, first, second, walk, ...more] = statusText({ groups: [acme, gone], more: 0, scrub: quiet }).split(
      '\n',
    );
    expect(head).toMatch(/group +charter +records +pending +connected/);
    expect(first).toMatch(/acme +abababababab +12 +1 +alice bob/);
    expect(second).toMatch(/\(not admitted\) +121212121212 +12 +1 +-/);
    expect(walk).toBe('store: 3 steps of the walk since the start, its end reached 1 time, nothing damaged');
    expect(more).toEqual([]);
  });

  it('says that there is no group yet, how many have no room, and that something is damaged', () => {
    expect(statusText({ groups: [], more: 0, scrub: quiet })).toContain('no group has anything stored yet\n');
    expect(statusText({ groups: [acme], more: 9, scrub: quiet })).toContain(
      '\nand 9 groups more, for which there is no room',
    );
    expect(statusText({ groups: [acme], more: 0, scrub: { ...quiet, damaged: 2 } })).toContain(
      'damage at 2 steps: see the log',
    );
  });
});

describe('a check of a store', () => {
  const log: CheckedLog = {
    charter: 'ab'.repeat(32),
    log: 'cd'.repeat(16),
    records: 12,
    blobs: 1,
    problems: [],
    isIndexOnly: true,
    isRebuilt: false,
  };

  it('has a line for each log, and below it what is wrong', () => {
    expect(checkedText([])).toBe('nothing is stored yet');
    expect(checkedText([log, { ...log, isRebuilt: true }]).split('\n')).toEqual([
      'abababababab  12 records, 1 file: whole',
      'abababababab  12 records, 1 file: whole; its indexes were made anew',
    ]);
    expect(checkedText([{ ...log, isRebuilt: true, problems: ['one', 'two'] }]).split('\n')).toEqual([
      'abababababab  12 records, 1 file: NOT what was written',
      '  one',
      '  two',
    ]);
  });

  it('and archiving say how much, and where it went', () => {
    expect(archivedText({ documents: 1, bytes: 2000 }, '/srv/archive')).toMatch(
      /^1 document \(.*\) moved to \/srv\/archive$/,
    );
    expect(archivedText({ documents: 2, bytes: 0 }, undefined)).toMatch(/^2 documents \(.*\) dropped$/);
  });
});
