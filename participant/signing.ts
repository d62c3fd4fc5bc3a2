/**
 * The signer's machine at work: performs what `protocol/signing/signer.ts` asks for, with the vault, the journal and the line to the coordinator.
 *
 * Its caller feeds one event at a time, so that nothing comes between taking nonces and burning their attempt.
 */
import type { Member } from '../protocol/files/charter.ts';
import type { Request } from '../protocol/request/request.ts';
import { answerMessage, commitmentMessage, shareMessage } from '../protocol/signing/attempt.ts';
import { decisionMessage } from '../protocol/signing/decision.ts';
import {
  abandonStep,
  startSigner,
  stepSigner,
  type SignerContext,
  type SignerEffect,
  type SignerEvent,
  type SignerState,
  type WantedNonces,
} from '../protocol/signing/signer.ts';
import { sealMessage, type Envelope, type Identity, type MessageType } from '../protocol/wire/envelope.ts';
import type { MemberFrame } from '../protocol/wire/frames.ts';
import { ParticipantError } from './errors.ts';
import type { Log } from './log.ts';
import type { Records } from './records.ts';
import type { TakenNonces, Vault } from './vault.ts';

/** What the machine's effects are performed with. */
export interface SigningHost {
  readonly self: Member;
  readonly identity: Identity;
  readonly vault: Vault;
  readonly records: Records;
  /** Does nothing while there is no connection: what matters is said again on the next. */
  send(frame: MemberFrame): void;
  readonly log: Log;
}

/** What is signed, and until when. */
export interface SigningSubject {
  readonly request: Request;
  readonly context: SignerContext;
  /** Unix seconds. */
  readonly expiresAt: number;
}

/** The nonces that a step took out, until its share is computed. */
interface Hands {
  taken: TakenNonces | undefined;
}

/** One member's signing of one request. */
export class Signing {
  readonly #host: SigningHost;
  readonly #subject: SigningSubject;
  #state: SignerState;

  constructor(host: SigningHost, subject: SigningSubject) {
    this.#host = host;
    this.#subject = subject;
    this.#state = startSigner(host.records.roundOf(subject.request.digest));
  }

  get state(): SignerState {
    return this.#state;
  }

  get context(): SignerContext {
    return this.#subject.context;
  }

  /**
   * One event through the machine, and every answer that its effects bring back. Throws what vault and journal throw; machine and vault are
   * then as they were, but for nonces that were taken and for what the journal holds.
   */
  async feed(event: SignerEvent): Promise<void> {
    const events = [event];
    try {
      for (let next = events.shift(); next !== undefined; next = events.shift()) await this.#step(next, events);
    } finally {
      // Made, and never heard of by the machine: an error came in between.
      for (const answer of events)
        if (answer.kind === 'nonces-made') for (const { slot } of answer.made) this.#host.vault.wipe(slot);
    }
  }

  async #step(event: SignerEvent, answers: SignerEvent[]): Promise<void> {
    const before = this.#state;
    const step = stepSigner(this.#subject.context, before, event);
    this.#state = step.state;
    const hands: Hands = { taken: undefined };
    const performed: SignerEffect[] = [];
    try {
      // No await until the first effect: a package's nonces are out of reach before anything else can run.
      for (const effect of step.effects) {
        const answer = await this.#perform(effect, hands);
        performed.push(effect);
        if (answer !== undefined) answers.push(answer);
      }
    } catch (error) {
      this.#state = abandonStep(before, step, performed);
      for (const effect of step.effects) if (effect.kind === 'take') this.#host.vault.wipe(effect.slot);
      throw error;
    } finally {
      // Taken and not used up: a refused package, or an error in between. They are never used again.
      if (hands.taken !== undefined) this.#host.vault.discard(hands.taken);
    }
    if (step.effects.some(({ kind }) => kind === 'record-decision' || kind === 'store-share'))
      this.#host.send({ type: 'journal', journal: this.#host.records.head });
  }

  async #perform(effect: SignerEffect, hands: Hands): Promise<SignerEvent | undefined> {
    const { vault, records } = this.#host;
    const { request, context, expiresAt } = this.#subject;
    switch (effect.kind) {
      case 'make-nonces':
        return this.#makeNonces(effect.wanted);
      case 'take':
        hands.taken = vault.take(effect.slot);
        return undefined;
      case 'record-decision':
        await records.append({ type: 'decision', decision: effect.decision, expiresAt });
        return undefined;
      case 'burn': {
        const { stage, attempt, slot } = effect;
        // From here on this member is bound to this key, and to no other (T35).
        await records.give(context.epoch.certificate.ceremony);
        // On the medium before the share exists: after a crash this attempt is answered with `lost`, never signed again.
        await records.append({ type: 'burn', requestDigest: request.digest, stage, attempt, slot, expiresAt });
        return undefined;
      }
      case 'sign': {
        const { stage, attempt, sessions } = effect;
        if (hands.taken === undefined) throw new ParticipantError('nonces-gone', 'there are no nonces to sign with');
        return { kind: 'signed', stage, attempt, shares: vault.sign(hands.taken, sessions) };
      }
      case 'store-share':
        await records.append({ type: 'share', share: effect.share, expiresAt });
        return undefined;
      case 'send-decision':
        this.#host.send({ type: 'decision', decision: this.#seal(decisionMessage, effect.decision) });
        return undefined;
      case 'send-commitment':
        this.#host.send({ type: 'commitment', commitment: this.#seal(commitmentMessage, effect.commitment) });
        return undefined;
      case 'send-share':
        this.#host.send({ type: 'share', share: this.#seal(shareMessage, effect.share) });
        return undefined;
      case 'send-answer': {
        const { answer, code } = effect.answer;
        this.#host.log('warn', 'no-share', { round: request.digest, answer, code: code ?? undefined });
        this.#host.send({ type: 'answer', answer: this.#seal(answerMessage, effect.answer) });
        return undefined;
      }
      case 'wipe':
        vault.wipe(effect.slot);
        return undefined;
    }
  }

  /** For both stages or for none; without room for them it is tried again later. */
  async #makeNonces(wanted: readonly WantedNonces[]): Promise<SignerEvent | undefined> {
    const { vault, records, log } = this.#host;
    const { request, context } = this.#subject;
    try {
      // A share that could not be stored must not be started on.
      await records.assertRoom();
      return { kind: 'nonces-made', made: vault.makeNonces(context.channel, wanted, records.head.head) };
    } catch (error) {
      if (!(error instanceof ParticipantError) || error.code !== 'no-room') throw error;
      log('warn', 'no-room', { round: request.digest, message: error.message });
      return undefined;
    }
  }

  #seal<P>(type: MessageType<P>, payload: P): Envelope {
    return sealMessage(type, payload, this.#host.identity);
  }
}
