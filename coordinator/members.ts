/** What members are sent when they come, and where their frames go. */
import {
  openAnswer,
  openCommitment,
  openShare,
  type SignedAnswer,
  type SignedCommitment,
  type SignedShare,
} from '../protocol/signing/attempt.ts';
import { memberByKey, type Charter, type Member } from '../protocol/files/charter.ts';
import type { Identifier } from '../protocol/frost/sharing.ts';
import { openDecision, type Decision } from '../protocol/signing/decision.ts';
import { ProtocolError } from '../protocol/errors.ts';
import type { CoordinatorFrame, JournalHead, MemberFrame } from '../protocol/wire/frames.ts';
import type { Envelope } from '../protocol/wire/envelope.ts';
import type { Ceremonies } from './ceremonies.ts';
import { closeCodes, type Connection } from './connection.ts';
import { CoordinatorError } from './errors.ts';
import { documentsFrame, genesisFrame, lacks, type Groups } from './groups.ts';
import { isLive, type Decided, type KnownGroup } from './lineage.ts';
import type { Successions } from './successions.ts';
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
  readonly successions: Successions;
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
    for (const [round, identifier] of this.#roundsOf(connection)) round.disconnected(identifier);
    this.#announce(charter);
  }

  /** Rounds of its group, of whichever epoch, that ask a member, and its identifier in each. */
  #roundsOf({ charter, member }: Connection): (readonly [Round, Identifier])[] {
    return this.#options.rounds.openOf(charter.hash).flatMap((round) => {
      const identifier = memberByKey(round.group.epoch.charter, member.key)?.identifier;
      return identifier !== undefined && round.holders.includes(identifier) ? [[round, identifier] as const] : [];
    });
  }

  /**
   * Judges a member's journal head, at login; stores it before the login succeeds. Throws `ProtocolError('rolled-back')`, or
   * `CoordinatorError('too-many')` for who had too much stored today (T43).
   */
  async checkJournal(charter: Charter, member: Member, journal: JournalHead): Promise<void> {
    const { ledger, presence, store } = this.#options;
    const isConnected = presence.isHere(charter.hash, member.key);
    const moved = this.#judgeJournal({ charter, member, journal, isConnected }, () =>
      ledger.charge(member.key, journalRecordBytes),
    );
    // A charter that goes on with a group has no log of its own: its log is the group's, once somebody brought that.
    if (!moved || (charter.continues !== undefined && store.logOf(charter.hash) === undefined)) return;
    await (await store.of(charter)).append([{ type: 'journal', member: member.key, journal }]);
  }

  /**
   * True when the head is a new one, which `admit` may refuse before it is known: the next login with it would else pass unstored. An alarm goes to every
   * other member before a refusal of the head itself.
   */
  #judgeJournal({ charter, member, journal, isConnected }: OfferedHead, admit: () => void): boolean {
    const { groups, journals } = this.#options;
    const root = groups.rootOf(charter.hash);
    try {
      const move = journals.judge({ root, member, journal, isConnected });
      if (move === 'same') return false;
      admit();
      journals.remember(root, member.key, journal);
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
    this.#options.presence.tellAll(charter.hash, frame, member.key);
  }

  /** Tells every member of a group which documents are the newest now. */
  documentsChanged(known: KnownGroup): void {
    for (const connection of this.#options.presence.of(known.epoch.charter.hash))
      if (connection.stage !== 'new') this.#showDocuments(connection, known);
    const { groups, successions } = this.#options;
    successions.forgetOver(groups.lineageOf(known.epoch.charter.hash));
  }

  /** Whoever is in no charter of that epoch learns only that it lives. */
  #showDocuments(connection: Connection, known: KnownGroup): void {
    const isOwn = memberByKey(known.epoch.charter, connection.member.key) !== undefined;
    if (isOwn) connection.send(documentsFrame(known));
    else if (isLive(known)) connection.send(genesisFrame(known));
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
      case 'succession':
        return this.#receiveSuccession(connection, frame);
      case 'decision': {
        const open = (by: Charter): Decision => openDecision(frame.decision, by);
        const decision = open(charter);
        this.#options.ledger.charge(connection.member.key, frame.decision.payload.length);
        return this.#toRound(connection, decision, open, (round, said) => round.decide(said));
      }
      case 'commitment': {
        const open = (by: Charter): SignedCommitment => openCommitment(frame.commitment, by);
        return this.#toRound(connection, open(charter), open, (round, said) => round.commit(said));
      }
      case 'share': {
        const open = (by: Charter): SignedShare => openShare(frame.share, by);
        return this.#toRound(connection, open(charter), open, (round, said) => round.share(said));
      }
      case 'answer': {
        const open = (by: Charter): SignedAnswer => openAnswer(frame.answer, by);
        return this.#toRound(connection, open(charter), open, (round, said) => round.answer(said));
      }
    }
  }

  /**
   * The sender is who signed, and only the member itself brings what it signed (T7). A round may be of another epoch than the one that the member logged
   * in under: there it has an identifier of its own.
   */
  async #toRound<T extends SaidInRound>(
    connection: Connection,
    first: T,
    open: (by: Charter) => T,
    deliver: (round: Round, said: T) => void,
  ): Promise<void> {
    const { charter, member } = connection;
    if (first.member.key !== member.key)
      throw new ProtocolError('not-allowed', `${member.name} sent a message of ${first.member.name}`);
    const found = await this.#options.rounds.find(charter.hash, first.payload.requestDigest);
    if (!(found instanceof Round)) connection.send(found);
    else deliver(found, found.group.epoch.charter.hash === charter.hash ? first : open(found.group.epoch.charter));
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
    // What is held beside the key that lives is wanted by nobody, if it is no epoch after it.
    const mayBe =
      known !== undefined || charter.continues !== undefined || groups.ofCharter(charter.hash) === undefined;
    return mayBe && lacks(known, requesters);
  }

  /** In this order: ceremony, documents, what is wanted of it, pending requests with the packages it owes answers to, who is present. */
  async #greet(connection: Connection, holding: Holding): Promise<void> {
    const { ceremonies, groups } = this.#options;
    const { charter } = connection;
    connection.stage = 'catching-up';
    // What is said under a charter that continues a group is of a succession, and asked for by its name.
    const backlog = ceremonies.backlog(charter, holding.epoch !== null);
    await connection.sendPaced(() => backlog.map((message) => ({ type: 'ceremony', message })));
    for (const known of groups.candidatesOf(charter.hash)) this.#showDocuments(connection, known);
    if (this.#wants(charter, holding)) connection.send({ type: 'wanted' });
    if (holding.epoch !== null) this.#compareEpochs(connection, holding.epoch);
    if (!this.#options.presence.of(charter.hash).includes(connection)) return;
    // From here on a round that begins greets the member by itself.
    connection.stage = 'greeting';
    await Promise.all(this.#roundsOf(connection).map(([round, identifier]) => round.greet(identifier)));
    if (!this.#options.presence.of(charter.hash).includes(connection)) return;
    connection.stage = 'greeted';
    this.#announce(charter);
  }

  /** A key beside the one that lives has no use (T35): whoever has the wrong one must hear of it. */
  #compareEpochs(connection: Connection, held: string): void {
    const { charter, member } = connection;
    const { groups } = this.#options;
    const known = groups.ofCharter(charter.hash)?.epoch.hash;
    // An epoch that is over, or one that comes after the one that is known here, is none beside it.
    if (known === undefined || groups.ofEpoch(charter.hash, held) !== undefined || charter.continues !== undefined)
      return;
    this.#options.log('error', 'second-key', { group: charter.group, member: member.name, code: 'conflict' });
    const message = `${member.name} holds a key of epoch ${held}, and the group lives in ${known}; something is very wrong: talk to the other members`;
    connection.send({ type: 'error', code: 'conflict', message });
  }

  /** Who is here, to everybody who is. */
  #announce(charter: Charter): void {
    const { presence, rounds } = this.#options;
    for (const connection of presence.of(charter.hash))
      if (connection.stage === 'greeted')
        connection.send({ type: 'present', members: presence.greeted(connection.charter) });
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
      for (const known of groups.candidatesOf(charter.hash)) this.#showDocuments(connection, known);
    if (message.kind !== 'stored' || groups.ofCharter(charter.hash) !== undefined) return;
    const { transcript } = message.payload;
    const isKnown = groups.ofEpoch(charter.hash, transcript) !== undefined;
    if (!isKnown && ceremonies.isStored(charter, transcript)) presence.tellAll(charter.hash, { type: 'wanted' });
  }

  /** A member is told of the succession that it asked for: what was said, and then what is said. */
  async #receiveSuccession(connection: Connection, { succession, message }: SuccessionFrame): Promise<void> {
    const { groups, ledger, presence, successions } = this.#options;
    const { charter, member, successions: asked } = connection;
    const decided = groups.lineageOf(charter.hash).successions.get(succession);
    if (decided === undefined)
      throw new CoordinatorError('not-found', `there is no signed succession ${succession} of this group here`);
    assertMayHear(decided, member);
    if (!asked.has(succession)) {
      asked.add(succession);
      const backlog = successions.backlog(decided);
      await connection.sendPaced(() => backlog.map((said) => ({ type: 'succession', succession, message: said })));
    }
    if (message === null) return;
    ledger.charge(member.key, message.payload.length);
    const said = await successions.receive(decided, member, message);
    if (said === undefined) return;
    const frame: CoordinatorFrame = { type: 'succession', succession, message: said.envelope };
    for (const other of presence.of(charter.hash)) if (other.successions.has(succession)) other.send(frame);
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
type SuccessionFrame = Extract<MemberFrame, { type: 'succession' }>;

/** Whatever a member says in a round. */
interface SaidInRound {
  readonly member: Member;
  readonly payload: { readonly requestDigest: string };
}

/** Only the members of both charters take part. Throws `ProtocolError('not-allowed')`. */
function assertMayHear({ plan, from }: Decided, { key, name }: Member): void {
  if ([from.epoch.charter, plan.charter].some((charter) => memberByKey(charter, key) !== undefined)) return;
  throw new ProtocolError('not-allowed', `${name} is in neither charter of this succession`);
}
