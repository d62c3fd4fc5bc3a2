/** The one error of `protocol/`: a code from a closed list, a message that says what was found, and who is at fault when that is known. */

/** Every code is in PROTOCOL-REFERENCE.md with its cause and remedy. */
export const protocolErrorCodes = [
  'bad-card',
  'bad-certificate',
  'bad-charter',
  'bad-checkpoint',
  'bad-ceremony-message',
  'bad-commitment',
  'bad-decision',
  'bad-document',
  'bad-envelope',
  'bad-evidence',
  'bad-frame',
  'bad-import',
  'bad-import-key',
  'bad-leaf',
  'bad-login',
  'bad-package',
  'bad-policy',
  'bad-proof',
  'bad-record',
  'bad-request',
  'bad-requesters',
  'bad-share',
  'bad-signature',
  'bad-tile',
  'conflict',
  'expired',
  'not-a-member',
  'not-a-requester',
  'not-allowed',
  'not-found',
  'not-yet-valid',
  'rolled-back',
  'stale-version',
  'too-large',
  'too-many',
  'unknown-channel',
  'unknown-format',
  'wrong-epoch',
  'wrong-group',
] as const;

/** One of them. */
export type ProtocolErrorCode = (typeof protocolErrorCodes)[number];

/** Where the fault is, and whose it is, as far as that is known. */
export interface ErrorPlace {
  /** Name of the file, for charter, requesters and policy. */
  readonly file?: string;
  /** 1-based line in that file. */
  readonly line?: number;
  /** Names of members who caused it, when that is known. */
  readonly culprits?: readonly string[];
  readonly cause?: unknown;
}

/** What was refused, and why. The message begins with `FILE:LINE: ` where there is a place. */
export class ProtocolError extends Error {
  readonly code: ProtocolErrorCode;
  readonly file: string | undefined;
  readonly line: number | undefined;
  readonly culprits: readonly string[];

  constructor(code: ProtocolErrorCode, message: string, place: ErrorPlace = {}) {
    const at = place.file === undefined ? '' : `${place.file}${place.line === undefined ? '' : `:${place.line}`}: `;
    super(at + message, { cause: place.cause });
    this.name = 'ProtocolError';
    this.code = code;
    this.file = place.file;
    this.line = place.line;
    this.culprits = place.culprits ?? [];
  }
}
