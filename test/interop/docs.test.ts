/**
 * Every block of README.md and docs/, typed as it is there: five share holders, a coordinator and a developer, each with a home of their own. Where
 * something takes the place of another thing (an address, a fingerprint, an ellipsis) it is replaced; nothing is left out but what has its reason below.
 */
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demand, type Started } from '../../demo/process.ts';
import { decodeCharter } from '../../protocol/files/charter.ts';
import { parseYaml } from '../../protocol/files/yaml.ts';
import { frontEnd } from '../harness/company.ts';
import { Account, commandsOf, docBlocks, docFiles, filled, root } from '../harness/doc-blocks.ts';
import { hasTool } from '../interop/tools.ts';

const elsewhere = 'a file of another distribution, as root';
const notRun: Readonly<Record<string, string>> = {
  'README.md § Try it #1': 'it is this very check, and the demo that the tests of demo/ share',
  'docs/import.md § Split it #3': 'test/interop/import.test.ts joins with import files of every kind',
  'docs/operating.md § Behind a proxy #1': 'the configuration of nginx, which is not here',
  'docs/operating.md § Behind a proxy #2': 'the configuration of haproxy, which is not here',
  'docs/operating.md § Behind a proxy #3': 'the configuration of caddy, which is not here',
  'docs/stock-tools.md § apt #1': 'wants root; test/interop/stock-tools.test.ts runs it in a root of its own',
  'docs/stock-tools.md § dnf and zypper #2': elsewhere,
};

const people = ['build-1', 'alice', 'bob', 'hw-1', 'hw-2'] as const;
const folder = mkdtempSync(join(tmpdir(), 'frostmark-docs-'));
const at = (...names: string[]): string => join(folder, ...names);
const bin = at('bin');
const environment = {
  PATH: [bin, process.env['PATH'] ?? ''].join(delimiter),
  FROSTMARK_TESTING_ONLY_SCRYPT_WORK_FACTOR: '2',
  // A person types it at a prompt.
  FROSTMARK_PASSPHRASE_FILE: at('passphrase'),
  FROSTMARK_POLICY: at('policy.yaml'),
  // A certificate authority that the machine knows.
  NODE_EXTRA_CA_CERTS: join(root, 'test/client/loopback-cert.pem'),
  GIT_CONFIG_NOSYSTEM: '1',
  GPG_TTY: at('terminal'),
};
const account = (name: string): Account => new Account(at(name), environment);

/** People decide about acme; all that the pages on stock tools ask for is approved. */
const policy = `rules:
  - match: { product: acme }
    action: ask
  - match:
      channel: [production, development]
      document: [manifest, git-tag, git-commit, apt-release, debian-control, rpm-header, text]
    action: approve
  - match: { kind: [openpgp-certificate, openpgp-subkey, ssh-certificate, status, consent, endorsement], channel: production }
    action: approve
  - match: { kind: openpgp-back-signature, channel: development }
    action: approve
`;

const members = new Map<string, Account>();
let coordinator: Account;
let dave: Account;
/** Whoever installs: what was published is in its folder. */
let target: Account;
let url = '';
const cards: Record<string, string> = {};
const running: Started[] = [];
/** Members of a group that is to bring its key. */
const newcomers: Account[] = [];

beforeAll(() => {
  mkdirSync(bin, { recursive: true });
  for (const [name, program] of [
    ['frostmark', join(frontEnd('gpg'), '..', 'main.js')],
    ['frostmark-gpg', frontEnd('gpg')],
    ['frostmark-ssh-keygen', frontEnd('ssh-keygen')],
  ] as const) {
    // A person says yes to what these two show.
    const yes = 'case "${1-} ${2-}" in "participant join" | "group import") set -- "$@" --yes ;; esac';
    const command = name === 'frostmark' ? `${yes}\nexec node "${program}" "$@"` : `exec "${program}" "$@"`;
    writeFileSync(join(bin, name), `#!/bin/sh\n${command}\n`, { mode: 0o755 });
  }
  writeFileSync(at('passphrase'), 'correct horse battery staple\n', { mode: 0o600 });
  writeFileSync(at('policy.yaml'), policy);
  writeFileSync(at('terminal'), '');
  for (const name of people) members.set(name, account(name));
  [coordinator, dave, target] = [account('coordinator'), account('dave'), account('target')];
});

