/** The frames between a member and the coordinator, and the bodies of the HTTP routes. */
import { printableJson } from '../../verifier/printable.ts';
import { ProtocolError } from '../errors.ts';
import {
  maxCandidates,
  maxDocuments,
  maxIndexed,
  maxIssued,
  maxListed,
  maxListedAttempts,
  maxListedDelegations,
  maxListedEnvelopes,
  maxListedErased,
  maxMessages,
  maxProofHashes,
  maxUrlCharacters,
} from '../limits.ts';
import { decodeCanonicalJson } from '../../verifier/json.ts';
import { defineMessage, refuseAs } from './envelope.ts';
import {
  assertSchema,
  EnvelopeSchema,
  Hash,
  Hex,
  IdentifierNumber,
  Key,
  Name,
  Nullable,
  StageNumber,
  Strict,
  Timestamp,
  Type,
  type Static,
  type TSchema,
} from './schema.ts';

/** Version of the whole wire: either side refuses the login of another. */
export const protocolVersion = 1;

const Signatures = Type.Array(Hex(64), { maxItems: 2 * maxMessages });
const Envelopes = Type.Array(EnvelopeSchema, { maxItems: maxListedEnvelopes });

/** A journal's head: the incarnation that a restore begins anew, its number of records and the last record's hash. */
export const JournalHead = Strict({
  incarnation: Type.String({ pattern: '^[0-9a-f]{32}$' }),
  length: Type.Integer({ minimum: 0 }),
  head: Hash,
});
/** One journal head. */
export type JournalHead = Static<typeof JournalHead>;

/** What a member sends. */
export const memberFrames = [
  Strict({ type: Type.Literal('decision'), decision: EnvelopeSchema }),
  Strict({ type: Type.Literal('commitment'), commitment: EnvelopeSchema }),
  Strict({ type: Type.Literal('share'), share: EnvelopeSchema }),
  Strict({ type: Type.Literal('answer'), answer: EnvelopeSchema }),
  Strict({ type: Type.Literal('ceremony'), message: EnvelopeSchema }),
  /** What the member knows of its group, sent first on every connect: a coordinator that lost its store answers `wanted`. */
  Strict({ type: Type.Literal('holding'), epoch: Nullable(Hash), requesters: Type.Integer({ minimum: 0 }) }),
  /** A message of a succession, by the hash of its document; without one the member asks for all that was said in it, and for what is said from then on. */
  Strict({ type: Type.Literal('succession'), succession: Hash, message: Nullable(EnvelopeSchema) }),
  /** Which documents of the group the member holds, signed, for whoever asks the coordinator. */
  Strict({ type: Type.Literal('holdings'), holdings: EnvelopeSchema }),
  /** The head of the member's journal as it moves on (T3). */
  Strict({ type: Type.Literal('journal'), journal: JournalHead }),
] as const;
/** Any frame of a member, told apart by its `type`. */
export const memberFrame = Type.Union([...memberFrames]);
/** One decoded frame of a member. */
export type MemberFrame = Static<typeof memberFrame>;

/** The state of a round, as the coordinator says it; who approved or refused is believed only from the decisions. */
export const outcomes = ['pending', 'signed', 'refused', 'faulted', 'expired', 'cancelled', 'superseded'] as const;
/** One of them; `pending` until the round is over, and never another after that. */
export type Outcome = (typeof outcomes)[number];
const OutcomeSchema = Type.Unsafe<Outcome>(Type.Union(outcomes.map((outcome) => Type.Literal(outcome))));

