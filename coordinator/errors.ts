/** What the coordinator refuses: one error class over a closed union of codes, and the HTTP status of each. */
import { ProtocolError, type ProtocolErrorCode } from '../protocol/errors.ts';
import { HomeError } from '../home/errors.ts';
import { retryAfterMs } from './limits.ts';

/**
 * - `not-authenticated`: no token, or one that is unknown or expired; log in again.
 * - `not-found`: no such route, group, round or document, or not for whoever asks.
 * - `bad-body`: a body, header or query of the wrong form.
 * - `too-large`: a body past its bound.
 * - `too-many`: more than one identity may have or do; wait and try again.
 * - `too-broad`: a question that would look at too many rounds; ask for less.
 * - `closing`: the coordinator is about to stop.
 * - `failed`: the coordinator's own fault; its log says more.
 * - `archived`: bytes that the operator took out of the store.
 * - `store-missing`, `store-damaged`, `store-failed`: the store is not there, not what was written, or could not be written.
 * - `store-foreign`: the store is of a coordinator with another identity.
 * - `store-newer`, `store-older`: the store is of a form that only a newer frostmark knows, or of the old form and cannot be taken over.
 * - `bad-listen`: an address to listen on that does not fit, or plain http beyond loopback.
 * - `bad-tls`: certificate or key cannot be used.
 * - `bad-socket`: the control socket's path cannot be used.
 * - `socket-in-use`: a living coordinator answers on the control socket.
 * - `not-running`: nobody answers on the control socket.
 * - `bad-command`: not a command of the control socket.
 */
export type CoordinatorErrorCode =
  | 'not-authenticated'
  | 'not-found'
  | 'bad-body'
  | 'too-large'
  | 'too-many'
  | 'too-broad'
  | 'closing'
  | 'failed'
  | 'archived'
  | 'store-missing'
  | 'store-foreign'
  | 'store-newer'
  | 'store-older'
  | 'store-damaged'
  | 'store-failed'
  | 'bad-listen'
  | 'bad-tls'
  | 'bad-socket'
  | 'socket-in-use'
  | 'not-running'
  | 'bad-command';

/** A refusal of the coordinator: what was found and, where a person can act, what to do. */
export class CoordinatorError extends Error {
  readonly code: CoordinatorErrorCode;
  /** Milliseconds after which the same may be taken; only of `too-many`. */
  readonly waitMs: number | undefined;

  constructor(code: CoordinatorErrorCode, message: string, options: ErrorOptions & { readonly waitMs?: number } = {}) {
    super(message, options);
    this.name = 'CoordinatorError';
    this.code = code;
    this.waitMs = options.waitMs;
  }
}

/** What a client or member is told of an error. */
export interface Problem {
  readonly status: number;
  readonly code: CoordinatorErrorCode | ProtocolErrorCode;
  readonly message: string;
  /** For `Retry-After`: always of 429 and 503, and of nothing else (RFC 9110, Section 10.2.3). */
  readonly retryAfterSeconds: number | undefined;
}

const maxMessageCharacters = 1000;

/** An error as the outside may see it: of what is not meant for it only that there was something. */
export function problemOf(error: unknown): Problem {
  if (error instanceof CoordinatorError && statusOf(error.code) < 500)
    return problem(error.code, error.message, error.waitMs);
  if (error instanceof ProtocolError) return problem(error.code, error.message);
  if (error instanceof CoordinatorError && error.code === 'closing') return problem('closing', error.message);
  return fastifyProblem(error) ?? problem('failed', 'the coordinator failed; its log says why');
}

function problem(code: Problem['code'], message: string, waitMs?: number): Problem {
  const status = statusOf(code);
  const retryAfterSeconds =
    status === 429 || status === 503 ? Math.max(1, Math.ceil((waitMs ?? retryAfterMs) / 1000)) : undefined;
  return { status, code, message: message.slice(0, maxMessageCharacters), retryAfterSeconds };
}

/** Errors that fastify raises before a route is reached. */
function fastifyProblem(error: unknown): Problem | undefined {
  if (!(error instanceof Error) || !('statusCode' in error)) return undefined;
  switch (error.statusCode) {
    case 413:
      return problem('too-large', 'the body is longer than this route takes');
    case 404:
      return problem('not-found', 'there is no such route');
    case 400:
    case 415:
      return problem('bad-body', error.message);
    default:
      return undefined;
  }
}

/** Whether the coordinator itself must stop: it no longer knows what its disk holds. */
export function isFatal(error: unknown): boolean {
  return (error instanceof CoordinatorError && error.code === 'store-failed') || error instanceof HomeError;
}

function statusOf(code: Problem['code']): number {
  switch (code) {
    case 'not-authenticated':
    case 'bad-login':
      return 401;
    case 'not-a-member':
    case 'not-a-requester':
    case 'not-allowed':
    case 'rolled-back':
      return 403;
    case 'not-found':
      return 404;
    case 'archived':
      return 410;
    case 'conflict':
    case 'stale-version':
    case 'expired':
    case 'not-yet-valid':
    case 'wrong-epoch':
    case 'wrong-group':
      return 409;
    case 'too-large':
      return 413;
    case 'too-many':
      return 429;
    case 'failed':
    case 'store-missing':
    case 'store-foreign':
    case 'store-newer':
    case 'store-older':
    case 'store-damaged':
    case 'store-failed':
    case 'bad-listen':
    case 'bad-tls':
    case 'bad-socket':
    case 'socket-in-use':
    case 'not-running':
      return 500;
    case 'closing':
      return 503;
    case 'bad-body':
    case 'too-broad':
    case 'bad-command':
    case 'bad-card':
    case 'bad-certificate':
    case 'bad-charter':
    case 'bad-checkpoint':
    case 'bad-ceremony-message':
    case 'bad-commitment':
    case 'bad-decision':
    case 'bad-document':
    case 'bad-envelope':
    case 'bad-evidence':
    case 'bad-frame':
    case 'bad-import':
    case 'bad-import-key':
    case 'bad-leaf':
    case 'bad-package':
    case 'bad-policy':
    case 'bad-proof':
    case 'bad-record':
    case 'bad-request':
    case 'bad-requesters':
    case 'bad-share':
    case 'bad-signature':
    case 'bad-tile':
    case 'unknown-channel':
    case 'unknown-format':
      return 400;
  }
}
