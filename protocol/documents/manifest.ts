/** A manifest: the digests and names of a release's files, as `sha256sum` writes and checks them (SHA256SUMS). */
import { isSubjectName } from '../../verifier/names.ts';
import { equalBytes, utf8ToBytes } from '../wire/bytes.ts';
import { maxManifestBytes } from '../limits.ts';
import type { DocumentKind } from './document.ts';
import { readableText, refuseDocument } from './readable.ts';

/** What one line says. */
export interface ManifestEntry {
  /** A plain file name. */
  readonly name: string;
  /** 64 lowercase hex digits. */
  readonly sha256: string;
}

/** In text mode there are two spaces, in binary mode a space and a star. `sha256sum -c` would skip a line of another form with a warning and exit 0. */
const line = /^([0-9a-f]{64}) [ *](.+)$/u;

/** How a list of another kind is signed all the same: its own checksum vouches for all that it lists. */
const otherLayout = 'have this list itself listed in a SHA256SUMS (sha256sum LIST > SHA256SUMS), and that signed';
const otherHashes: Readonly<Record<number, string>> = {
  32: 'MD5',
  40: 'SHA-1',
  56: 'SHA-224',
  96: 'SHA-384',
  128: 'SHA-512',
};

function whyNoLine(text: string): string {
  const digits = /^[0-9a-f]+(?= )/i.exec(text)?.[0].length ?? 0;
  const hash = otherHashes[digits];
  if (hash !== undefined) return `has a ${hash} checksum, and a manifest is of SHA-256: ${otherLayout}`;
  if (/^[A-Z0-9-]+ ?\(.*\) ?= /.test(text))
    return `is of the form of sha256sum --tag: write it without, or ${otherLayout}`;
  return 'is not 64 lower-case hex digits, two spaces (or a space and *) and a file name, as sha256sum writes it';
}

/** Entries in the file's order, at least one. Throws `ProtocolError('bad-document')` naming the line. */
export function decodeManifest(bytes: Uint8Array): ManifestEntry[] {
  const lines = readableText(bytes, 'manifest').slice(0, -1).split('\n');
  const names = new Set<string>();
  return lines.map((text, index) => {
    const [, sha256, name] = line.exec(text) ?? [];
    const refuse = (what: string): never => refuseDocument('manifest', `line ${index + 1} ${what}`);
    if (sha256 === undefined || name === undefined) return refuse(whyNoLine(text));
    // `sha256sum -c` reads standard input for a dash.
    if (!isSubjectName(name) || name === '-') return refuse(`does not name a plain file: ${otherLayout}`);
    if (names.has(name)) return refuse('names a file for the second time');
    names.add(name);
    return { name, sha256 };
  });
}

/** The manifest of these files, in the order given. Throws `ProtocolError('bad-document')` for names that no manifest can have. */
export function manifestOf(artifacts: readonly ManifestEntry[]): Uint8Array {
  const bytes = utf8ToBytes(artifacts.map(({ name, sha256 }) => `${sha256}  ${name}\n`).join(''));
  decodeManifest(bytes);
  return bytes;
}

/** Beside artifacts a manifest lists exactly them, in the request's order. Throws `ProtocolError('bad-document')` naming the line. */
export function assertManifestOf(bytes: Uint8Array, artifacts: readonly ManifestEntry[]): void {
  if (equalBytes(bytes, manifestOf(artifacts))) return;
  const entries = decodeManifest(bytes);
  const at = artifacts.findIndex(
    ({ name, sha256 }, index) => entries[index]?.name !== name || entries[index].sha256 !== sha256,
  );
  refuseDocument('manifest', `line ${(at < 0 ? artifacts.length : at) + 1} is not what the request's artifacts say`);
}

/** What an approver looks at first: `+ name`, `- name` and `~ name` for a file that is new, gone, or another. Throws as `decodeManifest` does. */
export function manifestChanges(before: Uint8Array, after: Uint8Array): string[] {
  const [old, now] = [before, after].map(
    (bytes) => new Map(decodeManifest(bytes).map((one) => [one.name, one.sha256])),
  );
  const gone = [...(old?.keys() ?? [])].filter((name) => now?.has(name) !== true).map((name) => `- ${name}`);
  const changed = [...(now ?? [])].flatMap(([name, sha256]) => {
    const known = old?.get(name);
    return known === sha256 ? [] : [`${known === undefined ? '+' : '~'} ${name}`];
  });
  return [...changed, ...gone];
}

/** Each file is a field whose value is its digest. */
export const manifest: DocumentKind = {
  kind: 'manifest',
  maxBytes: maxManifestBytes,
  readings: ['manifest'],
  namespace: 'file',
  decode: (bytes) => ({
    fields: decodeManifest(bytes).map(({ name, sha256 }) => ({ name, value: sha256, isChecked: true })),
    text: null,
  }),
};
