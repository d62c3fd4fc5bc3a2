/**
 * What a member must never forget of its ceremonies, and what that excludes: no two keys of one charter ever get shares (T35).
 *
 * One ceremony at a time. `left` and `stored` of one ceremony exclude each other; who said `stored` only parts from it, and may come back; who
 * gave a signature share under a key stays with it for ever, and gives none under a key after which it said `stored` for another.
 */
import type { CeremonyPayload } from './messages.ts';
import type { Transcript } from './transcript.ts';

/** One step that must not be forgotten: on disk and synced before anybody hears of it. */
export type CeremonyRecord =
  | { readonly type: 'ceremony-joined'; readonly ceremony: string }
  /** This member will never say `stored` for it; the words, so that they can be said again. */
  | { readonly type: 'ceremony-left'; readonly ceremony: string; readonly leave: CeremonyPayload<'leave'> }
  /** The share of this transcript is on disk; with the proofs the signature can be said again word for word. */
  | {
      readonly type: 'ceremony-signed';
      readonly ceremony: string;
      readonly transcript: Transcript;
      readonly proofs: CeremonyPayload<'transcript'>['proofs'];
    }
  /** A certificate of it is on disk. */
  | { readonly type: 'ceremony-stored'; readonly ceremony: string }
  /** Left after `stored` was said: nothing is signed, so that nobody honest ever says both. */
  | { readonly type: 'ceremony-parted'; readonly ceremony: string }
  /** All n `stored` were shown; `isLive`: its genesis, too. */
  | { readonly type: 'ceremony-returned'; readonly ceremony: string; readonly isLive: boolean }
  /** A signature share under its key was computed. */
  | { readonly type: 'ceremony-given'; readonly ceremony: string };

const recordTypes: Readonly<Record<CeremonyRecord['type'], true>> = {
  'ceremony-joined': true,
  'ceremony-left': true,
  'ceremony-signed': true,
  'ceremony-stored': true,
  'ceremony-parted': true,
  'ceremony-returned': true,
  'ceremony-given': true,
};

/** Whether a record of a journal is of a ceremony, by its type. */
export function isCeremonyRecord(record: { readonly type: string }): record is CeremonyRecord {
  return Object.hasOwn(recordTypes, record.type);
}

/** A transcript that this member signed, with the proofs of its shares. */
export type SignedTranscript = Pick<
  Extract<CeremonyRecord, { type: 'ceremony-signed' }>,
  'ceremony' | 'transcript' | 'proofs'
>;

/** What the records come to. Ceremonies by their ids, hex. */
export interface CeremonyMemory {
  /** The one ceremony that this member is in. */
  readonly current: string | undefined;
  readonly joined: ReadonlySet<string>;
  readonly left: ReadonlyMap<string, CeremonyPayload<'leave'>>;
  readonly signed: ReadonlyMap<string, SignedTranscript>;
  /** In the order in which `stored` was said. */
  readonly stored: readonly string[];
  /** Left after `stored`, and not come back to. */
  readonly parted: ReadonlySet<string>;
  /** Come back to with a genesis that verified. */
  readonly live: ReadonlySet<string>;
  /** The key that this member gave a signature share under. */
  readonly given: string | undefined;
}

/** What a new home remembers. */
export const emptyCeremonyMemory: CeremonyMemory = {
  current: undefined,
  joined: new Set(),
  left: new Map(),
  signed: new Map(),
  stored: [],
  parted: new Set(),
  live: new Set(),
  given: undefined,
};

/** Why a record must not be written, in words; `undefined` when it may be. */
export function contradictionOf(memory: CeremonyMemory, record: CeremonyRecord): string | undefined {
  const { ceremony } = record;
  switch (record.type) {
    case 'ceremony-joined':
      if (memory.joined.has(ceremony)) return 'it was joined before';
      return memory.current === undefined ? undefined : `this member is in the ceremony ${memory.current}`;
    case 'ceremony-left':
      if (memory.stored.includes(ceremony)) return 'this member said that it stored its certificate';
      return elsewhere(memory, ceremony);
    case 'ceremony-signed':
      return elsewhere(memory, ceremony);
    case 'ceremony-stored':
      if (!memory.signed.has(ceremony)) return 'its transcript is not signed';
      return elsewhere(memory, ceremony);
    case 'ceremony-parted':
      if (!memory.stored.includes(ceremony)) return 'its certificate is not stored: it is left, not parted from';
      if (memory.given === ceremony || memory.live.has(ceremony)) return 'its key is in use';
      return elsewhere(memory, ceremony);
    case 'ceremony-returned':
      if (memory.current !== undefined) return `this member is in the ceremony ${memory.current}`;
      return mayReturn(memory, ceremony, record.isLive) ? undefined : 'another certificate was stored after it';
    case 'ceremony-given':
      return mayGive(memory, ceremony) ? undefined : 'another certificate was stored after it, or it was left';
  }
}

function elsewhere(memory: CeremonyMemory, ceremony: string): string | undefined {
  return memory.current === ceremony ? undefined : 'this member is not in it';
}

/** Whether a signature share may be given under this key: `stored` was said for none after it, or its genesis shows that it is the one. */
export function mayGive(memory: CeremonyMemory, ceremony: string): boolean {
  if (memory.current !== ceremony || !memory.stored.includes(ceremony)) return false;
  return memory.stored.at(-1) === ceremony || memory.live.has(ceremony);
}

/** Whether all n `stored` of a ceremony that was parted from bring this member back to it. */
export function mayReturn(memory: CeremonyMemory, ceremony: string, isLive: boolean): boolean {
  const { current } = memory;
  const isBound = memory.given !== undefined || (current !== undefined && memory.live.has(current));
  if (isBound || !memory.parted.has(ceremony)) return false;
  return memory.stored.at(-1) === ceremony || isLive;
}

/** The memory with one more record, which contradicts nothing. */
export function remembered(memory: CeremonyMemory, record: CeremonyRecord): CeremonyMemory {
  const { ceremony } = record;
  switch (record.type) {
    case 'ceremony-joined':
      return { ...memory, current: ceremony, joined: new Set(memory.joined).add(ceremony) };
    case 'ceremony-left':
      return { ...memory, current: undefined, left: new Map(memory.left).set(ceremony, record.leave) };
    case 'ceremony-signed':
      return { ...memory, signed: new Map(memory.signed).set(ceremony, record) };
    case 'ceremony-stored':
      return { ...memory, stored: [...memory.stored, ceremony] };
    case 'ceremony-parted':
      return { ...memory, current: undefined, parted: new Set(memory.parted).add(ceremony) };
    case 'ceremony-returned': {
      const parted = new Set(memory.parted);
      parted.delete(ceremony);
      const live = record.isLive ? new Set(memory.live).add(ceremony) : memory.live;
      return { ...memory, current: ceremony, parted, live };
    }
    case 'ceremony-given':
      return { ...memory, given: ceremony };
  }
}

/** How a ceremony is gone from: before the own `stored` by a signed `leave`, after it in silence. `undefined` when its key is in use. */
export function departure(
  memory: CeremonyMemory,
  leave: CeremonyPayload<'leave'>,
): Extract<CeremonyRecord, { type: 'ceremony-left' | 'ceremony-parted' }> | undefined {
  const { ceremony } = leave;
  if (!memory.stored.includes(ceremony)) return { type: 'ceremony-left', ceremony, leave };
  if (memory.given === ceremony || memory.live.has(ceremony)) return undefined;
  return { type: 'ceremony-parted', ceremony };
}
