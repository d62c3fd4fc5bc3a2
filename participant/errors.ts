/** What a participant refuses: one error class over a closed union of codes. */

/**
 * - `not-joined`: this home has no key yet; `join` makes one.
 * - `other-charter`: this home belongs to another charter than the one it was given.
 * - `not-a-member`: the charter does not name this home's identity.
 * - `import-needed`: this home agreed to an import file, which it does not keep, and was not given it again.
 * - `no-import-key`: the import file holds a share for this home, which has no one-time key to open it.
 * - `not-a-holder`: this member holds no share of production, so that nothing of an imported key is for it.
 * - `cancelled`: the person said no, or `close` came first.
 * - `ceremony-failed`: the ceremony ended without a key; the message says who or what stopped it.
 * - `damaged`: something in the home is not what was written.
 * - `damaged-share`: the share does not belong to the public key of this home.
 * - `contradiction`: a record that excludes an earlier one was about to be written.
 * - `nonces-gone`: nonces were asked for twice.
 * - `no-room`: nonces that wait, the memory for secrets or the disk leave no room for another approval; nothing was changed.
 * - `bad-policy`: a policy that this process cannot carry out (what is wrong in its text is a `ProtocolError`).
 * - `bad-socket`: the control socket's path cannot be used.
 * - `socket-in-use`: a living daemon answers on the control socket.
 * - `no-daemon`: nobody answers on the control socket.
 * - `bad-command`: the control socket was sent something that is no command.
 * - `bad-backup`: a file is no backup, is damaged, or was made by a newer version.
 * - `other-backup`: a backup is of another member or group than the home.
 * - `has-journal`: a home that is to be restored has a journal.
 * - `unknown-backup`: no backup of this home has this name.
 * - `unknown-request`: no request has this id, or several do.
 * - `not-allowed`: this member cannot decide so on that request; the message says why.
 */
export const participantErrorCodes = [
  'not-joined',
  'other-charter',
  'not-a-member',
  'import-needed',
  'no-import-key',
  'not-a-holder',
  'cancelled',
  'ceremony-failed',
  'damaged',
  'damaged-share',
  'contradiction',
  'nonces-gone',
  'no-room',
  'bad-policy',
  'bad-socket',
  'socket-in-use',
  'no-daemon',
  'bad-command',
  'bad-backup',
  'other-backup',
  'has-journal',
  'unknown-backup',
  'unknown-request',
  'not-allowed',
] as const;

/** Why `participant/` refused; PROTOCOL-REFERENCE.md has cause and remedy of each. */
export type ParticipantErrorCode = (typeof participantErrorCodes)[number];

/** A refusal by the participant: what was found and what to do next. Never holds a secret. */
export class ParticipantError extends Error {
  readonly code: ParticipantErrorCode;
  /** Names of members whose doing it is, when that is known. */
  readonly culprits: readonly string[];

  constructor(
    code: ParticipantErrorCode,
    message: string,
    options: { readonly culprits?: readonly string[]; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'ParticipantError';
    this.code = code;
    this.culprits = options.culprits ?? [];
  }
}

/** The `code` of any of our errors, or of the operating system's; `internal` for anything else. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'internal';
}

/** What any error says, for a log line. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
