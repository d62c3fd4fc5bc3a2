/** Drives the ceremony's machine: performs its effects in order, with everything that must not be forgotten on disk first. */
import { randomBytes } from 'node:crypto';
import { bytesToHex, sha256Hex } from '../protocol/wire/bytes.ts';
import { ceremonyMessageType, openCeremonyMessage, type CeremonyMessage } from '../protocol/ceremony/messages.ts';
import { type Certificate } from '../protocol/ceremony/certificate.ts';
import {
  ceremonyStart,
  type CeremonyContext,
  type CeremonyEffect,
  type CeremonyEvent,
  type CeremonyState,
} from '../protocol/ceremony/events.ts';
import { judgeViews, type CeremonyView, type Deed } from '../protocol/ceremony/judge.ts';
import { stepCeremony } from '../protocol/ceremony/machine.ts';
import type { Transcript } from '../protocol/ceremony/transcript.ts';
import { sealMessage, type Envelope, type Identity, type MessageType } from '../protocol/wire/envelope.ts';
import { codeOf, messageOf, ParticipantError } from './errors.ts';
import { maxSaidAgain } from './limits.ts';
import type { Log } from './log.ts';
import type { Agreement } from './member-home.ts';
import type { Records } from './records.ts';
import type { Vault } from './vault.ts';
import { at } from '../protocol/wire/present.ts';

type CeremonyProgress = Extract<CeremonyEffect, { readonly kind: 'progress' }>;

/** What the ceremony needs from the home and the network. */
export interface CeremonyHost {
  readonly agreement: Agreement;
  readonly identity: Identity;
  readonly vault: Vault;
  readonly records: Records;
  /** Certificates of this charter on disk, by ceremony. */
  readonly held: ReadonlyMap<string, Certificate>;
  /** Every member's `stored` of the ceremony that this member is in is on disk. */
  readonly isCandidate: boolean;
  /** Seals the vault's shares into the share file of this transcript; synced when it resolves. */
  storeShare(transcript: Transcript): Promise<void>;
  /** Synced when it resolves. */
  storeCertificate(certificate: Certificate): Promise<void>;
  /** Takes the shares of this transcript out of their file into the vault again. */
  loadShare(transcript: Transcript): Promise<void>;
  /** Keeps what was said in a ceremony that was disturbed; returns where. */
  storeEvidence(ceremony: string, view: CeremonyView): Promise<string>;
  /** Does nothing while there is no connection: `said` is sent again on the next. */
  send(message: Envelope): void;
  progress(progress: Pick<CeremonyProgress, 'step' | 'waitingFor' | 'strange'>): void;
  /** Every member holds the certificate; awaited before the next message is looked at. */
  finished(result: CeremonyResult): Promise<void>;
  /** Somebody may not know that there is a key: brings certificate and `stored`s to the coordinator. */
  show(): void;
  /** It ended without a key (`ParticipantError('ceremony-failed')`), or something here broke. */
  failed(error: unknown): void;
  readonly log: Log;
}

/** What a ceremony that ended well leaves: the certificate, and every member's signed word that it holds it. */
export interface CeremonyResult {
  readonly certificate: Certificate;
  /** Signed by every member: "I hold the certificate". */
  readonly stored: readonly Envelope[];
}

type SentMessage = Extract<CeremonyEffect, { kind: 'send' }>['message'];

/** One member's part in a ceremony: the machine with its vault, its journal and its line to the coordinator. */
export class Ceremony {
  readonly #host: CeremonyHost;
  readonly #context: CeremonyContext;
  #state: CeremonyState = ceremonyStart;
  #queue: Promise<void> = Promise.resolve();
  /** What this member said that still matters: hello, and everything of the last ceremonies, by kind and ceremony. */
  readonly #said = new Map<string, Envelope>();

