/** `frostmark participant import-key` */
import { defineCommand, text } from '../../command.ts';
import { printable } from '../../../verifier/printable.ts';

/** JSON: `{ line, member, file }`. Throws what `makeImportKey` does. */
export const command = defineCommand({
  home: 'participant',
  arguments: [{ name: '<charter>', help: 'CHARTER.yaml, the one that everybody will join with' }],
  options: { 'passphrase-file': text('FILE', 'the passphrase for the share, instead of asking') },
  about: `Makes a one-time key for a member of a group that brings a key it has: that
member's share of the key is sealed to it. Every holder of production runs this
before group import. The secret half stays here under the passphrase, which is
that of the share to come, and is erased once the group lives. Run again for
the same charter, it prints the same line.`,
  example: 'frostmark participant import-key charter.yaml',
  next: `Send the line to whoever has the key: all lines in one file are for
frostmark group import KEYFILE --charter charter.yaml --keys FILE --out IMPORT`,
  run: async ({ args, settings, homePath, output }) => {
    const [charterPath = ''] = args;
    const { makeImportKey } = await import('../../../participant/import-key.ts');
    const passphraseFile = settings['passphrase-file'];
    const { line, member, path } = await makeImportKey({
      home: homePath,
      charterPath,
      passphrase: passphraseFile === undefined ? {} : { file: passphraseFile },
    });
    output.result(line, { line, member, file: path });
    output.talk(`Send this line to whoever splits the key. Its secret half is in ${printable(path)}.`);
  },
});
