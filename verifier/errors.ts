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

/** A refusal. The message is lower case and says what was found and, where a person can act, what to do. */
export class VerifyError extends Error {
  override readonly name = 'VerifyError';
  readonly code: VerifyErrorCode;
  readonly exitCode: VerifyExitCode;

  constructor(code: VerifyErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.exitCode = exitCodeOf(code);
  }
}

function exitCodeOf(code: VerifyErrorCode): VerifyExitCode {
  switch (code) {
    case 'missing-file':
    case 'unreadable':
    case 'changed-file':
    case 'internal':
      return 1;
    case 'usage':
    case 'bad-key':
      return 2;
    case 'bad-base64':
    case 'bad-json':
    case 'bad-envelope':
    case 'bad-payload-type':
    case 'bad-bundle':
    case 'bad-statement':
    case 'bad-delegation':
    case 'bad-signature':
    case 'wrong-group':
    case 'wrong-channel':
    case 'wrong-digest':
    case 'wrong-name':
    case 'wrong-product':
    case 'old-release':
    case 'delegation-expired':
    case 'delegation-not-yet-valid':
    case 'too-large':
      return 3;
  }
}

/** Runs `read` and names the place in whatever it refuses; code and exit code stay. */
export function within<T>(place: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof VerifyError) throw new VerifyError(error.code, `${place}: ${error.message}`, { cause: error });
    throw error;
  }
}
