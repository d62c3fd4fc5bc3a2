/** Where a coordinator listens. */
import { printableJson } from '../verifier/printable.ts';
import { isLoopback } from '../client/url.ts';
import { systemCode } from '../home/errors.ts';
import { CoordinatorError } from './errors.ts';

/** Host or IP address, and TCP port, to listen on. */
export interface ListenAddress {
  readonly host: string;
  /** 0 takes any port that is free. */
  readonly port: number;
}

/** `HOST:PORT`, IPv6 in brackets. Throws `CoordinatorError('bad-listen')`. */
export function parseListen(text: string): ListenAddress {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):([0-9]{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || !(port <= 65_535))
    throw new CoordinatorError(
      'bad-listen',
      `${printableJson(text.slice(0, 100))} is no HOST:PORT, such as 127.0.0.1:7443`,
    );
  return { host, port };
}

/** Plain http carries who asks for what in the clear, and every token. Throws `CoordinatorError('bad-listen')`. */
export function assertListen(
  { host }: ListenAddress,
  { hasTls, url, insecure }: { readonly hasTls: boolean; readonly url: string | undefined; readonly insecure: boolean },
): void {
  if (!hasTls && !insecure && !isLoopback(host)) {
    throw new CoordinatorError(
      'bad-listen',
      `plain http on ${host} can be read by everybody on the way; give --tls-cert and --tls-key, listen on 127.0.0.1 behind a proxy, or say --insecure`,
    );
  }
  if (url === undefined && (host === '0.0.0.0' || host === '::'))
    throw new CoordinatorError(
      'bad-listen',
      `${host} is every address of this machine; say which one members call with --url`,
    );
}

/** Why the system does not let us listen there, and what to do. */
export function listenFailure({ host, port }: ListenAddress, cause: unknown): CoordinatorError {
  const where = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return new CoordinatorError('bad-listen', `${where} cannot be listened on: ${whyNoListen(cause, host, port)}`, {
    cause,
  });
}

function whyNoListen(cause: unknown, host: string, port: number): string {
  const code = systemCode(cause) ?? '';
  if (code === 'EADDRINUSE')
    return 'another program listens there already; stop it (ss -ltnp shows which it is), or give another port with --listen';
  if (code === 'EADDRNOTAVAIL')
    return `this machine has no address ${host}; ip addr shows those it has, and --url says how others call it`;
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return `no machine is called ${host}; give an address of this machine with --listen`;
  if (code === 'EAFNOSUPPORT')
    return `this machine has no network of that kind (${code}); give an IPv4 address with --listen`;
  if (code !== 'EACCES' && code !== 'EPERM') return cause instanceof Error ? cause.message : String(cause);
  return port < firstFreePort
    ? `this user may not take a port below ${firstFreePort}; give a higher one with --listen, or the right with systemd's AmbientCapabilities=CAP_NET_BIND_SERVICE`
    : `this user may not listen there (${code}); look at the machine's firewall or sandbox`;
}

/** Ports below are the administrator's (ip(7)). */
const firstFreePort = 1024;

/** The address as a URL without fingerprint. */
export function addressUrl(host: string, port: number, hasTls: boolean): string {
  return `${hasTls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
