/** What is signed, and what that makes: the inputs without our own earlier outputs, and where every result goes. */
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { bundleSuffix } from '../verifier/bundle.ts';
import { maxBundleBytes } from '../verifier/limits.ts';
import type { OpenedGroup } from '../client/group.ts';
import { readFileBounded } from '../home/files.ts';
import { maxSshSignatureBytes } from '../protocol/limits.ts';
import { isBundleOf, isManifestOf, isSignatureOf, isStockSignature } from './earlier.ts';
import { maxEarlierOutputBytes } from './limits.ts';
import type { Output } from './outputs.ts';
import { signatureSuffixes, signedFilePath } from './signed-files.ts';

/**
 * What is signed: files by their digests, with a manifest of them for stock tools or without, or one document that travels whole. A manifest
 * that is given by its bare name lies in the common folder of the files, where `sha256sum -c` works.
 */
export type SignSubject =
  | { readonly kind: 'files'; readonly paths: readonly string[] }
  | { readonly kind: 'manifest'; readonly paths: readonly string[]; readonly manifestPath: string }
  | { readonly kind: 'document'; readonly documentKind: string; readonly path: string };

/** A subject whose paths are settled: the same command makes the same request, whatever a pattern caught and in whatever order. */
export interface SettledSubject {
  readonly subject: SignSubject;
  /** Inputs that are our own earlier outputs of the same command. */
  readonly leftOut: readonly string[];
}

/** Leaves our own outputs out, sorts the files by name, and says where the manifest goes. Throws nothing: a file that is missing is refused later. */
export async function settleSubject(subject: SignSubject): Promise<SettledSubject> {
  switch (subject.kind) {
    case 'document':
      return { subject, leftOut: [] };
    case 'files': {
      const { paths, leftOut } = await withoutOutputs(subject.paths, undefined);
      return { subject: { ...subject, paths }, leftOut };
    }
    case 'manifest': {
      const manifestPath = besideFiles(subject.paths, subject.manifestPath);
      const { paths, leftOut } = await withoutOutputs(subject.paths, manifestPath);
      return { subject: { ...subject, paths, manifestPath }, leftOut };
    }
  }
}

/** A bare name lies in the files' common folder; any other path is meant as it is. */
function besideFiles(paths: readonly string[], manifestPath: string): string {
  if (manifestPath !== basename(manifestPath) || paths.length === 0) return manifestPath;
  const folders = paths.map((path) => dirname(resolve(path)).split(sep));
  const shared = folders.reduce((common, folder) => {
    const end = common.findIndex((name, index) => folder[index] !== name);
    return end === -1 ? common : common.slice(0, end);
  });
  const path = join(shared.join(sep) || sep, manifestPath);
  return paths.some(isAbsolute) ? path : relative('', path);
}

async function withoutOutputs(
  given: readonly string[],
  manifestPath: string | undefined,
): Promise<{ readonly paths: string[]; readonly leftOut: string[] }> {
  const inputs = new Set(given.map((path) => resolve(path)));
  const names = new Set(given.map((path) => basename(path)));
  const leftOut = await filter(given, (path) => isOwnOutput(path, inputs, names, manifestPath));
  const paths = given.filter((path) => !leftOut.includes(path));
  return { paths: paths.sort((a, b) => (basename(a) < basename(b) ? -1 : 1)), leftOut };
}

/** What this command writes, and looks like it: anything else of that name is somebody's file, and is refused with the outputs. */
async function isOwnOutput(
  path: string,
  inputs: ReadonlySet<string>,
  names: ReadonlySet<string>,
  manifestPath: string | undefined,
): Promise<boolean> {
  const full = resolve(path);
  const about = full.slice(0, -bundleSuffix.length);
  const bytes = (): Promise<Uint8Array> => readFileBounded(path, maxEarlierOutputBytes).catch(() => new Uint8Array());
  if (full.endsWith(bundleSuffix) && inputs.has(about)) return isBundleOf(await bytes(), basename(about));
  if (manifestPath === undefined) return false;
  const manifest = resolve(manifestPath);
  if (full === manifest) {
    const others = new Set([...names].filter((name) => name !== basename(path)));
    return isManifestOf(await bytes(), others);
  }
  if (signatureSuffixes.some((suffix) => full === manifest + suffix)) return isStockSignature(await bytes());
  return full === manifest + bundleSuffix && isBundleOf(await bytes(), basename(manifest));
}

async function filter<T>(items: readonly T[], keep: (item: T) => Promise<boolean>): Promise<T[]> {
  const kept: T[] = [];
  for (const item of items) if (await keep(item)) kept.push(item);
  return kept;
}

/** Every file that signing writes. `subject` is settled; a document has `documentBytes`. */
export function outputsOf(
  { epoch }: OpenedGroup,
  { subject, formats }: { readonly subject: SignSubject; readonly formats: readonly string[] },
  documentBytes: number,
): { readonly inputs: readonly string[]; readonly outputs: readonly Output[] } {
  const isOf = (format: string) => (bytes: Uint8Array) => isSignatureOf(bytes, format, epoch);
  const signatures = (path: string, kind: string, bytes: number): Output[] =>
    formats.flatMap((format) => {
      const target = signedFilePath(format, kind, path);
      if (target === undefined) return [];
      return [
        {
          path: target,
          what: `the ${format} signature of ${path}`,
          size: maxSshSignatureBytes + (format === 'openpgp-cleartext' ? bytes : 0),
          isOurs: isOf(format),
        },
      ];
    });
  if (subject.kind === 'document')
    return { inputs: [subject.path], outputs: signatures(subject.path, subject.documentKind, documentBytes) };
  const { paths } = subject;
  const names = new Set(paths.map((path) => basename(path)));
  const bundles = paths.map((path): Output => ({
    path: path + bundleSuffix,
    what: `the signature of ${path}`,
    size: bundleSizeOf(paths),
    isOurs: (bytes) => isBundleOf(bytes, basename(path), epoch.groupKey),
  }));
  if (subject.kind === 'files') return { inputs: paths, outputs: bundles };
  const manifestBytes = lineBytes * paths.length;
  const manifest: Output = {
    path: subject.manifestPath,
    what: 'the manifest of the files',
    size: manifestBytes,
    isOurs: (bytes) => isManifestOf(bytes, names),
  };
  return {
    inputs: paths,
    outputs: [...bundles, manifest, ...signatures(subject.manifestPath, 'manifest', manifestBytes)],
  };
}

/** Bytes of a line of a manifest with the longest name. */
const lineBytes = 64 + 2 + 255 + 1;

/** About as much as a bundle with these files takes: their names and digests in base64, and what comes with them. */
function bundleSizeOf(paths: readonly string[]): number {
  const subjects = paths.reduce((sum, path) => sum + 128 + 2 * Buffer.byteLength(basename(path)), 0);
  return Math.min(maxBundleBytes, 8192 + Math.ceil((subjects * 4) / 3));
}
