/** Secret key exports of GnuPG and its relatives (RFC 4880, Section 11.2): the primary key, or one subkey. */
import { createHash } from 'node:crypto';
import { ByteReader } from './byte-reader.ts';
import { ImporterError, unsupportedKey } from './errors.ts';
import type { AskPassphrase, PrivateKey } from './key.ts';
import { readPackets, tags, type Packet } from './openpgp-packets.ts';
import { openSecretPart } from './openpgp-secret.ts';

/** 1.3.6.1.4.1.11591.15.1, Ed25519 under the algorithm number 22 (RFC 9580, Section 9.2). */
const ed25519Oid = Buffer.from('2b06010401da470f01', 'hex');
const eddsa = 22;
/** 0x40, then the point (RFC 9580, Section 11.2.2): an MPI of 263 bits. */
const pointBits = 263;

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

interface KeyPacket {
  readonly isPrimary: boolean;
  readonly createdUnixSeconds: number;
  readonly fingerprint: string;
  readonly publicKey: Uint8Array;
  readonly secretPart: Uint8Array;
}

/** Opens the primary key, or the subkey with this fingerprint. Throws `ImporterError`. */
export async function openOpenpgpKey(
  file: Uint8Array,
  subkey: string | undefined,
  ask: AskPassphrase,
): Promise<PrivateKey> {
  const packets = readPackets(file);
  if (packets.some(({ tag }) => tag === tags.publicKey))
    throw new ImporterError(
      'bad-key-file',
      'the file holds a public key only; export with: gpg --export-secret-keys FINGERPRINT',
    );
  const [primary, ...more] = packets.filter(({ tag }) => tag === tags.secretKey);
  if (primary === undefined) throw new ImporterError('bad-key-file', 'the file holds no OpenPGP secret key');
  if (more.length > 0)
    throw new ImporterError(
      'bad-key-file',
      'the file holds several keys; export one: gpg --export-secret-keys FINGERPRINT',
    );
  const key = subkey === undefined ? choosePrimary(primary, packets) : chooseSubkey(subkey, packets);
  const { publicKey, fingerprint, createdUnixSeconds, isPrimary } = key;
  const userIds = packets.filter(({ tag }) => tag === tags.userId).map(({ body }) => new TextDecoder().decode(body));
  const seed = await openSecretPart(key.secretPart, ask);
  return { source: 'openpgp', publicKey, seed, openpgp: { fingerprint, createdUnixSeconds, userIds, isPrimary } };
}

function choosePrimary(packet: Packet, packets: readonly Packet[]): KeyPacket {
  const key = readKeyPacket(packet);
  if (typeof key !== 'string') return key;
  const subkeys = ed25519Subkeys(packets).map(({ fingerprint }) => fingerprint);
  const hint = subkeys.length === 0 ? '' : `; its Ed25519 subkey can be: --subkey ${subkeys.join(' or ')}`;
  throw unsupportedKey(`the primary key is ${key}${hint}`);
}

function chooseSubkey(wanted: string, packets: readonly Packet[]): KeyPacket {
  const fingerprint = wanted.replaceAll(/^0x|\s/g, '').toLowerCase();
  const subkeys = ed25519Subkeys(packets);
  const key = subkeys.find((candidate) => candidate.fingerprint === fingerprint);
  if (key !== undefined) return key;
  const known = subkeys.length === 0 ? 'it has none' : `it has ${subkeys.map((one) => one.fingerprint).join(', ')}`;
  throw new ImporterError(
    'no-such-subkey',
    `the export has no Ed25519 subkey with the fingerprint ${wanted}; ${known}`,
  );
}

function ed25519Subkeys(packets: readonly Packet[]): KeyPacket[] {
  return packets
    .filter(({ tag }) => tag === tags.secretSubkey)
    .map((packet) => readKeyPacket(packet))
    .filter((key) => typeof key !== 'string');
}

/** The parts of a version 4 packet of an Ed25519 key (RFC 4880, Section 5.5.2); a text that names what else it is. */
function readKeyPacket({ tag, body }: Packet): KeyPacket | string {
  const reader = new ByteReader(body);
  const version = reader.u8();
  if (version !== 4) return `an OpenPGP key of version ${version}, and only version 4 keeps its fingerprint here`;
  const createdUnixSeconds = reader.u32();
  const algorithm = reader.u8();
  if (algorithm !== eddsa) return otherAlgorithms[algorithm] ?? `of the unknown algorithm ${algorithm}`;
  if (!ed25519Oid.equals(reader.take(reader.u8()))) return 'an EdDSA key on another curve than Ed25519';
  const [bits, prefix, publicKey] = [reader.u16(), reader.u8(), reader.take(32)];
  if (bits !== pointBits || prefix !== 0x40)
    throw new ImporterError('bad-key-file', 'the OpenPGP key is damaged: its public half is no Ed25519 point');
  const publicPart = body.subarray(0, reader.offset);
  return {
    isPrimary: tag === tags.secretKey,
    createdUnixSeconds,
    fingerprint: fingerprintOf(publicPart),
    publicKey: Uint8Array.from(publicKey),
    secretPart: reader.rest(),
  };
}

/** RFC 4880, Section 12.2: SHA-1 over 0x99, the length in 2 bytes, and the public part. */
function fingerprintOf(publicPart: Uint8Array): string {
  const header = Uint8Array.of(0x99, publicPart.length >> 8, publicPart.length & 255);
  return createHash('sha1').update(header).update(publicPart).digest('hex');
}
