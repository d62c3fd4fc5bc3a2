/** Drives the ceremony's machine: performs its effects in order, with everything that must not be forgotten on disk first. */
import { randomBytes } from 'node:crypto';
import { bytesToHex, sha256Hex } from '../protocol/wire/bytes.ts';
import { ceremonyMessageType, openCeremonyMessage, type CeremonyKind } from '../protocol/ceremony/messages.ts';
import { type Certificate } from '../protocol/ceremony/certificate.ts';
import { transcriptHash, type Transcript } from '../protocol/ceremony/transcript.ts';
import { sealMessage, type Envelope, type Identity, type MessageType } from '../protocol/wire/envelope.ts';
import {
  ceremonyStart,
  type CeremonyContext,
  type CeremonyEffect,
  type CeremonyEvent,
  type CeremonyState,
} from '../protocol/ceremony/events.ts';
import { stepCeremony } from '../protocol/ceremony/machine.ts';
import { codeOf, messageOf, ParticipantError } from './errors.ts';
import type { Log } from './log.ts';
import type { Agreement } from './member-home.ts';
import { openCeremonyOf, type Records, type StoredShare } from './records.ts';
import type { Vault } from './vault.ts';

/** What the ceremony needs from the home and the network. */
export interface CeremonyHost {
  readonly agreement: Agreement;
  readonly identity: Identity;
  readonly vault: Vault;
  readonly records: Records;
  /** The certificate, if this member holds it already. */
  readonly certificate: Certificate | undefined;
  /** Seals the vault's shares into the share file of this transcript; synced when it resolves. */
  storeShare(transcript: Transcript): Promise<void>;
  /** Synced when it resolves. */
  storeCertificate(certificate: Certificate): Promise<void>;
  /** Keeps what proves a disturbance; returns where. */
  storeEvidence(evidence: readonly Envelope[]): Promise<string>;
  /** Does nothing while there is no connection: `said` is sent again on the next. */
  send(message: Envelope): void;
  progress(step: CeremonyKind, waitingFor: readonly string[]): void;
  /** Every member holds the certificate; awaited before the next message is looked at. */
  finished(result: CeremonyResult): Promise<void>;
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
  /** What this member said that still matters: hello, aborts, and everything of the running ceremony, by kind and ceremony. */
  readonly #said = new Map<string, Envelope>();

  constructor(host: CeremonyHost) {
    const { joined, aborted } = host.records.ceremonies;
    this.#host = host;
    this.#context = {
      charter: host.agreement.charter,
      requesters: sha256Hex(host.agreement.requesters.bytes),
      imported: host.agreement.imported,
      self: host.agreement.self,
      group: host.vault.arithmetic,
      // Taken once: what this run joins is the machine's own business.
      finished: new Set([...joined, ...aborted]),
    };
  }

  /** Begins, or goes on where the journal says that an earlier run stopped. */
  start(): Promise<void> {
    return this.#enqueue(async () => {
      const nonce = bytesToHex(randomBytes(32));
      const memory = this.#host.records.ceremonies;
      const signed = openCeremonyOf(memory);
      const { certificate } = this.#host;
      if (signed !== undefined) this.#sayTranscript(signed);
      if (certificate !== undefined) {
        this.#sayStored(certificate);
        await this.#feed({ kind: 'resume-certified', certificate });
      } else if (signed === undefined) {
        // Nobody is left waiting for one that this member joined and can never sign.
        const left = [...memory.joined].filter((ceremony) => !memory.signed.has(ceremony)).slice(-16);
        for (const ceremony of left) await this.#feed({ kind: 'abort-earlier', ceremony });
        await this.#feed({ kind: 'start', nonce });
      } else await this.#feed({ kind: 'resume-signed', transcript: signed.transcript, nonce });
    });
  }

  /** What the relay must hear again on every connect; it keeps each message once. */
  said(): readonly Envelope[] {
    return [...this.#said.values()];
  }

  /** The transcript that this member has signed and whose certificate, or everybody's word on it, it still lacks. */
  get openTranscript(): Transcript | undefined {
    const { phase } = this.#state;
    if (phase.kind === 'transcript') return phase.transcript;
    return phase.kind === 'certifying' || phase.kind === 'stored' ? phase.certificate.transcript : undefined;
  }

  /** One relayed message, or one found in a certificate. What is no valid message of a member is dropped. */
  receive(envelope: Envelope): Promise<void> {
    return this.#enqueue(async () => {
      let message;
      try {
        message = openCeremonyMessage(envelope, this.#context.charter);
      } catch (error) {
        this.#host.log('warn', 'ceremony-message-refused', { code: codeOf(error), message: messageOf(error) });
        return;
      }
      await this.#feed({ kind: 'message', message });
    });
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
      case 'wipe':
        vault.wipeCeremony();
        vault.forgetShares();
        return undefined;
      case 'progress':
        this.#host.progress(effect.step, effect.waitingFor);
        return undefined;
      case 'done':
        await this.#host.finished(effect);
        return undefined;
      case 'failed':
        this.#host.failed(await this.#failure(effect));
        return undefined;
    }
  }

  async #openAndStore(effect: Extract<CeremonyEffect, { kind: 'open-and-store' }>): Promise<CeremonyEvent> {
    const { vault, records } = this.#host;
    const { ceremony, transcript, boxes } = effect;
    const refused = vault.openBoxes(ceremony, boxes);
    if (refused !== undefined) return { kind: 'box-refused', ceremony, from: refused.from };
    const proofs = vault.proveShares(transcript);
    await this.#host.storeShare(transcript);
    // Polynomials and one-time key are of no more use to us, and of much to whoever finds them.
    vault.wipeCeremony();
    // With the proofs on disk the signature can be said again word for word: two versions of it would look like a fault.
    await records.append({ type: 'ceremony-share', ceremony, transcript, proofs });
    return { kind: 'share-stored', ceremony, proofs };
  }

  async #failure({ error, evidence }: Extract<CeremonyEffect, { kind: 'failed' }>): Promise<ParticipantError> {
    const where = evidence.length === 0 ? '' : `; what was signed is in ${await this.#host.storeEvidence(evidence)}`;
    return new ParticipantError('ceremony-failed', `${error.message}${where}`, {
      culprits: error.culprits,
      cause: error,
    });
  }

  #say(message: SentMessage): Envelope {
    const { kind, payload } = message;
    // The machine pairs each kind with its payload; the compiler cannot follow the pair through the lookup.
    const type = ceremonyMessageType(kind) as MessageType<unknown>;
    const envelope = sealMessage(type, payload, this.#host.identity);
    if (kind === 'hello') this.#forgetSaid(['hello']);
    // A new round-1 message opens a new ceremony: only aborts of the one before still matter.
    if (kind === 'commit') this.#forgetSaid(['commit', 'reveal', 'boxes', 'transcript', 'stored']);
    this.#said.set(kind === 'hello' ? kind : `${kind} ${payload.ceremony}`, envelope);
    return envelope;
  }

  #forgetSaid(kinds: readonly CeremonyKind[]): void {
    for (const key of this.#said.keys())
      if (kinds.some((kind) => key === kind || key.startsWith(`${kind} `))) this.#said.delete(key);
  }

  #sayTranscript({ transcript, proofs }: StoredShare): void {
    const { ceremony } = transcript;
    this.#say({ kind: 'transcript', payload: { ceremony, transcript: transcriptHash(transcript), proofs } });
  }

  #sayStored({ ceremony, transcriptHash: transcript, hash: certificate }: Certificate): void {
    this.#say({ kind: 'stored', payload: { ceremony, transcript, certificate } });
  }
}
