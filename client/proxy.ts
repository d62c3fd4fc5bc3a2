/** The way out through a proxy: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, each also in lower case, and the tunnel (RFC 9110, Section 9.3.6). */
import { Agent as HttpAgent, request as httpRequest, type ClientRequestArgs } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest, type AgentOptions } from 'node:https';
import { BlockList, isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as tlsConnect, type ConnectionOptions } from 'node:tls';
import { ClientError } from './errors.ts';
import { callTimeoutMs } from './limits.ts';
import { isLoopback } from './url.ts';

/** Where variables are looked up; usually `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A proxy, and the variable that names it. */
export interface Proxy {
  readonly url: URL;
  readonly variable: string;
}

/** The proxy for calls to `base`; never one for this machine itself. Throws `ClientError('bad-proxy')` for one that cannot be used. */
export function proxyFor(base: URL, environment: Environment): Proxy | undefined {
  if (isLoopback(base.hostname) || isExcluded(base, valueOf(environment, 'no_proxy')?.text ?? '')) return undefined;
  const scheme = base.protocol === 'https:' ? 'https_proxy' : 'http_proxy';
  const found = valueOf(environment, scheme) ?? valueOf(environment, 'all_proxy');
  if (found === undefined) return undefined;
  const { variable, text } = found;
  const address = text.includes('://') ? text : `http://${text}`;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return { url, variable };
  // Its text may hold a password.
  throw new ClientError(
    'bad-proxy',
    `${variable} names ${url === undefined ? 'no address of a proxy' : `a ${url.protocol.slice(0, -1)} proxy`}, and only http:// and https:// proxies are used here; name another one in ${scheme.toUpperCase()}, or put ${base.hostname} into NO_PROXY`,
  );
}

/** Lower case wins, as everywhere. */
function valueOf(
  environment: Environment,
  name: string,
): { readonly variable: string; readonly text: string } | undefined {
  for (const variable of [name, name.toUpperCase()]) {
    const text = environment[variable]?.trim();
    if (text !== undefined && text !== '') return { variable, text };
  }
  return undefined;
}

/** `*`, a host with everything below it, a host with its port, or a network such as `10.0.0.0/8`. */
function isExcluded(base: URL, list: string): boolean {
  const host = base.hostname.replace(/^\[|\]$/g, '');
  const port = base.port === '' ? (base.protocol === 'https:' ? '443' : '80') : base.port;
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => entry === '*' || isInNetwork(host, entry) || isNamed(host, port, entry));
}

function isNamed(host: string, port: string, entry: string): boolean {
  const [, name = entry, onlyPort] = /^(.*[^:]):(\d+)$/.exec(entry) ?? [];
  if (onlyPort !== undefined && isIP(entry) === 0 && onlyPort !== port) return false;
  const known = (isIP(entry) === 0 ? name : entry).replace(/^\*?\.|^\[|\]$/g, '');
  return host === known || (isIP(host) === 0 && host.endsWith(`.${known}`));
}

function isInNetwork(host: string, entry: string): boolean {
  const [address = '', bits] = entry.split('/');
  const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
  const most = family === 'ipv4' ? 32 : 128;
  if (bits === undefined || !/^\d{1,3}$/.test(bits) || Number(bits) > most || isIP(address) !== isIP(host))
    return false;
  if (isIP(host) === 0) return false;
  const network = new BlockList();
  network.addSubnet(address, Number(bits), family);
  return network.check(host, family);
}

/** Makes connections to one coordinator, through a proxy where there is one. */
export function agentFor(base: URL, proxy: Proxy | undefined, options: AgentOptions): HttpAgent | HttpsAgent {
  if (base.protocol === 'https:') return proxy === undefined ? new HttpsAgent(options) : new TlsTunnels(proxy, options);
  return proxy === undefined ? new HttpAgent(options) : new PlainTunnels(proxy, options);
}

type Opened = (error: Error | null, stream: Duplex) => void;

