/** Where a value comes from: the flag, then `FROSTMARK_*`, then `config.yaml` in the home. */
import { join } from 'node:path';
import { loadSettings, variableName, type SettingTable } from '../home/config.ts';
import { HomeError } from '../home/errors.ts';
import { defaultHomePath, openHome, type Home, type Role } from '../home/home.ts';
import { parseDuration } from '../protocol/wire/time.ts';
import { parseTime } from '../verifier/time.ts';
import type { HomeOf, OptionSpec, OptionSpecs, Texts, Values } from './command.ts';
import { CommandError } from './errors.ts';

const asker = {
  group: 'key',
  coordinator: 'text',
  channel: 'text',
  product: 'text',
  format: 'list',
  wait: 'text',
  insecure: 'switch',
  ca: 'path',
  json: 'switch',
} as const satisfies SettingTable;

/**
 * What may be in a home's `config.yaml`: one file serves all commands of its role, so each of them knows the flags of all.
 * Answers to questions (`--yes`), reasons and notes belong to one call and are flags only.
 */
const settingTables: Readonly<Record<Role, SettingTable>> = {
  coordinator: {
    listen: 'text',
    url: 'text',
    'tls-cert': 'path',
    'tls-key': 'path',
    'trust-proxy': 'text',
    log: 'text',
    insecure: 'switch',
    json: 'switch',
  },
  participant: {
    ...asker,
    requesters: 'path',
    policy: 'path',
    socket: 'path',
    'passphrase-file': 'path',
    log: 'text',
  },
  requester: asker,
};

/** The settings of one command as they were written, and where those were written that are no flags. */
export interface FoundSettings<O extends OptionSpecs> {
  readonly texts: Texts<O>;
  readonly origins: Origins;
}

/** Where a setting comes from that no flag gave: a variable, or file and line; and its value. */
export type Origins = Readonly<Record<string, { readonly from: string; readonly value: unknown }>>;

/** Finds what is set for one command. Throws `HomeError('bad-config')`. */
export async function findSettings<O extends OptionSpecs>(
  options: O,
  flags: Texts<O>,
  home: Home,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<FoundSettings<O>> {
  const table = settingTables[home.role];
  const loaded = await loadSettings({ table, flags, environment, home });
  const values: Readonly<Record<string, unknown>> = loaded.values;
  const origins: Readonly<Record<string, string | undefined>> = loaded.origins;
  const isMeant = (name: string): boolean =>
    origins[name] === undefined || (name in options && options[name]?.isFlagOnly !== true);
  const meant = Object.keys(values).filter(isMeant);
  return {
    texts: Object.fromEntries(meant.map((name) => [name, values[name]])) as Texts<O>,
    origins: Object.fromEntries(
      meant.flatMap((name) => {
        const from = origins[name];
        return from === undefined ? [] : [[name, { from, value: values[name] }]];
      }),
    ),
  };
}

/** Variables that are no settings, and what reads them. */
const otherVariables: ReadonlySet<string> = new Set(
  ['home', 'debug', 'again', 'gpg', 'ssh-keygen', 'handed-on'].map(variableName),
);

/** Names of the settings of a role, which a variable or `config.yaml` may set. */
export function settingNames(role: Role): readonly string[] {
  return Object.keys(settingTables[role]);
}

/** What to say of variables that look like settings and are read by nobody: a typing error would go unseen. */
export function unreadVariables(
  environment: Readonly<Record<string, string | undefined>>,
  options: OptionSpecs,
): readonly string[] {
  const known = new Set(Object.values(settingTables).flatMap((table) => Object.keys(table).map(variableName)));
  const flags = new Map(Object.keys(options).map((name) => [variableName(name), name]));
  return Object.keys(environment)
    .filter((name) => /^FROSTMARK_(?!TEST(?:ING_ONLY)?_)/.test(name) && !known.has(name) && !otherVariables.has(name))
    .map((name) => {
      const flag = flags.get(name);
      return flag === undefined
        ? `${name} is set, and is no setting of frostmark: "frostmark help settings" lists them`
        : `${name} is set and not read: --${flag} is given for each call`;
    });
}

/** The values of one command. Throws `CommandError('usage')` naming the option. */
export function parseSettings<O extends OptionSpecs>(options: O, texts: Texts<O>): Values<O> {
  return Object.fromEntries(
    Object.entries(texts).map(([name, value]) => [name, parsed(name, options[name], value)]),
  ) as Values<O>;
}

/** Durations and times are parsed here and nowhere else. */
function parsed(name: string, option: OptionSpec | undefined, value: unknown): unknown {
  switch (option?.kind) {
    case 'duration':
      return refusing(name, 'duration', String(value), parseDuration(String(value)));
    case 'time':
      return refusing(name, 'time', String(value), timeOf(String(value)));
    case 'text':
    case 'path':
    case 'key':
    case 'list':
    case 'switch':
    case undefined:
      return value;
  }
}

const forms = { duration: '90s, 30m, 72h or 3d', time: '2026-11-22 or 2026-11-22T08:00:00Z' } as const;

function refusing(name: string, kind: keyof typeof forms, text: string, value: number | undefined): number {
  if (value !== undefined) return value;
  throw new CommandError('usage', `--${name} ${text} is no ${kind}`, `Write it as ${forms[kind]}.`);
}

/** A day begins at midnight UTC. */
function timeOf(text: string): number | undefined {
  return parseTime(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text);
}

/** A home that may not be there yet: only to look for its `config.yaml`. */
export async function homeToLookIn(whose: HomeOf, path: string | undefined): Promise<Home> {
  if (whose === 'asker') return openAskerHome(path).catch(() => homeToLookIn('requester', path));
  const folder = path ?? defaultHomePath(whose);
  return { role: whose, path: folder, file: (name) => join(folder, name) };
}

/**
 * The home of whoever asks: a requester's, else a member's (a member may always ask for requesters and delegations).
 * Throws `HomeError` of the requester's home when there is neither.
 */
export async function openAskerHome(path: string | undefined): Promise<Home> {
  try {
    return await openHome('requester', path);
  } catch (error) {
    const other = path === undefined ? 'missing' : 'wrong-role';
    if (!(error instanceof HomeError) || error.code !== other) throw error;
    return openHome('participant', path).catch(() => {
      throw error;
    });
  }
}
