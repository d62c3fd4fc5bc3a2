/**
 * What the keys of an OpenPGP export may do by their own self-signatures, as installers read them from the certificate that they pin (RFC 9580,
 * Sections 5.2.3.29, 5.2.3.13 and 5.2.1): the newest that verifies counts, and a revocation counts for ever.
 */
import { formatTimestamp } from '../protocol/wire/time.ts';
import { tags, type Packet } from './openpgp-packets.ts';
import { hashedKeyOf, readPublicPart, type PublicPart } from './openpgp-public.ts';
import {
  isSelfSignedBy,
  mayBeBy,
  readSelfSignature,
  signatureTypes,
  type SelfSignature,
} from './openpgp-signatures.ts';

const signFlag = 0x02;

/** Whether a key may sign, by the self-signatures beside it that verify. */
export type Standing =
  /** There is no self-signature in the file. */
  | { readonly kind: 'unsaid' }
  | { readonly kind: 'may-sign'; readonly untilUnixSeconds: number | undefined }
  | {
      readonly kind: 'may-not';
      readonly why: string;
      readonly remedy: 'subkey' | 'extend' | 'cross-certify' | 'other-key';
    };

interface Component {
  readonly packet: Packet;
  readonly signatures: readonly SelfSignature[];
}

/** One key's export, read for judgement. */
export interface Certificate {
  /** `undefined` for a key of another version or of an unknown algorithm. */
  readonly primary: PublicPart | undefined;
  readonly components: readonly Component[];
  readonly nowUnixSeconds: number;
}

/** Takes packets apart into keys and user ids with the signatures after each. */
export function readCertificate(packets: readonly Packet[], nowUnixSeconds: number): Certificate {
  const components: { readonly packet: Packet; readonly signatures: SelfSignature[] }[] = [];
  for (const packet of packets) {
    if (packet.tag === tags.signature) components.at(-1)?.signatures.push(readSelfSignature(packet.body));
    else if (packet.tag !== tags.trust) components.push({ packet, signatures: [] });
  }
  const primary = components.find(({ packet }) => packet.tag === tags.secretKey)?.packet;
  return { primary: primary && publicPartOf(primary), components, nowUnixSeconds };
}

