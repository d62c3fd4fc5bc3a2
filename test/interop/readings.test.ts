/** Near misses by the thousand before the tools themselves: whatever one of them takes, the predicate of T10 says it would. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readingsOf, type Reading } from '../../protocol/documents/readings.ts';
import { sha256Hex } from '../../protocol/wire/bytes.ts';
import { utf8 } from '../protocol/support.ts';
import { aptUpdateOf, hasTool, Workshop } from './tools.ts';

/** Prints, for each file, the names that dpkg takes checksums of from its first paragraph. */
const dpkgScript = `use Dpkg::Control; use Dpkg::Checksums;
for my $file (@ARGV) {
  eval {
    my $control = Dpkg::Control->new(type => CTRL_PKG_SRC);
    $control->load($file);
    my $sums = Dpkg::Checksums->new;
    $sums->add_from_control($control, use_files_for_md5 => 1);
    print "$file takes $_\\n" for $sums->get_files();
  };
}`;

/** What each document is about: a file of which a tool says by name that the document vouches for it. */
interface Target {
  readonly name: string;
  readonly hash: string;
  readonly size: number;
}

/** One change to a document that is otherwise right. */
type Change = (text: string) => string;
const atLine = (pick: number, change: Change): Change => {
  return (text) => {
    const lines = text.split('\n');
    const at = pick % lines.length;
    return lines.map((line, index) => (index === at ? change(line) : line)).join('\n');
  };
};
const put = (from: string | RegExp, to: string): Change => {
  return (text) => text.replace(from, () => to);
};

const changes: readonly Change[] = [
  (text) =>
    text
      .toUpperCase()
      .replaceAll(/DOC\d+|PACKAGES/g, (name) => (name === 'PACKAGES' ? 'Packages' : name.toLowerCase())),
  (text) => text.replaceAll(/[0-9a-f]{32,}/g, (hash) => hash.toUpperCase()),
  (text) => text.replaceAll('\n', '\r\n'),
  (text) => text.replace(/\n$/, ''),
  (text) => `\n\n${text}`,
  (text) => `\u{feff}${text}`,
  (text) => `Some words\n${text}`,
  (text) => `Notes: some words\n${text}`,
  (text) => `# a comment\n${text}`,
  (text) => `${text}\nmore words\n`,
  (text) => text.replaceAll('\n ', '\n\t'),
  (text) => text.replaceAll('\n ', ' '),
  (text) => text.replaceAll(' ', '  '),
  (text) => text.replaceAll(' ', '\t'),
  put('  ', ' '),
  put('  ', ' *'),
  put('  ', '   '),
  put(':', ' :'),
  put(':', '\n:'),
  put(':', ':\n'),
  put(':', ': junk of no use\n '),
  put(/: *\n/, ':'),
  put(/^/, ' '),
  put(/^/, '\t '),
  put(/^/, '- '),
  put(/^/, '\\'),
  put(/^/, '\u{a0}'),
  put(/\n/, '\n\n'),
  put(/([0-9]+) ([A-Za-z])/, '007 P'),
];
const nearMiss = (bases: readonly string[]): fc.Arbitrary<string> =>
  fc
    .tuple(
      fc.constantFrom(...bases),
      fc.array(fc.tuple(fc.constantFrom(...changes), fc.option(fc.nat(9))), { maxLength: 3 }),
    )
    .map(([base, all]) =>
      all.reduce((text, [change, line]) => (line === null ? change : atLine(line, change))(text), base),
    );

/** All documents go to the tool at once; whatever it takes must have the reading, and enough must be taken to mean something. */
function judged(
  reading: Reading,
  bases: (target: Target) => readonly string[],
  targets: readonly Target[],
  taken: (documents: readonly Uint8Array[]) => readonly number[],
): void {
  const place = fc.tuple(...targets.map((target) => nearMiss(bases(target))));
  const property = fc.property(place, (texts) => {
    const documents = texts.map(utf8);
    const found = taken(documents);
    expect(found.length).toBeGreaterThan(targets.length / 10);
    const missed = found.filter((index) => !readingsOf(documents[index]!).has(reading));
    expect(missed.map((index) => texts[index])).toEqual([]);
  });
  fc.assert(property, {
    numRuns: 1,
    endOnFailure: true,
    // One run holds all documents: the seed is enough, and what was missed.
    reporter: ({ failed, seed, errorInstance }) => {
      if (failed) throw new Error(`seed ${seed}`, { cause: errorInstance });
    },
  });
}

