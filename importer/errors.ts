/** What can go wrong when a key is read and split: one error class over a closed union of codes. */

/**
 * - `bad-key-file`: the file is no private key file that is known here, or it is damaged or cut off.
 * - `unsupported-key`: a private key that cannot be split, or a protection that is not opened here; the message says what to do instead.
 * - `cannot-sign`: by its self-signatures the OpenPGP key may not sign, is expired or revoked, or nothing says what it may.
 * - `wrong-passphrase`: the passphrase does not open the key file.
 * - `no-such-subkey`: the export holds no Ed25519 subkey with this fingerprint.
 * - `other-openpgp`: the charter does not say the key's user id and creation time, without which its fingerprint would change.
 * - `cancelled`: the person said no.
 */
export type ImporterErrorCode =
  | 'bad-key-file'
  | 'unsupported-key'
  | 'cannot-sign'
  | 'wrong-passphrase'
  | 'no-such-subkey'
  | 'other-openpgp'
  | 'cancelled';

/** A refusal by `importer/`: what was found and what to do. Never holds a secret. */
export class ImporterError extends Error {
  readonly code: ImporterErrorCode;

  constructor(code: ImporterErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options);
    this.name = 'ImporterError';
    this.code = code;
  }
}

const wayForward =
  'Only an Ed25519 key can be split. Let the group make a key of its own (join without --import), sign its GROUP.pub with this key, and let installers change over';

/** A key of another kind than Ed25519; `what` says which. */
export function unsupportedKey(what: string): ImporterError {
  return new ImporterError('unsupported-key', `${what}. ${wayForward}`);
}
