/** An SSH signature of a file or a git object (OpenSSH, PROTOCOL.sshsig). */
import { sha512 } from '@noble/hashes/sha2.js';
import { concatBytes } from '@noble/hashes/utils.js';
import { decodeBase64, encodeBase64 } from '../../verifier/base64.ts';
import { equalBytes, u32, utf8ToBytes } from '../wire/bytes.ts';
import { refuseAs } from '../wire/envelope.ts';
import { ProtocolError } from '../errors.ts';
import { maxSshSignatureBytes } from '../limits.ts';
import { decodeSshCertificate } from './certificate.ts';
import { publicKeyBlob, signatureBlob, sshString, SshReader } from './wire.ts';

/** What a signature is for: `ssh-keygen` signs files under `file`, git its objects under `git`, and neither takes the other. */
export type SshNamespace = 'file' | 'git';

const magic = utf8ToBytes('SSHSIG');
const version = u32(1);
const reserved = '';
const hash = 'sha512';
const armor = ['-----BEGIN SSH SIGNATURE-----', '-----END SSH SIGNATURE-----'] as const;
/** Characters of an armored line, as ssh-keygen writes them. */
const columns = 70;

/** What is signed: never the document itself, but its SHA-512 after a magic and the namespace. 95 or 96 bytes. */
export function sshSignedData(namespace: SshNamespace, document: Uint8Array): Uint8Array {
  return concatBytes(magic, sshString(namespace), sshString(reserved), sshString(hash), sshString(sha512(document)));
}

/** What an SSH signature file holds (PROTOCOL.sshsig of OpenSSH). */
export interface SshSignature {
  /** Blob of the public key, or of a certificate for it. */
  readonly keyBlob: Uint8Array;
  readonly namespace: SshNamespace;
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

/** The armored file. */
export function encodeSshSignature({ keyBlob, namespace, signature }: SshSignature): Uint8Array {
  const blob = concatBytes(
    magic,
    version,
    sshString(keyBlob),
    sshString(namespace),
    sshString(reserved),
    sshString(hash),
    sshString(signatureBlob(signature)),
  );
  const lines = encodeBase64(blob).match(new RegExp(`.{1,${columns}}`, 'g')) ?? [];
  return utf8ToBytes([armor[0], ...lines, armor[1], ''].join('\n'));
}

/** Inverse of `encodeSshSignature`. Throws `ProtocolError('bad-document')` for whatever that does not write. */
export function decodeSshSignature(file: Uint8Array): SshSignature {
  if (file.length > maxSshSignatureBytes) throw new ProtocolError('too-large', 'this is no SSH signature of ours');
  const lines = new TextDecoder().decode(file).split('\n');
  const blob = refuseAs('bad-document', 'SSH signature', () => decodeBase64(lines.slice(1, -2).join('')));
  const reader = new SshReader(blob, 'SSH signature');
  reader.expect(magic, 'magic');
  reader.expect(version, 'version');
  const keyBlob = reader.string();
  const namespace = reader.text();
  if (namespace !== 'file' && namespace !== 'git') return reader.refuse('has another namespace than file or git');
  reader.expect(sshString(reserved), 'reserved field');
  reader.expect(sshString(hash), 'hash');
  const signature = { keyBlob, namespace, signature: reader.ed25519(64) } as const;
  reader.end();
  if (!equalBytes(encodeSshSignature(signature), file))
    throw new ProtocolError('bad-document', 'SSH signature: not in the form in which frostmark writes it');
  return signature;
}

/**
 * The signature of a channel with the channel key's certificate in the key's place, so that one file is all an installer needs. What is
 * signed does not name the key, so the signature stays. `certificate` is the line of `id-cert.pub`. Throws `ProtocolError('bad-document')`
 * when one of them is not what it should be, or the certificate is of another key.
 */
export function withSshCertificate(file: Uint8Array, certificate: string): Uint8Array {
  const signature = decodeSshSignature(file);
  const { key, blob } = decodeSshCertificate(certificate);
  if (!equalBytes(signature.keyBlob, publicKeyBlob(key)))
    throw new ProtocolError('bad-document', 'the SSH certificate is of another key than the signature');
  return encodeSshSignature({ ...signature, keyBlob: blob });
}
