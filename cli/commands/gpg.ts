/** `frostmark gpg` */
import { writeSync } from 'node:fs';
import { HomeError, systemCode } from '../../home/errors.ts';
import type { Connection } from '../../requester/connection.ts';
import type { Request } from '../../protocol/request/request.ts';
import { connectToAsk } from '../waiting.ts';
import { defineCommand, type World } from '../command.ts';
import { CommandError } from '../errors.ts';
import { judgeGpgCall, type GpgCall } from '../stand-in/gpg-call.ts';
import { controlKindOf, gitKindOf } from '../stand-in/document-kind.ts';
import { isNamed } from '../stand-in/gpg-key.ts';
import { readInput } from '../stand-in/input.ts';
import { assertSignatureWritable } from '../stand-in/signature-output.ts';
import { standInOptions, requireChannel, signWhole, type StandInCall } from '../stand-in/whole-document.ts';

type SigningCall = Extract<GpgCall, { readonly for: 'git' | 'rpm' | 'clear-text' }>;

/**
 * Writes what gpg would: armor to standard output for git, a packet into a file for rpm, and gpg's status line to the descriptor that was
 * named. Throws `CommandError('usage')` for a call that it does not sign.
 */
export const command = defineCommand({
  home: 'asker',
  arguments: [{ name: '[arguments...]', help: 'as git, rpmsign and debsign give them to gpg' }],
  options: standInOptions,
  standsFor: 'gpg',
  about: `Stands in for gpg where git, rpmsign or debsign call it to sign: the tag, the
commit, the package's header or the .dsc, .changes or .buildinfo file goes to the
members as a request, and what comes back is an ordinary OpenPGP signature. It
takes the options of gpg in all their spellings; KEY may be what gpg takes for
this key, or whom the tag says it is by. A call that signs in another way is
refused, also where gpg.conf tells gpg to sign. A call that
signs nothing, such as git's to verify, is handed on to the real gpg (the one in
PATH, or what FROSTMARK_GPG names).
There is no place for flags, so settings are variables or lines of config.yaml
in the home: channel, group, coordinator and, if need be, wait, ca and insecure
(FROSTMARK_CHANNEL, …; FROSTMARK_HOME says which home). The channel has no
default. Git shows nothing while it waits, and old gits (2.39) nothing of why it
failed: progress and errors go to the terminal, or to the file that GPG_TTY
names; "frostmark rounds" shows what is waited for. A tag that is asked for
again is another request, because its time is in it; with the same
GIT_COMMITTER_DATE it is the same one.
For rpmsign, put into ~/.rpmmacros: %__gpg /path/to/frostmark-gpg
and %_gpg_name with the fingerprint of the key.

Exit code: as of frostmark sign, or the real gpg's.`,
  example: `frostmark group certify openpgp        # once
git config gpg.program frostmark-gpg
FROSTMARK_CHANNEL=production git tag -s -m 'Version 1.4.2' v1.4.2
git verify-tag v1.4.2

The same for packages:
FROSTMARK_CHANNEL=production rpmsign --define '__gpg /usr/bin/frostmark-gpg' \\
  --define '_gpg_name acme' \\
  --addsign acme-1.4.2.x86_64.rpm
FROSTMARK_CHANNEL=production debsign -p frostmark-gpg \\
  -k release@acme.example acme_1.4.2_amd64.changes`,
  next: 'Who checks it needs the certificate: frostmark group export --format openpgp',
  run: async (call) => {
    const asked = judgeGpgCall(call.args, call.world.environment);
    if (asked === undefined || asked.for === 'other')
      throw new CommandError(
        'usage',
        `this cannot be signed in place of gpg: ${asked?.why ?? 'it asks for no signature'}`,
        'git asks with --status-fd=2 -bsau KEY, rpmsign with -sbo OUT, debsign with --clearsign FILE. frostmark sign FILE makes every other kind of signature; the real gpg makes those of your own keys.',
      );
    await sign(call, asked);
  },
});

async function sign(call: StandInCall, asked: SigningCall): Promise<void> {
  // First of all, even where everything else will be refused: see there.
  const bytes = await readDocument(asked, call.world);
  requireChannel(call);
  assertStatusWritable(asked.statusFd);
  const kind = await kindOf(asked, bytes);
  if (asked.for !== 'git') await assertSignatureWritable(asked, asked.for === 'rpm' ? 0 : bytes.length);
  using connection = await connectToAsk(call);
  if (asked.key !== undefined && asked.key !== ownerOf(bytes)) await assertKey(call, connection, asked.key);
  const format = asked.for === 'clear-text' ? 'openpgp-cleartext' : 'openpgp';
  const { file, request } = await signWhole(call, connection, { format, document: { kind, bytes } });
  const status = await statusLine(asked, connection, request);
  const { writingSigned } = await import('../../requester/signed-files.ts');
  await writingSigned(request, async () => {
    if (asked.for === 'git' || asked.out === '-') call.output.result(new TextDecoder().decode(file).trimEnd(), null);
    else await writeSignature(asked, asked.out, file);
    // Git looks for it at the beginning of a line, and nowhere else for whether we have signed.
    writeStatus(call.world, asked.statusFd, `\n${status}\n`);
  });
}

