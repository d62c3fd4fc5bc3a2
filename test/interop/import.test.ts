/** Keys as gpg, ssh-keygen and openssl write them, split by the real command; then a real company that signs with one. */
import { createPublicKey, verify } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runProgram } from '../../cli/program.ts';
import { demand, type Started } from '../../demo/process.ts';
import { roundWhere } from '../../demo/round-stream.ts';
import { preAuthEncoding } from '../../verifier/dsse.ts';
import { decodeCertificate } from '../../protocol/ceremony/certificate.ts';
import { openEpoch } from '../../protocol/ceremony/epoch.ts';
import { decodeCharter } from '../../protocol/files/charter.ts';
import { encodeImportKey } from '../../protocol/ceremony/import-key.ts';
import { openImport } from '../../protocol/ceremony/import.ts';
import { formatTimestamp } from '../../protocol/wire/time.ts';
import { frostmark, type Finished } from '../cli/frostmark.ts';
import { epochFile } from '../harness/home-files.ts';
import { CeremonyNetwork, publicGroup, sharedSodium } from '../harness/ceremony-network.ts';
import { approves, TestCompany } from '../harness/company.ts';
import { importedFor, oneTimeKeysOf, rfc8032Keys } from '../harness/import.ts';
import { OpenpgpTestGroup } from '../harness/openpgp-group.ts';
import { writeCharter } from '../harness/people.ts';
import { seededRandom } from '../harness/random.ts';
import { liveGroupOf, releaseRequest, RoundNetwork, type LiveGroup } from '../harness/round-network.ts';
import { hasTool, run, scratchFolder } from './tools.ts';

const folder = scratchFolder();
const at = (name: string): string => join(folder, name);
const userId = 'Acme Releases <release@acme.example>';
const created = '2024-01-01T00:00:00Z';
const passphrase = 'correct horse battery staple';

const plan = writeCharter({
  tiers: ['admin', 'admin', 'build'],
  production: '{ any: 2 }',
  development: '{ build: 1 }',
});
const charterText = `${plan.text}openpgp: { userId: ${JSON.stringify(userId)}, created: ${created} }\n`;
const charter = decodeCharter(new TextEncoder().encode(charterText));

/** The file of all members' import keys for a charter: those that `importedFor` opens with. */
async function writeKeys(name: string, charterFile: string): Promise<void> {
  const of = decodeCharter(readFileSync(at(charterFile)));
  const keys = await oneTimeKeysOf(of);
  const lines = of.members.map(({ identifier, key }) =>
    encodeImportKey(
      of,
      keys.get(identifier)!,
      plan.people.find((who) => who.key === key)!,
    ),
  );
  writeFileSync(at(name), lines.join('\n'));
}

beforeAll(() => {
  writeFileSync(at('charter.yaml'), charterText);
  writeFileSync(at('plain.yaml'), plan.text);
  writeFileSync(at('pass'), `${passphrase}\n`, { mode: 0o600 });
  writeFileSync(at('wrong'), 'wrong horse\n', { mode: 0o600 });
});

class Collected {
  readonly isTTY = false;
  text = '';

  write(text: string): boolean {
    this.text += text;
    return true;
  }
}

let files = 0;
/** `frostmark group import`, and where it wrote; in this process, as `cli/main.ts` runs it: a process for each of these would take a minute. */
async function importOf(
  keyFile: string,
  more: readonly string[] = [],
  charterFile = 'charter.yaml',
): Promise<Finished & { readonly out: string }> {
  const out = at(`${(files += 1)}.frostmark-import`);
  await writeKeys('keys', charterFile);
  const args = ['group', 'import', keyFile, '--charter', charterFile, '--keys', 'keys', '--out', out, '--yes', ...more];
  const [stdout, stderr] = [new Collected(), new Collected()];
  const code = await runProgram(
    args.map((argument) => (existsSync(at(argument)) ? at(argument) : argument)),
    {
      stdout,
      stderr,
      stdin: () => Readable.from([]),
      environment: { HOME: '/nonexistent' },
      folder,
      nowUnixSeconds: () => Math.floor(Date.now() / 1000),
    },
  );
  return { code, stdout: stdout.text, stderr: stderr.text, out };
}

