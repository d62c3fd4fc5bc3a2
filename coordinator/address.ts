/** From where a call comes: the address that failures are charged to (T44). */
import { printableJson } from '../verifier/printable.ts';
import { isIP, isIPv6 } from 'node:net';
import { CoordinatorError } from './errors.ts';

/** What is read of a call. */
export interface Caller {
  readonly socket: { readonly remoteAddress?: string | undefined };
  readonly headers: NodeJS.Dict<string | string[]>;
}

/**
 * Tells addresses apart as their owners do: an IPv4 address, or the first 64 bits of an IPv6 one, of which one machine has as many as it
 * likes (RFC 6177). Behind a proxy that the operator named, the address is the last one that the proxy added to X-Forwarded-For; from anybody
 * else that header is not believed.
 */
export class Addresses {
  readonly #proxies: ReadonlySet<string>;

  /** IP addresses of trusted proxies. Throws `CoordinatorError('bad-listen')` for what is none. */
  constructor(proxies: readonly string[]) {
    for (const proxy of proxies) {
      if (isIP(proxy) === 0)
        throw new CoordinatorError(
          'bad-listen',
          `${printableJson(proxy.slice(0, 100))} is no IP address; --trust-proxy takes the one from which the proxy calls, such as 127.0.0.1`,
        );
    }
    this.#proxies = new Set(proxies.map(plain));
  }

  /** The address of a caller, or its network where one owner has many. */
  of({ socket, headers }: Caller): string {
    const direct = plain(socket.remoteAddress ?? '');
    if (!this.#proxies.has(direct)) return networkOf(direct);
    const forwarded = [headers['x-forwarded-for'] ?? ''].flat().join(',').split(',').reverse();
    const first = forwarded.map((part) => plain(part.trim())).find((address) => !this.#proxies.has(address));
    return first === undefined || isIP(first) === 0 ? networkOf(direct) : networkOf(first);
  }
}

/** One spelling: an IPv4 address is the same inside IPv6 (RFC 4291, Section 2.5.5.2), and a zone is no part of it. */
function plain(address: string): string {
  const [withoutZone = ''] = address.split('%');
  if (!isIPv6(withoutZone)) return withoutZone;
  // The one short spelling of RFC 5952, in hexadecimal throughout.
  const short = new URL(`http://[${withoutZone}]`).hostname.slice(1, -1);
  return short.replace(/^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/, mapped);
}

function mapped(_all: string, high: string, low: string): string {
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return [a >> 8, a & 0xff, b >> 8, b & 0xff].join('.');
}

function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = '', tail] = address.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => '0'), ...right];
  return `${groups.slice(0, 4).join(':')}::/64`;
}
