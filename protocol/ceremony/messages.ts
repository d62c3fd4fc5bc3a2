/** What members say to each other while they make a key, each message signed by its sender and bound to one ceremony. */
import { bytesToHex, hexToBytes, taggedHash } from '../wire/bytes.ts';
import { memberByKey, type Charter, type Member } from '../files/charter.ts';
import { defineMessage, openMessage, type Envelope, type MessageType, type PayloadOf } from '../wire/envelope.ts';
import { ProtocolError } from '../errors.ts';
import { maxCeremonyMessageBytes, maxChannels, maxDealings, maxMembers, maxReasonCharacters } from '../limits.ts';
import { Hash, Hex, IdentifierNumber, Name, Nullable, Strict, Text, Type } from '../wire/schema.ts';

const code = 'bad-ceremony-message';

/** Schnorr proof, R || z: a point and a scalar. */
const ProofSchema = Hex(64);

/** First word of a join: which charter, which requesters document, which import file if any, and a fresh nonce. */
export const helloMessage = defineMessage(
  'ceremony-hello',
  Strict({ charter: Hash, requesters: Hash, import: Nullable(Hash), nonce: Hash }),
  code,
);

/** One hash over everything the dealer is about to reveal. */
const commitMessage = defineMessage('ceremony-commit', Strict({ ceremony: Hash, reveal: Hash }), code);

/** Commitment vectors and proofs of knowledge for every sharing this member deals, and its one-time encryption key. */
export const revealMessage = defineMessage(
  'ceremony-reveal',
  Strict({
    ceremony: Hash,
    encryptionKey: Hex(32),
    dealings: Type.Array(
      Strict({
        channel: Name,
        sharing: Type.Integer({ minimum: 0, maximum: maxMembers }),
        commitments: Type.Array(Hex(32), { maxItems: maxMembers }),
        proof: ProofSchema,
      }),
      { maxItems: maxDealings },
    ),
  }),
  code,
  maxCeremonyMessageBytes,
);

/** One sealed box for every other member with whom this dealer shares a sharing, in order of identifiers. */
export const boxesMessage = defineMessage(
  'ceremony-boxes',
  Strict({
    ceremony: Hash,
    boxes: Type.Array(
      Strict({ to: IdentifierNumber, box: Type.String({ pattern: '^[A-Za-z0-9+/]+={0,2}$', maxLength: 4096 }) }),
      { maxItems: maxMembers },
    ),
  }),
  code,
  maxCeremonyMessageBytes,
);

/** The whole transcript, and a proof for every share its signer holds. Its share is stored by then. */
export const transcriptMessage = defineMessage(
  'ceremony-transcript',
  Strict({
    ceremony: Hash,
    transcript: Hash,
    proofs: Type.Array(
      Strict({ channel: Name, sharing: Type.Integer({ minimum: 0, maximum: maxMembers }), proof: ProofSchema }),
      { maxItems: maxChannels },
    ),
  }),
  code,
);

/** "I hold a certificate of this transcript." Nothing is signed under the key before all members have said so. */
export const storedMessage = defineMessage('ceremony-stored', Strict({ ceremony: Hash, transcript: Hash }), code);

/** "I will never say `stored` for this ceremony." Excludes `stored` for ever, and is on disk before it is sent. */
const leaveMessage = defineMessage(
  'ceremony-leave',
  Strict({
    ceremony: Hash,
    code: Type.Union([
      Type.Literal('restarted'),
      Type.Literal('suspicion'),
      Type.Literal('fault'),
      Type.Literal('conflict'),
    ]),
    reason: Text(maxReasonCharacters),
    suspect: Nullable(Name),
  }),
  code,
);

const messageTypes = {
  hello: helloMessage,
  commit: commitMessage,
  reveal: revealMessage,
  boxes: boxesMessage,
  transcript: transcriptMessage,
  stored: storedMessage,
  leave: leaveMessage,
} as const;

/** The kinds of ceremony messages, in the order in which they are said; `leave` may come at any time. */
export type CeremonyKind = keyof typeof messageTypes;
/** What is signed in a message of this kind. */
export type CeremonyPayload<K extends CeremonyKind> = PayloadOf<(typeof messageTypes)[K]>;

/** An opened ceremony message, told apart by `kind`. */
export type CeremonyMessage = {
  [K in CeremonyKind]: {
    readonly kind: K;
    readonly from: Member;
    readonly payload: CeremonyPayload<K>;
    /** SHA-256 of the payload bytes, hex. */
    readonly hash: string;
    readonly envelope: Envelope;
  };
}[CeremonyKind];

/** An opened ceremony message of this kind. */
export type CeremonyMessageOf<K extends CeremonyKind> = Extract<CeremonyMessage, { kind: K }>;

/** Payload type and schema of this kind, to seal and open with. */
export function ceremonyMessageType<K extends CeremonyKind>(kind: K): (typeof messageTypes)[K] {
  return messageTypes[kind];
}

/** Opens any ceremony message by a member of the charter. Throws `ProtocolError`. */
export function openCeremonyMessage(envelope: Envelope, charter: Charter): CeremonyMessage {
  const found = Object.entries(messageTypes).find(([, type]) => type.payloadType === envelope.payloadType);
  if (found === undefined)
    throw new ProtocolError(code, `${envelope.payloadType.slice(0, 100)} is no ceremony message`);
  const [kind, type] = found as [CeremonyKind, MessageType<unknown>];
  const opened = openMessage(type, envelope, (key) => memberByKey(charter, key) !== undefined);
  const from = memberByKey(charter, opened.from);
  if (from === undefined) throw new ProtocolError('not-a-member', `${opened.from} is no member of ${charter.group}`);
  return { kind, from, payload: opened.payload, hash: opened.hash, envelope: opened.envelope } as CeremonyMessage;
}

/** The ceremony's id, hex: a hash over charter, requesters, import (empty without one) and every member's fresh nonce in order of identifiers. */
export function ceremonyId(
  agreed: { readonly charter: string; readonly requesters: string; readonly import: string | null },
  nonces: readonly string[],
): string {
  const { charter, requesters, import: imported } = agreed;
  const file = imported === null ? '' : imported;
  return bytesToHex(taggedHash('ceremony', ...[charter, requesters, file, ...nonces].map(hexToBytes)));
}
