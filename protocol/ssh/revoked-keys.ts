/** The list of lost keys that `ssh-keygen -Y verify -r` and git's `gpg.ssh.revocationFile` take (ssh-keygen(1), "KEY REVOCATION LISTS"). */
import { decodeBase64Url } from '../../verifier/base64.ts';
import type { RevokedChannel } from '../../verifier/status.ts';
import { sshPublicKey } from './allowed-signers.ts';

/** One public key a line: it ends the key itself and every certificate for it. `group` is the group's name. */
export function revokedKeys(group: string, channels: readonly RevokedChannel[]): string {
  return channels.map(({ channel, key }) => sshPublicKey(decodeBase64Url(key), `${group} ${channel}`)).join('');
}
