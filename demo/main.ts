/** `npm run demo`: a whole company on one machine, with real processes, from a charter to a verified release, and then what must not work. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Company } from './company.ts';
import { packFresh } from './pack.ts';
import { demand, Started } from './process.ts';
import { hasStanding, isReady, roundWhere } from './round-stream.ts';
import { chapter, command, seen, tell } from './story.ts';

const sources = fileURLToPath(new URL('../..', import.meta.url));

const cli = fileURLToPath(new URL('../cli/main.js', import.meta.url));
const rebuild = fileURLToPath(new URL('rebuild.js', import.meta.url));
const oneFile = fileURLToPath(new URL('../frostmark-verify.mjs', import.meta.url));

/** What decides production: a rebuild, where there is a machine for it, or a person. */
const members = [
  { name: 'build-1', tier: 'build', decides: 'exec' },
  { name: 'alice', tier: 'admin', decides: 'ask' },
  { name: 'bob', tier: 'admin', decides: 'ask' },
  { name: 'hw-1', tier: 'hardware', decides: 'exec' },
  { name: 'hw-2', tier: 'hardware', decides: 'ask' },
] as const;

function policyOf(name: string): string {
  const development = '  - match: { kind: release, channel: development }\n    action: approve\n';
  if (members.find((member) => member.name === name)?.decides !== 'exec')
    return `rules:\n${development}  - action: ask\n`;
  const argv = JSON.stringify([process.execPath, rebuild, sources]);
  const exec = `{ run: ${argv}, timeout: 5m, same-user: accepted }`;
  return `rules:\n${development}  - match: { kind: release, channel: production }\n    action: exec\n    exec: ${exec}\n`;
}

async function makeTheKey(company: Company): Promise<void> {
  chapter('One key that nobody holds');
  tell(
    'Five share holders introduce themselves; their cards go into charter.yaml: who they are, and how many must sign.',
  );
  await company.introduce();
  await company.startCoordinator();
  tell(`A coordinator serves at ${company.coordinatorUrl.replace(/#.*/, '')}. Nobody has to trust it.`);
  command('frostmark participant join charter.yaml --requesters requesters.yaml --coordinator URL     (five times)');
  await company.makeKey();
  seen(`all five made ${company.groupLine.slice(0, 34)}… together: GROUP.pub is all an installer ever needs`);
  tell('Each starts its daemon. Two rebuild what they are asked to sign, by a program that may run as their own user:');
  tell('their policy says "same-user: accepted" aloud; give it a sandbox or a user of its own when you mean it.');
  await Promise.all(members.map(async ({ name }) => await company.serve(name, policyOf(name))));
  seen('five daemons are ready');
}

async function developmentBuild(company: Company): Promise<void> {
  chapter('A development build needs nobody');
  writeFileSync(company.path('nightly.txt'), 'a build of tonight\n');
  command('frostmark sign nightly.txt --channel development --group GROUP.pub');
  await demand(company.sign('dave', 'nightly.txt', 'development'), 0);
  await company.run(['verify', 'nightly.txt', '--key', 'GROUP.pub', '--channel', 'development']);
  seen('signed by the two hardware hosts, and verified; no admin was asked');
}

/** One certificate for gpg and its kin, made once by a round like any other. */
async function certify(company: Company): Promise<void> {
  chapter('Installers keep the tools they have');
  command('frostmark group certify openpgp --group GROUP.pub');
  const where = ['--group', 'GROUP.pub', '--coordinator', company.coordinatorUrl, '--home', company.path('dave')];
  const certifying = company.start(['group', 'certify', 'openpgp', ...where, '--json']);
  const { id } = await roundWhere(certifying, 'the round', () => true);
  await Promise.all(['alice', 'bob', 'hw-2'].map(async (name) => await company.approve(name, id)));
  await demand(certifying, 0);
  await company.run(['group', 'export', '--format', 'openpgp', '--out', 'release.pgp', ...where]);
  await company.run(['group', 'export', '--format', 'minisign', '--out', 'minisign.pub', ...where]);
  seen('alice, bob and hw-2 signed an OpenPGP certificate: release.pgp for gpg, minisign.pub for minisign');
}

