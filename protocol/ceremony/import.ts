/**
 * An import: a key that once was whole, split by one hand among the holders of a charter's production quorum (RFC 9591, Appendix C).
 *
 * The document holds no open secret: each holder's share is sealed to a one-time key that the holder erases once the group lives. It is bound
 * together by the dealer's proofs (Schnorr, over everything else in it): whoever changes a byte would have to know the key.
 */
import { decodeBase64, decodeBase64Url, encodeBase64, encodeBase64Url } from '../../verifier/base64.ts';
import { decodeCanonicalJson, encodeCanonicalJson } from '../../verifier/json.ts';
import { bytesToHex, equalBytes, hexToBytes, sha256Hex, taggedHash, u32 } from '../wire/bytes.ts';
import { channelOf, memberByKey, production, type Charter, type Member } from '../files/charter.ts';
import { decodeKey, refuseAs } from '../wire/envelope.ts';
import { ProtocolError } from '../errors.ts';
import type { BoxKey, Group, Point, SealingGroup, Secret } from '../frost/group.ts';
import {
  dealSecret,
  dealShare,
  decodeCommitments,
  groupPublicKey,
  outsideDealer,
  proofBytes,
  proveDealing,
  verifyDealing,
  verifyDealtShare,
  type Dealing,
} from '../frost/keygen.ts';
import { samePoint, sharingOf, type Identifier, type Sharing } from '../frost/sharing.ts';
import { maxImportBytes, maxMembers } from '../limits.ts';
import { assertSchema, Hash, Hex, IdentifierNumber, Key, Strict, Type, type Static } from '../wire/schema.ts';
import { at } from '../wire/present.ts';

const importSchema = Strict({
  version: Type.Literal(2),
  charter: Hash,
  groupKey: Key,
  /** For each sharing of production, in the charter's order: the commitments to its polynomial, constant term first. */
  sharings: Type.Array(Strict({ commitments: Type.Array(Hex(32), { minItems: 1, maxItems: maxMembers }) }), {
    minItems: 1,
    maxItems: maxMembers,
  }),
  /** One share for every holder, in order of identifiers, sealed to the one-time key that is named. */
  boxes: Type.Array(
    Strict({
      to: IdentifierNumber,
      key: Hex(32),
      box: Type.String({ pattern: '^[A-Za-z0-9+/]+={0,2}$', maxLength: 256 }),
    }),
    { minItems: 1, maxItems: maxMembers },
  ),
  /** One proof of knowledge for each sharing's constant term. */
  proofs: Type.Array(Hex(proofBytes), { minItems: 1, maxItems: maxMembers }),
});
type ImportDocument = Static<typeof importSchema>;
/** What the proofs cover. */
type ImportBody = Omit<ImportDocument, 'proofs'>;

/** A holder's share on its way. */
interface SealedShare {
  /** One-time X25519 public key that it is sealed to, 32 bytes. */
  readonly key: Uint8Array;
  readonly box: Uint8Array;
}

/** An import that passed every check but the opening of its boxes. */
export interface Import {
  /** SHA-256 of the file, hex: what every member's hello names. */
  readonly hash: string;
  /** The group public key, base64url: the key that was imported. */
  readonly groupKey: string;
  /** For each sharing of production: its commitments, constant term first. */
  readonly vectors: readonly (readonly Point[])[];
  /** Sealed shares by identifier. */
  readonly boxes: ReadonlyMap<Identifier, SealedShare>;
}

/** The sharings of production and all who hold a share of it, ascending. */
export function holdersOfProduction(charter: Charter): {
  readonly sharings: readonly Sharing[];
  readonly holders: readonly Member[];
} {
  const { sharings } = channelOf(charter, production);
  const holders = charter.members.filter(({ identifier }) => sharingOf(sharings, identifier) !== undefined);
  return { sharings, holders };
}

