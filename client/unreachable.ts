/** Why a call found no coordinator, in ordinary words with the next step: what the system, TLS and proxies say means one thing each. */
import { formatTimestamp } from '../protocol/wire/time.ts';
import { isLoopback } from './url.ts';

/** How a call went out. */
export interface Way {
  readonly base: URL;
  /** Whether an authority of one's own (`--ca`) is trusted, too. */
  readonly hasAuthority: boolean;
  readonly nowUnixSeconds: number;
}

/** What was found and what to do, for an error of `node:http`, `node:tls` or the system. */
export function whyUnreachable(error: unknown, way: Way): string {
  const found = codeOf(error);
  const where = way.base.origin;
  return tlsFault(found, error, way) ?? networkFault(found, way) ?? `${where} cannot be reached (${found})`;
}

/** `ECONNREFUSED` and the like; of several addresses that were tried in vain, the first one's. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error';
  if ('code' in error && typeof error.code === 'string') return error.code;
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0]);
  return error.message;
}

function networkFault(code: string, { base }: Way): string | undefined {
  const where = base.origin;
  switch (code) {
    case 'ECONNREFUSED':
      return isLoopback(base.hostname)
        ? `nobody listens at ${where}; is the coordinator running there?`
        : `nobody listens at ${where}; check the port, and that the coordinator runs there`;
    case 'ENOTFOUND':
      return `no machine is called ${base.hostname}; check the spelling of the coordinator's URL`;
    case 'EAI_AGAIN':
      return `${base.hostname} cannot be looked up now; check this machine's network and DNS`;
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ENETDOWN':
      return `there is no way from here to ${base.hostname} (${code}); check this machine's network`;
    case 'ETIMEDOUT':
      return `${where} does not answer; a firewall may be in between`;
    case 'EACCES':
    case 'EPERM':
      return `this machine does not let us connect to ${where} (${code}); look at its firewall or sandbox`;
    case 'ECONNRESET':
    case 'EPIPE':
      return base.protocol === 'http:'
        ? `${where} hung up without an answer; if it speaks TLS, write https:// in the coordinator's URL`
        : `${where} hung up without an answer; look at the coordinator and at what is in front of it`;
    default:
      return undefined;
  }
}

/** `write EPROTO …:wrong version number:…` up to Node 20, `ERR_SSL_…` since. */
const noTls = /wrong version number|packet length too long|WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|http request/i;
const unknownIssuer = /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_UNTRUSTED)/;
const otherTls = /^(EPROTO$|CERT_|ERR_TLS|ERR_SSL)/;

function tlsFault(code: string, error: unknown, { base, hasAuthority, nowUnixSeconds }: Way): string | undefined {
  const where = base.origin;
  if (code === 'EPROTO' || code.startsWith('ERR_SSL')) {
    if (noTls.test(code) || noTls.test(String(error)))
      return `${where} answers, but not with TLS: it is plain http, or another port; check the coordinator's URL`;
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `the TLS certificate at ${where} is for ${namesIn(error)}, and not for ${base.hostname}; use a URL with such a name, or a certificate for this one`;
  const now = formatTimestamp(nowUnixSeconds);
  if (code === 'CERT_HAS_EXPIRED')
    return `the TLS certificate at ${where} has expired, by this machine's clock (${now}); if the clock is right, whoever runs it must renew the certificate`;
  if (code === 'CERT_NOT_YET_VALID')
    return `the TLS certificate at ${where} is not valid yet, by this machine's clock (${now}); is the clock right?`;
  if (unknownIssuer.test(code))
    return hasAuthority
      ? `the TLS certificate at ${where} is vouched for neither by the authority in --ca nor by one that Node.js knows (${code}); is it the right --ca file?`
      : `the TLS certificate at ${where} is vouched for by nobody that Node.js knows (${code}); if it is of an authority of your own, name its PEM file with --ca FILE`;
  return otherTls.test(code) ? `no TLS connection to ${where} comes about (${code})` : undefined;
}

/** The names in a certificate that fits none of them. */
function namesIn(error: unknown): string {
  const cert = error instanceof Error && 'cert' in error ? (error.cert as { subjectaltname?: string } | undefined) : {};
  const names = cert?.subjectaltname?.split(', ').map((name) => name.replace(/^(DNS|IP Address):/, ''));
  return names?.slice(0, shownNames).join(', ') ?? 'another name';
}

/** Names of a certificate that a message has room for. */
const shownNames = 5;

/** What an answer means that is none of a coordinator: somebody between or in its place gave it. */
export function whyNoCoordinator(status: number, location: string | undefined, base: URL): string {
  const where = base.origin;
  if (status >= 300 && status < 400)
    return `${where} sends us elsewhere${location === undefined ? '' : `, to ${location.slice(0, 120)}`}; write the coordinator's own address into its URL`;
  if (status === 400 && base.protocol === 'http:')
    return `${where} takes no plain http (HTTP status 400); if it speaks TLS, write https:// in the coordinator's URL`;
  if (status === 502 || status === 503 || status === 504)
    return `what is in front of the coordinator at ${where} does not reach it (HTTP status ${status}); is the coordinator running?`;
  return `who answers at ${where} is no coordinator (HTTP status ${status}); check its URL, and what the proxy in front of it passes on`;
}

/** A WebSocket that was answered like an ordinary call: the login before it had found the coordinator. */
export function whyNoUpgrade(status: number, host: string): string {
  return `${host} answered the WebSocket with HTTP status ${status}: the proxy in front of the coordinator does not pass the upgrade on (the header Upgrade); docs/operating.md has the lines for nginx, haproxy and caddy`;
}
