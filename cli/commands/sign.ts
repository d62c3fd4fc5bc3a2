/** `frostmark sign` */
import type { ArtifactFile } from '../../requester/artifacts.ts';
import type { Connection } from '../../requester/connect.ts';
import type { Submission } from '../../requester/request.ts';
import type { RoundView } from '../../requester/round.ts';
import { askingOptions, connectAsAsker } from '../asking.ts';
import { defineCommand, flag, list, text, type Call } from '../command.ts';
import { CommandError } from '../errors.ts';
import { HashLine } from '../progress.ts';
import { parseWait, submitAndWait, waitingOptions } from '../waiting.ts';

const options = {
  channel: text('CHANNEL', 'production, development, …'),
  ...askingOptions,
  product: text('P', 'what the files are, such as acme-cli'),
  release: text('R', 'which version, such as 1.4.2'),
  format: list('F,...', 'formats of the signature (default: native)'),
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
    const { assertArtifacts } = await import('../../requester/artifacts.ts');
    await assertArtifacts(args);
    using connection = await connectAsAsker(call);
    if (settings['dry-run'] !== true) await assertDelegated(connection, channel, world.nowUnixSeconds());
    const files = await hash(call);
    const submission = await buildRequest(call, connection, channel, files);
    if (settings['dry-run'] === true) {
      const { dryRunPage, dryRunJson } = await import('../dry-run.ts');
      output.result(dryRunPage(connection.group, submission), dryRunJson(connection.group, submission));
      return;
    }
    const { digest, view } = await submitAndWait(call, connection, submission);
    if (view === undefined) output.result(digest, { id: digest });
    else await finish(call, connection, files, view);
  },
});

/** A signature that no verifier would accept is not asked for. */
async function assertDelegated({ group }: Connection, channel: string, nowUnixSeconds: number): Promise<void> {
  const { channelOf } = await import('../../protocol/charter.ts');
  const { delegationFor } = await import('../../requester/bundle.ts');
  channelOf(group.epoch.charter, channel);
  delegationFor(group, channel, nowUnixSeconds);
}

async function hash({ args, output }: SignCall): Promise<ArtifactFile[]> {
  const { hashArtifacts } = await import('../../requester/artifacts.ts');
  using line = new HashLine(output);
  return await hashArtifacts(args, ({ path, hashedBytes, totalBytes }) => line.show(path, hashedBytes, totalBytes));
}

async function buildRequest(
  { settings, output, world }: SignCall,
  { group, identity }: Connection,
  channel: string,
  artifacts: readonly ArtifactFile[],
): Promise<Submission> {
  const { readSource } = await import('../../requester/source.ts');
  const { askForRelease } = await import('../../requester/request.ts');
  const { source, warnings } =
    settings['no-source'] === true ? { source: null, warnings: [] } : await readSource(world.folder);
  for (const warning of warnings) output.warn(warning);
  const wish = {
    channel,
    formats: settings.format ?? ['native'],
    artifacts,
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
  files: readonly ArtifactFile[],
  view: RoundView,
): Promise<void> {
  const { assembleBundle, writeBundles } = await import('../../requester/bundle.ts');
  const { channel } = view.request.payload;
  const now = world.nowUnixSeconds();
  const group = channel === 'production' ? connection.group : await connection.refresh();
  const bundle = assembleBundle(group, view.request, view.body.signatures, now);
  const written = await writeBundles(group, channel, files, bundle, now);
  const signers = view.body.signers.map((identifier) => group.epoch.charter.members[identifier - 1]?.name ?? '?');
  output.talk(`signed by ${signers.join(', ')}, as the coordinator says; the signature is verified`);
  output.result(written.join('\n'), {
    event: 'signed',
    id: view.request.digest,
    channel,
    signers,
    files: files.map(({ path, name, size, sha256 }, index) => ({ path, name, size, sha256, bundle: written[index] })),
  });
}
