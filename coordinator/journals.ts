/** The newest journal head of every member: one that goes back is a restored or copied home, and refused aloud (T3). */
import type { Member } from '../protocol/files/charter.ts';
import { ProtocolError } from '../protocol/errors.ts';
import type { JournalHead } from '../protocol/wire/frames.ts';
import { maxIncarnations, maxRecentHeads, overtakenMs } from './limits.ts';

interface Known {
  /** The newest head of each incarnation, in the order in which they were first seen. */
  readonly incarnations: Map<string, JournalHead>;
  /** Heads that were replaced lately, and when. */
  recent: readonly { readonly journal: JournalHead; readonly replacedAtMs: number }[];
}

/** A head that a member offers. */
export interface OfferedHead {
  /** Hash of the charter that founded the member's group. */
  readonly root: string;
  readonly member: Member;
  readonly journal: JournalHead;
  readonly isConnected: boolean;
}

/** What a head means: nothing new, the journal went on, or a restore began a new one. */
export type Move = 'same' | 'moved' | 'restored';

/** The newest head of every member and incarnation, in memory; whoever asks remembers and stores what moved. */
export class Journals {
  readonly #nowMs: () => number;
  /** By the group's founding charter and identity key: a home is one through all epochs. */
  readonly #known = new Map<string, Known>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /**
   * Compares a member's head with what is known; one that moved is then remembered, by whoever asked. With `isConnected`, a login that a frame of the
   * same daemon overtook on another connection is none the worse. Throws `ProtocolError('rolled-back')`.
   */
  judge({ root, member, journal, isConnected }: OfferedHead): Move {
    const known = this.#knownOf(root, member.key);
    const newest = [...known.incarnations.values()].at(-1);
    const same = known.incarnations.get(journal.incarnation);
    if (same === undefined) return newest === undefined ? 'moved' : 'restored';
    if (same !== newest) throw rolledBack(member, 'its journal is that of a home which was restored elsewhere since');
    if (isSame(same, journal)) return 'same';
    if (isConnected && this.#isOvertaken(known, journal)) return 'same';
    if (journal.length < same.length)
      throw rolledBack(member, `its journal has ${journal.length} records and had ${same.length}`);
    if (journal.length === same.length) throw rolledBack(member, 'its journal has another last record than before');
    return 'moved';
  }

  /** Takes in a head of a member, by its identity key. */
  remember(root: string, member: string, journal: JournalHead): void {
    this.#remember(this.#knownOf(root, member), journal);
  }

  #knownOf(root: string, member: string): Known {
    const key = `${root} ${member}`;
    const known = this.#known.get(key) ?? { incarnations: new Map<string, JournalHead>(), recent: [] };
    this.#known.set(key, known);
    return known;
  }

  #remember(known: Known, journal: JournalHead): void {
    const replaced = known.incarnations.get(journal.incarnation);
    if (replaced !== undefined)
      known.recent = [...known.recent, { journal: replaced, replacedAtMs: this.#nowMs() }].slice(-maxRecentHeads);
    known.incarnations.set(journal.incarnation, journal);
    const [oldest] = known.incarnations.keys();
    if (known.incarnations.size > maxIncarnations && oldest !== undefined) known.incarnations.delete(oldest);
  }

  #isOvertaken(known: Known, journal: JournalHead): boolean {
    return known.recent.some(
      (head) => isSame(head.journal, journal) && this.#nowMs() - head.replacedAtMs < overtakenMs,
    );
  }
}

function isSame(a: JournalHead, b: JournalHead): boolean {
  return a.incarnation === b.incarnation && a.length === b.length && a.head === b.head;
}

function rolledBack(member: Member, found: string): ProtocolError {
  return new ProtocolError(
    'rolled-back',
    `${member.name} went back: ${found}; stop every copy of this home but the newest, or restore the member from its backup`,
    { culprits: [member.name] },
  );
}
