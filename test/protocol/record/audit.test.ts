/** The audit of a whole log: an honest one passes, and one with a record changed, moved, lost, doubled or out of place does not. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Audit, assertTile, type AuditedRecord } from '../../../protocol/record/audit.ts';
import type { Checkpoint } from '../../../protocol/record/checkpoint.ts';
import { encodeEntries } from '../../../protocol/record/entries.ts';
import { encodeLeaf, type LogRecord } from '../../../protocol/record/leaf.ts';
import { Order } from '../../../protocol/record/order.ts';
import { encodeTile, tilePath } from '../../../protocol/record/tile.ts';
import { person } from '../../harness/people.ts';
import { codeOf, flipped, refusalOf } from '../support.ts';
import { goldenRecords, otherBeginnings } from './records.ts';
import { coordinator, logName, WrittenLog } from './written-log.ts';

const golden = goldenRecords();
const [born, charter] = golden as [LogRecord, LogRecord];
const round = golden.find(({ type }) => type === 'round')!;

/** A log of this many records: the golden ones, and then journals that move on. */
function recordsUpTo(size: number): LogRecord[] {
  const journal = golden.find(({ type }) => type === 'journal') as Extract<LogRecord, { type: 'journal' }>;
  const more = Array.from({ length: Math.max(0, size - golden.length) }, (_, length) => ({
    ...journal,
    journal: { ...journal.journal, length },
  }));
  return [...golden, ...more].slice(0, size);
}

function written(records: readonly LogRecord[]): WrittenLog {
  return WrittenLog.of(records.map(encodeLeaf));
}

type Files = ReadonlyMap<string, Uint8Array>;

/** Reads all of a log as an auditor would, and compares each tile with what is served. */
function audited(checkpoint: Checkpoint, files: Files): AuditedRecord[] {
  const audit = new Audit(checkpoint, coordinator.publicKey);
  const records: AuditedRecord[] = [];
  for (let path = audit.next; path !== undefined; path = audit.next) {
    const added = audit.add(files.get(path)!);
    records.push(...added.records);
    for (const tile of added.tiles) assertTile(tile, files.get(tilePath({ kind: 'hashes', ...tile }))!);
  }
  for (const tile of audit.end()) assertTile(tile, files.get(tilePath({ kind: 'hashes', ...tile }))!);
  return records;
}

const large = written(recordsUpTo(700));
const codes = ['bad-tile', 'bad-leaf', 'bad-record'];

describe('an audit', () => {
  it.each([1, 2, 16, 255, 256, 257, 700])('passes a log of %i records, and gives each of them', (size) => {
    const records = recordsUpTo(size);
    const log = written(records);
    expect(audited(log.checkpoint(), log.files())).toEqual(records.map((record, index) => ({ index, record })));
  });

  it('passes the log of every checkpoint on its way, from what is served then', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 600 }), (size) => {
        const log = written(recordsUpTo(size));
        expect(audited(log.checkpoint(), log.files())).toHaveLength(size);
      }),
      { numRuns: 10 },
    );
  });

  it('refuses any bit of any record or tile changed', () => {
    const files = large.files();
    const paths = [...files.keys()];
    fc.assert(
      fc.property(fc.nat(1_000_000), fc.nat(7), fc.constantFrom(...paths), (at, bit, path) => {
        const bytes = files.get(path)!;
        const changed = new Map(files).set(path, flipped(bytes, at % bytes.length, bit));
        expect(codes).toContain(codeOf(() => audited(large.checkpoint(), changed)));
      }),
      { numRuns: 40 },
    );
  });

  it('refuses records in another order, one lost and one doubled, though each is as it was', () => {
    const path = 'tile/entries/002.p/188';
    const leaves = large.leaves.slice(512);
    const swapped = [leaves[1]!, leaves[0]!, ...leaves.slice(2)];
    for (const wrong of [swapped, leaves.slice(1), [...leaves, leaves[0]!], [...leaves.slice(0, -1), leaves[0]!]]) {
      const files = new Map(large.files()).set(path, encodeEntries(wrong));
      expect(['bad-tile', 'bad-record']).toContain(codeOf(() => audited(large.checkpoint(), files)));
    }
  });

  it('refuses the records of a smaller and of a larger log', () => {
    const audit = new Audit(large.checkpoint(), coordinator.publicKey);
    audit.add(large.files().get('tile/entries/000')!);
    expect(codeOf(() => audit.end())).toBe('bad-record');
    const small = written(recordsUpTo(256));
    const done = new Audit(small.checkpoint(), coordinator.publicKey);
    done.add(small.files().get('tile/entries/000')!);
    expect(codeOf(() => done.add(large.files().get('tile/entries/001')!))).toBe('bad-tile');
    expect(done.next).toBeUndefined();
  });

  it('refuses a log that says it is another than the checkpoint', () => {
    const other = { ...logName, log: '11'.repeat(16) };
    const elsewhere = new Audit(large.checkpoint(other), coordinator.publicKey);
    expect(codeOf(() => elsewhere.add(large.files().get('tile/entries/000')!))).toBe('bad-record');
    const eve = new Audit(large.checkpoint(), person('eve').publicKey);
    expect(codeOf(() => eve.add(large.files().get('tile/entries/000')!))).toBe('bad-record');
  });

  it('refuses a log that agrees with itself and not with the checkpoint', () => {
    const records = recordsUpTo(17);
    const served = written(records.with(6, records[16]!).slice(0, 16));
    const audit = new Audit(written(recordsUpTo(16)).checkpoint(), coordinator.publicKey);
    audit.add(served.files().get('tile/entries/000.p/16')!);
    expect(codeOf(() => audit.end())).toBe('bad-record');
  });

  it('says which record it is', () => {
    const leaves = large.leaves.with(600, new TextEncoder().encode('{"type":"witness"}'));
    const log = WrittenLog.of(leaves);
    expect(refusalOf(() => audited(log.checkpoint(), log.files())).message).toMatch(/^record 600: /);
  });

  it('refuses what the coordinator itself wrote and signed in an order that no log has', () => {
    const log = written([born, born]);
    expect(codeOf(() => audited(log.checkpoint(), log.files()))).toBe('bad-record');
  });

  it('refuses a tile that is not what the records make of it', () => {
    const tile = large.fullTiles[0]!;
    for (const wrong of [flipped(encodeTile(tile.hashes), 5), encodeTile(tile.hashes).slice(32), new Uint8Array()])
      expect(codeOf(() => assertTile(tile, wrong))).toBe('bad-tile');
  });
});