/** What the coordinator sends to a member. */
export const coordinatorFrames = [
  Strict({ type: Type.Literal('request'), request: EnvelopeSchema, decisions: Envelopes }),
  Strict({ type: Type.Literal('decision'), decision: EnvelopeSchema }),
  Strict({
    type: Type.Literal('package'),
    requestDigest: Hash,
    stage: StageNumber,
    /** The signatures of stage 1 that stage 2 builds on, 64 bytes each, hex; empty at stage 1. */
    earlier: Signatures,
    commitments: Envelopes,
  }),
  /** The round is over. For `signed`, `signatures` are the 64-byte results in format order, hex; those of stage 2 after those of stage 1. */
  Strict({
    type: Type.Literal('closed'),
    requestDigest: Hash,
    outcome: OutcomeSchema,
    signatures: Signatures,
    /** Who signed, as the coordinator says it. */
    signers: Type.Array(IdentifierNumber, { maxItems: maxListed }),
  }),
  Strict({ type: Type.Literal('ceremony'), message: EnvelopeSchema }),
  /** A message of a succession, to whoever asked for it. */
  Strict({ type: Type.Literal('succession'), succession: Hash, message: EnvelopeSchema }),
  /** Who is connected, after all that was pending was sent; and again whenever it changes. */
  Strict({ type: Type.Literal('present'), members: Type.Array(IdentifierNumber, { maxItems: maxListed }) }),
  /** The newest documents under the group key; sent on connect and on change to every member. Believed only after verification. */
  Strict({
    type: Type.Literal('documents'),
    /** Transcript hash of the epoch whose documents they are. */
    epoch: Hash,
    genesis: Nullable(EnvelopeSchema),
    requesters: Nullable(EnvelopeSchema),
    delegations: Type.Array(EnvelopeSchema, { maxItems: maxListedDelegations }),
  }),
  /** The coordinator knows less of the group than this member holds: the member PUTs it. */
  Strict({ type: Type.Literal('wanted') }),
  /** A journal head went back within one incarnation (T3). */
  Strict({ type: Type.Literal('alarm'), member: Name, message: Type.String({ maxLength: 500 }) }),
  /** One refused frame: nothing was changed by it. */
  Strict({
    type: Type.Literal('error'),
    code: Type.String({ maxLength: 40 }),
    message: Type.String({ maxLength: 1000 }),
  }),
] as const;
/** Any frame of the coordinator, told apart by its `type`. */
export const coordinatorFrame = Type.Union([...coordinatorFrames]);
/** One decoded frame of the coordinator. */
export type CoordinatorFrame = Static<typeof coordinatorFrame>;

/** A frame's schema: an object told apart by its literal `type`. */
type FrameSchema = TSchema & { readonly properties: { readonly type: { readonly const: string } } };

/** Only the schema of the frame's own type is tried, so that the error names the field. */
function decodeFrame(schemas: readonly FrameSchema[], bytes: Uint8Array, maxBytes: number): unknown {
  const value = refuseAs('bad-frame', 'frame', () => decodeCanonicalJson(bytes, { maxBytes, maxDepth: 8 }));
  if (typeof value !== 'object' || value === null || !('type' in value)) {
    throw new ProtocolError('bad-frame', 'a frame is an object with a type');
  }
  const schema = schemas.find((candidate) => candidate.properties.type.const === value.type);
  if (schema === undefined)
    throw new ProtocolError('bad-frame', `unknown frame ${printableJson(value.type).slice(0, 40)}`);
  assertSchema(schema, value, 'bad-frame', `frame ${schema.properties.type.const}`);
  return value;
}

/** One frame of a member. Throws `ProtocolError('bad-frame')`. */
export function decodeMemberFrame(bytes: Uint8Array, maxBytes: number): MemberFrame {
  return decodeFrame(memberFrames, bytes, maxBytes) as MemberFrame;
}

/** One frame of the coordinator. Throws `ProtocolError('bad-frame')`. */
export function decodeCoordinatorFrame(bytes: Uint8Array, maxBytes: number): CoordinatorFrame {
  return decodeFrame(coordinatorFrames, bytes, maxBytes) as CoordinatorFrame;
}

const Url = Type.String({ minLength: 1, maxLength: maxUrlCharacters });

