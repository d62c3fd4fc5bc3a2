/** The coordinator as participants and requesters call it: one method for each route, one login behind them all. */
import type { Agent, IncomingMessage } from 'node:http';
import type { Envelope, Identity } from '../protocol/wire/envelope.ts';
import { maxDocumentBytes } from '../protocol/limits.ts';
import { maxBlobBytes } from '../protocol/record/limits.ts';
import {
  chainBody,
  consistencyBody,
  entryBody,
  groupBody,
  groupKeysBody,
  documentIndexBody,
  erasedBody,
  issuedBody,
  roundBody,
  submittedBody,
  type ChainBody,
  type DocumentBody,
  type DocumentIndexBody,
  type ErasedBody,
  type GroupBody,
  type IssuedBody,
  type RoundBody,
} from '../protocol/wire/frames.ts';
import { Strict, Type, type Static } from '../protocol/wire/schema.ts';
import { hexToBytes, sha256Hex } from '../protocol/wire/bytes.ts';
import { decodeBase64 } from '../verifier/base64.ts';
import { ClientError } from './errors.ts';
import { Http, type Call, type HttpOptions } from './http.ts';
import {
  maxChainBytes,
  maxErasedBytes,
  maxEvidenceBytes,
  maxGroupBytes,
  maxIndexBytes,
  maxIssuedBytes,
  maxRoundBytes,
  maxRoundsBytes,
  maxTileBytes,
} from './limits.ts';
import { watch, type WatchOptions } from './live.ts';
import { login, type ClientRole, type LoginAs, type LoginToken } from './login.ts';
import { patiently, type Patience } from './patience.ts';
import type { CoordinatorUrl } from './url.ts';

/** How a submission or an upload was taken: the request digest, and what is still to be uploaded. */
export type Submitted = Static<typeof submittedBody>;

/** Of the request's answer to `GET /v1/rounds`. */
const roundsBody = Strict({ rounds: Type.Array(roundBody, { maxItems: 1024 }) });
const doneBody = Strict({ done: Type.Literal(true) });

/** Which coordinator to call, and as whom. */
export type ClientOptions = HttpOptions &
  ClientRole & {
    /** As `parseCoordinatorUrl` gives it. */
    readonly url: CoordinatorUrl;
    readonly identity: Identity;
    /** Unix milliseconds; the system's clock by default. */
    readonly nowMs?: (() => number) | undefined;
    /** How long to wait out what passes; not at all by default. */
    readonly patience?: Patience | undefined;
  };

/** Which rounds to list. A coordinator of an earlier version takes no notice of any of it: whoever asks looks at what came. */
export interface RoundsWanted {
  /** Digest: the page begins with the round that was opened before that one. */
  readonly after?: string | undefined;
  readonly outcome?: string | undefined;
  /** Identity key of whoever asked, base64url. */
  readonly asker?: string | undefined;
  readonly channel?: string | undefined;
  /** RFC 3339, of the request's own time: from then on, and before. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/** What a WebSocket client needs for `GET /v1/members/socket`. */
export interface SocketAddress {
  /** `ws:` or `wss:`. */
  readonly url: string;
  readonly headers: { readonly authorization: string };
  /** Makes the connection: with the authorities that are trusted, and through the proxy if there is one. */
  readonly agent: Agent;
}

/** Every method logs in when it must, once more when the token has expired, and throws `ClientError`. */
export class CoordinatorClient {
  readonly #options: ClientOptions;
  readonly #http: Http;
  readonly #closing = new AbortController();
  #token: Promise<LoginToken> | undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#http = new Http(options.url.base, options);
  }

