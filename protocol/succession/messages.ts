/** What only a succession says: the hello of its heirs and dealers, the begin that fixes the dealers, and the word that an old share is erased. */
import { ProtocolError } from '../errors.ts';
import { memberByKey, type Charter, type Member } from '../files/charter.ts';
import { maxChannels, maxEpochNumber, maxMembers, maxSpeakers, maxSuccessionBytes } from '../limits.ts';
import { openCeremonyMessage, type CeremonyMessage } from '../ceremony/messages.ts';
import { bytesToHex, hexToBytes, taggedHash } from '../wire/bytes.ts';
import { defineMessage, openMessage, type Envelope, type MessageType, type PayloadOf } from '../wire/envelope.ts';
import { Hash, IdentifierNumber, Key, Name, Strict, Type } from '../wire/schema.ts';

const code = 'bad-ceremony-message';

/** First word of an heir, and of an old member that may deal. */
const helloMessage = defineMessage(
  'succession-hello',
  Strict({
    succession: Hash,
    epoch: Hash,
    charter: Hash,
    /** Counts this member's hellos in the successions out of one epoch: the highest is the newest, whatever order a relay shows them in. */
    serial: Type.Integer({ minimum: 1, maximum: maxEpochNumber }),
    nonce: Hash,
  }),
  code,
);

/** Who deals, and with which hellos everybody is in. */
const beginMessage = defineMessage(
  'succession-begin',
  Strict({
    succession: Hash,
    epoch: Hash,
    /** The higher one wins. */
    counter: Type.Integer({ minimum: 1, maximum: maxEpochNumber }),
    /** For each channel whose key stays, in the new charter's order: a minimal qualified set, by identifiers of the old charter. */
    dealers: Type.Array(
      Strict({ channel: Name, identifiers: Type.Array(IdentifierNumber, { minItems: 1, maxItems: maxMembers }) }),
      { minItems: 1, maxItems: maxChannels },
    ),
    /** SHA-256 of the hello of every speaker: heirs in order of identifiers, then dealers that are none by their old ones. */
    hellos: Type.Array(Hash, { minItems: 2, maxItems: maxSpeakers }),
    /** Who could deal and does not, for people: nobody acts on it. */
    without: Type.Array(
      Strict({
        name: Name,
        why: Type.Union([Type.Literal('wrong'), Type.Literal('complaint'), Type.Literal('silent')]),
      }),
      { maxItems: maxMembers },
    ),
  }),
  code,
  maxSuccessionBytes,
);

/** "My share of that epoch is overwritten"; how many backups of it there may still be. A word, not a proof. */
export const erasedMessage = defineMessage(
  'erased',
  Strict({
    groupKey: Key,
    epoch: Hash,
    /** SHA-256 of the payload of the genesis after it. */
    genesis: Hash,
    backups: Type.Integer({ minimum: 0, maximum: maxEpochNumber }),
  }),
  code,
);

const openingTypes = { hello: helloMessage, begin: beginMessage } as const;

/** The kinds that only a succession has; from the hash commitments on they are the ceremony's. */
export type OpeningKind = keyof typeof openingTypes;
/** What is signed in a message of this kind. */
export type OpeningPayload<K extends OpeningKind> = PayloadOf<(typeof openingTypes)[K]>;
/** Why somebody that could deal does not. */
export type Absence = OpeningPayload<'begin'>['without'][number]['why'];

/** An opened message of this kind. */
export interface OpeningMessageOf<K extends OpeningKind> {
  readonly kind: K;
  /** As the new charter names it, or the old one for who is in that alone. */
  readonly from: Member;
  readonly payload: OpeningPayload<K>;
  /** SHA-256 of the payload bytes, hex. */
  readonly hash: string;
  readonly envelope: Envelope;
}

/** A hello or a begin. */
export type OpeningMessage = { [K in OpeningKind]: OpeningMessageOf<K> }[OpeningKind];

/** What is said in a succession after it has begun. */
export type StepMessage = Exclude<CeremonyMessage, { kind: 'hello' }>;

/** Any message of a succession, told apart by `kind`. */
export type SuccessionMessage = OpeningMessage | StepMessage;

/** Payload type and schema of this kind, to seal and open with. */
export function openingMessageType<K extends OpeningKind>(kind: K): (typeof openingTypes)[K] {
  return openingTypes[kind];
}

/** Who may speak: the members of both charters, as the new one names them where it does. */
export interface SuccessionCharters {
  readonly before: Charter;
  readonly after: Charter;
}

/** The person with this identity key, or `undefined`. */
function speakerByKey({ before, after }: SuccessionCharters, key: string): Member | undefined {
  return memberByKey(after, key) ?? memberByKey(before, key);
}

/** Opens any message of a succession by a member of either charter. Throws `ProtocolError`. */
export function openSuccessionMessage(envelope: Envelope, charters: SuccessionCharters): SuccessionMessage {
  const { payloadType } = envelope;
  if (payloadType === helloMessage.payloadType) return openOpening('hello', envelope, charters);
  if (payloadType === beginMessage.payloadType) return openOpening('begin', envelope, charters);
  const isHeir = charters.after.members.some(({ key }) => key === envelope.signatures[0].keyid);
  const message = openCeremonyMessage(envelope, isHeir ? charters.after : charters.before);
  if (message.kind === 'hello') throw new ProtocolError(code, 'an ordinary hello has no place in a succession');
  if (!isHeir && (message.kind === 'transcript' || message.kind === 'stored'))
    throw new ProtocolError(code, `${message.from.name} is no heir and gets no share`);
  return message;
}

function openOpening<K extends OpeningKind>(
  kind: K,
  envelope: Envelope,
  charters: SuccessionCharters,
): OpeningMessageOf<K> {
  // The kind and its payload are paired above; the compiler cannot follow the pair through the lookup.
  const type = openingTypes[kind] as MessageType<unknown>;
  const opened = openMessage(type, envelope, (key) => speakerByKey(charters, key) !== undefined);
  const from = speakerByKey(charters, opened.from);
  if (from === undefined) throw new ProtocolError('not-a-member', `${opened.from} is in neither charter`);
  if (kind === 'begin' && memberByKey(charters.after, from.key) === undefined)
    throw new ProtocolError(code, `${from.name} is no heir, and only an heir may begin`);
  return { kind, from, payload: opened.payload as OpeningPayload<K>, hash: opened.hash, envelope: opened.envelope };
}

/** The id, hex, of the ceremony that a begin opens: it covers the dealers and every hello. */
export function successionCeremonyId({ payload, hash }: Pick<OpeningMessageOf<'begin'>, 'payload' | 'hash'>): string {
  return bytesToHex(taggedHash('succession', hexToBytes(payload.succession), hexToBytes(hash)));
}