/** A key that is whole, and among whom it is split. */
export interface WholeKey {
  readonly arithmetic: SealingGroup;
  readonly charter: Charter;
  /** Stays the caller's. */
  readonly secret: Secret;
  /** One-time X25519 public keys (32 bytes) of all holders of production, by identifier (`readImportKeys`). */
  readonly keys: ReadonlyMap<Identifier, Uint8Array>;
}

/**
 * Splits a key among the holders of production: a random sum over its sharings, a random polynomial for each, a box for each holder.
 * Answers the file's bytes. Throws `ProtocolError('bad-import')` for a holder whose one-time key is missing or cannot be sealed to.
 */
export function splitKey({ arithmetic, charter, secret, keys }: WholeKey): Uint8Array {
  const { sharings, holders } = holdersOfProduction(charter);
  const key = arithmetic.publicPoint(secret);
  const parts = arithmetic.split(secret, sharings.length);
  const dealings = sharings.map(({ threshold }, index): Dealing => {
    const part = parts[index];
    if (part === undefined) throw new ProtocolError('bad-import', 'the key was not split for every sharing');
    return dealSecret(arithmetic, part, threshold);
  });
  try {
    const body: ImportBody = {
      version: 2,
      charter: charter.hash,
      groupKey: encodeBase64Url(key.bytes),
      sharings: dealings.map(({ commitments }) => ({ commitments: commitments.map(({ bytes }) => bytesToHex(bytes)) })),
      boxes: holders.map((holder) => sealShare({ arithmetic, charter, key, keys, dealings }, holder)),
    };
    const proofs = dealings.map((dealing, index) =>
      bytesToHex(proveDealing(arithmetic, dealing, outsideDealer, proofContext(body, index))),
    );
    return encodeCanonicalJson({ ...body, proofs });
  } finally {
    for (const { coefficients } of dealings) for (const coefficient of coefficients) arithmetic.wipe(coefficient);
  }
}

interface SplitKey extends Omit<WholeKey, 'secret'> {
  readonly key: Point;
  readonly dealings: readonly Dealing[];
}

function sealShare(
  { arithmetic, charter, key, keys, dealings }: SplitKey,
  holder: Member,
): ImportBody['boxes'][number] {
  const { sharings } = holdersOfProduction(charter);
  const dealing = dealings[sharings.findIndex(({ members }) => members.includes(holder.identifier))];
  const receiver = keys.get(holder.identifier);
  if (dealing === undefined || receiver === undefined)
    throw new ProtocolError('bad-import', `there is no one-time key of ${holder.name} to seal to`);
  const share = dealShare(arithmetic, dealing, holder.identifier);
  const box = arithmetic.seal(receiver, boxHeader(charter, key, holder), [share]);
  arithmetic.wipe(share);
  if (box === undefined)
    throw new ProtocolError('bad-import', `nothing can be sealed to the one-time key of ${holder.name}`);
  return { to: Number(holder.identifier), key: bytesToHex(receiver), box: encodeBase64(box) };
}

/** What every box begins with, so that it opens under no other charter, for no other key and no other member. */
function boxHeader(charter: Charter, key: Point, receiver: Member): Uint8Array {
  return taggedHash('import-box', hexToBytes(charter.hash), key.bytes, u32(receiver.identifier));
}

/** A proof covers all of the document but the proofs. */
function proofContext({ version, charter, groupKey, sharings, boxes }: ImportBody, sharing: number): Uint8Array {
  return taggedHash('import', encodeCanonicalJson({ version, charter, groupKey, sharings, boxes }), u32(sharing));
}

/**
 * Opens an import for its charter: shape, exactly t commitments for each sharing, constants that sum to the group key, a box for every holder,
 * and the dealer's proofs over all of it. Throws `ProtocolError('bad-import')`.
 */
