/** Names of keys, in every form that gpg takes: judged by gpg, which lists the key or finds none. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isNamed, type NamedKey } from '../../../cli/stand-in/gpg-key.ts';
import { hasTool, run, scratchFolder } from '../../interop/tools.ts';

const home = join(scratchFolder(), 'home');
const userId = 'Acme Releases (Zoë) <release@acme.example>';
const gpg = (args: readonly string[]) =>
  run('gpg', ['--batch', '--passphrase', '', ...args], { env: { GNUPGHOME: home, LC_ALL: 'C.UTF-8' } });

describe.skipIf(!hasTool('gpg'))('a name that gpg is given for a key', { timeout: 60_000 }, () => {
  let key: NamedKey;
  beforeAll(() => {
    mkdirSync(home, { mode: 0o700 });
    gpg(['--quick-gen-key', userId, 'ed25519', 'sign', 'never']);
    const [, fingerprint = ''] = /^fpr:{9}([0-9A-F]{40}):/m.exec(gpg(['--with-colons', '-k']).stdout) ?? [];
    key = { fingerprint, primary: fingerprint, userId };
  });
  afterAll(() => {
    gpg(['--version']);
    run('gpgconf', ['--kill', 'all'], { env: { GNUPGHOME: home } });
  });

  const groups = (text: string, gap: string): string => text.replaceAll(/(.{4})(?=.)/g, `$1${gap}`);
  const names: readonly ((fingerprint: string) => string)[] = [
    (fpr) => fpr,
    (fpr) => fpr.toLowerCase(),
    (fpr) => `0x${fpr}`,
    (fpr) => `${fpr}!`,
    (fpr) => fpr.slice(-16),
    (fpr) => fpr.slice(-8),
    (fpr) => `0x${fpr.slice(-8).toLowerCase()}`,
    (fpr) => `0x${fpr.slice(-16)}!`,
    (fpr) => groups(fpr, ' ').replace(/^(.{24})/, '$1 '),
    (fpr) => `0${fpr.slice(-8)}`,
    (fpr) => fpr.slice(-12),
    (fpr) => fpr.slice(0, 16),
    (fpr) => fpr.slice(0, 8),
    () => '01234567',
    () => '0123456789ABCDEF',
    () => '0x0123456789ABCDEF!',
    () => '0123456789ABCDEF0123456789ABCDEF01234567',
    () => userId,
    () => `=${userId}`,
    () => '=Acme Releases',
    () => 'release@acme.example',
    () => 'RELEASE@ACME.EXAMPLE',
    () => '<release@acme.example>',
    () => '<release@acme.exam>',
    () => '<elease@acme.example>',
    () => '@acme.example',
    () => '@other.example',
    () => '*releases',
    () => '*dave',
    () => 'acme',
    () => 'x',
    () => 'Zoë',
    () => 'dave@acme.example',
    () => 'Dave <dave@acme.example>',
    () => '<dave@acme.example>',
    () => '&0123456789ABCDEF0123456789ABCDEF01234567',
    () => '#01/CN=x',
    () => '/CN=x',
  ];

  it.each(names.map((name) => [name('F'.repeat(40)), name]))('means what it means to gpg: %s', (_text, nameOf) => {
    const name = nameOf(key.fingerprint);
    expect(isNamed(key, name), name).toBe(gpg(['-k', '--', name]).status === 0);
  });

  it('is the primary key’s for the whole certificate, unless a ! says that exactly this key is meant', () => {
    const subkey: NamedKey = { ...key, fingerprint: 'AB'.repeat(20) };
    for (const name of [subkey.fingerprint, `${subkey.fingerprint}!`, 'ABABABAB', key.primary, key.primary.slice(-8)])
      expect(isNamed(subkey, name), name).toBe(true);
    for (const name of [`${key.primary}!`, `0x${key.primary.slice(-16)}!`, 'ABABABAC', '!', '', ' '])
      expect(isNamed(subkey, name), name).toBe(false);
  });
});
