/** What a member is shown before it decides: a table of what waits, and a page that a careful person can decide from. */
import { printable } from '../../verifier/printable.ts';
import { parseTime } from '../../verifier/time.ts';
import { decodeCard } from '../../protocol/files/card.ts';
import { formatTimestamp } from '../../protocol/wire/time.ts';
import type { Status as GroupStatus } from '../../verifier/status.ts';
import type { QuorumView, RequestSummary, RequestView } from '../../participant/request-view.ts';
import type { Status } from '../../participant/control.ts';
import { originText } from './import.ts';
import { approvalsText, documentRows, requestRows, shortId, whatText, lackText } from './round.ts';
import { Page, pageWidth, table, whenText } from './page.ts';
import { statusTexts } from './status.ts';

/** One line a request. */
export function requestsTable(requests: readonly RequestSummary[], nowUnixSeconds: number, width = pageWidth): string {
  const rows = requests.map((request) => [
    shortId(request.id),
    stateText(request),
    request.channel,
    request.asker,
    request.outcome === 'pending' ? timeText(request.expiresAt, nowUnixSeconds) : '-',
    whatText(request),
  ]);
  return table([['ID', 'STATE', 'CHANNEL', 'ASKED BY', 'EXPIRES', 'WHAT'], ...rows], 5, width);
}

/** How it stands: for this member while the round is open, and how it ended after that. */
export function stateText({ state, outcome }: Pick<RequestSummary, 'state' | 'outcome'>): string {
  return outcome === 'pending' ? state : outcome;
}

function timeText(time: string, nowUnixSeconds: number): string {
  const unixSeconds = parseTime(time);
  return unixSeconds === undefined ? time : whenText(unixSeconds, nowUnixSeconds);
}

/**
 * A page to decide on: what it is about first, everything that will be signed, rebuilt by this member's own daemon, and how the decision is. What
 * the signatures cover word for word is on the page of `signedTextPage`.
 */
export function requestPage(request: RequestView, nowUnixSeconds: number): string {
  const also = request.askerMember === null ? '' : `, who is member ${request.askerMember}`;
  const page = new Page()
    .row('what', whatText(request))
    .row('channel', `${request.channel} of ${request.group}`)
    .row('asked by', `${request.asker}${also}`)
    .row('', `key ${request.askerKey}`)
    .row('state', stateText(request));
  if (request.outcome === 'pending')
    page.row('expires', `${request.expiresAt}, ${timeText(request.expiresAt, nowUnixSeconds)}`);
  page.gap();
  requestRows(page, {
    ...request,
    artifacts: [...request.files],
    documents: [...request.documents],
    formats: [...request.formats],
  });
  page.gap();
  contentRows(page, request);
  if (request.kind === 'requesters') page.rows('may ask', request.signs.flatMap(requesterTexts)).gap();
  page.rows('signs', signsTexts(request)).gap();
  for (const quorum of request.quorum) page.row('quorum', quorumText(quorum));
  for (const { member, tier, decision, reason, decidedAt } of request.decisions) {
    page.row('decision', `${member} (${tier}): ${decision} at ${decidedAt}${reason === null ? '' : `: ${reason}`}`);
  }
  if (request.policy !== null) page.row('policy', request.policy);
  if (request.obstacle !== null) page.row('obstacle', request.obstacle);
  return page.row('request', request.id).row('group key', request.groupKey).toString();
}

/** What the signatures cover, in words: of a text for programs only that it says no more than the page does. */
function signsTexts({ signs, kind, formats }: Pick<RequestView, 'signs' | 'kind' | 'formats'>): string[] {
  if (signs.length === 0 && formats.some((format) => format === 'native' || format === kind))
    return ['(nothing yet: its documents are not here)'];
  return signs.flatMap((text) => {
    if (!text.startsWith('{')) return text.split('\n');
    return [
      ...(kind === 'delegation' ? [delegationText(text)] : []),
      ...(kind === 'consent' || kind === 'endorsement' ? endorsementTexts(kind, text) : []),
      ...(kind === 'status' ? statusTexts(JSON.parse(text) as GroupStatus) : []),
      `a ${kind}, as above; word for word with --bytes`,
    ];
  });
}

function delegationText(signs: string): string {
  const { channel, channelKey, from, until } = JSON.parse(signs) as Readonly<Record<string, string>>;
  return `the key ${channelKey ?? ''} may sign for ${channel ?? ''} from ${from ?? ''} until ${until ?? ''}`;
}

