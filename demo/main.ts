/** `npm run demo`: a whole company on one machine, with real processes, from a charter to a verified release, and then what must not work. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Cast, members } from './actors.ts';
import { packFresh } from './pack.ts';
import { demand, run, Started } from './process.ts';
import { chapter, command, seen, tell } from './story.ts';

const sources = fileURLToPath(new URL('../..', import.meta.url));

/** A round as `sign --json` streams it. */
interface Round {
  readonly id: string;
  readonly outcome: string;
  readonly quorum: readonly {
    readonly members: readonly {
      readonly name: string;
      readonly standing: string;
      readonly ready: boolean;
      readonly reason: string | null;
    }[];
  }[];
  readonly attempts: readonly { readonly signers: readonly number[]; readonly open: boolean }[];
  readonly signers: readonly number[];
}

function roundOf(line: string): Round | undefined {
  if (!line.startsWith('{')) return undefined;
  const event = JSON.parse(line) as { readonly event?: string; readonly round?: Round };
  return event.round;
}

const namesOf = (identifiers: readonly number[]): string[] =>
  identifiers.map((identifier) => members[identifier - 1]?.name ?? '?');

/** Waits until a streamed round satisfies `is`. */
async function roundWhere(signing: Started, what: string, is: (round: Round) => boolean): Promise<Round> {
  return await signing.find(what, (line) => {
    const round = roundOf(line);
    return round !== undefined && is(round) ? round : undefined;
  });
}

function memberIn(round: Round, name: string) {
  return round.quorum.flatMap((sharing) => sharing.members).find((member) => member.name === name);
}

const approved =
  (name: string) =>
  (round: Round): boolean =>
    memberIn(round, name)?.standing === 'approved';
const ready =
  (name: string) =>
  (round: Round): boolean =>
    memberIn(round, name)?.ready === true;
const refused =
  (name: string) =>
  (round: Round): boolean =>
    memberIn(round, name)?.standing === 'refused';

async function makeTheKey(cast: Cast): Promise<void> {
  chapter('One key that nobody holds');
  tell(
    'Five share holders introduce themselves; their cards go into charter.yaml: who they are, and how many must sign.',
  );
  await cast.introduce();
  await cast.startCoordinator();
  tell(`A coordinator serves at ${cast.coordinatorUrl.replace(/#.*/, '')}. Nobody has to trust it.`);
  command('frostmark participant join charter.yaml --requesters requesters.yaml --coordinator URL     (five times)');
  await cast.join();
  seen(`all five made ${cast.groupLine.slice(0, 34)}… together: GROUP.pub is all an installer ever needs`);
  tell('Each starts its daemon. Two rebuild what they are asked to sign, by a program that may run as their own user:');
  tell('their policy says "same-user: accepted" aloud; give it a sandbox or a user of its own when you mean it.');
  await Promise.all(members.map(async ({ name }) => await cast.serve(name)));
  seen('five daemons are ready');
}

async function developmentBuild(cast: Cast): Promise<void> {
  chapter('A development build needs nobody');
  writeFileSync(cast.path('nightly.txt'), 'a build of tonight\n');
  command('frostmark sign nightly.txt --channel development --group GROUP.pub');
  await demand(cast.sign('nightly.txt', 'development', []), 0);
  await run(['verify', 'nightly.txt', '--key', 'GROUP.pub', '--channel', 'development'], cast.folder);
  seen('signed by the two hardware hosts, and verified; no admin was asked');
}

async function productionRelease(cast: Cast): Promise<string> {
  chapter('A production release needs three, whoever fails');
  tell('dave builds this very package from its sources and asks for a signature on the tarball.');
  const packed = packFresh(sources, cast.path('dave-build'));
  const tarball = join('dave-build', packed.name);
  command(`frostmark sign ${packed.name} --channel production --product frostmark --release 0.1.0 --group GROUP.pub`);
  const signing = cast.sign(tarball, 'production', ['--product', 'frostmark', '--release', '0.1.0']);
  tell('build-1 and hw-1 build it again, each in an empty folder of its own …');
  const { id } = await roundWhere(signing, 'build-1 approves and is ready', ready('build-1'));
  await roundWhere(signing, 'hw-1 approves and is ready', ready('hw-1'));
  seen('… and approve: the same bytes came out. One approval is missing.');
  cast.daemon('hw-1').signal('SIGSTOP');
  tell('Just now hw-1 hangs (SIGSTOP). Its approval and its commitment are in, so it counts as ready.');
  command(`frostmark participant approve ${id.slice(0, 8)}     (alice)`);
  await cast.approve('alice', id);
  await roundWhere(signing, 'an attempt with hw-1', (round) =>
    round.attempts.some(({ signers }) => namesOf(signers).includes('hw-1')),
  );
  seen('the first attempt lists build-1, alice and hw-1, and waits for hw-1');
  cast.daemon('hw-1').signal('SIGKILL');
  await cast.daemon('hw-1').exit;
  command(`frostmark participant approve ${id.slice(0, 8)}     (bob; hw-1 was just killed)`);
  await cast.approve('bob', id);
  const signed = await roundWhere(signing, 'the signature', ({ outcome }) => outcome === 'signed');
  await demand(signing, 0);
  const signers = namesOf(signed.signers).join(', ');
  if (signers !== 'build-1, alice, bob') throw new Error(`signed by ${signers}`);
  seen(`signed by ${signers}`);
  const daemon = await cast.serve('hw-1');
  await daemon.find('the round that it missed', (line) =>
    line.includes('signed') && line.includes(id.slice(0, 8)) ? line : undefined,
  );
  seen('hw-1 is back and has caught up');
  return tarball;
}