/** Where the call wants it; rpm reads none. Throws `HomeError('write-failed')`. */
function writeStatus({ stdout, stderr }: World, descriptor: number | undefined, text: string): void {
  if (descriptor === undefined) return;
  if (descriptor === 1) stdout.write(text);
  else if (descriptor === 2) stderr.write(text);
  else
    try {
      writeSync(descriptor, text);
    } catch (cause) {
      const why = systemCode(cause) ?? String(cause);
      throw new HomeError('write-failed', `its status cannot be written to descriptor ${descriptor} (${why})`, {
        cause,
      });
    }
}

/** Throws `CommandError('usage')` before anybody is asked: whoever called would take a signature without a status for none. */
function assertStatusWritable(descriptor: number | undefined): void {
  if (descriptor === undefined || descriptor === 1 || descriptor === 2) return;
  try {
    writeSync(descriptor, new Uint8Array());
  } catch (cause) {
    throw new CommandError(
      'usage',
      `--status-fd ${descriptor} names no descriptor that can be written (${systemCode(cause) ?? String(cause)})`,
      'Open it, as in 3>status, or say --status-fd 2.',
    );
  }
}

/** Whom a tag or commit says it is by: git names this person's key when it was told of no other, and so nobody chose it. */
function ownerOf(bytes: Uint8Array): string | undefined {
  const [head = ''] = new TextDecoder().decode(bytes).split('\n\n');
  return /^(?:tagger|committer) (.*>) \d+ [+-]\d{4}$/m.exec(head)?.[1];
}

/** Throws `CommandError('usage')` past the bound of a document. */
async function readDocument(asked: SigningCall, { stdin }: World): Promise<Uint8Array> {
  if (asked.for !== 'git' && asked.file !== '-') {
    const { readWholeDocument } = await import('../../requester/artifacts.ts');
    return await readWholeDocument(asked.file);
  }
  const { maxDocumentBytes } = await import('../../protocol/limits.ts');
  return await readInput(stdin(), maxDocumentBytes);
}

/** Throws `ProtocolError('bad-document')` naming the line, and `CommandError('usage')` for what is of no kind that the call may want. */
async function kindOf(asked: SigningCall, bytes: Uint8Array): Promise<string> {
  if (asked.for === 'git') return await gitKindOf(bytes);
  return asked.for === 'rpm' ? 'rpm-header' : await controlKindOf(bytes);
}

/** Whoever names a key means that key: somebody else's, or a channel that was set by mistake, is noticed. Throws `CommandError('usage')`. */
async function assertKey(call: StandInCall, { group }: Connection, wanted: string): Promise<void> {
  const { formatFingerprint, openpgpGroup, openpgpKeyOf } = await import('../../protocol/openpgp/group-key.ts');
  const channel = requireChannel(call);
  const fingerprint = formatFingerprint(openpgpKeyOf(group.epoch, channel));
  const { primary, userId: utf8 } = openpgpGroup(group.epoch);
  const userId = new TextDecoder().decode(utf8);
  if (isNamed({ fingerprint, primary: formatFingerprint(primary), userId }, wanted)) return;
  throw new CommandError(
    'usage',
    `the key ${wanted} was asked for, and ${channel} signs as ${fingerprint}, ${userId}`,
    "Name that key (git config user.signingKey, git tag -u, debsign -k, or rpm's %_gpg_name), or set FROSTMARK_CHANNEL to the channel whose key you mean.",
  );
}

/** What gpg says to programs about a signature that it made (GnuPG, doc/DETAILS, SIG_CREATED). */
async function statusLine(asked: SigningCall, { group }: Connection, request: Request): Promise<string> {
  const { formatFingerprint, openpgpGroup, openpgpKeyOf } = await import('../../protocol/openpgp/group-key.ts');
  const { algorithmNumbers, signatureTypes } = await import('../../protocol/openpgp/signature.ts');
  const { signedAt } = await import('../../protocol/formats/openpgp.ts');
  const { publicKey, hash } = algorithmNumbers;
  const isClear = asked.for === 'clear-text';
  const type = (isClear ? signatureTypes.text : signatureTypes.binary).toString(16).padStart(2, '0');
  const time = signedAt(request, openpgpGroup(group.epoch).createdUnixSeconds);
  const fingerprint = formatFingerprint(openpgpKeyOf(group.epoch, request.payload.channel));
  return `[GNUPG:] SIG_CREATED ${isClear ? 'C' : 'D'} ${publicKey} ${hash} ${type} ${time} ${fingerprint}`;
}

/** rpm wants the packet itself, debsign the text with its signature. Throws `HomeError`. */
async function writeSignature(asked: SigningCall, path: string, file: Uint8Array): Promise<void> {
  const { dearmor } = await import('../../protocol/openpgp/armor.ts');
  const { writeFileAtomic } = await import('../../home/files.ts');
  await writeFileAtomic(path, asked.for === 'rpm' ? dearmor('PGP SIGNATURE', file) : file);
}
