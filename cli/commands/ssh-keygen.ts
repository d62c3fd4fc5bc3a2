/** `frostmark ssh-keygen` */
import type { Connection } from '../../requester/connection.ts';
import type { SshNamespace } from '../../protocol/ssh/signature.ts';
import { connectToAsk } from '../waiting.ts';
import { defineCommand } from '../command.ts';
import { CommandError } from '../errors.ts';
import { maxLineBytes } from '../limits.ts';
import { gitKindOf } from '../stand-in/document-kind.ts';
import { readSshKeygenCall } from '../stand-in/ssh-keygen-call.ts';
import { standInOptions, requireChannel, signWhole } from '../stand-in/whole-document.ts';

/** Writes FILE.sig (OpenSSH, PROTOCOL.sshsig). Throws `CommandError('usage')` for a call that it does not sign. */
export const command = defineCommand({
  home: 'asker',
  arguments: [{ name: '[arguments...]', help: 'as git gives them to ssh-keygen' }],
  options: standInOptions,
  standsFor: 'ssh-keygen',
  about: `Stands in for ssh-keygen where it is called to sign: -Y sign -n git -f KEY FILE,
as git does for a tag or a commit, or -n file for a manifest, a text, or another
document that members read whole. FILE.sig is an ordinary SSH signature; on
channels other than production it carries the channel's certificate. KEY is a
file with the group's public key (frostmark group export --format ssh-key).
Every other call, such as git's to verify, is handed on to the real ssh-keygen
(the one in PATH, or what FROSTMARK_SSH_KEYGEN names).
There is no place for flags, so settings are variables or lines of config.yaml
in the home: channel, group, coordinator and, if need be, wait, ca and insecure
(FROSTMARK_CHANNEL, …; FROSTMARK_HOME says which home). The channel has no
default. Progress and errors go to the terminal, or to the file that GPG_TTY
names, because git shows neither. Older gits (2.39) end in 0 and make a tag without a signature when
signing fails: always run git verify-tag afterwards.

Exit code: as of frostmark sign, or the real ssh-keygen's.`,
  example: `frostmark group export --format ssh-key --out ~/.ssh/acme.pub
git config gpg.format ssh && git config gpg.ssh.program frostmark-ssh-keygen
git config user.signingKey ~/.ssh/acme.pub
FROSTMARK_CHANNEL=production git tag -s -m 'Version 1.4.2' v1.4.2
git verify-tag v1.4.2`,
  next: `Who checks it needs: frostmark group export --format ssh --out allowed_signers
and git config gpg.ssh.allowedSignersFile allowed_signers`,
  run: async (call) => {
    const asked = readSshKeygenCall(call.args);
    if (asked === undefined || 'why' in asked)
      throw new CommandError(
        'usage',
        `this cannot be signed in place of ssh-keygen: ${asked?.why ?? 'it is no -Y sign'}`,
        'It is called as -Y sign -n git|file -f KEY FILE; frostmark sign makes every other kind of signature.',
      );
    const { namespace, keyFile, file: path } = asked;
    const channel = requireChannel(call);
    const { readWholeDocument } = await import('../../requester/artifacts.ts');
    const bytes = await readWholeDocument(path);
    const kind = await kindOf(namespace, bytes);
    using connection = await connectToAsk(call);
    await assertKey(channel, connection, keyFile);
    const { assertWritable } = await import('../../requester/sign.ts');
    const subject = { kind: 'document', documentKind: kind, path } as const;
    await assertWritable(connection, { subject, formats: ['ssh'] }, { force: false, documentBytes: bytes.length });
    const signed = await signWhole(call, connection, { format: 'ssh', document: { kind, bytes } });
    const { writeSignedFiles, writingSigned } = await import('../../requester/signed-files.ts');
    const files = [{ format: 'ssh', bytes: signed.file }];
    await writingSigned(signed.request, () =>
      writeSignedFiles({ path, kind, channel }, files, signed.issued, call.world.nowUnixSeconds()),
    );
  },
});

/** Git objects are signed for git, everything else for files. Throws `ProtocolError('bad-document')` or `CommandError('usage')`. */
async function kindOf(namespace: SshNamespace, bytes: Uint8Array): Promise<string> {
  if (namespace === 'git') return await gitKindOf(bytes);
  const { documentKindOf } = await import('../../protocol/documents/index.ts');
  const kind = documentKindOf(bytes);
  if (kind !== 'git-tag' && kind !== 'git-commit') return kind;
  throw new CommandError('usage', `this is a ${kind}, which is signed in the namespace git, not file`);
}

/** A key that was named by mistake is noticed: a person's own, or another channel's. Throws `CommandError('usage')` or `HomeError`. */
async function assertKey(channel: string, { group }: Connection, path: string): Promise<void> {
  const { readFileBounded } = await import('../../home/files.ts');
  const { production } = await import('../../protocol/files/charter.ts');
  const { sshPublicKey } = await import('../../protocol/ssh/allowed-signers.ts');
  const [type, key] = new TextDecoder()
    .decode(await readFileBounded(path, maxLineBytes))
    .trim()
    .split(/\s+/);
  const known = [production, channel].map((name) => sshPublicKey(group.epoch.channel(name).point.bytes, ''));
  if (known.includes(`${type ?? ''} ${key ?? ''} \n`)) return;
  throw new CommandError(
    'usage',
    `${path} does not hold the group's public key`,
    'frostmark group export --format ssh-key writes it; git config user.signingKey names it.',
  );
}
