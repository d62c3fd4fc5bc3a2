/** What can go wrong between a client and its coordinator: one error class over a closed union of codes. */

/**
 * - `bad-url`: not a coordinator URL with the fingerprint of its identity.
 * - `insecure-url`: plain http to another machine, without `insecure`.
 * - `bad-proxy`: a proxy in the environment that cannot be used.
 * - `wrong-clock`: our clock and the coordinator's are too far apart.
 * - `unreachable`: no connection, or it broke; trying again may help.
 * - `timeout`: connected, but no answer in time; trying again may help.
 * - `wrong-coordinator`: whoever answered does not hold the identity that the URL names, or calls itself by another URL.
 * - `bad-response`: an answer that no coordinator of this version gives.
 * - `not-authenticated`: the coordinator does not accept this identity; `refusal` says why.
 * - `refused`: the coordinator refused what was asked; `refusal` says why.
 * - `bad-group`: what the coordinator says of the group does not follow from the pinned key.
 */
export type ClientErrorCode =
  | 'bad-url'
  | 'insecure-url'
  | 'bad-proxy'
  | 'wrong-clock'
  | 'unreachable'
  | 'timeout'
  | 'wrong-coordinator'
  | 'bad-response'
  | 'not-authenticated'
  | 'refused'
  | 'bad-group';

/** The code of a refusal that no coordinator wrote: what is in between, or in its place, answered. */
export const notOurs = 'unknown';

/** The coordinator's own words. */
export interface Refusal {
  /** HTTP status, 400 to 599. */
  readonly status: number;
  /** A code of the coordinator or of the protocol, such as `not-a-requester`. */
  readonly code: string;
  readonly message: string;
  /** Milliseconds after which the coordinator wants to be asked again (`Retry-After`). */
  readonly retryAfterMs?: number;
}

/** A refusal by or about the coordinator: what was found and, where a person can act, what to do. */
export class ClientError extends Error {
  readonly code: ClientErrorCode;
  readonly refusal: Refusal | undefined;

  constructor(
    code: ClientErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly refusal?: Refusal } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'ClientError';
    this.code = code;
    this.refusal = options.refusal;
  }
}

/** Whether the same call may succeed a little later: the way to the coordinator is at fault, or it is busy. */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof ClientError)) return false;
  if (error.code === 'unreachable' || error.code === 'timeout') return true;
  const status = error.refusal?.status;
  return status === 429 || status === 502 || status === 503;
}
