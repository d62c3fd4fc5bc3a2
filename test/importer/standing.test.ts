/** What an OpenPGP key may do by its own self-signatures, as gpg writes them: what no installer would accept is refused with the way forward. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeOpenpgpArmor, findArmor } from '../../importer/armor.ts';
import { openKeyFile } from '../../importer/key-file.ts';
import type { OpenpgpOrigin } from '../../importer/key.ts';
import { hasTool, run, scratchFolder, type Ran } from '../interop/tools.ts';

const folder = scratchFolder();
const home = join(folder, 'gnupg');
const day = 86_400;
/** 2026-01-01. */
const made = 1_767_225_600;

function gpg(args: readonly string[], input = '', at = made): Ran {
  const before = ['--batch', '--no-tty', '--passphrase', '', '--pinentry-mode', 'loopback'];
  return run('gpg', [...before, `--faked-system-time=${at}!`, ...args], { env: { GNUPGHOME: home }, input });
}

/** Fingerprints: the primary key's, then its subkeys'. */
function fingerprints(userId: string): string[] {
  const { stdout } = gpg(['--with-colons', '-k', `=${userId}`]);
  return [...stdout.matchAll(/^fpr:{9}([0-9A-F]{40}):/gm)].map(([, text = '']) => text.toLowerCase());
}

/** A key of this algorithm and use with these subkeys; answers the fingerprints. */
function make(userId: string, kind: readonly string[], ...subkeys: readonly (readonly string[])[]): string[] {
  gpg(['--quick-gen-key', userId, ...kind]);
  const [primary = ''] = fingerprints(userId);
  for (const subkey of subkeys) gpg(['--quick-add-key', primary, ...subkey]);
  return fingerprints(userId);
}

let files = 0;
async function open(content: Uint8Array | string, subkey?: string, now = made + day): Promise<OpenpgpOrigin> {
  const path = join(folder, `key-${(files += 1)}`);
  writeFileSync(path, content);
  const ask = () => Promise.resolve(new TextEncoder().encode('pw'));
  return (await openKeyFile({ path, subkey, ask, nowUnixSeconds: now })).openpgp!;
}

const exported = (fingerprint: string): string => gpg(['--armor', '--export-secret-keys', fingerprint]).stdout;
const refusal = async (content: Uint8Array | string, subkey?: string, now?: number): Promise<Error> =>
  await open(content, subkey, now).then(
    () => expect.unreachable('it was opened'),
    (error: unknown) => error as Error,
  );

function binary(armored: string): Buffer {
  return Buffer.from(decodeOpenpgpArmor(findArmor(Buffer.from(armored))!.body));
}

/** Offsets of the signature packets of this type. */
function signaturesOf(file: Buffer, type: number): { readonly from: number; readonly to: number }[] {
  const found: { from: number; to: number }[] = [];
  for (let at = 0; at < file.length;) {
    const [header = 0, first = 0, second = 0] = file.subarray(at);
    const [from, length] = (header & 3) === 0 ? [at + 2, first] : [at + 3, first * 256 + second];
    if (((header >> 2) & 15) === 2 && file[from + 1] === type) found.push({ from, to: from + length });
    at = from + length;
  }
  return found;
}

