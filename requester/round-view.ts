/** How a round stands, told by what its members signed and not by what the coordinator says of them. */
import { parseTime } from '../verifier/time.ts';
import type { OpenedGroup } from '../client/group.ts';
import type { Epoch } from '../protocol/ceremony/epoch.ts';
import { channelOf, type Member } from '../protocol/files/charter.ts';
import { assertDecisionOn, isNewerDecision, openDecision, type Decision } from '../protocol/signing/decision.ts';
import { ProtocolError } from '../protocol/errors.ts';
import type { Group } from '../protocol/frost/group.ts';
import { judgeEvidence } from '../protocol/evidence.ts';
import type { Envelope } from '../protocol/wire/envelope.ts';
import type { Outcome, RoundBody } from '../protocol/wire/frames.ts';
import { openRequest, type Request } from '../protocol/request/request.ts';
import { askerOrUndefined, expiresAtUnixSeconds, keptOut, type Asker } from '../protocol/request/rights.ts';
import { RequesterError } from './errors.ts';
import { maxClockSkewSeconds } from '../protocol/limits.ts';

/** What a member said last. */
type Standing = 'approved' | 'refused' | 'undecided';

/** One member of the quorum, as it takes part in a round. */
export interface RoundMember {
  readonly member: Member;
  readonly standing: Standing;
  /** Why it refused, in its own words: a stranger's text. */
  readonly reason: string | null;
  /** RFC 3339, when it said so, by its own word; `null` for who said nothing. */
  readonly decidedAt: string | null;
  /** As the coordinator says. */
  readonly connected: boolean;
  /** Approved, and its commitment waits for an attempt; as the coordinator says. */
  readonly ready: boolean;
  /** Left out of the round, as the coordinator says; a fault is believed only with its evidence. */
  readonly out: 'fault' | 'losses' | undefined;
  /** The asker's own member: it may decide, and is in no signer set. */
  readonly keptOut: boolean;
}

/** One sharing of the quorum. */
export interface RoundSharing {
  /** The tier, or `any`. */
  readonly of: string;
  readonly threshold: number;
  readonly members: readonly RoundMember[];
  /** Approvals that count, and how many of them are still missing. */
  readonly approvals: number;
  readonly missing: number;
}

/** A round as whoever asked sees it: what is signed is verified, the rest is marked as the coordinator's word. */
export interface RoundView {
  readonly request: Request;
  /** `undefined` when the newest requesters document no longer names whoever asked. */
  readonly asker: Asker | undefined;
  /** As the coordinator says; `assertGoesOn` believes it or not. */
  readonly outcome: Outcome;
  readonly sharings: readonly RoundSharing[];
  readonly expiresAtUnixSeconds: number;
  /** Unix seconds of the decision that ended it, by whoever made it; `undefined` while it is pending, and where no decision did. */
  readonly endedAtUnixSeconds: number | undefined;
  /** Decisions in the coordinator's answer that nobody of this group signed for this request. */
  readonly unverified: number;
  readonly body: RoundBody;
}

/**
 * Opens what the coordinator says of one round. Throws `RequesterError('bad-result')` if it is about another request or group,
 * and the `ProtocolError` of a request that is none.
 */
export function openRound(group: OpenedGroup, body: RoundBody): RoundView {
  return new RoundReader(group).open(body);
}

/** Opens one state of a round after the other: an envelope that is the same to the byte is not opened again. */
export class RoundReader {
  readonly #group: OpenedGroup;
  #request: Request | undefined;
  /** By the text of their envelopes: those of the newest state, and `undefined` for what is no decision on this request. */
  #decisions: ReadonlyMap<string, Decision | undefined> = new Map();

  /** `own` is a request that we made ourselves. */
  constructor(group: OpenedGroup, own?: Request) {
    this.#group = group;
    this.#request = own;
  }

