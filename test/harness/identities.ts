/** Every age identity that a home gives away to whoever knows its passphrase: read in the stock format, by nothing of ours. */
import { Decrypter } from 'age-encryption';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The identities in each file of a folder that opens with the passphrase, by its name. */
export async function identitiesIn(folder: string, passphrase: string): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for (const entry of (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isFile())) {
    const decrypter = new Decrypter();
    decrypter.addPassphrase(passphrase);
    const text = await decrypter.decrypt(await readFile(join(folder, entry.name)), 'text').catch(() => undefined);
    if (text !== undefined) found.set(entry.name, text.match(/^AGE-SECRET-KEY-1.*$/gm) ?? []);
  }
  return found;
}

/** Whether one of the identities opens an age file. */
export async function opensWith(identities: readonly string[], file: Uint8Array): Promise<boolean> {
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  return decrypter.decrypt(file).then(
    () => true,
    () => false,
  );
}
