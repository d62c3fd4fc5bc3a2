/** Keys that once were whole: import files for the charters of tests, and ceremonies that use them. */
import { randomBytes } from 'node:crypto';
import { hexToBytes } from '../../protocol/wire/bytes.ts';
import type { Charter } from '../../protocol/files/charter.ts';
import type { ImportKeys } from '../../protocol/ceremony/import-key.ts';
import { openImport, openImportedShare, splitKey, type Import } from '../../protocol/ceremony/import.ts';
import type { SealingGroup, Secret } from '../../protocol/frost/group.ts';
import {
  publicGroup,
  sharedSodium,
  CeremonyNetwork,
  type CeremonyFaults,
  type ImportedShare,
} from './ceremony-network.ts';
import type { Person } from './people.ts';
import { seededRandom } from './random.ts';

/** RFC 8032, Section 7.1, TEST 1 to 3: seed and public key. */
export const rfc8032Keys = [
  {
    seed: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    publicKey: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
  },
  {
    seed: '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    publicKey: '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
  },
  {
    seed: 'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    publicKey: 'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
  },
] as const;

const oneTimeSecrets = new Map<string, Uint8Array>();

/** The X25519 secret of a member's one-time key, 32 bytes: one for each identity key of this process. */
export function oneTimeSecretOf(identityKey: string): Uint8Array {
  const known = oneTimeSecrets.get(identityKey) ?? new Uint8Array(randomBytes(32));
  oneTimeSecrets.set(identityKey, known);
  return known.slice();
}

/** The one-time public keys of all members of a charter. */
export async function oneTimeKeysOf(charter: Charter): Promise<ImportKeys> {
  const arithmetic = await sharedSodium();
  return new Map(
    charter.members.map(({ identifier, key }) => {
      const boxKey = arithmetic.loadBoxKey(oneTimeSecretOf(key));
      arithmetic.wipe(boxKey);
      return [identifier, boxKey.publicKey];
    }),
  );
}

/** The import file of this seed for a charter; by default for the one-time keys of this process. */
export async function importBytes(
  charter: Charter,
  options: { readonly seed?: string | undefined; readonly by?: SealingGroup; readonly keys?: ImportKeys } = {},
): Promise<Uint8Array> {
  const arithmetic = await sharedSodium();
  const secret = arithmetic.loadSeed(hexToBytes(options.seed ?? rfc8032Keys[0].seed));
  try {
    const keys = options.keys ?? (await oneTimeKeysOf(charter));
    return splitKey({ arithmetic: options.by ?? arithmetic, charter, secret, keys });
  } finally {
    arithmetic.wipe(secret);
  }
}

export function openFor(charter: Charter, bytes: Uint8Array): Import {
  return openImport(publicGroup, charter, bytes);
}

/** A member's share out of its own box. */
export async function shareFor(charter: Charter, imported: Import, who: Person): Promise<Secret | undefined> {
  const arithmetic = await sharedSodium();
  const self = charter.members.find(({ key }) => key === who.key)!;
  const boxKey = arithmetic.loadBoxKey(oneTimeSecretOf(who.key));
  try {
    return openImportedShare(imported, { arithmetic, charter, self, boxKey });
  } finally {
    arithmetic.wipe(boxKey);
  }
}

/** What everybody joins with, for `CeremonyFaults.imported`. */
export async function importedFor(
  charter: Charter,
  people: readonly Person[],
  bytes: Uint8Array,
): Promise<(name: string) => ImportedShare> {
  const imported = openFor(charter, bytes);
  const shares = new Map<string, Secret | undefined>();
  for (const who of people) shares.set(who.name, await shareFor(charter, imported, who));
  return (name) => ({ imported, share: shares.get(name) });
}

/** A ceremony in which all join with one import file. */
export async function importNetwork(
  charter: Charter,
  people: readonly Person[],
  options: { readonly seed?: string; readonly random?: number; readonly faults?: CeremonyFaults } = {},
): Promise<CeremonyNetwork> {
  const imported = await importedFor(charter, people, await importBytes(charter, options));
  const faults = { imported, ...options.faults };
  return new CeremonyNetwork(charter, people, await sharedSodium(), seededRandom(options.random ?? 1), faults);
}