  /** Throws what `openRound` does. */
  open(body: RoundBody): RoundView {
    const group = this.#group;
    const { charter } = group.epoch;
    const request = this.#requestOf(body);
    const out = keptOut(request, group);
    const { decisions, unverified } = this.#latestDecisions(request, body);
    const channel = channelOf(charter, request.payload.channel);
    const sharings = channel.sharings.map(({ tier, threshold, members }): RoundSharing => {
      const shown = members.flatMap((identifier) => {
        const member = charter.members[identifier - 1];
        return member === undefined ? [] : [memberOf(member, decisions.get(member.name), body, member === out)];
      });
      const approvals = shown.filter(({ standing, keptOut }) => standing === 'approved' && !keptOut).length;
      return { of: tier ?? 'any', threshold, members: shown, approvals, missing: Math.max(0, threshold - approvals) };
    });
    return {
      request,
      asker: askerOrUndefined(request, group),
      outcome: body.outcome,
      sharings,
      expiresAtUnixSeconds: expiresAtUnixSeconds(request, channel),
      endedAtUnixSeconds: endOf(sharings, body),
      unverified,
      body,
    };
  }

  #requestOf({ digest, request: envelope }: RoundBody): Request {
    const { epoch } = this.#group;
    const known = this.#request;
    const request = known !== undefined && textOf(known.envelope) === textOf(envelope) ? known : openRequest(envelope);
    if (request.digest !== digest)
      throw new RequesterError('bad-result', `the coordinator shows another request under the id ${digest}`);
    if (request.payload.groupKey !== epoch.groupKey || request.payload.epoch !== epoch.hash)
      throw new RequesterError('bad-result', `round ${digest} is of another group or key epoch`);
    // What was opened for one round says nothing of another.
    if (request.digest !== known?.digest) this.#decisions = new Map();
    this.#request = request;
    return request;
  }

  /** The newest decision of each member: what does not open, or is about something else, is counted and not believed (T34). */
  #latestDecisions(
    request: Request,
    body: RoundBody,
  ): { readonly decisions: ReadonlyMap<string, Decision>; readonly unverified: number } {
    const { epoch } = this.#group;
    const opened = new Map<string, Decision | undefined>();
    const decisions = new Map<string, Decision>();
    let unverified = 0;
    for (const envelope of body.decisions) {
      const text = textOf(envelope);
      const isKnown = this.#decisions.has(text);
      const decision = isKnown ? this.#decisions.get(text) : decisionOrUndefined(envelope, request, epoch);
      opened.set(text, decision);
      if (decision === undefined) unverified++;
      else if (isNewerDecision(decision, decisions.get(decision.member.name)))
        decisions.set(decision.member.name, decision);
    }
    this.#decisions = opened;
    return { decisions, unverified };
  }
}

/** Everything that is signed, and the signature: where that is the same, so is what came of opening it. */
function textOf({ payload, payloadType, signatures }: Envelope): string {
  return JSON.stringify([payload, payloadType, signatures[0].keyid, signatures[0].sig]);
}