afterAll(async () => {
  for (const started of running) started.end();
  await Promise.all(running.map(async ({ exit }) => await exit));
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function start(who: Account, text: string): Started {
  const started = who.start(text);
  running.push(started);
  return started;
}

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('it went well');
}

/** What it gives, or why not. */
function messageOfFailure<T>(run: () => T): T | string {
  try {
    return run();
  } catch (error) {
    return (error as Error).message;
  }
}

/** What the developer published, and what was pinned beforehand. */
function publish(...names: string[]): void {
  for (const name of names) cpSync(dave.path(name), target.path(name.replace(/^.*\//, '')));
}

/** Types the block as it is. */
const typed =
  (who: () => Account, inFolder = '.') =>
  (text: string): void => {
    who().type(text, inFolder);
  };

const fingerprint = (): string =>
  /^fpr:+([0-9A-F]{40}):/m.exec(target.type('gpg --show-keys --with-colons release.pgp').stdout)?.[1] ?? '';

/** All members at once, until each serves; whoever installs gets the line that they all print. */
async function makeTheKey(text: string): Promise<void> {
  const joining = [...members.values()].map((who) => start(who, text));
  const ready = async (one: Started): Promise<string> =>
    await one.find('that it serves', (line) => (line.startsWith('ready') ? line : undefined));
  const lines = await Promise.all(
    joining.map(async (one) => {
      await ready(one);
      return await one.find('the key', (line) => /^frostmark-group:\S+$/.exec(line)?.[0]);
    }),
  );
  expect(new Set(lines).size).toBe(1);
  for (const who of [dave, target]) writeFileSync(who.path('GROUP.pub'), `${lines[0]!}\n`);
}

/** In the order in which somebody would come to them. */
const runs: Readonly<Record<string, (text: string) => void | Promise<void>>> = {
  'README.md § Set it up by hand #1': (text) => {
    const [member = '', requester = ''] = commandsOf(text);
    for (const [name, who] of members)
      cards[name] = who
        .type(name === 'alice' ? member : filled(member, ['--name alice', `--name ${name}`]))
        .stdout.trim();
    cards['dave'] = dave.type(requester).stdout.trim();
  },
  'README.md § Set it up by hand #2': (text) => {
    const charter = filled(text, ...people.map((name) => ['frostmark-member:…', cards[name] ?? ''] as const));
    for (const who of [coordinator, dave, ...members.values()]) writeFileSync(who.path('charter.yaml'), charter);
  },
  'README.md § Set it up by hand #3': (text) => {
    const requesters = filled(text, ['frostmark-requester:…', cards['dave'] ?? '']);
    for (const who of members.values()) writeFileSync(who.path('requesters.yaml'), requesters);
  },
  'README.md § Set it up by hand #4': async (text) => {
    const [operator = '', holder = ''] = text.split(/^(?=# on each share holder)/m);
    const port = await freePort();
    for (const name of ['cert', 'key'])
      cpSync(join(root, `test/client/loopback-${name}.pem`), coordinator.path(`${name}.pem`));
    chmodSync(coordinator.path('key.pem'), 0o600);
    const serve = start(
      coordinator,
      filled(operator, ['0.0.0.0:7443', `127.0.0.1:${port}`], ['acme.example:7443', `localhost:${port}`]),
    );
    url = await serve.find('its URL', (line) => /(https:\/\/localhost:[^\s"]+#[\w-]+)/.exec(line)?.[1]);
    await makeTheKey(filled(holder, ['https://acme.example:7443/#…', url]));
  },
  'README.md § Set it up by hand #5': async (text) => {
    cpSync(join(root, 'dist/frostmark-verify.mjs'), dave.path('frostmark-verify.mjs'));
    writeFileSync(dave.path('acme-1.4.2.tgz'), 'acme 1.4.2\n');
    const commands = commandsOf(filled(text, ['https://acme.example:7443/#…', url]));
    const isOf = (command: string) => (line: string) => line.startsWith(command);
    const [sign, ...others] = commands.filter(isOf('frostmark sign'));
    expect([sign === undefined, others]).toEqual([false, []]);
    for (const command of commands.slice(0, commands.indexOf(sign!))) dave.type(command);
    const signing = start(dave, sign!);
    const id = await signing.find('the round', (line) => /submitted as round ([0-9a-f]{8,})/.exec(line)?.[1]);
    for (const name of ['alice', 'bob', 'hw-1']) {
      const said = commands
        .filter(isOf('frostmark participant'))
        .map((command) => members.get(name)!.type(command.replace('3fb1c2d4', id)).stdout);
      expect(said.join('\n')).toContain('acme-1.4.2.tgz');
    }
    await demand(signing, 0);
    for (const command of commands.filter((line) => / verify |frostmark-verify/.test(line))) dave.type(command);
  },
  'docs/stock-tools.md § Check it with what you have #1': (text) => {
    mkdirSync(dave.path('dist'));
    for (const name of ['tool.tgz', 'tool.txt']) writeFileSync(dave.path('dist', name), `${name}\n`);
    dave.type(text.replaceAll(/^frostmark sign/gm, 'frostmark sign --no-source'));
    publish('release.pgp', 'release.asc', 'allowed_signers', 'minisign.pub', 'dist/tool.tgz', 'dist/tool.txt');
    publish(...['', '.asc', '.sig', '.minisig'].map((end) => `dist/SHA256SUMS${end}`));
  },
  'docs/stock-tools.md § Check it with what you have #2': typed(() => target),
  'docs/stock-tools.md § gpgv #1': typed(() => target),
  'docs/stock-tools.md § gpg #1': (text) => {
    target.type('mkdir -m 700 ~/.gnupg && echo no-autostart > ~/.gnupg/gpg.conf');
    target.type(text);
  },
  'docs/stock-tools.md § The gate for gpgv and gpg #1': (text) => {
    target.type(filled(text, ['FINGERPRINT', fingerprint()]));
    expect(() => target.type(filled(text, ['FINGERPRINT', '0'.repeat(40)]))).toThrow('exit code 1');
  },
  'docs/stock-tools.md § sqv #1': typed(() => target),
  'docs/stock-tools.md § dnf and zypper #1': (text) => {
    mkdirSync(dave.path('repodata'));
    const data = `  <data type="primary"><checksum type="sha256">${'ab'.repeat(32)}</checksum></data>\n`;
    writeFileSync(
      dave.path('repodata', 'repomd.xml'),
      `<?xml version="1.0" encoding="UTF-8"?>\n<repomd xmlns="http://linux.duke.edu/metadata/repo">\n${data}</repomd>\n`,
    );
    dave.type(filled(text, ['frostmark sign', 'frostmark sign --no-source']));
    publish('repodata/repomd.xml', 'repodata/repomd.xml.asc');
    target.type('gpgv --keyring ./release.pgp repomd.xml.asc repomd.xml');
  },
  'docs/stock-tools.md § systemd-sysupdate #1': (text) => {
    target.type(text);
    target.type('gpg --verify SHA256SUMS.gpg SHA256SUMS');
  },
  'docs/stock-tools.md § ssh-keygen #1': typed(() => target),
  'docs/stock-tools.md § minisign #1': typed(() => target),
  'docs/stock-tools.md § openssl #1': (text) => {
    expect(dave.type(text).stdout).toContain('Signature Verified Successfully');
    writeFileSync(dave.path('acme-1.4.2.tgz'), 'another\n');
    expect(() => dave.type(text)).toThrow('exit code 1');
  },
  'docs/git-rpm-apt.md § Sign with the tools you have #1': (text) => {
    dave.type(
      'mkdir -p ~/.ssh dists/stable repository && cd dists/stable && : > Packages && apt-ftparchive release . > ../Release && mv ../Release .',
    );
    dave.type(
      'git init -q . && git config user.name Dave && git config user.email dave@acme.example && git commit -q --allow-empty -m First && cp ../GROUP.pub .',
      'repository',
    );
    dave.type(
      `printf '%s\\n' 'Name: acme' 'Version: 1.4.2' 'Release: 1' 'Summary: x' 'License: x' '%description' 'x' '%files' > acme.spec
rpmbuild -bb --target x86_64 --define "_topdir $PWD/rpm" --define '_build_name_fmt acme-1.4.2.x86_64.rpm' acme.spec
cp rpm/RPMS/acme-1.4.2.x86_64.rpm . && mkdir -m 700 ~/.gnupg && echo no-autostart > ~/.gnupg/gpg.conf
gpg --import release.asc && echo "%_dbpath $HOME/rpmdb" > ~/.rpmmacros`,
    );
    const signers = `git config gpg.ssh.allowedSignersFile ${dave.path('allowed_signers')}`;
    for (const command of commandsOf(text).filter((line) => line !== '' && !line.startsWith('#'))) {
      if (command.startsWith('git config gpg.format ssh')) dave.type(`git tag -d v1.4.2 && ${signers}`, 'repository');
      if (command.includes('debsign')) expect(command).toContain('-p frostmark-gpg -k');
      else if (/git /.test(command)) dave.type(command, 'repository');
      else if (command.includes(' rpmsign ')) dave.type(filled(command, ['/usr/local/bin/', `${bin}/`]));
      else dave.type(command.replace('frostmark sign', 'frostmark sign --no-source'));
    }
    dave.type('gpgv --keyring ./release.pgp dists/stable/InRelease');
    cpSync(dave.path('acme-1.4.2.x86_64.rpm'), target.path('acme.rpm'));
    cpSync(dave.path('repository'), target.path('repository'), { recursive: true });
  },
  'docs/stock-tools.md § rpm #1': (text) => {
    target.type('mkdir ~/rpmdb && echo "%_dbpath $HOME/rpmdb" > ~/.rpmmacros');
    expect(() => target.type(commandsOf(text)[1]!)).toThrow('exit code 1');
    target.type(text);
  },
  'docs/stock-tools.md § git #1': (text) => {
    target.type(filled(text, ['/path/', target.path('/')]), 'repository');
  },
  'docs/stock-tools.md § git #2': (text) => {
    target.type('git tag -d v1.4.2 && git config --unset gpg.format && cp ../release.asc .', 'repository');
    dave.type(
      'git tag -d v1.4.2 && git config --unset gpg.format && git config --unset user.signingKey && FROSTMARK_CHANNEL=production git tag -s -m x v1.4.2',
      'repository',
    );
    target.type(`git fetch -q --tags ${dave.path('repository')}`, 'repository');
    target.type(text, 'repository');
  },
  'docs/git-rpm-apt.md § What is not signed as it is #1': (text) => {
    dave.type('sha512sum acme-1.4.2.tgz > SHA512SUMS');
    dave.type(text.replace('frostmark sign', 'frostmark sign --no-source'));
    dave.type(
      'gpgv --keyring ./release.pgp SHA256SUMS.asc SHA256SUMS && sha256sum -c SHA256SUMS && sha512sum -c SHA512SUMS',
    );
  },
  'docs/revocation.md § When a key is lost #1': (text) => {
    dave.type('mkdir dev && echo dev > dev/tool.txt');
    const ofDevelopment = '--channel development --manifest dev/SHA256SUMS --format ssh --no-source';
    dave.type(`frostmark sign dev/tool.txt ${ofDevelopment}`);
    cpSync(dave.path('dev'), target.path('dev'), { recursive: true });
    expect(dave.type(`${commandsOf(text)[0]!} --dry-run`).stdout).toContain('because: a build server was stolen');
    dave.type(text);
    publish('GROUP.status', 'release+dev.pgp', 'revoked_keys', 'revoked_keys.sig', 'dist/tool.tgz.frostmark');
    expect(target.type('gpg --show-keys --with-colons release+dev.pgp').stdout).toMatch(/^sub:r:/m);
  },
  'docs/revocation.md § frostmark verify #1': (text) => {
    cpSync(join(root, 'dist/frostmark-verify.mjs'), target.path('frostmark-verify.mjs'));
    expect(target.type(text).stdout.match(/revokes nothing of it/g)).toHaveLength(3);
    const commands = commandsOf(text);
    expect(() => target.type(commands[1]!.replace('--min-status 1', '--min-status 3'))).toThrow('exit code 3');
    expect(target.type('frostmark verify tool.tgz --key GROUP.pub --json').stdout).toContain(
      '"revocation":{"checked":false}',
    );
  },
  'docs/revocation.md § ssh-keygen and git #1': (text) => {
    const [check = '', config = '', verify = ''] = commandsOf(text);
    target.type(check);
    const ofDevelopment = verify.replaceAll('SHA256SUMS', 'dev/SHA256SUMS');
    target.type(filled(ofDevelopment, [' -r revoked_keys', '']));
    expect(() => target.type(ofDevelopment)).toThrow('exit code 255');
    target.type('git init -q .');
    target.type(filled(config, ['/path/', target.path('/')]));
  },
  'docs/revocation.md § Ending a key as planned #1': async (text) => {
    const founders = [
      { name: 'next-1', tier: 'admin' },
      { name: 'next-2', tier: 'hardware' },
    ].map((member) => ({ ...member, who: account(member.name) }));
    const lines = founders.map(({ name, tier, who }) => {
      const [card = ''] = /frostmark-member:\S+/.exec(who.type(`frostmark participant init --name ${name}`).stdout)!;
      return `  - { name: ${name}, tier: ${tier}, card: '${card}' }\n`;
    });
    const charter = readFileSync(dave.path('charter.yaml'), 'utf8')
      .replace(/members:\n( {2}- .*\n)+/, `members:\n${lines.join('')}`)
      .replace('any: 3', 'any: 2');
    writeFileSync(coordinator.path('next.yaml'), charter);
    coordinator.type('frostmark coordinator admit next.yaml');
    const keys = await Promise.all(
      founders.map(async ({ who }) => {
        writeFileSync(who.path('charter.yaml'), charter);
        cpSync(members.get('alice')!.path('requesters.yaml'), who.path('requesters.yaml'));
        const join = 'frostmark participant join charter.yaml --requesters requesters.yaml';
        const one = start(who, `${join} --coordinator '${url}'\nfrostmark participant serve`);
        await one.find('that it serves', (line) => (line.startsWith('ready') ? line : undefined));
        return await one.find('the key', (line) => /^frostmark-group:\S+$/.exec(line)?.[0]);
      }),
    );
    writeFileSync(dave.path('NEW.pub'), `${keys[0]!}\n`);
    cpSync(dave.path('GROUP.pub'), dave.path('OLD.pub'));
    dave.type(`NEW_COORDINATOR='${url}'\n${text}`);
    publish('GROUP.endorsement', 'next-ssh.pub', 'next-ssh.pub.sig', 'OLD.pub');
    publish('next-minisign.pub', 'next-minisign.pub.minisig');
  },
  'docs/revocation.md § Ending a key as planned #2': (text) => {
    expect(target.type(text).stdout).toContain(`ENDORSED ${readFileSync(dave.path('NEW.pub'), 'utf8')}`);
  },
  'docs/import.md § Before #1': (text) => {
    const charter = readFileSync(dave.path('charter.yaml'), 'utf8').replace(/^openpgp: .*\n/m, text);
    expect(decodeCharter(new TextEncoder().encode(charter), 'charter.yaml').openpgp?.userId).toContain('Acme Releases');
    writeFileSync(dave.path('charter.yaml'), charter.replace(/^openpgp: .*\n/m, ''));
  },
  'docs/import.md § Before #2': (text) => {
    dave.type(`mkdir -m 700 old && export GNUPGHOME=old
gpg --batch --passphrase '' --quick-gen-key 'Old <old@acme.example>' ed25519 sign never 2>&1`);
    const key = /^fpr:+([0-9A-F]{40}):/m.exec(dave.type('GNUPGHOME=old gpg -k --with-colons').stdout)![1]!;
    const split = `export GNUPGHOME=old\ntrap 'gpgconf --kill all' EXIT\n${filled(text, ['FINGERPRINT', key])}`;
    // The line that the charter lacks is printed, as the page says.
    const said = messageOf(() => dave.type(split));
    const line = /run this again: (openpgp: .*)/.exec(said)?.[1] ?? said;
    writeFileSync(dave.path('charter.yaml'), `${readFileSync(dave.path('charter.yaml'), 'utf8')}${line}\n`);
    expect(dave.type(split).stdout).toContain('The key fits the charter');
  },
  'docs/import.md § Split it #1': (text) => {
    const charter = dave.type('cat charter.yaml').stdout;
    for (const name of people) {
      const newcomer = account(`import-${name}`);
      const card = newcomer.type(`frostmark participant init --name ${name}`).stdout.trim();
      newcomers.push(newcomer);
      dave.type(`sed -i 's#${cards[name]!}#${card}#' charter.yaml`);
    }
    expect(dave.type('cat charter.yaml').stdout).not.toBe(charter);
    for (const [index, newcomer] of newcomers.entries()) {
      cpSync(dave.path('charter.yaml'), newcomer.path('charter.yaml'));
      const file = `${people[index]!}.import-key`;
      newcomer.type(text.replace('alice.import-key', file));
      cpSync(newcomer.path(file), dave.path(file));
    }
  },
  'docs/import.md § Split it #2': (text) => {
    dave.type(text);
    expect(existsSync(dave.path('acme.frostmark-import'))).toBe(true);
  },
  ...Object.fromEntries(
    [1, 2].map((place) => [
      `docs/operating.md § Run it for good #${place}`,
      (text: string) => {
        const unit = filled(text, ['/usr/local/bin/frostmark', join(bin, 'frostmark')]);
        writeFileSync(at(`frostmark-${place}.service`), unit.replace(/^User=.*/m, 'User=nobody'));
        const verify = dave.type(`systemd-analyze verify ${at(`frostmark-${place}.service`)} 2>&1`);
        expect(verify.stdout).not.toMatch(/Unknown|Failed|error/i);
      },
    ]),
  ),
  ...Object.fromEntries(
    [3, 4].map((place) => [
      `docs/operating.md § Run it for good #${place}`,
      (text: string) => {
        const names = Object.keys(
          parseYaml(new TextEncoder().encode(text), 'config.yaml', 'bad-document').value as object,
        );
        const help = dave.type(`frostmark ${place === 3 ? 'coordinator' : 'participant'} serve --help`).stdout;
        for (const name of names) expect(help).toContain(`--${name} `);
      },
    ]),
  ),
  'docs/operating.md § The coordinator is lost #1': async (text) => {
    const show = `frostmark group show --json --group GROUP.pub --coordinator '${url}'`;
    const documents = (): unknown[] => {
      const { documents: found } = JSON.parse(dave.type(show).stdout) as { documents: Record<string, unknown>[] };
      // When a member said what it holds is not what it holds.
      return found.map(({ kind, channel, number, until }) => ({ kind, channel, number, until }));
    };
    const before = documents();
    expect(before).toContainEqual(expect.objectContaining({ kind: 'ssh-certificate', channel: 'development' }));
    const [serving] = running;
    serving!.end();
    await serving!.exit;
    mkdirSync(coordinator.path('backup'));
    for (const name of ['identity.pem', 'charters'])
      cpSync(join(coordinator.home, '.frostmark/coordinator', name), coordinator.path('backup', name), {
        recursive: true,
      });
    rmSync(join(coordinator.home, '.frostmark'), { recursive: true });
    const { port } = new URL(url);
    const again = start(
      coordinator,
      filled(text, ['0.0.0.0:7443', `127.0.0.1:${port}`], ['acme.example:7443', `localhost:${port}`]),
    );
    expect(await again.find('its URL', (line) => /(https:\/\/localhost:[^\s"]+#[\w-]+)/.exec(line)?.[1])).toBe(url);
    // Members come back by themselves, each in its own time.
    const found = async (): Promise<unknown[]> => {
      for (let look = 0; look < 60; look += 1) {
        const now = messageOfFailure(documents);
        if (Array.isArray(now) && now.length === before.length) return now;
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
      throw new Error('nobody brought the documents');
    };
    expect(await found()).toEqual(before);
  },
};

const needed = ['gpg', 'gpgv', 'sqv', 'minisign', 'ssh-keygen', 'git', 'rpmbuild', 'apt-ftparchive', 'openssl'];

describe('README.md and docs/', { timeout: 120_000 }, () => {
  const blocks = docBlocks();

  it('have no block that is neither run nor has a reason why not', () => {
    expect(Object.keys({ ...runs, ...notRun }).sort()).toEqual(blocks.map(({ id }) => id).sort());
    expect(Object.keys(runs).filter((id) => id in notRun)).toEqual([]);
  });

  it('have lines of at most 120 characters', () => {
    const pages = docFiles().flatMap((file) => readFileSync(join(root, file), 'utf8').split('\n'));
    expect(pages.filter((line) => line.length > 120)).toEqual([]);
  });

  describe.skipIf(!needed.every(hasTool))('in the order in which somebody comes to them', () => {
    it.each(Object.entries(runs))('do what they say: %s', async (id, go) => {
      await go(blocks.find((block) => block.id === id)!.text);
    });
  });
});
