/** A member for tests of the coordinator: real logins, a real WebSocket, the real signer machine; it approves what it is told to. */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import { CoordinatorClient } from '../../client/client.ts';
import { openGroupDocuments, type GroupDocuments } from '../../protocol/group-documents/envelopes.ts';
import { parseCoordinatorUrl } from '../../client/url.ts';
import { answerMessage, commitmentMessage, shareMessage } from '../../protocol/signing/attempt.ts';
import { bytesToHex, sha256Hex } from '../../protocol/wire/bytes.ts';
import { memberByKey, type Member } from '../../protocol/files/charter.ts';
import { decisionMessage, type DecisionPayload } from '../../protocol/signing/decision.ts';
import { sealMessage, type Envelope, type MessageType } from '../../protocol/wire/envelope.ts';
import { prepareRequest } from '../../protocol/formats/index.ts';
import { commit, signShare, type Nonces } from '../../protocol/frost/sign.ts';
import {
  decodeCoordinatorFrame,
  type CoordinatorFrame,
  type JournalHead,
  type MemberFrame,
} from '../../protocol/wire/frames.ts';
import { openRequest, type Request } from '../../protocol/request/request.ts';
import {
  areSignatures,
  startSigner,
  stepSigner,
  type SignerContext,
  type SignerEffect,
  type SignerEvent,
  type SignerState,
} from '../../protocol/signing/signer.ts';
import type { Person } from './people.ts';
import type { LiveGroup } from './round-network.ts';

interface Signing {
  readonly request: Request;
  readonly context: SignerContext;
  state: SignerState;
  readonly nonces: Map<string, Nonces[]>;
  readonly taken: Map<string, Nonces[]>;
}

export interface MemberOptions {
  /** What to do with a request: nothing for `ask`. */
  readonly decide?: (request: Request) => DecisionPayload['decision'] | 'ask';
  /** Why it refuses. */
  readonly reason?: () => string;
  /** Changes or drops (`undefined`) a frame before it is sent. */
  readonly send?: (frame: MemberFrame) => MemberFrame | undefined;
  readonly holding?: { readonly epoch: string | null; readonly requesters: number };
  /** Another epoch of the group, in which this person holds a share, too. */
  readonly next?: LiveGroup;
}

type FrameOf<T extends CoordinatorFrame['type']> = Extract<CoordinatorFrame, { type: T }>;

export class TestMember {
  readonly person: Person;
  readonly member: Member;
  readonly client: CoordinatorClient;
  readonly frames: CoordinatorFrame[] = [];
  journal: JournalHead = { incarnation: randomBytes(16).toString('hex'), length: 0, head: '00'.repeat(32) };
  documents: GroupDocuments | undefined;
  closeCode: number | undefined;
  socket: WebSocket | undefined;
  readonly #group: LiveGroup;
  readonly #options: MemberOptions;
  readonly #signings = new Map<string, Signing>();
  readonly #run = randomBytes(16).toString('hex');
  #changed: (() => void)[] = [];
  #inbox: Promise<void> = Promise.resolve();

  constructor(group: LiveGroup, person: Person, url: string, options: MemberOptions = {}) {
    this.#group = group;
    this.#options = options;
    this.person = person;
    this.member = memberByKey(group.epoch.charter, person.key)!;
    this.client = new CoordinatorClient({
      url: parseCoordinatorUrl(url),
      identity: person,
      role: 'member',
      charter: group.epoch.charter.hash,
      journal: () => this.journal,
    });
  }

