/** Command blocks of README.md and docs/, and machines of people who type them. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Started } from '../../demo/process.ts';
import { run, type Ran } from '../interop/tools.ts';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** One fenced block. */
export interface DocBlock {
  /** `docs/import.md § Split it #2`: file, heading, place below it. */
  readonly id: string;
  readonly text: string;
}

/** README.md and the pages of docs/. */
export function docFiles(): string[] {
  const docs = readdirSync(join(root, 'docs')).map((name) => join('docs', name));
  return ['README.md', ...docs.sort()];
}

/** All of them, in their order. */
export function docBlocks(): DocBlock[] {
  return docFiles().flatMap((file) => blocksOf(file, readFileSync(join(root, file), 'utf8')));
}

function blocksOf(file: string, text: string): DocBlock[] {
  const places = new Map<string, number>();
  return [...text.matchAll(/^#+ (?<heading>.*)$|^```\w+\n(?<block>[^]*?)^```$/gm)].reduce<{
    heading: string;
    blocks: DocBlock[];
  }>(
    ({ heading, blocks }, { groups }) => {
      if (groups?.['block'] === undefined) return { heading: groups?.['heading'] ?? heading, blocks };
      const place = (places.get(heading) ?? 0) + 1;
      places.set(heading, place);
      return { heading, blocks: [...blocks, { id: `${file} § ${heading} #${place}`, text: groups['block'] }] };
    },
    { heading: '', blocks: [] },
  ).blocks;
}

/** The text with each placeholder replaced, all of it in order. Throws when a placeholder is not there. */
export function filled(text: string, ...replaced: readonly (readonly [from: string, to: string])[]): string {
  return replaced.reduce((filling, [from, to]) => {
    if (!filling.includes(from)) throw new Error(`there is no ${from} in:\n${filling}`);
    return filling.replace(from, () => to);
  }, text);
}

/** Commands, one each, with their continuations. */
export function commandsOf(text: string): string[] {
  return text.replaceAll('\\\n', '').trimEnd().split('\n');
}

/** Somebody's account on a machine: a home of its own, and a folder to work in. */
export class Account {
  readonly home: string;
  readonly folder: string;
  readonly #environment: Readonly<Record<string, string>>;

  constructor(home: string, environment: Readonly<Record<string, string>>) {
    this.home = home;
    this.folder = join(home, 'work');
    this.#environment = environment;
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
  }

  get #everything(): Record<string, string> {
    return { LC_ALL: 'C.UTF-8', TZ: 'UTC', ...this.#environment, HOME: this.home };
  }

  path(...names: string[]): string {
    return join(this.folder, ...names);
  }

  /** Types this into a shell that ends at the first failure. Throws on another exit code than 0. */
  type(text: string, folder = '.'): Ran {
    const ran = run('bash', ['--norc', '-euo', 'pipefail', '-c', text], {
      cwd: this.path(folder),
      env: this.#everything,
    });
    if (ran.status !== 0) throw new Error(`exit code ${ran.status ?? 'none'}:\n${text}\n${ran.output}`);
    return ran;
  }

  /** The same, and it goes on. */
  start(text: string): Started {
    return new Started('bash', ['--norc', '-euo', 'pipefail', '-c', text], { cwd: this.folder, env: this.#everything });
  }
}