const targetsOf = (count: number, name: (index: number) => string, content: (index: number) => string): Target[] =>
  Array.from({ length: count }, (_, index) => {
    const bytes = utf8(content(index));
    return { name: name(index), hash: sha256Hex(bytes), size: bytes.length };
  });

describe('whatever a tool takes has its reading (T10)', () => {
  const lists = ({ name, hash, size }: Target): string[] => [
    `${hash}  ${name}\n`,
    `Words.\n${hash} *${name}\n`,
    `SHA256 (${name}) = ${hash}\n`,
    `Words.\n  ${hash} ${name}\nmore words\n`,
    `SHA256:\n ${hash} ${size} ${name}\n`,
    `object ${'5c'.repeat(20)}\ntype commit\ntag v1\n\nWords\n${hash}  ${name}\n`,
  ];

  it.skipIf(!hasTool('sha256sum')).each(['sha256sum', 'cksum', 'shasum'])('%s -c', (tool) => {
    if (!hasTool(tool)) return;
    using shop = new Workshop();
    const targets = targetsOf(
      500,
      (index) => `doc${index}`,
      (index) => `contents ${index}`,
    );
    targets.forEach(({ name }, index) => shop.file(name, `contents ${index}`));
    judged('manifest', lists, targets, (documents) => {
      const files = documents.map((bytes, index) => {
        shop.file(`list${index}`, bytes);
        return `list${index}`;
      });
      const { stdout } = shop.run(tool, ['-c', ...files]);
      return [...stdout.matchAll(/doc(\d+)\r?: OK$/gm)].map(([, index]) => Number(index));
    });
  });

  it.skipIf(!hasTool('git'))('git, of tags and of commits', () => {
    using shop = new Workshop();
    const git = (args: readonly string[], input = ''): string => shop.run('git', args, input).stdout;
    git(['init', '-q']);
    const tree = git(['mktree'], '').trim();
    const who = 'Zoë <zoe@acme.example> 1795334400 +0100';
    const commitText = `tree ${tree}\nauthor ${who}\ncommitter ${who}\n\nWords\n`;
    const commit = git(['hash-object', '-t', 'commit', '-w', '--stdin'], commitText).trim();
    const tagText = `object ${commit}\ntype commit\ntag v1\ntagger ${who}\n\nWords\n`;
    const hex = (text: string): string => text.replaceAll(/[0-9a-f]{40}/g, (name) => name.toUpperCase());
    const cases = [
      {
        type: 'tag',
        reading: 'git-tag',
        peel: '^{commit}',
        texts: [tagText, hex(tagText), tagText.replace(/tagger.*\n/, '')],
      },
      {
        type: 'commit',
        reading: 'git-commit',
        peel: '^{tree}',
        texts: [commitText, hex(commitText), commitText.replace(/author.*\n/, '')],
      },
    ] as const;
    for (const { type, reading, peel, texts } of cases)
      judged(
        reading,
        () => texts,
        targetsOf(500, String, String),
        (documents) => {
          const files = documents.map((bytes, index) => shop.file(`object${index}`, bytes)).join('\n');
          const names = git(['hash-object', '-t', type, '-w', '--literally', '--stdin-paths'], `${files}\n`)
            .trim()
            .split('\n');
          expect(names).toHaveLength(documents.length);
          const answers = git(['cat-file', '--batch-check'], names.map((name) => `${name}${peel}\n`).join(''))
            .trim()
            .split('\n');
          expect(answers).toHaveLength(documents.length);
          return answers.flatMap((answer, index) => (answer.endsWith(' missing') ? [] : [index]));
        },
      );
  });

  it.skipIf(!hasTool('apt-get'))('apt, of Release files', () => {
    using shop = new Workshop();
    const packages = utf8('Package: tool\nVersion: 1\nArchitecture: amd64\nFilename: tool.deb\nSize: 1\n\n');
    const [hash, size] = [sha256Hex(packages), packages.length];
    const texts = [
      `Date: Sun, 22 Nov 2026 08:00:00 UTC\nSHA256:\n ${hash} ${size} Packages\n`,
      `SHA256: ${hash} ${size} Packages\n`,
      `SHA256:\n junk of it\n ${hash} ${size} Packages\n`,
      `Origin: Acme\nSHA256:\n ${hash}             ${size} Packages\nSuite: stable\n`,
      `sha512:\nSHA256: ${hash} of Packages\n`,
      `tree ${'5c'.repeat(20)}\nparent ${'5c'.repeat(20)}\n\nSHA256: ${hash} ${size} Packages\n`,
    ];
    judged(
      'apt-release',
      () => texts,
      targetsOf(150, String, String),
      (documents) => {
        const repositories = documents.map((bytes, index) => {
          const folder = join(shop.folder, `repository${index}`);
          mkdirSync(folder, { recursive: true });
          writeFileSync(join(folder, 'Release'), bytes);
          return folder;
        });
        /** Which repositories apt takes with these Packages. */
        const takenWith = (content: Uint8Array, root: string): ReadonlySet<number> => {
          for (const folder of repositories) writeFileSync(join(folder, 'Packages'), content);
          const { output } = aptUpdateOf(
            join(shop.folder, root),
            'near-misses.list',
            repositories.map((folder) => `deb [trusted=yes] file:${folder} ./\n`).join(''),
          );
          // The last word on each: apt tries compressed forms first.
          const last = new Map<number, string>();
          for (const [, word = '', index] of output.matchAll(/^(Get|Err):\d+ file:.*repository(\d+) \.\/ Packages/gm))
            last.set(Number(index), word);
          const refusals = /^[EW]: .*(?:No Hash entry|Unable to parse|Failed|Skipping).*?repository(\d+)[_ /]/gm;
          const refused = new Set([...output.matchAll(refusals)].map(([, index]) => Number(index)));
          return new Set([...last].flatMap(([index, word]) => (word === 'Get' && !refused.has(index) ? [index] : [])));
        };
        // A document vouches for a file if apt takes no other in its place.
        const [right, other] = [takenWith(packages, 'root'), takenWith(packages.toReversed(), 'other-root')];
        return documents.flatMap((_, index) => (right.has(index) && !other.has(index) ? [index] : []));
      },
    );
  });

  it.skipIf(!hasTool('dpkg-source'))('dpkg, of source and upload control files', () => {
    using shop = new Workshop();
    const md5 = 'c3'.repeat(16);
    const controls = ({ name, hash, size }: Target): string[] => [
      `Source: tool\nFiles:\n ${md5} ${size} ${name}\nChecksums-Sha256:\n ${hash} ${size} ${name}\n`,
      `Notes: words\nfiles: ${md5} ${size} ${name}\n`,
      `Checksums-Sha256: ${hash} ${size} ${name}\nVersion: 1\n`,
      `Source: tool\nFiles:\n ${md5} ${size} utils optional ${name}\n`,
    ];
    const targets = targetsOf(
      500,
      (index) => `doc${index}`,
      (index) => `contents ${index}`,
    );
    judged('debian-control', controls, targets, (documents) => {
      const files = documents.map((bytes, index) => {
        shop.file(`control${index}`, bytes);
        return `control${index}`;
      });
      const { stdout } = shop.run('perl', ['-e', dpkgScript, ...files]);
      return [...new Set([...stdout.matchAll(/^control(\d+) takes /gm)].map(([, index]) => Number(index)))];
    });
  });
});