/** Connections over plain http, each in a tunnel of its own. */
class PlainTunnels extends HttpAgent {
  readonly #proxy: Proxy;
  constructor(proxy: Proxy, options: AgentOptions) {
    super(options);
    this.#proxy = proxy;
  }

  override createConnection(options: ClientRequestArgs, opened?: Opened): Duplex {
    settle(openTunnel(this.#proxy, options), opened);
    return undefined as unknown as Duplex; // node:http waits for the callback then
  }
}

/** The same for TLS, which begins inside the tunnel: the proxy sees host and port, and nothing else. */
class TlsTunnels extends HttpsAgent {
  readonly #proxy: Proxy;
  constructor(proxy: Proxy, options: AgentOptions) {
    super(options);
    this.#proxy = proxy;
  }

  override createConnection(options: ClientRequestArgs & ConnectionOptions, opened?: Opened): Duplex {
    const connected = openTunnel(this.#proxy, options).then((socket) => tlsConnect({ ...options, socket }));
    settle(connected, opened);
    return undefined as unknown as Duplex; // node:http waits for the callback then
  }
}

function settle(connected: Promise<Duplex>, opened: Opened | undefined): void {
  connected.then(
    (stream) => opened?.(null, stream),
    (error: unknown) => opened?.(error as Error, undefined as unknown as Duplex),
  );
}

/** What is trusted for the coordinator is trusted for a proxy: who is inside the tunnel is judged again, by its own name. */
function openTunnel(
  { url, variable }: Proxy,
  { host, port, ca }: ClientRequestArgs & Pick<ConnectionOptions, 'ca'>,
): Promise<Socket> {
  const proxyName = url.hostname.replace(/^\[|\]$/g, '');
  const name = host ?? '';
  const target = `${name.includes(':') ? `[${name}]` : name}:${port ?? ''}`;
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const refuse = (found: string, cause?: unknown): void =>
      reject(new ClientError('unreachable', `the proxy ${url.host}, which ${variable} names, ${found}`, { cause }));
    const call = request({
      method: 'CONNECT',
      hostname: proxyName,
      // Otherwise node:https takes it from the header Host, which names the coordinator.
      servername: isIP(proxyName) === 0 ? proxyName : '',
      ...(ca === undefined ? {} : { ca }),
      port: url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : url.port,
      path: target,
      headers: { host: target, ...credentialsOf(url) },
      agent: false,
      timeout: callTimeoutMs,
    });
    call.once('connect', ({ statusCode }, socket) => {
      if (statusCode === 200) resolve(socket);
      else {
        socket.destroy();
        refuse(whyNoTunnel(statusCode ?? 0, target), (statusCode ?? 0) < 500 ? refusedTunnel : undefined);
      }
    });
    call.once('timeout', () => call.destroy(new Error('no answer in time')));
    call.once('error', (error) => refuse(`cannot be used: ${error.message}`, error));
    call.end();
  });
}

/** No wait mends it. */
const refusedTunnel = Object.assign(new Error('the proxy refused'), { code: 'ERR_PROXY_REFUSED' });

function whyNoTunnel(status: number, target: string): string {
  if (status === 407) return `wants a name and a password (HTTP status 407): http://USER:PASSWORD@HOST:PORT`;
  return `makes no connection to ${target} (HTTP status ${status}); have it allowed there, or put the host into NO_PROXY`;
}

function credentialsOf({ username, password }: URL): { readonly 'proxy-authorization'?: string } {
  if (username === '' && password === '') return {};
  const credentials = Buffer.concat([decodePercent(username), Buffer.from(':'), decodePercent(password)]);
  return { 'proxy-authorization': `Basic ${credentials.toString('base64')}` };
}

/** As curl reads it: a `%` that two hexadecimal digits do not follow is itself. */
function decodePercent(text: string): Buffer {
  const byte = (_: string, digits: string): string => String.fromCharCode(Number.parseInt(digits, 16));
  return Buffer.from(text.replace(/%([0-9a-f]{2})/gi, byte), 'latin1');
}
