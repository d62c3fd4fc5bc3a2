/** How a round is told to a person and to a program. */
import type { Outcome } from '../../protocol/wire/frames.ts';
import { formatTimestamp } from '../../protocol/wire/time.ts';
import type { RequestPayload } from '../../protocol/request/request.ts';
import { titleOf } from '../../protocol/documents/document.ts';
import type { RoundContents } from '../../requester/contents.ts';
import type { RoundMember, RoundSharing, RoundView } from '../../requester/round-view.ts';
import { shownIdDigits } from '../limits.ts';
import { countText, durationText, exactSizeText, Page, pageWidth, table, whenText } from './page.ts';

/** Enough digits of an id to tell rounds apart by eye. */
export function shortId(digest: string): string {
  return digest.slice(0, shownIdDigits);
}

/** What is asked for, in a few words. */
export function whatText({ kind, product, release, artifacts, document, fileNames = [] }: Asked): string {
  if (kind !== 'release') return kind;
  const names = [product, release].filter((name) => name !== null).join(' ');
  const content = artifacts > 0 || document === null ? filesText(artifacts, fileNames) : documentText(document);
  return names === '' ? content : `${names}, ${content}`;
}

/** `acme.tgz and 2 more`; their number where their names are not known. */
function filesText(count: number, [first]: readonly string[]): string {
  if (first === undefined) return countText(count, 'file');
  return count === 1 ? first : `${first} and ${count - 1} more`;
}

/** What a request asks for, as far as a line has room for it. */
type Asked = Pick<RequestPayload, 'kind' | 'product' | 'release'> & {
  readonly artifacts: number;
  /** Of the artifacts, where they are known. */
  readonly fileNames?: readonly string[];
  /** What is signed whole, if something is; its name where it was read. */
  readonly document: { readonly kind: string; readonly title: string | null } | null;
};

/** `v1.4.2 (git tag)`; `git tag` where only its kind is known. */
function documentText({ kind, title }: NonNullable<Asked['document']>): string {
  const words = kind.replaceAll('-', ' ');
  return title === null ? words : `${title} (${words})`;
}

/** `2 of 3 approved`; more than are needed are no fraction. */
export function approvalsText(approvals: number, threshold: number): string {
  return approvals > threshold ? `${approvals} approved, ${threshold} needed` : `${approvals} of ${threshold} approved`;
}

function whatOf({ request: { payload } }: RoundView, title: string | null = null): string {
  const [document] = payload.documents;
  const signedWhole = document === undefined ? null : { kind: document.kind, title };
  const fileNames = payload.artifacts.map(({ name }) => name);
  return whatText({ ...payload, artifacts: fileNames.length, fileNames, document: signedWhole });
}

function askerText({ asker, request }: RoundView): string {
  return asker?.name ?? `${request.asker} (no requester any more)`;
}

/** `2 of 3 approved: build-1, alice; 1 missing of bob, carol (offline)`; who is missing matters only while the round is open. */
export function sharingText(sharing: RoundSharing, outcome: Outcome): string {
  const memberText = (member: RoundMember): string => textOfMember(member, outcome === 'pending');
  const approved = sharing.members.filter((member) => member.standing === 'approved' && !member.keptOut);
  const by = approved.length === 0 ? '' : `: ${approved.map(memberText).join(', ')}`;
  const counted = `${approvalsText(approved.length, sharing.threshold)}${by}`;
  if (sharing.missing === 0) return counted;
  if (outcome !== 'pending') return `${counted}; ${sharing.missing} missing`;
  const open = sharing.members.filter((member) => member.standing === 'undecided' && !member.keptOut);
  return `${counted}; ${lackText(sharing.missing, open.map(memberText))}`;
}

/** `1 missing of bob, carol`; that they are too few, where that is so. */
export function lackText(missing: number, left: readonly string[]): string {
  if (left.length >= missing) return `${missing} missing of ${left.join(', ')}`;
  if (left.length === 0) return `${missing} missing and nobody is left`;
  return `${missing} missing, and only ${left.join(', ')} ${left.length === 1 ? 'is' : 'are'} left`;
}