/** The coordinator's signed challenge: single use, short-lived, bound to its own URL. */
export const challengeMessage = defineMessage(
  'challenge',
  Strict({ challenge: Hash, url: Url, version: Type.Literal(protocolVersion), expiresAt: Timestamp }),
  'bad-login',
);

/** A client's answer. `charter` names the group for a member, `groupKey` for a requester. */
export const loginMessage = defineMessage(
  'login',
  Strict({
    challenge: Hash,
    url: Url,
    version: Type.Literal(protocolVersion),
    expiresAt: Timestamp,
    role: Type.Union([Type.Literal('member'), Type.Literal('requester')]),
    /** SHA-256 of the charter, for a member. */
    charter: Nullable(Hash),
    /** Group public key, for a requester. */
    groupKey: Nullable(Key),
    /** Of a member. */
    journal: Nullable(JournalHead),
  }),
  'bad-login',
);

/** What a client posts to log in: the signed answer to a challenge. */
export const loginBody = Strict({ login: EnvelopeSchema });
/** What a login gives: the bearer token of one session, 64 hex digits, and when it ends. */
export const tokenBody = Strict({ token: Hash, expiresAt: Timestamp });
/** What a client posts to open a round: the signed request. */
export const submitBody = Strict({
  request: EnvelopeSchema,
  /** Opens a new round where the same submission has one that ended without a signature; without it that one is joined, to learn how it ended. */
  again: Type.Optional(Type.Literal(true)),
});
/** What the coordinator answers to a submission. */
export const submittedBody = Strict({
  digest: Hash,
  /** True when the same submission was already there. */
  joined: Type.Boolean(),
  /** SHA-256 of documents that are still to be uploaded. */
  missing: Type.Array(Hash, { maxItems: maxDocuments }),
});
/** What a client posts to cancel a round of its own. */
export const cancelBody = Strict({ cancel: EnvelopeSchema });

/** The state of one round, which is sent whole as every event of its stream. */
export const roundBody = Strict({
  digest: Hash,
  request: EnvelopeSchema,
  outcome: OutcomeSchema,
  decisions: Envelopes,
  /** Identifiers of members that are connected. */
  connected: Type.Array(IdentifierNumber, { maxItems: maxListed }),
  /** Those among them that approved and whose commitment waits for an attempt. */
  ready: Type.Array(IdentifierNumber, { maxItems: maxListed }),
  /** Members left out of this round, and why. */
  out: Type.Array(
    Strict({ member: IdentifierNumber, reason: Type.Union([Type.Literal('fault'), Type.Literal('losses')]) }),
    { maxItems: maxListed },
  ),
  attempts: Type.Array(
    Strict({
      attempt: Hash,
      signers: Type.Array(IdentifierNumber, { maxItems: maxListed }),
      answered: Type.Array(IdentifierNumber, { maxItems: maxListed }),
      open: Type.Boolean(),
    }),
    { maxItems: maxListedAttempts },
  ),
  signatures: Signatures,
  signers: Type.Array(IdentifierNumber, { maxItems: maxListed }),
  evidence: Type.Array(Hash, { maxItems: maxListed }),
});
/** One round as the coordinator says it is. */
export type RoundBody = Static<typeof roundBody>;

/** Everything a client needs to know of a group, checked against the one key it holds. */
export const groupBody = Strict({
  /** Base64 of the charter file. */
  charter: Type.String(),
  /** Base64 of the certificate. */
  certificate: Type.String(),
  /** Signed "certificate stored" messages of all members. */
  stored: Envelopes,
  genesis: Nullable(EnvelopeSchema),
  requesters: Nullable(EnvelopeSchema),
  delegations: Type.Array(EnvelopeSchema, { maxItems: maxListedDelegations }),
});
/** One group as the coordinator brings it. */
export type GroupBody = Static<typeof groupBody>;

