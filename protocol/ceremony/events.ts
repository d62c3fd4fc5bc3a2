/** What a ceremony's machine is made of: what never changes, its phases, what happens to it, and what it does about it. */
import type { ProtocolError } from '../errors.ts';
import type { Charter, Member } from '../files/charter.ts';
import type { Group } from '../frost/group.ts';
import type { Envelope } from '../wire/envelope.ts';
import type { Certificate } from './certificate.ts';
import { foundingCast, type Cast } from './cast.ts';
import type { PublicDealing, SharingPlace } from './dealing.ts';
import type { Import } from './import.ts';
import { emptyInbox, type Inbox } from './inbox.ts';
import { judgeViews, type CeremonyView, type Deed } from './judge.ts';
import { emptyCeremonyMemory, remembered, type CeremonyMemory, type CeremonyRecord } from './memory.ts';
import type { CeremonyKind, CeremonyMessage, CeremonyPayload } from './messages.ts';
import type { Transcript } from './transcript.ts';

/** What never changes while one `join` runs. */
export interface CeremonyContext {
  readonly charter: Charter;
  /** SHA-256 of the requesters payload, hex. */
  readonly requesters: string;
  /** The production key comes from here instead of from the members. */
  readonly imported: Import | undefined;
  readonly self: Member;
  readonly arithmetic: Group;
}

/** What the steps from the hash commitments to `stored` need to know of the ceremony that they are of. */
export interface StepContext {
  readonly arithmetic: Group;
  readonly self: Member;
  readonly cast: Cast;
  /** What a view proves, by the judge that outsiders use. */
  judge(view: CeremonyView): readonly Deed[];
}

/** A ceremony that makes a key, as its steps see it. */
export function stepContextOf({ charter, requesters, imported, self, arithmetic }: CeremonyContext): StepContext {
  const origin = imported === undefined ? 'generated' : 'imported';
  return {
    arithmetic,
    self,
    cast: foundingCast({ charter, requesters, origin, imported }),
    judge: (view) => judgeViews(arithmetic, charter, [view]),
  };
}

/** How far this member is; from `commit` to `stored` it waits for the messages of that name. Ceremonies by their ids, hex. */
export type CeremonyPhase =
  /** Waiting for a hello of every member. */
  | { readonly kind: 'hello' }
  /** The vault makes this ceremony's secrets. */
  | { readonly kind: 'dealing'; readonly ceremony: string }
  | { readonly kind: 'commit'; readonly ceremony: string; readonly own: CeremonyPayload<'reveal'> }
  | { readonly kind: 'reveal'; readonly ceremony: string }
  /** The vault seals one box for each receiver. */
  | {
      readonly kind: 'sealing';
      readonly ceremony: string;
      readonly dealings: ReadonlyMap<string, readonly PublicDealing[]>;
      /** Without its messages, of which the boxes are still to come. */
      readonly draft: Transcript;
    }
  | {
      readonly kind: 'boxes';
      readonly ceremony: string;
      readonly dealings: ReadonlyMap<string, readonly PublicDealing[]>;
      readonly draft: Transcript;
    }
  /** The vault opens boxes, checks and stores the share, and proves it. */
  | { readonly kind: 'storing'; readonly ceremony: string; readonly transcript: Transcript }
  /** The own transcript signature is out. */
  | { readonly kind: 'transcript'; readonly ceremony: string; readonly transcript: Transcript }
  /** The certificate is being stored. */
  | { readonly kind: 'certifying'; readonly ceremony: string; readonly certificate: Certificate }
  /** The own `stored` is out. */
  | { readonly kind: 'stored'; readonly ceremony: string; readonly certificate: Certificate }
  /** Every member's `stored` is here: a candidate, which lives when its genesis verifies. */
  | { readonly kind: 'done'; readonly ceremony: string; readonly certificate: Certificate }
  | { readonly kind: 'failed'; readonly error: ProtocolError };

/** All that the machine knows: public values only. */
export interface CeremonyState {
  /** Own nonce, hex. */
  readonly nonce: string;
  readonly memory: CeremonyMemory;
  /** Certificates on this member's disk, by ceremony. */
  readonly held: ReadonlyMap<string, Certificate>;
  /** Ceremonies whose genesis was seen to verify. */
  readonly live: ReadonlySet<string>;
  /** Nonces of each member's hellos that a newer one replaced: said again, they count no more. */
  readonly superseded: ReadonlyMap<string, readonly string[]>;
  /** Ceremonies that this run entered. */
  readonly begun: number;
  readonly inbox: Inbox;
  readonly phase: CeremonyPhase;
}