function textOfMember({ member, connected, out }: RoundMember, isOpen: boolean): string {
  if (out !== undefined)
    return `${member.name} (left out: ${out === 'fault' ? 'misbehaved' : 'lost too many attempts'})`;
  return connected || !isOpen ? member.name : `${member.name} (offline)`;
}

/** Who refused and why, `carol: wrong tag`; the reason is a stranger's text. */
export function refusalTexts({ sharings }: RoundView): string[] {
  return sharings.flatMap(({ members }) =>
    members
      .filter(({ standing }) => standing === 'refused')
      .map(({ member, reason }) => (reason === null ? member.name : `${member.name}: ${reason}`)),
  );
}

/** What became of it, and when. */
function outcomeText({ outcome, endedAtUnixSeconds: endedAt }: RoundView, nowUnixSeconds: number): string {
  if (endedAt === undefined) return outcome;
  return `${outcome} on ${formatTimestamp(endedAt)}, ${whenText(endedAt, nowUnixSeconds)}`;
}

/** All that is known of one round, what it is about first; `contents` where its documents are there. */
export function roundPage(view: RoundView, nowUnixSeconds: number, contents?: RoundContents): string {
  const { payload, createdAtUnixSeconds } = view.request;
  const page = new Page()
    .row('what', whatOf(view, titleOf(contents?.contents[0])))
    .row('channel', payload.channel)
    .row('outcome', outcomeText(view, nowUnixSeconds))
    .row('asked by', `${askerText(view)}, ${whenText(createdAtUnixSeconds, nowUnixSeconds)}`)
    .row('round', view.request.digest);
  requestRows(page, payload);
  if (contents !== undefined && payload.artifacts.length === 0) documentRows(page, contents.contents);
  // What is over has no end to come.
  if (view.outcome === 'pending' || view.outcome === 'expired')
    page.row(
      view.outcome === 'pending' ? 'expires' : 'expired',
      `${formatTimestamp(view.expiresAtUnixSeconds)}, ${whenText(view.expiresAtUnixSeconds, nowUnixSeconds)}`,
    );
  for (const sharing of view.sharings)
    page.row('quorum', `${sharing.of} ${sharing.threshold}: ${sharingText(sharing, view.outcome)}`);
  page.rows('refused by', refusalTexts(view));
  const keptOut = view.sharings.flatMap(({ members }) => members.filter((member) => member.keptOut));
  page.rows(
    'kept out',
    keptOut.map(({ member }) => `${member.name}, who asked for it`),
  );
  for (const { signers, answered, open } of view.body.attempts) {
    const isDone = answered.length === signers.length;
    const how = isDone ? 'all answered' : `answered: ${namesOf(view, answered)}${open ? '' : '; given up'}`;
    page.row('attempt', `${namesOf(view, signers)}; ${how}`);
  }
  if (view.body.signers.length > 0) page.row('signed by', namesOf(view, view.body.signers));
  page.rows('evidence', view.body.evidence);
  if (view.unverified > 0)
    page.row('warning', `${countText(view.unverified, 'decision')} that nobody of the group signed`);
  return page.toString();
}

/** What was asked for: the same rows for whoever asks and for whoever decides. */
export function requestRows(
  page: Page,
  request: Pick<
    RequestPayload,
    'kind' | 'product' | 'release' | 'artifacts' | 'documents' | 'formats' | 'source' | 'note' | 'createdAt'
  >,
): void {
  const { kind, product, release, artifacts, documents, source } = request;
  page.row('kind', `${kind}, as ${request.formats.join(', ')}`);
  if (kind === 'release') {
    page.row('product', product ?? '(none)').row('release', release ?? '(none)');
    if (source === null) page.row('source', '(none)');
    else page.rows('source', [source.repo ?? '(no repository)', source.ref ?? '(no ref)', `commit ${source.commit}`]);
  }
  for (const { name, size, sha256, sha512 } of artifacts) {
    page
      .row('file', `${name} (${exactSizeText(size)})`)
      .row('  sha256', sha256)
      .row('  sha512', sha512);
  }
  for (const { kind: of, size, sha256 } of documents) {
    page.row('document', `${of} (${exactSizeText(size)})`).row('  sha256', sha256);
  }
  if (request.note !== null) page.text('note', request.note);
  page.row('created', request.createdAt);
}