  /** Logs in, connects, says what it holds, and waits until it was told who is present. */
  async connect(): Promise<void> {
    await this.open();
    const seen = this.frames.length;
    this.send({
      type: 'holding',
      epoch: this.#options.holding === undefined ? this.#group.epoch.hash : this.#options.holding.epoch,
      requesters: this.#options.holding?.requesters ?? 1,
    });
    for (const signing of this.#signings.values()) this.#feed(signing, { kind: 'connected' });
    await this.next('present', (frame) => frame.members.includes(this.member.identifier), seen);
  }

  /** Opens only the socket, and says no word. */
  async open(): Promise<void> {
    const { url, headers } = await this.client.socket();
    const socket = new WebSocket(url, { headers, perMessageDeflate: false });
    this.socket = socket;
    this.closeCode = undefined;
    socket.on('message', (data: Buffer) =>
      this.#receive(decodeCoordinatorFrame(new Uint8Array(data), 64 * 1024 * 1024)),
    );
    socket.on('error', () => undefined);
    socket.on('close', (code) => {
      if (this.socket === socket) this.closeCode = code;
      for (const signing of this.#signings.values()) this.#feed(signing, { kind: 'disconnected' });
      this.#wake();
    });
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('unexpected-response', (_request, response) => reject(new Error(`status ${response.statusCode}`)));
      socket.once('close', () => reject(new Error('closed')));
    });
  }

  /** Breaks the connection as a crash would. */
  async drop(): Promise<void> {
    this.socket?.terminate();
    await this.closed();
  }

  async close(): Promise<void> {
    this.client.close();
    if (this.socket === undefined || this.socket.readyState === WebSocket.CLOSED) return;
    this.socket.terminate();
    await this.closed();
  }

  /** The code with which the connection was closed. */
  async closed(): Promise<number> {
    await this.#until(() => this.closeCode !== undefined);
    return this.closeCode!;
  }

  /** What is sent meanwhile leaves in one write. */
  atOnce(send: (socket: WebSocket) => void): void {
    const raw = (this.socket as unknown as { readonly _socket: Socket })._socket;
    raw.cork();
    send(this.socket!);
    raw.uncork();
  }

  send(frame: MemberFrame): void {
    const changed = this.#options.send === undefined ? frame : this.#options.send(frame);
    if (changed !== undefined && this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(changed));
  }

  /** The first such frame from place `from` on: seen already, or awaited. */
  async next<T extends CoordinatorFrame['type']>(
    type: T,
    matches: (frame: FrameOf<T>) => boolean = () => true,
    from = 0,
  ): Promise<FrameOf<T>> {
    const find = (): FrameOf<T> | undefined =>
      this.frames.slice(from).find((frame): frame is FrameOf<T> => frame.type === type && matches(frame as FrameOf<T>));
    await this.#until(() => find() !== undefined || this.closeCode !== undefined);
    const found = find();
    if (found === undefined) throw new Error(`closed (${this.closeCode}) before a ${type} frame came`);
    return found;
  }

  closedFrame(digest: string): Promise<FrameOf<'closed'>> {
    return this.next('closed', (frame) => frame.requestDigest === digest);
  }

  decide(digest: string, decision: DecisionPayload['decision'], reason: string | null = null): void {
    const nowUnixSeconds = Math.floor(Date.now() / 1000);
    this.#feed(this.#signings.get(digest)!, { kind: 'decide', decision, reason, nowUnixSeconds });
  }

  /** Whether it was asked for this round. */
  knows(digest: string): boolean {
    return this.#signings.has(digest);
  }

  /** Whether these signatures are over what this member rebuilt itself. */
  believes(frame: FrameOf<'closed'>): boolean {
    const signing = this.#signings.get(frame.requestDigest);
    return signing !== undefined && areSignatures(signing.context, frame.signatures);
  }

