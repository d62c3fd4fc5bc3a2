/** `frostmark sign` */
import type { ArtifactFile } from '../../requester/artifacts.ts';
import type { Connection } from '../../requester/connection.ts';
import type { FinishedFile } from '../../protocol/formats/index.ts';
import type { Submission, WholeDocument } from '../../requester/request.ts';
import type { RoundView } from '../../requester/round-view.ts';
import { askingOptions, connectAsAsker } from '../ask-coordinator.ts';
import { defineCommand, flag, list, text, type Call } from '../command.ts';
import { CommandError } from '../errors.ts';
import { HashLine } from '../text/progress.ts';
import { parseWait, submitAndWait, waitingOptions } from '../waiting.ts';

const options = {
  channel: text('CHANNEL', 'production, development, …'),
  ...askingOptions,
  product: text('P', 'what the files are, such as acme-cli'),
  release: text('R', 'which version, such as 1.4.2'),
  format: list('F,...', 'openpgp, openpgp-cleartext, ssh, minisign (native comes with files)'),
  manifest: text('NAME', 'make a manifest of the files, such as SHA256SUMS, for stock tools'),
  kind: text('KIND', 'sign one file whole: text, apt-release, git-tag, git-commit, rpm-header'),
  'no-source': flag('leave repository, ref and commit out'),
  ...waitingOptions,
  'dry-run': flag('show what would be asked and who could approve; ask nothing'),
} as const;

type SignCall = Call<typeof options>;

export const command = defineCommand({
  home: 'asker',
  arguments: [{ name: '<file...>', help: 'the files to sign, together in one request' }],
  options,
  about: `Asks the group to sign files and waits until enough members have approved.
The signature is verified here, as an installer would do it, and written beside
each file as FILE.frostmark. The files stay here: only names, sizes and digests
are sent. In a git working tree, repository, ref and commit go with the request.
The same command again joins the request that exists.
With --manifest the files' digests are signed for gpg, ssh-keygen and minisign,
too, in the same round; with --kind one small file is, and travels whole.

Exit code: 0 signed, 1 failed, 2 wrong usage, 3 the result is not valid,
4 not allowed, 5 still pending at the deadline, 6 refused, 7 expired, 8 members
misbehaved.`,
  example: `frostmark sign acme-1.4.2.tgz --channel production --product acme --release 1.4.2 \\
  --group GROUP.pub --coordinator https://sign.example.org:7443/#AbC…`,
  next: `Publish FILE.frostmark beside FILE. Whoever installs checks it with
frostmark verify FILE --key GROUP.pub`,
  run: async (call) => {
    const { args, settings, output, world } = call;
    const { channel } = settings;
    if (channel === undefined)
      throw new CommandError('usage', 'no --channel was given', 'For example: --channel development');
    parseWait(call);
    const plan = planOf(call);
    if (plan.kind !== undefined) await assertKind(plan.kind);
    const { assertArtifacts } = await import('../../requester/artifacts.ts');
    await assertArtifacts(args);
    using connection = await connectAsAsker(call);
    if (settings['dry-run'] !== true) {
      await assertDelegated(connection, channel, world.nowUnixSeconds());
      await assertInstallable(connection, plan, channel, world.nowUnixSeconds());
    }
    const subject = await readSubject(call, plan);
    const submission = await buildRequest(call, connection, channel, { formats: plan.formats, subject });
    if (settings['dry-run'] === true) {
      const { dryRunPage, dryRunJson } = await import('../text/dry-run.ts');
      output.result(dryRunPage(connection.group, submission), dryRunJson(connection.group, submission));
      return;
    }
    const { digest, view } = await submitAndWait(call, connection, submission);
    if (view === undefined) output.result(digest, { id: digest });
    else await finish(call, connection, subject, view);
  },
});

/** A signature that no verifier would accept is not asked for. */
async function assertDelegated({ group }: Connection, channel: string, nowUnixSeconds: number): Promise<void> {
  const { channelOf } = await import('../../protocol/files/charter.ts');
  const { delegationFor } = await import('../../requester/bundle.ts');
  channelOf(group.epoch.charter, channel);
  delegationFor(group, channel, nowUnixSeconds);
}

async function assertInstallable(
  connection: Connection,
  { formats }: Plan,
  channel: string,
  nowUnixSeconds: number,
): Promise<void> {
  if (!formats.some((format) => format !== 'native' && format !== 'minisign')) return;
  const { assertCertified, readIssued } = await import('../../requester/issued.ts');
  assertCertified(await readIssued(connection), formats, channel, nowUnixSeconds);
}

/** What the flags ask for. */
interface Plan {
  readonly formats: readonly string[];
  /** Path of the manifest that is made of the files, if one is. */
  readonly manifest: string | undefined;
  /** What the one file is, if it is signed as a whole document. */
  readonly kind: string | undefined;
}