/** What documents say, as their grammars read them. */
export function documentRows(page: Page, contents: RoundContents['contents']): void {
  for (const { fields, text } of contents) {
    page.rows(
      'says',
      fields.map(({ name, value, isChecked }) => `${name}: ${value}${isChecked ? '' : ' (not checked)'}`),
    );
    if (text !== null) page.text('text', text);
    page.gap();
  }
}

function namesOf(view: RoundView, identifiers: readonly number[]): string {
  return identifiers.length === 0 ? 'nobody' : memberNames(view, identifiers).join(', ');
}

/** Names of members of the quorum, in this order. */
export function memberNames({ sharings }: RoundView, identifiers: readonly number[]): string[] {
  const members = new Map(
    sharings.flatMap((sharing) => sharing.members.map(({ member }) => [Number(member.identifier), member.name])),
  );
  return identifiers.map((identifier) => members.get(identifier) ?? `member ${identifier}`);
}

/** A round in a list, with the title of its document where that is known. */
export interface ListedRound {
  readonly view: RoundView;
  readonly title: string | null;
}

/** Columns from which on there is room for who signed. */
const widthForSigners = 110;

/** One line a round, newest first. */
export function roundsTable(rounds: readonly ListedRound[], nowUnixSeconds: number, width = pageWidth): string {
  const hasSigners = width >= widthForSigners;
  const rows = rounds.map(({ view, title }) => [
    shortId(view.request.digest),
    whenText(view.request.createdAtUnixSeconds, nowUnixSeconds),
    view.asker?.name ?? '?',
    view.request.payload.channel,
    listedOutcome(view, nowUnixSeconds),
    ...(hasSigners ? [memberNames(view, view.body.signers).join(', ')] : []),
    whatOf(view, title),
  ]);
  const signers = hasSigners ? ['SIGNED BY'] : [];
  const head = ['ID', 'ASKED', 'BY', 'CHANNEL', 'OUTCOME', ...signers, 'WHAT'];
  return table([head, ...rows], head.length - 1, width);
}

/** `signed 3 h ago`; `pending, 71 h left`. */
function listedOutcome(view: RoundView, nowUnixSeconds: number): string {
  const { outcome, endedAtUnixSeconds: endedAt, expiresAtUnixSeconds: expiresAt } = view;
  if (endedAt !== undefined) return `${outcome} ${whenText(endedAt, nowUnixSeconds)}`;
  if (outcome !== 'pending' || expiresAt < nowUnixSeconds) return outcome;
  return `pending, ${durationText(expiresAt - nowUnixSeconds)} left`;
}

/** A round as JSON: who approved and refused is verified, the rest is as the coordinator says. */
export function roundJson(view: RoundView, title: string | null = null): object {
  const { payload } = view.request;
  return {
    id: view.request.digest,
    outcome: view.outcome,
    what: whatOf(view, title),
    asker: { name: view.asker?.name ?? null, key: view.request.asker },
    request: payload,
    createdAt: payload.createdAt,
    expiresAt: formatTimestamp(view.expiresAtUnixSeconds),
    endedAt: view.endedAtUnixSeconds === undefined ? null : formatTimestamp(view.endedAtUnixSeconds),
    quorum: view.sharings.map(({ of, threshold, missing, members }) => ({
      of,
      threshold,
      missing,
      members: members.map(({ member, standing, reason, decidedAt, connected, ready, out, keptOut }) => ({
        name: member.name,
        tier: member.tier,
        standing,
        reason,
        decidedAt,
        connected,
        ready,
        out: out ?? null,
        keptOut,
      })),
    })),
    attempts: view.body.attempts.map(({ attempt, signers, answered, open }) => ({
      attempt,
      signers: memberNames(view, signers),
      answered: memberNames(view, answered),
      open,
    })),
    signers: memberNames(view, view.body.signers),
    evidence: view.body.evidence,
    unverifiedDecisions: view.unverified,
  };
}
