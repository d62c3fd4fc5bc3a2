/** What the coordinator refuses: one error class over a closed union of codes, and the HTTP status of each. */
import { ProtocolError, type ProtocolErrorCode } from '../protocol/errors.ts';
import { HomeError } from '../home/errors.ts';

/**
 * - `not-authenticated`: no token, or one that is unknown or expired; log in again.
 * - `not-found`: no such route, group, round or document, or not for whoever asks.
 * - `bad-body`: a body, header or query of the wrong form.
 * - `too-large`: a body past its bound.
 * - `too-many`: more than one identity may have or do; wait and try again.
 * - `closing`: the coordinator is about to stop.
 * - `failed`: the coordinator's own fault; its log says more.
 * - `store-missing`, `store-damaged`, `store-failed`: the store is not there, not what was written, or could not be written.
 * - `bad-listen`: an address to listen on that does not fit, or plain http beyond loopback.
 * - `bad-tls`: certificate or key cannot be used.
 */
export type CoordinatorErrorCode =
  | 'not-authenticated'
  | 'not-found'
  | 'bad-body'
  | 'too-large'
  | 'too-many'
  | 'closing'
  | 'failed'
  | 'store-missing'
  | 'store-damaged'
  | 'store-failed'
  | 'bad-listen'
  | 'bad-tls';

/** A refusal of the coordinator: what was found and, where a person can act, what to do. */
export class CoordinatorError extends Error {
  readonly code: CoordinatorErrorCode;

  constructor(code: CoordinatorErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CoordinatorError';
    this.code = code;
  }
}

/** What a client or member is told of an error. */
export interface Problem {
  readonly status: number;
  readonly code: CoordinatorErrorCode | ProtocolErrorCode;
  readonly message: string;
}

const maxMessageCharacters = 1000;

/** An error as the outside may see it: of what is not meant for it only that there was something. */
export function problemOf(error: unknown): Problem {
  if (error instanceof CoordinatorError && statusOf(error.code) < 500) return problem(error.code, error.message);
  if (error instanceof ProtocolError) return problem(error.code, error.message);
  if (error instanceof CoordinatorError && error.code === 'closing') return problem('closing', error.message);
  return fastifyProblem(error) ?? problem('failed', 'the coordinator failed; its log says why');
}

function problem(code: Problem['code'], message: string): Problem {
  return { status: statusOf(code), code, message: message.slice(0, maxMessageCharacters) };
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
    case 'store-damaged':
    case 'store-failed':
    case 'bad-listen':
    case 'bad-tls':
      return 500;
    case 'closing':
      return 503;
    case 'bad-body':
    case 'bad-card':
    case 'bad-certificate':
    case 'bad-charter':
    case 'bad-ceremony-message':
    case 'bad-commitment':
    case 'bad-decision':
    case 'bad-document':
    case 'bad-envelope':
    case 'bad-evidence':
    case 'bad-frame':
    case 'bad-import':
    case 'bad-package':
    case 'bad-policy':
    case 'bad-request':
    case 'bad-requesters':
    case 'bad-share':
    case 'bad-signature':
    case 'unknown-channel':
    case 'unknown-format':
      return 400;
  }
}
