/** The order of a log: which record may come after which. Whoever appends asks it first, and whoever audits asks it again. */
import { ProtocolError } from '../errors.ts';
import type { LogName } from './checkpoint.ts';
import type { LogRecord } from './leaf.ts';
import { maxAuditedRounds } from './limits.ts';

/** Whose log it is said to be: every log begins with a record of exactly this. */
export interface LogIdentity extends LogName {
  /** Identity key of the coordinator, base64url. */
  readonly coordinator: string;
}

type RecordOf<T extends LogRecord['type']> = Extract<LogRecord, { type: T }>;

/** Takes the records of one log in turn, from the first. */
export class Order {
  readonly #log: LogIdentity;
  readonly #charters = new Set<string>();
  /** By request digest: whether the round is pending. */
  readonly #rounds = new Map<string, 'pending' | 'over'>();
  #count = 0;
  #hasMoved = false;

  constructor(log: LogIdentity) {
    this.#log = log;
  }

  /** Throws `ProtocolError('bad-record')` for a record that cannot come here; the order is then of no more use. */
  accept(record: LogRecord): void {
    if ((this.#count === 0) !== (record.type === 'born'))
      throw this.#refusal(record, this.#count === 0 ? 'a log begins with "born"' : 'a log is born once');
    if (this.#hasMoved !== (record.type === 'arrived'))
      throw this.#refusal(record, this.#hasMoved ? 'the log moved away' : 'the log had not moved');
    this.#hasMoved = record.type === 'moved';
    this.#acceptType(record);
    this.#count += 1;
  }

  #acceptType(record: LogRecord): void {
    switch (record.type) {
      case 'born':
        this.#acceptBorn(record);
        break;
      case 'charter':
        this.#acceptCharter(record);
        break;
      case 'ceremony':
      case 'group':
      case 'group-document':
        this.#assertCharter(record);
        break;
      case 'round':
        this.#acceptRound(record);
        break;
      case 'round-document':
      case 'decision':
      case 'evidence':
        this.#stateOf(record);
        break;
      case 'closed':
        this.#acceptClosed(record);
        break;
      case 'journal':
      case 'moved':
      case 'arrived':
        break;
    }
  }

  #acceptBorn(record: RecordOf<'born'>): void {
    const { charter, log, coordinator } = this.#log;
    if (record.charter !== charter || record.log !== log || record.coordinator !== coordinator)
      throw this.#refusal(record, 'it is the first record of another log');
  }

  #acceptCharter(record: RecordOf<'charter'>): void {
    const { charter, file } = record;
    if (file.sha256 !== charter) throw this.#refusal(record, 'its file is another charter');
    if (this.#charters.has(charter)) throw this.#refusal(record, 'the log has this charter already');
    if (this.#charters.size === 0 && charter !== this.#log.charter)
      throw this.#refusal(record, 'it is not the charter that the log is named by');
    this.#charters.add(charter);
  }

  #assertCharter(record: RecordOf<'ceremony' | 'group' | 'group-document' | 'round'>): void {
    if (!this.#charters.has(record.charter)) throw this.#refusal(record, 'its charter is not in the log before it');
  }

  #acceptRound(record: RecordOf<'round'>): void {
    this.#assertCharter(record);
    if (this.#rounds.has(record.digest)) throw this.#refusal(record, 'the round is there already');
    if (this.#rounds.size >= maxAuditedRounds)
      throw new ProtocolError('too-large', 'the log has too many rounds to check');
    this.#rounds.set(record.digest, 'pending');
  }

  /** A late decision and late evidence may follow the end of a round, but a second end may not. */
  #acceptClosed(record: RecordOf<'closed'>): void {
    if (this.#stateOf(record) === 'over') throw this.#refusal(record, 'the round was over before');
    const isSigned = record.outcome === 'signed';
    if (record.signatures.length > 0 !== isSigned || record.signers.length > 0 !== isSigned)
      throw this.#refusal(record, 'signatures and signers belong to what was signed, and to nothing else');
    this.#rounds.set(record.digest, 'over');
  }

  #stateOf(record: RecordOf<'round-document' | 'decision' | 'evidence' | 'closed'>): 'pending' | 'over' {
    const state = this.#rounds.get(record.digest);
    if (state === undefined) throw this.#refusal(record, 'its round is not in the log before it');
    return state;
  }

  #refusal(record: LogRecord, why: string): ProtocolError {
    return new ProtocolError('bad-record', `record ${this.#count} ("${record.type}") cannot be there: ${why}`);
  }
}
