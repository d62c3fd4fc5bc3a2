/** Private key files written by hand, byte for byte, right and wrong: what no stock tool would write. */
import { createCipheriv, createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openKeyFile } from '../../importer/key-file.ts';
import type { PrivateKey } from '../../importer/key.ts';
import { scratch } from '../participant/members.ts';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');
const u16 = (value: number): Buffer => hex(value.toString(16).padStart(4, '0'));
const u32 = (value: number): Buffer => hex(value.toString(16).padStart(8, '0'));

/** One key in every form below. */
export interface HandKey {
  readonly seed: string;
  readonly publicKey: string;
}

/** Opens bytes as a file; `asked` counts how often the passphrase was wanted. */
export async function open(
  bytes: Uint8Array | string,
  options: { readonly passphrase?: string; readonly subkey?: string } = {},
): Promise<PrivateKey & { readonly asked: number }> {
  const path = join(await scratch(), 'key');
  await writeFile(path, bytes);
  let asked = 0;
  const ask = () => {
    asked += 1;
    return Promise.resolve(new TextEncoder().encode(options.passphrase ?? ''));
  };
  return { ...(await openKeyFile({ path, subkey: options.subkey, ask })), asked };
}

/** Base64 in lines of 64, between BEGIN and END. */
export function armored(label: string, bytes: Uint8Array, headers = ''): string {
  const lines = Buffer.from(bytes)
    .toString('base64')
    .replaceAll(/.{64}(?=.)/g, '$&\n');
  return `-----BEGIN ${label}-----\n${headers}${lines}\n-----END ${label}-----\n`;
}

/** An OpenPGP packet with a header of either format. */
export function packet(tag: number, body: Uint8Array, format: 'old' | 'new' = 'old'): Buffer {
  const header =
    format === 'old' ? [0x80 | (tag << 2) | 1, ...u16(body.length)] : [0xc0 | tag, 255, ...u32(body.length)];
  return Buffer.concat([Buffer.from(header), body]);
}

/** An MPI: its bits, then its bytes without leading zeros. */
function mpi(bytes: Uint8Array): Buffer {
  const value = Buffer.from(bytes).subarray(bytes.findIndex((byte) => byte !== 0));
  return Buffer.concat([u16(8 * value.length - Math.clz32(value[0] ?? 0) + 24), value]);
}

export const curves = { ed25519: '2b06010401da470f01', ed448: '2b6571' } as const;

export interface HandPacket {
  readonly version?: number;
  readonly algorithm?: number;
  readonly oid?: string;
  readonly created?: number;
  /** Everything after the public part; the secret in the clear by default. */
  readonly secret?: Uint8Array;
  /** Of the public point. */
  readonly prefix?: number;
}

/** The body of a secret key packet of the old Ed25519 algorithm. */
export function secretKey(key: HandKey, change: HandPacket = {}): Buffer {
  const oid = hex(change.oid ?? curves.ed25519);
  return Buffer.concat([
    Buffer.of(change.version ?? 4),
    u32(change.created ?? 1704067200),
    Buffer.of(change.algorithm ?? 22, oid.length),
    oid,
    u16(263),
    Buffer.of(change.prefix ?? 0x40),
    hex(key.publicKey),
    change.secret ?? Buffer.concat([Buffer.of(0), summed(hex(key.seed))]),
  ]);
}

/** The secret with the sum of its bytes after it. */
export function summed(seed: Uint8Array, off = 0): Buffer {
  const content = mpi(seed);
  return Buffer.concat([content, u16((content.reduce((sum, byte) => sum + byte, 0) + off) & 0xffff)]);
}

export interface Protection {
  readonly usage?: 254 | 255;
  /** Number, Node's name and bytes of the key. */
  readonly cipher?: readonly [number, string, number];
  readonly hash?: readonly [number, string];
  readonly specifier?: 0 | 1 | 3;
}

/** The secret under a passphrase (RFC 4880, Section 5.5.3), written from the text of the RFC and not from the reader's code. */
export function protectedSecret(seed: string, passphrase: string, how: Protection = {}): Buffer {
  const { usage = 254, cipher = [9, 'aes-256-cfb', 32], hash = [8, 'sha256'], specifier = 3 } = how;
  const [salt, coded] = [Buffer.from('saltsalt'), 0x60];
  const iv = Buffer.alloc(cipher[1].startsWith('des') ? 8 : 16, 0x17);
  const once = Buffer.concat([specifier === 0 ? Buffer.alloc(0) : salt, Buffer.from(passphrase)]);
  const count = specifier === 3 ? (16 + (coded & 15)) << ((coded >> 4) + 6) : once.length;
  const long = Buffer.alloc(Math.max(count, once.length));
  for (let at = 0; at < long.length; at++) long[at] = once[at % once.length] ?? 0;
  const digests = [0, 1, 2, 3].map((zeros) => createHash(hash[1]).update(Buffer.alloc(zeros)).update(long).digest());
  const key = Buffer.concat(digests).subarray(0, cipher[2]);
  const content = mpi(hex(seed));
  const plain =
    usage === 254 ? Buffer.concat([content, createHash('sha1').update(content).digest()]) : summed(hex(seed));
  const parts = [Buffer.of(usage, cipher[0], specifier, hash[0])];
  if (specifier !== 0) parts.push(salt);
  if (specifier === 3) parts.push(Buffer.of(coded));
  return Buffer.concat([...parts, iv, createCipheriv(cipher[1], key, iv).update(plain)]);
}

/** A primary key and its user id, as a tool exports them. */
export function transferable(key: HandKey, change: HandPacket = {}, ...more: Uint8Array[]): Buffer {
  return Buffer.concat([
    packet(5, secretKey(key, change)),
    packet(13, Buffer.from('Acme <rel@acme.example>')),
    ...more,
  ]);
}

function sshString(bytes: Uint8Array | string): Buffer {
  const content = Buffer.from(bytes as Uint8Array);
  return Buffer.concat([u32(content.length), content]);
}

export interface HandOpenssh {
  readonly type?: string;
  readonly cipher?: string;
  readonly kdf?: string;
  readonly options?: Uint8Array;
  readonly keys?: number;
  readonly checks?: readonly [number, number];
  /** The public key inside the private section, if it is another. */
  readonly inner?: string;
}

/** `openssh-key-v1`, never encrypted whatever it claims. */
export function openssh(key: HandKey, change: HandOpenssh = {}): Buffer {
  const {
    type = 'ssh-ed25519',
    cipher = 'none',
    kdf = 'none',
    options = Buffer.alloc(0),
    keys = 1,
    checks = [7, 7],
  } = change;
  const inner = hex(change.inner ?? key.publicKey);
  const section = [u32(checks[0]), u32(checks[1]), sshString(type), sshString(inner)];
  section.push(sshString(Buffer.concat([hex(key.seed), inner])), sshString('comment'), hex('010203040506'));
  return Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    ...[cipher, kdf].map(sshString),
    sshString(options),
    u32(keys),
    sshString(Buffer.concat([sshString(type), sshString(hex(key.publicKey))])),
    sshString(Buffer.concat(section)),
  ]);
}

/** PKCS#8 of this seed (RFC 8410, Section 7). */
export function pkcs8(key: HandKey): Buffer {
  return Buffer.concat([hex('302e020100300506032b657004220420'), hex(key.seed)]);
}
