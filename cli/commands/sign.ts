/** `frostmark sign` */
import type { HashProgress } from '../../requester/artifacts.ts';
import type { Signed, SignWish } from '../../requester/sign.ts';
import type { SignSubject } from '../../requester/subject.ts';
import { printable } from '../../verifier/printable.ts';
import { askingOptions } from '../ask-coordinator.ts';
import { defineCommand, flag, list, text, type Call } from '../command.ts';
import { CommandError } from '../errors.ts';
import type { Output } from '../output.ts';
import { HashLine } from '../text/progress.ts';
import { connectToAsk, submitAndWait, waitingOptions } from '../waiting.ts';

const options = {
  channel: text('CHANNEL', 'production, development, …'),
  ...askingOptions,
  product: text('P', 'what the files are, such as acme-cli'),
  release: text('R', 'which version, such as 1.4.2'),
  'any-release': flag('take a release that --min-release can never compare, such as nightly'),
  format: list('F,...', 'openpgp, openpgp-cleartext, ssh, minisign (native comes with files)'),
  manifest: text('NAME', 'make a manifest of the files, such as SHA256SUMS, for stock tools'),
  kind: text(
    'KIND',
    'sign one file whole: text, manifest, apt-release, debian-control, git-tag, git-commit, rpm-header',
  ),
  'no-source': flag('leave repository, ref and commit out'),
  ...waitingOptions,
  force: flag('replace files that are in the way and are no earlier results'),
  'dry-run': flag('show what would be asked and who could approve; ask nothing'),
} as const;

type SignCall = Call<typeof options>;

/**
 * One round over all files. JSON: the files that were written, `{ id }` with `--no-wait`, or what `dryRunJson` gives. Throws what
 * `submitAndWait` does, and `RequesterError` before anything is asked.
 */
export const command = defineCommand({
  home: 'asker',
  arguments: [{ name: '<file...>', help: 'the files to sign, together in one request' }],
  options,
  about: `Asks the group to sign files and waits until enough members have approved.
The signature is verified here, as an installer would do it, and written beside
each file as FILE.frostmark. The files stay here: only names, sizes and digests
are sent. In a git working tree, repository, ref and commit go with the request.
The same command again (who asks, files, channel, formats, manifest, product,
release, source, note) is the same request: it joins its round, fetches what was
signed, or tells who refused; --again asks anew. With --no-wait it asks, or looks
what became of it: exit code 0 asked now, or signed; 5 still pending.
With --manifest the files' digests are signed for gpg, ssh-keygen and minisign,
too, in the same round; with --kind one small file is, and travels whole.`,
  example: `frostmark sign acme-1.4.2.tgz --channel production --product acme --release 1.4.2 \\
  --group GROUP.pub --coordinator https://sign.example.org:7443/#AbC…`,
  next: `Publish FILE.frostmark beside FILE. Whoever installs checks it with
frostmark verify FILE --key GROUP.pub`,
  run: async (call) => {
    const { settings, output, world } = call;
    const { finishSigning, planSigning, prepareSigning } = await import('../../requester/sign.ts');
    const plan = await planSigning(await wishOf(call), { anyRelease: settings['any-release'] });
    if (plan.leftOut.length > 0)
      output.talk(`left out, because this command writes them: ${plan.leftOut.map(printable).join(', ')}`);
    const isDry = settings['dry-run'] === true;
    using connection = await connectToAsk(call);
    const signing = await hashing(output, (onHash) =>
      prepareSigning(connection, plan, { nowUnixSeconds: world.nowUnixSeconds(), force: settings.force, onHash }),
    );
    if (isDry) {
      const { dryRunPage, dryRunJson } = await import('../text/dry-run.ts');
      const { submission } = signing;
      output.result(dryRunPage(connection.group, submission), dryRunJson(connection.group, submission));
      return;
    }
    const { digest, view } = await submitAndWait(call, connection, signing.submission);
    if (view === undefined) output.result(digest, { id: digest });
    else tellSigned(output, await finishSigning(connection, signing, view, world.nowUnixSeconds()));
  },
});

/** Throws `CommandError('usage')` for flags that do not go together. */
async function wishOf(call: SignCall): Promise<SignWish> {
  const { settings, world, output } = call;
  const { channel, product, release, note } = settings;
  if (channel === undefined)
    throw new CommandError('usage', 'no --channel was given', 'For example: --channel development');
  const { formats, subject } = subjectOf(call);
  if (subject.kind === 'document') await assertKind(subject.documentKind);
  const { readSource } = await import('../../requester/source.ts');
  const { source, warnings } =
    settings['no-source'] === true ? { source: null, warnings: [] } : await readSource(world.folder);
  for (const warning of warnings) output.warn(warning);
  return { channel, subject, formats, product, release, source, note };
}

/** Throws `CommandError('usage')`. */
function subjectOf({ args, settings }: Pick<SignCall, 'args' | 'settings'>): Pick<SignWish, 'formats' | 'subject'> {
  const { manifest, kind, format = [] } = settings;
  const formats = format.filter((name) => name !== 'native');
  if (manifest !== undefined && kind !== undefined)
    throw new CommandError('usage', '--manifest and --kind do not go together', 'A manifest is of its own kind.');
  if (manifest !== undefined) return { formats, subject: { kind: 'manifest', paths: args, manifestPath: manifest } };
  if (kind !== undefined)
    return { formats, subject: documentOf(args, kind, formats.length === format.length ? formats : []) };
  if (formats.length > 0)
    throw new CommandError(
      'usage',
      `${formats.join(', ')} sign${formats.length === 1 ? 's' : ''} a document that every member reads whole, not files of any size`,
      'Add --manifest SHA256SUMS, or --kind KIND for one small file.',
    );
  return { formats, subject: { kind: 'files', paths: args } };
}

/** Throws `CommandError('usage')` for more than one file, or no format to sign it in. */
function documentOf(args: readonly string[], documentKind: string, formats: readonly string[]): SignSubject {
  const [path, ...more] = args;
  if (path === undefined || more.length > 0 || formats.length === 0)
    throw new CommandError(
      'usage',
      '--kind signs one file as a whole document, in formats of stock tools',
      'For example: frostmark sign Release --kind apt-release --format openpgp,openpgp-cleartext',
    );
  return { kind: 'document', documentKind, path };
}

/** Throws `CommandError('usage')`. */
async function assertKind(kind: string): Promise<void> {
  const { documentKinds } = await import('../../protocol/documents/index.ts');
  if (!documentKinds.includes(kind))
    throw new CommandError('usage', `there is no document kind ${kind}`, `There are ${documentKinds.join(', ')}.`);
}

/** A line shows how far it is while `work` hashes. */
async function hashing<T>(output: Output, work: (onHash: (progress: HashProgress) => void) => Promise<T>): Promise<T> {
  using line = new HashLine(output);
  return await work(({ path, hashedBytes, totalBytes }) => line.show(path, hashedBytes, totalBytes));
}

function tellSigned(output: Output, { request, signers, files, bundles, written }: Signed): void {
  output.talk(`signed by ${signers.join(', ')}; the signature is verified`);
  output.result(written.join('\n'), {
    event: 'signed',
    id: request.digest,
    channel: request.payload.channel,
    signers,
    files: files.map(({ path, name, size, sha256 }, index) => ({ path, name, size, sha256, bundle: bundles[index] })),
    written,
  });
}
