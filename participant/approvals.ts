/** What a member is shown before it decides: exactly what will be signed, as it was rebuilt here, who decided so far, and what is missing. */
import { printable } from '../verifier/printable.ts';
import type { DocumentEntry, Artifact, RequestKind, Source } from '../protocol/request.ts';
import type { Outcome } from '../protocol/messages.ts';

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

/** One line for each request, and a head. */
export function describeRequests(requests: readonly RequestSummary[]): string {
  if (requests.length === 0) return 'no requests\n';
  const rows = requests.map((request) => [
    request.id.slice(0, 12),
    request.outcome === 'pending' ? request.state : request.outcome,
    request.channel,
    request.kind === 'release' ? releaseName(request) : request.kind,
    request.asker,
    request.expiresAt,
  ]);
  return table([['ID', 'STATE', 'CHANNEL', 'WHAT', 'ASKED BY', 'EXPIRES'], ...rows.map((row) => row.map(printable))]);
}

function releaseName({ product, release, artifacts }: RequestSummary): string {
  const files = `${artifacts} file${artifacts === 1 ? '' : 's'}`;
  return [product, release, product === null && release === null ? files : `(${files})`].filter(Boolean).join(' ');
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return `${rows.map(line).join('\n')}\n`;
}

/** All of one request, for a person's eyes: every character that is not printable is written as an escape (T36). */
export function describeRequest(request: RequestView): string {
  const lines: string[] = [];
  const say = (label: string, text: string): number => lines.push(`${label.padEnd(11)}${printable(text)}`);
  say('request', request.id);
  say('kind', request.kind);
  say('channel', `${request.channel} of ${request.group} (${request.groupKey})`);
  say('asked by', `${request.asker}${request.askerMember === null ? '' : `, who is member ${request.askerMember}`}`);
  say('', `key ${request.askerKey}`);
  say('product', request.product ?? '(none)');
  say('release', request.release ?? '(none)');
  describeSource(request.source, say);
  for (const { name, size, sha256, sha512 } of request.files) {
    say('file', `${name}, ${size} bytes`);
    say('', `sha256 ${sha256}`);
    say('', `sha512 ${sha512}`);
  }
  for (const { kind, size, sha256 } of request.documents) say('document', `${kind}, ${size} bytes, sha256 ${sha256}`);
  if (request.note !== null) say('note', request.note);
  say('formats', request.formats.join(', '));
  for (const text of request.signs) say('signs', text);
  say('created', request.createdAt);
  say('expires', request.expiresAt);
  for (const decision of request.decisions) {
    const reason = decision.reason === null ? '' : `: ${decision.reason}`;
    say('decision', `${decision.member} (${decision.tier}) ${decision.decision} at ${decision.decidedAt}${reason}`);
  }
  for (const { tier, needed, approved, open } of request.quorum) {
    const missing = Math.max(0, needed - approved.length);
    const others = open.length === 0 ? 'nobody else can' : `open: ${open.join(', ')}`;
    say('quorum', `${tier}: ${approved.length} of ${needed}${missing === 0 ? '' : `, ${missing} missing; ${others}`}`);
  }
  if (request.policy !== null) say('policy', request.policy);
  if (request.obstacle !== null) say('obstacle', request.obstacle);
  say('state', request.outcome === 'pending' ? request.state : request.outcome);
  return `${lines.join('\n')}\n`;
}

function describeSource(source: Source | null, say: (label: string, text: string) => number): void {
  if (source === null) {
    say('source', '(none)');
    return;
  }
  say('source', source.repo ?? '(no repository)');
  say('', `ref ${source.ref ?? '(none)'}`);
  say('', `commit ${source.commit}`);
}
