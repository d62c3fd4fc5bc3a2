/** What a succession's machine is made of: what never changes, what happens to it, and what it does about it. */
import type { Certificate } from '../ceremony/certificate.ts';
import { ceremonyStart, type CeremonyEffect, type CeremonyState, type StepContext } from '../ceremony/events.ts';
import type { CeremonyAnswer } from '../ceremony/steps.ts';
import type { CeremonyKind, CeremonyPayload } from '../ceremony/messages.ts';
import type { ProtocolError } from '../errors.ts';
import type { Member } from '../files/charter.ts';
import type { Group } from '../frost/group.ts';
import type { DealingPlan, SuccessionGround } from './cast.ts';
import { successionCast } from './cast.ts';
import { judgeSuccession, type SuccessionView } from './judge.ts';
import { emptySuccessionMemory, type SuccessionMemory, type SuccessionRecord } from './memory.ts';
import type { Absence, OpeningKind, OpeningMessageOf, OpeningPayload, SuccessionMessage } from './messages.ts';
import type { Successor } from './retire.ts';

/** What never changes while one succession runs. */
export interface SuccessionContext {
  readonly ground: SuccessionGround;
  /** As the new charter names this member, or the old one when it is no heir. */
  readonly self: Member;
  readonly arithmetic: Group;
}

/** How a ceremony of the succession is opened: what was said before it, and who is not asked to deal. */
export interface Opening {
  /** Own nonce, hex. */
  readonly nonce: string;
  /** Whether the own hello of this run was said. */
  readonly hasSaidHello: boolean;
  /** The newest of each speaker, by identity key. */
  readonly hellos: ReadonlyMap<string, OpeningMessageOf<'hello'>>;
  /** Right begins by the ceremonies that they open, the oldest first. */
  readonly begins: ReadonlyMap<string, OpeningMessageOf<'begin'>>;
  /** The own begin that has not come back yet. */
  readonly asked: OpeningPayload<'begin'> | undefined;
  /** By identity key. */
  readonly without: ReadonlyMap<string, Absence>;
  /** The same when the running ceremony was entered: who deals again after a complaint gets no third chance. */
  readonly withoutAtEntry: ReadonlyMap<string, Absence>;
  /** Somebody stopped a ceremony and did not say because of whom: the word of who found it may still be on its way. */
  readonly isUnexplained: boolean;
  /** How often nothing came in a minute, since the last ceremony was entered. */
  readonly silences: number;
}

/** All that the machine knows: public values only. */
export interface SuccessionState {
  readonly opening: Opening;
  /** The steps from the hash commitments on. */
  readonly ceremony: CeremonyState;
  readonly memory: SuccessionMemory;
}

/** What happens to a member. */
export type SuccessionEvent =
  /** Begins, or goes on where the memory says that an earlier run stopped. */
  | {
      readonly kind: 'start';
      /** Fresh, 32 bytes, hex. */
      readonly nonce: string;
      readonly memory: SuccessionMemory;
      /** Certificates of this new charter on disk, by ceremony. */
      readonly held: ReadonlyMap<string, Certificate>;
      /** Every heir's `stored` of the current ceremony is on disk. */
      readonly isCandidate: boolean;
    }
  | { readonly kind: 'message'; readonly message: SuccessionMessage }
  | CeremonyAnswer
  /** Nothing that is waited for has come for a minute, though there is a connection. */
  | { readonly kind: 'silence' }
  /** The genesis round of this candidate asks for a share, at a time before the document's `until`. */
  | { readonly kind: 'asked-to-sign'; readonly ceremony: string }
  /** Verified by `openSuccessor`: the old epoch has an heir. */
  | { readonly kind: 'successor'; readonly successor: Successor }
  /** The old share is overwritten and its folder synced. */
  | { readonly kind: 'share-erased' }
  /** It is not to be carried out here any more: its time is over, it was cancelled, a higher one is signed, or the owner refused. */
  | { readonly kind: 'end'; readonly error: ProtocolError };

/** What is said, by kind. */
export type SuccessionSaid =
  | { [K in CeremonyKind]: { readonly kind: K; readonly payload: CeremonyPayload<K> } }[Exclude<CeremonyKind, 'hello'>]
  | { [K in OpeningKind]: { readonly kind: K; readonly payload: OpeningPayload<K> } }[OpeningKind];

/** What the driver does, in this order, each finished before the next. */
export type SuccessionEffect =
  | { readonly kind: 'send'; readonly message: SuccessionSaid }
  /** Stored and synced before the effects after it. */
  | { readonly kind: 'record'; readonly entry: SuccessionRecord }
  /** Cut the old shares and draw the polynomials of new keys; a one-time box key in any case. */
  | { readonly kind: 'deal'; readonly ceremony: string; readonly plan: DealingPlan }
  | Extract<
      CeremonyEffect,
      { readonly kind: 'seal' | 'open-and-store' | 'store-certificate' | 'load-share' | 'wipe' | 'done' | 'show' }
    >
  /** Whom this member waits for, and for which step. */
  | {
      readonly kind: 'progress';
      readonly step: 'hello' | 'begin' | CeremonyKind;
      readonly waitingFor: readonly string[];
    }
  /** A signature share of the new genesis may be given: the record that says so is on disk. */
  | { readonly kind: 'give'; readonly ceremony: string }
  /** Overwrite the share of the old epoch, zero its slots in memory, then answer `share-erased`. */
  | { readonly kind: 'erase'; readonly epoch: string }
  /** The old share is erased: sign and send the word of it. */
  | { readonly kind: 'attest'; readonly epoch: string; readonly genesis: string }
  /** Somebody lied, and the succession goes on: keep the proof. */
  | { readonly kind: 'evidence'; readonly view: SuccessionView }
  /** A ceremony came to nothing, and the next one is on its way: for logs, and the view for a judge. */
  | { readonly kind: 'setback'; readonly error: ProtocolError; readonly view: SuccessionView | undefined }
  /** A successor that does not end the epoch here by itself. */
  | { readonly kind: 'farewell-refused'; readonly reason: string }
  /** The run ends. */
  | { readonly kind: 'failed'; readonly error: ProtocolError; readonly view: SuccessionView | undefined };

/** What came of an event. */
export interface SuccessionStep {
  readonly state: SuccessionState;
  readonly effects: readonly SuccessionEffect[];
}

/** What the machine is before the `start` event. */
export const successionStart: SuccessionState = {
  opening: {
    nonce: '',
    hasSaidHello: false,
    hellos: new Map(),
    begins: new Map(),
    asked: undefined,
    without: new Map(),
    withoutAtEntry: new Map(),
    isUnexplained: false,
    silences: 0,
  },
  ceremony: ceremonyStart,
  memory: emptySuccessionMemory,
};

/** The ceremony that the machine is in, as its steps see it. */
export function stepContextIn(context: SuccessionContext, { opening, ceremony }: SuccessionState): StepContext {
  const { ground, self, arithmetic } = context;
  const current = 'ceremony' in ceremony.phase ? ceremony.phase.ceremony : undefined;
  const begin = current === undefined ? undefined : opening.begins.get(current);
  return {
    arithmetic,
    self,
    cast: successionCast(ground, begin),
    judge: (view) => judgeSuccession(arithmetic, ground, [withOpening(opening, view)]),
  };
}

/** A view with the hellos and begins that belong to it. */
export function withOpening({ hellos, begins }: Opening, view: Omit<SuccessionView, 'opening'>): SuccessionView {
  return { ...view, opening: [...hellos.values(), ...begins.values()] };
}
