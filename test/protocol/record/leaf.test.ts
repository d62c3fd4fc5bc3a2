/** Records as leaves: one spelling for each, every field checked, what is long beside them; and a golden file of every type. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeCanonicalJson } from '../../../verifier/json.ts';
import {
  blobsOf,
  decodeLeaf,
  encodeLeaf,
  keep,
  openBlob,
  openKept,
  refOf,
  type LogRecord,
} from '../../../protocol/record/leaf.ts';
import { maxInlineBytes, maxLeafBytes } from '../../../protocol/record/limits.ts';
import { sha256Hex } from '../../../protocol/wire/bytes.ts';
import { codeOf, flipped, spoiltOf, utf8 } from '../support.ts';
import { goldenRecords, longMessage, shortMessage } from './records.ts';
import { vectors } from './support.ts';

const records = goldenRecords();
const json = (value: unknown): Uint8Array => utf8(JSON.stringify(value));

describe('a record', () => {
  it('of every type is the leaf in the golden file, to the byte', () => {
    const lines = readFileSync(join(vectors, 'leaves.jsonl'), 'utf8').trimEnd().split('\n');
    expect(records.map((record) => Buffer.from(encodeLeaf(record)).toString())).toEqual(lines);
    expect(lines.map((line) => decodeLeaf(utf8(line)))).toEqual(records);
  });

  it('has every type in the golden file', () => {
    const types: Record<LogRecord['type'], true> = {
      born: true,
      moved: true,
      arrived: true,
      charter: true,
      ceremony: true,
      group: true,
      'group-document': true,
      journal: true,
      round: true,
      'round-document': true,
      decision: true,
      evidence: true,
      closed: true,
    };
    expect([...new Set(records.map(({ type }) => type))].sort()).toEqual(Object.keys(types).sort());
  });

  it.each(records.map((record) => [record.type, record] as const))(
    'is refused with a field left out, or one too many: %s',
    (_type, record) => {
      const spoilt = spoiltOf(record).filter(({ at }) => /^\/[a-z0-9-]+ left out$|\/extra$/i.test(at));
      expect(spoilt.length).toBeGreaterThan(1);
      for (const { at, value } of spoilt) expect([at, codeOf(() => decodeLeaf(json(value)))]).toEqual([at, 'bad-leaf']);
    },
  );

  it.each<[string, unknown]>([
    ['of a type from the future', { type: 'witness' }],
    ['without a type', { digest: 'aa'.repeat(32) }],
    ['that is a list', [{ type: 'moved', to: 'postgres' }]],
    ['that is null', null],
    ['that is a text', 'moved'],
    ['of a type that every object has', { type: 'toString' }],
    ['of a type that is no text', { type: ['moved'], to: 'postgres' }],
    ['born in another version', { ...records[0], version: 2 }],
    ['that moved to an address', { type: 'moved', to: 'postgres://user:secret@host/db' }],
    ['with a short hash', { type: 'round-document', digest: 'aa', document: refOf(utf8('x')) }],
    ['with a hash in capitals', { type: 'round-document', digest: 'AA'.repeat(32), document: refOf(utf8('x')) }],
    [
      'that is closed as pending',
      { type: 'closed', digest: 'aa'.repeat(32), outcome: 'pending', signatures: [], signers: [] },
    ],
    [
      'with one signer twice',
      { type: 'closed', digest: 'aa'.repeat(32), outcome: 'signed', signatures: [], signers: [1, 1] },
    ],
    ['with a blob of no size', { type: 'charter', charter: 'aa'.repeat(32), file: { sha256: 'aa'.repeat(32) } }],
    [
      'with a blob of a negative size',
      { type: 'charter', charter: 'aa'.repeat(32), file: { sha256: 'aa'.repeat(32), size: -1 } },
    ],
  ])('is refused %s', (_name, value) => {
    expect(codeOf(() => decodeLeaf(json(value)))).toBe('bad-leaf');
  });

  it('is refused in another spelling, cut anywhere, or past its bound', () => {
    const bytes = encodeLeaf(records[0]!);
    const text = Buffer.from(bytes).toString();
    for (const other of [` ${text}`, `${text}\n`, text.replace(':', ': '), text.replace('born', '\\u0062orn')])
      expect(codeOf(() => decodeLeaf(utf8(other)))).toBe('bad-leaf');
    for (let end = 0; end < bytes.length; end += 1)
      expect(codeOf(() => decodeLeaf(bytes.slice(0, end)))).toBe('bad-leaf');
    expect(codeOf(() => decodeLeaf(new Uint8Array(maxLeafBytes + 1).fill(0x20)))).toBe('bad-leaf');
    expect(codeOf(() => decodeLeaf(utf8('['.repeat(60_000))))).toBe('bad-leaf');
  });

  it('is not written when no reader would take it', () => {
    const closed = { type: 'closed', digest: 'aa', outcome: 'expired', signatures: [], signers: [] } as const;
    expect(codeOf(() => encodeLeaf(closed))).toBe('bad-leaf');
    expect(codeOf(() => encodeLeaf({ ...records[0], extra: 1 } as unknown as LogRecord))).toBe('bad-leaf');
  });

  it('names every blob that must be beside it', () => {
    const named = records.flatMap((record) => blobsOf(record).map(() => record.type));
    expect(named).toEqual(['charter', 'group', 'group', 'group-document', 'round-document', 'evidence']);
  });
});

describe('a signed message in a record', () => {
  it('lies in the leaf when it is short, and beside it when it is long', () => {
    const short = keep(shortMessage);
    expect(short).toEqual({ kept: { here: shortMessage }, blob: undefined });
    const long = keep(longMessage);
    expect(long.kept).toEqual({ sha256: sha256Hex(long.blob!), size: long.blob!.length });
    expect(Buffer.from(long.blob!).equals(encodeCanonicalJson(longMessage))).toBe(true);
  });

  it('comes back from either', () => {
    for (const message of [shortMessage, longMessage]) {
      const { kept, blob } = keep(message);
      expect(openKept(kept, () => blob)).toEqual(message);
    }
  });

  it('has one place: a long one in the leaf and a short one beside it are refused', () => {
    const round = { type: 'round', digest: 'aa'.repeat(32), charter: 'c4'.repeat(32) } as const;
    const short = refOf(encodeCanonicalJson(shortMessage));
    expect(codeOf(() => encodeLeaf({ ...round, request: { here: longMessage } }))).toBe('bad-leaf');
    expect(codeOf(() => encodeLeaf({ ...round, request: short }))).toBe('bad-leaf');
    expect(codeOf(() => encodeLeaf({ ...round, request: { sha256: short.sha256, size: maxInlineBytes } }))).toBe(
      'bad-leaf',
    );
    encodeLeaf({ ...round, request: { sha256: short.sha256, size: maxInlineBytes + 1 } });
  });

  it('fits into its leaf at the bound', () => {
    const empty = encodeCanonicalJson({ ...shortMessage, payload: '' }).length;
    const payload = 'A'.repeat(Math.floor((maxInlineBytes - empty) / 4) * 4);
    const { kept } = keep({ ...shortMessage, payload });
    expect('here' in kept).toBe(true);
    const record: LogRecord = { type: 'round', digest: 'aa'.repeat(32), charter: 'c4'.repeat(32), request: kept };
    expect(decodeLeaf(encodeLeaf(record))).toEqual(record);
  });

  it('is refused when its bytes are gone, changed, cut or no JSON (T27)', () => {
    const { kept, blob } = keep(longMessage);
    for (const bytes of [undefined, flipped(blob!, 100), blob!.slice(1), new Uint8Array()])
      expect(codeOf(() => openKept(kept, () => bytes))).toBe('bad-leaf');
    const noise = new Uint8Array(maxInlineBytes + 1);
    expect(codeOf(() => openKept(refOf(noise), () => noise))).toBe('bad-leaf');
    expect(codeOf(() => openBlob(refOf(noise), () => undefined))).toBe('bad-leaf');
    expect(openBlob(refOf(noise), () => noise)).toBe(noise);
  });
});
