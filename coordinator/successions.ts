/** The relay of successions: what heirs and dealers say is stored, then sent to everybody who asked for it; it reads none of their secrets (PROTOCOL.md, section 5). */
import type { Charter, Member } from '../protocol/files/charter.ts';
import { ProtocolError } from '../protocol/errors.ts';
import {
  openSuccessionMessage,
  type OpeningMessageOf,
  type StepMessage,
  type SuccessionMessage,
} from '../protocol/succession/messages.ts';
import { isNewer } from '../protocol/succession/opening.ts';
import type { Envelope } from '../protocol/wire/envelope.ts';
import type { Decided, Lineage } from './lineage.ts';
import { maxBeginsPerMember, maxCeremoniesPerMember, maxCeremonyMessagesPerMember, maxVersions } from './limits.ts';
import type { StoreRecord } from './records.ts';

/** What is kept of one speaker: its newest hello, its last begins, and by ceremony and kind what it said, at most two versions of each. */
interface Said {
  hello: OpeningMessageOf<'hello'> | undefined;
  begins: readonly OpeningMessageOf<'begin'>[];
  /** By ceremony id, in the order in which this speaker first spoke of them. */
  readonly ceremonies: Map<string, StepMessage[]>;
  /** Messages that were ever stored. */
  stored: number;
}

/** What was said in every succession that a quorum signed, within bounds. */
export class Successions {
  readonly #store: (charter: Charter, record: StoreRecord) => Promise<unknown>;
  readonly #nowMs: () => number;
  /** By the hash of the document, then by identity key. */
  readonly #said = new Map<string, Map<string, Said>>();

  constructor(store: (charter: Charter, record: StoreRecord) => Promise<unknown>, nowMs: () => number) {
    this.#store = store;
    this.#nowMs = nowMs;
  }

  /**
   * Opens and stores a message of an heir or an old member; answers it to be told to the others, or `undefined` for a repeat. Throws `ProtocolError`:
   * `not-allowed` for somebody else's message, `expired` for a hello or begin after the time of the succession, `too-many` past the bounds.
   */
  async receive(decided: Decided, sender: Member, envelope: Envelope): Promise<SuccessionMessage | undefined> {
    const message = opened(decided, envelope);
    if (message.from.key !== sender.key)
      throw new ProtocolError('not-allowed', `${sender.name} sent a message of ${message.from.name}`);
    this.#assertInTime(decided, message);
    if (!this.#file(decided, message)) return undefined;
    const { charter, succession } = decided.plan;
    // Stored before anyone sees it: what a member acted upon is there again after a restart.
    await this.#store(charter, {
      type: 'ceremony',
      charter: charter.hash,
      succession: succession.hash,
      message: message.envelope,
    });
    return message;
  }

  /** Nothing begins when no share may be given any more; what was begun may still be told to an end. */
  #assertInTime({ plan: { succession } }: Decided, { kind }: SuccessionMessage): void {
    if (kind !== 'hello' && kind !== 'begin') return;
    if (succession.untilUnixSeconds * 1000 > this.#nowMs()) return;
    throw new ProtocolError('expired', `the succession was to be carried out until ${succession.payload.until}`);
  }

  /** Takes back one stored message. */
  restore(decided: Decided, envelope: Envelope): void {
    this.#file(decided, opened(decided, envelope));
  }

  /** Everything that was said and counts: hellos and begins first. */
  backlog({ plan }: Decided): Envelope[] {
    const all = [...(this.#said.get(plan.succession.hash)?.values() ?? [])];
    return [
      ...all.flatMap(({ hello }) => hello ?? []),
      ...all.flatMap(({ begins }) => begins),
      ...all.flatMap(({ ceremonies }) => [...ceremonies.values()].flat()),
    ].map(({ envelope }) => envelope);
  }

  /** What was said in a succession for which nobody can be late any more is only in the record: none out of the epoch that lives, nor the one into it. */
  forgetOver({ live, successions }: Pick<Lineage, 'live' | 'successions'>): void {
    for (const [hash, decided] of successions)
      if (decided.from !== live && decided !== live?.decided) this.#said.delete(hash);
  }

  /** False for a repeat, and for a hello that a newer one replaced. */
  #file({ plan: { succession } }: Decided, message: SuccessionMessage): boolean {
    const said = this.#saidBy(succession.hash, message.from);
    if (isRepeat(said, message)) return false;
    if (said.stored >= maxCeremonyMessagesPerMember)
      throw new ProtocolError(
        'too-many',
        `${message.from.name} sent ${said.stored} messages of one succession; no more are kept`,
      );
    fileOf(said, message);
    said.stored += 1;
    return true;
  }

  #saidBy(succession: string, { key }: Member): Said {
    const speakers = this.#said.get(succession) ?? new Map<string, Said>();
    this.#said.set(succession, speakers);
    const said = speakers.get(key) ?? { hello: undefined, begins: [], ceremonies: new Map(), stored: 0 };
    speakers.set(key, said);
    return said;
  }
}

function opened({ plan: { charter, succession }, from }: Decided, envelope: Envelope): SuccessionMessage {
  const message = openSuccessionMessage(envelope, { before: from.epoch.charter, after: charter });
  if ((message.kind === 'hello' || message.kind === 'begin') && message.payload.succession !== succession.hash)
    throw new ProtocolError('bad-ceremony-message', `the ${message.kind} is of another succession`);
  return message;
}

function isRepeat(said: Said, message: SuccessionMessage): boolean {
  switch (message.kind) {
    case 'hello':
      return (
        said.hello !== undefined &&
        (said.hello.hash === message.hash || said.hello.payload.serial > message.payload.serial)
      );
    case 'begin':
      return said.begins.some(({ hash }) => hash === message.hash);
    case 'commit':
    case 'reveal':
    case 'boxes':
    case 'transcript':
    case 'stored':
    case 'leave': {
      const others = said.ceremonies.get(message.payload.ceremony) ?? [];
      return others.some(({ kind, hash }) => kind === message.kind && hash === message.hash);
    }
  }
}

function fileOf(said: Said, message: SuccessionMessage): void {
  switch (message.kind) {
    case 'hello':
      if (said.hello === undefined || isNewer(message, said.hello)) said.hello = message;
      return;
    case 'begin':
      said.begins = [...said.begins, message].slice(-maxBeginsPerMember);
      return;
    case 'commit':
    case 'reveal':
    case 'boxes':
    case 'transcript':
    case 'stored':
    case 'leave':
      fileByCeremony(said, message);
  }
}

function fileByCeremony({ ceremonies }: Said, message: StepMessage): void {
  const { ceremony } = message.payload;
  const messages = ceremonies.get(ceremony) ?? [];
  if (messages.filter(({ kind }) => kind === message.kind).length >= maxVersions)
    throw new ProtocolError('too-many', `two different ${message.kind} messages of ${message.from.name} prove enough`);
  ceremonies.set(ceremony, [...messages, message]);
  // A speaker can push out only what it said itself.
  const [oldest] = ceremonies.keys();
  if (ceremonies.size > maxCeremoniesPerMember && oldest !== undefined) ceremonies.delete(oldest);
}
