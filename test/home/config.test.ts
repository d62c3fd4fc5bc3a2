import { writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadSettings, variableName, type Settings, type SettingTable } from '../../home/config.ts';
import { initHome, type Home } from '../../home/home.ts';
import { temporaryFolder } from './support.ts';

const table = {
  coordinator: 'text',
  json: 'switch',
  format: 'list',
  'passphrase-file': 'path',
  group: 'key',
} as const satisfies SettingTable;

async function homeWith(config?: string | Uint8Array): Promise<Home> {
  const home = await initHome('participant', join(await temporaryFolder(), 'home'));
  if (config !== undefined) await writeFile(home.file('config.yaml'), config);
  return home;
}

async function load(
  config?: string | Uint8Array,
  environment = {},
  flags: Settings<typeof table> = {},
): Promise<Settings<typeof table>> {
  return (await loadSettings({ table, flags, environment, home: await homeWith(config) })).values;
}

describe('settings', () => {
  it('come from flags, then variables, then config.yaml', async () => {
    const config = 'coordinator: file\npassphrase-file: file\nformat: [file]\n';
    const environment = { FROSTMARK_COORDINATOR: 'variable', FROSTMARK_PASSPHRASE_FILE: 'variable', OTHER: 'x' };
    expect(await load(config, environment, { coordinator: 'flag' })).toEqual({
      coordinator: 'flag',
      'passphrase-file': 'variable',
      format: ['file'],
    });
  });

  it('say where they come from, unless from a flag', async () => {
    const home = await homeWith('coordinator: file\n\njson: true\nformat: [file]\n');
    const environment = { FROSTMARK_FORMAT: 'variable' };
    const { origins } = await loadSettings({ table, flags: { coordinator: 'flag' }, environment, home });
    expect(origins).toEqual({ json: `${home.file('config.yaml')}:3`, format: 'FROSTMARK_FORMAT' });
  });

  it('are paths beside config.yaml there, and below the working directory elsewhere', async () => {
    const home = await homeWith('passphrase-file: secret\ngroup: keys/GROUP.pub\n');
    const from = async (environment: Record<string, string>) =>
      (await loadSettings({ table, flags: {}, environment, home })).values;
    expect(await from({})).toEqual({ 'passphrase-file': home.file('secret'), group: home.file('keys/GROUP.pub') });
    expect(await from({ FROSTMARK_PASSPHRASE_FILE: 'secret', FROSTMARK_GROUP: '/a/GROUP.pub' })).toEqual({
      'passphrase-file': 'secret',
      group: '/a/GROUP.pub',
    });
    expect(await load("passphrase-file: ' /a/b '\n")).toEqual({ 'passphrase-file': '/a/b' });
  });

  it('know ~ as the own folder, wherever a path is written', async () => {
    const own = join(homedir(), 'GROUP.pub');
    expect(await load('group: ~/GROUP.pub\n')).toEqual({ group: own });
    expect(await load('', { FROSTMARK_GROUP: '~/GROUP.pub' })).toEqual({ group: own });
    expect(await load('', {}, { group: '~/GROUP.pub' })).toEqual({ group: own });
    expect(await load('coordinator: ~/x\n')).toEqual({ coordinator: '~/x' });
  });

  it('are the line itself where that is given in place of a path, and blanks around texts count for nothing', async () => {
    const line = 'frostmark-group:acme:AAAA';
    expect(await load(`group: '${line} '\ncoordinator: " x\\t"\n`)).toEqual({ group: line, coordinator: 'x' });
    expect(await load('', { FROSTMARK_GROUP: ` ${line}\n`, FROSTMARK_COORDINATOR: ' ' })).toEqual({ group: line });
  });

  it('are absent where nothing is set', async () => {
    for (const config of [undefined, '', '# nothing\n', '---\n', 'null\n']) expect(await load(config)).toEqual({});
    expect(await loadSettings({ table, flags: {}, environment: {} })).toEqual({ values: {}, origins: {} });
    expect(await load('json: true\n', { FROSTMARK_JSON: '' })).toEqual({ json: true });
  });

  it('have kinds, in the file and in variables', async () => {
    expect(await load('json: false\nformat:\n  - pem\n  - ssh\n')).toEqual({ json: false, format: ['pem', 'ssh'] });
    expect(await load('', { FROSTMARK_JSON: '1', FROSTMARK_FORMAT: 'pem, ssh' })).toEqual({
      json: true,
      format: ['pem', 'ssh'],
    });
  });

  it('are named like their flags', () => {
    expect(variableName('passphrase-file')).toBe('FROSTMARK_PASSPHRASE_FILE');
  });

  it.each([
    ['an unknown key', 'json: true\ncolour: red\n', 2, 'unknown setting "colour"; known are: coordinator'],
    ['a doubled key', 'json: true\n\njson: true\n', 3, 'unique'],
    ['an alias', 'coordinator: &a x\npassphrase-file: *a\n', 2, 'aliases'],
    ['a number as text', 'json: true\ncoordinator: 7\n', 2, 'coordinator must be text'],
    ['nothing as text', 'coordinator:\n', 1, 'coordinator must be text'],
    ['text as a switch', 'json: yes\n', 1, 'json must be true or false'],
    ['text as a list', '\nformat: pem\n', 2, 'format must be a list'],
    ['a list with a map', 'format: [{ a: b }]\n', 1, 'format must be a list'],
    ['a map as text', 'coordinator:\n  url: x\n', 1, 'coordinator must be text'],
    ['a list', '- json\n', 1, 'expected settings'],
    ['text', 'json\n', 1, 'expected settings'],
    ['two documents', 'json: true\n---\njson: false\n', 2, ''],
    ['an open quote', 'json: true\ncoordinator: "x\n', 2, 'double quotes'],
    ['a tag', 'json: !!js/function x\n', 1, ''],
    ['a prototype', '__proto__: { json: true }\n', 1, 'unknown setting "__proto__"'],
    ['what every object has', 'valueOf: true\n', 1, 'unknown setting "valueOf"'],
  ])('refuse %s, naming file and line', async (_, config, line, reason) => {
    await expect(load(config)).rejects.toMatchObject({
      code: 'bad-config',
      message: expect.stringMatching(new RegExp(`/config\\.yaml:${line}: .*${reason}`, 's')) as string,
    });
  });

  it('refuse a switch variable that is neither true nor false, naming it', async () => {
    await expect(load('', { FROSTMARK_JSON: 'maybe' })).rejects.toMatchObject({
      code: 'bad-config',
      message: expect.stringContaining('FROSTMARK_JSON') as string,
    });
  });

  it('refuse a file that is no text, or too large', async () => {
    await expect(load(Uint8Array.of(0x6a, 0xff))).rejects.toMatchObject({ code: 'bad-config' });
    await expect(load(`# ${'x'.repeat(70_000)}\n`)).rejects.toMatchObject({ code: 'too-large' });
  });
});