/** Imports and answers the group key as raw bytes in hex; the file opens for its charter. */
async function importedKey(keyFile: string, more: readonly string[] = []): Promise<string> {
  const { code, stdout, stderr, out } = await importOf(keyFile, more);
  expect(code, stderr).toBe(0);
  const opened = openImport(publicGroup, charter, readFileSync(out));
  expect(stdout).toBe(`frostmark-group:acme:${opened.groupKey}\n`);
  return Buffer.from(opened.groupKey, 'base64url').toString('hex');
}

async function expectRefused(
  keyFile: string,
  exit: number,
  found: string,
  more: readonly string[] = [],
  charterFile?: string,
): Promise<void> {
  const { code, stdout, stderr, out } = await importOf(keyFile, more, charterFile);
  expect(stderr).toContain(found);
  expect({ code, stdout }).toEqual({ code: exit, stdout: '' });
  expect(() => readFileSync(out)).toThrow('ENOENT');
}

/** The group that a ceremony in memory makes of this import file. */
async function groupOf(importFile: string): Promise<LiveGroup> {
  const { people } = plan;
  const imported = await importedFor(charter, people, readFileSync(importFile));
  const network = new CeremonyNetwork(charter, people, await sharedSodium(), seededRandom(5), { imported });
  network.run();
  expect(network.activated()).toHaveLength(people.length);
  return liveGroupOf(network, people);
}

/** One release under the imported key, in DSSE's own words. */
async function releaseUnder(
  importFile: string,
): Promise<{ readonly message: Uint8Array; readonly signature: Uint8Array }> {
  const live = await groupOf(importFile);
  const round = new RoundNetwork(live, releaseRequest(live, 'production'), seededRandom(6));
  for (const signer of round.signers) round.connect(signer);
  for (const { identifier } of round.signers) round.decide(identifier, 'approve');
  round.settle();
  return { message: round.prepared.messages[0]!, signature: round.signatures![0]! };
}

