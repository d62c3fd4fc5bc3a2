/**
 * One member at work: its line to the coordinator, the ceremony while there is no key, and rounds and documents from then on.
 * `join` and the daemon are both a session; they differ in when it ends and in who decides.
 */
import { encodeBase64 } from '../verifier/base64.ts';
import { CoordinatorClient } from '../client/client.ts';
import { clockDifference } from '../client/clock.ts';
import { ClientError } from '../client/errors.ts';
import type { CoordinatorUrl } from '../client/url.ts';
import type { Certificate } from '../protocol/ceremony/certificate.ts';
import { assertAllStored, openEpoch, type Epoch } from '../protocol/ceremony/epoch.ts';
import type { StrangeHello } from '../protocol/ceremony/events.ts';
import { keyOriginOf, type Transcript } from '../protocol/ceremony/transcript.ts';
import type { Envelope } from '../protocol/wire/envelope.ts';
import { ProtocolError } from '../protocol/errors.ts';
import type { CoordinatorFrame, DocumentBody, MemberFrame } from '../protocol/wire/frames.ts';
import type { RequestKind } from '../protocol/request/request.ts';
import { Ceremony, type CeremonyResult } from './ceremony.ts';
import { Connection, type ConnectionTiming } from './connection.ts';
import type { Status } from './control.ts';
import { DocumentSync } from './document-sync.ts';
import { Founding } from './founding.ts';
import { HeldGroupDocuments } from './group-documents.ts';
import { codeOf, messageOf, ParticipantError } from './errors.ts';
import {
  closeTimeoutMs,
  httpTimeoutMs,
  lookAgainMs,
  maxAlarms,
  maxEarlyEpochs,
  maxEarlyFrames,
  patienceMs,
  retryIntervalMs,
  sweepIntervalMs,
} from './limits.ts';
import type { Log } from './log.ts';
import { unixSeconds, type Agreement, type HeldDocuments, type MemberHome } from './member-home.ts';
import type { Judge } from './judge.ts';
import { knownKeys } from './known-keys.ts';
import { RecordKeeper } from './record-keeper.ts';
import { othersNeeded } from './restored.ts';
import { Rounds, type RoundFrame } from './rounds.ts';
import type { Vault } from './vault.ts';
import { within } from './within.ts';

/** What a session tells while it goes on. */
export type SessionEvent =
  | { readonly kind: 'connected' }
  | { readonly kind: 'disconnected'; readonly reason: string }
  /** This machine's clock and the coordinator's, in words. */
  | { readonly kind: 'clocks-differ'; readonly difference: string }
  /** The ceremony waits for these members' part of this step. */
  | {
      readonly kind: 'waiting';
      readonly step: string;
      readonly for: readonly string[];
      readonly strange: readonly StrangeHello[];
    }
  /** All members hold a certificate of this epoch (transcript hash). */
  | { readonly kind: 'certified'; readonly epoch: string; readonly groupLine: string }
  /** These documents still need signatures. */
  | { readonly kind: 'signing'; readonly documents: readonly string[] }
  /** A document of the ceremony is there under the group's signature. */
  | { readonly kind: 'signed'; readonly document: string };

/** What a session is made of. */
export interface SessionOptions {
  readonly home: MemberHome;
  readonly agreement: Agreement;
  readonly vault: Vault;
  readonly coordinator: CoordinatorUrl;
  readonly ca?: string | undefined;
  /** The certificate this member holds, and everybody's word that they hold it, as far as they are on disk. */
  readonly certificate: Certificate | undefined;
  readonly stored: readonly Envelope[] | undefined;
  /** Certificates of this charter on disk, by ceremony. */
  readonly held: ReadonlyMap<string, Certificate>;
  /** Seals the vault's shares of this transcript; synced when it resolves. */
  storeShare(transcript: Transcript): Promise<void>;
  /** Takes the shares of this transcript out of their file into the vault again. */
  loadShare(transcript: Transcript): Promise<void>;
  readonly judge: Judge;
  progress(event: SessionEvent): void;
  /** Whether a login that fails so is the end. */
  isFatalLogin(error: unknown): boolean;
  readonly log: Log;
  readonly timing?: Partial<ConnectionTiming> | undefined;
  readonly nowUnixSeconds?: (() => number) | undefined;
  /** Milliseconds between looks for what is due. */
  readonly sweepIntervalMs?: number | undefined;
}

