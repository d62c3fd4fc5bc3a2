/** The one place that turns an error into an exit code and into two lines for a person: what was found, and what to do next. */
import { ClientError, notOurs, type ClientErrorCode } from '../client/errors.ts';
import { CoordinatorError, type CoordinatorErrorCode } from '../coordinator/errors.ts';
import { ImporterError, type ImporterErrorCode } from '../importer/errors.ts';
import { HomeError, type HomeErrorCode } from '../home/errors.ts';
import { ParticipantError, type ParticipantErrorCode } from '../participant/errors.ts';
import { JournalError } from '../participant/journal.ts';
import { ProtocolError, type ProtocolErrorCode } from '../protocol/errors.ts';
import { RequesterError, type RequesterErrorCode } from '../requester/errors.ts';
import { VerifyError } from '../verifier/errors.ts';
import { printable } from '../verifier/printable.ts';
import { version } from '../verifier/version.ts';
import { CommandError, type CommandErrorCode } from './errors.ts';
import { systemWords } from './system-words.ts';

/**
 * 0 done; 1 failed; 2 wrong usage; 3 an invalid signature, digest, name, channel, product, release or bundle, or an expired delegation;
 * 4 not authenticated or not allowed; 5 still pending at the deadline; 6 verified refusals leave no qualified set; 7 the request expired or was
 * taken back;
 * 8 verified faults are needed, too, to leave none; 130 interrupted at the terminal (the shell's own number).
 */
type ExitCode = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 130;

/** What a person and a program are told of a failure. */
export interface Explanation {
  readonly exitCode: ExitCode;
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
}

type Entry = readonly [ExitCode, string?];

/** What `frostmark` says about whatever was thrown. Messages may quote strangers: everything unprintable is escaped. */
export function explain(error: unknown): Explanation {
  const { code, message, entry } = classify(error);
  const [exitCode, hint] = entry;
  const said = error instanceof CommandError ? (error.hint ?? hint) : hint;
  return {
    exitCode,
    code,
    message: printable(message),
    hint: said === undefined ? undefined : printable(said),
  };
}

function classify(error: unknown): { readonly code: string; readonly message: string; readonly entry: Entry } {
  const of = (known: { readonly code: string; readonly message: string }, entry: Entry) => ({
    code: known.code,
    message: known.message,
    entry,
  });
  if (error instanceof CommandError) return of(error, commandEntries[error.code]);
  if (error instanceof HomeError) return of(error, homeEntries[error.code]);
  if (error instanceof ImporterError) return of(error, importerEntries[error.code]);
  if (error instanceof ParticipantError) return of(error, participantEntries[error.code]);
  if (error instanceof JournalError) return of(error, [1]);
  if (error instanceof CoordinatorError) return of(error, coordinatorEntries[error.code]);
  if (error instanceof RequesterError) return of(error, requesterEntries[error.code]);
  if (error instanceof ClientError) return classifyClient(error);
  if (error instanceof ProtocolError) return of(error, protocolEntries[error.code]);
  if (error instanceof VerifyError) return of(error, [error.exitCode]);
  return unexpected(error);
}

const commandEntries: Readonly<Record<CommandErrorCode, Entry>> = {
  usage: [2],
  declined: [1],
  'no-terminal': [2],
  interrupted: [130],
  'nothing-proved': [3],
};

const homeEntries: Readonly<Record<HomeErrorCode, Entry>> = {
  missing: [1],
  exists: [1],
  locked: [1],
  'no-lock': [1],
  unreadable: [1],
  'too-large': [1],
  damaged: [1],
  'not-private': [1],
  'wrong-role': [1],
  'bad-config': [2],
  'bad-passphrase': [2],
  'wrong-passphrase': [4, 'Check which home this is (--home), and the file that --passphrase-file names.'],
  'no-key': [1],
  'still-held': [1],
  'no-terminal': [2, 'Give the passphrase with --passphrase-file FILE, a file that only you can read.'],
  cancelled: [1],
  'age-failed': [1],
  'disk-full': [1],
  'write-failed': [1],
};