describe.skipIf(!hasTool('openssl'))('a key of openssl', { timeout: 60_000 }, () => {
  const openssl = (...args: string[]): string => {
    const { status, stdout, output } = run('openssl', args, { cwd: folder });
    if (status !== 0) throw new Error(output);
    return stdout;
  };
  const publicOf = (pem: string): string => {
    openssl('pkey', '-in', pem, '-pubout', '-out', `${pem}.pub`, '-passin', `pass:${passphrase}`);
    return createPublicKey(readFileSync(at(`${pem}.pub`)))
      .export({ format: 'der', type: 'spki' })
      .subarray(12)
      .toString('hex');
  };

  it('is split, and a release of its quorum verifies under the public key that openssl wrote', async () => {
    openssl('genpkey', '-algorithm', 'ed25519', '-out', 'p8.pem');
    expect(await importedKey('p8.pem')).toBe(publicOf('p8.pem'));
    const { out } = await importOf('p8.pem');
    const { message, signature } = await releaseUnder(out);
    const original = createPublicKey(readFileSync(at('p8.pem.pub')));
    expect(verify(null, message, original, signature)).toBe(true);
    writeFileSync(at('message'), message);
    writeFileSync(at('signature'), signature);
    const judged = run(
      'openssl',
      ['pkeyutl', '-verify', '-pubin', '-inkey', 'p8.pem.pub', '-rawin', '-in', 'message', '-sigfile', 'signature'],
      { cwd: folder },
    );
    expect(judged.output).toContain('Verified Successfully');
  });

  it.each(rfc8032Keys)('is split from the seed of RFC 8032: $publicKey', async ({ seed, publicKey }) => {
    writeFileSync(at('rfc.der'), Buffer.from(`302e020100300506032b657004220420${seed}`, 'hex'));
    openssl('pkey', '-inform', 'DER', '-in', 'rfc.der', '-out', 'rfc.pem');
    expect(await importedKey('rfc.pem')).toBe(publicKey);
    await expectRefused('rfc.der', 1, 'write it as PEM first');
  });

  it.each([['aes-256-cbc'], ['des3']])('is split under a passphrase, and not under a wrong one: %s', async (cipher) => {
    openssl('genpkey', '-algorithm', 'ed25519', '-out', 'open.pem');
    openssl(
      'pkcs8',
      '-topk8',
      '-v2',
      cipher,
      '-in',
      'open.pem',
      '-out',
      'sealed.pem',
      '-passout',
      `pass:${passphrase}`,
    );
    expect(await importedKey('sealed.pem', ['--passphrase-file', 'pass'])).toBe(publicOf('open.pem'));
    await expectRefused('sealed.pem', 4, 'the passphrase does not open the private key', [
      '--passphrase-file',
      'wrong',
    ]);
    // Nobody is there to ask.
    await expectRefused('sealed.pem', 2, 'there is no terminal');
    const text = readFileSync(at('sealed.pem'), 'utf8');
    writeFileSync(at('cut.pem'), text.replace(/\n[^\n]*\n-----END/, '\n-----END'));
    await expectRefused('cut.pem', 1, 'cut off', ['--passphrase-file', 'pass']);
  });

  it.each([
    ['rsa', ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048']],
    ['ec', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256']],
    ['x25519', ['-algorithm', 'X25519']],
    ['ed448', ['-algorithm', 'ED448']],
    ['x448', ['-algorithm', 'X448']],
  ])('of the type %s is refused with a way forward', async (type, args) => {
    openssl('genpkey', ...args, '-out', 'other.pem');
    await expectRefused('other.pem', 1, `of the type ${type}`);
    await expectRefused('other.pem', 1, 'join without --import');
  });
});

describe.skipIf(!hasTool('ssh-keygen'))('a key of ssh-keygen', { timeout: 60_000 }, () => {
  const keygen = (...args: string[]): void => {
    const { status, output } = run('ssh-keygen', ['-q', ...args], { cwd: folder });
    if (status !== 0) throw new Error(output);
  };
  const publicOf = (file: string): string =>
    Buffer.from(readFileSync(at(`${file}.pub`), 'utf8').split(' ')[1]!, 'base64')
      .subarray(-32)
      .toString('hex');

  it('is split, in the clear', async () => {
    keygen('-t', 'ed25519', '-N', '', '-C', 'release', '-f', 'ssh-plain');
    expect(await importedKey('ssh-plain')).toBe(publicOf('ssh-plain'));
    await expectRefused('ssh-plain.pub', 1, 'the private key beside it is needed');
  });

  it.each([['aes256-ctr'], ['aes256-cbc']])(
    'is split under a passphrase, and not under a wrong one: %s',
    async (cipher) => {
      const file = `ssh-${cipher}`;
      keygen('-t', 'ed25519', '-Z', cipher, '-a', '4', '-N', passphrase, '-f', file);
      expect(await importedKey(file, ['--passphrase-file', 'pass'])).toBe(publicOf(file));
      await expectRefused(file, 4, 'the passphrase does not open the OpenSSH key', ['--passphrase-file', 'wrong']);
    },
  );

  it('is refused under a cipher that is not opened here, and taken once ssh-keygen did what it says', async () => {
    keygen('-t', 'ed25519', '-Z', 'chacha20-poly1305@openssh.com', '-a', '4', '-N', passphrase, '-f', 'ssh-chacha');
    await expectRefused('ssh-chacha', 1, 'ssh-keygen -p -Z aes256-ctr', ['--passphrase-file', 'pass']);
    keygen('-p', '-Z', 'aes256-ctr', '-a', '4', '-P', passphrase, '-N', passphrase, '-f', 'ssh-chacha');
    expect(await importedKey('ssh-chacha', ['--passphrase-file', 'pass'])).toBe(publicOf('ssh-chacha'));
  });

  it.each([
    ['rsa', '2048', 'ssh-rsa'],
    ['ecdsa', '256', 'ecdsa-sha2-nistp256'],
  ])('of the type %s is refused with a way forward', async (type, bits, found) => {
    keygen('-t', type, '-b', bits, '-N', '', '-f', `ssh-${type}`);
    await expectRefused(`ssh-${type}`, 1, found);
    keygen('-t', type, '-b', bits, '-m', 'PEM', '-N', '', '-f', `pem-${type}`);
    await expectRefused(`pem-${type}`, 1, 'join without --import');
  });
});

describe.skipIf(!hasTool('gpg') || !hasTool('gpgv'))('a key of gpg', { timeout: 60_000 }, () => {
  const gpg = (args: readonly string[], secret = ''): string => {
    const options = ['--batch', '--quiet', '--homedir', folder, '--pinentry-mode', 'loopback', '--passphrase', secret];
    const { status, stdout, output } = run('gpg', [...options, ...args], { cwd: folder });
    if (status !== 0) throw new Error(output);
    return stdout;
  };
  const make = (name: string, secret: string, algorithm = 'ed25519', time = '20240101T000000'): string => {
    gpg(['--faked-system-time', `${time}!`, '--quick-gen-key', name, algorithm, 'sign', 'never'], secret);
    return fingerprints(name)[0]!;
  };
  const fingerprints = (name: string): string[] =>
    [...gpg(['--with-colons', '--list-keys', `=${name}`]).matchAll(/^fpr:+([0-9A-F]{40}):/gm)].map(([, one]) => one!);
  const pointOf = (fingerprint: string): string => {
    const dump = run('gpg', ['--homedir', folder, '--list-packets', '--verbose'], {
      cwd: folder,
      input: Buffer.from(gpg(['--armor', '--export', fingerprint])),
    }).output;
    const points = [...dump.matchAll(/pkey\[1\]: 40([0-9A-F]{64})/g)].map(([, point]) => point!.toLowerCase());
    return points[0]!;
  };
  let plainPrint = '';
  let sealedPrint = '';

  beforeAll(() => {
    plainPrint = make(userId, '');
    gpg(['--faked-system-time', '20240101T000000!', '--quick-add-key', plainPrint, 'ed25519', 'sign', 'never']);
    gpg(['--quick-add-key', plainPrint, 'cv25519', 'encr', 'never']);
    gpg(['--armor', '--output', at('plain.asc'), '--export-secret-keys', plainPrint]);
    gpg(['--output', at('plain.gpg'), '--export-secret-keys', plainPrint]);
    gpg(['--armor', '--output', at('stub.asc'), '--export-secret-subkeys', plainPrint]);
    gpg(['--armor', '--output', at('public.asc'), '--export', plainPrint]);
    sealedPrint = make('Sealed <sealed@acme.example>', passphrase);
    gpg(['--armor', '--output', at('sealed.asc'), '--export-secret-keys', sealedPrint], passphrase);
  }, 60_000);

  afterAll(() => {
    run('gpgconf', ['--homedir', folder, '--kill', 'all'], { cwd: folder });
  });

  it('is split, armored or binary, and keeps its fingerprint: user id and time are in the charter', async () => {
    for (const file of ['plain.asc', 'plain.gpg']) expect(await importedKey(file)).toBe(pointOf(plainPrint));
    const { stderr } = await importOf('plain.asc');
    expect(stderr).toContain(`${plainPrint} (primary key)`);
    for (const original of ['gpg --delete-secret-keys', 'plain.asc', 'smartcards', 'CI system', 'planned rotation'])
      expect(stderr).toContain(original);
  });

  it('is split, and a release of its quorum verifies under the point that gpg shows', async () => {
    const { out } = await importOf('plain.asc');
    const { message, signature } = await releaseUnder(out);
    const x = Buffer.from(pointOf(plainPrint), 'hex').toString('base64url');
    const original = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
    expect(verify(null, message, original, signature)).toBe(true);
  });

  it('keeps its certificate: the gpg that knows only the original accepts what the quorum signs', async () => {
    const { out } = await importOf('plain.asc');
    const group = new OpenpgpTestGroup(await groupOf(out), Date.parse(created) / 1000);
    const createdAt = formatTimestamp(Math.floor(Date.now() / 1000));
    const date = new Date(createdAt).toUTCString().replace('GMT', 'UTC');
    writeFileSync(at('Release'), `Origin: Acme\nDate: ${date}\nSHA256:\n ${'ab'.repeat(32)} 12 main/Packages\n`);
    const signature = group.release('production', 'openpgp', 'apt-release', readFileSync(at('Release')), { createdAt });
    writeFileSync(at('Release.gpg'), signature);
    gpg(['--output', at('original.pgp'), '--export', plainPrint]);
    const judged = run('gpgv', ['--status-fd', '1', '--keyring', at('original.pgp'), 'Release.gpg', 'Release'], {
      cwd: folder,
    });
    expect(judged.stdout).toContain(`VALIDSIG ${plainPrint}`);
    expect(judged.status).toBe(0);
    // And the certificate that the group issues is of the same key and name.
    writeFileSync(at('issued.pgp'), group.certificate({ createdAt }));
    const shown = run('gpg', ['--homedir', folder, '--with-colons', '--show-keys', 'issued.pgp'], { cwd: folder });
    expect(shown.stdout).toContain(`fpr:::::::::${plainPrint}:`);
    expect(shown.stdout).toContain(userId);
  });

  it('is split under a passphrase, and not under a wrong one', async () => {
    const text = plan.text + `openpgp: { userId: "Sealed <sealed@acme.example>", created: ${created} }\n`;
    writeFileSync(at('sealed.yaml'), text);
    const done = await importOf('sealed.asc', ['--passphrase-file', 'pass'], 'sealed.yaml');
    expect(done.code, done.stderr).toBe(0);
    expect(Buffer.from(done.stdout.trim().split(':')[2]!, 'base64url').toString('hex')).toBe(pointOf(sealedPrint));
    await expectRefused(
      'sealed.asc',
      4,
      'the passphrase does not open the OpenPGP key',
      ['--passphrase-file', 'wrong'],
      'sealed.yaml',
    );
  });

  it('gives its signing subkey when asked for it by its fingerprint', async () => {
    const [, subkey = ''] = fingerprints(userId);
    const { code, stdout, stderr } = await importOf('plain.gpg', ['--subkey', subkey]);
    expect(code, stderr).toBe(0);
    expect(stderr).toContain(`${subkey} (subkey)`);
    expect(stdout).not.toContain(Buffer.from(pointOf(plainPrint), 'hex').toString('base64url'));
    const [, , encryption = ''] = fingerprints(userId);
    await expectRefused('plain.gpg', 2, 'no Ed25519 subkey', ['--subkey', encryption]);
  });

  it('is refused until the charter says its user id and time, with the line to write, which then does', async () => {
    await expectRefused('plain.asc', 1, 'the charter says nothing of OpenPGP', [], 'plain.yaml');
    const { stderr } = await importOf('plain.asc', [], 'plain.yaml');
    const [line = ''] = /openpgp: \{.*\}/.exec(stderr) ?? [];
    writeFileSync(at('fixed.yaml'), `${plan.text}${line}\n`);
    expect((await importOf('plain.asc', [], 'fixed.yaml')).code).toBe(0);
    writeFileSync(at('later.yaml'), charterText.replace(created, '2024-01-01T00:00:01Z'));
    await expectRefused('plain.asc', 1, 'another user id or creation time', [], 'later.yaml');
    writeFileSync(at('other.yaml'), charterText.replace(userId, 'Somebody Else'));
    await expectRefused('plain.asc', 1, 'another user id or creation time', [], 'other.yaml');
  });

  it('is refused without its secret half', async () => {
    await expectRefused('stub.asc', 1, 'the secret half is not in this file');
    await expectRefused('public.asc', 1, 'the private key is needed');
  });

  it.each([
    ['rsa2048', 'RSA'],
    ['nistp256', 'ECDSA'],
  ])('of the type %s is refused with a way forward', async (algorithm, found) => {
    const fingerprint = make(`Other ${algorithm}`, '', algorithm);
    gpg(['--armor', '--output', at(`${algorithm}.asc`), '--export-secret-keys', fingerprint]);
    await expectRefused(`${algorithm}.asc`, 1, found);
    await expectRefused(`${algorithm}.asc`, 1, 'join without --import');
  });
});

describe('group import', { timeout: 60_000 }, () => {
  it('wants a charter and a place to write, asks nobody without a terminal, and replaces nothing', async () => {
    writeFileSync(
      at('key.pem'),
      '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n',
    );
    const code = async (...args: string[]) =>
      (await frostmark(['group', 'import', ...args, '--keys', 'keys'], { cwd: folder })).code;
    const unkeyed = ['key.pem', '--charter', 'charter.yaml', '--out', 'x', '--yes'];
    expect((await frostmark(['group', 'import', ...unkeyed], { cwd: folder })).stderr).toContain('no --keys was given');
    expect(await code()).toBe(2);
    expect(await code('key.pem')).toBe(2);
    expect(await code('key.pem', '--charter', 'charter.yaml')).toBe(2);
    expect(await code('key.pem', '--out', 'x')).toBe(2);
    expect(await code('key.pem', '--charter', 'charter.yaml', '--out', 'unasked')).toBe(2);
    expect(() => readFileSync(at('unasked'))).toThrow('ENOENT');
    expect(await code('key.pem', '--charter', 'missing.yaml', '--out', 'x', '--yes')).toBe(1);
    expect(await code('missing.pem', '--charter', 'charter.yaml', '--out', 'x', '--yes')).toBe(1);
    writeFileSync(at('there'), 'precious');
    expect(await code('key.pem', '--charter', 'charter.yaml', '--out', 'there', '--yes')).toBe(2);
    expect(readFileSync(at('there'), 'utf8')).toBe('precious');
    const { stdout } = await frostmark(
      ['group', 'import', 'key.pem', '--charter', 'charter.yaml', '--keys', 'keys', '--out', 'json', '--yes', '--json'],
      { cwd: folder },
    );
    expect(JSON.parse(stdout)).toMatchObject({ source: 'pkcs8', fingerprint: null, file: 'json' });
  });
});

describe.skipIf(!hasTool('openssl'))('a company with an imported key', { timeout: 120_000 }, () => {
  const company = new TestCompany({
    members: [
      { name: 'alice', tier: 'admin' },
      { name: 'bob', tier: 'admin' },
      { name: 'build-1', tier: 'build' },
    ],
    channels: {
      production: '{ quorum: { admin: 2, build: 1 }, expiry: 72h }',
      development: '{ quorum: { build: 1 }, expiry: 1h, validity: 90d }',
    },
  });

  /** Every member makes its one-time key in its own home; the lines go into one file. */
  async function writeImportKeys(charterFile: string, name: string): Promise<void> {
    const lines = [];
    for (const member of ['alice', 'bob', 'build-1']) {
      const home = ['--home', company.path(member), '--passphrase-file', company.path(join(member, 'passphrase'))];
      lines.push((await company.run(['participant', 'import-key', charterFile, ...home])).stdout);
    }
    company.write(name, lines.join(''));
  }

  beforeAll(async () => {
    await company.introduce();
    await company.startCoordinator();
    run('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', 'original.pem'], { cwd: company.path('') });
    await writeImportKeys('charter.yaml', 'keys');
    const args = ['original.pem', '--charter', 'charter.yaml', '--keys', 'keys', '--yes'];
    await company.run(['group', 'import', ...args, '--out', 'acme.frostmark-import']);
    await company.run(['group', 'import', ...args, '--out', 'again.frostmark-import']);
  }, 120_000);

  afterAll(async () => {
    await company[Symbol.asyncDispose]();
  }, 60_000);

  it('is not made when two members hold different import files, or one was changed, or is of another charter', async () => {
    const bytes = readFileSync(company.path('acme.frostmark-import'), 'utf8');
    company.write(
      'tampered.frostmark-import',
      bytes.replace(/"box":"(.)/, (_all, first: string) => `"box":"${first === 'A' ? 'B' : 'A'}`),
    );
    const refused = await demand(company.join('alice', ['--import', 'tampered.frostmark-import']), 1);
    expect(refused.stderr).toContain('its proofs do not hold');
    company.write('other.yaml', `${readFileSync(company.path('charter.yaml'), 'utf8')}# other\n`);
    await writeImportKeys('other.yaml', 'other-keys');
    const mixed = ['original.pem', '--charter', 'charter.yaml', '--keys', 'other-keys', '--yes', '--out', 'mixed'];
    expect((await company.run(['group', 'import', ...mixed], 1)).stderr).toContain('was made for another charter');
    await company.run([
      'group',
      'import',
      'original.pem',
      '--charter',
      'other.yaml',
      '--keys',
      'other-keys',
      '--yes',
      '--out',
      'other.frostmark-import',
    ]);
    const foreign = await demand(company.join('alice', ['--import', 'other.frostmark-import']), 1);
    expect(foreign.stderr).toContain('another charter');

    const joining = [
      company.join('alice', ['--import', 'acme.frostmark-import']),
      company.join('bob', ['--import', 'again.frostmark-import']),
      company.join('build-1', ['--import', 'acme.frostmark-import']),
    ];
    const told = (name: string) => (line: string) =>
      line.includes(`${name} joined with another import file`) ? line : undefined;
    const [alice, bob, build] = joining as [Started, Started, Started];
    await Promise.all([
      alice.find('that bob is wrong', told('bob')),
      build.find('that bob is wrong', told('bob')),
      bob.find('that the others differ', told('alice')),
    ]);
    for (const one of joining) {
      one.signal('SIGINT');
      await demand(one, 130);
    }
  });

  it('is made with one file, says so, and signs what verifies under the original public key', async () => {
    // The relay still holds what bob said with the other file: whoever comes back before him waits.
    const file = ['--import', 'acme.frostmark-import'];
    const alice = company.join('alice', file);
    await alice.find('what bob said last', (line) => (line.includes('bob joined with another') ? line : undefined));
    const joining = [alice, company.join('bob', file), company.join('build-1', file)];
    const made = await Promise.all(joining.map(async (one) => await demand(one, 0)));
    const [line = ''] = new Set(made.map(({ stdout }) => stdout.trim()));
    expect(made.map(({ stdout }) => stdout)).toEqual(Array(3).fill(`${line}\n`));
    expect(made[1]!.stderr).toContain('The production key is not made but imported');
    company.write('GROUP.pub', `${line}\n`);
    const { stdout: exported } = await company.run(['group', 'export', '--format', 'pem', '--group', 'GROUP.pub']);
    const original = run('openssl', ['pkey', '-in', 'original.pem', '-pubout'], { cwd: company.path('') }).stdout;
    expect(exported).toBe(original);

    // A finished home needs the file no more, and says the origin again.
    const again = await demand(company.join('alice'), 0);
    expect(again.stderr).toContain('This key was imported: it once was whole');

    await Promise.all([
      company.serve('alice'),
      company.serve('bob'),
      company.serve('build-1', approves('development')),
    ]);
    company.write('release.bin', 'release\n');
    const signing = company.sign('dave', 'release.bin', 'production');
    const { id } = await roundWhere(signing, 'the round', () => true);
    for (const name of ['alice', 'bob', 'build-1']) await company.approve(name, id);
    await demand(signing, 0);
    await company.run(['verify', 'release.bin', '--key', 'GROUP.pub']);

    const bundle = JSON.parse(readFileSync(company.path('release.bin.frostmark'), 'utf8')) as {
      statement: { payload: string; payloadType: string; signatures: [{ sig: string }] };
    };
    const { payload, payloadType, signatures } = bundle.statement;
    const message = preAuthEncoding(payloadType, Buffer.from(payload, 'base64'));
    expect(verify(null, message, createPublicKey(original), Buffer.from(signatures[0].sig, 'base64'))).toBe(true);

    const shown = await company.run([
      'group',
      'show',
      '--group',
      'GROUP.pub',
      '--coordinator',
      company.coordinatorUrl,
      '--home',
      company.path('dave'),
    ]);
    expect(shown.stdout).toMatch(/origin +imported: the key once was whole/);
    const status = await company.run(['participant', 'status', '--home', company.path('bob')]);
    expect(status.stdout).toMatch(/origin +imported/);
  });

  it('leaves no import file in a home, and a certificate that names it', () => {
    const made = decodeCharter(readFileSync(company.path('charter.yaml')));
    const certificate = decodeCertificate(
      readFileSync(join(company.path('alice'), epochFile(company.path('alice'), 'certificate'))),
    );
    const imported = openImport(publicGroup, made, readFileSync(company.path('acme.frostmark-import')));
    expect(openEpoch(publicGroup, made, certificate).origin).toBe('imported');
    expect(certificate.transcript).toMatchObject({ import: { file: imported.hash, groupKey: imported.groupKey } });
    const box = Buffer.from([...imported.boxes.values()][0]!.box).toString('base64');
    const found = run('grep', ['-rlF', box, company.path('alice'), company.path('bob'), company.path('coordinator')]);
    expect(found).toMatchObject({ status: 1, output: '' });
  });

  it('signs development by its own key, made in the ceremony as ever', async () => {
    company.write('nightly.bin', 'nightly\n');
    await demand(company.sign('dave', 'nightly.bin', 'development'), 0);
    await company.run(['verify', 'nightly.bin', '--key', 'GROUP.pub', '--channel', 'development']);
    await company.run(['verify', 'nightly.bin', '--key', 'GROUP.pub'], 3);
  });
});
