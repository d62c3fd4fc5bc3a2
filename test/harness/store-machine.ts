/**
 * What the suite of the store asks of a database and of the machine that it is on, so that every implementation is judged alike: PostgreSQL's will
 * stand here beside the embedded one. The anchor is always on a simulated disk, which loses power with the machine.
 */
import type { GroupLog } from '../../coordinator/group-log.ts';
import type { Store, StoreOptions } from '../../coordinator/store.ts';
import type { Aftermath, SimulatedDisk } from '../home/simulated-disk.ts';

/** An entry of an index that is lost, by what it is for. */
export type LostEntry =
  | { readonly of: 'pending'; readonly digest: string }
  | { readonly of: 'journals'; readonly member: string }
  | { readonly of: 'group'; readonly index: number }
  | { readonly of: 'rounds'; readonly digest: string }
  | { readonly of: 'order'; readonly index: number }
  | { readonly of: 'records of a round'; readonly digest: string; readonly index: number };

/** How a write of the database fails. */
export interface WriteFault {
  /** Counted from the machine's first write; 1 is the first. */
  readonly write: number;
  /** After it was done instead of before. */
  readonly after: boolean;
  /** The failure; a crash of the process if left out, after which the machine does nothing more. */
  readonly error?: Error;
}

/** A machine with a store on it. Everything on it is gone with the test. */
export interface StoreMachine {
  readonly disk: SimulatedDisk;
  /** Writes of the database so far: each is a place to fail at. */
  readonly writes: number;
  /** Starts the store, which is closed by whoever starts it. Throws what `openStoreOn` throws. */
  start(options?: Partial<StoreOptions>): Promise<Store>;
  failAt(fault: WriteFault): void;
  /** The machine after a crash, while the store is open. */
  after(aftermath: Aftermath): Promise<StoreMachine>;
  /** Puts the database of another machine, whose store is closed, in place of its own; the anchor stays. */
  putBack(other: StoreMachine): Promise<void>;
  /** Takes an entry out of an index while the store is closed. */
  lose(log: GroupLog, entry: LostEntry): Promise<void>;
}

/** Something that happens to a file of a closed database. */
export interface FileFault {
  readonly what: string;
  /** Does it, and answers how often it can be done in another place. */
  readonly places: number;
  readonly apply: (machine: StoreMachine, place: number) => Promise<void>;
  /** What may come of it. */
  readonly outcomes: readonly FaultOutcome[];
}

/** What came of damage: `refused` at the start, `found` by a read or a check, `ended` with the process, by the database itself. */
export type FaultOutcome = 'refused' | 'found' | 'ended' | 'harmless';

/** What a start on a damaged database, a read of all and a check came to, in a process of its own. */
export type Examined =
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  | {
      readonly kind: 'opened';
      /** As JSON has them, or why one is not shown. */
      readonly records: readonly ({ readonly record: unknown } | { readonly refused: string })[];
      readonly problems: readonly string[];
    }
  /** The database ended the process, and nothing was shown. */
  | { readonly kind: 'ended' };

/** A database that the suite judges. */
export interface StoreImplementation {
  readonly name: string;
  /** A machine with an empty store, before its first start; `lost` are charters that an earlier store may have had. */
  begin(lost?: readonly string[]): Promise<StoreMachine>;
  /** What can be found after a crash of its machine. */
  readonly aftermaths: readonly Aftermath[];
  /** Of one that has files; none of one that has not. */
  readonly files: readonly FileFault[];
  /** Looks at these machines, whose stores are closed and damaged, from outside. */
  examine(damaged: readonly StoreMachine[]): Promise<readonly Examined[]>;
}