function decisionOrUndefined(envelope: Envelope, { digest }: Request, epoch: Epoch): Decision | undefined {
  try {
    const decision = openDecision(envelope, epoch.charter);
    assertDecisionOn(decision, digest, epoch);
    return decision;
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

/** The last approval of a signer, or the last refusal: the coordinator says that it is over, and those who decided say when. */
function endOf(sharings: readonly RoundSharing[], { outcome, signers }: RoundBody): number | undefined {
  const isLast = ({ member, standing }: RoundMember): boolean =>
    (outcome === 'signed' && standing === 'approved' && signers.includes(Number(member.identifier))) ||
    (outcome === 'refused' && standing === 'refused');
  const times = sharings
    .flatMap(({ members }) => members.filter(isLast))
    .map(({ decidedAt }) => parseTime(decidedAt ?? '') ?? 0);
  return times.length === 0 ? undefined : Math.max(...times);
}

const standings = { approve: 'approved', refuse: 'refused', withdraw: 'undecided' } as const;

function memberOf(member: Member, decision: Decision | undefined, body: RoundBody, keptOut: boolean): RoundMember {
  return {
    member,
    standing: decision === undefined ? 'undecided' : standings[decision.payload.decision],
    reason: decision?.payload.decision === 'refuse' ? decision.payload.reason : null,
    decidedAt: decision?.payload.decidedAt ?? null,
    connected: body.connected.includes(member.identifier),
    ready: body.ready.includes(member.identifier),
    out: body.out.find((entry) => entry.member === Number(member.identifier))?.reason,
    keptOut,
  };
}

/** Whether the quorum can still be met when those that `isGone` are not counted. */
export function isReachable(view: RoundView, isGone: (member: RoundMember) => boolean): boolean {
  return view.sharings.every(
    ({ threshold, members }) => members.filter((member) => !member.keptOut && !isGone(member)).length >= threshold,
  );
}

/** Whether verified refusals alone leave no qualified set. */
export function isRefused(view: RoundView): boolean {
  return !isReachable(view, ({ standing }) => standing === 'refused');
}

/**
 * Ends in the error of how the round ended, if it did and was not signed; returns while it is pending or when it is signed.
 * `proved` are the members whose misbehaviour the evidence shows, from `judgeFaults`.
 * Throws `RequesterError` (`refused`, `faulted`, `expired`, `cancelled`, or `unproved` for a claim that nothing supports).
 */
export function assertGoesOn(view: RoundView, proved: ReadonlySet<string>, nowUnixSeconds: number): void {
  if (view.outcome === 'signed') return;
  if (isRefused(view)) throw new RequesterError('refused', describeRefusals(view));
  switch (view.outcome) {
    case 'pending':
      return;
    case 'refused':
      throw new RequesterError(
        'unproved',
        'the coordinator says that the request was refused, and cannot show by whom',
      );
    case 'faulted':
      if (isReachable(view, ({ member, standing }) => standing === 'refused' || proved.has(member.name)))
        throw new RequesterError(
          'unproved',
          'the coordinator says that members misbehaved, and its evidence does not show it',
        );
      throw new RequesterError(
        'faulted',
        `${[...proved].join(', ')} misbehaved, which is proved, and without them no quorum is left`,
      );
    case 'expired':
      if (nowUnixSeconds + maxClockSkewSeconds < view.expiresAtUnixSeconds)
        throw new RequesterError(
          'unproved',
          'the coordinator says that the request has expired, and by our clock it has not',
        );
      throw new RequesterError('expired', expiryText(view));
    case 'cancelled':
      throw new RequesterError('cancelled', 'the request was cancelled by whoever asked');
    case 'superseded':
      throw new RequesterError(
        'superseded',
        'the group lives in a new epoch, under a new charter: ask once more (the key, and all that it signed, stay)',
      );
  }
}

function describeRefusals(view: RoundView): string {
  return `refused by ${namesWith(view, 'refused')}: no quorum is left`;
}

/** Who of the quorum stood where when it was too late. */
export function expiryText(view: RoundView): string {
  const said = [
    ['approved by', namesWith(view, 'approved')],
    ['refused by', namesWith(view, 'refused')],
    ['no answer from', namesWith(view, 'undecided')],
  ] as const;
  const parts = said.flatMap(([how, names]) => (names === '' ? [] : [`${how} ${names}`]));
  return `the request expired before enough members had approved: ${parts.join('; ')}`;
}

/** `bob, carol (built from the wrong tag)` */
function namesWith(view: RoundView, standing: Standing): string {
  const members = new Map(
    view.sharings.flatMap((sharing) => sharing.members.map((entry) => [entry.member.name, entry])),
  );
  return [...members.values()]
    .filter((entry) => entry.standing === standing)
    .map(({ member, reason }) => (reason === null ? member.name : `${member.name} (${reason})`))
    .join(', ');
}

/** The members of this group whose misbehaviour in this round these evidence files prove; what proves nothing is left out. */
export function judgeFaults(
  arithmetic: Group,
  group: OpenedGroup,
  view: RoundView,
  evidence: readonly Uint8Array[],
): ReadonlySet<string> {
  const proved = new Set<string>();
  for (const bytes of evidence) {
    try {
      const verdict = judgeEvidence(arithmetic, bytes);
      if (verdict.charterHash === group.epoch.charter.hash && verdict.requestDigest === view.request.digest)
        proved.add(verdict.culprit.name);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
  }
  return proved;
}
