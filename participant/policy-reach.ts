/**
 * Whether every rule of a policy can decide anything in its group. A rule that names what there is not, or that an earlier one leaves nothing
 * for, is a mistake of whoever wrote it, and nobody would notice: the request is decided by another rule.
 */
import { printableJson } from '../verifier/printable.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { production, type Charter, type Member } from '../protocol/files/charter.ts';
import type { Requesters } from '../protocol/files/requesters.ts';
import { maxProductCharacters } from '../protocol/limits.ts';
import { isKindOnChannel, requestKinds, type RequestKind } from '../protocol/request/request.ts';
import { globMatches, isApproving, type Policy, type PolicyRule, type RuleMatch } from './policy.ts';

/** Whose requests a policy is for. */
export interface PolicyGround {
  readonly charter: Charter;
  /** Whose policy it is: it is asked about channels that this member has a share of, and not about what this member asked for. */
  readonly self: Member;
  /** The newest that this member has. */
  readonly requesters: Requesters;
}

/** Hears of a rule that decides nothing for now: its place, as `policy.yaml:12`, and why. */
export type InertRule = (place: string, why: string) => void;

/** How a policy is read. */
export interface PolicyReading {
  readonly inert: InertRule;
  /** Who may ask changes while nobody looks at the policy: unless somebody does, a rule for those who may not is told and not refused. */
  readonly refusesUnasked: boolean;
}

/**
 * Throws `ProtocolError('bad-policy')` with file and line for the first rule that can decide nothing at any member. All members may have one file,
 * so a rule that decides nothing at this one is told, and so is, unless it is to be refused, one for those who may not ask.
 */
export function assertReachable({ file, rules }: Policy, ground: PolicyGround, reading: PolicyReading): void {
  for (const [index, rule] of rules.entries()) {
    const { places, reasons } = reachOf(rule, ground);
    const mistake =
      strangerIn(rule.match, ground.charter) ??
      (places.length === 0 ? never(reasons.join('; ')) : whyCovered(rule, rules.slice(0, index), places)) ??
      (reading.refusesUnasked ? whyNobodyAsks(rule, places, ground) : undefined);
    const line = mistake?.line ?? rule.line;
    if (mistake !== undefined) throw new ProtocolError('bad-policy', mistake.what, { file, line });
    const idle = whyIdle(rule, places, ground) ?? whyNobodyAsks(rule, places, ground)?.what;
    if (idle !== undefined) reading.inert(rule.place, idle);
  }
}

/** Why this member is asked nothing that the rule is for, though others may be. */
function whyIdle(rule: PolicyRule, places: readonly Place[], ground: PolicyGround): string | undefined {
  const { self } = ground;
  const held = places.filter(({ channel }) => holdsShareOf(channel, ground));
  if (held.length === 0)
    return `${self.name} has no share of ${[...new Set(places.map(({ channel }) => channel))].join(', ')} and is asked nothing about it`;
  const wanted = rule.match.requester?.patterns;
  if (wanted === undefined || wanted.some(isPattern)) return undefined;
  return held.every((place) => isOwnBusiness(askersAmong(wanted, place, ground), place, ground))
    ? `what ${self.name} asks for on production others decide`
    : undefined;
}

interface Mistake {
  readonly what: string;
  /** Of the rule itself when no field is to blame. */
  readonly line?: number;
}

/** Where a request may be made. */
interface Place {
  readonly kind: RequestKind;
  readonly channel: string;
}

function never(why: string): Mistake {
  return { what: `this rule can never match: ${why}` };
}

