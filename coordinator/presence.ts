/** Which members are here: one live connection each, found by charter and identifier. */
import type { CoordinatorFrame } from '../protocol/wire/frames.ts';
import type { Identifier } from '../protocol/frost/sharing.ts';
import type { Connection } from './connection.ts';
import type { Audience } from './round.ts';

/** The live connections of all groups. */
export class Presence {
  /** By charter hash and identifier; only admitted charters and their members are ever in here. */
  readonly #here = new Map<string, Map<number, Connection>>();

  /** Takes in a connection; the one that it replaces, if any, is answered. */
  add(connection: Connection): Connection | undefined {
    const members = this.#here.get(connection.charter.hash) ?? new Map<number, Connection>();
    this.#here.set(connection.charter.hash, members);
    const replaced = members.get(connection.member.identifier);
    members.set(connection.member.identifier, connection);
    return replaced;
  }

  /** False if it was replaced before. */
  remove(connection: Connection): boolean {
    const members = this.#here.get(connection.charter.hash);
    if (members?.get(connection.member.identifier) !== connection) return false;
    members.delete(connection.member.identifier);
    return true;
  }

  /** Every connection of one charter. */
  of(charterHash: string): Connection[] {
    return [...(this.#here.get(charterHash)?.values() ?? [])];
  }

  isHere(charterHash: string, identifier: number): boolean {
    return this.#here.get(charterHash)?.has(identifier) ?? false;
  }

  all(): Connection[] {
    return [...this.#here.values()].flatMap((members) => [...members.values()]);
  }

  /** Sends to everybody of one charter who said what it holds. */
  tellAll(charterHash: string, frame: CoordinatorFrame, except?: number): void {
    for (const connection of this.of(charterHash)) {
      if (connection.stage !== 'new' && connection.member.identifier !== except) connection.send(frame);
    }
  }

  /** Those members of one charter that rounds can ask. */
  audienceOf(charterHash: string): Audience {
    const online = (identifier: Identifier): Connection | undefined => {
      const connection = this.#here.get(charterHash)?.get(identifier);
      return connection?.stage === 'greeting' || connection?.stage === 'greeted' ? connection : undefined;
    };
    return {
      send: (to, frame) => online(to)?.send(frame),
      sendPaced: async (to, make) => (await online(to)?.sendPaced(make)) ?? false,
      isConnected: (identifier) => online(identifier) !== undefined,
      connected: () => this.greeted(charterHash),
    };
  }

  /** Identifiers of those who have everything that was pending, ascending. */
  greeted(charterHash: string): number[] {
    return this.of(charterHash)
      .filter(({ stage }) => stage === 'greeted')
      .map(({ member }) => member.identifier as number)
      .sort((a, b) => a - b);
  }
}
