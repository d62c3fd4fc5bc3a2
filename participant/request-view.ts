/** What a member is shown before it decides: exactly what will be signed, as it was rebuilt here, who decided so far, and what is missing. */
import type { DocumentView } from '../protocol/documents/document.ts';
import type { DocumentEntry, Artifact, RequestKind, Source } from '../protocol/request/request.ts';
import type { Outcome } from '../protocol/wire/frames.ts';

/** One member's verified decision. */
export interface DecisionView {
  readonly member: string;
  readonly tier: string;
  readonly decision: 'approve' | 'refuse' | 'withdraw';
  readonly reason: string | null;
  /** RFC 3339. */
  readonly decidedAt: string;
}

/** One sharing of the channel's quorum: how many of its holders approved, and who else could. */
export interface QuorumView {
  /** A tier, or `any`. */
  readonly tier: string;
  readonly needed: number;
  readonly approved: readonly string[];
  /** Holders that neither approved nor refused and are not kept out. */
  readonly open: readonly string[];
}

/** Where a request stands for this member. */
export type RequestState =
  /** Its documents are not here yet. */
  | 'fetching'
  /** It waits for this member's decision. */
  | 'waiting'
  /** The program of the policy decides just now. */
  | 'running'
  | 'approved'
  | 'refused'
  /** It may not be signed now; `obstacle` says why. */
  | 'blocked'
  /** The round is over; `outcome` says how. */
  | 'over';

/** A request as `requests` lists it. All text is as it was signed: escape it (`printable`, `printableJson`) before it meets a terminal. */
export interface RequestSummary {
  /** The request digest, hex. */
  readonly id: string;
  readonly kind: RequestKind;
  readonly channel: string;
  readonly asker: string;
  readonly product: string | null;
  readonly release: string | null;
  readonly artifacts: number;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly state: RequestState;
  /** As the coordinator says it; `signed` only after the signatures were verified here. */
  readonly outcome: Outcome;
}

/** A request as `show` displays it. */
export interface RequestView extends RequestSummary {
  readonly group: string;
  readonly groupKey: string;
  /** Identity key of the asker, base64url. */
  readonly askerKey: string;
  /** Name of the member the asker is, too. */
  readonly askerMember: string | null;
  readonly formats: readonly string[];
  readonly files: readonly Artifact[];
  readonly documents: readonly DocumentEntry[];
  /** What the documents of a release say, decoded by their grammar, in the same order. Empty while they are missing. */
  readonly contents: readonly DocumentView[];
  /** Lines by which a manifest differs from the last one that this member saw signed on the channel: `+ …`, `- …`; `null` without either. */
  readonly changes: readonly string[] | null;
  readonly source: Source | null;
  readonly note: string | null;
  /** The payload of each format as text, rebuilt here: what the quorum's signature will cover. Empty while documents are missing. */
  readonly signs: readonly string[];
  readonly quorum: readonly QuorumView[];
  readonly decisions: readonly DecisionView[];
  /** What the policy said and which rule it was. */
  readonly policy: string | null;
  readonly obstacle: string | null;
}