const importerEntries: Readonly<Record<ImporterErrorCode, Entry>> = {
  'bad-key-file': [
    1,
    'frostmark group import --help names the files that are taken; write a damaged one again from where the key is.',
  ],
  'unsupported-key': [1],
  'cannot-sign': [1],
  'wrong-passphrase': [4, 'Check which key file this is, and the file that --passphrase-file names.'],
  'no-such-subkey': [2, 'Give the fingerprint of a subkey of this file, or leave --subkey out for its primary key.'],
  'other-openpgp': [1],
  cancelled: [1],
};

const participantEntries: Readonly<Record<ParticipantErrorCode, Entry>> = {
  'not-joined': [
    1,
    'frostmark participant join CHARTER.yaml --coordinator URL makes the key, together with the others.',
  ],
  'other-charter': [1, 'One home is one member of one group: give another --home.'],
  'not-a-member': [4, 'Put your card (frostmark participant card) into the charter, and give everybody the new file.'],
  'import-needed': [2, 'Give the same file again: --import FILE'],
  'no-import-key': [
    1,
    'Run frostmark participant import-key CHARTER.yaml here, and have the key split again with the line that it prints.',
  ],
  'not-a-holder': [
    2,
    'Only the holders of production make an import key; this member just joins with the import file.',
  ],
  cancelled: [1],
  'ceremony-failed': [1, 'Talk to the others; then all of you run join again.'],
  damaged: [1],
  'damaged-share': [1],
  contradiction: [1],
  'nonces-gone': [1],
  'no-room': [1],
  'bad-policy': [1],
  'bad-socket': [2],
  'socket-in-use': [1],
  'no-daemon': [1],
  'bad-command': [1],
  'bad-backup': [1],
  'other-backup': [1, 'Give the --home of that member, or a folder that is not there yet.'],
  'has-journal': [1],
  'unknown-backup': [1, 'frostmark participant backup, without a file, lists them.'],
  'unknown-request': [1, 'frostmark participant requests --all lists them.'],
  'not-allowed': [4],
};

const coordinatorEntries: Readonly<Record<CoordinatorErrorCode, Entry>> = {
  'not-authenticated': [4],
  'not-found': [1],
  'bad-body': [1],
  'too-large': [1],
  'too-many': [1],
  closing: [1],
  failed: [1],
  archived: [1],
  'too-broad': [1],
  'store-foreign': [1],
  'store-missing': [1],
  'store-newer': [1],
  'store-older': [1],
  'store-damaged': [1],
  'store-failed': [1, 'Check the disk, then start it again: what was acknowledged is there.'],
  'bad-listen': [2],
  'bad-tls': [1],
  'bad-socket': [1],
  'socket-in-use': [1],
  'not-running': [1],
  'bad-command': [1],
};

/** The same command tells what became of the same request; a new one is a decision. */
const askingAgain =
  'The same command with --again asks anew, in a new round (FROSTMARK_AGAIN=1 where there are no flags).';

const requesterEntries: Readonly<Record<RequesterErrorCode, Entry>> = {
  superseded: [1, 'The same command asks anew, in the epoch that the group lives in now.'],
  'bad-artifact': [2],
  'output-is-input': [2, 'Nothing was asked and nothing was written.'],
  'output-exists': [2, 'Nothing was asked and nothing was written. Move it away, or say --force to replace it.'],
  'not-written': [1, 'The signature exists: once that is mended, the same command again fetches it.'],
  'changed-file': [1, 'Let whatever writes it finish, then run the same command again.'],
  'bad-field': [2],
  revoked: [3, 'What has ended stays so: sign on another channel, or another release. frostmark group show'],
  'no-certificate': [1, 'A certificate is made once, by a round like any other: frostmark group certify --help'],
  'no-delegation': [1, 'A member or requester renews it: frostmark group renew --channel CHANNEL'],
  'not-found': [1, 'frostmark rounds lists the rounds of the group.'],
  'no-contents': [1, 'frostmark round ID shows the digests; whoever asked has the files.'],
  ambiguous: [2],
  'bad-result': [1, 'Do not trust this coordinator; tell whoever runs it, and the members.'],
  unproved: [1, 'Do not trust this coordinator; ask the members what they decided.'],
  'wrong-group': [1],
  'record-older': [1, 'Ask whoever runs the coordinator whether an older copy was put back; tell the members.'],
  'record-other': [
    1,
    'Ask whoever runs the coordinator why it began anew, and compare checkpoints with other members. To go on with the new record, move the note that was kept away.',
  ],
  'record-gap': [1, 'Ask whoever runs the coordinator for the bytes; an archive of its operator may have them.'],
  'record-split': [
    1,
    'Do not trust this coordinator. Keep both notes, and the record (--out DIR): together they prove it to everybody.',
  ],
  pending: [5, 'The request goes on without you: run the same command again to wait for it and to get the result.'],
  refused: [6, `Clear it up with those who refused. ${askingAgain}`],
  expired: [7, askingAgain],
  faulted: [8, 'The evidence is kept by the coordinator: frostmark round ID names it.'],
  cancelled: [7, askingAgain],
};

