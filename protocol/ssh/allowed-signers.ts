/** What a machine that verifies with ssh-keygen or git is given once (ssh-keygen, "ALLOWED SIGNERS"). */
import { encodeBase64 } from '../../verifier/base64.ts';
import { production } from '../files/charter.ts';
import type { Epoch } from '../ceremony/epoch.ts';
import { publicKeyBlob, sshKeyType } from './wire.ts';

/** `ssh-ed25519 AAAA… comment`, as in an `id.pub` file, with its newline. `comment` is one line. */
export function sshPublicKey(key: Uint8Array, comment: string): string {
  return `${sshKeyType} ${encodeBase64(publicKeyBlob(key))} ${comment}\n`;
}

/**
 * The `allowed_signers` file, of every channel or of one alone: `production` signs with the group key itself; every other channel is a principal for whose key the group
 * key issued a certificate. A line with `cert-authority` does not take the group key's own signatures, the first takes no certificate.
 * Throws `ProtocolError('unknown-channel')`.
 */
export function allowedSigners(epoch: Epoch, only?: string): string {
  const key = sshPublicKey(epoch.channel(production).point.bytes, epoch.charter.group);
  const known = epoch.charter.channels.map(({ name }) => name);
  // An unknown one is refused there.
  const channels = known.filter((name) => only === undefined || epoch.channel(only) === epoch.channel(name));
  return [production, ...channels.filter((name) => name !== production)]
    .filter((name) => channels.includes(name))
    .map((name) => `${name} ${name === production ? '' : 'cert-authority,'}namespaces="file,git" ${key}`)
    .join('');
}
