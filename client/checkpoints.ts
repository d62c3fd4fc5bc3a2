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
 * that it acknowledged are gone. `split`: it signed two roots for one size, which the two notes prove to everybody. `unproved`: it signed a larger log
 * and gives no proof that it goes on from the one before; whether that is a split, an audit shows. `other`: another log was begun in place of the one
 * that was known.
 */
export type Followed = 'first' | 'same' | 'newer' | 'older' | 'split' | 'unproved' | 'other';

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
  const known = openedOrUndefined(kept, coordinator);
  // What was kept is of a coordinator that was used before, or of a file that was changed.
  return { checkpoint, followed: known === undefined ? 'other' : await compare(client, known, checkpoint) };
}

/** A note that was kept, if this coordinator signed it. */
export function openedOrUndefined(kept: string, coordinator: Uint8Array): Checkpoint | undefined {
  try {
    return openCheckpoint(kept, coordinator);
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
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
    // A wrong proof proves nothing, and so not that there is no right one.
    if (error instanceof ProtocolError) return 'unproved';
    throw error;
  }
}

/** What a person is told, with both checkpoints; `undefined` where all is well. */
export function followedText(
  { checkpoint, followed }: FollowedCheckpoint,
  kept: string | undefined,
): string | undefined {
  const before = sizeIn(kept);
  const now = checkpoint.tree.size;
  switch (followed) {
    case 'first':
    case 'same':
    case 'newer':
      return undefined;
    case 'older':
      return `the coordinator acknowledged ${before} records of this group and shows ${now}: it lost some, or hides them; ask its operator`;
    case 'split':
      return `the coordinator signed two histories of this group (of ${now} records each): keep both notes, they prove it to everybody`;
    case 'unproved':
      return (
        `the coordinator signed ${now} records of this group and does not prove that they go on from the ${before} before: keep both notes; ` +
        'frostmark audit shows whether it tells two histories'
      );
    case 'other':
      return `the coordinator began the record of this group anew: what it knew until then, ${before} records, is in no log that it shows`;
  }
}

/** What a person is told by whom a note was kept when the coordinator says that it has nothing of this group. */
export function nothingText(kept: string): string {
  return `the coordinator acknowledged ${sizeIn(kept)} records of this group and says now that it has none: it lost them, or hides them; ask its operator`;
}

function sizeIn(kept: string | undefined): string {
  return kept?.split('\n')[1] ?? 'some';
}
