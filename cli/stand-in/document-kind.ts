/** Of which kind a document is that a stock tool wants signed and does not name. */
import { CommandError } from '../errors.ts';

/** A tag or a commit, read by its grammar. Throws `ProtocolError('bad-document')` naming the line, and `CommandError('usage')` for what is neither. */
export async function gitKindOf(bytes: Uint8Array): Promise<'git-tag' | 'git-commit'> {
  const { decodeDocument } = await import('../../protocol/documents/index.ts');
  const beginning = new TextDecoder().decode(bytes.subarray(0, 7));
  const kind = beginning === 'object ' ? 'git-tag' : 'git-commit';
  if (kind === 'git-commit' && !beginning.startsWith('tree '))
    throw new CommandError(
      'usage',
      'what should be signed is neither a git tag nor a git commit',
      'Only tags and commits are signed here; a signed push, for one, has no frostmark signature.',
    );
  decodeDocument(kind, bytes);
  return kind;
}

/** What debsign or the tools of a repository have signed in clear text, read by its grammar. Throws as `gitKindOf` does. */
export async function controlKindOf(bytes: Uint8Array): Promise<'debian-control' | 'apt-release'> {
  const { decodeDocument } = await import('../../protocol/documents/index.ts');
  const text = new TextDecoder().decode(bytes);
  if (text.startsWith('-----BEGIN PGP SIGNED MESSAGE-----'))
    throw new CommandError('usage', 'what should be signed is signed already', 'Take the signature away first.');
  const isControl = /^(?:Files|Checksums-Sha[0-9]+):/im.test(text);
  const kind = isControl ? 'debian-control' : 'apt-release';
  if (!isControl && !/^(?:MD5Sum|SHA1|SHA256|SHA512|Suite|Codename):/im.test(text))
    throw new CommandError(
      'usage',
      '--clearsign is for .dsc, .changes and .buildinfo files and for Release, and this is none',
      'frostmark sign FILE --kind text --format openpgp-cleartext signs a text so, and --kind manifest a list of SHA-256 checksums.',
    );
  decodeDocument(kind, bytes);
  return kind;
}
