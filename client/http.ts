/**
 * HTTP calls to one coordinator: bounded answers, one time limit for the whole call, errors that say whether a retry may help.
 * `node:http` and not `fetch`, because `fetch` takes no certificate authority for one call alone.
 */
import { request as httpRequest, type Agent as HttpAgent, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { rootCertificates } from 'node:tls';
import { encodeCanonicalJson, decodeCanonicalJson } from '../verifier/json.ts';
import { maxJsonDepth } from '../protocol/limits.ts';
import { problemBody } from '../protocol/wire/frames.ts';
import { assertSchema, type Static, type TSchema } from '../protocol/wire/schema.ts';
import { ClientError, notOurs } from './errors.ts';
import { callTimeoutMs, longestRetryAfterMs, maxAnswerBytes, maxAnswerValues, streamSilenceMs } from './limits.ts';
import { agentFor, proxyFor, type Environment } from './proxy.ts';
import { whyNoCoordinator, whyUnreachable } from './unreachable.ts';

/** What holds for every call of a client. */
export interface HttpOptions {
  /** PEM of a certificate authority to trust beside those of the system, for a self-signed coordinator. */
  readonly ca?: string | undefined;
  /** Milliseconds for one call, from start to the end of the answer. */
  readonly timeoutMs?: number | undefined;
  /** Unix milliseconds; the system's clock by default. */
  readonly nowMs?: (() => number) | undefined;
  /** Where `HTTPS_PROXY` and its like are looked up; the process's own by default. */
  readonly environment?: Environment | undefined;
}

/** One call. */
export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** Begins with a slash. */
  readonly path: string;
  readonly token?: string | undefined;
  /** A value for a JSON body, or the bytes of a raw one. */
  readonly body?: object | Uint8Array | undefined;
  /** Bytes of the answer. */
  readonly maxBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Connections to one coordinator, kept alive between calls. */
export class Http {
  /** For a WebSocket: it goes the same way, through the same proxy, on a connection of its own. */
  readonly socketAgent: HttpAgent;
  readonly #agent: HttpAgent;
  readonly #base: URL;
  readonly #timeoutMs: number;
  readonly #hasAuthority: boolean;
  readonly #nowMs: () => number;
  #clockAheadMs: number | undefined;

  /** `base` as `parseCoordinatorUrl` gives it. Throws `ClientError('bad-proxy')`. */
  constructor(base: string, options: HttpOptions = {}) {
    const { ca } = options;
    this.#base = new URL(base);
    this.#timeoutMs = options.timeoutMs ?? callTimeoutMs;
    this.#hasAuthority = ca !== undefined;
    this.#nowMs = options.nowMs ?? Date.now;
    const proxy = proxyFor(this.#base, options.environment ?? process.env);
    const trust = ca === undefined ? {} : { ca: trustedAuthorities(ca) };
    this.#agent = agentFor(this.#base, proxy, { ...trust, keepAlive: true });
    this.socketAgent = agentFor(this.#base, proxy, { ...trust, keepAlive: false });
  }

  /**
   * Milliseconds by which our clock is ahead of the coordinator's, by its newest answer (RFC 9110, Section 6.6.1: whole seconds); negative when it
   * is behind, `undefined` before there was an answer with a date.
   */
  get clockAheadMs(): number | undefined {
    return this.#clockAheadMs;
  }

  /** The JSON of a 2xx answer, checked against `schema`. Throws `ClientError`. */
  async json<T extends TSchema>(schema: T, call: Call): Promise<Static<T>> {
    return decodeAnswer(schema, await this.bytes(call), call.maxBytes ?? maxAnswerBytes);
  }

  /** The bytes of a 2xx answer. Throws `ClientError`, with a `refusal` for any other status. */
  async bytes(call: Call): Promise<Uint8Array> {
    const limit = AbortSignal.timeout(this.#timeoutMs);
    const signal = call.signal === undefined ? limit : AbortSignal.any([limit, call.signal]);
    try {
      const response = await this.#send(call, signal);
      const body = await readBody(response, call.maxBytes ?? maxAnswerBytes);
      if (isSuccess(response)) return body;
      throw refusalOf(response, body, this.#asked());
    } catch (error) {
      throw this.#failure(error, limit, call);
    }
  }

  /** An answer that goes on and on; ends by `signal`, or with a broken stream. Throws `ClientError` before the first byte. */
  async stream(call: Call, headers: Readonly<Record<string, string>>): Promise<IncomingMessage> {
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), this.#timeoutMs);
    try {
      const signals = [limit.signal, ...(call.signal === undefined ? [] : [call.signal])];
      const response = await this.#send(call, AbortSignal.any(signals), headers);
      if (!isSuccess(response)) throw refusalOf(response, await readBody(response, maxAnswerBytes), this.#asked());
      response.socket.setTimeout(streamSilenceMs, () =>
        response.destroy(new ClientError('timeout', 'the live stream fell silent')),
      );
      return response;
    } catch (error) {
      throw this.#failure(error, limit.signal, call);
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  #send(call: Call, signal: AbortSignal, headers: Readonly<Record<string, string>> = {}): Promise<IncomingMessage> {
    const body =
      call.body === undefined || call.body instanceof Uint8Array ? call.body : encodeCanonicalJson(call.body);
    const options: RequestOptions = {
      method: call.method,
      agent: this.#agent,
      signal,
      headers: {
        ...(call.token === undefined ? {} : { authorization: `Bearer ${call.token}` }),
        ...(body === undefined ? {} : { 'content-length': body.length, 'content-type': contentType(call.body) }),
        ...headers,
      },
    };
    const url = new URL(this.#base.pathname.replace(/\/$/, '') + call.path, this.#base);
    const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const sent = request(url, options, (response) => {
        this.#compareClocks(response);
        resolve(response);
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  #failure(error: unknown, limit: AbortSignal, call: Call): unknown {
    if (error instanceof ClientError || call.signal?.aborted === true) return error;
    if (limit.aborted) {
      return new ClientError('timeout', `no answer from ${this.#base.origin} within ${this.#timeoutMs} ms`, {
        cause: error,
      });
    }
    const way = {
      base: this.#base,
      hasAuthority: this.#hasAuthority,
      nowUnixSeconds: Math.floor(this.#nowMs() / 1000),
    };
    return new ClientError('unreachable', whyUnreachable(error, way), { cause: error });
  }

  #asked(): Asked {
    return { base: this.#base, nowMs: this.#nowMs() };
  }

  #compareClocks({ headers: { date } }: IncomingMessage): void {
    const theirsMs = Date.parse(date ?? '');
    if (!Number.isNaN(theirsMs)) this.#clockAheadMs = this.#nowMs() - theirsMs;
  }
}

/** JSON within bounds and of exactly this shape. Throws `ClientError('bad-response')`. */
export function decodeAnswer<T extends TSchema>(schema: T, bytes: Uint8Array, maxBytes: number): Static<T> {
  try {
    const value = decodeCanonicalJson(bytes, { maxBytes, maxDepth: maxJsonDepth, maxValues: maxAnswerValues });
    assertSchema(schema, value, 'bad-frame', 'answer');
    return value as Static<T>;
  } catch (cause) {
    throw new ClientError('bad-response', `the answer is not one of a coordinator: ${(cause as Error).message}`, {
      cause,
    });
  }
}

function isSuccess(response: IncomingMessage): boolean {
  const status = response.statusCode ?? 0;
  return status >= 200 && status < 300;
}

function contentType(body: object | undefined): string {
  return body instanceof Uint8Array ? 'application/octet-stream' : 'application/json';
}

async function readBody(response: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) {
      response.destroy();
      throw new ClientError('bad-response', `the answer is longer than ${maxBytes} bytes`);
    }
    chunks.push(chunk);
  }
  if (!response.complete) throw new Error('the answer broke off');
  return Buffer.concat(chunks);
}

/** Who was asked, and when the answer came, in Unix milliseconds. */
interface Asked {
  readonly base: URL;
  readonly nowMs: number;
}

function refusalOf(response: IncomingMessage, body: Uint8Array, { base, nowMs }: Asked): ClientError {
  const status = response.statusCode ?? 0;
  const retryAfterMs = retryAfterOf(response.headers['retry-after'], nowMs);
  const problem = decodeProblem(body) ?? {
    code: notOurs,
    message: whyNoCoordinator(status, response.headers.location, base),
  };
  const code = status === 401 ? 'not-authenticated' : 'refused';
  return new ClientError(code, problem.message, {
    refusal: { status, ...problem, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
  });
}

/** Milliseconds that a `Retry-After` header asks for, within bounds (RFC 9110, Section 10.2.3); `undefined` without a readable one. */
export function retryAfterOf(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const isDate = header.endsWith(' GMT');
  const ms = isDate ? Date.parse(header) - nowMs : /^\d{1,9}$/.test(header) ? Number(header) * 1000 : NaN;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), longestRetryAfterMs);
}

function decodeProblem(body: Uint8Array): { code: string; message: string } | undefined {
  try {
    return decodeAnswer(problemBody, body, maxAnswerBytes);
  } catch {
    return undefined;
  }
}

/** Node takes a list in place of its own, not beside it. */
function trustedAuthorities(ca: string): string[] {
  return [...rootCertificates, ca];
}
