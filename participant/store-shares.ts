/** How shares reach the disk: under a key that waits, so that nobody need know the passphrase at that moment. */
import type { SpareKeys } from '../home/spare-keys.ts';
import { transcriptHash, type Transcript } from '../protocol/ceremony/transcript.ts';
import { hexToBytes } from '../protocol/wire/bytes.ts';
import type { MemberHome } from './member-home.ts';
import type { Vault } from './vault.ts';

/** Seals the vault's shares of this transcript, synced when it resolves; the file is bound to the transcript and never written anew. Throws `HomeError`. */
export async function storeShares(
  home: MemberHome,
  keys: SpareKeys,
  vault: Vault,
  transcript: Transcript,
): Promise<void> {
  const hash = transcriptHash(transcript);
  await keys.store({ path: home.sharePath(hash), hash: hexToBytes(hash), shares: vault.sharesToSeal() });
}