  /** Logs in now, whether or not there is a token. */
  login(): Promise<LoginToken> {
    const token = login(this.#http, this.#options.url, this.#loginAs(), this.#nowUnixSeconds());
    this.#token = token;
    token.catch(() => {
      if (this.#token === token) this.#token = undefined;
    });
    return token;
  }

  /** Everything the coordinator knows of a group (base64url key); believed only through `openGroup`. */
  group(groupKey: string): Promise<GroupBody> {
    return this.#json(groupBody, { method: 'GET', path: `/v1/groups/${groupKey}`, maxBytes: maxGroupBytes });
  }

  /** The keys of a member's own charter (SHA-256, hex) that the coordinator knows of, base64url; each to be asked for with `group`. */
  async groupKeys(charterHash: string): Promise<string[]> {
    const path = `/v1/charters/${charterHash}/groups`;
    return (await this.#json(groupKeysBody, { method: 'GET', path })).groupKeys;
  }

  /** A member's group for a coordinator that knows less (`wanted`). */
  async putGroup(charterHash: string, body: GroupBody): Promise<void> {
    await this.#json(doneBody, { method: 'PUT', path: `/v1/charters/${charterHash}/group`, body });
  }

  /** A part of the chain of a group (base64url key) from its `first` link on: believed only through `openChain`. */
  chain(groupKey: string, first = 0): Promise<ChainBody> {
    const path = `/v1/groups/${groupKey}/chain?first=${first}`;
    return this.#json(chainBody, { method: 'GET', path, maxBytes: maxChainBytes });
  }

  /** What members said of old shares that they erased; whoever uses one verifies it. */
  async erased(groupKey: string): Promise<ErasedBody['erased']> {
    const path = `/v1/groups/${groupKey}/erased`;
    return (await this.#json(erasedBody, { method: 'GET', path, maxBytes: maxErasedBytes })).erased;
  }

  /** `erased` is a signed `erasedMessage` of a member of an epoch that is over. */
  async putErased(groupKey: string, erased: Envelope): Promise<void> {
    await this.#json(doneBody, { method: 'PUT', path: `/v1/groups/${groupKey}/erased`, body: { erased } });
  }

  /** Signed certificates for stock tools (base64url key of the group); whoever uses one verifies it. */
  async issued(groupKey: string): Promise<IssuedBody['issued']> {
    const path = `/v1/groups/${groupKey}/issued`;
    return (await this.#json(issuedBody, { method: 'GET', path, maxBytes: maxIssuedBytes })).issued;
  }

  /** Which of these the coordinator has, and what members said that they hold. */
  documentIndex(groupKey: string): Promise<DocumentIndexBody> {
    const path = `/v1/groups/${groupKey}/documents`;
    return this.#json(documentIndexBody, { method: 'GET', path, maxBytes: maxIndexBytes });
  }

  /** A document of a member's group for a coordinator that has lost it. */
  async putGroupDocument(charterHash: string, body: DocumentBody): Promise<void> {
    await this.#json(doneBody, { method: 'PUT', path: `/v1/charters/${charterHash}/documents`, body });
  }

  /** `again` opens a new round where the same submission has one that ended without a signature; otherwise that one is joined. */
  submit(request: Envelope, again = false): Promise<Submitted> {
    const body = again ? { request, again } : { request };
    return this.#json(submittedBody, { method: 'POST', path: '/v1/rounds', body });
  }

  /** Uploads one document of one's own round; answers which are still missing. */
  putDocument(digest: string, bytes: Uint8Array): Promise<Submitted> {
    const path = `/v1/rounds/${digest}/documents/${sha256Hex(bytes)}`;
    return this.#json(submittedBody, { method: 'PUT', path, body: bytes });
  }

  /** All bytes of one document, hashed: what comes back is what was asked for. */
  async document(digest: string, sha256: string): Promise<Uint8Array> {
    const path = `/v1/rounds/${digest}/documents/${sha256}`;
    const bytes = await this.#bytes({ method: 'GET', path, maxBytes: maxDocumentBytes });
    if (sha256Hex(bytes) !== sha256) throw new ClientError('bad-response', `the document is not ${sha256}`);
    return bytes;
  }

  /** A page of rounds, newest first; how many are on it the coordinator bounds, and an empty one is the end. */
  async rounds(groupKey: string, wanted: RoundsWanted = {}): Promise<RoundBody[]> {
    const given = Object.entries({ groupKey, ...wanted }).filter(([, value]) => value !== undefined);
    const path = `/v1/rounds?${new URLSearchParams(given as [string, string][]).toString()}`;
    return (await this.#json(roundsBody, { method: 'GET', path, maxBytes: maxRoundsBytes })).rounds;
  }

  round(digest: string): Promise<RoundBody> {
    return this.#json(roundBody, { method: 'GET', path: `/v1/rounds/${digest}`, maxBytes: maxRoundBytes });
  }

  /** `cancel` is a signed `cancelMessage` of the asker. */
  cancel(digest: string, cancel: Envelope): Promise<RoundBody> {
    const path = `/v1/rounds/${digest}/cancel`;
    return this.#json(roundBody, { method: 'POST', path, body: { cancel }, maxBytes: maxRoundBytes });
  }

  /** An evidence file named in a round's body, hashed; `protocol/evidence.ts` judges it. */
  async evidence(digest: string, sha256: string): Promise<Uint8Array> {
    const path = `/v1/rounds/${digest}/evidence/${sha256}`;
    const bytes = await this.#bytes({ method: 'GET', path, maxBytes: maxEvidenceBytes });
    if (sha256Hex(bytes) !== sha256) throw new ClientError('bad-response', `the evidence is not ${sha256}`);
    return bytes;
  }

  /** The coordinator's word on the log of the caller's group: a signed note, opened with `openCheckpoint`. */
  async checkpoint(): Promise<string> {
    return new TextDecoder().decode(await this.#bytes({ method: 'GET', path: '/v1/record/checkpoint' }));
  }

  /** Bytes under a path of that log (`tile/…`); believed only by the root that they make. */
  recordTile(path: string): Promise<Uint8Array> {
    return this.#bytes({ method: 'GET', path: `/v1/record/${path}`, maxBytes: maxTileBytes });
  }

  /** Bytes that a record of that log names, hashed; `undefined` for what the operator archived. */
  async recordBlob(sha256: string): Promise<Uint8Array | undefined> {
    try {
      const bytes = await this.#bytes({ method: 'GET', path: `/v1/record/blobs/${sha256}`, maxBytes: maxBlobBytes });
      if (sha256Hex(bytes) !== sha256) throw new ClientError('bad-response', `the bytes are not ${sha256}`);
      return bytes;
    } catch (error) {
      // No other answer says so: whoever does not show what it should would else only have to say that it is not there.
      if (error instanceof ClientError && error.refusal?.code === 'archived') return undefined;
      throw error;
    }
  }

  /** The proof that the first `older` records of that log are the beginning of the first `newer`: hashes of 32 bytes. */
  async recordConsistency(older: number, newer: number): Promise<Uint8Array[]> {
    const path = `/v1/record/consistency?older=${older}&newer=${newer}`;
    return (await this.#json(consistencyBody, { method: 'GET', path })).proof.map(hexToBytes);
  }

  /** One record of that log as its leaf, with the proof that it is among the first `size`: hashes of 32 bytes. */
  async recordEntry(index: number, size: number): Promise<{ readonly leaf: Uint8Array; readonly proof: Uint8Array[] }> {
    const path = `/v1/record/entries/${index}?size=${size}`;
    const { leaf, proof } = await this.#json(entryBody, { method: 'GET', path });
    return { leaf: decodeBase64(leaf), proof: proof.map(hexToBytes) };
  }

  /**
   * How a round stands, now and after every change, through interruptions and restarts of the coordinator, until it is over
   * or the signal fires (then it just ends).
   */
  watchRound(digest: string, options: WatchOptions | AbortSignal = {}): AsyncIterable<RoundBody> {
    const { signal, onRetry } = options instanceof AbortSignal ? { signal: options, onRetry: undefined } : options;
    return watch((lastEventId, abort) => this.#stream(digest, lastEventId, abort), { signal, onRetry });
  }

  /** Where and how to open the member's WebSocket; logs in for it, so that the journal's head is fresh. */
  async socket(): Promise<SocketAddress> {
    const { token } = await this.login();
    return {
      url: `${this.#options.url.base.replace(/^http/, 'ws')}/v1/members/socket`,
      headers: { authorization: `Bearer ${token}` },
      agent: this.#http.socketAgent,
    };
  }

  /** Milliseconds by which our clock is ahead of the coordinator's, by its newest answer; `undefined` before there was one. */
  get clockAheadMs(): number | undefined {
    return this.#http.clockAheadMs;
  }

  /** Closes idle connections and waits for nothing any more; a stream ends by its own signal. */
  close(): void {
    this.#closing.abort();
    this.#http.close();
  }

  #json<T extends Parameters<Http['json']>[0]>(schema: T, call: Call): Promise<Static<T>> {
    return this.#patiently(() => this.#withToken((token) => this.#http.json(schema, { ...call, token })));
  }

  #bytes(call: Call): Promise<Uint8Array> {
    return this.#patiently(() => this.#withToken((token) => this.#http.bytes({ ...call, token })));
  }

  #stream(digest: string, lastEventId: string | undefined, signal: AbortSignal | undefined): Promise<IncomingMessage> {
    const headers = {
      accept: 'text/event-stream',
      ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
    };
    const path = `/v1/rounds/${digest}/events?changes=1`;
    return this.#withToken((token) => this.#http.stream({ method: 'GET', path, token, signal }, headers));
  }

  /** Live streams and sockets are tried again by whoever keeps them up. */
  #patiently<T>(call: () => Promise<T>): Promise<T> {
    const { patience } = this.#options;
    return patiently(call, { patience, nowMs: () => this.#nowMs(), signal: this.#closing.signal });
  }

  /** A coordinator that restarted knows no token: the second refusal is meant, the first may only be old. */
  async #withToken<T>(call: (token: string) => Promise<T>): Promise<T> {
    const known = await this.#currentToken();
    try {
      return await call(known.token);
    } catch (error) {
      if (!(error instanceof ClientError) || error.code !== 'not-authenticated') throw error;
      return call((await this.login()).token);
    }
  }

  async #currentToken(): Promise<LoginToken> {
    const token = await this.#token;
    return token !== undefined && token.expiresAtUnixSeconds > this.#nowUnixSeconds() ? token : this.login();
  }

  #loginAs(): LoginAs {
    const { identity } = this.#options;
    return this.#options.role === 'member'
      ? { identity, role: 'member', charter: this.#options.charter, journal: this.#options.journal }
      : { identity, role: 'requester', groupKey: this.#options.groupKey };
  }

  #nowUnixSeconds(): number {
    return Math.floor(this.#nowMs() / 1000);
  }

  #nowMs(): number {
    return this.#options.nowMs?.() ?? Date.now();
  }
}
