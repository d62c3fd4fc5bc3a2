/** A card: one line by which a member or requester presents itself, its name and identity key, signed by that key. */
import { decodeBase64Url, encodeBase64Url } from '../../verifier/base64.ts';
import { decodeCanonicalJson, encodeCanonicalJson } from '../../verifier/json.ts';
import { defineMessage, openMessage, refuseAs, sealMessage, type Identity } from '../wire/envelope.ts';
import { ProtocolError } from '../errors.ts';
import type { Group } from '../frost/group.ts';
import { isPrimeOrderPoint } from '../frost/group-noble.ts';
import { maxCardBytes, maxGoodCards, maxJsonDepth } from '../limits.ts';
import { Key, Name, Strict, Type } from '../wire/schema.ts';

/** Who presents itself; the signature is over it, so that no card serves for the other. */
export type CardRole = 'member' | 'requester';

/** What a card says once its signature was verified. */
export interface Card {
  readonly role: CardRole;
  readonly name: string;
  /** Identity key, base64url. */
  readonly key: string;
}

const cardMessage = defineMessage(
  'card',
  Strict({ role: Type.Union([Type.Literal('member'), Type.Literal('requester')]), name: Name, key: Key }),
  'bad-card',
  maxCardBytes,
);

const prefix = (role: CardRole): string => `frostmark-${role}:`;

/** The card of `identity`, one line without a newline. */
export function encodeCard(role: CardRole, name: string, identity: Identity): string {
  const envelope = sealMessage(cardMessage, { role, name, key: encodeBase64Url(identity.publicKey) }, identity);
  return prefix(role) + encodeBase64Url(encodeCanonicalJson(envelope));
}

/** Cards that were found good, by role and text: signature and subgroup take most of a millisecond. Bounded. */
const goodCards = new Map<string, Card>();

/** Tells points of the prime-order subgroup: whoever runs libsodium has it done in a tenth of the time. */
export type PointCheck = Pick<Group, 'decodePoint'>;

/** Throws `ProtocolError('bad-card')` for anything but a card of that role, signed by the key it shows. */
export function decodeCard(role: CardRole, text: string, points?: PointCheck): Card {
  const place = `${role} ${text}`;
  const known = goodCards.get(place);
  if (known !== undefined) return known;
  const card = openCard(role, text, points);
  const [oldest] = goodCards.keys();
  if (goodCards.size >= maxGoodCards && oldest !== undefined) goodCards.delete(oldest);
  goodCards.set(place, card);
  return card;
}

function openCard(role: CardRole, text: string, points: PointCheck | undefined): Card {
  if (!text.startsWith(prefix(role)))
    throw new ProtocolError('bad-card', `a card of a ${role} starts with ${prefix(role)}`);
  const envelope = refuseAs('bad-card', 'card', () =>
    decodeCanonicalJson(decodeBase64Url(text.slice(prefix(role).length)), {
      maxBytes: 2 * maxCardBytes,
      maxDepth: maxJsonDepth,
    }),
  );
  const opened = refuseAs('bad-card', 'card', () => openMessage(cardMessage, envelope, () => true));
  if (opened.from !== opened.payload.key || opened.payload.role !== role) {
    throw new ProtocolError('bad-card', 'the card is not signed by the key it shows');
  }
  // A key with a small-order part signs, but maps to other keys that sign the same: whoever is in a charter has exactly one (T38).
  const key = decodeBase64Url(opened.from);
  if (points === undefined ? !isPrimeOrderPoint(key) : points.decodePoint(key) === undefined)
    throw new ProtocolError('bad-card', 'the card shows a key outside the prime-order subgroup');
  return opened.payload;
}
