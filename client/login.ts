/** One login serves HTTP and WebSocket: the coordinator proves who it is, then we sign its challenge (single use, bound to URL, role, version and expiry). */
import { keyId, openMessage, sealMessage, type Identity } from '../protocol/wire/envelope.ts';
import { ProtocolError } from '../protocol/errors.ts';
import {
  type protocolVersion,
  challengeMessage,
  loginMessage,
  tokenBody,
  type JournalHead,
} from '../protocol/wire/frames.ts';
import { EnvelopeSchema } from '../protocol/wire/schema.ts';
import { parseTimestamp } from '../protocol/wire/time.ts';
import { assertClocksAgree, type Clocks } from './clock.ts';
import { ClientError } from './errors.ts';
import type { Http } from './http.ts';
import { maxClockDifferenceSeconds } from './limits.ts';
import type { CoordinatorUrl } from './url.ts';

/** The role in which somebody logs in, and to which group. */
export type ClientRole =
  | {
      readonly role: 'member';
      /** SHA-256 of the charter, hex. */
      readonly charter: string;
      /** Head of the member's journal, asked for at the last moment of every login: an older one would look rolled back (T3). */
      readonly journal: () => JournalHead;
    }
  | {
      readonly role: 'requester';
      /** Group public key, base64url. */
      readonly groupKey: string;
    };

/** Who logs in. */
export type LoginAs = ClientRole & { readonly identity: Identity };

/** What a login was answered with. */
export interface LoginToken {
  /** For `Authorization: Bearer`. */
  readonly token: string;
  readonly expiresAtUnixSeconds: number;
}

/**
 * Throws `ClientError`: `wrong-coordinator` before anything is signed, unless who answers holds the identity in the URL and means
 * this very URL; `wrong-clock`; `refused` or `not-authenticated` with the coordinator's reason.
 */
export async function login(http: Http, url: CoordinatorUrl, as: LoginAs, nowUnixSeconds: number): Promise<LoginToken> {
  // Who is known has a share of its own where strangers crowd in (T44).
  const key = keyId(as.identity.publicKey);
  const envelope = await http.json(EnvelopeSchema, { method: 'POST', path: `/v1/challenge?key=${key}`, body: {} });
  const challenge = openChallenge(envelope, url, { clockAheadMs: http.clockAheadMs, nowUnixSeconds });
  const answer = sealMessage(
    loginMessage,
    {
      ...challenge,
      role: as.role,
      charter: as.role === 'member' ? as.charter : null,
      groupKey: as.role === 'requester' ? as.groupKey : null,
      journal: as.role === 'member' ? as.journal() : null,
    },
    as.identity,
  );
  const { token, expiresAt } = await http.json(tokenBody, {
    method: 'POST',
    path: `/v1/login?key=${key}`,
    body: { login: answer },
  });
  return { token, expiresAtUnixSeconds: parseTimestamp(expiresAt, 'bad-login', 'expiresAt') };
}

function openChallenge(
  envelope: unknown,
  url: CoordinatorUrl,
  clocks: Clocks,
): { challenge: string; url: string; version: typeof protocolVersion; expiresAt: string } {
  const { payload } = openAsCoordinator(envelope, url);
  if (payload.url !== url.base) {
    throw new ClientError(
      'wrong-coordinator',
      `the coordinator at ${url.base} calls itself ${payload.url}; use that URL, or start it with --url ${url.base}`,
    );
  }
  const expiry = parseTimestamp(payload.expiresAt, 'bad-login', 'expiresAt');
  if (expiry + maxClockDifferenceSeconds < clocks.nowUnixSeconds) {
    assertClocksAgree(clocks);
    throw new ClientError('wrong-coordinator', 'its challenge expired long ago: somebody plays an old one again');
  }
  return payload;
}

function openAsCoordinator(envelope: unknown, url: CoordinatorUrl) {
  try {
    return openMessage(challengeMessage, envelope, (key) => key === url.fingerprint);
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    throw new ClientError(
      'wrong-coordinator',
      `who answers at ${url.base} does not hold the identity ${url.fingerprint}; compare the URL with the one that the coordinator printed`,
      { cause },
    );
  }
}
