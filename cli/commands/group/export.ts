/** `frostmark group export` */
import { createPublicKey } from 'node:crypto';
import { encodeBase64Url } from '../../../verifier/base64.ts';
import { formatGroupKey } from '../../../verifier/group-key.ts';
import type { PinnedKey } from '../../../verifier/key-file.ts';
import { productionChannel as production } from '../../../verifier/names.ts';
import { askingOptions, connectAsAsker, readGroup } from '../../ask-coordinator.ts';
import { defineCommand, flag, flagOnly, text, type Call } from '../../command.ts';
import { CommandError } from '../../errors.ts';

const formats = ['native', 'pem', 'ssh-key', 'openpgp', 'ssh', 'ssh-revocation', 'minisign', 'status'] as const;
type Format = (typeof formats)[number];

const options = {
  // Defaults for what is asked for do not say which key this is about, and in which form.
  format: flagOnly(text('F', 'native (the default), pem, ssh-key, openpgp, ssh, ssh-revocation, minisign or status')),
  channel: flagOnly(text('CHANNEL', 'of this channel alone; openpgp: with its subkey, too')),
  out: text('FILE', 'write it there; openpgp is binary unless FILE ends in .asc'),
  force: flag('replace FILE, whatever it is'),
  ...askingOptions,
} as const;

type ExportCall = Call<typeof options>;

/** To standard output, or into the file that `--out` names, in binary unless it ends in `.asc`. JSON: `{ format, key }` or `{ format, file }`. */
export const command = defineCommand({
  home: 'asker',
  arguments: [],
  options,
  about: `Prints what an installer pins, in the form that its tool wants. Without a
coordinator: native (GROUP.pub), pem (a public key for openssl), ssh-key (one
line, for git's user.signingkey). Through the coordinator, and verified here:
openpgp (a certificate for gpg, gpgv, sqv, apt and rpm), ssh (an allowed_signers
file for ssh-keygen and git), minisign (a minisign.pub), and what else is of a
channel: ssh-key and ssh-revocation.
Production installers get the OpenPGP certificate without --channel: no tool
accepts a development signature under it.
status is GROUP.status: what the group has ended, for frostmark verify --status.
ssh-revocation is a list that ends a channel's key and every certificate for it,
for ssh-keygen -Y verify -r and git's gpg.ssh.revocationFile: of this --channel,
or of all that the status ended. Lists are put together with cat.`,
  example: 'frostmark group export --group GROUP.pub --format openpgp --out release.pgp',
  next: 'gpgv --keyring ./release.pgp SHA256SUMS.asc SHA256SUMS',
  run: async (call) => {
    const { output, settings } = call;
    const { format = 'native' } = settings;
    if (!isFormat(format)) throw new CommandError('usage', `--format is one of ${formats.join(', ')}`);
    assertOfChannel(format, settings.channel);
    const { text: key, bytes } = await exportAs(call, format);
    if (format === 'ssh-revocation')
      output.talk('whoever takes this list refuses every SSH signature by these keys, also older ones');
    if (settings.out === undefined) {
      output.result(key.trimEnd(), { format, key });
      return;
    }
    const content = settings.out.endsWith('.asc') ? new TextEncoder().encode(key) : bytes;
    await writeExport(settings.out, format, content, settings.force === true);
    output.result(settings.out, { format, file: settings.out });
  },
});

/** Replaces only an earlier export of the same key. Throws what `assertOutputs` and `writeFileAtomic` do. */
async function writeExport(path: string, format: Format, content: Uint8Array, force: boolean): Promise<void> {
  const { assertOutputs } = await import('../../../requester/outputs.ts');
  const { isEarlierExport } = await import('../../../requester/earlier.ts');
  const { writeFileAtomic } = await import('../../../home/files.ts');
  const isOurs = (bytes: Uint8Array): boolean => isEarlierExport(bytes, content);
  const outputs = [{ path, what: `the ${format} export`, size: content.length, isOurs }];
  await assertOutputs({ inputs: [], outputs, force });
  await writeFileAtomic(path, content, { mode: 0o644 });
}

function isFormat(text: string): text is Format {
  return formats.some((format) => format === text);
}

/** These are the group's own key, and no installer's tool wants another channel's in their form. Throws `CommandError('usage')`. */
function assertOfChannel(format: Format, channel: string | undefined): void {
  if (format === 'status' && channel !== undefined)
    throw new CommandError('usage', 'a status is of the group, and not of a channel', 'Leave --channel out.');
  if ((format !== 'native' && format !== 'pem') || channel === undefined || channel === production) return;
  throw new CommandError(
    'usage',
    `${format} is the key of the group, which is production's, and not of ${channel}`,
    `Installers pin the group's key and say the channel: frostmark verify FILE --key GROUP.pub --channel ${channel}`,
  );
}

