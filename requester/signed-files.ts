/** The files that stock tools check, written beside the document they are about, each under the name that its tool expects. */
import { dirname, join } from 'node:path';
import { HomeError } from '../home/errors.ts';
import { writeFileAtomic } from '../home/files.ts';
import { production } from '../protocol/files/charter.ts';
import type { FinishedFile } from '../protocol/formats/index.ts';
import type { Request } from '../protocol/request/request.ts';
import { RequesterError } from './errors.ts';
import { sshFileOf, type Issued } from './issued.ts';

/** Readable by everybody: a signature is no secret. */
const signatureMode = 0o644;

const suffixes: Readonly<Record<string, string>> = {
  openpgp: '.asc',
  'openpgp-cleartext': '.clear.asc',
  ssh: '.sig',
  minisign: '.minisig',
};

/** Names that apt asks for beside `Release`. */
const aptNames: Readonly<Record<string, string>> = { openpgp: 'Release.gpg', 'openpgp-cleartext': 'InRelease' };

/** How the names of files beside a document may end. */
export const signatureSuffixes: readonly string[] = Object.values(suffixes);

/** Where the file of a format goes; `undefined` for a format that has no file of its own beside the document. */
export function signedFilePath(format: string, kind: string, documentPath: string): string | undefined {
  const aptName = kind === 'apt-release' ? aptNames[format] : undefined;
  if (aptName !== undefined) return join(dirname(documentPath), aptName);
  const suffix = suffixes[format];
  return suffix === undefined ? undefined : documentPath + suffix;
}

/** The document that signatures are about, where it lies, and the channel that signed it. */
export interface SignedDocument {
  readonly path: string;
  readonly kind: string;
  readonly channel: string;
}

/** Writes each file whole or not at all, and returns the paths. Throws `RequesterError('no-certificate')` or `HomeError`. */
export async function writeSignedFiles(
  { path, kind, channel }: SignedDocument,
  files: readonly FinishedFile[],
  issued: readonly Issued[],
  nowUnixSeconds: number,
): Promise<string[]> {
  const written: string[] = [];
  for (const { format, bytes } of files) {
    const target = signedFilePath(format, kind, path);
    if (target === undefined) continue;
    const isCertified = format === 'ssh' && channel !== production;
    const content = isCertified ? sshFileOf(issued, channel, bytes, nowUnixSeconds) : bytes;
    await writeFileAtomic(target, content, { mode: signatureMode });
    written.push(target);
  }
  return written;
}

/**
 * Writes what was signed: the signature exists, whatever happens now, and whoever is told of a failure is told that.
 * Throws `RequesterError` (`not-written`, `no-certificate`).
 */
export async function writingSigned<T>({ digest }: Pick<Request, 'digest'>, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    const known = error instanceof RequesterError && ['no-certificate', 'revoked'].includes(error.code);
    if (!(error instanceof HomeError) && !known) throw error;
    const code = known ? error.code : 'not-written';
    throw new RequesterError(code, `round ${digest} is signed, and ${error.message}`, { cause: error });
  }
}

/** Puts the manifest beside its signatures, and answers its path. Throws `HomeError`. */
export async function writeManifest(path: string, bytes: Uint8Array): Promise<string> {
  await writeFileAtomic(path, bytes, { mode: signatureMode });
  return path;
}