async function productionRelease(company: Company): Promise<string> {
  chapter('A production release needs three, whoever fails');
  tell('dave builds this very package from its sources and asks for a signature on the tarball.');
  const packed = packFresh(sources, company.path('dave-build'));
  const tarball = join('dave-build', packed.name);
  command(
    `frostmark sign ${packed.name} --channel production --product frostmark --release 0.1.0 --group GROUP.pub \\`,
  );
  command('    --manifest SHA256SUMS --format openpgp,minisign');
  const named = ['--product', 'frostmark', '--release', '0.1.0'];
  const stock = ['--manifest', join('dave-build', 'SHA256SUMS'), '--format', 'openpgp,minisign'];
  const signing = company.sign('dave', tarball, 'production', [...named, ...stock]);
  tell('build-1 and hw-1 build it again, each in an empty folder of its own …');
  const { id } = await roundWhere(signing, 'build-1 approves and is ready', isReady('build-1'));
  await roundWhere(signing, 'hw-1 approves and is ready', isReady('hw-1'));
  seen('… and approve: the same bytes came out. One approval is missing.');
  company.daemon('hw-1').signal('SIGSTOP');
  tell('Just now hw-1 hangs (SIGSTOP). Its approval and its commitment are in, so it counts as ready.');
  command(`frostmark participant approve ${id.slice(0, 8)}     (alice)`);
  await company.approve('alice', id);
  await roundWhere(signing, 'an attempt with hw-1', (round) =>
    round.attempts.some(({ signers }) => signers.includes('hw-1')),
  );
  seen('the first attempt lists build-1, alice and hw-1, and waits for hw-1');
  company.daemon('hw-1').signal('SIGKILL');
  await company.daemon('hw-1').exit;
  command(`frostmark participant approve ${id.slice(0, 8)}     (bob; hw-1 was just killed)`);
  await company.approve('bob', id);
  const signed = await roundWhere(signing, 'the signature', ({ outcome }) => outcome === 'signed');
  await demand(signing, 0);
  const signers = signed.signers.join(', ');
  if (signers !== 'build-1, alice, bob') throw new Error(`signed by ${signers}`);
  seen(`signed by ${signers}`);
  const daemon = await company.serve('hw-1', policyOf('hw-1'));
  await daemon.find('the round that it missed', (line) =>
    line.includes('signed') && line.includes(id.slice(0, 8)) ? line : undefined,
  );
  seen('hw-1 is back and has caught up');
  return tarball;
}

async function verifyIt(company: Company, tarball: string): Promise<void> {
  chapter('Anybody verifies, with one pinned key');
  command(`frostmark verify ${tarball} --key GROUP.pub --product frostmark --min-release 0.1.0`);
  const claims = ['--key', 'GROUP.pub', '--product', 'frostmark', '--min-release', '0.1.0'];
  const { stdout } = await company.run(['verify', tarball, ...claims]);
  for (const line of stdout.trim().split('\n')) tell(line);
  await demand(new Started(process.execPath, [oneFile, tarball, ...claims], { cwd: company.plan.folder }), 0);
  seen('accepted by frostmark verify, and by the one-file verifier that an installer ships');
  const beside = join(company.plan.folder, 'dave-build');
  for (const { tool, args } of stockTools) {
    if (!isInstalled(tool)) {
      tell(`${tool} is not installed here; with it: ${tool} ${args.join(' ')}`);
      continue;
    }
    command(`${tool} ${args.join(' ')}`);
    await demand(new Started(tool, args, { cwd: beside }), 0);
    seen(`accepted by ${tool}`);
  }
}

