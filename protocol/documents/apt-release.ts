/** The Release file of a Debian repository, as `apt-ftparchive release` writes it (Debian wiki, DebianRepository/Format; deb822(5)): what InRelease and Release.gpg sign. */
import { ProtocolError } from '../errors.ts';
import { maxAptPathCharacters, maxDocumentBytes } from '../limits.ts';
import { textOf, type DocumentField, type DocumentKind, type DocumentView } from './document.ts';

/** Hex digits of the lists a Release file may have, weakest first. apt believes the last two. */
const hashLists: Readonly<Record<string, number>> = { MD5Sum: 32, SHA1: 40, SHA256: 64, SHA512: 128 };
const believedLists = ['SHA512', 'SHA256'];

/** Fields of one line, by what stands in them. What is not here is refused: apt would ignore it, or a later one would not. */
const text = /^[^\s].*$/u;
const yesOrNo = /^(yes|no)$/;
const words = /^[A-Za-z0-9][A-Za-z0-9.+:~_/-]*( [A-Za-z0-9][A-Za-z0-9.+:~_/-]*)*$/;
const grammar: Readonly<Record<string, RegExp>> = {
  Origin: text,
  Label: text,
  Suite: words,
  Version: text,
  Codename: words,
  Changelogs: text,
  Date: text,
  'Valid-Until': text,
  NotAutomatic: yesOrNo,
  ButAutomaticUpgrades: yesOrNo,
  'Acquire-By-Hash': yesOrNo,
  'No-Support-for-Architecture-all': /^Packages$/,
  'Packages-Require-Authorization': yesOrNo,
  Snapshots: text,
  'Signed-By': /^[0-9A-F]{40}!?(,? [0-9A-F]{40}!?)*$/,
  Architectures: words,
  Components: words,
  Description: text,
};

interface ListedFile {
  readonly hash: string;
  readonly size: string;
  readonly path: string;
}

export const aptRelease: DocumentKind = { kind: 'apt-release', maxBytes: maxDocumentBytes, decode };

function decode(bytes: Uint8Array): DocumentView {
  const source = textOf(bytes, 'apt-release');
  if (!source.endsWith('\n')) refuse(0, 'the last line has no newline');
  const lines = source.slice(0, -1).split('\n');
  const fields = new Map<string, string>();
  const lists = new Map<string, ListedFile[]>();
  let open: ListedFile[] | undefined;
  lines.forEach((line, index) => {
    if (/\p{Cc}/u.test(line)) refuse(index, 'a control character');
    if (line.startsWith(' ')) {
      if (open === undefined) refuse(index, 'only lists of hashes go on over lines');
      open.push(fileOf(line, index, [...lists.keys()].at(-1) ?? '', open));
      return;
    }
    const [name, value] = fieldOf(line, index);
    if (fields.has(name) || lists.has(name)) refuse(index, `${name} is there twice`);
    open = undefined;
    if (hashLists[name] === undefined) fields.set(name, checkedValue(name, value, index));
    else {
      if (value !== '') refuse(index, `${name} begins on the next line`);
      open = [];
      lists.set(name, open);
    }
  });
  assertDates(fields);
  return viewOf(fields, lists);
}

function fieldOf(line: string, index: number): [name: string, value: string] {
  const [, name, , value = ''] = /^([A-Za-z0-9-]+):( (.*))?$/u.exec(line) ?? [];
  if (name === undefined || (!Object.hasOwn(grammar, name) && !Object.hasOwn(hashLists, name)))
    refuse(index, 'not a field of a Release file');
  return [name, value];
}

function checkedValue(name: string, value: string, index: number): string {
  if (grammar[name]?.test(value) !== true || value !== value.trim()) refuse(index, `not a value of ${name}`);
  return value;
}

/** ` HASH SIZE PATH`: a relative path below the folder of the Release file, once in each list. */
function fileOf(line: string, index: number, list: string, before: readonly ListedFile[]): ListedFile {
  const [, hash = '', size = '', path = ''] = /^ ([0-9a-f]+) +(0|[1-9][0-9]{0,15}) ([!-~]+)$/.exec(line) ?? [];
  if (hash.length !== hashLists[list]) refuse(index, `not a ${list}, a size and a path`);
  const names = path.split('/');
  if (path.length > maxAptPathCharacters || names.some((name) => name === '' || name === '.' || name === '..'))
    refuse(index, 'not a path below the repository');
  if (before.some((other) => other.path === path)) refuse(index, `${path} is there twice`);
  return { hash, size, path };
}

function assertDates(fields: ReadonlyMap<string, string>): void {
  const [date, until] = ['Date', 'Valid-Until'].map((name) => {
    const value = fields.get(name);
    return value === undefined ? undefined : parseDate(name, value);
  });
  if (date === undefined) refuse(undefined, 'there is no Date');
  if (until !== undefined && until <= date) refuse(undefined, 'Valid-Until is not after Date');
}

/** `Sun, 22 Nov 2026 08:00:00 UTC` (RFC 5322, Section 3.3, in UTC), in milliseconds since 1970. */
function parseDate(name: string, value: string): number {
  const utc = value.replace(/ (UTC|\+0000)$/, ' GMT');
  const milliseconds = Date.parse(utc);
  // apt-ftparchive writes two digits for a day; nothing else that Date.parse takes formats back to itself.
  if (Number.isNaN(milliseconds) || new Date(milliseconds).toUTCString() !== utc)
    refuse(undefined, `${name} is not a date like Sun, 22 Nov 2026 08:00:00 UTC`);
  return milliseconds;
}

/** All lists must be of the same files: nobody approves what only a broken hash vouches for. */
function viewOf(fields: ReadonlyMap<string, string>, lists: ReadonlyMap<string, readonly ListedFile[]>): DocumentView {
  const believed = believedLists.find((name) => lists.has(name));
  if (believed === undefined) refuse(undefined, 'there is neither SHA256 nor SHA512');
  const files = lists.get(believed) ?? [];
  const summary = (list: readonly ListedFile[]): string =>
    list
      .map(({ path, size }) => `${path} ${size}`)
      .sort()
      .join('\n');
  for (const [name, list] of lists)
    if (summary(list) !== summary(files)) refuse(undefined, `${name} and ${believed} are not of the same files`);
  const shown = [...fields].map(([name, value]): DocumentField => ({ name, value, isChecked: true }));
  return {
    fields: [...shown, { name: 'files', value: `${files.length}, by ${believed}`, isChecked: false }],
    text: files.map(({ hash, size, path }) => `${hash} ${size} ${path}\n`).join(''),
  };
}

function refuse(index: number | undefined, what: string): never {
  const where = index === undefined ? '' : ` line ${index + 1}:`;
  throw new ProtocolError('bad-document', `apt-release:${where} ${what}`);
}