/** The keys of one charter that a coordinator knows of: the live one, or before there is one every candidate. */
export const groupKeysBody = Strict({ groupKeys: Type.Array(Key, { maxItems: maxCandidates }) });

/** What led to an epoch: the decided succession with its decisions. */
const signedSuccessionBody = Strict({
  request: EnvelopeSchema,
  /** Under the group's key. */
  document: EnvelopeSchema,
  /** Base64 of the payload of the requesters document that it names. */
  requesters: Type.String(),
  decisions: Type.Array(EnvelopeSchema, { maxItems: maxListed }),
});
/** One epoch of a chain with all that proves it. */
export const chainLinkBody = Strict({
  /** Base64 of the charter file. */
  charter: Type.String(),
  /** Base64 of the certificate. */
  certificate: Type.String(),
  stored: Envelopes,
  genesis: EnvelopeSchema,
  /** `null` for the epoch whose ceremony made the key. */
  succession: Nullable(signedSuccessionBody),
});
/** One link as it travels; believed only after `openChain`. */
export type ChainLinkBody = Static<typeof chainLinkBody>;

/** A part of a group's chain, in order. */
export const chainBody = Strict({
  /** How many links the whole chain has. */
  length: Type.Integer({ minimum: 0 }),
  /** As many as fit, at least one, from the one that was asked for. */
  links: Type.Array(chainLinkBody, { maxItems: maxListed }),
  /** Names of epochs, transcript hashes, that were also signed to follow on one of the chain's: evidence of a fork. */
  others: Type.Array(Hash, { maxItems: maxCandidates }),
});
/** A part of a chain as it is served. */
export type ChainBody = Static<typeof chainBody>;

/** Members' words that their old shares are overwritten. */
export const erasedBody = Strict({ erased: Type.Array(EnvelopeSchema, { maxItems: maxListedErased }) });
/** What a member brings of them: one. */
export const erasingBody = Strict({ erased: EnvelopeSchema });
/** All of them as they are served. */
export type ErasedBody = Static<typeof erasedBody>;

/** A document of a group as it is kept and brought back: the round that made it. */
export const documentBody = Strict({
  request: EnvelopeSchema,
  /** Base64 of each document of the request. */
  documents: Type.Array(Type.String(), { maxItems: maxDocuments }),
  /** Approvals of this request by a quorum's members. */
  decisions: Type.Array(EnvelopeSchema, { maxItems: maxListed }),
  signatures: Signatures,
});
/** One document of a group; believed only after verification. */
export type DocumentBody = Static<typeof documentBody>;

/** What one group has signed for stock tools and delegations, oldest first; believed only after verification. */
export const issuedBody = Strict({ issued: Type.Array(documentBody, { maxItems: maxIssued }) });
/** All of it, as the coordinator keeps it. */
export type IssuedBody = Static<typeof issuedBody>;

/** Which of these documents a coordinator has, and what members said that they hold. */
export const documentIndexBody = Strict({
  /** Digests of the requests, oldest first. */
  digests: Type.Array(Hash, { maxItems: maxIndexed }),
  holdings: Envelopes,
});
/** The index as it is served. */
export type DocumentIndexBody = Static<typeof documentIndexBody>;

/** Hashes of a proof about a group's log, hex. */
const ProofHashes = Type.Array(Hash, { maxItems: maxProofHashes });
/** One record of a group's log, base64, with the proof that it is there. */
export const entryBody = Strict({ leaf: Type.String(), proof: ProofHashes });
/** One record as it is served. */
export type EntryBody = Static<typeof entryBody>;
/** The proof that one tree of a log is the beginning of another. */
export const consistencyBody = Strict({ proof: ProofHashes });
/** Such a proof as it is served. */
export type ConsistencyBody = Static<typeof consistencyBody>;

/** Every refusal over HTTP: a code of PROTOCOL-REFERENCE.md, and what was found, for people. */
export const problemBody = Strict({ code: Type.String(), message: Type.String() });
