/**
 * What a member must never forget of the successions out of one epoch. Its ceremonies exclude each other as those that make a key do (T35),
 * whichever document they are of; `live` is the one switch from the old epoch to the new.
 */
import {
  contradictionOf,
  emptyCeremonyMemory,
  isCeremonyRecord,
  remembered,
  type CeremonyMemory,
  type CeremonyRecord,
} from '../ceremony/memory.ts';

/** One step that must not be forgotten: on disk and synced before anybody hears of it. `from` is the epoch that ends. */
export type SuccessionRecord =
  /** This member takes part in the succession of that number, and in no lower one and no other of that number any more. */
  | { readonly type: 'succession-entered'; readonly from: string; readonly number: number; readonly succession: string }
  /** Hellos are counted, so that everybody agrees which is the newest. */
  | { readonly type: 'succession-hello'; readonly from: string; readonly serial: number }
  | { readonly type: 'succession-step'; readonly from: string; readonly step: CeremonyRecord }
  /** Nothing is answered under the old epoch from here on. */
  | {
      readonly type: 'live';
      readonly from: string;
      readonly epoch: string;
      readonly genesis: string;
      readonly number: number;
    }
  /** The old share may be overwritten. */
  | { readonly type: 'retired'; readonly from: string }
  /** The old share is overwritten. */
  | { readonly type: 'erased'; readonly from: string };

/** The epoch that a succession led to. */
export type LiveEpoch = Pick<Extract<SuccessionRecord, { type: 'live' }>, 'epoch' | 'genesis' | 'number'>;

/** What the records of one `from` come to. */
export interface SuccessionMemory {
  /** The newest succession that was taken part in. */
  readonly entered: { readonly number: number; readonly succession: string } | undefined;
  /** Of the last hello; 0 before there was one. */
  readonly serial: number;
  readonly ceremonies: CeremonyMemory;
  readonly live: LiveEpoch | undefined;
  readonly isRetired: boolean;
  readonly isErased: boolean;
}

/** What a member remembers of an epoch that nobody ended yet. */
export const emptySuccessionMemory: SuccessionMemory = {
  entered: undefined,
  serial: 0,
  ceremonies: emptyCeremonyMemory,
  live: undefined,
  isRetired: false,
  isErased: false,
};

/** Why a record must not be written, in words; `undefined` when it may be. */
export function successionContradiction(memory: SuccessionMemory, record: SuccessionRecord): string | undefined {
  const { entered, live } = memory;
  switch (record.type) {
    case 'succession-entered':
      return live === undefined ? higherThan(entered, record) : 'the epoch has ended';
    case 'succession-hello':
      return record.serial > memory.serial ? undefined : 'a later hello was said';
    case 'succession-step':
      if (!isCeremonyRecord(record.step)) return 'it is no step of a ceremony';
      return contradictionOf(memory.ceremonies, record.step);
    case 'live':
      return live === undefined || live.epoch === record.epoch ? undefined : `the epoch ${live.epoch} is live`;
    case 'retired':
      return live === undefined ? 'no epoch after it is live' : undefined;
    case 'erased':
      return memory.isRetired ? undefined : 'it is not retired';
  }
}

/** Why this succession must not be entered, in words: a higher one was, or another of the same number. */
export function higherThan(
  entered: SuccessionMemory['entered'],
  { number, succession }: { readonly number: number; readonly succession: string },
): string | undefined {
  if (entered === undefined || number > entered.number) return undefined;
  if (number < entered.number) return `this member takes part in succession ${entered.number} already`;
  return succession === entered.succession ? undefined : `there are two successions of the number ${number}`;
}

/** The memory with one more record, which contradicts nothing. */
export function successionRemembered(memory: SuccessionMemory, record: SuccessionRecord): SuccessionMemory {
  switch (record.type) {
    case 'succession-entered':
      return { ...memory, entered: { number: record.number, succession: record.succession } };
    case 'succession-hello':
      return { ...memory, serial: record.serial };
    case 'succession-step':
      return { ...memory, ceremonies: remembered(memory.ceremonies, record.step) };
    case 'live':
      return { ...memory, live: { epoch: record.epoch, genesis: record.genesis, number: record.number } };
    case 'retired':
      return { ...memory, isRetired: true };
    case 'erased':
      return { ...memory, isErased: true };
  }
}

/** Whether this member still signs under the epoch: until the next one is live on its disk, and never after. */
export function mayAnswer({ live }: SuccessionMemory): boolean {
  return live === undefined;
}