async function verifyIt(cast: Cast, tarball: string): Promise<void> {
  chapter('Anybody verifies, with one pinned key');
  command(`frostmark verify ${tarball} --key GROUP.pub --product frostmark --min-release 0.1.0`);
  const claims = ['--key', 'GROUP.pub', '--product', 'frostmark', '--min-release', '0.1.0'];
  const { stdout } = await run(['verify', tarball, ...claims], cast.folder);
  for (const line of stdout.trim().split('\n')) tell(line);
  const oneFile = fileURLToPath(new URL('../frostmark-verify.mjs', import.meta.url));
  await demand(new Started(process.execPath, [oneFile, tarball, ...claims], { cwd: cast.folder }), 0);
  seen('accepted by frostmark verify, and by the one-file verifier that an installer ships');
}

/** A copy with one byte changed. */
function tamper(cast: Cast, from: string, to: string): void {
  const bytes = cast.read(from);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  writeFileSync(cast.path(to), bytes);
}

async function whatMustNotWork(cast: Cast, tarball: string): Promise<void> {
  chapter('What must not work');
  const changed = mkdtempSync(join(cast.folder, 'changed-'));
  const name = tarball.split('/').at(-1) ?? '';
  const inChanged = join(changed.split('/').at(-1) ?? '', name);
  tamper(cast, tarball, inChanged);
  await run(['verify', inChanged, '--bundle', `${tarball}.frostmark`, '--key', 'GROUP.pub'], cast.folder, 3);
  seen('the release with one byte changed: refused (exit 3)');
  await run(['verify', 'nightly.txt', '--key', 'GROUP.pub'], cast.folder, 3);
  seen('the development build as production: refused (exit 3)');

  tell('Somebody changes the tarball before it is signed. Another asks for a product that is none of ours.');
  const wait = ['--wait', '25s'];
  const tampered = cast.sign(inChanged, 'production', ['--product', 'frostmark', '--release', '0.1.0', ...wait]);
  writeFileSync(cast.path('other.bin'), 'not built here\n');
  const other = cast.sign('other.bin', 'production', ['--product', 'other', '--release', '1', ...wait]);
  const submitted = (signing: Started) => roundWhere(signing, 'the round', () => true);
  const [one, two] = await Promise.all([submitted(tampered), submitted(other)]);
  await Promise.all([
    cast.approve('alice', one.id),
    cast.approve('bob', one.id),
    cast.approve('alice', two.id),
    cast.approve('bob', two.id),
  ]);
  await Promise.all(
    [one, two].map(async (round) => {
      const signing = round === one ? tampered : other;
      await roundWhere(signing, 'two approvals', (now) => approved('alice')(now) && approved('bob')(now));
      await roundWhere(signing, 'two refusals', (now) => refused('build-1')(now) && refused('hw-1')(now));
    }),
  );
  seen('alice and bob approved both; build-1 and hw-1 rebuilt and refused');
  await Promise.all([demand(tampered, 5), demand(other, 5)]);
  seen('two admins cannot save what the build hosts refuse: still pending at the deadline (exit 5), both');
}

async function main(): Promise<void> {
  const folder = join(process.cwd(), 'demo-run');
  rmSync(folder, { recursive: true, force: true });
  const cast = new Cast(folder, sources);
  process.once('SIGINT', () => {
    void cast.end().finally(() => process.exit(130));
  });
  try {
    await makeTheKey(cast);
    await developmentBuild(cast);
    const tarball = await productionRelease(cast);
    await verifyIt(cast, tarball);
    await whatMustNotWork(cast, tarball);
  } finally {
    await cast.end();
  }
  chapter('Done: every step did what it said');
  tell('Look around in demo-run: the charter, GROUP.pub, five homes, the signed tarball and its bundle.');
}

await main();