/** The first name that is nothing's here. */
function strangerIn(match: RuleMatch, charter: Charter): Mistake | undefined {
  const channels = charter.channels.map(({ name }) => name);
  const find = (field: keyof RuleMatch, isStrange: (pattern: string) => boolean): string | undefined =>
    match[field]?.patterns.find(isStrange);
  const channel = find('channel', (pattern) => !channels.some((name) => globMatches(pattern, name)));
  if (channel !== undefined)
    return {
      what: `the charter has no channel ${printableJson(channel)}; it has ${channels.join(', ')}`,
      ...lineOf(match, 'channel'),
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

/** Everywhere where there may be a request that this rule is for, and why there is none anywhere else. */
function reachOf(
  rule: PolicyRule,
  { charter }: PolicyGround,
): { readonly places: readonly Place[]; readonly reasons: readonly string[] } {
  const places: Place[] = [];
  const reasons = new Set<string>();
  for (const kind of kindsOf(rule))
    for (const { name: channel } of charter.channels.filter(({ name }) => isOnChannel(rule, name))) {
      const reason = reasonAgainst(rule, { kind, channel });
      if (reason === undefined) places.push({ kind, channel });
      else reasons.add(reason);
    }
  return { places, reasons: [...reasons] };
}

/** A rule that approves is for releases unless it names kinds (T33). */
function kindsOf({ match: { kind }, ...rule }: PolicyRule): readonly RequestKind[] {
  return (kind?.patterns ?? (isApproving(rule) ? ['release'] : requestKinds)) as readonly RequestKind[];
}

function isOnChannel({ match: { channel } }: PolicyRule, name: string): boolean {
  return channel === undefined || channel.patterns.some((pattern) => globMatches(pattern, name));
}

/** A rule that approves is for production only if it names it (T33). */
function isProductionMeant({ match, ...rule }: PolicyRule): boolean {
  return !isApproving(rule) || match.channel?.patterns.includes(production) === true;
}

function reasonAgainst(rule: PolicyRule, { kind, channel }: Place): string | undefined {
  const { match } = rule;
  if (!isKindOnChannel(kind, channel)) return `nobody asks for a ${kind} on ${channel}`;
  if (channel === production && !isProductionMeant(rule))
    return `a rule that approves is for production only when it says "channel: ${production}"`;
  const ofReleases = (['product', 'repo', 'ref', 'artifacts', 'document'] as const).find((field) => match[field]);
  if (kind !== 'release' && ofReleases !== undefined) return `a ${kind} request has no ${ofReleases} to match`;
  if (match.artifacts !== undefined && match.document?.patterns.includes('manifest') === false)
    return 'beside artifacts the only document is their manifest';
  return undefined;
}

function holdsShareOf(channel: string, { charter, self }: PolicyGround): boolean {
  const sharings = charter.channels.find(({ name }) => name === channel)?.sharings ?? [];
  return sharings.some(({ members }) => members.includes(self.identifier));
}

/** Whether all whom a rule means are nobody, or may not ask for what it is for. */
function whyNobodyAsks({ match }: PolicyRule, places: readonly Place[], ground: PolicyGround): Mistake | undefined {
  const wanted = match.requester?.patterns;
  if (wanted === undefined) return undefined;
  const { charter, requesters } = ground;
  const known = [...requesters.entries, ...charter.members].map(({ name }) => name);
  const stranger = wanted.find((pattern) => !isPattern(pattern) && !known.includes(pattern));
  if (stranger !== undefined)
    return {
      what: `${printableJson(stranger)} is no member, and not in version ${requesters.version} of the requesters document; take the name out until this member has a version with it (frostmark participant status)`,
      ...lineOf(match, 'requester'),
    };
  // Whom a pattern may mean is not known before everybody is there.
  if (wanted.some(isPattern)) return undefined;
  const reasons = places.map((place) => reasonAgainstAskers(wanted, place, ground));
  return reasons.includes(undefined) ? undefined : never([...new Set(reasons)].join('; '));
}

function reasonAgainstAskers(wanted: readonly string[], place: Place, ground: PolicyGround): string | undefined {
  if (askersAmong(wanted, place, ground).length > 0) return undefined;
  return `${wanted.join(', ')} may not ask for a ${place.kind} on ${place.channel}`;
}

/** Whoever may ask for something. */
interface Asker {
  readonly name: string;
  readonly key: string;
  readonly member?: string | undefined;
}

function askersAmong(wanted: readonly string[], { kind, channel }: Place, ground: PolicyGround): readonly Asker[] {
  const { charter, requesters } = ground;
  return [
    ...requesters.entries.filter(({ channels }) => kind !== 'genesis' && channels.includes(channel)),
    ...(kind === 'release' ? [] : charter.members.map(({ name, key }) => ({ name, key, member: name }))),
  ].filter(({ name }) => wanted.includes(name));
}

/** Whether this member alone asks for it, and others decide (T31). What the ceremony itself signs its members ask one another for. */
function isOwnBusiness(askers: readonly Asker[], { kind, channel }: Place, { self }: PolicyGround): boolean {
  const isFounding = kind === 'genesis' || kind === 'requesters' || kind === 'delegation';
  const isOwn = askers.length > 0 && askers.every(({ key, member }) => key === self.key || member === self.name);
  return channel === production && !isFounding && isOwn;
}

function whyCovered(rule: PolicyRule, earlier: readonly PolicyRule[], places: readonly Place[]): Mistake | undefined {
  const covering = earlier.find((one) => covers(one, rule, places));
  return covering && never(`whatever it is for, the rule of line ${covering.line} decides first`);
}

/** Whether every request that `later` is for, which are at these places, `rule` is for, too. No is the answer where it is not certain. */
function covers(rule: PolicyRule, later: PolicyRule, places: readonly Place[]): boolean {
  const isForAll = places.every(
    ({ kind, channel }) =>
      kindsOf(rule).includes(kind) && isOnChannel(rule, channel) && (channel !== production || isProductionMeant(rule)),
  );
  const fields = ['requester', 'product', 'repo', 'ref', 'artifacts'] as const;
  return (
    isForAll &&
    fields.every((field) => coversField(rule.match[field], later.match[field])) &&
    coversDocuments(rule, later, places)
  );
}

function coversField(field: RuleMatch[keyof RuleMatch], later: RuleMatch[keyof RuleMatch]): boolean {
  if (field === undefined) return true;
  return (
    later?.patterns.every((pattern) => field.patterns.some((one) => one === pattern || isWider(one, pattern))) === true
  );
}

/** A rule that approves releases is for files alone unless it names documents (T33), and so covers only what is for files alone, too. */
function coversDocuments(rule: PolicyRule, later: PolicyRule, places: readonly Place[]): boolean {
  const [own, other] = [rule.match.document, later.match.document];
  if (own !== undefined) return coversField(own, other);
  const isForReleases = places.some(({ kind }) => kind === 'release');
  return !isApproving(rule) || !isForReleases || (isApproving(later) && other === undefined);
}

/** Whether `wide` fits all that `narrow` fits; a question mark may fit less than a star. */
function isWider(wide: string, narrow: string): boolean {
  return (!narrow.includes('*') || !wide.includes('?')) && globMatches(wide, narrow);
}
