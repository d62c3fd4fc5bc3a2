/** `frostmark group endorse` */
import type { Connection } from '../../../requester/connection.ts';
import type { Issued } from '../../../requester/issued.ts';
import type { GroupKey } from '../../../verifier/group-key.ts';
import { maxEndorsementFileBytes } from '../../../verifier/limits.ts';
import { askingOptions, readGroup } from '../../ask-coordinator.ts';
import { defineCommand, flag, flagOnly, text, type Call } from '../../command.ts';
import { CommandError } from '../../errors.ts';
import { maxCertificateFileBytes } from '../../limits.ts';
import { connectToAsk, submitAndWait, waitingOptions } from '../../waiting.ts';

const options = {
  consent: flagOnly(text('FILE', 'what the new group signed: frostmark group consent')),
  certificate: flagOnly(text('FILE', "the new group's OpenPGP certificate, binary: gets this key's signature, too")),
  out: text('FOLDER', 'where the files go (default: here)'),
  force: flag('replace files that are in the way and are no earlier results'),
  ...askingOptions,
  ...waitingOptions,
} as const;

type EndorseCall = Call<typeof options>;

/** One round of the old group's production. JSON: `{ id, signed, written }`; `id` is `null` for what was endorsed before. */
export const command = defineCommand({
  home: 'asker',
  arguments: [{ name: '<new-group>', help: 'GROUP.pub of the group that comes after this one' }],
  options,
  about: `Has this group, whose key is still safe and is to end as planned, say which key
comes after it: once, for one key, for ever. The new group has to agree first
(frostmark group consent). One approval signs GROUP.endorsement, which both keys
have signed then, and for stock tools the new group's keys: next-ssh.pub and
next-minisign.pub with a signature each, and next.pgp, the --certificate with
the old key's signature in it. frostmark verify --endorsement shows it and never
follows it: whoever installs pins the new key. If a quorum may have been stolen,
this proves nothing: installers need the new key by another way.`,
  example: 'frostmark group endorse NEW.pub --consent GROUP.consent --group GROUP.pub',
  next: 'Publish the files. Whoever installs: frostmark verify GROUP.endorsement --endorsement --key GROUP.pub',
  run: async (call) => {
    const successor = await successorOf(call);
    const { consent, certificate } = await filesOf(call);
    const { readIssued } = await import('../../../requester/issued.ts');
    const { endorsementOutputs, isEndorsed } = await import('../../../requester/endorse.ts');
    const { assertOutputs } = await import('../../../requester/outputs.ts');
    const { out = '.', force = false } = call.settings;
    using connection = await connectToAsk(call);
    const outputs = endorsementOutputs(connection.group, out, certificate !== undefined);
    await assertOutputs({ inputs: inputsOf(call), outputs, force });
    const issued = await readIssued(connection);
    if (isEndorsed(connection.group, issued, successor))
      await write(call, connection, { issued, certificate, id: null });
    else await ask(call, connection, { issued, certificate, consent, successor });
  },
});

async function successorOf({ args }: EndorseCall): Promise<GroupKey> {
  const { name, key } = await readGroup(args[0]);
  if (name !== null) return { name, key };
  throw new CommandError('usage', 'a PEM file does not tell the name of the group', 'Give its GROUP.pub.');
}

function inputsOf({ settings: { consent, certificate } }: EndorseCall): string[] {
  return [consent, certificate].filter((path) => path !== undefined);
}

interface Files {
  readonly consent: Uint8Array | undefined;
  readonly certificate: Uint8Array | undefined;
}

async function filesOf({ settings: { consent, certificate } }: EndorseCall): Promise<Files> {
  const { readFileBounded } = await import('../../../home/files.ts');
  const read = async (path: string | undefined, maxBytes: number): Promise<Uint8Array | undefined> =>
    path === undefined ? undefined : await readFileBounded(path, maxBytes);
  return {
    consent: await read(consent, maxEndorsementFileBytes),
    certificate: await read(certificate, maxCertificateFileBytes),
  };
}

async function ask(
  call: EndorseCall,
  connection: Connection,
  {
    issued,
    certificate,
    consent,
    successor,
  }: Files & { readonly issued: readonly Issued[]; readonly successor: GroupKey },
): Promise<void> {
  if (consent === undefined)
    throw new CommandError(
      'usage',
      'no --consent was given: the new group has to agree first',
      'In the new group: frostmark group consent OLD.pub, with the GROUP.pub of this group',
    );
  const { requestDate } = await import('../../../requester/dating.ts');
  const { askForEndorsement } = await import('../../../requester/endorse.ts');
  const { documentOf } = await import('../../../requester/status.ts');
  const { openResult } = await import('../../../requester/bundle.ts');
  const { issuedOf } = await import('../../../requester/issued.ts');
  const { group, identity } = connection;
  const date = requestDate(connection, call.world.nowUnixSeconds());
  const submission = askForEndorsement(group, { successor, consent, note: call.settings.note }, identity, date);
  const { digest, view } = await submitAndWait(call, connection, submission);
  if (view === undefined) {
    call.output.result(digest, { id: digest, signed: false, written: [] });
    return;
  }
  openResult(group, view.request, submission.documents, view.body.signatures);
  const signed = issuedOf([documentOf(group, view, submission.documents)], group);
  await write(call, connection, { issued: [...issued, ...signed], certificate, id: digest });
}

async function write(
  { output, settings: { out: folder = '.' } }: EndorseCall,
  { group }: Connection,
  {
    issued,
    certificate,
    id,
  }: Pick<Files, 'certificate'> & { readonly issued: readonly Issued[]; readonly id: string | null },
): Promise<void> {
  const { writeEndorsement } = await import('../../../requester/endorse.ts');
  const written = await writeEndorsement(group, issued, { folder, certificate });
  if (id === null) output.talk('it is endorsed already');
  output.result(written.join('\n'), { id, signed: true, written });
}
