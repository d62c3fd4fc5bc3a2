/** The relay of ceremonies: every valid message of an admitted charter is stored, then echoed to all its members; it reads none of their secrets. */
import { openCeremonyMessage, type CeremonyMessage, type CeremonyMessageOf } from '../protocol/ceremony/messages.ts';
import type { Charter, Member } from '../protocol/files/charter.ts';
import type { Envelope } from '../protocol/wire/envelope.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { maxCeremoniesPerMember, maxCeremonyMessagesPerMember, maxVersions } from './limits.ts';
import type { StoreRecord } from './records.ts';

/** What is kept of one member: its newest hello, and by ceremony and kind what it said, at most two versions of each. */
interface Said {
  hello: CeremonyMessageOf<'hello'> | undefined;
  /** By ceremony id, in the order in which this member first spoke of them. */
  readonly ceremonies: Map<string, CeremonyMessage[]>;
  /** Messages that were ever stored. */
  stored: number;
}

/** What the members of every admitted charter have said in ceremonies, within bounds. */
export class Ceremonies {
  readonly #store: (charter: Charter, record: StoreRecord) => Promise<unknown>;
  /** By charter hash, then by identifier. Only admitted charters and their members are ever in here. */
  readonly #said = new Map<string, Map<number, Said>>();

  constructor(store: (charter: Charter, record: StoreRecord) => Promise<unknown>) {
    this.#store = store;
  }

  /**
   * Opens and stores a member's message; answers it to be echoed, or `undefined` for a repeat.
   * Throws `ProtocolError`, `not-allowed` for somebody else's message, `too-many` past the bounds.
   */
  async receive(charter: Charter, sender: Member, envelope: Envelope): Promise<CeremonyMessage | undefined> {
    // Another key under it would be taken for the one that it goes on with.
    if (charter.continues !== undefined)
      throw new ProtocolError(
        'bad-charter',
        'this charter continues a group: no ceremony makes a key for it, only a succession hands one on',
      );
    const message = openCeremonyMessage(envelope, charter);
    if (message.from.key !== sender.key)
      throw new ProtocolError('not-allowed', `${sender.name} sent a message of ${message.from.name}`);
    if (!this.#file(charter.hash, message)) return undefined;
    // Stored before anyone sees it: what a member acted upon is there again after a restart.
    await this.#store(charter, { type: 'ceremony', charter: charter.hash, message: message.envelope });
    return message;
  }

  /** Takes back one stored message. */
  restore(charter: Charter, envelope: Envelope): void {
    this.#file(charter.hash, openCeremonyMessage(envelope, charter));
  }

  /** Everything that a member of this charter may have missed; with a key it needs only who else holds it. */
  backlog(charter: Charter, holdsKey: boolean): Envelope[] {
    return [...(this.#said.get(charter.hash)?.values() ?? [])]
      .flatMap(({ hello, ceremonies }) => [...(hello === undefined ? [] : [hello]), ...[...ceremonies.values()].flat()])
      .filter(({ kind }) => !holdsKey || kind === 'stored')
      .map(({ envelope }) => envelope);
  }

  /** Whether every member said that it stored a certificate of this transcript: there is a candidate. */
  isStored(charter: Charter, transcript: string): boolean {
    return charter.members.every((member) =>
      this.#storedBy(charter, member).some(({ payload }) => payload.transcript === transcript),
    );
  }

  #storedBy(charter: Charter, member: Member): CeremonyMessageOf<'stored'>[] {
    const messages = [...(this.#said.get(charter.hash)?.get(member.identifier)?.ceremonies.values() ?? [])].flat();
    return messages.filter((message) => message.kind === 'stored');
  }

  /** False for a repeat. */
  #file(charterHash: string, message: CeremonyMessage): boolean {
    const said = this.#saidBy(charterHash, message.from);
    if (this.#isRepeat(said, message)) return false;
    if (said.stored >= maxCeremonyMessagesPerMember)
      throw new ProtocolError(
        'too-many',
        `${message.from.name} sent ${said.stored} ceremony messages; no more are kept`,
      );
    if (message.kind === 'hello') said.hello = message;
    else fileByCeremony(said, message);
    said.stored += 1;
    return true;
  }

  #isRepeat(said: Said, message: CeremonyMessage): boolean {
    if (message.kind === 'hello') return said.hello?.hash === message.hash;
    return said.ceremonies.get(message.payload.ceremony)?.some((other) => isSame(other, message)) ?? false;
  }

  #saidBy(charterHash: string, member: Member): Said {
    const members = this.#said.get(charterHash) ?? new Map<number, Said>();
    this.#said.set(charterHash, members);
    const said = members.get(member.identifier) ?? { hello: undefined, ceremonies: new Map(), stored: 0 };
    members.set(member.identifier, said);
    return said;
  }
}

function fileByCeremony(said: Said, message: Exclude<CeremonyMessage, { kind: 'hello' }>): void {
  const { ceremony } = message.payload;
  const messages = said.ceremonies.get(ceremony) ?? [];
  if (messages.filter(({ kind }) => kind === message.kind).length >= maxVersions)
    throw new ProtocolError('too-many', `two different ${message.kind} messages of ${message.from.name} prove enough`);
  messages.push(message);
  said.ceremonies.set(ceremony, messages);
  // A member can push out only what it said itself.
  const [oldest] = said.ceremonies.keys();
  if (said.ceremonies.size > maxCeremoniesPerMember && oldest !== undefined) said.ceremonies.delete(oldest);
}

function isSame(a: CeremonyMessage, b: CeremonyMessage): boolean {
  return a.kind === b.kind && a.hash === b.hash;
}
