/** The Release file of a Debian repository, as `apt-ftparchive release` writes it (Debian wiki, DebianRepository/Format): what InRelease and Release.gpg sign. */
import { maxAptPathCharacters, maxAptReleaseBytes } from '../limits.ts';
import { areOfSameFiles, decodeControl, isOneLine, wholeField, type ControlField, type ListedFile } from './control.ts';
import type { DocumentField, DocumentKind, DocumentView } from './document.ts';
import { refuseDocument } from './readable.ts';
import { present } from '../wire/present.ts';

/** Hex digits of the lists a Release file may have, weakest first. apt believes the last two. */
const hashLists: Readonly<Record<string, number>> = { MD5Sum: 32, SHA1: 40, SHA256: 64, SHA512: 128 };
const believedLists = ['SHA512', 'SHA256'];

/** Fields that apt acts on, by what it reads in them. It passes over others, which are shown. */
const yesOrNo = /^(?:yes|no)$/;
const words = /^(?:[A-Za-z0-9][A-Za-z0-9.+:~_/-]*(?: [A-Za-z0-9][A-Za-z0-9.+:~_/-]*)*)?$/;
const fingerprint = '[0-9A-F]{40}!?';
const grammar: Readonly<Record<string, RegExp>> = {
  Suite: words,
  Codename: words,
  NotAutomatic: yesOrNo,
  ButAutomaticUpgrades: yesOrNo,
  'Acquire-By-Hash': yesOrNo,
  'No-Support-for-Architecture-all': /^Packages$/,
  'Packages-Require-Authorization': yesOrNo,
  'Signed-By': new RegExp(`^${fingerprint}(?:,? ${fingerprint})*$`),
  Architectures: words,
  Components: words,
};
/** Other fields of one line only. */
const oneLine: readonly string[] = ['Origin', 'Label', 'Version', 'Changelogs', 'Date', 'Valid-Until', 'Snapshots'];
/** Of these a list may go on over lines. */
const folded: readonly string[] = ['Signed-By'];
const known = new Map(
  [...Object.keys(hashLists), ...Object.keys(grammar), ...oneLine, 'Description'].map((name) => [
    name.toLowerCase(),
    name,
  ]),
);

const kind = 'apt-release';
/** At least the SHA-256 or SHA-512 list; names as apt spells them, dates as it reads them. */
export const aptRelease: DocumentKind = {
  kind,
  maxBytes: maxAptReleaseBytes,
  readings: ['apt-release', 'listing'],
  namespace: 'file',
  decode,
};

function decode(bytes: Uint8Array): DocumentView {
  const fields = decodeControl(bytes, kind);
  const lists = new Map<string, readonly ListedFile[]>();
  for (const field of fields) {
    assertSpelled(field);
    assertSpaced(field);
    if (Object.hasOwn(hashLists, field.name)) lists.set(field.name, filesOf(field));
    else assertValue(field);
  }
  assertDates(fields);
  return viewOf(
    fields.filter(({ name }) => !lists.has(name)),
    lists,
  );
}

/** apt reads names in any capitals, people do not. */
function assertSpelled({ name, line }: ControlField): void {
  const right = known.get(name.toLowerCase()) ?? name;
  if (right !== name) refuse(line, `has the field ${name}, which is written ${right}`);
}

/** apt takes a tab for a space, and a person cannot tell them apart. */
function assertSpaced({ value, lines, line }: ControlField): void {
  const at = value.includes('\t') ? line : lines.find(({ text }) => text.includes('\t'))?.line;
  if (at !== undefined) refuse(at, 'has a tab: write a space');
}

function assertValue(field: ControlField): void {
  const { name, value, lines, line } = field;
  const pattern = Object.hasOwn(grammar, name) ? grammar[name] : undefined;
  if (!isOneLine(field) && !folded.includes(name) && (pattern !== undefined || oneLine.includes(name)))
    refuse(lines[0]?.line ?? line, `goes on with ${name}, which is of one line`);
  const whole = [value, ...lines.map(({ text }) => text.trim())].filter((text) => text !== '').join(' ');
  if (pattern?.test(whole) === false) refuse(line, `has a ${name} that apt would not read as it is written`);
}

/** ` HASH SIZE PATH` in each line after the name: a relative path below the folder of the Release file, once in each list. */
function filesOf({ name: list, value, lines, line }: ControlField): ListedFile[] {
  if (value !== '') refuse(line, `has a value, where the files of ${list} begin on the next line`);
  const paths = new Set<string>();
  return lines.map(({ text, line: at }) => {
    const [, hash = '', size = '', path = ''] = /^ ([0-9a-f]+) +(0|[1-9][0-9]{0,15}) ([!-~]+)$/.exec(text) ?? [];
    if (hash.length !== hashLists[list]) refuse(at, `is not a ${list}, a size and a path`);
    const names = path.split('/');
    if (path.length > maxAptPathCharacters || names.some((name) => name === '' || name === '.' || name === '..'))
      refuse(at, 'does not name a path below the repository');
    if (paths.has(path)) refuse(at, `has ${path} for the second time`);
    paths.add(path);
    return { hash, size, path };
  });
}

function assertDates(fields: readonly ControlField[]): void {
  const [date, until] = ['Date', 'Valid-Until'].map((name) => {
    const field = fields.find((candidate) => candidate.name === name);
    return field === undefined ? undefined : parseDate(field);
  });
  if (date === undefined) refuseDocument(kind, 'there is no Date');
  if (until !== undefined && until <= date) refuseDocument(kind, 'Valid-Until is not after Date');
}

/** `Sun, 22 Nov 2026 08:00:00 UTC` (RFC 5322, Section 3.3, in UTC; a day of one digit, too), in milliseconds since 1970. */
function parseDate({ name, value, line }: ControlField): number {
  const utc = value.replace(/ (?:UTC|\+0000)$/, ' GMT').replace(/^(\w{3}), (\d) /, '$1, 0$2 ');
  const milliseconds = Date.parse(utc);
  // Nothing else that Date.parse takes formats back to itself.
  if (Number.isNaN(milliseconds) || new Date(milliseconds).toUTCString() !== utc)
    refuse(
      line,
      `has a ${name} that apt does not read: write it in English and UTC, like Sun, 22 Nov 2026 08:00:00 UTC (LC_ALL=C date -Ru)`,
    );
  return milliseconds;
}

function viewOf(fields: readonly ControlField[], lists: ReadonlyMap<string, readonly ListedFile[]>): DocumentView {
  const believed = believedLists.find((name) => lists.has(name));
  if (believed === undefined) refuseDocument(kind, 'there is neither SHA256 nor SHA512');
  const files = present(lists.get(believed), believed);
  for (const [name, list] of lists)
    if (!areOfSameFiles(list, files)) refuseDocument(kind, `${name} and ${believed} are not of the same files`);
  const shown = fields.filter(isOneLine).map(({ name, value }): DocumentField => ({ name, value, isChecked: true }));
  const long = fields.filter((field) => !isOneLine(field)).map(wholeField);
  return {
    fields: [...shown, { name: 'files', value: `${files.length}, by ${believed}`, isChecked: false }],
    text: [...long, ...files.map(({ hash, size, path }) => `${hash} ${size} ${path}\n`)].join(''),
  };
}

function refuse(line: number, what: string): never {
  refuseDocument(kind, `line ${line} ${what}`);
}
