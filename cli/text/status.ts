/** A status of the group in words: what ends, and what that means for whom. */
import type { Revocation, Status } from '../../verifier/status.ts';
import { revocationText } from '../../verifier/status.ts';
import { printable } from '../../verifier/printable.ts';

/** Lines for who decides and who asks: what this status ends that none before it did, then all that it says again. */
export function statusTexts({ number, at, revoked }: Pick<Status, 'number' | 'at' | 'revoked'>): string[] {
  const added = revoked.filter((one) => one.at === at);
  const before = revoked.filter((one) => one.at !== at);
  const head =
    added.length === 0
      ? `status ${number} ends nothing: it says again what has ended`
      : `status ${number} ends, for good:`;
  return [head, ...added.flatMap(endTexts), ...before.map((one) => `as before: ${printable(revocationText(one))}`)];
}

function endTexts(one: Revocation): string[] {
  const reason = one.reason === null ? 'no reason is given' : `because: ${printable(one.reason)}`;
  if ('product' in one)
    return [
      `- every release of ${printable(one.product)} older than ${one.below}, and every one without such a version, on every channel;`,
      '  only frostmark verify --status knows releases, gpg, SSH and minisign do not',
      `  ${reason}`,
    ];
  return [
    `- the key of ${one.channel} (${one.key}): whatever it signed, whenever, no verifier takes that has this status;`,
    '  the channel signs nothing more before the group has a new key for it',
    `  ${reason}`,
  ];
}
