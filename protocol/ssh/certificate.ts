/** An SSH user certificate for an Ed25519 key by an Ed25519 authority (OpenSSH, PROTOCOL.certkeys, "ssh-ed25519-cert-v01@openssh.com"). */
import { concatBytes } from '@noble/hashes/utils.js';
import { decodeBase64, encodeBase64 } from '../../verifier/base64.ts';
import { u32 } from '../wire/bytes.ts';
import { refuseAs } from '../wire/envelope.ts';
import { ProtocolError } from '../errors.ts';
import { maxSshCertificateBytes } from '../limits.ts';
import { publicKeyBlob, signatureBlob, sshString, SshReader, u64 } from './wire.ts';

const sshCertificateType = 'ssh-ed25519-cert-v01@openssh.com';
const userCertificate = u32(1);

/** What an authority says about a key, before it is signed (PROTOCOL.certkeys of OpenSSH). */
export interface SshCertificate {
  /** 32 bytes. */
  readonly nonce: Uint8Array;
  /** The certified public key, 32 bytes. */
  readonly key: Uint8Array;
  readonly serial: number;
  readonly keyId: string;
  /** At least one: a certificate without principals is for everybody to some tools and for nobody to others. */
  readonly principals: readonly string[];
  readonly validAfterUnixSeconds: number;
  /** The first second at which it does not hold any more. */
  readonly validBeforeUnixSeconds: number;
  /** The authority's public key, 32 bytes. */
  readonly authority: Uint8Array;
}

/** What the authority signs: everything up to its own key. There are no critical options, which `ssh-keygen -Y verify` would ignore. */
export function sshCertificateBody(certificate: SshCertificate): Uint8Array {
  const none = sshString('');
  return concatBytes(
    sshString(sshCertificateType),
    sshString(certificate.nonce),
    sshString(certificate.key),
    u64(certificate.serial),
    userCertificate,
    sshString(certificate.keyId),
    sshString(concatBytes(...certificate.principals.map(sshString))),
    u64(certificate.validAfterUnixSeconds),
    u64(certificate.validBeforeUnixSeconds),
    none, // critical options
    none, // extensions
    none, // reserved
    sshString(publicKeyBlob(certificate.authority)),
  );
}

/** The whole blob, with the authority's 64-byte signature. */
function sshCertificateBlob(certificate: SshCertificate, signature: Uint8Array): Uint8Array {
  return concatBytes(sshCertificateBody(certificate), sshString(signatureBlob(signature)));
}

/** The line of an `id-cert.pub` file: type, base64 of the blob, key id; with its newline. */
export function encodeSshCertificate(certificate: SshCertificate, signature: Uint8Array): string {
  return `${sshCertificateType} ${encodeBase64(sshCertificateBlob(certificate, signature))} ${certificate.keyId}\n`;
}

/** A certificate as it was read, with what its signature is over. */
export interface SignedSshCertificate extends SshCertificate {
  /** Whole, with the signature. */
  readonly blob: Uint8Array;
  /** What the signature is over. */
  readonly body: Uint8Array;
  /** 64 bytes, not verified here. */
  readonly signature: Uint8Array;
}

/** Inverse of `encodeSshCertificate`; the newline may be missing. Throws `ProtocolError('bad-document')` for whatever that does not write. */
export function decodeSshCertificate(line: string): SignedSshCertificate {
  if (line.length > maxSshCertificateBytes) throw new ProtocolError('too-large', 'this is no SSH certificate of ours');
  const text = line.endsWith('\n') ? line : `${line}\n`;
  const [, encoded = ''] = text.split(' ');
  const blob = refuseAs('bad-document', 'SSH certificate', () => decodeBase64(encoded));
  const { certificate, signature } = readBlob(blob);
  if (encodeSshCertificate(certificate, signature) !== text)
    throw new ProtocolError('bad-document', 'SSH certificate: not in the form in which frostmark writes it');
  return { ...certificate, blob, body: sshCertificateBody(certificate), signature };
}

function readBlob(blob: Uint8Array): { readonly certificate: SshCertificate; readonly signature: Uint8Array } {
  const reader = new SshReader(blob, 'SSH certificate');
  reader.expect(sshString(sshCertificateType), 'type');
  const nonce = reader.string();
  const key = reader.string();
  const serial = reader.u64();
  reader.expect(userCertificate, 'purpose than a user');
  const keyId = reader.text();
  const principals = readPrincipals(reader.string());
  const validAfterUnixSeconds = reader.u64();
  const validBeforeUnixSeconds = reader.u64();
  for (const what of ['critical options', 'extensions', 'reserved field']) reader.expect(sshString(''), what);
  const authority = reader.ed25519(32);
  const signature = reader.ed25519(64);
  reader.end();
  if (nonce.length !== 32 || key.length !== 32) reader.refuse('has no 32 bytes of nonce and key');
  return {
    certificate: {
      nonce,
      key,
      serial,
      keyId,
      principals,
      validAfterUnixSeconds,
      validBeforeUnixSeconds,
      authority,
    },
    signature,
  };
}

function readPrincipals(bytes: Uint8Array): string[] {
  const reader = new SshReader(bytes, 'SSH certificate');
  const principals: string[] = [];
  while (!reader.isAtEnd()) principals.push(reader.text());
  if (principals.length === 0) reader.refuse('has no principal');
  return principals;
}
