/** `frostmark group revoke` */
import type { RevocationWish } from '../../../protocol/request/status.ts';
import { productionChannel as production } from '../../../verifier/names.ts';
import { askingOptions } from '../../ask-coordinator.ts';
import { defineCommand, flag, flagOnly, text, type Call } from '../../command.ts';
import { CommandError } from '../../errors.ts';
import { askAndWrite, statusOptions } from '../../status-round.ts';
import { waitingOptions } from '../../waiting.ts';

const options = {
  // A default for what is asked for does not say what ends.
  channel: flagOnly(text('CHANNEL', 'the channel whose key ends, with all that it ever signed')),
  product: flagOnly(text('P', 'the product whose releases end')),
  below: flagOnly(text('R', 'with --product: every release older than this ends, such as 1.4.2')),
  reason: flagOnly(text('TEXT', 'why; it is signed, and installers read it')),
  ...statusOptions,
  ...askingOptions,
  ...waitingOptions,
  'dry-run': flagOnly(flag('show what would end and who could approve; ask nothing')),
} as const;

/**
 * One round of production over the status and what stock tools need of it. JSON: what `askAndWrite` gives. Throws what `askAndWrite` does, and
 * `CommandError('usage')`.
 */
export const command = defineCommand({
  home: 'asker',
  arguments: [],
  options,
  about: `Ends a channel's key, or the releases of a product that are older than R, for good.
One approval of the production quorum signs all of it: the status, GROUP.status,
which frostmark verify --status reads; for a channel also the revocation of its
OpenPGP subkey, which frostmark group export then puts into the certificate, and
revoked_keys, a list for ssh-keygen -Y verify -r and git, with its signature.
Installers have to get these files: no tool asks for news by itself. Each status
says all that those before it said, and nothing takes a revocation back. The same
command again writes the files again. Only frostmark verify knows releases.`,
  example: `frostmark group revoke --channel development --reason "a laptop was stolen" --group GROUP.pub
frostmark group revoke --product acme --below 1.4.2 --dry-run --group GROUP.pub`,
  next: `Publish GROUP.status beside the releases, and the newer certificate:
frostmark group export --format openpgp --channel development`,
  run: async (call) => askAndWrite(call, wishOf(call.settings), call.settings['dry-run'] === true),
});

/** Throws `CommandError('usage')`. */
function wishOf(settings: Call<typeof options>['settings']): RevocationWish {
  const { channel, product, below } = settings;
  const reason = settings.reason ?? null;
  if (channel === production)
    throw new CommandError(
      'usage',
      'production signs under the key of the group itself: whoever holds it could as well sign that it is good',
      'That key ends when nobody pins it any more. Releases end with --product P --below R.',
    );
  if (channel !== undefined && product === undefined && below === undefined) return { channel, reason };
  if (channel === undefined && product !== undefined && below !== undefined) return { product, below, reason };
  throw new CommandError(
    'usage',
    'what ends is either a channel, or the releases of a product below one',
    'For example: --channel development, or --product acme --below 1.4.2',
  );
}
