/** `frostmark group import` */
import type { KeyToImport } from '../../../importer/import.ts';
import { defineCommand, flag, text } from '../../command.ts';
import { CommandError } from '../../errors.ts';
import { assertFree } from '../../free-output.ts';
import type { Output } from '../../output.ts';

/**
 * Writes the import file and nothing else; with `--dry-run` nothing at all. JSON: `{ group, file, import, source, fingerprint }`, the import as SHA-256 of the file, hex.
 * Throws what `importKey` does.
 */
export const command = defineCommand({
  home: 'asker',
  arguments: [{ name: '<keyfile>', help: 'a gpg secret key export, an OpenSSH private key or a PKCS#8 PEM; Ed25519' }],
  options: {
    charter: text('FILE', 'CHARTER.yaml: its production quorum gets the shares'),
    keys: text('FILE', 'the lines of participant import-key, one from each holder of production'),
    out: text('FILE', 'where to write the import file, such as acme.frostmark-import'),
    subkey: text('FINGERPRINT', 'take this signing subkey of a gpg export instead of the primary key'),
    'passphrase-file': text('FILE', 'the passphrase of the key file, instead of asking'),
    'dry-run': flag('only look whether key and charter fit; takes no --keys and no --out'),
    yes: flag('split the key without being asked'),
  },
  about: `Splits a key that you have into shares for the members of a charter: the group
then signs under the same public key. Look first whether key and charter fit:
--dry-run. Then each holder of production runs participant import-key with that
charter and sends its line; collect the lines in one file. Split the key on a
host that is offline, and give the import file, which has no secret in the open,
to every member. An OpenPGP key keeps its fingerprint; the charter must say its
user id and time.`,
  example: `frostmark group import release-key.asc --charter charter.yaml \\
  --keys import-keys.txt --out acme.frostmark-import`,
  next: `Every member: frostmark participant join charter.yaml --import acme.frostmark-import …
Then destroy the originals: this command tells which.`,
  run: async ({ args, settings, output }) => {
    const [keyPath = ''] = args;
    const charterPath = required(settings.charter, '--charter');
    const { reviewKey } = await import('../../../importer/import.ts');
    const { importReview } = await import('../../text/import.ts');
    const passphraseFile = settings['passphrase-file'];
    const key = { keyPath, charterPath, subkey: settings.subkey, ask: () => passphraseOf(passphraseFile) };
    if (settings['dry-run'] !== true) return await split(key, settings, output);
    const review = await reviewKey(key);
    output.talk(importReview(review));
    const { groupLine: group, source, openpgp } = review;
    output.result('The key fits the charter: its members can make their import keys.', {
      group,
      source,
      fingerprint: openpgp?.fingerprint ?? null,
    });
  },
});

interface SplitSettings {
  readonly keys?: string | undefined;
  readonly out?: string | undefined;
  readonly yes?: boolean | undefined;
  readonly 'passphrase-file'?: string | undefined;
}

async function split(key: KeyToImport, settings: SplitSettings, output: Output): Promise<void> {
  const keysPath = required(settings.keys, '--keys');
  const outPath = required(settings.out, '--out');
  const { importKey } = await import('../../../importer/import.ts');
  const { importAdvice, importReview } = await import('../../text/import.ts');
  const { confirm } = await import('../../prompt.ts');
  const { maxImportBytes } = await import('../../../protocol/limits.ts');
  const passphraseFile = settings['passphrase-file'];
  // Before anybody types a passphrase or decides. Every import file has its own randomness: none is an earlier one of the same.
  await assertFree({
    output: { path: outPath, what: 'the import file', size: maxImportBytes },
    inputs: [key.keyPath, key.charterPath, keysPath, ...(passphraseFile === undefined ? [] : [passphraseFile])],
    force: false,
    remedy: 'Move it away, or give another name with --out.',
  });
  const result = await importKey({
    ...key,
    keysPath,
    outPath,
    confirm: async (review) => {
      output.talk(importReview(review));
      if (settings.yes !== true) await confirm('Split this key for these members?', '--yes');
      return true;
    },
  });
  const { groupLine, hash, source, openpgp } = result;
  output.result(groupLine, {
    group: groupLine,
    file: outPath,
    import: hash,
    source,
    fingerprint: openpgp?.fingerprint ?? null,
  });
  output.talk(importAdvice(result, key.keyPath, outPath));
}

async function passphraseOf(file: string | undefined): Promise<Uint8Array> {
  const { askPassphraseBytes, readPassphraseBytes } = await import('../../../home/passphrase.ts');
  return file === undefined ? askPassphraseBytes('Passphrase of the key file: ') : readPassphraseBytes(file);
}

function required(value: string | undefined, name: string): string {
  if (value !== undefined) return value;
  throw new CommandError('usage', `no ${name} was given`, 'frostmark group import --help shows how to ask.');
}
