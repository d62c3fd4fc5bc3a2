import { describe, expect, it } from 'vitest';
import { auditJson, auditText } from '../../../cli/text/audit.ts';
import type { AuditReport } from '../../../requester/audit.ts';

const report: AuditReport = {
  checkpoint: {
    charter: 'ab'.repeat(32),
    log: 'cd'.repeat(16),
    tree: { size: 12, root: new Uint8Array(32).fill(7) },
    note: 'a note',
  },
  followed: 'goes-on',
  from: { kind: 'new' },
  rounds: [],
  pending: 2,
  ofOthers: 0,
  unchecked: 0,
};

const said = (changed: Partial<AuditReport> = {}): string => auditText({ ...report, ...changed }, true);

describe('an audit tells a person', () => {
  it('which record it is, how long, under which root, and what no audit can show', () => {
    const [origin, size, ...rest] = said().split('\n');
    expect(origin).toBe(`frostmark/${'ab'.repeat(32)}/${'cd'.repeat(16)}`);
    expect(size).toBe('12 records, root BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=: every one is proved');
    expect(rest.join('\n')).toContain('0 rounds over, 2 pending\n');
    expect(rest.join(' ')).toContain('What this cannot show: requests and refusals that the coordinator never stored');
    expect(said({ ofOthers: 3 })).toContain('2 pending, 3 of other keys');
  });

  it.each<readonly [AuditReport['from'], string]>([
    [{ kind: 'new' }, 'it begins with the charter of the group'],
    [{ kind: 'again' }, 'it was begun ANEW after the coordinator lost an earlier one'],
    [
      { kind: 'taken-over', sequence: 40, hash: '00'.repeat(32) },
      'taken over from a store of the old form (of 40 records)',
    ],
    [
      { kind: 'loss-accepted', log: '00'.repeat(16), size: 1, root: '00'.repeat(32) },
      'it was begun ANEW in place of a log of 1 record, whose loss the operator accepted',
    ],
  ])('how it came to be: $kind', (from, text) => {
    expect(said({ from })).toContain(text);
  });

  it.each<readonly [AuditReport['followed'], string]>([
    ['first', 'nothing says that others were not shown another record'],
    ['goes-on', 'it goes on from the newest checkpoint that was kept here'],
    ['older', 'this copy ENDS BEFORE the newest checkpoint that was kept here'],
    ['other', 'this copy is of ANOTHER record than the one whose checkpoint was kept here'],
  ])('how it is next to what was kept: %s', (followed, text) => {
    expect(said({ followed })).toContain(text);
  });

  it('aloud how much it could not check, and nothing of it otherwise', () => {
    expect(said({ unchecked: 1 })).toContain('1 record could NOT be checked whole');
    expect(said({ unchecked: 7 })).toContain('7 records could NOT be checked whole');
    expect(said()).not.toContain('could NOT');
  });

  it('the same to a program', () => {
    expect(auditJson({ ...report, unchecked: 7 })).toEqual({
      origin: `frostmark/${'ab'.repeat(32)}/${'cd'.repeat(16)}`,
      records: 12,
      root: '07'.repeat(32),
      note: 'a note',
      followed: 'goes-on',
      from: { kind: 'new' },
      pending: 2,
      ofOthers: 0,
      unchecked: 7,
      rounds: [],
    });
  });
});
