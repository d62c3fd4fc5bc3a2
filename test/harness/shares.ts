/** One share file sealed or opened, as a command would, with a child of its own. */
import { dirname } from 'node:path';
import { openKeystore, type KeystoreOptions, type OpenedShares } from '../../home/keystore.ts';
import type { ShareFile } from '../../home/spare-keys.ts';

type Child = Omit<KeystoreOptions, 'purpose'>;

export async function sealShares({ path, hash, shares, ...child }: Child & ShareFile): Promise<void> {
  await using keystore = await openKeystore({ ...child, purpose: 'new' });
  const keys = await keystore.spareKeys(dirname(path));
  await keys.store({ path, hash, shares });
}

export async function openShares({ path, ...child }: Child & { readonly path: string }): Promise<OpenedShares> {
  await using keystore = await openKeystore({ ...child, purpose: 'existing' });
  return await keystore.open(path);
}
