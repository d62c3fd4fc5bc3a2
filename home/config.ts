/** Settings: flags, then `FROSTMARK_*` variables, then `config.yaml` in the home, whose keys are the long flag names. */
import { printableJson } from '../verifier/printable.ts';
import { HomeError } from './errors.ts';
import { readFileBounded } from './files.ts';
import type { Home } from './home.ts';
import { maxConfigFileBytes } from './limits.ts';

/** What a setting holds: text, on or off, or several texts (in a variable: separated by commas). */
export type SettingKind = 'text' | 'switch' | 'list';

/** Every long flag name (kebab-case, without dashes) that may be in `config.yaml`, with its kind. */
export type SettingTable = Readonly<Record<string, SettingKind>>;

type ValueOf<K extends SettingKind> = K extends 'text' ? string : K extends 'switch' ? boolean : readonly string[];

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

/** Throws `HomeError('bad-config')` with file and line, or the name of the variable. */
export async function loadSettings<T extends SettingTable>(sources: SettingSources<T>): Promise<Settings<T>> {
  const path = sources.home?.file('config.yaml');
  const config = path === undefined ? {} : await readConfig(path, sources.table);
  return {
    ...config,
    ...readEnvironment(sources.environment, sources.table),
    ...withoutUndefined(sources.flags),
  } as Settings<T>;
}

type Value = string | boolean | readonly string[];

function withoutUndefined(flags: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
}

/** `passphrase-file` is `FROSTMARK_PASSPHRASE_FILE`. */
export function variableName(setting: string): string {
  return `FROSTMARK_${setting.toUpperCase().replaceAll('-', '_')}`;
}

function readEnvironment(
  environment: SettingSources<SettingTable>['environment'],
  table: SettingTable,
): Record<string, Value> {
  const found: Record<string, Value> = {};
  for (const [name, kind] of Object.entries(table)) {
    const text = environment[variableName(name)];
    if (text !== undefined && text !== '') found[name] = fromVariable(variableName(name), text, kind);
  }
  return found;
}

function fromVariable(variable: string, text: string, kind: SettingKind): Value {
  switch (kind) {
    case 'text':
      return text;
    case 'list':
      return text.split(',').map((item) => item.trim());
    case 'switch':
      if (text === 'true' || text === '1') return true;
      if (text === 'false' || text === '0') return false;
      throw new HomeError('bad-config', `${variable} must be true or false`);
  }
}

async function readConfig(path: string, table: SettingTable): Promise<Record<string, Value>> {
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
async function decodeConfig(bytes: Uint8Array, path: string, table: SettingTable): Promise<Record<string, Value>> {
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
  const found: Record<string, Value> = {};
  for (const [name, value] of Object.entries(root)) {
    const kind = Object.hasOwn(table, name) ? table[name] : undefined;
    if (kind === undefined)
      return refuse(name, `unknown setting ${printableJson(name)}; known are: ${Object.keys(table).join(', ')}`);
    found[name] = ofKind(value, kind) ?? refuse(name, `${name} must be ${wanted[kind]}`);
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

const wanted: Readonly<Record<SettingKind, string>> = {
  text: 'text (in quotes, if it looks like something else)',
  switch: 'true or false',
  list: 'a list of texts',
};

function ofKind(value: unknown, kind: SettingKind): Value | undefined {
  switch (kind) {
    case 'text':
      return typeof value === 'string' && value !== '' ? value : undefined;
    case 'switch':
      return typeof value === 'boolean' ? value : undefined;
    case 'list':
      return Array.isArray(value) && value.every((item) => typeof item === 'string' && item !== '')
        ? (value as string[])
        : undefined;
  }
}
