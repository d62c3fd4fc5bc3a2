/** What members are sent when they come, and where their frames go. */
import { openAnswer, openCommitment, openShare } from '../protocol/signing/attempt.ts';
import type { Charter, Member } from '../protocol/files/charter.ts';
import { openDecision } from '../protocol/signing/decision.ts';
import { ProtocolError } from '../protocol/errors.ts';
import type { CoordinatorFrame, JournalHead, MemberFrame } from '../protocol/wire/frames.ts';
import type { Envelope } from '../protocol/wire/envelope.ts';
import type { Ceremonies } from './ceremonies.ts';
import { closeCodes, type Connection } from './connection.ts';
import { documentsFrame, lacks, type Groups, type KnownGroup } from './groups.ts';
import type { Issued } from './issued.ts';
import type { Journals } from './journals.ts';
import type { Ledger } from './ledger.ts';
import { journalRecordBytes } from './limits.ts';
import type { Log } from './log.ts';
import type { Presence } from './presence.ts';
import { Round } from './round.ts';
import type { Rounds } from './rounds.ts';
import type { Store } from './store.ts';

/** What members are told about, and where what they say goes. */
export interface MembersOptions {
  readonly store: Store;
  readonly groups: Groups;
  readonly ledger: Ledger;
  readonly ceremonies: Ceremonies;
  readonly journals: Journals;
  readonly rounds: Rounds;
  readonly issued: Issued;
  readonly presence: Presence;
  readonly log: Log;
}

/** A journal head that a member brings. */
interface OfferedHead {
  readonly charter: Charter;
  readonly member: Member;
  readonly journal: JournalHead;
  readonly isConnected: boolean;
}

type Holding = Extract<MemberFrame, { type: 'holding' }>;

/** Greets each member that connects, and takes each of its frames to whom it concerns. */
export class Members {
  readonly #options: MembersOptions;

  constructor(options: MembersOptions) {
    this.#options = options;
  }

  /** Takes in an authenticated connection; an older one of the same member makes room. */
  join(connection: Connection): void {
    const { charter, member } = connection;
    const replaced = this.#options.presence.add(connection);
    if (replaced !== undefined) {
      this.#left(replaced);
      replaced.close(closeCodes.replaced, 'a newer connection of this member took its place');
    }
    connection.start({
      frame: (frame) => this.#receive(connection, frame),
      closed: () => {
        if (this.#options.presence.remove(connection)) this.#left(connection);
      },
    });
    this.#options.log('info', 'member-connected', { group: charter.group, member: member.name });
  }

  #left(connection: Connection): void {
    const { charter, member, stage } = connection;
    this.#options.log('info', 'member-disconnected', { group: charter.group, member: member.name });
    if (stage !== 'greeting' && stage !== 'greeted') return;
    connection.stage = 'new';
    for (const round of this.#options.rounds.openOf(charter.hash)) round.disconnected(member.identifier);
    this.#announce(charter);
  }

  /**
   * Judges a member's journal head, at login; stores it before the login succeeds. Throws `ProtocolError('rolled-back')`, or
   * `CoordinatorError('too-many')` for who had too much stored today (T43).
   */
  async checkJournal(charter: Charter, member: Member, journal: JournalHead): Promise<void> {
    const { ledger, presence, store } = this.#options;
    const isConnected = presence.isHere(charter.hash, member.identifier);
    const moved = this.#judgeJournal({ charter, member, journal, isConnected }, () =>
      ledger.charge(member.key, journalRecordBytes),
    );
    if (moved) await (await store.of(charter)).append([{ type: 'journal', member: member.key, journal }]);
  }