interface Exported {
  readonly text: string;
  /** The same, or its binary form where there is one. */
  readonly bytes: Uint8Array;
}

async function exportAs(call: ExportCall, format: Format): Promise<Exported> {
  switch (format) {
    case 'native':
      return textual(nativeLine(await readGroup(call.settings.group)));
    case 'pem':
      return textual(pemText(await readGroup(call.settings.group)));
    case 'ssh-key':
      return await sshKeyLine(call);
    case 'ssh-revocation':
      return call.settings.channel === undefined ? await endedKeys(call) : await sshKeyLine(call);
    case 'status':
      return await statusFile(call);
    case 'openpgp':
      return await openpgpCertificate(call);
    case 'ssh': {
      const { allowedSigners } = await import('../../../protocol/ssh/allowed-signers.ts');
      using connection = await connectAsAsker(call);
      return textual(allowedSigners(connection.group.epoch, call.settings.channel));
    }
    case 'minisign': {
      const { production } = await import('../../../protocol/files/charter.ts');
      const { minisignPublicKey } = await import('../../../protocol/formats/minisign.ts');
      using connection = await connectAsAsker(call);
      const { epoch } = connection.group;
      const { channel = production } = call.settings;
      return textual(minisignPublicKey(epoch.channel(channel).point.bytes, `${epoch.charter.group} ${channel}`));
    }
  }
}

/** An `id.pub` line: for `-r`, too, which takes a list of them and refuses these keys and what certifies them (ssh-keygen(1), "-Y verify"). */
async function sshKeyLine(call: ExportCall): Promise<Exported> {
  const { sshPublicKey } = await import('../../../protocol/ssh/allowed-signers.ts');
  const { channel = production, group } = call.settings;
  if (channel === production) {
    const { name, key } = await readGroup(group);
    return textual(sshPublicKey(key, name ?? 'frostmark'));
  }
  using connection = await connectAsAsker(call);
  const { epoch } = connection.group;
  return textual(sshPublicKey(epoch.channel(channel).point.bytes, `${epoch.charter.group} ${channel}`));
}

/** Throws `CommandError('usage')` while there is no status. */
async function statusFile(call: ExportCall): Promise<Exported> {
  const { readIssued } = await import('../../../requester/issued.ts');
  const { signedStatuses, statusFileOf } = await import('../../../requester/status.ts');
  using connection = await connectAsAsker(call);
  const bytes = statusFileOf(signedStatuses(connection.group, await readIssued(connection)));
  if (bytes.length === 0)
    throw new CommandError(
      'usage',
      'the group has signed no status yet',
      'The first is made by: frostmark group renew --status',
    );
  return textual(new TextDecoder().decode(bytes));
}

/** The keys that the status ended. */
async function endedKeys(call: ExportCall): Promise<Exported> {
  const { readIssued } = await import('../../../requester/issued.ts');
  const { revocationsOf, signedStatuses } = await import('../../../requester/status.ts');
  const { revokedChannels } = await import('../../../protocol/request/status.ts');
  const { revokedKeys } = await import('../../../protocol/ssh/revoked-keys.ts');
  using connection = await connectAsAsker(call);
  const { group } = connection;
  const ended = revokedChannels(revocationsOf(signedStatuses(group, await readIssued(connection))));
  if (ended.length === 0)
    throw new CommandError(
      'usage',
      "no channel's key has ended by the group's status",
      'Say whose key is lost, such as --channel development; frostmark group revoke ends it for every verifier.',
    );
  return textual(revokedKeys(group.epoch.charter.group, ended));
}

function textual(text: string): Exported {
  return { text, bytes: new TextEncoder().encode(text) };
}

async function openpgpCertificate(call: ExportCall): Promise<Exported> {
  const { openpgpCertificateOf, readIssued } = await import('../../../requester/issued.ts');
  const { armor } = await import('../../../protocol/openpgp/armor.ts');
  using connection = await connectAsAsker(call);
  const { channel } = call.settings;
  if (channel !== undefined) connection.group.epoch.channel(channel); // an unknown one is refused as what it is
  const bytes = openpgpCertificateOf(
    await readIssued(connection),
    channel === undefined || channel === production ? [] : [channel],
  );
  return { text: armor('PGP PUBLIC KEY BLOCK', bytes), bytes };
}

function nativeLine({ name, key }: PinnedKey): string {
  if (name === null)
    throw new CommandError('usage', 'a PEM file does not tell the name of the group', 'Give GROUP.pub, which has it.');
  return `${formatGroupKey({ name, key })}\n`;
}

/** SubjectPublicKeyInfo (RFC 8410, Section 4). */
function pemText({ key }: PinnedKey): string {
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: encodeBase64Url(key) };
  return createPublicKey({ key: jwk, format: 'jwk' }).export({ format: 'pem', type: 'spki' }).toString();
}