describe.skipIf(!hasTool('gpg'))('an OpenPGP key as gpg exports it (T40)', { timeout: 120_000 }, () => {
  beforeAll(() => mkdirSync(home, { mode: 0o700 }));
  afterAll(() => {
    run('gpgconf', ['--kill', 'all'], { env: { GNUPGHOME: home } });
  });

  it('is opened where it may sign, and tells when its certificate ends', async () => {
    const [always = ''] = make('Always <a@acme.example>', ['ed25519', 'sign', 'never']);
    expect(await open(exported(always))).toMatchObject({
      fingerprint: always,
      isPrimary: true,
      hasSelfSignature: true,
      untilUnixSeconds: undefined,
      userIds: ['Always <a@acme.example>'],
    });
    const [year = ''] = make('Year <y@acme.example>', ['ed25519', 'sign,cert', '30d']);
    const file = exported(year);
    expect(await open(file)).toMatchObject({ untilUnixSeconds: made + 30 * day });
    expect(await open(file, undefined, made + 30 * day - 1)).toMatchObject({ hasSelfSignature: true });
    const late = await refusal(file, undefined, made + 30 * day);
    expect(late).toMatchObject({ code: 'cannot-sign' });
    expect(late.message).toContain(`expired at 2026-01-31T00:00:00Z`);
    expect(late.message).toContain(`gpg --quick-set-expire ${year} 2y)`);
    gpg(['--quick-set-expire', year, '60d'], '', made + day);
    expect(await open(exported(year), undefined, made + 40 * day)).toMatchObject({ hasSelfSignature: true });
  });

  it.each([['ed25519'], ['rsa2048'], ['nistp256'], ['nistp521']])(
    'names the subkey that signs where the primary key, %s, does not, and opens that',
    async (algorithm) => {
      const [primary = '', signing = '', other = ''] = make(
        `Offline ${algorithm} <o@acme.example>`,
        [algorithm, 'cert', 'never'],
        ['ed25519', 'sign', '10d'],
        ['ed25519', 'auth', 'never'],
        ['cv25519', 'encr', 'never'],
      );
      const file = exported(primary);
      const refused = await refusal(file);
      expect(refused.message).toContain(`--subkey ${signing}`);
      expect(refused.message).not.toContain(other);
      if (algorithm === 'ed25519') expect(refused.message).toContain('may certify but not sign');
      const opened = await open(file, signing);
      expect(opened).toMatchObject({ fingerprint: signing, isPrimary: false, untilUnixSeconds: made + 10 * day });
      expect((await refusal(file, other)).message).toMatch(/encryption or authentication.*--subkey/);
      const late = await refusal(file, signing, made + 11 * day);
      expect(late.message).toContain(`gpg --quick-set-expire ${primary} 2y ${signing})`);
    },
  );

  it('says how to make a subkey that signs where there is none', async () => {
    const [primary = ''] = make('Bare <b@acme.example>', ['ed25519', 'cert', 'never']);
    expect((await refusal(exported(primary))).message).toContain(`gpg --quick-add-key ${primary} ed25519 sign`);
  });

  it('refuses a subkey that has not itself signed that it belongs to its primary key', async () => {
    const [primary = '', signing = ''] = make(
      'Adopted <d@acme.example>',
      ['ed25519', 'sign,cert', 'never'],
      ['ed25519', 'sign', 'never'],
    );
    const file = binary(exported(primary));
    expect(await open(file, signing)).toMatchObject({ fingerprint: signing });
    const binding = signaturesOf(file, 0x18)[0]!;
    // gpg keeps the back-signature where it is not hashed: an embedded signature of type 0x19 of version 4.
    const at = file.indexOf(Buffer.from('200419', 'hex'), binding.from);
    expect(at).toBeLessThan(binding.to);
    file[at + 60] = file[at + 60]! ^ 1;
    const { message } = await refusal(file, signing);
    expect(message).toContain('has not signed that it belongs to its primary key');
    expect(message).toContain(`gpg --edit-key ${primary} cross-certify save`);
  });

  it('leaves out user ids that are revoked', async () => {
    const [primary = ''] = make('New <n@acme.example>', ['ed25519', 'sign', 'never']);
    gpg(['--quick-add-uid', primary, 'Old <old@acme.example>']);
    expect((await open(exported(primary))).userIds).toHaveLength(2);
    gpg(['--quick-revoke-uid', primary, 'Old <old@acme.example>'], '', made + 10);
    expect((await open(exported(primary))).userIds).toEqual(['New <n@acme.example>']);
  });

  describe('that is revoked', () => {
    let primary: string;
    let signing: string;
    let whole: Buffer;
    let revokedKey: Buffer;
    let revokedSubkey: Buffer;
    beforeAll(() => {
      [primary = '', signing = ''] = make(
        'Lost <l@acme.example>',
        ['ed25519', 'sign,cert', 'never'],
        ['ed25519', 'sign', 'never'],
      );
      whole = binary(exported(primary));
      gpg(
        ['--command-fd', '0', '--no-batch', '--yes', '--edit-key', primary, 'key 1', 'revkey', 'save'],
        'y\n1\n\ny\n',
        made + 10,
      );
      revokedSubkey = binary(exported(primary));
      const folderOfRevocations = join(home, 'openpgp-revocs.d');
      const name = readdirSync(folderOfRevocations).find((file) => file.startsWith(primary.toUpperCase()))!;
      const revocation = readFileSync(join(folderOfRevocations, name), 'utf8').replace(':-----BEGIN', '-----BEGIN');
      gpg(['--import'], revocation);
      revokedKey = binary(exported(primary));
    });

    it('is refused, and so are its subkeys; a revoked subkey leaves the primary key alone', async () => {
      expect(await open(whole)).toMatchObject({ fingerprint: primary });
      expect(await open(whole, signing)).toMatchObject({ fingerprint: signing });
      expect((await refusal(revokedKey)).message).toMatch(
        /primary key \w+ is revoked since 2026-.*join without --import/,
      );
      expect((await refusal(revokedKey, signing)).message).toContain('belongs to a primary key that is revoked');
      expect(await open(revokedSubkey)).toMatchObject({ fingerprint: primary });
      expect((await refusal(revokedSubkey, signing)).message).toMatch(
        /subkey \w+ is revoked since 2026-01-01T00:00:10Z/,
      );
    });

    it('stays refused whatever byte of the revocation is damaged: what cannot be read is not lost', async () => {
      const [place] = signaturesOf(revokedKey, 0x20);
      expect(place).toBeDefined();
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: place!.from + 2, max: place!.to - 1 }),
          fc.integer({ min: 1, max: 255 }),
          async (at, bits) => {
            const damaged = Buffer.from(revokedKey);
            damaged[at] = damaged[at]! ^ bits;
            expect(await refusal(damaged)).toMatchObject({
              code: expect.stringMatching(/^(cannot-sign|bad-key-file)$/) as string,
            });
          },
        ),
        { numRuns: 200 },
      );
    });
  });

  it('never says that it may sign when any byte of it is changed', async () => {
    const [primary = ''] = make('Law <law@acme.example>', ['ed25519', 'cert', 'never']);
    const file = binary(exported(primary));
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: file.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        async (at, bits) => {
          const damaged = Buffer.from(file);
          damaged[at] = damaged[at]! ^ bits;
          const opened = await open(damaged).catch(() => undefined);
          expect(opened?.hasSelfSignature).not.toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('keys of other tools', () => {
  const key = (name: string): string => readFileSync(new URL(`../vectors/keys/${name}.asc`, import.meta.url), 'utf8');
  const now = 1_795_800_000;

  it.each([
    ['certify-only-primary', 'cannot-sign', 'may certify but not sign', '88c17e757e8a3cd4a748128e8d7bf78398c19d32'],
    ['certify-only-primary-sq', 'cannot-sign', 'may certify but not sign', '830ebe2f98c0deb29fa72b70c34c3c757105c002'],
    ['stub-primary', 'unsupported-key', 'smartcard', '88c17e757e8a3cd4a748128e8d7bf78398c19d32'],
  ])('name the subkey that can be taken: %s', async (name, code, found, subkey) => {
    const refused = await refusal(key(name), undefined, now);
    expect(refused).toMatchObject({ code, message: expect.stringContaining(found) as string });
    expect(refused.message).toContain(`--subkey ${subkey}`);
    expect(await open(key(name), subkey, now)).toMatchObject({ fingerprint: subkey, hasSelfSignature: true });
  });

  it('are refused with advice that leads somewhere: AEAD and Argon2, version 6', async () => {
    const { message } = await refusal(key('aead-argon2'), undefined, now);
    expect(message).toContain('sq key password');
    expect(message).not.toContain('gpg --passwd');
    expect((await refusal(key('version6'), undefined, now)).message).toContain('join without --import');
  });
});
