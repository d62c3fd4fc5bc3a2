/** The coordinator's URL: where it is, and behind the `#` who it is: `https://host:7443/#<base64url of its Ed25519 identity key>`. */
import { printableJson } from '../verifier/printable.ts';
import { isPublicKey } from '../verifier/ed25519.ts';
import { decodeBase64Url, encodeBase64Url } from '../verifier/base64.ts';
import { maxUrlCharacters } from '../protocol/limits.ts';
import { ClientError } from './errors.ts';

/** A coordinator's URL in its parts. */
export interface CoordinatorUrl {
  /** Scheme, host, port and path, without a slash at the end: what challenge and login are bound to. */
  readonly base: string;
  /** Identity key of the coordinator, 32 bytes as base64url. */
  readonly fingerprint: string;
  /** As it was given, in its normal form. */
  readonly text: string;
}

/** Throws `ClientError` (`bad-url`; `insecure-url` for plain http beyond loopback without `insecure`). */
export function parseCoordinatorUrl(text: string, options: { readonly insecure?: boolean } = {}): CoordinatorUrl {
  const [address = '', fingerprint = ''] = text.split('#');
  const base = parseBaseUrl(address, options);
  if (!isFingerprint(fingerprint)) {
    throw new ClientError(
      'bad-url',
      `${shown(text)} does not end in # and the coordinator's fingerprint; copy the whole line that "frostmark coordinator serve" prints`,
    );
  }
  return { base, fingerprint, text: formatCoordinatorUrl(base, decodeBase64Url(fingerprint)) };
}

/** Inverse of `parseCoordinatorUrl`; `identityKey` is 32 bytes. */
export function formatCoordinatorUrl(base: string, identityKey: Uint8Array): string {
  return `${base}/#${encodeBase64Url(identityKey)}`;
}

/** An address without fingerprint, in its normal form. Throws `ClientError` (`bad-url`, `insecure-url`). */
export function parseBaseUrl(text: string, options: { readonly insecure?: boolean } = {}): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || text.length > maxUrlCharacters || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new ClientError('bad-url', `${shown(text)} is no address like https://host:7443/`);
  }
  if (url.username !== '' || url.password !== '' || url.search !== '') {
    throw new ClientError('bad-url', `${shown(text)} has a user, password or query, which no coordinator has`);
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname) && options.insecure !== true) {
    throw new ClientError(
      'insecure-url',
      `${shown(text)} is plain http to another machine, where anybody on the way sees who signs what; use https, or --insecure`,
    );
  }
  return url.origin + url.pathname.replace(/\/+$/, '');
}

/** Whether only this machine can be behind the name: localhost, 127.0.0.0/8 and ::1. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || hostname === '::1' || /^127(\.\d{1,3}){3}$/.test(hostname);
}

function isFingerprint(text: string): boolean {
  try {
    return isPublicKey(decodeBase64Url(text));
  } catch {
    return false;
  }
}

function shown(text: string): string {
  return printableJson(text.slice(0, 120));
}
