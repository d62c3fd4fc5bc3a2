/** Secret key exports of GnuPG and its relatives (RFC 4880, Section 11.2): the primary key, or one subkey. */
import { ImporterError, unsupportedKey } from './errors.ts';
import type { AskPassphrase, PrivateKey } from './key.ts';
import { readPackets, tags, type Packet } from './openpgp-packets.ts';
import { readPublicPart, type PublicPart } from './openpgp-public.ts';
import { elsewhere, isElsewhere, openSecretPart } from './openpgp-secret.ts';
import {
  livingUserIds,
  readCertificate,
  standingOfPrimary,
  standingOfSubkey,
  type Certificate,
  type Standing,
} from './openpgp-standing.ts';

const eddsa = 22;

/** Public key algorithms that cannot be split, by number (RFC 9580, Section 9.1). */
const otherAlgorithms: Readonly<Record<number, string>> = {
  1: 'RSA',
  2: 'RSA',
  3: 'RSA',
  16: 'Elgamal',
  17: 'DSA',
  18: 'ECDH (for encryption)',
  19: 'ECDSA',
  25: 'X25519 (for encryption)',
  26: 'X448 (for encryption)',
  27: 'Ed25519 under the newer algorithm number 27, whose fingerprint would change',
  28: 'Ed448',
};

interface KeyPacket extends PublicPart {
  readonly packet: Packet;
  readonly publicKey: Uint8Array;
}

/** Which key of an OpenPGP export is meant, and the time by which it is judged. */
export interface OpenpgpChoice {
  /** Fingerprint of a subkey; without it the primary key is taken. */
  readonly subkey: string | undefined;
  readonly nowUnixSeconds: number;
}

/** Opens the primary key, or the subkey with this fingerprint, if it may sign for who has its certificate. Throws `ImporterError`. */
export async function openOpenpgpKey(file: Uint8Array, choice: OpenpgpChoice, ask: AskPassphrase): Promise<PrivateKey> {
  const packets = readPackets(file);
  const primary = onlyPrimary(packets);
  const certificate = readCertificate(packets, choice.nowUnixSeconds);
  const key =
    choice.subkey === undefined ? choosePrimary(primary, certificate) : chooseSubkey(choice.subkey, certificate);
  // Before anybody is asked for a passphrase.
  if (isElsewhere(key.secretPart)) throw elsewhere(subkeyHint(certificate, key));
  const standing = standingOf(certificate, key);
  if (standing.kind === 'may-not') throw cannotSign(certificate, key, standing);
  const { publicKey, fingerprint, createdUnixSeconds } = key;
  const seed = await openSecretPart(key.secretPart, ask);
  return {
    source: 'openpgp',
    publicKey,
    seed,
    openpgp: {
      fingerprint,
      createdUnixSeconds,
      userIds: livingUserIds(certificate),
      isPrimary: key.packet === primary,
      hasSelfSignature: standing.kind === 'may-sign',
      untilUnixSeconds: standing.kind === 'may-sign' ? standing.untilUnixSeconds : undefined,
    },
  };
}

/** The one primary key of the export. */
function onlyPrimary(packets: readonly Packet[]): Packet {
  if (packets.some(({ tag }) => tag === tags.publicKey))
    throw new ImporterError(
      'bad-key-file',
      'the file holds a public key only; export with: gpg --export-secret-keys FINGERPRINT',
    );
  const [primary, ...more] = packets.filter(({ tag }) => tag === tags.secretKey);
  if (primary === undefined)
    throw new ImporterError(
      'bad-key-file',
      'the file holds no OpenPGP secret key; export one: gpg --export-secret-keys FINGERPRINT',
    );
  if (more.length === 0) return primary;
  throw new ImporterError(
    'bad-key-file',
    'the file holds several keys; export one: gpg --export-secret-keys FINGERPRINT',
  );
}

function choosePrimary(packet: Packet, certificate: Certificate): KeyPacket {
  const key = readKeyPacket(packet);
  if (typeof key !== 'string') return key;
  throw unsupportedKey(`the primary key is ${key}${subkeyHint(certificate)}`);
}