/** What happens to a member; an answer to an effect names the ceremony that it was for, and counts in that one alone. */
export type CeremonyEvent =
  /** Begins, or goes on where the memory says that an earlier run stopped. */
  | {
      readonly kind: 'start';
      /** Fresh, 32 bytes, hex. */
      readonly nonce: string;
      readonly memory: CeremonyMemory;
      /** Certificates of this charter on disk, by ceremony; of the current one if `stored` was said for it. */
      readonly held: ReadonlyMap<string, Certificate>;
      /** Every member's `stored` of the current ceremony is on disk. */
      readonly isCandidate: boolean;
    }
  | { readonly kind: 'message'; readonly message: CeremonyMessage }
  /** The genesis of this ceremony's key verifies. */
  | { readonly kind: 'genesis'; readonly ceremony: string }
  /** All n `stored` of a ceremony that this home knows nothing of verify: they hold a share that this home lost. */
  | { readonly kind: 'foreign-key'; readonly ceremony: string }
  | {
      readonly kind: 'dealt';
      readonly ceremony: string;
      readonly reveal: CeremonyPayload<'reveal'>;
      readonly revealHash: string;
    }
  | { readonly kind: 'sealed'; readonly ceremony: string; readonly boxes: CeremonyPayload<'boxes'>['boxes'] }
  | {
      readonly kind: 'share-stored';
      readonly ceremony: string;
      readonly proofs: CeremonyPayload<'transcript'>['proofs'];
    }
  /** A box did not open, or a share in it was wrong: suspicion, never proof. */
  | {
      readonly kind: 'box-refused';
      readonly ceremony: string;
      /** Identity key of its sender. */ readonly from: string;
    }
  | { readonly kind: 'certificate-stored'; readonly ceremony: string };

/** A box that was sealed for this member, and what must be in it. */
export interface BoxToOpen {
  readonly from: Member;
  readonly box: Uint8Array;
  /** What the box must hold, in charter order: the sender's dealings of sharings that both hold. */
  readonly dealings: readonly PublicDealing[];
}

/** A hello under other files than this member's. It may be the last word of a run that is over, so it ends nothing: its member comes back with the right ones. */
export interface StrangeHello {
  /** The member's name. */
  readonly from: string;
  readonly file: 'charter' | 'requesters' | 'import';
  /** SHA-256 of the charter or import file, hex; of requesters there is none that a file has. `null` without a file. */
  readonly theirs: string | null;
  readonly ours: string | null;
}

/** What the driver does, in this order, each finished before the next. */
export type CeremonyEffect =
  | {
      readonly kind: 'send';
      readonly message: {
        [K in CeremonyKind]: { readonly kind: K; readonly payload: CeremonyPayload<K> };
      }[CeremonyKind];
    }
  /** Stored and synced before the effects after it. */
  | { readonly kind: 'record'; readonly entry: CeremonyRecord }
  | { readonly kind: 'deal'; readonly ceremony: string }
  | {
      readonly kind: 'seal';
      readonly ceremony: string;
      readonly receivers: readonly {
        readonly to: Member;
        readonly key: Uint8Array;
        readonly places: readonly SharingPlace[];
      }[];
    }
  | {
      readonly kind: 'open-and-store';
      readonly ceremony: string;
      readonly transcript: Transcript;
      readonly boxes: readonly BoxToOpen[];
    }
  | { readonly kind: 'store-certificate'; readonly ceremony: string; readonly certificate: Certificate }
  /** Takes the share of a ceremony that was parted from out of its file again. */
  | { readonly kind: 'load-share'; readonly transcript: Transcript }
  /** Forget this ceremony's secrets; a stored share stays. */
  | { readonly kind: 'wipe'; readonly ceremony: string }
  /** Whom the step waits for, but not this member; and of the first step whose hello is of other files. */
  | {
      readonly kind: 'progress';
      readonly waitingFor: readonly string[];
      readonly step: CeremonyKind;
      readonly strange: readonly StrangeHello[];
    }
  | { readonly kind: 'done'; readonly certificate: Certificate; readonly stored: readonly Envelope[] }
  /** Somebody says hello who should know that there is a key: show certificate and `stored`s to everybody. */
  | { readonly kind: 'show'; readonly certificate: Certificate }
  /** Somebody lied, and the ceremony goes on: keep the proof. */
  | { readonly kind: 'evidence'; readonly view: CeremonyView }
  /** The run ends; `view` is all that was said in the ceremony, for a judge who has other members' views as well. */
  | {
      readonly kind: 'failed';
      readonly error: ProtocolError;
      readonly view: CeremonyView | undefined;
      /** Whom this member, or whoever left, holds to be the cause; `isProved` only if the judge does. */
      readonly blamed: readonly Member[];
      readonly isProved: boolean;
    };

/** What came of an event. */
export interface CeremonyStep {
  readonly state: CeremonyState;
  readonly effects: readonly CeremonyEffect[];
}

/** What the machine is before the `start` event, which brings the nonce. */
export const ceremonyStart: CeremonyState = {
  nonce: '',
  memory: emptyCeremonyMemory,
  held: new Map(),
  live: new Set(),
  superseded: new Map(),
  begun: 0,
  inbox: emptyInbox,
  phase: { kind: 'hello' },
};

/** The ceremony that the machine is in. */
export function ceremonyOf(state: CeremonyState): string | undefined {
  return 'ceremony' in state.phase ? state.phase.ceremony : undefined;
}

/** The ceremony that the machine is in, as long as this member has not signed its transcript. */
export function beforeSignature({ phase }: CeremonyState): string | undefined {
  switch (phase.kind) {
    case 'dealing':
    case 'commit':
    case 'reveal':
    case 'sealing':
    case 'boxes':
    case 'storing':
      return phase.ceremony;
    case 'hello':
    case 'transcript':
    case 'certifying':
    case 'stored':
    case 'done':
    case 'failed':
      return undefined;
  }
}

/** The state that remembers one more record, and the effect that puts it on disk. */
export function record(state: CeremonyState, entry: CeremonyRecord): CeremonyStep {
  return {
    state: { ...state, memory: remembered(state.memory, entry) },
    effects: [{ kind: 'record', entry }],
  };
}
