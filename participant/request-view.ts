/** What a member is shown before it decides: exactly what will be signed, as it was rebuilt here, who decided so far, and what is missing. */
import type { Epoch } from '../protocol/ceremony/epoch.ts';
import { titleOf, type DocumentView } from '../protocol/documents/document.ts';
import { signedTexts } from '../protocol/formats/index.ts';
import type { Member } from '../protocol/files/charter.ts';
import type { DocumentEntry, Artifact, Request, RequestKind, Source } from '../protocol/request/request.ts';
import type { Decision, DecisionPayload } from '../protocol/signing/decision.ts';
import type { Outcome } from '../protocol/wire/frames.ts';
import { formatTimestamp } from '../protocol/wire/time.ts';
import type { Judgement, Ready } from './judgement.ts';

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
  /** Of the first artifact; none for a document that is signed whole. */
  readonly fileNames: readonly string[];
  /** What is signed whole, if something is; its title by its own grammar, once it is here. */
  readonly document: { readonly kind: string; readonly title: string | null } | null;
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

/** What is known of a round when somebody looks. */
export interface RoundFacts {
  readonly epoch: Epoch;
  readonly self: Member;
  readonly request: Request;
  /** Unix seconds. */
  readonly expiresAt: number;
  readonly judgement: Judgement;
  /** `undefined` while documents are missing. */
  readonly ready: Ready | undefined;
  /** What this member said last, whether or not the coordinator has echoed it. */
  readonly said: DecisionPayload | undefined;
  /** The newest decisions that came, by identifier. */
  readonly decisions: ReadonlyMap<number, Decision>;
  readonly state: RequestState;
  readonly obstacle: string | null;
  readonly outcome: Outcome;
}

/** The line that lists this round. */
export function summaryOf({ request, judgement, ready, expiresAt, state, outcome }: RoundFacts): RequestSummary {
  const { payload, digest } = request;
  const [document] = payload.documents;
  return {
    id: digest,
    kind: payload.kind,
    channel: payload.channel,
    asker: judgement.asker?.name ?? request.asker,
    product: payload.product,
    release: payload.release,
    artifacts: payload.artifacts.length,
    fileNames: payload.artifacts.slice(0, 1).map(({ name }) => name),
    document: document === undefined ? null : { kind: document.kind, title: titleOf(ready?.prepared.contents[0]) },
    createdAt: payload.createdAt,
    expiresAt: formatTimestamp(expiresAt),
    state,
    outcome,
  };
}

/** Everything about this round. */
export function viewOf(facts: RoundFacts): RequestView {
  const { request, epoch, judgement, ready, obstacle } = facts;
  const { payload, asker } = request;
  return {
    ...summaryOf(facts),
    group: epoch.charter.group,
    groupKey: epoch.groupKey,
    askerKey: asker,
    askerMember: judgement.asker?.member?.name ?? null,
    formats: payload.formats,
    files: payload.artifacts,
    documents: payload.documents,
    contents: ready?.prepared.contents ?? [],
    changes: ready?.changes ?? null,
    source: payload.source,
    note: payload.note,
    signs: ready === undefined ? [] : signedTexts(ready.prepared),
    quorum: quorumOf(facts),
    decisions: decisionsOf(facts),
    policy: judgement.verdict,
    obstacle,
  };
}

function decisionsOf(facts: RoundFacts): DecisionView[] {
  return facts.epoch.charter.members.flatMap(({ identifier, name, tier }) => {
    const payload = decisionOf(facts, Number(identifier));
    if (payload === undefined) return [];
    const { decision, reason, decidedAt } = payload;
    return [{ member: name, tier, decision, reason, decidedAt }];
  });
}

function decisionOf({ self, said, decisions }: RoundFacts, identifier: number): DecisionPayload | undefined {
  const own = identifier === Number(self.identifier) ? said : undefined;
  return own ?? decisions.get(identifier)?.payload;
}

function quorumOf(facts: RoundFacts): QuorumView[] {
  const { epoch, request, judgement } = facts;
  const out = judgement.keptOut?.identifier;
  const nameOf = (identifier: number): string => epoch.charter.members[identifier - 1]?.name ?? '?';
  return epoch.channel(request.payload.channel).sharings.map(({ tier, threshold, members }) => {
    const able = members.filter((identifier) => identifier !== out);
    const saidOf = (identifier: number): string | undefined => decisionOf(facts, identifier)?.decision;
    return {
      tier: tier ?? 'any',
      needed: threshold,
      approved: able.filter((identifier) => saidOf(identifier) === 'approve').map(nameOf),
      open: able.filter((identifier) => !['approve', 'refuse'].includes(saidOf(identifier) ?? '')).map(nameOf),
    };
  });
}
