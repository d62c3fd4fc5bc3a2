/** What a ceremony's machine is made of: what never changes, its phases, what happens to it, and what it does about it. */
import type { ProtocolError } from '../errors.ts';
import type { Charter, Member } from '../files/charter.ts';
import type { Group } from '../frost/group.ts';
import type { Envelope } from '../wire/envelope.ts';
import type { Certificate } from './certificate.ts';
import type { Origin, PublicDealing, SharingPlace } from './dealing.ts';
import type { Import } from './import.ts';
import { emptyInbox, type Inbox } from './inbox.ts';
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
  readonly group: Group;
  /** Ceremonies that an earlier run joined or aborted; never joined again (T16). */
  readonly finished: ReadonlySet<string>;
}

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
      readonly dealings: ReadonlyMap<number, readonly PublicDealing[]>;
    }
  | {
      readonly kind: 'boxes';
      readonly ceremony: string;
      readonly dealings: ReadonlyMap<number, readonly PublicDealing[]>;
    }
  /** The vault opens boxes, checks and stores the share, and proves it. */
  | { readonly kind: 'storing'; readonly ceremony: string; readonly transcript: Transcript }
  /** The own transcript signature is out: from here only a certificate or somebody's signed abort ends this ceremony. */
  | { readonly kind: 'transcript'; readonly ceremony: string; readonly transcript: Transcript }
  /** The certificate is being stored. */
  | { readonly kind: 'certifying'; readonly ceremony: string; readonly certificate: Certificate }
  | { readonly kind: 'stored'; readonly ceremony: string; readonly certificate: Certificate }
  | { readonly kind: 'done'; readonly ceremony: string; readonly certificate: Certificate }
  | { readonly kind: 'failed'; readonly error: ProtocolError };

export interface CeremonyState {
  /** Own nonce, hex. */
  readonly nonce: string;
  /** Ceremonies this run left; never joined again. */
  readonly left: ReadonlySet<string>;
  /** Nonces of hellos that a newer one replaced: said again, they count no more. */
  readonly superseded: ReadonlySet<string>;
  readonly inbox: Inbox;
  readonly phase: CeremonyPhase;
}

export type CeremonyEvent =
  /** Begins with a fresh nonce of 32 bytes, hex. */
  | { readonly kind: 'start'; readonly nonce: string }
  /** An earlier run crashed inside this ceremony before it signed the transcript. */
  | { readonly kind: 'abort-earlier'; readonly ceremony: string }
  /** An earlier run signed this transcript; its share is stored. */
  | { readonly kind: 'resume-signed'; readonly transcript: Transcript; readonly nonce: string }
  | { readonly kind: 'resume-certified'; readonly certificate: Certificate }
  | { readonly kind: 'message'; readonly message: CeremonyMessage }
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
  | { readonly kind: 'box-refused'; readonly ceremony: string; readonly from: number }
  | { readonly kind: 'certificate-stored'; readonly ceremony: string };

export interface BoxToOpen {
  readonly from: Member;
  readonly box: Uint8Array;
  /** What the box must hold, in charter order: the sender's dealings of sharings that both hold. */
  readonly dealings: readonly PublicDealing[];
}

export type CeremonyEffect =
  | {
      readonly kind: 'send';
      readonly message: {
        [K in CeremonyKind]: { readonly kind: K; readonly payload: CeremonyPayload<K> };
      }[CeremonyKind];
    }
  /** Stored and synced before the effects behind it. `signed` and `aborted` exclude each other for one ceremony. */
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
  /** Forget this ceremony's secrets; a stored share stays. */
  | { readonly kind: 'wipe'; readonly ceremony: string }
  | { readonly kind: 'progress'; readonly waitingFor: readonly string[]; readonly step: CeremonyKind }
  | { readonly kind: 'done'; readonly certificate: Certificate; readonly stored: readonly Envelope[] }
  | { readonly kind: 'failed'; readonly error: ProtocolError; readonly evidence: readonly Envelope[] };

export type CeremonyRecord =
  | { readonly type: 'ceremony-joined'; readonly ceremony: string }
  | { readonly type: 'ceremony-aborted'; readonly ceremony: string }
  | { readonly type: 'ceremony-signed'; readonly ceremony: string; readonly transcript: string }
  /** Somebody else's signed abort frees this member from its transcript signature. */
  | { readonly type: 'ceremony-released'; readonly ceremony: string; readonly abort: Envelope }
  | { readonly type: 'ceremony-certified'; readonly ceremony: string; readonly certificate: string };

export interface CeremonyStep {
  readonly state: CeremonyState;
  readonly effects: readonly CeremonyEffect[];
}

export const ceremonyStart: CeremonyState = {
  nonce: '',
  left: new Set(),
  superseded: new Set(),
  inbox: emptyInbox(),
  phase: { kind: 'hello' },
};

export function ceremonyOf(state: CeremonyState): string | undefined {
  return 'ceremony' in state.phase ? state.phase.ceremony : undefined;
}

export function originIn({ imported }: CeremonyContext): Origin {
  return imported === undefined ? 'generated' : 'imported';
}