/** Throws `CommandError('usage')` for flags that do not go together. */
function planOf({ args, settings }: Pick<SignCall, 'args' | 'settings'>): Plan {
  const { manifest, kind, format } = settings;
  const whole = (format ?? []).filter((name) => name !== 'native');
  if (manifest !== undefined && kind !== undefined)
    throw new CommandError('usage', '--manifest and --kind do not go together', 'A manifest is of its own kind.');
  if (kind !== undefined && (args.length !== 1 || whole.length === 0 || whole.length !== format?.length))
    throw new CommandError(
      'usage',
      '--kind signs one file as a whole document, in formats of stock tools',
      'For example: frostmark sign Release --kind apt-release --format openpgp,openpgp-cleartext',
    );
  if (kind === undefined && manifest === undefined && whole.length > 0)
    throw new CommandError(
      'usage',
      `${whole.join(', ')} sign${whole.length === 1 ? 's' : ''} a document that every member reads whole, not files of any size`,
      'Add --manifest SHA256SUMS, or --kind KIND for one small file.',
    );
  return { formats: kind === undefined ? ['native', ...whole] : whole, manifest, kind };
}

/** Throws `CommandError('usage')`. */
async function assertKind(kind: string): Promise<void> {
  const { documentKinds } = await import('../../protocol/documents/index.ts');
  if (!documentKinds.includes(kind))
    throw new CommandError('usage', `there is no document kind ${kind}`, `There are ${documentKinds.join(', ')}.`);
}

async function hash({ args, output }: SignCall): Promise<ArtifactFile[]> {
  const { hashArtifacts } = await import('../../requester/artifacts.ts');
  using line = new HashLine(output);
  return await hashArtifacts(args, ({ path, hashedBytes, totalBytes }) => line.show(path, hashedBytes, totalBytes));
}

/** What is asked for, with the files it is about. */
interface Subject {
  /** Signed by their digests. */
  readonly files: readonly ArtifactFile[];
  /** Signed whole. */
  readonly document: (WholeDocument & { readonly path: string }) | undefined;
}

async function readSubject(call: SignCall, { manifest, kind }: Plan): Promise<Subject> {
  if (kind !== undefined) {
    const { readWholeDocument } = await import('../../requester/artifacts.ts');
    const [path = ''] = call.args;
    return { files: [], document: { kind, path, bytes: await readWholeDocument(path) } };
  }
  const files = await hash(call);
  if (manifest === undefined) return { files, document: undefined };
  const { manifestOf } = await import('../../protocol/documents/manifest.ts');
  return { files, document: { kind: 'manifest', path: manifest, bytes: manifestOf(files) } };
}

async function buildRequest(
  { settings, output, world }: SignCall,
  { group, identity }: Connection,
  channel: string,
  { formats, subject: { files, document } }: Pick<Plan, 'formats'> & { readonly subject: Subject },
): Promise<Submission> {
  const { readSource } = await import('../../requester/source.ts');
  const { askForRelease } = await import('../../requester/request.ts');
  const { source, warnings } =
    settings['no-source'] === true ? { source: null, warnings: [] } : await readSource(world.folder);
  for (const warning of warnings) output.warn(warning);
  const wish = {
    channel,
    formats,
    artifacts: files,
    document,
    product: settings.product,
    release: settings.release,
    source,
    note: settings.note,
  };
  return askForRelease(group, wish, identity, world.nowUnixSeconds());
}

/** The group is asked for once more: its delegation may have been renewed while we waited. */
async function finish(
  { output, world }: SignCall,
  connection: Connection,
  { files, document }: Subject,
  view: RoundView,
): Promise<void> {
  const { assembleBundle, openResult, writeBundles } = await import('../../requester/bundle.ts');
  const { channel } = view.request.payload;
  const now = world.nowUnixSeconds();
  const group = channel === 'production' ? connection.group : await connection.refresh();
  const documents = document === undefined ? [] : [document.bytes];
  const signed = openResult(group, view.request, documents, view.body.signatures);
  const bundle = assembleBundle(group, channel, signed, now);
  const bundles = bundle === undefined ? [] : await writeBundles(group, channel, files, bundle, now);
  const beside = document === undefined ? [] : await writeDocument(connection, { ...document, channel }, signed, now);
  const signers = view.body.signers.map((identifier) => group.epoch.charter.members[identifier - 1]?.name ?? '?');
  output.talk(`signed by ${signers.join(', ')}, as the coordinator says; the signature is verified`);
  output.result([...bundles, ...beside].join('\n'), {
    event: 'signed',
    id: view.request.digest,
    channel,
    signers,
    files: files.map(({ path, name, size, sha256 }, index) => ({ path, name, size, sha256, bundle: bundles[index] })),
    written: [...bundles, ...beside],
  });
}

/** A manifest that we made is written with its signatures; a file that was there already stays as it is. */
async function writeDocument(
  connection: Connection,
  document: WholeDocument & { readonly path: string; readonly channel: string },
  signed: readonly FinishedFile[],
  nowUnixSeconds: number,
): Promise<string[]> {
  const { readIssued } = await import('../../requester/issued.ts');
  const { writeManifest, writeSignedFiles } = await import('../../requester/signed-files.ts');
  const made = document.kind === 'manifest' ? [await writeManifest(document.path, document.bytes)] : [];
  return [...made, ...(await writeSignedFiles(document, signed, await readIssued(connection), nowUnixSeconds))];
}