/** What judges the manifest and its files, in the folder of the release. */
const stockTools = [
  { tool: 'gpgv', args: ['--keyring', '../release.pgp', 'SHA256SUMS.asc', 'SHA256SUMS'] },
  { tool: 'minisign', args: ['-V', '-H', '-p', '../minisign.pub', '-m', 'SHA256SUMS'] },
  { tool: 'sha256sum', args: ['--check', '--strict', 'SHA256SUMS'] },
] as const;

function isInstalled(tool: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some((folder) => existsSync(join(folder, tool)));
}

/** A copy with one byte changed. */
function tamper(company: Company, from: string, to: string): void {
  const bytes = readFileSync(company.path(from));
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  writeFileSync(company.path(to), bytes);
}

async function whatMustNotWork(company: Company, tarball: string): Promise<void> {
  chapter('What must not work');
  mkdirSync(company.path('changed'));
  const inChanged = join('changed', basename(tarball));
  tamper(company, tarball, inChanged);
  await company.run(['verify', inChanged, '--bundle', `${tarball}.frostmark`, '--key', 'GROUP.pub'], 3);
  seen('the release with one byte changed: refused (exit 3)');
  await company.run(['verify', 'nightly.txt', '--key', 'GROUP.pub'], 3);
  seen('the development build as production: refused (exit 3)');

  tell('Somebody changes the tarball before it is signed. Another asks for a product that is none of ours.');
  const ofTampered = ['--product', 'frostmark', '--release', '0.1.0'];
  const ofOther = ['--product', 'other', '--release', '1.0.0'];
  writeFileSync(company.path('other.bin'), 'not built here\n');
  const tampered = company.sign('dave', inChanged, 'production', ofTampered);
  const other = company.sign('dave', 'other.bin', 'production', ofOther);
  const submitted = (signing: Started) => roundWhere(signing, 'the round', () => true);
  const [one, two] = await Promise.all([submitted(tampered), submitted(other)]);
  await Promise.all([
    company.approve('alice', one.id),
    company.approve('bob', one.id),
    company.approve('alice', two.id),
    company.approve('bob', two.id),
  ]);
  await Promise.all(
    [one, two].map(async (round) => {
      const signing = round === one ? tampered : other;
      await roundWhere(signing, 'two approvals', hasStanding('approved', 'alice', 'bob'));
      await roundWhere(signing, 'two refusals', hasStanding('refused', 'build-1', 'hw-1'));
    }),
  );
  seen('alice and bob approved both; build-1 and hw-1 rebuilt and refused');
  // The same submission joins the round that is there, now with all decisions in.
  const late = ['--wait', '3s'];
  const atDeadline = [
    company.sign('dave', inChanged, 'production', [...ofTampered, ...late]),
    company.sign('dave', 'other.bin', 'production', [...ofOther, ...late]),
  ];
  await Promise.all(atDeadline.map(async (signing) => await demand(signing, 5)));
  seen('two admins cannot save what the build hosts refuse: still pending at the deadline (exit 5), both');
}

async function main(): Promise<void> {
  const folder = join(process.cwd(), 'demo-run');
  rmSync(folder, { recursive: true, force: true });
  const company = new Company({
    folder,
    cli,
    members,
    requesters: [{ name: 'dave', channels: ['development', 'production'] }],
    channels: {
      production: '{ quorum: { any: 3 }, expiry: 72h }',
      development: '{ quorum: { hardware: 2 }, expiry: 1h, validity: 90d }',
    },
    openpgp: '{ userId: "frostmark demo <release@demo.example>", created: 2026-01-01T00:00:00Z }',
  });
  process.once('SIGINT', () => {
    void company.end().finally(() => process.exit(130));
  });
  try {
    await makeTheKey(company);
    await developmentBuild(company);
    await certify(company);
    const tarball = await productionRelease(company);
    await verifyIt(company, tarball);
    await whatMustNotWork(company, tarball);
  } finally {
    await company.end();
  }
  chapter('Done: every step did what it said');
  tell('Look around in demo-run: the charter, GROUP.pub, five homes, the signed tarball and its bundle.');
}

await main();
