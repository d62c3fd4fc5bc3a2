/** What a member says that it holds: the newest of every count, signed. Whoever is shown less by a coordinator learns of it, and from whom to get it. */
import { ProtocolError } from '../errors.ts';
import { memberByKey, type Charter, type Member } from '../files/charter.ts';
import { maxHoldings } from '../limits.ts';
import { defineMessage, openMessage, type Envelope } from '../wire/envelope.ts';
import { Key, Strict, Timestamp, Type } from '../wire/schema.ts';
import { parseTimestamp } from '../wire/time.ts';
import { present } from '../wire/present.ts';
import { countOf, namedDocumentSchema, type NamedDocument } from './kinds.ts';

const schema = Strict({
  groupKey: Key,
  documents: Type.Array(namedDocumentSchema, { maxItems: maxHoldings }),
  at: Timestamp,
});

/** The newest of every count, signed by the identity of its member. */
export const holdingsMessage = defineMessage('holdings', schema, 'bad-document');

/** One member's word. */
export interface Holdings {
  readonly member: Member;
  /** The newest of each count that it holds. */
  readonly documents: readonly NamedDocument[];
  /** Unix seconds, by its own clock. */
  readonly atUnixSeconds: number;
  readonly envelope: Envelope;
}

/** Of a member of this charter, about the group with this key (base64url). Throws `ProtocolError`. */
export function openHoldings(envelope: unknown, charter: Charter, groupKey: string): Holdings {
  const opened = openMessage(holdingsMessage, envelope, (key) => memberByKey(charter, key) !== undefined);
  const { payload, from } = opened;
  if (payload.groupKey !== groupKey) throw new ProtocolError('wrong-group', 'the holdings are of another group');
  return {
    member: present(memberByKey(charter, from), 'the member'),
    documents: payload.documents,
    atUnixSeconds: parseTimestamp(payload.at, 'bad-document', 'at'),
    envelope: opened.envelope,
  };
}

/** Of what a coordinator shows, all that is the word of a member. */
export function believedHoldings(envelopes: readonly unknown[], charter: Charter, groupKey: string): Holdings[] {
  return envelopes.flatMap((envelope) => {
    try {
      return [openHoldings(envelope, charter, groupKey)];
    } catch (error) {
      if (error instanceof ProtocolError) return [];
      throw error;
    }
  });
}

/** A document that a member says it holds. */
export interface HeldBy extends NamedDocument {
  readonly members: readonly Member[];
}

/** The newest of each count that anybody says to hold, with all who do. */
export function newestHeld(holdings: readonly Holdings[]): HeldBy[] {
  const newest = new Map<string, HeldBy>();
  for (const { member, documents } of holdings) {
    for (const document of documents) {
      const known = newest.get(countOf(document));
      if (known === undefined || document.number > known.number)
        newest.set(countOf(document), { ...document, members: [member] });
      else if (document.number === known.number)
        newest.set(countOf(document), { ...known, members: [...known.members, member] });
    }
  }
  return [...newest.values()];
}

/** Of what members say to hold, all that is newer than what is known here. */
export function newerHeld(holdings: readonly Holdings[], known: ReadonlyMap<string, NamedDocument>): HeldBy[] {
  return newestHeld(holdings).filter((held) => held.number > (known.get(countOf(held))?.number ?? 0));
}
