/** What is new in a round, and the state with it: a live stream says nothing twice (PROTOCOL.md, section 10.4). */
import { ProtocolError } from '../errors.ts';
import { maxListedEnvelopes } from '../limits.ts';
import { roundBody, type RoundBody } from './frames.ts';
import { Type, type Static } from './schema.ts';

/** The name of an event that is a change and not the whole round. */
export const changeEvent = 'change';

/** What changed of a round: each field that is another now, whole, but of the decisions those that are new. */
export const roundChange = Type.Partial(Type.Omit(roundBody, ['digest', 'request']), { additionalProperties: false });
/** Such a change as it is sent. */
export type RoundChange = Static<typeof roundChange>;

const wholeFields = ['outcome', 'connected', 'ready', 'out', 'attempts', 'signatures', 'signers', 'evidence'] as const;

/** From one state of a round to a later one, which has a decision of everybody who had one before. A decision that is not the same object is new. */
export function changeOf(before: RoundBody, after: RoundBody): RoundChange {
  const changed = wholeFields.filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]));
  const known = new Set(before.decisions);
  const fresh = after.decisions.filter((decision) => !known.has(decision));
  return {
    ...Object.fromEntries(changed.map((name) => [name, after[name]])),
    ...(fresh.length === 0 ? {} : { decisions: fresh }),
  };
}

/** The state after the change: a decision takes the place of the one by the same key. Throws `ProtocolError('too-many')`. */
export function withChange(before: RoundBody, { decisions: fresh = [], ...fields }: RoundChange): RoundBody {
  const byKey = new Map([...before.decisions, ...fresh].map((one) => [one.signatures[0].keyid, one]));
  if (byKey.size > maxListedEnvelopes)
    throw new ProtocolError('too-many', `a round has at most ${maxListedEnvelopes} decisions`);
  return { ...before, ...fields, decisions: [...byKey.values()] };
}
