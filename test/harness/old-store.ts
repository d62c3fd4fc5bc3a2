/** A store of the old form, as frostmark 0.1 wrote it: one hash chain over everything, and an anchor of two slots. */
import { Level } from 'level';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import type { StorePaths } from '../../coordinator/database.ts';
import type { OldHead, OldRecord } from '../../coordinator/old-chain.ts';
import { sha256Hex } from '../../protocol/wire/bytes.ts';

/** Writes one with these records and bytes; answers its head. */
export async function writeOldStore(
  paths: StorePaths,
  records: readonly OldRecord[],
  blobs: readonly Uint8Array[] = [],
): Promise<OldHead> {
  const level = new Level<string, Buffer>(paths.database, { valueEncoding: 'buffer' });
  let hash = '00'.repeat(32);
  for (const [index, record] of records.entries()) {
    const key = `e${(index + 1).toString(16).padStart(16, '0')}`;
    const bytes = Buffer.from(JSON.stringify(record));
    const chained = createHash('sha256')
      .update('frostmark store record\0')
      .update(hash, 'hex')
      .update(key)
      .update(bytes);
    hash = chained.digest('hex');
    await level.put(key, bytes);
  }
  for (const bytes of blobs) await level.put(`b${sha256Hex(bytes)}`, Buffer.from(bytes));
  await level.put('head', Buffer.from(JSON.stringify([records.length, hash])));
  await level.close();
  await writeFile(paths.anchor, Buffer.concat([slot(records.length, hash), slot(0, '00'.repeat(32))]));
  return { sequence: records.length, hash };
}

function slot(sequence: number, hash: string): Buffer {
  const digits = sequence.toString(16).padStart(16, '0');
  const sum = createHash('sha256').update(`frostmark store anchor\0${digits} ${hash}`).digest('hex');
  return Buffer.from(`${digits} ${hash} ${sum.slice(0, 8)}\n`.padEnd(512, ' '));
}
