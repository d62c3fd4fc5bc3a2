/** A member's signed decision on one request digest. It outlives restarts; the FROST sessions under it do not. */
import { decodeKey, defineMessage, openMessage, type Envelope } from '../wire/envelope.ts';
import { memberByKey, type Charter, type Member } from '../files/charter.ts';
import { ProtocolError } from '../errors.ts';
import type { Epoch } from '../ceremony/epoch.ts';
import { assertOfEpoch } from '../request/rights.ts';
import { maxReasonCharacters } from '../limits.ts';
import { Hash, Key, Nullable, Strict, Text, Timestamp, Type, type Static } from '../wire/schema.ts';

/** A decision: of one member, on one request, under one key epoch. */
export const decisionSchema = Strict({
  groupKey: Key,
  epoch: Hash,
  requestDigest: Hash,
  decision: Type.Union([Type.Literal('approve'), Type.Literal('refuse'), Type.Literal('withdraw')]),
  /** Counts this member's decisions on this request from 1: a replayed older one is a no-op. */
  serial: Type.Integer({ minimum: 1, maximum: 1_000_000 }),
  reason: Nullable(Text(maxReasonCharacters)),
  decidedAt: Timestamp,
});

/** What a member signs when it decides. */
export type DecisionPayload = Static<typeof decisionSchema>;
/** A decision, signed by the identity of its member. */
export const decisionMessage = defineMessage('decision', decisionSchema, 'bad-decision');

/** A decision with its sender. */
export interface Decision {
  readonly member: Member;
  readonly payload: DecisionPayload;
  readonly envelope: Envelope;
}

/** A decision by a member of the charter. Throws `ProtocolError`. */
export function openDecision(envelope: unknown, charter: Charter): Decision {
  const opened = openMessage(decisionMessage, envelope, (key) => memberByKey(charter, key) !== undefined);
  const member = memberByKey(charter, opened.from);
  if (member === undefined) throw new ProtocolError('not-a-member', 'the decision is by nobody in the charter');
  decodeKey(opened.payload.groupKey, 'bad-decision', 'groupKey');
  return { member, payload: opened.payload, envelope: opened.envelope };
}

/** Throws `ProtocolError` (`bad-decision`, `wrong-group`, `wrong-epoch`) for a decision on another request, or under another key epoch. */
export function assertDecisionOn({ payload, member }: Decision, requestDigest: string, epoch: Epoch): void {
  if (payload.requestDigest !== requestDigest)
    throw new ProtocolError('bad-decision', `${member.name} decided on another request`);
  assertOfEpoch(payload, epoch, `the decision of ${member.name}`);
}

/** Whether `next` is newer than what is known of the same member: a replayed older one counts no more. */
export function isNewerDecision(next: Decision, known: Decision | undefined): boolean {
  return known === undefined || known.payload.serial < next.payload.serial;
}
