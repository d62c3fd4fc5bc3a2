/**
 * The newest checkpoint of a group's log that somebody saw, kept against the next one: a coordinator that lost acknowledged records, or tells two
 * histories, shows it to whoever kept its word (PROTOCOL.md, section 13.5).
 */
import { ProtocolError } from '../protocol/errors.ts';
import { compareCheckpoints, openCheckpoint, type Checkpoint } from '../protocol/record/checkpoint.ts';
import { assertConsistency } from '../protocol/record/proof.ts';
import type { CoordinatorClient } from './client.ts';

/**
 * How the coordinator's word is next to the one that was kept. `first`, `same` and `newer` are as they should be, `newer` with a proof. `older`: records
 * that it acknowledged are gone. `split`: it signed two histories, which the two notes prove to everybody. `other`: another log was begun in place of
 * the one that was known.
 */
export type Followed = 'first' | 'same' | 'newer' | 'older' | 'split' | 'other';

/** A checkpoint that was asked for just now, and how it follows. */
export interface FollowedCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly followed: Followed;
}

/**
 * Asks for the newest checkpoint and compares it with the note that was kept, if there is one. `coordinator` is its identity key, 32 bytes.
 * Throws `ClientError`, and `ProtocolError` for a checkpoint that this coordinator did not sign.
 */
export async function followCheckpoint(
  client: Pick<CoordinatorClient, 'checkpoint' | 'recordConsistency'>,
  coordinator: Uint8Array,
  kept: string | undefined,
): Promise<FollowedCheckpoint> {
  const checkpoint = openCheckpoint(await client.checkpoint(), coordinator);
  if (kept === undefined) return { checkpoint, followed: 'first' };
  return { checkpoint, followed: await compare(client, openCheckpoint(kept, coordinator), checkpoint) };
}

async function compare(
  client: Pick<CoordinatorClient, 'recordConsistency'>,
  known: Checkpoint,
  next: Checkpoint,
): Promise<Followed> {
  if (known.charter !== next.charter || known.log !== next.log) return 'other';
  const comparison = compareCheckpoints(known, next);
  if (comparison === 'contradiction') return 'split';
  if (comparison !== 'newer') return comparison;
  const proof = await client.recordConsistency(known.tree.size, next.tree.size);
  try {
    assertConsistency({ older: known.tree, newer: next.tree, proof });
    return 'newer';
  } catch (error) {
    // It signed both, and one is not the beginning of the other.
    if (error instanceof ProtocolError) return 'split';
    throw error;
  }
}

/** What a person is told, with both checkpoints; `undefined` where all is well. */
export function followedText(
  { checkpoint, followed }: FollowedCheckpoint,
  kept: string | undefined,
): string | undefined {
  const before = kept?.split('\n')[1] ?? 'some';
  const now = checkpoint.tree.size;
  switch (followed) {
    case 'first':
    case 'same':
    case 'newer':
      return undefined;
    case 'older':
      return `the coordinator acknowledged ${before} records of this group and shows ${now}: it lost some, or hides them; ask its operator`;
    case 'split':
      return `the coordinator signed two histories of this group (of ${before} and of ${now} records): keep both notes, they prove it to everybody`;
    case 'other':
      return `the coordinator began the record of this group anew: what it knew until then, ${before} records, is in no log that it shows`;
  }
}