  async #until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await new Promise<void>((resolve) => this.#changed.push(resolve));
  }

  #wake(): void {
    for (const changed of this.#changed.splice(0)) changed();
  }

  #receive(frame: CoordinatorFrame): void {
    this.#inbox = this.#inbox.then(async () => {
      await this.#handle(frame);
      this.frames.push(frame);
      this.#wake();
    });
  }

  async #handle(frame: CoordinatorFrame): Promise<void> {
    if (frame.type === 'documents' && frame.epoch === this.#group.epoch.hash)
      this.documents = openGroupDocuments(this.#group.epoch, frame);
    if (frame.type === 'request') await this.#ask(openRequest(frame.request));
    if (frame.type === 'package') {
      const signing = this.#signings.get(frame.requestDigest);
      if (signing !== undefined)
        this.#feed(signing, {
          kind: 'package',
          stage: frame.stage,
          earlier: frame.earlier,
          commitments: frame.commitments,
          obstacle: undefined,
          keptOut: undefined,
        });
    }
    if (frame.type === 'closed') {
      const signing = this.#signings.get(frame.requestDigest);
      if (signing !== undefined) this.#feed(signing, { kind: 'closed' });
    }
  }

  async #ask(request: Request): Promise<void> {
    if (this.#signings.has(request.digest)) return;
    const documents: Uint8Array[] = [];
    for (const { sha256 } of request.payload.documents)
      documents.push(await this.client.document(request.digest, sha256));
    const { epoch, sodium } = this.#groupOf(request.payload.epoch);
    const prepared = prepareRequest({ epoch, request, documents });
    const channel = epoch.channel(request.payload.channel);
    const context: SignerContext = {
      arithmetic: sodium,
      epoch,
      self: memberByKey(epoch.charter, this.person.key)!,
      channel: channel.channel,
      subject: {
        epoch: epoch.hash,
        channelKey: channel.key,
        requestDigest: request.digest,
        stage: 1,
        messages: prepared.messages.map(sha256Hex),
      },
      prepared,
      run: this.#run,
    };
    const signing: Signing = {
      request,
      context,
      state: startSigner({ said: undefined, attempts: new Map() }),
      nonces: new Map(),
      taken: new Map(),
    };
    this.#signings.set(request.digest, signing);
    this.#feed(signing, { kind: 'connected' });
    const decision = this.#options.decide?.(request) ?? 'ask';
    const reason = decision === 'refuse' ? (this.#options.reason?.() ?? null) : null;
    if (decision !== 'ask') this.decide(request.digest, decision, reason);
  }

  #groupOf(epoch: string): LiveGroup {
    const { next } = this.#options;
    return next?.epoch.hash === epoch ? next : this.#group;
  }

  #feed(signing: Signing, event: SignerEvent): void {
    const queue: SignerEvent[] = [event];
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const step = stepSigner(signing.context, signing.state, next);
      signing.state = step.state;
      for (const effect of step.effects) {
        const answer = this.#perform(signing, effect);
        if (answer !== undefined) queue.push(answer);
      }
    }
  }

  #perform(signing: Signing, effect: SignerEffect): SignerEvent | undefined {
    const { sodium, shares } = this.#groupOf(signing.context.epoch.hash);
    const { identifier } = signing.context.self;
    const share = shares.get(signing.context.channel)!.get(identifier)!;
    switch (effect.kind) {
      case 'make-nonces': {
        const made = effect.wanted.map(({ stage, slot, pairs: count }) => {
          const pairs = Array.from({ length: count }, () => commit(sodium, share));
          signing.nonces.set(slot, pairs);
          const commitments = pairs.map(({ commitments: { hiding, binding } }) => ({
            hiding: bytesToHex(hiding),
            binding: bytesToHex(binding),
          }));
          return { stage, slot, commitments };
        });
        return { kind: 'nonces-made', made };
      }
      case 'take':
        signing.taken.set(effect.slot, signing.nonces.get(effect.slot)!);
        signing.nonces.delete(effect.slot);
        return undefined;
      case 'sign': {
        const pairs = signing.taken.get(effect.slot)!;
        const scalars = effect.sessions.map((session, index) =>
          signShare(sodium, session, identifier, pairs[index]!, share),
        );
        return { kind: 'signed', stage: effect.stage, attempt: effect.attempt, shares: scalars };
      }
      case 'send-decision':
        this.send({ type: 'decision', decision: this.seal(decisionMessage, effect.decision) });
        return undefined;
      case 'send-commitment':
        this.send({ type: 'commitment', commitment: this.seal(commitmentMessage, effect.commitment) });
        return undefined;
      case 'send-share':
        this.send({ type: 'share', share: this.seal(shareMessage, effect.share) });
        return undefined;
      case 'send-answer':
        this.send({ type: 'answer', answer: this.seal(answerMessage, effect.answer) });
        return undefined;
      case 'record-decision':
      case 'burn':
      case 'store-share':
      case 'wipe':
        return undefined;
    }
  }

  seal<P>(type: MessageType<P>, payload: P): Envelope {
    return sealMessage(type, payload, this.person);
  }
}
