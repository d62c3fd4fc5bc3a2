/** The keys of a charter that its coordinator knows of, each believed only by what all members signed: the relay may no longer show a ceremony (T34). */
import type { CoordinatorClient } from '../client/client.ts';
import type { Charter } from '../protocol/files/charter.ts';
import { ProtocolError } from '../protocol/errors.ts';
import type { Group } from '../protocol/frost/group.ts';
import { openGroupDocuments, openGroupEpoch } from '../protocol/group-documents/envelopes.ts';
import type { CeremonyResult } from './ceremony.ts';
import type { Log } from './log.ts';

/** A key of the charter that every member said it stored; its certificate and the `stored` of all verify. */
export interface KnownKey extends CeremonyResult {
  /** Its genesis verifies. */
  readonly isLive: boolean;
}

/** Asks for all of them, and leaves out what does not verify. Throws `ClientError`. */
export async function knownKeys(
  client: CoordinatorClient,
  charter: Charter,
  { arithmetic, log }: { readonly arithmetic: Group; readonly log: Log },
): Promise<KnownKey[]> {
  const keys: KnownKey[] = [];
  for (const groupKey of await client.groupKeys(charter.hash)) {
    const body = await client.group(groupKey);
    try {
      const epoch = openGroupEpoch(body, arithmetic);
      const { genesis } = openGroupDocuments(epoch, body);
      if (epoch.charter.hash === charter.hash)
        keys.push({ certificate: epoch.certificate, stored: body.stored, isLive: genesis !== undefined });
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      log('warn', 'key-refused', { code: error.code, message: error.message });
    }
  }
  return keys;
}
