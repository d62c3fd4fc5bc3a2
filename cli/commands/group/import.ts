/** `frostmark group import` */
import type { ImportResult } from '../../../importer/import.ts';
import { defineCommand, flag, text } from '../../command.ts';
import { CommandError } from '../../errors.ts';
import { assertFree } from '../../free-output.ts';

/**
 * Writes the import file and nothing else. JSON: `{ group, file, import, source, fingerprint }`, the import as SHA-256 of the file, hex.
 * Throws what `importKey` does.
 */
export const command = defineCommand({
  home: 'asker',
  arguments: [{ name: '<keyfile>', help: 'a gpg secret key export, an OpenSSH private key or a PKCS#8 PEM; Ed25519' }],
  options: {
    charter: text('FILE', 'CHARTER.yaml: its production quorum gets the shares'),
    out: text('FILE', 'where to write the import file, such as acme.frostmark-import'),
    subkey: text('FINGERPRINT', 'take this signing subkey of a gpg export instead of the primary key'),
    'passphrase-file': text('FILE', 'the passphrase of the key file, instead of asking'),
    yes: flag('split the key without being asked'),
  },
  about: `Splits a key that you have into shares for the members of a charter: the group
then signs under the same public key. Run it on a host that is offline, and
give the import file, which has no secret in the open, to every member. An
OpenPGP key keeps its fingerprint; the charter must say its user id and time.`,
  example: `frostmark group import release-key.asc --charter charter.yaml \\
  --out acme.frostmark-import`,
  next: `Every member: frostmark participant join charter.yaml --import acme.frostmark-import …
Then destroy the originals: this command tells which.`,
  run: async ({ args, settings, output }) => {
    const [keyPath = ''] = args;
    const charterPath = required(settings.charter, '--charter');
    const outPath = required(settings.out, '--out');
    const { importKey } = await import('../../../importer/import.ts');
    const { importAdvice, importReview } = await import('../../text/import.ts');
    const { confirm } = await import('../../prompt.ts');
    const { maxImportBytes } = await import('../../../protocol/limits.ts');
    const passphraseFile = settings['passphrase-file'];
    // Before anybody types a passphrase or decides. Every import file has its own randomness: none is an earlier one of the same.
    await assertFree({
      output: { path: outPath, what: 'the import file', size: maxImportBytes },
      inputs: [keyPath, charterPath, ...(passphraseFile === undefined ? [] : [passphraseFile])],
      force: false,
      remedy: 'Move it away, or give another name with --out.',
    });
    const result: ImportResult = await importKey({
      keyPath,
      charterPath,
      outPath,
      subkey: settings.subkey,
      ask: async () => {
        const { askPassphraseBytes, readPassphraseBytes } = await import('../../../home/passphrase.ts');
        return passphraseFile === undefined
          ? askPassphraseBytes('Passphrase of the key file: ')
          : readPassphraseBytes(passphraseFile);
      },
      confirm: async (review) => {
        output.talk(importReview(review));
        if (settings.yes !== true) await confirm('Split this key for these members?', '--yes');
        return true;
      },
    });
    const { groupLine, hash, openpgp } = result;
    output.result(groupLine, {
      group: groupLine,
      file: outPath,
      import: hash,
      source: result.source,
      fingerprint: openpgp?.fingerprint ?? null,
    });
    output.talk(importAdvice(result, keyPath, outPath));
  },
});

function required(value: string | undefined, name: string): string {
  if (value !== undefined) return value;
  throw new CommandError('usage', `no ${name} was given`, 'frostmark group import --help shows how to ask.');
}