  /**
   * True when the head is a new one, which `admit` may refuse before it is known: the next login with it would else pass unstored. An alarm goes to every
   * other member before a refusal of the head itself.
   */
  #judgeJournal({ charter, member, journal, isConnected }: OfferedHead, admit: () => void): boolean {
    const { journals } = this.#options;
    try {
      const move = journals.judge(charter, member, journal, isConnected);
      if (move === 'same') return false;
      admit();
      journals.remember(charter.hash, member.key, journal);
      if (move === 'restored')
        this.#alarm(charter, member, 'restored', `${member.name} was restored from a backup: its journal began anew`);
      return true;
    } catch (error) {
      if (error instanceof ProtocolError) this.#alarm(charter, member, error.code, error.message);
      throw error;
    }
  }

  #alarm(charter: Charter, member: Member, code: string, message: string): void {
    this.#options.log('error', 'alarm', { group: charter.group, member: member.name, code });
    const frame: CoordinatorFrame = { type: 'alarm', member: member.name, message };
    this.#options.presence.tellAll(charter.hash, frame, member.identifier);
  }

  /** Tells every member of a group which documents are the newest now. */
  documentsChanged(known: KnownGroup): void {
    this.#options.presence.tellAll(known.epoch.charter.hash, documentsFrame(known));
  }

  async #receive(connection: Connection, frame: MemberFrame): Promise<void> {
    const { charter } = connection;
    // What a replaced connection still says may be older than what the newer one said.
    if (!this.#options.presence.of(charter.hash).includes(connection)) return;
    if (connection.stage === 'new' && frame.type !== 'holding')
      throw new ProtocolError('bad-frame', 'the first frame says what the member holds (holding)');
    switch (frame.type) {
      case 'holding':
        return this.#receiveHolding(connection, frame);
      case 'journal':
        this.#receiveJournal(connection, frame.journal);
        return;
      case 'holdings':
        this.#receiveHoldings(connection, frame.holdings);
        return;
      case 'ceremony':
        return this.#receiveCeremony(connection, frame);
      case 'decision': {
        const decision = openDecision(frame.decision, charter);
        const { requestDigest } = decision.payload;
        this.#options.ledger.charge(connection.member.key, frame.decision.payload.length);
        return this.#toRound(connection, decision.member, requestDigest, (round) => round.decide(decision));
      }
      case 'commitment': {
        const commitment = openCommitment(frame.commitment, charter);
        const { requestDigest } = commitment.payload;
        return this.#toRound(connection, commitment.member, requestDigest, (round) => round.commit(commitment));
      }
      case 'share': {
        const share = openShare(frame.share, charter);
        return this.#toRound(connection, share.member, share.payload.requestDigest, (round) => round.share(share));
      }
      case 'answer': {
        const answer = openAnswer(frame.answer, charter);
        return this.#toRound(connection, answer.member, answer.payload.requestDigest, (round) => round.answer(answer));
      }
    }
  }

  /** The sender is who signed, and only the member itself brings what it signed (T7). */
  async #toRound(connection: Connection, from: Member, digest: string, deliver: (round: Round) => void): Promise<void> {
    if (from.key !== connection.member.key)
      throw new ProtocolError('not-allowed', `${connection.member.name} sent a message of ${from.name}`);
    const found = await this.#options.rounds.find(connection.charter.hash, digest);
    if (found instanceof Round) deliver(found);
    else connection.send(found);
  }

  async #receiveHolding(connection: Connection, holding: Holding): Promise<void> {
    const { charter } = connection;
    if (connection.stage === 'new') await this.#greet(connection, holding);
    else if (this.#wants(charter, holding)) connection.send({ type: 'wanted' });
  }

  /** Of a group that is not known here nobody asks. */
  #receiveHoldings({ charter, member }: Connection, holdings: Envelope): void {
    const group = this.#options.groups.ofCharter(charter.hash);
    if (group !== undefined) this.#options.issued.hold(group, member, holdings);
  }

  #wants(charter: Charter, { epoch, requesters }: Holding): boolean {
    const { groups } = this.#options;
    if (epoch === null) return false;
    const known = groups.ofEpoch(charter.hash, epoch);
    // What is held beside the key that lives is wanted by nobody.
    return (known !== undefined || groups.ofCharter(charter.hash) === undefined) && lacks(known, requesters);
  }

  /** In this order: ceremony, documents, what is wanted of it, pending requests with the packages it owes answers to, who is present. */
  async #greet(connection: Connection, holding: Holding): Promise<void> {
    const { ceremonies, groups, rounds } = this.#options;
    const { charter, member } = connection;
    connection.stage = 'catching-up';
    const backlog = ceremonies.backlog(charter, holding.epoch !== null);
    await connection.sendPaced(() => backlog.map((message) => ({ type: 'ceremony', message })));
    for (const known of groups.candidatesOf(charter.hash)) connection.send(documentsFrame(known));
    if (this.#wants(charter, holding)) connection.send({ type: 'wanted' });
    if (holding.epoch !== null) this.#compareEpochs(connection, holding.epoch);
    if (!this.#options.presence.of(charter.hash).includes(connection)) return;
    // From here on a round that begins greets the member by itself.
    connection.stage = 'greeting';
    const mine = rounds.openOf(charter.hash).filter((round) => round.holders.includes(member.identifier));
    await Promise.all(mine.map((round) => round.greet(member.identifier)));
    if (!this.#options.presence.of(charter.hash).includes(connection)) return;
    connection.stage = 'greeted';
    this.#announce(charter);
  }

  /** A key beside the one that lives has no use (T35): whoever has the wrong one must hear of it. */
  #compareEpochs(connection: Connection, held: string): void {
    const { charter, member } = connection;
    const known = this.#options.groups.ofCharter(charter.hash)?.epoch.hash;
    if (known === undefined || known === held) return;
    this.#options.log('error', 'second-key', { group: charter.group, member: member.name, code: 'conflict' });
    const message = `${member.name} holds a key of epoch ${held}, and the group lives in ${known}; something is very wrong: talk to the other members`;
    connection.send({ type: 'error', code: 'conflict', message });
  }

  /** Who is here, to everybody who is. */
  #announce(charter: Charter): void {
    const { presence, rounds } = this.#options;
    const frame: CoordinatorFrame = { type: 'present', members: presence.greeted(charter.hash) };
    for (const connection of presence.of(charter.hash)) if (connection.stage === 'greeted') connection.send(frame);
    for (const round of rounds.openOf(charter.hash)) round.touch();
  }

  async #receiveCeremony(connection: Connection, frame: CeremonyFrame): Promise<void> {
    const { ceremonies, groups, presence } = this.#options;
    const { charter, member } = connection;
    this.#options.ledger.charge(member.key, frame.message.payload.length);
    const message = await ceremonies.receive(charter, member, frame.message);
    if (message === undefined) return;
    presence.tellAll(charter.hash, { type: 'ceremony', message: message.envelope });
    // Who says hello may not know that there is a key.
    if (message.kind === 'hello')
      for (const known of groups.candidatesOf(charter.hash)) connection.send(documentsFrame(known));
    if (message.kind !== 'stored' || groups.ofCharter(charter.hash) !== undefined) return;
    const { transcript } = message.payload;
    const isKnown = groups.ofEpoch(charter.hash, transcript) !== undefined;
    if (!isKnown && ceremonies.isStored(charter, transcript)) presence.tellAll(charter.hash, { type: 'wanted' });
  }

  #receiveJournal(connection: Connection, journal: JournalHead): void {
    const { charter, member } = connection;
    try {
      const moved = this.#judgeJournal({ charter, member, journal, isConnected: false }, () => undefined);
      // Known to this run in any case; who wrote too much today is forgotten by the next.
      if (moved && this.#options.ledger.takes(member.key, journalRecordBytes))
        this.#options.store.logOf(charter.hash)?.appendLazily({ type: 'journal', member: member.key, journal });
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      const { code, message } = error;
      connection.send({ type: 'error', code, message });
      connection.close(closeCodes.rolledBack, code);
    }
  }
}

type CeremonyFrame = Extract<MemberFrame, { type: 'ceremony' }>;
