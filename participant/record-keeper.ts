/** A member's eye on the record of its group: the newest checkpoint is kept, and one that does not go on from it is an alarm (T27). */
import { followCheckpoint, followedText, nothingText } from '../client/checkpoints.ts';
import type { CoordinatorClient } from '../client/client.ts';
import { ClientError, notOurs } from '../client/errors.ts';
import { KeptCheckpoint } from '../home/kept-checkpoint.ts';
import type { Home } from '../home/home.ts';
import { decodeBase64Url } from '../verifier/base64.ts';

/** Whose word is followed, and where it is kept. */
export interface RecordKeeperOptions {
  readonly client: Pick<CoordinatorClient, 'checkpoint' | 'recordConsistency'>;
  readonly home: Pick<Home, 'file'>;
  /** Hash of the charter, hex. */
  readonly charter: string;
  /** The coordinator's identity key, base64url. */
  readonly fingerprint: string;
}

/** Follows the record of one group. */
export class RecordKeeper {
  readonly #options: RecordKeeperOptions;
  readonly #kept: KeptCheckpoint;

  constructor(options: RecordKeeperOptions) {
    this.#options = options;
    this.#kept = new KeptCheckpoint(options.home, options.charter);
  }

  /**
   * Asks for the newest checkpoint and keeps it; answers what a person must be told, if it does not go on from the one that was kept: that one then
   * stays, with the other beside it. Throws `ClientError`, `ProtocolError` or `HomeError`.
   */
  async follow(): Promise<string | undefined> {
    const { client, fingerprint } = this.#options;
    const before = await this.#kept.read();
    try {
      const found = await followCheckpoint(client, decodeBase64Url(fingerprint), before);
      const alarm = followedText(found, before);
      const { note } = found.checkpoint;
      if (alarm === undefined) {
        await this.#kept.replace(before, note);
        return undefined;
      }
      const beside = await this.#kept.writeBeside(found.followed === 'other' ? (before ?? note) : note, found.followed);
      // A log that was begun anew is the one to follow from here on.
      if (found.followed === 'other') await this.#kept.replace(before, note);
      return `${alarm} (${beside})`;
    } catch (error) {
      if (!(error instanceof ClientError) || error.refusal?.status !== 404) throw error;
      // Nothing is stored of the group yet, or by a coordinator that keeps no logs.
      if (before === undefined) return undefined;
      // What is in between may not have the route; the coordinator's own word is another matter.
      if (error.refusal.code === notOurs) throw error;
      return nothingText(before);
    }
  }
}