const protocolEntries: Readonly<Record<ProtocolErrorCode, Entry>> = {
  'bad-card': [1],
  'bad-certificate': [1],
  'bad-charter': [1],
  'bad-checkpoint': [1],
  'bad-ceremony-message': [1],
  'bad-commitment': [1],
  'bad-decision': [1],
  'bad-document': [1],
  'bad-envelope': [1],
  'bad-evidence': [1],
  'bad-frame': [1],
  'bad-import': [1],
  'bad-import-key': [1],
  'bad-leaf': [1],
  'bad-login': [4],
  'bad-package': [1],
  'bad-policy': [1],
  'bad-proof': [1],
  'bad-record': [1],
  'bad-request': [2],
  'bad-requesters': [1],
  'bad-share': [1],
  'bad-signature': [1],
  'bad-tile': [1],
  conflict: [1],
  expired: [7],
  'not-a-member': [4],
  'not-a-requester': [
    4,
    'Your card (frostmark requester card) must be in the requesters document: frostmark group requesters FILE',
  ],
  'not-allowed': [4, 'Who may ask for what is in the requesters document: frostmark group show'],
  'not-found': [1],
  'not-yet-valid': [1, 'Check the clock of this machine.'],
  'rolled-back': [4, 'This home is older than what the coordinator has seen of it: was it restored from a copy?'],
  'stale-version': [1],
  'too-large': [1],
  'too-many': [1, 'Wait until some of your rounds are over, or cancel them: frostmark rounds'],
  'unknown-channel': [2],
  'unknown-format': [2],
  'wrong-epoch': [1],
  'wrong-group': [1],
};

const clientEntries: Readonly<Record<ClientErrorCode, Entry>> = {
  'bad-url': [2],
  'insecure-url': [2],
  'bad-proxy': [2],
  'wrong-clock': [
    1,
    'Set the one that is wrong (timedatectl shows whether this machine follows a time server), then try again.',
  ],
  unreachable: [1],
  timeout: [1, 'Try again; if this stays, look at the coordinator.'],
  'wrong-coordinator': [1],
  'bad-response': [1, 'Is it a coordinator of this version?'],
  'not-authenticated': [4],
  refused: [1],
  'bad-group': [1, 'Check GROUP.pub and the coordinator that you named.'],
};

/** The coordinator refuses in its own words; where they are the protocol's, they mean what they mean here. */
function classifyClient(error: ClientError): {
  readonly code: string;
  readonly message: string;
  readonly entry: Entry;
} {
  const { refusal } = error;
  if (refusal === undefined) return { code: error.code, message: error.message, entry: clientEntries[error.code] };
  const message = refusal.code === notOurs ? refusal.message : `the coordinator refused: ${refusal.message}`;
  const known = Object.hasOwn(protocolEntries, refusal.code)
    ? protocolEntries[refusal.code as ProtocolErrorCode]
    : undefined;
  if (known !== undefined) return { code: refusal.code, message, entry: known };
  return { code: refusal.code, message, entry: refusal.status === 401 || refusal.status === 403 ? [4] : [1] };
}

/** An ordinary error of the system, or a fault of ours: of that the person gets one line, and `FROSTMARK_DEBUG=1` shows the whole of it. */
function unexpected(error: unknown): { readonly code: string; readonly message: string; readonly entry: Entry } {
  const system = systemWords(error);
  if (system !== undefined) return { code: 'system', message: system.message, entry: [1, system.hint] };
  const message = error instanceof Error ? error.message : String(error);
  return {
    code: 'internal',
    message: `something unexpected went wrong: ${message}`,
    entry: [
      1,
      `Please report it to the issues of the repository that you got frostmark ${version} from, with what FROSTMARK_DEBUG=1 adds to this message.`,
    ],
  };
}
