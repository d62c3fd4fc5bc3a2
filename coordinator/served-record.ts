/** A group's log as its own people read it: checkpoint, tiles, entries with proofs, and the bytes that records name (PROTOCOL.md, section 13.5). */
import { encodeBase64 } from '../verifier/base64.ts';
import { encodeEntries } from '../protocol/record/entries.ts';
import { encodeTile, hashesAt, parseTilePath, tileWidth } from '../protocol/record/tile.ts';
import { bytesToHex } from '../protocol/wire/bytes.ts';
import type { Identity } from '../protocol/wire/envelope.ts';
import type { ConsistencyBody, EntryBody } from '../protocol/wire/frames.ts';
import { CoordinatorError } from './errors.ts';
import type { GroupLog } from './group-log.ts';
import type { Store } from './store.ts';

/** Answers for the log of one charter, which is the caller's own (T25). Every method throws `CoordinatorError('not-found')` for what is not there. */
export class ServedRecord {
  readonly #store: Store;
  readonly #identity: Identity;

  constructor(store: Store, identity: Identity) {
    this.#store = store;
    this.#identity = identity;
  }

  /** The note over what is on the medium now. */
  checkpoint(charterHash: string): string {
    return this.#logOf(charterHash).checkpoint(this.#identity).note;
  }

  /** What lies under a path of C2SP tlog-tiles. Throws `ProtocolError('bad-tile')` for any other path. */
  async resource(charterHash: string, path: string): Promise<Uint8Array> {
    const log = this.#logOf(charterHash);
    const resource = parseTilePath(path);
    const level = resource.kind === 'entries' ? 0 : resource.level;
    if (resource.index * tileWidth + resource.width > hashesAt(level, log.head.size))
      throw new CoordinatorError('not-found', `the log of ${log.head.size} records has no ${path}`);
    if (resource.kind === 'entries') return encodeEntries(await log.leaves(resource.index, resource.width));
    return encodeTile((await log.tile(level, resource.index)).hashes.slice(0, resource.width));
  }

  /** One record with the proof that it is among the first `size`. */
  async entry(charterHash: string, index: number, size: number): Promise<EntryBody> {
    const log = this.#logOf(charterHash);
    if (index >= size || size > log.head.size)
      throw new CoordinatorError('not-found', `the log has ${log.head.size} records`);
    const [leaf, proof] = [await log.leaf(index), await log.inclusion(index, size)];
    return { leaf: encodeBase64(leaf), proof: proof.map(bytesToHex) };
  }

  /** Proof that the first `older` records are the beginning of the first `newer`. */
  async consistency(charterHash: string, older: number, newer: number): Promise<ConsistencyBody> {
    const log = this.#logOf(charterHash);
    if (older === 0 || older > newer || newer > log.head.size)
      throw new CoordinatorError('not-found', `the log has ${log.head.size} records`);
    return { proof: (await log.consistency(older, newer)).map(bytesToHex) };
  }

  /** Bytes beside the log, by SHA-256 (hex). Throws `CoordinatorError('archived')` for what the operator took out. */
  async blob(charterHash: string, sha256: string): Promise<Uint8Array> {
    const log = this.#logOf(charterHash);
    if (!(await log.isNamed(sha256)))
      throw new CoordinatorError('not-found', `no record needs bytes ${sha256.slice(0, 64)}`);
    return log.blob(sha256);
  }

  #logOf(charterHash: string): GroupLog {
    const log = this.#store.logOf(charterHash);
    if (log === undefined) throw new CoordinatorError('not-found', 'nothing is stored of this group yet');
    return log;
  }
}