/** What this key says about another, and that nobody follows it by that alone. */
function endorsementTexts(kind: 'consent' | 'endorsement', signs: string): string[] {
  const { group, successor } = JSON.parse(signs) as Readonly<Record<string, string>>;
  const said = `${successor ?? ''} comes after ${group ?? ''}`;
  if (kind === 'consent') return [`this group agrees that ${said};`, 'it counts when that group has endorsed it, too'];
  return [
    `this group says, once and for ever, that ${said};`,
    'the new group agreed. Whoever pinned this key can read it, and pins the new one or does not: no verifier follows it by itself',
  ];
}

/** Word for word what the signatures cover, one text after the other; what cannot be seen is escaped. */
export function signedTextPage(signs: readonly string[]): string {
  if (signs.length === 0) return 'The signatures cover the documents themselves and nothing besides.';
  return signs.map((text) => text.split('\n').map(printable).join('\n')).join('\n\n');
}

/** What a document says, as its grammar reads it; a manifest of the listed files only by what it changes. */
function contentRows(page: Page, { contents, changes, files }: RequestView): void {
  if (files.length === 0) documentRows(page, contents);
  if (changes === null) return;
  page.rows('changes', changes.length === 0 ? ['none since the last manifest signed on this channel'] : changes).gap();
}

/** The entries of a requesters document in words: in the bytes that get signed a name stands inside its card. */
function requesterTexts(signs: string): string[] {
  const payload = JSON.parse(signs) as { readonly version: number; readonly requesters: readonly RequesterEntry[] };
  const texts = payload.requesters.map(({ card, channels, member }) => {
    const { name, key } = decodeCard('requester', card);
    return `${name} on ${channels.join(', ')}${member === null ? '' : `, is member ${member}`} (key ${key})`;
  });
  return [`version ${payload.version}: ${texts.length === 0 ? 'nobody' : 'these, and nobody else'}`, ...texts];
}

interface RequesterEntry {
  readonly card: string;
  readonly channels: readonly string[];
  readonly member: string | null;
}

function quorumText({ tier, needed, approved, open }: QuorumView): string {
  const by = approved.length === 0 ? '' : `: ${approved.join(', ')}`;
  const missing = Math.max(0, needed - approved.length);
  const counted = `${tier} ${needed}: ${approvalsText(approved.length, needed)}${by}`;
  if (missing === 0) return counted;
  return `${counted}; ${lackText(missing, open)}`;
}

/** How a daemon stands. */
export function statusPage(status: Status): string {
  const page = new Page()
    .row('member', `${status.member} (${status.tier}, identifier ${status.identifier})`)
    .row('group', `${status.group} (${status.groupKey})`)
    .row('origin', status.origin === null ? 'no key yet' : originText(status.origin))
    .row('epoch', status.epoch)
    .row('coordinator', `${status.coordinator}, ${status.connected ? 'connected' : 'NOT connected'}`)
    .row('present', status.present.length === 0 ? 'nobody' : status.present.join(', '))
    .row('requesters', status.requestersVersion === 0 ? 'not signed yet' : `version ${status.requestersVersion}`);
  page.rows(
    'delegations',
    status.delegations.map(({ channel, until }) => `${channel} until ${until}`),
  );
  page
    .row('requests', `${status.pending} pending, ${status.waiting} of them wait for you`)
    .row('policy', status.policy)
    .row('journal', `${status.journal.length} records, head ${status.journal.head.slice(0, 16)}`);
  if (status.backups > 0) page.row('backups', `${status.backups}, not declared destroyed`);
  if (status.restoration !== null) page.row('restored', restorationText(status.restoration));
  if (status.spareKeys === 0)
    page.rows('KEYS', ['none waits for a new share: start the daemon again, it makes new ones']);
  page.rows('ALARM', status.alarms);
  return page.toString();
}

function restorationText({ at, isCaughtUp }: NonNullable<Status['restoration']>): string {
  const since = `from a backup, ${formatTimestamp(at)}`;
  return isCaughtUp ? since : `${since}; decides nothing before enough others are connected`;
}

/** One decision, and what it means for the round. */
export function decidedText(decided: 'approved' | 'refused', request: RequestView): string {
  return new Page()
    .row(decided, `${shortId(request.id)} ${whatText(request)} on ${request.channel}`)
    .rows('quorum', request.quorum.map(quorumText))
    .toString();
}
