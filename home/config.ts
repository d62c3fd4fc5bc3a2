/** Settings: flags, then `FROSTMARK_*` variables, then `config.yaml` in the home, whose keys are the long flag names. */
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { groupKeyPrefix } from '../verifier/group-key.ts';
import { printableJson } from '../verifier/printable.ts';
import { HomeError } from './errors.ts';
import { readFileBounded } from './files.ts';
import type { Home } from './home.ts';
import { maxConfigFileBytes } from './limits.ts';

/**
 * What a setting holds: text, on or off, several texts (in a variable: separated by commas), or a path, which in `config.yaml` is relative to that
 * file. `key` is a path or the very line that such a file holds. Blanks around texts count for nothing.
 */
export type SettingKind = 'text' | 'switch' | 'list' | 'path' | 'key';

/** Every long flag name (kebab-case, without dashes) that may be in `config.yaml`, with its kind. */
export type SettingTable = Readonly<Record<string, SettingKind>>;

type ValueOf<K extends SettingKind> = K extends 'switch' ? boolean : K extends 'list' ? readonly string[] : string;

/** Only what was set somewhere. */
export type Settings<T extends SettingTable> = { readonly [K in keyof T]?: ValueOf<T[K]> };

/** Where settings come from: of two that name one setting, the earlier source wins. */
export interface SettingSources<T extends SettingTable> {
  readonly table: T;
  /** Flags as given, by long name; they win. */
  readonly flags: { readonly [K in keyof T]?: ValueOf<T[K]> | undefined };
  /** Usually `process.env`; `passphrase-file` is `FROSTMARK_PASSPHRASE_FILE`. Empty variables count as not set. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The home with `config.yaml`; it may have none. */
  readonly home?: Home;
}

/** What was set somewhere, and where: `FROSTMARK_WAIT`, or file and line; a flag has no origin that a person would have to be told. */
export interface Loaded<T extends SettingTable> {
  readonly values: Settings<T>;
  readonly origins: { readonly [K in keyof T]?: string };
}

/** Throws `HomeError('bad-config')` with file and line, or the name of the variable. */
export async function loadSettings<T extends SettingTable>(sources: SettingSources<T>): Promise<Loaded<T>> {
  const path = sources.home?.file('config.yaml');
  const found = {
    ...(path === undefined ? {} : await readConfig(path, sources.table)),
    ...readEnvironment(sources.environment, sources.table),
    ...readFlags(sources.flags, sources.table),
  };
  const pick = <V>(of: (one: Found) => V): Record<string, V> =>
    Object.fromEntries(Object.entries(found).map(([name, one]) => [name, of(one)]));
  const origins = Object.entries(pick(({ origin }) => origin)).filter(([, origin]) => origin !== undefined);
  return {
    values: pick(({ value }) => value) as Settings<T>,
    origins: Object.fromEntries(origins) as Loaded<T>['origins'],
  };
}

type Value = string | boolean | readonly string[];

interface Found {
  readonly value: Value;
  readonly origin: string | undefined;
}

function readFlags(flags: Readonly<Record<string, Value | undefined>>, table: SettingTable): Record<string, Found> {
  const given = Object.entries(flags).flatMap(([name, value]): [string, Found][] =>
    value === undefined ? [] : [[name, { value: settled(value, table[name], ''), origin: undefined }]],
  );
  return Object.fromEntries(given);
}

/** Blanks around it are forgiven, `~/` is the user's own folder, and a path is relative to `folder` (`''`: the working directory). */
function settled(value: Value, kind: SettingKind | undefined, folder: string): Value {
  if (typeof value !== 'string' || kind === undefined) return value;
  const text = value.trim();
  if (kind !== 'path' && (kind !== 'key' || text.startsWith(groupKeyPrefix))) return text;
  if (text === '~' || text.startsWith('~/')) return join(homedir(), text.slice(1));
  return folder === '' || isAbsolute(text) ? text : join(folder, text);
}

/** `passphrase-file` is `FROSTMARK_PASSPHRASE_FILE`. */
export function variableName(setting: string): string {
  return `FROSTMARK_${setting.toUpperCase().replaceAll('-', '_')}`;
}

function readEnvironment(
  environment: SettingSources<SettingTable>['environment'],
  table: SettingTable,
): Record<string, Found> {
  const found: Record<string, Found> = {};
  for (const [name, kind] of Object.entries(table)) {
    const origin = variableName(name);
    const text = environment[origin]?.trim();
    if (text !== undefined && text !== '')
      found[name] = { value: settled(fromVariable(origin, text, kind), kind, ''), origin };
  }
  return found;
}

function fromVariable(variable: string, text: string, kind: SettingKind): Value {
  switch (kind) {
    case 'text':
    case 'path':
    case 'key':
      return text;
    case 'list':
      return text.split(',').map((item) => item.trim());
    case 'switch':
      if (text === 'true' || text === '1') return true;
      if (text === 'false' || text === '0') return false;
      throw new HomeError('bad-config', `${variable} must be true or false`);
  }
}

async function readConfig(path: string, table: SettingTable): Promise<Record<string, Found>> {
  let bytes: Uint8Array;
  try {
    bytes = await readFileBounded(path, maxConfigFileBytes);
  } catch (error) {
    if (error instanceof HomeError && error.code === 'missing') return {};
    throw error;
  }
  return decodeConfig(bytes, path, table);
}

/** Loads the YAML parser only where there is a file to parse: start-up is felt. */
async function decodeConfig(bytes: Uint8Array, path: string, table: SettingTable): Promise<Record<string, Found>> {
  const { parseYaml } = await import('../protocol/files/yaml.ts');
  const yaml = refusing(path, () => parseYaml(bytes, path, 'bad-document'));
  const refuse = (name: string | undefined, reason: string): never => {
    const line = yaml.lineOf(name === undefined ? [] : [name]);
    throw new HomeError('bad-config', `${path}:${line}: ${reason}`, { path });
  };

  const root = yaml.value;
  if (root === null || root === undefined) return {};
  if (typeof root !== 'object' || Array.isArray(root))
    return refuse(undefined, 'expected settings, one `name: value` a line');
  const found: Record<string, Found> = {};
  for (const [name, value] of Object.entries(root)) {
    const kind = Object.hasOwn(table, name) ? table[name] : undefined;
    if (kind === undefined)
      return refuse(name, `unknown setting ${printableJson(name)}; known are: ${Object.keys(table).join(', ')}`);
    const known = ofKind(value, kind) ?? refuse(name, `${name} must be ${wanted[kind]}`);
    found[name] = { value: settled(known, kind, dirname(path)), origin: `${path}:${yaml.lineOf([name])}` };
  }
  return found;
}

/** The parser's own refusals name file and line already. */
function refusing<T>(path: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new HomeError('bad-config', cause instanceof Error ? cause.message : `${path} is not YAML`, { path, cause });
  }
}

const wantedText = 'text (in quotes, if it looks like something else)';
const wanted: Readonly<Record<SettingKind, string>> = {
  text: wantedText,
  path: wantedText,
  key: wantedText,
  switch: 'true or false',
  list: 'a list of texts',
};

function ofKind(value: unknown, kind: SettingKind): Value | undefined {
  switch (kind) {
    case 'text':
    case 'path':
    case 'key':
      return typeof value === 'string' && value.trim() !== '' ? value : undefined;
    case 'switch':
      return typeof value === 'boolean' ? value : undefined;
    case 'list':
      return Array.isArray(value) && value.every((item) => typeof item === 'string' && item !== '')
        ? (value as string[])
        : undefined;
  }
}
