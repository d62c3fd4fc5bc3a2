/** What Debian's uploads are signed by: the control file of a source package, of an upload, or of a build (deb-src-control(5), deb-changes(5), deb-buildinfo(5)). */
import { maxDebianControlBytes } from '../limits.ts';
import { areOfSameFiles, decodeControl, isOneLine, wholeField, type ControlField, type ListedFile } from './control.ts';
import type { DocumentField, DocumentKind, DocumentView } from './document.ts';
import { refuseDocument } from './readable.ts';

/** Lists of files by their name in lower case, with the hex digits of their hashes. dpkg believes the last one. */
const lists: Readonly<Record<string, number>> = {
  files: 32,
  'checksums-md5': 32,
  'checksums-sha1': 40,
  'checksums-sha256': 64,
};
const believed = 'checksums-sha256';
/** A name that dpkg-source takes: no path, and nothing that a shell would read. */
const fileName = /^[0-9A-Za-z][0-9A-Za-z.+:~_-]{0,254}$/;

const kind = 'debian-control';
/**
 * Needs Source, Version and Checksums-Sha256; every other list is of the same files. Approvers see the fields in the
 * order of the file, then each file with its SHA-256, hex.
 */
export const debianControl: DocumentKind = {
  kind,
  maxBytes: maxDebianControlBytes,
  readings: ['debian-control', 'listing'],
  namespace: 'file',
  decode,
};

function decode(bytes: Uint8Array): DocumentView {
  const fields = decodeControl(withoutLastEmptyLine(bytes), kind);
  const listed = fields.filter(({ name }) => Object.hasOwn(lists, name.toLowerCase()));
  const believedField = listed.find(({ name }) => name.toLowerCase() === believed);
  if (believedField === undefined) refuseDocument(kind, 'there is no Checksums-Sha256');
  for (const name of ['Source', 'Version'])
    if (!fields.some((field) => field.name === name && field.value !== '')) refuseDocument(kind, `there is no ${name}`);
  const files = filesOf(believedField);
  for (const field of listed)
    if (!areOfSameFiles(filesOf(field), files))
      refuseDocument(kind, `${field.name} and ${believedField.name} are not of the same files`);
  const others = fields.filter((field) => !listed.includes(field));
  return {
    fields: [
      ...others.filter(isOneLine).map(({ name, value }): DocumentField => ({ name, value, isChecked: true })),
      ...files.map(({ path, hash }): DocumentField => ({ name: path, value: hash, isChecked: false })),
    ],
    text: textOf(others.filter((field) => !isOneLine(field))),
  };
}

/** debsign and dpkg-buildpackage put one empty line at the end of what they have signed. */
function withoutLastEmptyLine(bytes: Uint8Array): Uint8Array {
  const newline = 0x0a;
  return bytes.at(-1) === newline && bytes.at(-2) === newline ? bytes.subarray(0, -1) : bytes;
}

function textOf(fields: readonly ControlField[]): string | null {
  return fields.length === 0 ? null : fields.map(wholeField).join('');
}

/** ` HASH SIZE NAME`; of an upload's Files ` HASH SIZE SECTION PRIORITY NAME`. Each name once. */
function filesOf({ name: list, value, lines, line }: ControlField): ListedFile[] {
  if (value !== '') refuse(line, `has a value, where the files of ${list} begin on the next line`);
  const names = new Set<string>();
  return lines.map(({ text, line: at }) => {
    const [, hash = '', size = '', path = ''] =
      /^ ([0-9a-f]+) (0|[1-9][0-9]{0,15})(?: [!-~]+ [!-~]+)? ([!-~]+)$/.exec(text) ?? [];
    if (hash.length !== lists[list.toLowerCase()]) refuse(at, `is not a hash, a size and a name of ${list}`);
    if (!fileName.test(path)) refuse(at, 'does not name a plain file');
    if (names.has(path)) refuse(at, `has ${path} for the second time`);
    names.add(path);
    return { hash, size, path };
  });
}

function refuse(line: number, what: string): never {
  refuseDocument(kind, `line ${line} ${what}`);
}