describe('the order of a log', () => {
  function accept(records: readonly LogRecord[]): void {
    const order = new Order({ ...logName, coordinator: coordinator.key });
    for (const record of records) order.accept(record);
  }
  const digest = 'dd'.repeat(32);
  const closed = golden.find(({ type }) => type === 'closed')!;
  const decision = golden.find(({ type }) => type === 'decision')!;
  const evidence = golden.find(({ type }) => type === 'evidence')!;
  const moved: LogRecord = { type: 'moved', to: 'postgres' };
  const arrived: LogRecord = { type: 'arrived', in: 'postgres' };
  const next: LogRecord = { type: 'charter', charter: 'c5'.repeat(32), file: { sha256: 'c5'.repeat(32), size: 9 } };
  const start = [born, charter];

  it('takes the golden records, and every way to begin', () => {
    accept(golden);
    for (const from of otherBeginnings) accept([{ ...born, from } as LogRecord, charter]);
  });

  it('takes late decisions and evidence after the end of a round, another charter later, and a second move', () => {
    accept([...start, round, decision, closed, decision, evidence, next]);
    accept([...start, moved, arrived, moved, arrived, round]);
  });

  it.each<[string, LogRecord[]]>([
    ['nothing before its birth', [charter]],
    ['no second birth', [...start, born]],
    ['nothing after it moved away but its arrival', [...start, moved, round]],
    ['no second move before it arrived', [...start, moved, moved]],
    ['no arrival without a move', [...start, arrived]],
    ['no arrival twice', [...start, moved, arrived, arrived]],
    ['no first charter but the one it is named by', [born, next]],
    ['no charter twice', [...start, charter]],
    ['no charter under the name of another', [...start, { ...next, file: { sha256: 'c6'.repeat(32), size: 9 } }]],
    ['no round under a charter that it does not have', [...start, { ...round, charter: 'c5'.repeat(32) } as LogRecord]],
    ['no ceremony before its charter', [born, golden[2]!]],
    ['no group before its charter', [born, golden[3]!]],
    ['no document of a group before its charter', [born, golden[4]!]],
    ['no round twice', [...start, round, round]],
    ['no round again after its end', [...start, round, closed, round]],
    ['no decision before its round', [...start, decision]],
    ['no document before its round', [...start, golden[8]!]],
    ['no evidence before its round', [...start, evidence]],
    ['no end before its round', [...start, closed]],
    [
      'no second end',
      [...start, round, closed, { type: 'closed', digest, outcome: 'expired', signatures: [], signers: [] }],
    ],
    ['no end that is signed by nothing', [...start, round, { ...closed, signatures: [] } as LogRecord]],
    ['no end that is signed by nobody', [...start, round, { ...closed, signers: [] } as LogRecord]],
    ['no signature on what was not signed', [...start, round, { ...closed, outcome: 'expired' } as LogRecord]],
    ['no birth of another log', [{ ...born, log: '11'.repeat(16) } as LogRecord]],
    ['no birth of another group', [{ ...born, charter: 'c5'.repeat(32) } as LogRecord]],
    ['no birth by another coordinator', [{ ...born, coordinator: person('eve').key } as LogRecord]],
  ])('has %s', (_name, records) => {
    accept(records.slice(0, -1));
    expect(codeOf(() => accept(records))).toBe('bad-record');
  });
});