/** `undefined` for what cannot be read: it is no key that can be split, and only keeps others from being judged. */
function publicPartOf({ body }: Packet): PublicPart | undefined {
  try {
    return body[0] === 4 ? readPublicPart(body) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the primary key may sign data. */
export function standingOfPrimary(certificate: Certificate): Standing {
  const standing = lifeOfPrimary(certificate);
  if (standing.kind !== 'may-sign') return standing;
  const silentOrSigning = statementsOf(certificate).every(
    ({ flags }) => flags === undefined || (flags & signFlag) !== 0,
  );
  if (silentOrSigning) return standing;
  return { kind: 'may-not', why: 'may certify but not sign', remedy: 'subkey' };
}

/** Whether the subkey of this packet may sign data under its primary key. */
export function standingOfSubkey(certificate: Certificate, packet: Packet): Standing {
  const life = lifeOfPrimary(certificate);
  if (life.kind === 'unsaid') return life;
  if (life.kind === 'may-not') return { ...life, why: `belongs to a primary key that ${life.why}` };
  const component = certificate.components.find((one) => one.packet === packet);
  const [primary, subkey] = [certificate.primary, publicPartOf(packet)];
  if (primary === undefined || subkey === undefined || component === undefined) return unbound;
  const context = [hashedKeyOf(primary.bytes), hashedKeyOf(subkey.bytes)];
  const revoked = revocationOf(certificate, component, { type: signatureTypes.subkeyRevocation, context });
  if (revoked !== undefined) return { kind: 'may-not', why: revoked, remedy: 'other-key' };
  const [binding] = newest(
    component.signatures.filter(({ type }) => type === signatureTypes.subkeyBinding),
    primary,
    context,
  );
  if (binding === undefined) return unbound;
  if (binding.flags !== undefined && (binding.flags & signFlag) === 0)
    return { kind: 'may-not', why: 'may not sign: it is for encryption or authentication', remedy: 'subkey' };
  if (!isCrossCertified(binding, subkey, context))
    return { kind: 'may-not', why: 'has not signed that it belongs to its primary key', remedy: 'cross-certify' };
  const until = earliest([life.untilUnixSeconds, endOf(binding, subkey)]);
  return lifeUntil(until, certificate.nowUnixSeconds);
}

const unbound: Standing = {
  kind: 'may-not',
  why: 'has no signature of its primary key that verifies here',
  remedy: 'other-key',
};

function isCrossCertified({ embedded }: SelfSignature, subkey: PublicPart, context: readonly Uint8Array[]): boolean {
  return embedded
    .map(readSelfSignature)
    .some((back) => back.type === signatureTypes.primaryKeyBinding && isSelfSignedBy(back, subkey, ...context));
}

/** Whether the primary key is alive, whatever it may do. */
function lifeOfPrimary(certificate: Certificate): Standing {
  const { primary, components, nowUnixSeconds } = certificate;
  if (!components.some(({ signatures }) => signatures.some(isAboutItself(primary)))) return { kind: 'unsaid' };
  const [own] = components;
  if (primary === undefined || own === undefined) return unchecked;
  const context = [hashedKeyOf(primary.bytes)];
  const revoked = revocationOf(certificate, own, { type: signatureTypes.keyRevocation, context });
  if (revoked !== undefined) return { kind: 'may-not', why: revoked, remedy: 'other-key' };
  const statements = statementsOf(certificate);
  if (statements.length === 0) return unchecked;
  return lifeUntil(earliest(statements.map((one) => endOf(one, primary))), nowUnixSeconds);
}

const unchecked: Standing = {
  kind: 'may-not',
  why: 'has no self-signature on a living user id that verifies here',
  remedy: 'other-key',
};

function isAboutItself(primary: PublicPart | undefined): (signature: SelfSignature) => boolean {
  const types: readonly number[] = Object.values(signatureTypes).flat();
  return (signature) =>
    types.includes(signature.type) && (primary === undefined || mayBeBy(signature, primary.fingerprint));
}

function lifeUntil(untilUnixSeconds: number | undefined, nowUnixSeconds: number): Standing {
  if (untilUnixSeconds === undefined || untilUnixSeconds > nowUnixSeconds)
    return { kind: 'may-sign', untilUnixSeconds };
  return { kind: 'may-not', why: `expired at ${formatTimestamp(untilUnixSeconds)}`, remedy: 'extend' };
}

/** What the primary key last said about itself: directly and on each living user id, all of the newest second. */
function statementsOf(certificate: Certificate): SelfSignature[] {
  const { primary, components } = certificate;
  const [own] = components;
  if (primary === undefined || own === undefined) return [];
  const direct = own.signatures.filter(({ type }) => type === signatureTypes.directKey);
  const found = [
    ...newest(direct, primary, [hashedKeyOf(primary.bytes)]),
    ...components.flatMap((component) => certificationOf(primary, component) ?? []),
  ];
  const last = Math.max(...found.map(({ created }) => created));
  return found.filter(({ created }) => created === last);
}

/** The newest certification of a user id that is not taken back. */
function certificationOf(primary: PublicPart, { packet, signatures }: Component): SelfSignature | undefined {
  if (packet.tag !== tags.userId) return undefined;
  const length = Buffer.alloc(5, 0xb4);
  length.writeUInt32BE(packet.body.length, 1);
  const context = [hashedKeyOf(primary.bytes), length, packet.body];
  const certifications = signatures.filter(({ type }) => signatureTypes.certifications.includes(type));
  const [certification] = newest(certifications, primary, context);
  const revocations = signatures.filter(({ type }) => type === signatureTypes.certificationRevocation);
  const [revocation] = newest(revocations, primary, context);
  if (certification === undefined || (revocation?.created ?? -1) >= certification.created) return undefined;
  return certification;
}

/** User ids that the primary key certifies; all of them where the file says nothing. */
export function livingUserIds(certificate: Certificate): string[] {
  const { primary, components } = certificate;
  const users = components.filter(({ packet }) => packet.tag === tags.userId);
  const isUnsaid = lifeOfPrimary(certificate).kind === 'unsaid';
  return users
    .filter((user) => isUnsaid || (primary !== undefined && certificationOf(primary, user) !== undefined))
    .map(({ packet }) => new TextDecoder().decode(packet.body));
}

/**
 * How the key is revoked. By its primary key, also where that cannot be checked here, or by a key that it has named for this: a revocation is
 * never lost because we cannot read it.
 */
function revocationOf(
  { primary, components }: Certificate,
  { signatures }: Component,
  { type, context }: { readonly type: number; readonly context: readonly Uint8Array[] },
): string | undefined {
  if (primary === undefined) return undefined;
  const revocations = signatures.filter((one) => one.type === type);
  const revokers = components.flatMap((one) => one.signatures.flatMap((signature) => signature.revokers));
  const verified = newest(revocations, primary, context).at(-1);
  if (verified !== undefined) return `is revoked since ${formatTimestamp(verified.created)}`;
  if (revocations.some((one) => revokers.some((revoker) => one.issuers.some((issuer) => revoker.endsWith(issuer)))))
    return 'is revoked by a key that it names for this';
  const isDoubtful = revocations.some((one) => mayBeBy(one, primary.fingerprint));
  return isDoubtful ? 'has a revocation that cannot be checked here' : undefined;
}

/** Those that verify, newest first. */
function newest(
  signatures: readonly SelfSignature[],
  primary: PublicPart,
  context: readonly Uint8Array[],
): SelfSignature[] {
  return signatures
    .filter((one) => mayBeBy(one, primary.fingerprint) && isSelfSignedBy(one, primary, ...context))
    .sort((a, b) => b.created - a.created);
}

function endOf({ expiresAfter }: SelfSignature, key: PublicPart): number | undefined {
  return expiresAfter === 0 ? undefined : key.createdUnixSeconds + expiresAfter;
}

function earliest(ends: readonly (number | undefined)[]): number | undefined {
  const known = ends.filter((end) => end !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}
