/**
 * Whether every rule of a policy can decide anything in its group. A rule that names what there is not, or that an earlier one leaves nothing
 * for, is a mistake of whoever wrote it, and nobody would notice: the request is decided by another rule.
 */
import { printableJson } from '../verifier/printable.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { production, type Charter } from '../protocol/files/charter.ts';
import type { Requesters } from '../protocol/files/requesters.ts';
import { maxProductCharacters } from '../protocol/limits.ts';
import { isKindOnChannel, requestKinds, type RequestKind } from '../protocol/request/request.ts';
import { globMatches, isApproving, type Policy, type PolicyRule, type RuleMatch } from './policy.ts';

/** Whose requests a policy is for. */
export interface PolicyGround {
  readonly charter: Charter;
  /** The newest that this member has. */
  readonly requesters: Requesters;
}

/** Throws `ProtocolError('bad-policy')` with file and line for the first rule that decides nothing here. */
export function assertReachable({ file, rules }: Policy, ground: PolicyGround): void {
  for (const [index, rule] of rules.entries()) {
    const mistake = strangerIn(rule.match, ground) ?? whyNever(rule, rules.slice(0, index), ground);
    if (mistake !== undefined)
      throw new ProtocolError('bad-policy', mistake.what, { file, line: mistake.line ?? rule.line });
  }
}

interface Mistake {
  readonly what: string;
  /** Of the rule itself when no field is to blame. */
  readonly line?: number;
}

/** The first name that is nobody's and nothing's here. */
function strangerIn(match: RuleMatch, { charter, requesters }: PolicyGround): Mistake | undefined {
  const channels = charter.channels.map(({ name }) => name);
  const askers = [...requesters.entries, ...charter.members].map(({ name }) => name);
  const find = (field: keyof RuleMatch, isStrange: (pattern: string) => boolean): string | undefined =>
    match[field]?.patterns.find(isStrange);
  const channel = find('channel', (pattern) => !channels.some((name) => globMatches(pattern, name)));
  if (channel !== undefined)
    return {
      what: `the charter has no channel ${printableJson(channel)}; it has ${channels.join(', ')}`,
      ...lineOf(match, 'channel'),
    };
  const requester = find('requester', (pattern) => !isPattern(pattern) && !askers.includes(pattern));
  if (requester !== undefined)
    return {
      what: `${printableJson(requester)} is no member, and not in version ${requesters.version} of the requesters document; take the name out until this member has a version with it (frostmark participant status)`,
      ...lineOf(match, 'requester'),
    };
  const product = find('product', (pattern) => !isPattern(pattern) && pattern.length > maxProductCharacters);
  if (product !== undefined)
    return { what: `no product has over ${maxProductCharacters} characters`, ...lineOf(match, 'product') };
  const artifact = find('artifacts', (pattern) => pattern.includes('/'));
  if (artifact !== undefined)
    return {
      what: `artifacts are plain file names without a folder, so ${printableJson(artifact)} fits none`,
      ...lineOf(match, 'artifacts'),
    };
  return undefined;
}

function lineOf(match: RuleMatch, field: keyof RuleMatch): { readonly line?: number } {
  const line = match[field]?.line;
  return line === undefined ? {} : { line };
}

function isPattern(text: string): boolean {
  return /[*?]/.test(text);
}

function whyNever(rule: PolicyRule, earlier: readonly PolicyRule[], ground: PolicyGround): Mistake | undefined {
  const reasons = reasonsAgainst(rule, ground);
  if (reasons !== undefined) return { what: `this rule can never match: ${reasons.join('; ')}` };
  const covering = earlier.find((one) => covers(one, rule));
  return covering === undefined
    ? undefined
    : { what: `this rule can never match: whatever it is for, the rule of line ${covering.line} decides first` };
}

/** Why there is no request that this rule is for; `undefined` where there may be one. */
function reasonsAgainst(rule: PolicyRule, ground: PolicyGround): string[] | undefined {
  const { kind, channel } = rule.match;
  const kinds = (kind?.patterns ?? (isApproving(rule) ? ['release'] : requestKinds)) as readonly RequestKind[];
  const channels = ground.charter.channels
    .map(({ name }) => name)
    .filter((name) => channel === undefined || channel.patterns.some((pattern) => globMatches(pattern, name)));
  const reasons = new Set<string>();
  for (const one of kinds)
    for (const name of channels) {
      const reason = reasonAgainst(rule, one, name, ground);
      if (reason === undefined) return undefined;
      reasons.add(reason);
    }
  return [...reasons];
}

function reasonAgainst(
  rule: PolicyRule,
  kind: RequestKind,
  channel: string,
  { charter, requesters }: PolicyGround,
): string | undefined {
  const { match } = rule;
  if (!isKindOnChannel(kind, channel)) return `nobody asks for a ${kind} on ${channel}`;
  if (isApproving(rule) && channel === production && match.channel?.patterns.includes(production) !== true)
    return `a rule that approves is for production only when it says "channel: ${production}"`;
  const ofReleases = (['product', 'repo', 'ref', 'artifacts', 'document'] as const).find((field) => match[field]);
  if (kind !== 'release' && ofReleases !== undefined) return `a ${kind} request has no ${ofReleases} to match`;
  if (match.artifacts !== undefined && match.document?.patterns.includes('manifest') === false)
    return 'beside artifacts the only document is their manifest';
  const askers = [
    ...requesters.entries.filter(({ channels }) => kind !== 'genesis' && channels.includes(channel)),
    ...(kind === 'release' ? [] : charter.members),
  ].map(({ name }) => name);
  const wanted = match.requester?.patterns;
  // Whom a pattern may mean is not known before everybody is there.
  if (wanted === undefined || wanted.some((pattern) => isPattern(pattern) || askers.includes(pattern)))
    return undefined;
  return `${wanted.join(', ')} may not ask for a ${kind} on ${channel}`;
}

/** Whether every request that `later` is for, `rule` is for, too. No is the answer where it is not certain. */
function covers(rule: PolicyRule, later: PolicyRule): boolean {
  const fields = Object.keys(rule.match) as (keyof RuleMatch)[];
  return fields.every((field) => coversField(rule.match[field], later.match[field])) && reachesAsFar(rule, later);
}

function coversField(field: RuleMatch[keyof RuleMatch], later: RuleMatch[keyof RuleMatch]): boolean {
  if (field === undefined) return true;
  return (
    later?.patterns.every((pattern) => field.patterns.some((one) => one === pattern || isWider(one, pattern))) === true
  );
}

/** Whether `wide` fits all that `narrow` fits; a question mark may fit less than a star. */
function isWider(wide: string, narrow: string): boolean {
  return (!narrow.includes('*') || !wide.includes('?')) && globMatches(wide, narrow);
}

/** Rules that approve are for less unless they name it (T33), and so cover less. */
function reachesAsFar(rule: PolicyRule, later: PolicyRule): boolean {
  if (!isApproving(rule)) return true;
  if (!isApproving(later)) return false;
  const [own, other] = [rule.match, later.match];
  return (
    (own.kind !== undefined || other.kind === undefined || other.kind.patterns.every((kind) => kind === 'release')) &&
    (own.channel?.patterns.includes(production) === true || other.channel?.patterns.includes(production) !== true) &&
    (own.document !== undefined || other.document === undefined)
  );
}