  constructor(host: CeremonyHost) {
    this.#host = host;
    this.#context = {
      charter: host.agreement.charter,
      requesters: sha256Hex(host.agreement.requesters.bytes),
      imported: host.agreement.imported,
      self: host.agreement.self,
      arithmetic: host.vault.arithmetic,
    };
  }

  /** Begins, or goes on where the journal says that an earlier run stopped. */
  start(): Promise<void> {
    const { held, isCandidate } = this.#host;
    const nonce = bytesToHex(randomBytes(32));
    const memory = this.#host.records.ceremonies;
    return this.#enqueue(() => this.#feed({ kind: 'start', nonce, memory, held, isCandidate }));
  }

  /** What the relay must hear again on every connect; it keeps each message once. */
  said(): readonly Envelope[] {
    return [...this.#said.values()];
  }

  /** Whether this member holds a share and still lacks everybody's word that they hold the certificate. */
  get isWaiting(): boolean {
    const { phase } = this.#state;
    return phase.kind === 'transcript' || phase.kind === 'certifying' || phase.kind === 'stored';
  }

  /** One relayed message, or one found in a certificate. What is no valid message of a member is dropped. */
  receive(envelope: Envelope): Promise<void> {
    return this.#enqueue(async () => {
      const message = this.#open(envelope);
      if (message !== undefined) await this.#feed({ kind: 'message', message });
    });
  }

  /** A key of this charter that all members stored: verified certificate and `stored`s, and whether its genesis verifies, too. */
  async receiveKey({ certificate, stored, isLive }: CeremonyResult & { readonly isLive: boolean }): Promise<void> {
    const { ceremony } = certificate;
    await this.#enqueue(async () => {
      if (isLive) await this.#feed({ kind: 'genesis', ceremony });
      if (!this.#state.memory.joined.has(ceremony)) await this.#feed({ kind: 'foreign-key', ceremony });
    });
    // Each is a signed message of the ceremony, checked like those that the relay brings.
    for (const envelope of [...certificate.signatures, ...stored]) await this.receive(envelope);
  }

  #open(envelope: Envelope): CeremonyMessage | undefined {
    try {
      return openCeremonyMessage(envelope, this.#context.charter);
    } catch (error) {
      this.#host.log('warn', 'ceremony-message-refused', { code: codeOf(error), message: messageOf(error) });
      return undefined;
    }
  }

  /** One event at a time; what breaks here ends the ceremony. */
  #enqueue(task: () => Promise<void>): Promise<void> {
    const run = this.#queue.then(task).catch((error: unknown) => {
      this.#host.failed(error);
    });
    this.#queue = run;
    return run;
  }

  async #feed(event: CeremonyEvent): Promise<void> {
    const events: CeremonyEvent[] = [event];
    for (let next = events.shift(); next !== undefined; next = events.shift()) {
      const step = stepCeremony(this.#context, this.#state, next);
      this.#state = step.state;
      for (const effect of step.effects) {
        const answer = await this.#perform(effect);
        if (answer !== undefined) events.push(answer);
      }
    }
  }

  async #perform(effect: CeremonyEffect): Promise<CeremonyEvent | undefined> {
    const { vault, records } = this.#host;
    switch (effect.kind) {
      case 'record':
        await records.append(effect.entry);
        return undefined;
      case 'send':
        this.#host.send(this.#say(effect.message));
        return undefined;
      case 'deal':
        return { kind: 'dealt', ceremony: effect.ceremony, ...vault.deal(effect.ceremony) };
      case 'seal':
        return { kind: 'sealed', ceremony: effect.ceremony, boxes: vault.seal(effect) };
      case 'open-and-store':
        return this.#openAndStore(effect);
      case 'store-certificate':
        await this.#host.storeCertificate(effect.certificate);
        return { kind: 'certificate-stored', ceremony: effect.ceremony };
      case 'load-share':
        await this.#host.loadShare(effect.transcript);
        return undefined;
      case 'wipe':
        vault.wipeCeremony();
        vault.forgetShares();
        return undefined;
      case 'progress':
        this.#host.progress(effect);
        return undefined;
      case 'done':
        await this.#host.finished(effect);
        return undefined;
      case 'show':
        this.#host.show();
        return undefined;
      case 'evidence':
        await this.#keepEvidence(effect.view);
        return undefined;
      case 'failed':
        this.#host.failed(await this.#failure(effect));
        return undefined;
    }
  }

  async #openAndStore(effect: Extract<CeremonyEffect, { kind: 'open-and-store' }>): Promise<CeremonyEvent> {
    const { vault } = this.#host;
    const { ceremony, transcript } = effect;
    const refused = vault.openBoxes(effect);
    if (refused !== undefined) return { kind: 'box-refused', ceremony, from: refused.from };
    const proofs = vault.proveShares(transcript);
    await this.#host.storeShare(transcript);
    // Polynomials and one-time key are of no more use to us, and of much to whoever finds them.
    vault.wipeCeremony();
    return { kind: 'share-stored', ceremony, proofs };
  }

  /** Somebody lied in a ceremony that goes on. Judged before it is written, by the judge that outsiders use. */
  async #keepEvidence(view: CeremonyView): Promise<void> {
    const deeds = this.#deedsIn(view);
    if (deeds.length === 0) return;
    const path = await this.#host.storeEvidence(nameOf(view), view);
    for (const { culprit, deed } of deeds)
      this.#host.log('error', 'evidence', { member: culprit.name, deed, evidence: path });
  }

  /** What was said in a ceremony may prove something beside other members' files; hellos alone are kept if they prove something by themselves. */
  async #failure({ error, view }: Extract<CeremonyEffect, { kind: 'failed' }>): Promise<ParticipantError> {
    const isKept = view !== undefined && (idIn(view) !== undefined || this.#deedsIn(view).length > 0);
    const where = isKept ? `; what was signed is in ${await this.#host.storeEvidence(nameOf(view), view)}` : '';
    return new ParticipantError('ceremony-failed', `${error.message}${where}`, {
      culprits: error.culprits,
      cause: error,
    });
  }

  #deedsIn(view: CeremonyView): Deed[] {
    return judgeViews(this.#context.arithmetic, this.#context.charter, [view]);
  }

  #say(message: SentMessage): Envelope {
    const { kind, payload } = message;
    // The machine pairs each kind with its payload; the compiler cannot follow the pair through the lookup.
    const type = ceremonyMessageType(kind) as MessageType<unknown>;
    const envelope = sealMessage(type, payload, this.#host.identity);
    const key = kind === 'hello' ? kind : `${kind} ${payload.ceremony}`;
    // What was said last is last, so that the oldest goes first.
    this.#said.delete(key);
    this.#said.set(key, envelope);
    const [oldest] = this.#said.keys();
    if (this.#said.size > maxSaidAgain && oldest !== undefined) this.#said.delete(oldest);
    return envelope;
  }
}

/** Under which a view is kept: two hellos under one nonce name no ceremony, and a message has a hash. */
function nameOf(view: CeremonyView): string {
  return idIn(view) ?? at(view.messages, 0).hash;
}

/** The ceremony that a view is of. */
function idIn({ messages }: CeremonyView): string | undefined {
  return messages.flatMap((message) => (message.kind === 'hello' ? [] : [message.payload.ceremony]))[0];
}
