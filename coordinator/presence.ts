/** Which members are here: one live connection each, found by the group and the identity, through all epochs of its key. */
import type { CoordinatorFrame } from '../protocol/wire/frames.ts';
import { memberByIdentifier, memberByKey, type Charter } from '../protocol/files/charter.ts';
import type { Identifier } from '../protocol/frost/sharing.ts';
import type { Connection } from './connection.ts';
import type { Audience } from './round.ts';

/** The live connections of all groups. */
export class Presence {
  readonly #rootOf: (charterHash: string) => string;
  /** By the founding charter's hash and identity key; only admitted charters and their members are ever in here. */
  readonly #here = new Map<string, Map<string, Connection>>();

  /** `rootOf` answers the hash of the charter that founded a charter's group. */
  constructor(rootOf: (charterHash: string) => string) {
    this.#rootOf = rootOf;
  }

  /** Takes in a connection; the one that it replaces, if any, is answered. */
  add(connection: Connection): Connection | undefined {
    const root = this.#rootOf(connection.charter.hash);
    const members = this.#here.get(root) ?? new Map<string, Connection>();
    this.#here.set(root, members);
    const replaced = members.get(connection.member.key);
    members.set(connection.member.key, connection);
    return replaced;
  }

  /** False if it was replaced before. */
  remove(connection: Connection): boolean {
    const members = this.#here.get(this.#rootOf(connection.charter.hash));
    if (members?.get(connection.member.key) !== connection) return false;
    members.delete(connection.member.key);
    return true;
  }

  /** Every connection of the group of a charter, whichever epoch it logged in under. */
  of(charterHash: string): Connection[] {
    return [...(this.#here.get(this.#rootOf(charterHash))?.values() ?? [])];
  }

  isHere(charterHash: string, key: string): boolean {
    return this.#connectionOf(charterHash, key) !== undefined;
  }

  all(): Connection[] {
    return [...this.#here.values()].flatMap((members) => [...members.values()]);
  }

  /** Sends to everybody of one group who said what it holds. */
  tellAll(charterHash: string, frame: CoordinatorFrame, exceptKey?: string): void {
    for (const connection of this.of(charterHash)) {
      if (connection.stage !== 'new' && connection.member.key !== exceptKey) connection.send(frame);
    }
  }

  /** Those members of one charter that rounds can ask. */
  audienceOf(charter: Charter): Audience {
    const online = (identifier: Identifier): Connection | undefined => {
      const member = memberByIdentifier(charter, identifier);
      const connection = member === undefined ? undefined : this.#connectionOf(charter.hash, member.key);
      return connection?.stage === 'greeting' || connection?.stage === 'greeted' ? connection : undefined;
    };
    return {
      send: (to, frame) => online(to)?.send(frame),
      sendPaced: async (to, make) => (await online(to)?.sendPaced(make)) ?? false,
      isConnected: (identifier) => online(identifier) !== undefined,
      connected: () => this.greeted(charter),
    };
  }

  /** Identifiers, by this charter, of those who have everything that was pending, ascending. */
  greeted(charter: Charter): number[] {
    return this.of(charter.hash)
      .filter(({ stage }) => stage === 'greeted')
      .flatMap(({ member }) => memberByKey(charter, member.key)?.identifier ?? [])
      .map(Number)
      .sort((a, b) => a - b);
  }

  #connectionOf(charterHash: string, key: string): Connection | undefined {
    return this.#here.get(this.#rootOf(charterHash))?.get(key);
  }
}
