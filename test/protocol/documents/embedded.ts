/** Documents of each kind with whatever lines its grammar leaves room for: what an attacker would have approved. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Reading } from '../../../protocol/documents/readings.ts';
import { goldenDocuments } from './golden.ts';
import { utf8 } from '../support.ts';

const [hash, other] = ['a1'.repeat(32), 'B2'.repeat(32)] as const;

/** Lines that a tool of each kind takes, besides those that only begin a document. */
export const baits: Readonly<Record<Exclude<Reading, 'git-tag' | 'git-commit' | 'rpm-header'>, readonly string[]>> = {
  manifest: [
    `${hash}  tool`,
    `${other} *tool`,
    `\t${hash} tool`,
    `  \\${hash}  to\\\\ol`,
    `- ${hash}  tool`,
    `SHA256 (tool) = ${hash}`,
    `SHA2-256(tool)= ${hash}`,
    `${Buffer.alloc(32, 7).toString('base64')}  tool`,
    // SHA-384 and BLAKE2b-192, as \`cksum --base64\` of coreutils 9.2 writes them: no padding.
    `${Buffer.alloc(48, 0x5b).toString('base64')}  tool`,
    `BLAKE2b-192 (tool) = ${Buffer.alloc(24, 0x5b).toString('base64')}`,
    `${'c3'.repeat(16)}  tool`,
  ],
  listing: [` ${hash} 12 main/Packages`, `\t${other}  7   x`],
  'apt-release': [
    `SHA256: see below\n ${hash} 12 Packages`,
    `sha512\t:\n x ${hash}${hash} 12 Packages`,
    `MD5Sum\n: ${'c3'.repeat(16)} of Packages`,
    `SHA256: ${other} 12 Packages`,
  ],
  'debian-control': [
    `Files: ${'c3'.repeat(16)} 1 x`,
    `checksums-sha256 :\n ${hash} 12 tool.dsc`,
    `Files:\n# a comment\n ${'c3'.repeat(16)} 12 x`,
  ],
};

const folded = (lines: string): string => lines.replace(/^/gm, ' ');
const golden = (kind: string): string => new TextDecoder().decode(goldenDocuments[kind]);

/** Of rpmbuild, with the text of its description exchanged for one as long. */
function rpmHeader(lines: string): Uint8Array {
  const bytes = new Uint8Array(
    readFileSync(join(import.meta.dirname, '..', '..', 'vectors', 'documents', 'rpm-header.bin')),
  );
  return withText(bytes, 1005, `About.\n${lines}\n`);
}

/** The header with another text for a tag: the store and what follows it move along. */
export function withText(bytes: Uint8Array, tag: number, text: string): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const count = view.getUint32(8);
  const index = Array.from({ length: count }, (_, place) =>
    [0, 4, 8, 12].map((field) => view.getUint32(16 + 16 * place + field)),
  );
  const storeAt = 16 + 16 * count;
  const width: Readonly<Record<number, number>> = { 3: 2, 4: 4, 5: 8 };
  const ordered = index.slice(1);
  const store: number[] = [];
  const moved = ordered.map(([name = 0, type = 0, offset = 0, elements = 0], place) => {
    const end = ordered[place + 1]?.[2] ?? bytes.length - storeAt - 16;
    const old = bytes.subarray(storeAt + offset, storeAt + end);
    const data =
      name === tag
        ? [...utf8(text), 0]
        : [...(width[type] === undefined ? old : old.subarray(0, width[type] * elements))];
    while (store.length % (width[type] ?? 1) !== 0) store.push(0);
    const at = store.length;
    store.push(...(width[type] === undefined && name !== tag ? textData(data, elements, type) : data));
    return [name, type, at, elements];
  });
  const words = (numbers: readonly number[]): number[] =>
    numbers.flatMap((value) => [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]);
  return Uint8Array.from([
    ...bytes.subarray(0, 8),
    ...words([count, store.length + 16]),
    ...words([63, 7, store.length, 16]),
    ...moved.flatMap(words),
    ...store,
    ...bytes.subarray(-16),
  ]);
}

/** The data without the zeros of the next one's alignment. */
function textData(data: readonly number[], elements: number, type: number): readonly number[] {
  if (type === 7 || type < 3) return data.slice(0, elements);
  let end = 0;
  for (let place = 0; place < elements; place += 1) end = data.indexOf(0, end) + 1;
  return data.slice(0, end);
}

/** The lines inside a document that is otherwise right; `undefined` where its grammar has no room for lines. */
export const embed: Readonly<Record<string, (lines: string) => Uint8Array | undefined>> = {
  text: (lines) => utf8(`${golden('text')}${lines}\nThe end.\n`),
  'git-tag': (lines) => utf8(`${golden('git-tag')}\n${lines}\n`),
  'git-commit': (lines) => utf8(`${golden('git-commit')}\n${lines}\n`),
  'apt-release': (lines) => utf8(golden('apt-release').replace(' for every machine', () => folded(lines))),
  'debian-control': (lines) => utf8(golden('debian-control').replace(/^ tool deb.*$/m, () => folded(lines))),
  'rpm-header': rpmHeader,
  manifest: () => undefined,
};

/** Fields put beside those of a document that has fields. */
export const embedFields: Readonly<Record<string, (lines: string) => Uint8Array>> = {
  'apt-release': (lines) => utf8(golden('apt-release').replace(/^/, () => `${lines}\n`)),
  'debian-control': (lines) => utf8(golden('debian-control').replace(/^/, () => `${lines}\n`)),
};
