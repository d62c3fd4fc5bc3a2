/** gpg, gpgv, sqv, apt and rpm as judges of what a FROST quorum signed: what they must take, and what they must refuse. */
import { chmodSync, copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { armor, dearmor } from '../../protocol/openpgp/armor.ts';
import { assembleOpenpgpCertificate } from '../../protocol/openpgp/certificate.ts';
import { formatFingerprint, openpgpGroup, openpgpKeyOf } from '../../protocol/openpgp/group-key.ts';
import { encodePacket, packetTags } from '../../protocol/openpgp/packet.ts';
import { finishSignature, prepareSignature, signatureTypes } from '../../protocol/openpgp/signature.ts';
import { formatTimestamp } from '../../protocol/wire/time.ts';
import { quorumSignature } from '../harness/coordinator-group.ts';
import {
  certificatesOf,
  openpgpTestGroup,
  type Certificates,
  type OpenpgpTestGroup,
} from '../harness/openpgp-group.ts';
import { flipped, utf8 } from '../protocol/support.ts';
import { aptUpdate, hasTool, run, scratchFolder, type Ran } from './tools.ts';

const day = 86400;
const now = Math.floor(Date.now() / 1000);
const folder = scratchFolder();
const at = (name: string): string => join(folder, name);

let group: OpenpgpTestGroup;
let certificates: Certificates;
/** Fingerprints as gpg writes them. */
let keys: { readonly production: string; readonly development: string };
const release = utf8(
  `Origin: Acme\nDate: ${new Date(now * 1000).toUTCString().replace('GMT', 'UTC')}\nSHA256:\n ${'ab'.repeat(32)} 12 main/Packages\n`,
);
const certificateNames = ['production', 'withDevelopment', 'expired', 'revoked'] as const;
const channels = ['production', 'development'] as const;

beforeAll(async () => {
  group = await openpgpTestGroup(now);
  certificates = certificatesOf(group, now);
  for (const name of certificateNames) {
    writeFileSync(at(`${name}.pgp`), certificates[name]);
    writeFileSync(at(`${name}.asc`), armor('PGP PUBLIC KEY BLOCK', certificates[name]));
  }
  const { epoch } = group.live;
  keys = {
    production: formatFingerprint(openpgpGroup(epoch).primary),
    development: formatFingerprint(openpgpKeyOf(epoch, 'development')),
  };
  writeFileSync(at('f'), release);
  writeFileSync(at('tampered'), flipped(release, 9));
  for (const channel of channels) {
    const armored = signDetached(channel, now);
    writeFileSync(at(`${channel}.asc-sig`), armored);
    writeFileSync(at(`${channel}.sig`), dearmor('PGP SIGNATURE', armored));
    writeFileSync(at(`${channel}.clear`), signClear(channel));
  }
  // Dated inside the time for which the expired subkey was vouched for.
  writeFileSync(at('back-dated.sig'), dearmor('PGP SIGNATURE', signDetached('development', now - 60 * day)));
  writeFileSync(at('stranger.sig'), dearmor('PGP SIGNATURE', signDetachedBy(await openpgpTestGroup(now))));
}, 120_000);

function signDetached(channel: string, createdAt: number): Uint8Array {
  return group.release(channel, 'openpgp', 'apt-release', release, { createdAt: formatTimestamp(createdAt) });
}
function signDetachedBy(other: OpenpgpTestGroup): Uint8Array {
  return other.release('production', 'openpgp', 'apt-release', release, { createdAt: formatTimestamp(now) });
}
function signClear(channel: string, document = release, kind = 'apt-release'): Uint8Array {
  return group.release(channel, 'openpgp-cleartext', kind, document, { createdAt: formatTimestamp(now) });
}

/** `GOODSIG`, `VALIDSIG` with its key and primary key, and whatever is bad, as gpg and gpgv say it to programs. */
function statusOf({ stdout }: Ran): {
  readonly words: string[];
  readonly by: string | undefined;
  readonly of: string | undefined;
} {
  const lines = stdout.split('\n').filter((line) => line.startsWith('[GNUPG:] '));
  const words = lines.map((line) => line.split(' ')[1] ?? '');
  const valid = lines.find((line) => line.includes(' VALIDSIG '))?.split(' ');
  return { words, by: valid?.[2], of: valid?.at(-1) };
}

interface Case {
  readonly what: string;
  readonly certificate: (typeof certificateNames)[number];
  readonly signature: string;
  readonly file: string;
  /** Exit codes, the word that tells, and which key gpgv names. */
  readonly gpgv: number;
  readonly word: string;
  readonly by?: (typeof channels)[number];
  readonly sqv: number;
}

/** What installers must know of these tools is in their exit codes: gpgv's is 0 for expired and revoked subkeys, and the word is the judge. */
const cases: Case[] = [
  {
    what: 'production under production',
    certificate: 'production',
    signature: 'production.sig',
    file: 'f',
    gpgv: 0,
    word: 'GOODSIG',
    by: 'production',
    sqv: 0,
  },
  {
    what: 'production, armored',
    certificate: 'production',
    signature: 'production.asc-sig',
    file: 'f',
    gpgv: 0,
    word: 'GOODSIG',
    by: 'production',
    sqv: 0,
  },
  {
    what: 'production under the whole certificate',
    certificate: 'withDevelopment',
    signature: 'production.sig',
    file: 'f',
    gpgv: 0,
    word: 'GOODSIG',
    by: 'production',
    sqv: 0,
  },
  {
    what: 'production under a certificate whose subkey is revoked',
    certificate: 'revoked',
    signature: 'production.sig',
    file: 'f',
    gpgv: 0,
    word: 'GOODSIG',
    by: 'production',
    sqv: 0,
  },
  {
    what: 'development under the whole certificate',
    certificate: 'withDevelopment',
    signature: 'development.sig',
    file: 'f',
    gpgv: 0,
    word: 'GOODSIG',
    by: 'development',
    sqv: 0,
  },
  {
    what: 'development under production alone (T21)',
    certificate: 'production',
    signature: 'development.sig',
    file: 'f',
    gpgv: 2,
    word: 'NO_PUBKEY',
    sqv: 1,
  },
  {
    what: 'development that has expired (T21)',
    certificate: 'expired',
    signature: 'development.sig',
    file: 'f',
    gpgv: 0,
    word: 'EXPKEYSIG',
    by: 'development',
    sqv: 1,
  },
  {
    what: 'development back-dated into its time: the date is its signer’s to choose',
    certificate: 'expired',
    signature: 'back-dated.sig',
    file: 'f',
    gpgv: 0,
    word: 'EXPKEYSIG',
    by: 'development',
    sqv: 0,
  },
  {
    what: 'development that is revoked',
    certificate: 'revoked',
    signature: 'development.sig',
    file: 'f',
    gpgv: 0,
    word: 'REVKEYSIG',
    by: 'development',
    sqv: 1,
  },
  {
    what: 'development back-dated before its revocation',
    certificate: 'revoked',
    signature: 'back-dated.sig',
    file: 'f',
    gpgv: 0,
    word: 'REVKEYSIG',
    by: 'development',
    sqv: 1,
  },
  {
    what: 'a tampered file',
    certificate: 'withDevelopment',
    signature: 'production.sig',
    file: 'tampered',
    gpgv: 1,
    word: 'BADSIG',
    sqv: 1,
  },
  {
    what: 'a tampered file of development',
    certificate: 'withDevelopment',
    signature: 'development.sig',
    file: 'tampered',
    gpgv: 1,
    word: 'BADSIG',
    sqv: 1,
  },
  {
    what: 'another group with the same user id',
    certificate: 'withDevelopment',
    signature: 'stranger.sig',
    file: 'f',
    gpgv: 2,
    word: 'NO_PUBKEY',
    sqv: 1,
  },
];

describe.skipIf(!hasTool('gpgv'))('gpgv', () => {
  const gpgv = (certificate: string, ...files: string[]): Ran =>
    run('gpgv', ['--status-fd', '1', '--keyring', `./${certificate}.pgp`, ...files], { cwd: folder });

  it.each(cases)('judges $what: $word, exit $gpgv', ({ certificate, signature, file, gpgv: exit, word, by }) => {
    const ran = gpgv(certificate, signature, file);
    const status = statusOf(ran);
    expect(status.words, ran.output).toContain(word);
    expect(ran.status).toBe(exit);
    if (word !== 'GOODSIG') expect(status.words).not.toContain('GOODSIG');
    expect(status.by).toBe(by === undefined ? undefined : keys[by]);
    expect(status.of).toBe(by === undefined ? undefined : keys.production);
  });

  it('judges clear text as it judges files, and gives back exactly the text', () => {
    for (const channel of channels) {
      const ran = gpgv('withDevelopment', `${channel}.clear`);
      expect(statusOf(ran), ran.output).toMatchObject({ by: keys[channel], of: keys.production });
      expect(ran.status).toBe(0);
    }
    expect(gpgv('production', 'development.clear').status).toBe(2);
    const signed = readFileSync(at('production.clear'), 'utf8');
    writeFileSync(at('tampered.clear'), signed.replace('Acme', 'Acne'));
    const tampered = gpgv('production', 'tampered.clear');
    expect(statusOf(tampered).words).toContain('BADSIG');
    expect(tampered.status).toBe(1);
  });

  it('takes the longest line that we take', () => {
    const long = utf8(`Description: ${'d'.repeat(19_990 - 13)}\n${new TextDecoder().decode(release)}`);
    writeFileSync(at('long.clear'), signClear('production', long));
    const ran = gpgv('production', 'long.clear');
    expect(statusOf(ran).words, ran.output).toContain('GOODSIG');
    expect(ran.status).toBe(0);
  });

  it('tells production by the status line, for whoever holds the whole certificate', () => {
    const isProduction = (signature: string): boolean => {
      const { words, by } = statusOf(gpgv('withDevelopment', signature, 'f'));
      return words.includes('GOODSIG') && by === keys.production;
    };
    expect(isProduction('production.sig')).toBe(true);
    expect(isProduction('development.sig')).toBe(false);
  });
});

describe.skipIf(!hasTool('sqv'))('sqv', () => {
  const sqv = (certificate: string, ...files: string[]): Ran =>
    run('sqv', ['--keyring', `${certificate}.pgp`, ...files], { cwd: folder });

  it.each(cases)('judges $what: exit $sqv', ({ certificate, signature, file, sqv: exit }) => {
    const ran = sqv(certificate, signature, file);
    expect(ran.status, ran.output).toBe(exit);
    expect(ran.stdout.trim()).toBe(exit === 0 ? keys.production : '');
  });

  it('takes an older signature after a renewal, because the older binding is kept', () => {
    const certificate = group.certificate();
    const [old, renewed] = [group.subkey(now - 90 * day, now - 30 * day), group.subkey(now - 2 * day, now + 60 * day)];
    const assemble = (...subkeys: Uint8Array[]): Uint8Array =>
      assembleOpenpgpCertificate({ certificate, subkeys, revocations: [] });
    writeFileSync(at('renewed.pgp'), assemble(old, renewed));
    writeFileSync(at('only-new.pgp'), assemble(renewed));
    for (const signature of ['development.sig', 'back-dated.sig'])
      expect(sqv('renewed', signature, 'f').status, signature).toBe(0);
    // What would happen without it.
    expect(sqv('only-new', 'back-dated.sig', 'f').status).toBe(1);
  });
});

describe.skipIf(!hasTool('gpgv') || !hasTool('sqv'))('a signature whose R or S begins with a zero', () => {
  it.each([
    ['R', 0],
    ['S', 32],
  ])(
    'is taken by gpgv and sqv: %s',
    (name, index) => {
      const { epoch } = group.live;
      const issuer = openpgpGroup(epoch).primary;
      const fields = { type: signatureTypes.binary, issuer, createdUnixSeconds: now - 30, subpackets: [] };
      const unfinished = prepareSignature(fields, release);
      // A quorum draws new nonces for every signature, so the same message comes out differently each time.
      let signature = quorumSignature(group.live, 'production', unfinished.digest);
      while (signature[index] !== 0) signature = quorumSignature(group.live, 'production', unfinished.digest);
      writeFileSync(at(`zero-${name}.sig`), encodePacket(packetTags.signature, finishSignature(unfinished, signature)));
      const gpgv = run('gpgv', ['--keyring', './production.pgp', `zero-${name}.sig`, 'f'], { cwd: folder });
      const sqv = run('sqv', ['--keyring', 'production.pgp', `zero-${name}.sig`, 'f'], { cwd: folder });
      expect([gpgv.status, sqv.status], gpgv.output + sqv.output).toEqual([0, 0]);
    },
    120_000,
  );
});

describe.skipIf(!hasTool('gpg'))('gpg', () => {
  const gpg = (home: string, ...args: string[]): Ran => {
    mkdirSync(at(home), { recursive: true, mode: 0o700 });
    return run('gpg', ['--homedir', at(home), '--batch', '--no-autostart', '--status-fd', '1', ...args], {
      cwd: folder,
    });
  };

  it('imports every certificate, binary and armored, and finds all its signatures good', () => {
    for (const name of certificateNames)
      for (const ending of ['pgp', 'asc']) {
        const home = `h-${name}-${ending}`;
        expect(gpg(home, '--import', `${name}.${ending}`).status).toBe(0);
        const checked = gpg(home, '--with-colons', '--check-sigs');
        expect(checked.status, checked.output).toBe(0);
        expect(checked.stdout).toContain(`fpr:::::::::${keys.production}:`);
        expect(checked.stdout).toContain('Acme <release@acme.example>');
        expect(checked.stdout).not.toMatch(/^sig:[-%?]/m);
        expect(checked.stdout.includes(keys.development)).toBe(name !== 'production');
      }
  });

  it('shows the channel on the subkey, and that it only signs', () => {
    gpg('h-shown', '--import', 'withDevelopment.pgp');
    const listed = gpg('h-shown', '--list-options', 'show-user-notations', '--list-sigs').stdout;
    expect(listed).toContain('channel@frostmark=development');
    const subkey = gpg('h-shown', '--with-colons', '--list-keys')
      .stdout.match(/^sub:.*$/m)?.[0]
      .split(':');
    expect(subkey?.[11]).toBe('s');
  });

  it('takes a renewal and a revocation into a keyring that it has', () => {
    gpg('h-merged', '--import', 'production.pgp');
    gpg('h-merged', '--import', 'withDevelopment.pgp');
    const before = gpg('h-merged', '--trust-model', 'always', '--verify', 'development.sig', 'f');
    expect(statusOf(before).words).toContain('GOODSIG');
    gpg('h-merged', '--import', 'revoked.pgp');
    const after = gpg('h-merged', '--trust-model', 'always', '--verify', 'development.sig', 'f');
    expect(statusOf(after).words).toContain('REVKEYSIG');
    expect(statusOf(after).words).not.toContain('GOODSIG');
  });

  it('writes back what was signed: the text without spaces at its line ends', () => {
    gpg('h-clear', '--import', 'production.pgp');
    const text = utf8(
      '- What is new\n-----\n\tTabs, dashes -- and é.  \n\nFrom here on there is an empty line before the end.\n\n',
    );
    writeFileSync(at('dashed.clear'), signClear('production', text, 'text'));
    const ran = run(
      'gpg',
      ['--homedir', at('h-clear'), '--batch', '--no-autostart', '--trust-model', 'always', '--decrypt', 'dashed.clear'],
      { cwd: folder },
    );
    expect(ran.status, ran.output).toBe(0);
    expect(ran.stdout).toBe(new TextDecoder().decode(text).replace(/[ \t]+$/gm, ''));
  });
});

describe.skipIf(!hasTool('git') || !hasTool('gpg'))('git', () => {
  /** Keeps what git hands over, and gives it something to go on with. */
  const capture = `#!/bin/sh
cat > captured
echo '[GNUPG:] SIG_CREATED ' >&2
printf -- '-----BEGIN PGP SIGNATURE-----\\n\\nAAAA\\n-----END PGP SIGNATURE-----\\n'
`;
  const verifier = '#!/bin/sh\nexec gpg --no-autostart "$@"\n';
  const git = (certificate: string, ...args: string[]): Ran =>
    run('git', args, { cwd: at('git'), env: { GNUPGHOME: at(`git-${certificate}`), GIT_CONFIG_NOSYSTEM: '1' } });
  const ids = new Map<string, string>();

  beforeAll(() => {
    mkdirSync(at('git'));
    for (const [name, text] of Object.entries({ capture, verifier })) writeFileSync(at(name), text, { mode: 0o755 });
    for (const name of certificateNames) {
      mkdirSync(at(`git-${name}`), { mode: 0o700 });
      run('gpg', ['--homedir', at(`git-${name}`), '--batch', '--no-autostart', '--import', `${name}.pgp`], {
        cwd: folder,
      });
    }
    const set = ['-c', 'user.name=Zoë', '-c', 'user.email=zoe@acme.example', '-c', `gpg.program=${at('capture')}`];
    for (const args of [
      ['init', '-q'],
      ['commit', '-q', '--allow-empty', '-m', 'First commit'],
      ['tag', '-s', '-m', 'Version 1', 'v1.0.0'],
    ]) {
      const ran = git('production', ...set, ...args);
      expect(ran.status, ran.output).toBe(0);
    }
    const payload = new Uint8Array(readFileSync(at('git/captured')));
    for (const channel of channels) {
      const signature = group.release(channel, 'openpgp', 'git-tag', payload, { createdAt: formatTimestamp(now) });
      ids.set(channel, storeTag(Buffer.concat([payload, signature])));
      ids.set(
        `tampered-${channel}`,
        storeTag(Buffer.concat([utf8(Buffer.from(payload).toString().replace('Version 1', 'Version 2')), signature])),
      );
    }
  });

  function storeTag(object: Uint8Array): string {
    writeFileSync(at('git/object'), object);
    const ran = git('production', 'hash-object', '-t', 'tag', '-w', 'object');
    expect(ran.status, ran.output).toBe(0);
    return ran.stdout.trim();
  }
  const verifyTag = (certificate: string, tag: string): Ran =>
    git(certificate, '-c', `gpg.program=${at('verifier')}`, 'verify-tag', '--raw', ids.get(tag)!);

  it.each([
    ['production', 'production', 'production'],
    ['production', 'revoked', 'production'],
    ['production', 'withDevelopment', 'production'],
    ['development', 'withDevelopment', 'development'],
  ] as const)('takes a tag of %s under %s', (tag, certificate, by) => {
    const ran = verifyTag(certificate, tag);
    expect(ran.status, ran.output).toBe(0);
    expect(ran.output).toMatch(new RegExp(`VALIDSIG ${keys[by]} .* ${keys.production}$`, 'm'));
  });

  it.each([
    ['development', 'production', 'NO_PUBKEY'],
    ['development', 'expired', 'EXPKEYSIG'],
    ['development', 'revoked', 'REVKEYSIG'],
    ['tampered-production', 'production', 'BADSIG'],
    ['tampered-development', 'withDevelopment', 'BADSIG'],
  ])('refuses a tag of %s under %s (T21)', (tag, certificate, word) => {
    const ran = verifyTag(certificate, tag);
    expect(ran.status, ran.output).toBe(1);
    expect(ran.output).toContain(`[GNUPG:] ${word} `);
  });
});

describe.skipIf(!hasTool('apt-get') || !hasTool('apt-ftparchive'))('apt', () => {
  let repository: string;
  beforeAll(() => {
    repository = at('repository');
    mkdirSync(repository);
    writeFileSync(join(repository, 'Packages'), '');
    const built = run('apt-ftparchive', ['-o', 'APT::FTPArchive::Release::Origin=Acme', 'release', '.'], {
      cwd: repository,
    });
    expect(built.status, built.output).toBe(0);
    const text = utf8(built.stdout);
    writeFileSync(join(repository, 'Release'), text);
    for (const channel of channels) {
      cpSync(repository, at(`inline-${channel}`), { recursive: true });
      writeFileSync(join(at(`inline-${channel}`), 'InRelease'), signClear(channel, text));
      cpSync(repository, at(`detached-${channel}`), { recursive: true });
      const detached = group.release(channel, 'openpgp', 'apt-release', text, { createdAt: formatTimestamp(now) });
      writeFileSync(join(at(`detached-${channel}`), 'Release.gpg'), detached);
    }
    for (const style of ['inline', 'detached']) {
      const bad = at(`${style}-tampered`);
      cpSync(at(`${style}-production`), bad, { recursive: true });
      const file = join(bad, style === 'inline' ? 'InRelease' : 'Release');
      writeFileSync(file, readFileSync(file, 'utf8').replace('Acme', 'Acne'));
    }
  });

  const update = (name: string, certificate: string): Ran =>
    aptUpdate(at(`apt-${name}-${certificate}`), at(name), at(`${certificate}.asc`));

  it.each(['inline', 'detached'])('updates from a repository that the quorum signed: %s', (style) => {
    for (const [channel, certificate] of [
      ['production', 'production'],
      ['production', 'withDevelopment'],
      ['production', 'revoked'],
      ['development', 'withDevelopment'],
    ] as const) {
      const ran = update(`${style}-${channel}`, certificate);
      expect(ran.status, `${channel} under ${certificate}: ${ran.output}`).toBe(0);
      expect(ran.output).not.toMatch(/^[WE]:/m);
    }
  });

  it.each([
    ['development', 'production'],
    ['development', 'expired'],
    ['development', 'revoked'],
    ['tampered', 'production'],
  ])('refuses %s under %s (T21)', (what, certificate) => {
    for (const style of ['inline', 'detached']) {
      const ran = update(`${style}-${what}`, certificate);
      expect(ran.status, ran.output).toBe(100);
      expect(ran.output).toMatch(/not signed|NO_PUBKEY|BADSIG|EXPKEYSIG|REVKEYSIG|No good signature|invalid/i);
    }
  });
});

describe.skipIf(!hasTool('rpmbuild') || !hasTool('rpmsign') || !hasTool('rpmkeys'))('rpm', () => {
  beforeAll(() => {
    const spec =
      'Name: tool\nVersion: 1.0\nRelease: 1\nSummary: a tool\nLicense: Apache-2.0\nBuildArch: noarch\n%description\nA tool.\n%post\necho installed\n%files\n';
    writeFileSync(at('tool.spec'), spec);
    const built = run(
      'rpmbuild',
      ['-bb', '--define', `_topdir ${at('rpm')}`, '--define', '_build_name_fmt tool.rpm', 'tool.spec'],
      { cwd: folder },
    );
    expect(built.status, built.output).toBe(0);
    for (const channel of channels) {
      copyFileSync(at('rpm/RPMS/tool.rpm'), at(`${channel}.rpm`));
      const header = mainHeader(readFileSync(at(`${channel}.rpm`)));
      const armored = group.release(channel, 'openpgp', 'rpm-header', header.bytes, {
        createdAt: formatTimestamp(now),
      });
      writeFileSync(at(`${channel}.rpm-sig`), dearmor('PGP SIGNATURE', armored));
      signRpm(`${channel}.rpm`, `${channel}.rpm-sig`);
    }
    const signed = readFileSync(at('production.rpm'));
    writeFileSync(at('tampered.rpm'), flipped(signed, mainHeader(signed).at + mainHeader(signed).bytes.length - 100));
    writeFileSync(at('tampered-payload.rpm'), flipped(signed, signed.length - 20));
  });

  /** Where the main header begins, and its bytes: after a lead of 96 bytes and a signature header padded to 8. */
  function mainHeader(rpm: Uint8Array): { readonly at: number; readonly bytes: Uint8Array } {
    const view = new DataView(rpm.buffer, rpm.byteOffset, rpm.length);
    const sizeAt = (from: number): number => 16 + 16 * view.getUint32(from + 8) + view.getUint32(from + 12);
    const start = 96 + Math.ceil(sizeAt(96) / 8) * 8;
    return { at: start, bytes: new Uint8Array(rpm.subarray(start, start + sizeAt(start))) };
  }

  /** rpmsign with a program in place of gpg: it is given the header, and writes the signature that the quorum made of it. */
  function signRpm(rpm: string, signature: string): void {
    writeFileSync(at('shim'), `#!/bin/sh\ncat >/dev/null\nexec cp "${at(signature)}" "$1"\n`);
    chmodSync(at('shim'), 0o755);
    const command = `${at('shim')} shim %{shescape:%{?__signature_filename}} %{shescape:%{?__plaintext_filename}}`;
    const ran = run(
      'rpmsign',
      ['--define', '_gpg_name acme', '--define', `__gpg_sign_cmd ${command}`, '--addsign', rpm],
      { cwd: folder },
    );
    expect(ran.status, ran.output).toBe(0);
  }

  function check(rpm: string, certificate: string): Ran {
    const db = at(`db-${certificate}`);
    mkdirSync(db, { recursive: true });
    const imported = run('rpmkeys', ['--dbpath', db, '--import', `${certificate}.asc`], { cwd: folder });
    expect(imported.status, imported.output).toBe(0);
    return run('rpmkeys', ['--dbpath', db, '--define', '_pkgverify_level signature', '-Kv', rpm], { cwd: folder });
  }

  it('takes a package that the quorum signed, on either channel under the whole certificate', () => {
    for (const [rpm, certificate] of [
      ['production.rpm', 'production'],
      ['production.rpm', 'withDevelopment'],
      ['development.rpm', 'withDevelopment'],
    ] as const) {
      const ran = check(rpm, certificate);
      expect(ran.status, ran.output).toBe(0);
      expect(ran.output).toMatch(/Header V4 EdDSA\/SHA512 Signature, key ID [0-9a-f]{8,16}: OK/);
    }
  });

  it.each([
    ['development.rpm', 'production', /NOKEY/],
    ['tampered.rpm', 'production', /Header V4 EdDSA.*BAD/],
    ['tampered-payload.rpm', 'production', /Payload .*BAD/],
    ['rpm/RPMS/tool.rpm', 'production', /NOTFOUND|NOT OK/],
  ])('refuses %s under %s (T21)', (rpm, certificate, word) => {
    const ran = check(rpm, certificate);
    expect(ran.status, ran.output).not.toBe(0);
    expect(ran.output).toMatch(word);
  });

  it('4.18 looks at neither expiry nor revocation: production hosts are given production’s certificate alone', () => {
    const version = run('rpm', ['--version']).stdout;
    for (const certificate of ['expired', 'revoked'])
      expect(check('development.rpm', certificate).status === 0).toBe(/ 4\.1[0-8]\./.test(version));
  });
});