export function openImport(arithmetic: Group, charter: Charter, bytes: Uint8Array): Import {
  const value = refuseAs('bad-import', 'the import file', () =>
    decodeCanonicalJson(bytes, { maxBytes: maxImportBytes, maxDepth: 5 }),
  );
  assertSchema(importSchema, value, 'bad-import', 'the import file');
  const { proofs, ...body } = value as ImportDocument;
  if (body.charter !== charter.hash)
    throw refusal(`it was made for another charter (${body.charter}); split the key again with this one`);
  const { sharings, holders } = holdersOfProduction(charter);
  if (memberByKey(charter, body.groupKey) !== undefined) throw refusal('its key is the identity key of a member');
  if (body.boxes.map(({ to }) => to).join() !== holders.map(({ identifier }) => identifier).join())
    throw refusal('its boxes are for other members than those who hold production');
  const vectors = decodeVectors(arithmetic, sharings, body);
  if (proofs.length !== sharings.length) throw refusal('it does not prove every sharing');
  for (const [index, vector] of vectors.entries()) {
    const proof = hexToBytes(at(proofs, index));
    if (!verifyDealing(arithmetic, vector, proof, outsideDealer, proofContext(body, index)))
      throw refusal(
        'its proofs do not hold: it was changed after it was made, or whoever made it did not have the key',
      );
  }
  return {
    hash: sha256Hex(bytes),
    groupKey: body.groupKey,
    vectors,
    boxes: new Map(
      body.boxes.map(({ key, box }, index): [Identifier, SealedShare] => [
        // The lists are equal by the check above.
        at(holders, index).identifier,
        { key: hexToBytes(key), box: refuseAs('bad-import', 'a box', () => decodeBase64(box)) },
      ]),
    ),
  };
}

function decodeVectors(arithmetic: Group, sharings: readonly Sharing[], body: ImportBody): Point[][] {
  if (body.sharings.length !== sharings.length) throw refusal('it has other sharings than the charter');
  const vectors = sharings.map(({ threshold }, index) => {
    const encoded = at(body.sharings, index).commitments.map(hexToBytes);
    // More or fewer would move the threshold (T14).
    const vector = decodeCommitments(arithmetic, encoded, threshold);
    if (vector === undefined) throw refusal(`a sharing does not have exactly ${threshold} valid commitments`);
    return vector;
  });
  const key = refuseAs('bad-import', 'the import file', () => groupPublicKey(arithmetic, vectors));
  const named = decodeKey(body.groupKey, 'bad-import', 'its group key');
  if (!samePoint({ bytes: named }, key)) throw refusal('its sharings do not sum to its group key');
  return vectors;
}

/** Who opens an import, and with what: its one-time key. */
export interface ImportReceiver {
  readonly arithmetic: SealingGroup;
  readonly charter: Charter;
  readonly self: Member;
  readonly boxKey: BoxKey;
}

/**
 * Opens a member's own box and checks the share in it against the commitments (RFC 9591, Appendix C.2, `vss_verify`).
 * `undefined` for a member that holds no share of production. Throws `ProtocolError('bad-import')`.
 */
export function openImportedShare(
  opened: Import,
  { arithmetic, charter, self, boxKey }: ImportReceiver,
): Secret | undefined {
  const { sharings } = holdersOfProduction(charter);
  const vector = opened.vectors[sharings.findIndex(({ members }) => members.includes(self.identifier))];
  const sealed = opened.boxes.get(self.identifier);
  if (vector === undefined || sealed === undefined) return undefined;
  if (!equalBytes(sealed.key, boxKey.publicKey))
    throw refusal(
      `the share for ${self.name} is sealed to another one-time key than this home's; give whoever splits the key the line that frostmark participant import-key prints here`,
    );
  const header = boxHeader(charter, { bytes: decodeBase64Url(opened.groupKey) }, self);
  const share = arithmetic.open(boxKey, sealed.box, header, 1)?.[0];
  if (share === undefined)
    throw refusal(`the box for ${self.name} does not open; whoever split the key must do it again`);
  if (verifyDealtShare(arithmetic, share, self.identifier, vector)) return share;
  arithmetic.wipe(share);
  throw refusal(`the share for ${self.name} does not fit its commitments; whoever split the key must do it again`);
}

function refusal(found: string): ProtocolError {
  return new ProtocolError('bad-import', `the import file cannot be used: ${found}`);
}
