/** Where an entry of an index is in the embedded database. */
import type { Level } from 'level';
import type { LostEntry } from './store-machine.ts';

/** Keys that hold it, among all that there are. */
export function keysOfEntry(log: string, entry: LostEntry, all: Iterable<string>): string[] {
  const at = `l${log}i`;
  const number = (index: number): string => index.toString(16).padStart(12, '0');
  switch (entry.of) {
    case 'pending':
      return [`${at}p${entry.digest}`];
    case 'journals':
      return [...all].filter((key) => key.startsWith(`${at}j${entry.member}.`));
    case 'group':
      return [`${at}g${number(entry.index)}`];
    case 'rounds':
      return [`${at}r${entry.digest}`];
    case 'order':
      return [`${at}o${number(entry.index)}`];
    case 'records of a round':
      return [`${at}m${entry.digest}${number(entry.index)}`];
  }
}

/** Every key of a level database. */
export async function keysIn(level: Level<string, Buffer>): Promise<string[]> {
  return level.keys().all();
}
