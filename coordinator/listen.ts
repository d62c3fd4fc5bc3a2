/** Where a coordinator listens. */
import { printableJson } from '../verifier/printable.ts';
import { isLoopback } from '../client/url.ts';
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

/** The address as a URL without fingerprint. */
export function addressUrl(host: string, port: number, hasTls: boolean): string {
  return `${hasTls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
