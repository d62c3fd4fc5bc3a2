/** What the verifier refuses: one error class, a closed set of codes, and the exit code that each of them means. */

/** Every way a release can fail to verify; PROTOCOL-REFERENCE.md lists each with its cause and remedy. */
export type VerifyErrorCode =
  | 'bad-base64'
  | 'bad-json'
  | 'bad-envelope'
  | 'bad-payload-type'
  | 'bad-key'
  | 'bad-bundle'
  | 'bad-statement'
  | 'bad-delegation'
  | 'bad-signature'
  | 'bad-status'
  | 'bad-endorsement'
  | 'stale-status'
  | 'revoked'
  | 'wrong-group'
  | 'wrong-channel'
  | 'wrong-digest'
  | 'wrong-name'
  | 'wrong-product'
  | 'old-release'
  | 'delegation-expired'
  | 'delegation-not-yet-valid'
  | 'too-large'
  | 'missing-file'
  | 'unreadable'
  | 'changed-file'
  | 'internal'
  | 'usage';

/** 1: it could not be judged; 2: it was asked wrongly; 3: it is not valid. */
export type VerifyExitCode = 1 | 2 | 3;

// Whatever is not here was judged, and is not valid: 3.
const exitCodes: Readonly<Partial<Record<VerifyErrorCode, VerifyExitCode>>> = {
  'missing-file': 1,
  unreadable: 1,
  'changed-file': 1,
  internal: 1,
  usage: 2,
  'bad-key': 2,
};

/** A refusal. The message is lower case and says what was found and, where a person can act, what to do. */
export class VerifyError extends Error {
  override readonly name = 'VerifyError';
  readonly code: VerifyErrorCode;
  readonly exitCode: VerifyExitCode;

  constructor(code: VerifyErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.exitCode = exitCodes[code] ?? 3;
  }
}

/** Runs `read` and names the place in whatever it refuses; code and exit code stay unless another code is given. */
export function within<T>(place: string, read: () => T, code?: VerifyErrorCode): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof VerifyError)
      throw new VerifyError(code ?? error.code, `${place}: ${error.message}`, { cause: error });
    throw error;
  }
}