function chooseSubkey(wanted: string, certificate: Certificate): KeyPacket {
  const fingerprint = wanted.replaceAll(/^0x|\s/g, '').toLowerCase();
  const subkeys = ed25519Subkeys(certificate);
  const key = subkeys.find((candidate) => candidate.fingerprint === fingerprint);
  if (key !== undefined) return key;
  const known = subkeys.length === 0 ? 'it has none' : `it has ${subkeys.map((one) => one.fingerprint).join(', ')}`;
  throw new ImporterError(
    'no-such-subkey',
    `the export has no Ed25519 subkey with the fingerprint ${wanted}; ${known}`,
  );
}

function ed25519Subkeys({ components }: Certificate): KeyPacket[] {
  return components
    .filter(({ packet }) => packet.tag === tags.secretSubkey)
    .map(({ packet }) => readKeyPacket(packet))
    .filter((key) => typeof key !== 'string');
}

/** Subkeys other than this one that can be taken, in words; nothing if there are none. */
function subkeyHint(certificate: Certificate, besides?: KeyPacket): string {
  const good = ed25519Subkeys(certificate)
    .filter(({ packet }) => packet !== besides?.packet && standingOfSubkey(certificate, packet).kind !== 'may-not')
    .filter(({ secretPart }) => !isElsewhere(secretPart));
  const fingerprints = good.map(({ fingerprint }) => fingerprint).join(' or ');
  return good.length === 0 ? '' : `; its Ed25519 subkey that signs can be: --subkey ${fingerprints}`;
}

function standingOf(certificate: Certificate, { packet }: KeyPacket): Standing {
  return packet.tag === tags.secretKey ? standingOfPrimary(certificate) : standingOfSubkey(certificate, packet);
}

type Refusal = Extract<Standing, { readonly kind: 'may-not' }>;

function cannotSign(certificate: Certificate, key: KeyPacket, { why, remedy }: Refusal): ImporterError {
  const which = key.packet.tag === tags.secretKey ? 'primary key' : 'subkey';
  const hint = subkeyHint(certificate, key);
  const forward = remedy === 'extend' || hint === '' ? remedies(certificate, key)[remedy] : '';
  return new ImporterError(
    'cannot-sign',
    `the ${which} ${key.fingerprint} ${why}: whoever pinned its certificate would refuse what the group signs with it${hint}${forward}`,
  );
}

/** What helps where no other key of the export can be taken. */
function remedies({ primary }: Certificate, key: KeyPacket): Readonly<Record<Refusal['remedy'], string>> {
  const first = primary?.fingerprint ?? key.fingerprint;
  const again = 'give installers the new certificate, and export the key again';
  const subkey = key.fingerprint === first ? '' : ` ${key.fingerprint}`;
  return {
    subkey: `; make a subkey that signs (gpg --quick-add-key ${first} ed25519 sign), ${again}`,
    extend: `; extend it (gpg --quick-set-expire ${first} 2y${subkey}), ${again}`,
    'cross-certify': `; let it (gpg --edit-key ${first} cross-certify save), ${again}`,
    'other-key': `; let the group make a key of its own (join without --import), and give installers that one`,
  };
}

/** The parts of a version 4 packet of an Ed25519 key (RFC 4880, Section 5.5.2); a text that names what else it is. */
function readKeyPacket(packet: Packet): KeyPacket | string {
  const [version = 0] = packet.body;
  if (version !== 4) return `an OpenPGP key of version ${version}, and only version 4 keeps its fingerprint here`;
  // It comes after version and creation time.
  const algorithm = packet.body[5] ?? 0;
  if (algorithm !== eddsa) return otherAlgorithms[algorithm] ?? `of the unknown algorithm ${algorithm}`;
  const part = readPublicPart(packet.body);
  if (part?.material.kind !== 'ed25519') return 'an EdDSA key on another curve than Ed25519';
  return { ...part, packet, publicKey: Uint8Array.from(part.material.point) };
}
