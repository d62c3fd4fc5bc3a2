/**
 * The epochs of one group's key: those whose genesis verified, of which the last in the chain lives, and the candidates that may come after it
 * (PROTOCOL.md, section 5).
 */
import type { Epoch } from '../protocol/ceremony/epoch.ts';
import type { GroupDocuments } from '../protocol/group-documents/envelopes.ts';
import type { Charter } from '../protocol/files/charter.ts';
import { memberByKey } from '../protocol/files/charter.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { maxCandidates } from '../protocol/limits.ts';
import type { Envelope } from '../protocol/wire/envelope.ts';
import type { SignedSuccession } from '../protocol/chain.ts';
import type { SuccessionPlan } from '../protocol/succession/document.ts';

/** A key of a charter that every member stored: a candidate, and an epoch of the group once its genesis verifies (T35). */
export interface KnownGroup {
  readonly epoch: Epoch;
  /** The succession that led here; `undefined` for a ceremony that made a key. */
  readonly decided: Decided | undefined;
  /** "Certificate stored" of every member. */
  readonly stored: readonly Envelope[];
  /** The newest that were verified. */
  documents: GroupDocuments;
}

/** A succession that a quorum signed. */
export interface Decided {
  readonly plan: SuccessionPlan;
  /** The epoch that it ends. */
  readonly from: KnownGroup;
  /** Digest of the request, hex. */
  readonly digest: string;
  readonly signed: SignedSuccession;
}

/** What an identity is to a group that lives. */
export type Standing =
  /** A member of the epoch that lives, or of a charter without one. */
  | 'current'
  /** In the charter of a succession that is decided and not carried out. */
  | 'heir'
  /** It was a member once. */
  | 'former';

/** All that is known of one group, from the charter that founded it. */
export class Lineage {
  /** The hash of the charter that founded it: its log is named by it. */
  readonly root: string;
  /** By the hash of the document, in the order in which they came. */
  readonly successions = new Map<string, Decided>();
  /** Members' words that an old share is overwritten: one for each epoch and identity key, the newest. */
  readonly erased = new Map<string, Envelope>();
  readonly #epochs: KnownGroup[] = [];
  #chain: readonly KnownGroup[] = [];

  constructor(root: string) {
    this.root = root;
  }

  /** Epochs and candidates, in the order in which they came. */
  get all(): readonly KnownGroup[] {
    return this.#epochs;
  }

  /** Those whose genesis verified, one after another. */
  get chain(): readonly KnownGroup[] {
    return this.#chain;
  }

  /** The epoch that lives. */
  get live(): KnownGroup | undefined {
    return this.#chain.at(-1);
  }

  /** Keys without a genesis that could come next: of the founding charter, or out of the epoch that lives. */
  get candidates(): KnownGroup[] {
    return this.#epochs.filter((one) => !isLive(one) && one.decided?.from === this.live);
  }

  /** Epochs with a genesis that are not in the chain: evidence that somebody signed two. */
  get others(): KnownGroup[] {
    return this.#epochs.filter((one) => isLive(one) && !this.#chain.includes(one));
  }

  /** The highest number that a quorum signed, of any succession out of any epoch. */
  get highestNumber(): number {
    return Math.max(0, ...[...this.successions.values()].map(({ plan }) => plan.succession.payload.number));
  }

  /** Takes in an epoch or candidate, or what is new of one. */
  add(known: KnownGroup): void {
    if (!this.#epochs.includes(known)) this.#epochs.push(known);
    this.#chain = chainOf(this.#epochs);
  }

  /** Whether one more may come. Throws `ProtocolError` (`conflict`, `too-many`). */
  assertMayCome({ epoch, decided }: KnownGroup, hasGenesis: boolean): void {
    const { group } = epoch.charter;
    if (decided === undefined && this.live !== undefined)
      throw new ProtocolError(
        'conflict',
        `the key of ${group} that lives is of epoch ${this.live.epoch.hash}, not ${epoch.hash}`,
      );
    // With a genesis it may still be the branch that has to be shown.
    if (decided !== undefined && !hasGenesis && decided.from !== this.live)
      throw new ProtocolError(
        'conflict',
        `the epoch ${decided.from.epoch.hash}, which ${epoch.hash} comes after, is over`,
      );
    const beside = hasGenesis ? this.others : this.candidates;
    if (beside.length >= maxCandidates && !(hasGenesis && decided?.from === this.live))
      throw new ProtocolError('too-many', `${beside.length} candidates of ${group} are kept; no more are`);
  }

  /** Members of the largest charter that counts beside this one: of the epoch that lives, or of a succession out of it. */
  sizeBeside(charter: Charter): number {
    const next = [...this.successions.values()].filter(({ from }) => from === this.live);
    const charters = [
      charter,
      ...(this.live === undefined ? [] : [this.live.epoch.charter]),
      ...next.map(({ plan }) => plan.charter),
    ];
    return Math.max(...charters.map(({ members }) => members.length));
  }

  /** What an identity with this key (base64url) is, which logged in under this charter. */
  standingOf(key: string, charter: Charter): Standing {
    if (this.live === undefined || memberByKey(this.live.epoch.charter, key) !== undefined) return 'current';
    const isHeir = [...this.successions.values()].some(
      ({ from, plan }) => from === this.live && plan.charter.hash === charter.hash,
    );
    return isHeir ? 'heir' : 'former';
  }
}

/** Whether a key lived: its genesis verifies. */
export function isLive({ documents }: KnownGroup): boolean {
  return documents.genesis !== undefined;
}

/** From the first on, after each epoch the one with the highest number; of two with one number the one that came first. */
function chainOf(epochs: readonly KnownGroup[]): KnownGroup[] {
  const signed = epochs.filter(isLive);
  const chain: KnownGroup[] = [];
  for (let last: KnownGroup | undefined; ;) {
    const next: KnownGroup | undefined = signed
      .filter(({ decided }) => decided?.from === last)
      .reduce<KnownGroup | undefined>(
        (best, one) => (best === undefined || one.epoch.number > best.epoch.number ? one : best),
        undefined,
      );
    if (next === undefined) return chain;
    chain.push(next);
    last = next;
  }
}