/** What exists once the key is live. */
interface Live {
  readonly epoch: Epoch;
  readonly stored: readonly Envelope[];
  readonly documents: HeldGroupDocuments;
  readonly founding: Founding;
  readonly rounds: Rounds;
  readonly sync: DocumentSync;
}

/** One session of one member. It holds its line to the coordinator until `close`, or until something broke. */
export class Session {
  /** Resolves when the key is live and all documents of the ceremony are signed and here; rejects when the session failed. */
  readonly complete: Promise<Epoch>;
  /** Rejects when something broke without which the session cannot go on; resolves after `close`. */
  readonly closed: Promise<void>;
  readonly #options: SessionOptions;
  readonly #client: CoordinatorClient;
  readonly #connection: Connection;
  readonly #ceremony: Ceremony;
  readonly #keeper: RecordKeeper;
  readonly #timers = new Set<NodeJS.Timeout>();
  #live: Live | undefined;
  /** Came before there was a candidate: the newest documents of each epoch that was spoken of, and frames of rounds. */
  readonly #earlyDocuments = new Map<string, HeldDocuments>();
  #early: RoundFrame[] = [];
  #present: readonly number[] = [];
  /** A look at the numbered documents waits for its turn. */
  #syncs = false;
  /** They were looked at on this connection. */
  #synced = false;
  /** What the last look missed. */
  #suspected: readonly string[] = [];
  /** The record was looked at on this connection. */
  #followed = false;
  readonly #alarms: string[] = [];
  /** The coordinator wants the group, and is not brought it yet. */
  #owesGroup = false;
  /** After a restore: what was held at the look before, with enough others here. */
  #heldBefore: string | undefined;
  /** The second look is due. */
  #looksAgain = false;
  /** The coordinator was brought the group on this connection. */
  #shown = false;
  /** HTTP calls that nobody waits for, one after the other. */
  #chores: Promise<void> = Promise.resolve();
  #ended = false;
  #completed = false;
  #resolveComplete: (epoch: Epoch) => void = () => undefined;
  #rejectComplete: (error: unknown) => void = () => undefined;
  #resolveClosed: () => void = () => undefined;
  #rejectClosed: (error: unknown) => void = () => undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    const { home, agreement, coordinator, log } = options;
    this.complete = new Promise((resolve, reject) => {
      [this.#resolveComplete, this.#rejectComplete] = [resolve, reject];
    });
    this.closed = new Promise((resolve, reject) => {
      [this.#resolveClosed, this.#rejectClosed] = [resolve, reject];
    });
    // Whoever waits for them is told; nobody has to wait for both.
    this.complete.catch(() => undefined);
    this.closed.catch(() => undefined);
    this.#client = new CoordinatorClient({
      role: 'member',
      charter: agreement.charter.hash,
      journal: () => home.records.head,
      url: coordinator,
      identity: home.identity,
      ca: options.ca,
      timeoutMs: httpTimeoutMs,
      patience: {
        forMs: patienceMs,
        onWaiting: ({ message }) => {
          this.#connection.waits(message);
        },
      },
    });
    this.#connection = new Connection({
      client: this.#client,
      members: agreement.charter.members.length,
      connected: () => {
        this.#connected();
      },
      disconnected: (reason) => {
        this.#disconnected(reason);
      },
      frame: (frame) => this.#handle(frame),
      isFatal: (error) => isRolledBack(error) || options.isFatalLogin(error),
      fatal: (error) => {
        this.#fail(error);
      },
      log,
      ...(options.timing === undefined ? {} : { timing: options.timing }),
    });
    this.#ceremony = this.#makeCeremony();
    const { fingerprint } = coordinator;
    const charter = agreement.charter.hash;
    this.#keeper = new RecordKeeper({ client: this.#client, home: home.home, charter, fingerprint });
  }

  /** Goes to work. Throws what the home's files are refused with; later trouble shows in `closed`. */
  async start(): Promise<void> {
    const { certificate, stored } = this.#options;
    if (certificate !== undefined && stored !== undefined) await this.#goLive(certificate, stored);
    await this.#ceremony.start();
    this.#connection.start();
    this.#timers.add(
      setInterval(() => {
        this.#live?.rounds.sweep(this.#nowUnixSeconds());
        this.#settleDocuments();
        this.#catchUp();
        if (this.#owesGroup) this.#bringGroup();
      }, this.#options.sweepIntervalMs ?? sweepIntervalMs),
    );
  }

  get rounds(): Rounds {
    if (this.#live !== undefined) return this.#live.rounds;
    throw new ParticipantError(
      'not-joined',
      'the key is not live yet: not every member has said that it holds the certificate',
    );
  }

  /** What waits is judged anew: the policy is another one. */
  reconsider(): void {
    this.#live?.rounds.reconsider();
  }

  status(policy: string): Omit<Status, 'spareKeys'> {
    const { home, agreement, coordinator, certificate } = this.#options;
    const { charter, self } = agreement;
    const requests = this.#live?.rounds.list(false) ?? [];
    return {
      member: self.name,
      identifier: Number(self.identifier),
      tier: self.tier,
      group: charter.group,
      groupKey: this.#live?.epoch.groupKey ?? '',
      origin: certificate === undefined ? null : keyOriginOf(certificate.transcript),
      epoch: this.#live?.epoch.hash ?? certificate?.transcriptHash ?? '',
      coordinator: coordinator.base,
      connected: this.#connection.isConnected,
      present: this.#present.map((identifier) => charter.members[identifier - 1]?.name ?? '?'),
      requestersVersion: this.#live?.documents.requestersVersion ?? 0,
      delegations: (this.#live?.documents.delegations ?? []).map(({ channel, delegation }) => ({
        channel,
        until: delegation.until,
      })),
      pending: requests.length,
      waiting: requests.filter(({ state }) => state === 'waiting').length,
      journal: home.records.head,
      alarms: this.#alarms,
      restoration: home.records.restoration ?? null,
      backups: [...home.records.backups.values()].filter(({ isDestroyed }) => !isDestroyed).length,
      policy,
    };
  }

  /** Lets what is on its way out go, hangs up, and zeroes the secrets. A repeat is a no-op. */
  async close(): Promise<void> {
    this.#ended = true;
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers.clear();
    await this.#connection.close();
    // A call that is still out there changes nothing any more: its task looks at `#ended` first.
    await within(closeTimeoutMs, this.#live?.rounds.settled());
    this.#client.close();
    this.#options.vault.end();
    this.#rejectComplete(new ParticipantError('cancelled', 'it was stopped'));
    this.#resolveClosed();
  }

  #nowUnixSeconds(): number {
    return this.#options.nowUnixSeconds?.() ?? unixSeconds();
  }

  #fail(error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#options.log('error', 'stopped', { code: codeOf(error), message: messageOf(error) });
    this.#rejectComplete(error);
    this.#rejectClosed(error);
  }

  #makeCeremony(): Ceremony {
    const { home, agreement, vault, held, stored, log } = this.#options;
    return new Ceremony({
      agreement,
      identity: home.identity,
      vault,
      records: home.records,
      held,
      isCandidate: stored !== undefined,
      storeShare: (transcript) => this.#options.storeShare(transcript),
      loadShare: (transcript) => this.#options.loadShare(transcript),
      storeCertificate: (made) => home.writeCertificate(made),
      storeEvidence: (ceremony, view) => home.writeEvidence(ceremony, view),
      send: (message) => {
        this.#send({ type: 'ceremony', message: message });
      },
      progress: ({ step, waitingFor, strange }) => {
        this.#options.progress({ kind: 'waiting', step, for: waitingFor, strange });
      },
      finished: (result) => this.#ceremonyFinished(result),
      show: () => {
        if (!this.#shown) this.#groupWanted();
      },
      failed: (error) => {
        this.#fail(error);
      },
      log,
    });
  }

  async #ceremonyFinished({ certificate, stored }: CeremonyResult): Promise<void> {
    await this.#options.home.writeStored(certificate.transcriptHash, stored);
    await this.#goLive(certificate, stored);
    this.#sayHolding();
  }

  /** Every member holds a certificate: a candidate, whose genesis is what is signed first. */
  async #goLive(certificate: Certificate, stored: readonly Envelope[]): Promise<void> {
    const { home, agreement, vault, log } = this.#options;
    const epoch = openEpoch(vault.arithmetic, agreement.charter, certificate);
    // Nothing is signed under a key that some member may not hold (T35).
    assertAllStored(epoch, stored);
    const documents = await HeldGroupDocuments.load(epoch, agreement.requesters, home);
    const rounds = this.#makeRounds(epoch, documents);
    this.#live = {
      epoch,
      stored,
      documents,
      founding: this.#makeFounding(epoch, documents),
      rounds,
      sync: this.#makeSync(epoch, documents),
    };
    log('info', 'certified', { group: agreement.charter.group, epoch: epoch.hash });
    this.#options.progress({ kind: 'certified', epoch: epoch.hash, groupLine: epoch.groupLine });
    if (documents.missing.length > 0) this.#options.progress({ kind: 'signing', documents: documents.missing });
    await this.#checkComplete();
    const early = this.#earlyDocuments.get(epoch.hash);
    if (early !== undefined) await this.#adopt(early);
    for (const frame of this.#early.splice(0)) rounds.receive(frame);
  }

  #makeFounding(epoch: Epoch, documents: HeldGroupDocuments): Founding {
    const { home, agreement, log } = this.#options;
    return new Founding({
      epoch,
      agreement,
      identity: home.identity,
      client: this.#client,
      documents,
      nowUnixSeconds: () => this.#nowUnixSeconds(),
      log,
    });
  }

  #makeSync(epoch: Epoch, documents: HeldGroupDocuments): DocumentSync {
    const { home, log } = this.#options;
    return new DocumentSync({
      epoch,
      identity: home.identity,
      documents,
      client: this.#client,
      nowUnixSeconds: () => this.#nowUnixSeconds(),
      log,
    });
  }

  #makeRounds(epoch: Epoch, documents: HeldGroupDocuments): Rounds {
    const { home, agreement, vault, judge, log } = this.#options;
    return new Rounds({
      epoch,
      self: agreement.self,
      identity: home.identity,
      vault,
      records: home.records,
      documents,
      fetchDocument: (digest, sha256) => this.#client.document(digest, sha256),
      send: (frame) => {
        this.#send(frame);
      },
      isConnected: () => this.#connection.isConnected,
      judge,
      nowUnixSeconds: () => this.#nowUnixSeconds(),
      fatal: (error) => {
        this.#fail(error);
      },
      lastManifest: (channel) => home.lastManifest(channel),
      manifestSigned: (channel, manifest) => home.writeManifest(channel, manifest),
      documentIssued: (body) => this.#adoptIssued([body]),
      documentSigned: (request, envelope) => this.#adopt(documentOf(request.payload.kind, envelope)),
      log,
    });
  }

  #send(frame: MemberFrame): void {
    this.#connection.send(frame);
  }

  #connected(): void {
    this.#options.log('info', 'connected', { coordinator: this.#options.coordinator.base });
    this.#options.progress({ kind: 'connected' });
    this.#compareClocks();
    this.#shown = false;
    this.#followed = false;
    this.#synced = false;
    this.#sayHolding();
    for (const message of this.#ceremony.said()) this.#send({ type: 'ceremony', message: message });
    this.#live?.rounds.connected();
    this.#findKeys();
  }

  #compareClocks(): void {
    const { clockAheadMs } = this.#client;
    const difference = clockDifference({ clockAheadMs, nowUnixSeconds: this.#nowUnixSeconds() });
    if (difference === undefined) return;
    this.#options.log('warn', 'clocks-differ', { message: difference });
    this.#options.progress({ kind: 'clocks-differ', difference });
  }

  #disconnected(reason: string): void {
    this.#present = [];
    this.#options.log('warn', 'disconnected', { reason });
    this.#options.progress({ kind: 'disconnected', reason });
    this.#live?.rounds.disconnected();
  }

  #sayHolding(): void {
    const epoch = this.#live?.epoch.hash ?? null;
    this.#send({ type: 'holding', epoch, requesters: this.#live?.documents.requestersVersion ?? 0 });
  }

  async #handle(frame: CoordinatorFrame): Promise<void> {
    if (this.#ended) return;
    switch (frame.type) {
      case 'ceremony':
        await this.#ceremony.receive(frame.message);
        return;
      case 'request':
      case 'decision':
      case 'package':
      case 'closed':
        this.#handleRound(frame);
        return;
      case 'documents': {
        const { epoch, genesis, requesters, delegations } = frame;
        await this.#takeDocuments(epoch, { genesis, requesters, delegations });
        // What comes with a new connection is looked at once everything else was heard.
        if (this.#synced) this.#syncDocuments();
        return;
      }
      case 'present':
        this.#present = frame.members;
        this.#chore('settle-rounds', () => this.#settleRounds());
        this.#settleDocuments();
        if (!this.#synced) this.#syncDocuments();
        this.#synced = true;
        this.#catchUp();
        this.#followRecord();
        return;
      case 'wanted':
        this.#groupWanted();
        return;
      case 'alarm':
        this.#alarm(frame.member, frame.message);
        return;
      case 'error':
        this.#options.log('warn', 'refused-by-coordinator', { code: frame.code, message: frame.message });
        return;
      case 'succession':
      // This version takes part in none, and asked for none.
    }
  }

  #alarm(member: string, message: string): void {
    this.#options.log('error', 'alarm', { member, message });
    this.#alarms.push(`${member}: ${message}`);
    this.#alarms.splice(0, this.#alarms.length - maxAlarms);
  }

  /** What either side lacks of the numbered documents; asked for often, done once at a time. Before genesis there are none. */
  #syncDocuments(): void {
    if (this.#syncs || this.#live === undefined || this.#live.documents.held.genesis === null) return;
    this.#syncs = true;
    this.#chore('sync-documents', async () => {
      this.#syncs = false;
      if (this.#live === undefined || !this.#connection.isConnected) return;
      try {
        await this.#syncNow(this.#live);
      } catch (error) {
        // Nothing else may come for a long time that would have it tried again.
        this.#later(() => {
          this.#syncDocuments();
        });
        throw error;
      }
    });
  }

  async #syncNow({ sync, documents, rounds }: Live): Promise<void> {
    const before = documents.issued.all;
    this.#suspect((await sync.run()).withheld);
    if (documents.issued.all !== before) rounds.reconsider();
    this.#send({ type: 'holdings', holdings: sync.holdings() });
  }

  /** What is withheld is looked for once more before it is said: it may be on its way. What was said in this run is not said again. */
  #suspect(withheld: readonly string[]): void {
    const isSaid = (message: string): boolean => this.#alarms.includes(`coordinator: ${message}`);
    for (const message of withheld)
      if (this.#suspected.includes(message) && !isSaid(message)) this.#alarm('coordinator', message);
    this.#suspected = withheld;
    if (withheld.some((message) => !isSaid(message)))
      this.#later(() => {
        this.#syncDocuments();
      });
  }

  /** Once for each connection: what the coordinator has acknowledged must still be there. */
  #followRecord(): void {
    if (this.#followed || this.#live === undefined) return;
    this.#followed = true;
    this.#chore('follow-record', async () => {
      const alarm = await this.#keeper.follow();
      if (alarm !== undefined) this.#alarm('coordinator', alarm);
    });
  }

  #handleRound(frame: RoundFrame): void {
    if (this.#live === undefined) {
      if (this.#early.length < maxEarlyFrames) this.#early.push(frame);
      return;
    }
    this.#live.rounds.receive(frame);
    if (frame.type === 'closed' && frame.outcome !== 'signed') this.#settleDocuments();
  }

  /** Documents of the own epoch; those of any other only tell that there is a key to ask for. */
  async #takeDocuments(epoch: string, offered: HeldDocuments): Promise<void> {
    if (this.#live !== undefined) {
      if (this.#live.epoch.hash === epoch) await this.#adopt(offered);
      return;
    }
    if (this.#earlyDocuments.size < maxEarlyEpochs || this.#earlyDocuments.has(epoch))
      this.#earlyDocuments.set(epoch, offered);
    this.#findKeys();
  }

  /** Documents are believed by the group's signature alone, wherever they come from. */
  async #adopt(offered: HeldDocuments): Promise<void> {
    if (this.#live === undefined) return;
    const { documents, rounds } = this.#live;
    const before = documents.missing;
    try {
      if (!(await documents.adopt(offered))) return;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#options.log('warn', 'documents-refused', { code: error.code, message: error.message });
      return;
    }
    for (const document of before.filter((name) => !documents.missing.includes(name)))
      this.#options.progress({ kind: 'signed', document });
    rounds.reconsider();
    this.#sayHolding();
    await this.#checkComplete();
    // Genesis was what the others waited for.
    this.#settleDocuments();
  }

  /** The numbered ones; what the group did not sign is logged and left. */
  async #adoptIssued(offered: readonly DocumentBody[]): Promise<void> {
    if (this.#live === undefined) return;
    const { documents, rounds } = this.#live;
    const before = documents.issued.all;
    try {
      await documents.issued.adopt(offered);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#options.log('warn', 'documents-refused', { code: error.code, message: error.message });
    }
    if (documents.issued.all === before) return;
    rounds.reconsider();
    this.#syncDocuments();
  }

  async #checkComplete(): Promise<void> {
    if (this.#live === undefined || this.#completed || this.#live.documents.missing.length > 0) return;
    this.#completed = true;
    await this.#options.home.eraseImportKeys(this.#options.log);
    const { epoch, founding } = this.#live;
    await this.#options.home.writeGroupLine(epoch.groupLine);
    this.#chore('cancel-leftovers', () => founding.cancelLeftovers());
    void this.#chores.then(() => {
      this.#resolveComplete(epoch);
    });
  }

  /** One HTTP task after the other. A failure is logged, and the task tried again when its cause comes again. */
  #chore(name: string, task: () => Promise<void>): void {
    this.#chores = this.#chores.then(async () => {
      if (this.#ended) return;
      try {
        await task();
      } catch (error) {
        if (!(error instanceof ClientError) && !(error instanceof ProtocolError)) {
          this.#fail(error);
          return;
        }
        this.#options.log('warn', 'chore-failed', { chore: name, code: error.code, message: error.message });
        if (name === 'submit-documents')
          this.#later(() => {
            this.#settleDocuments();
          });
      }
    });
  }

  #later(task: () => void, afterMs = retryIntervalMs): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      task();
    }, afterMs);
    this.#timers.add(timer);
  }

  /** Other members may hold what the relay no longer shows: certificates, and everybody's word on them (T34). */
  #findKeys(): void {
    if (this.#live !== undefined) return;
    const { vault, agreement, log } = this.#options;
    this.#chore('find-keys', async () => {
      for (const key of await knownKeys(this.#client, agreement.charter, { arithmetic: vault.arithmetic, log }))
        await this.#ceremony.receiveKey(key);
    });
  }

  /** A restored member may hold old documents: it lets the others bring theirs, and brings its own at the next look, in case nobody did. */
  #groupWanted(): void {
    if (this.#options.home.records.restoration?.isCaughtUp !== false) {
      this.#bringGroup();
      return;
    }
    this.#owesGroup = true;
    this.#options.log('info', 'group-held-back');
  }

  #bringGroup(): void {
    this.#owesGroup = false;
    this.#chore('put-group', () => this.#putGroup());
  }

  /**
   * After a restore: what the others hold is taken before anything is decided. Each of them brings it to the coordinator when it comes, and that
   * takes a while: it is all here when they were here at two looks and the second brought nothing more.
   */
  #catchUp(): void {
    const { home, agreement } = this.#options;
    if (home.records.restoration?.isCaughtUp !== false || this.#looksAgain) return;
    const others = this.#present.filter((identifier) => identifier !== Number(agreement.self.identifier));
    if (others.length < othersNeeded(agreement.charter)) {
      this.#heldBefore = undefined;
      return;
    }
    this.#chore('catch-up', async () => {
      // Several may have been asked for before the first came to an end.
      if (this.#live === undefined || home.records.restoration?.isCaughtUp === true || this.#looksAgain) return;
      const { genesis, requesters, delegations } = await this.#client.group(this.#live.epoch.groupKey);
      await this.#adopt({ genesis, requesters, delegations });
      // Who said what it holds brought it before.
      const heard = new Set((await this.#live.sync.run()).heard);
      const isHeard = others.filter((identifier) => heard.has(identifier)).length >= othersNeeded(agreement.charter);
      const held = `${JSON.stringify(this.#live.documents.held)} ${this.#live.documents.issued.all.length}`;
      if (!isHeard || this.#heldBefore !== held) {
        this.#heldBefore = held;
        this.#options.log('info', 'catching-up', { count: others.length });
        this.#lookAgain();
        return;
      }
      await home.records.append({ type: 'caught-up' });
      this.#options.log('info', 'caught-up', { count: others.length });
      this.#live.rounds.reconsider();
    });
  }

  #lookAgain(): void {
    this.#looksAgain = true;
    this.#later(
      () => {
        this.#looksAgain = false;
        this.#catchUp();
      },
      Math.min(lookAgainMs, this.#options.sweepIntervalMs ?? lookAgainMs),
    );
  }

  async #putGroup(): Promise<void> {
    if (this.#live === undefined) return;
    const { epoch, stored, documents } = this.#live;
    const { charter, certificate } = epoch;
    const { genesis, requesters, delegations } = documents.held;
    this.#shown = true;
    await this.#client.putGroup(charter.hash, {
      charter: encodeBase64(charter.bytes),
      certificate: encodeBase64(certificate.bytes),
      stored: [...stored],
      genesis,
      requesters,
      delegations,
    });
    this.#syncDocuments();
    this.#settleDocuments();
  }

  /** Rounds that ended while this member was away are not pushed again: asks how they ended. */
  async #settleRounds(): Promise<void> {
    for (const round of this.#live?.rounds.unheard() ?? []) {
      const { outcome, signatures } = await this.#client.round(round.request.digest);
      round.receiveClosed(outcome, signatures);
    }
    // Decided by an earlier run, over before this one connected: what became of it is still this member's business.
    for (const digest of this.#live?.rounds.forgotten() ?? []) {
      const { request, decisions, outcome, signatures, signers } = await this.#client.round(digest);
      this.#live?.rounds.receive({ type: 'request', request, decisions });
      this.#live?.rounds.receive({ type: 'closed', requestDigest: digest, outcome, signatures, signers });
    }
  }

  #settleDocuments(): void {
    const founding = this.#live?.founding;
    if (founding?.isAsking(this.#present) !== true || !this.#connection.isConnected) return;
    this.#chore('submit-documents', () => founding.submitMissing());
  }
}

function documentOf(kind: RequestKind, envelope: Envelope): HeldDocuments {
  return {
    genesis: kind === 'genesis' ? envelope : null,
    requesters: kind === 'requesters' ? envelope : null,
    delegations: kind === 'delegation' ? [envelope] : [],
  };
}

/** The coordinator has seen a newer journal of this home (T3): signing on would be signing from a copy. */
function isRolledBack(error: unknown): boolean {
  return error instanceof ClientError && error.refusal?.code === 'rolled-back';
}
