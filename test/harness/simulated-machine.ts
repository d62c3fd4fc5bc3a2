/** The embedded database's layout on a database in memory, which loses power at any write. */
import { expect } from 'vitest';
import { aftermaths } from '../home/simulated-disk.ts';
import { keysOfEntry } from './level-layout.ts';
import { newMachine, startedOn } from './record-store.ts';
import type { SimulatedDatabase } from './simulated-database.ts';
import type { LostEntry, StoreImplementation, StoreMachine, WriteFault } from './store-machine.ts';

class SimulatedMachine implements StoreMachine {
  disk: StoreMachine['disk'];
  database: SimulatedDatabase;

  constructor({ disk, database }: Pick<SimulatedMachine, 'disk' | 'database'>) {
    this.disk = disk;
    this.database = database;
  }

  get writes(): number {
    return this.database.writes;
  }

  start(options = {}): ReturnType<StoreMachine['start']> {
    return startedOn(this, options);
  }

  failAt({ write, after, error }: WriteFault): void {
    Object.assign(this.database, { crashAt: write, after, failure: error });
  }

  after(aftermath: Parameters<StoreMachine['after']>[0]): Promise<SimulatedMachine> {
    return Promise.resolve(
      new SimulatedMachine({ disk: this.disk.after(aftermath), database: this.database.afterwards(aftermath) }),
    );
  }

  putBack(other: StoreMachine): Promise<void> {
    if (!(other instanceof SimulatedMachine)) throw new Error('the machine of another database');
    this.database = other.database.afterwards('everything');
    return Promise.resolve();
  }

  lose({ name }: Parameters<StoreMachine['lose']>[0], entry: LostEntry): Promise<void> {
    this.database.tamper((entries) => {
      const keys = keysOfEntry(name.log, entry, entries.keys());
      expect(keys.filter((key) => entries.delete(key)).length).toBeGreaterThan(0);
    });
    return Promise.resolve();
  }
}

/** In memory. */
export const simulatedStore: StoreImplementation = {
  name: 'a database in memory',
  begin: async (lost = []) => new SimulatedMachine(await newMachine(lost)),
  aftermaths,
  files: [],
  examine: () => Promise.resolve([]),
};
