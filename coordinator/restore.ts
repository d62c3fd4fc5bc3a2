/** What the store holds at a start, sorted by who takes it back: groups and ceremonies, journal heads, rounds. */
import { openRequest } from '../protocol/request/request.ts';
import type { Envelope } from '../protocol/wire/envelope.ts';
import type { Outcome } from '../protocol/wire/frames.ts';
import type { Ceremonies } from './ceremonies.ts';
import { CoordinatorError } from './errors.ts';
import type { Groups } from './groups.ts';
import type { Journals } from './journals.ts';
import type { Log } from './log.ts';
import type { Rounds } from './rounds.ts';
import type { StoreRecord } from './chain.ts';
import type { Store } from './store.ts';

interface Parts {
  readonly store: Store;
  readonly groups: Groups;
  readonly ceremonies: Ceremonies;
  readonly journals: Journals;
  readonly rounds: Rounds;
  readonly log: Log;
}

type GroupRecord = Extract<StoreRecord, { type: 'group' | 'group-document' | 'ceremony' }>;

/** Filled while the store opens, then given back. */
export class Found {
  readonly #ofGroups: GroupRecord[] = [];
  readonly #journals: Extract<StoreRecord, { type: 'journal' }>[] = [];
  readonly #rounds = new Map<string, { readonly charter: string; readonly sequences: number[]; outcome: Outcome }>();

  add(record: StoreRecord, sequence: number): void {
    switch (record.type) {
      case 'group':
      case 'group-document':
      case 'ceremony':
        this.#ofGroups.push(record);
        break;
      case 'journal':
        this.#journals.push(record);
        break;
      case 'round':
        this.#rounds.set(record.digest, { charter: record.charter, sequences: [sequence], outcome: 'pending' });
        break;
      case 'round-document':
      case 'decision':
      case 'evidence':
        this.#rounds.get(record.digest)?.sequences.push(sequence);
        break;
      case 'closed': {
        const round = this.#rounds.get(record.digest);
        if (round?.outcome === 'pending') round.outcome = record.outcome;
        round?.sequences.push(sequence);
        break;
      }
    }
  }

  /** Gives everything back to its owner. What belongs to a charter that is admitted no more stays in the store, unused. */
  async restore(parts: Parts): Promise<void> {
    for (const record of this.#ofGroups) await this.#restoreGroup(record, parts);
    for (const { charter, member, journal } of this.#journals) parts.journals.restore(charter, member, journal);
    for (const { sequences, outcome } of this.#rounds.values()) {
      const envelope = await requestAt(parts.store, sequences[0] ?? 0);
      const group = parts.groups.ofKey(openRequest(envelope).payload.groupKey);
      if (group === undefined) continue;
      await parts.rounds.restore(group, envelope, sequences, outcome);
    }
    parts.log('info', 'restored', { count: this.#rounds.size });
  }

  async #restoreGroup(record: GroupRecord, { groups, ceremonies, store, log }: Parts): Promise<void> {
    try {
      if (record.type === 'ceremony') ceremonies.restore(await groups.charter(record.charter), record.message);
      else await groups.restore(record, (hash) => store.blob(hash));
    } catch (error) {
      if (!(error instanceof CoordinatorError) || error.code !== 'not-found') throw error;
      log('warn', 'charter-not-admitted', { code: error.code });
    }
  }
}

async function requestAt(store: Store, sequence: number): Promise<Envelope> {
  const record = await store.record(sequence);
  if (record.type !== 'round') throw new CoordinatorError('store-damaged', `record ${sequence} is not a request`);
  return record.request;
}
