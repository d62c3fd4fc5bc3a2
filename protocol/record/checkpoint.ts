/** A checkpoint: the coordinator's signed word on how large a log is and what its root is (C2SP tlog-checkpoint), as a signed note. */
import { printableJson } from '../../verifier/printable.ts';
import { decodeBase64, encodeBase64 } from '../../verifier/base64.ts';
import { equalBytes } from '../wire/bytes.ts';
import { refuseAs, type Identity } from '../wire/envelope.ts';
import { ProtocolError } from '../errors.ts';
import { openNote, signNote } from './note.ts';
import { hashBytes, isTreeSize, type TreeHead } from './tree.ts';

/** What names a log for ever: no two histories have one. */
export interface LogName {
  /** Hash of the charter that the group was founded by, 64 hex digits. */
  readonly charter: string;
  /** Drawn when the log was born, 32 hex digits. */
  readonly log: string;
}

/** A checkpoint that was opened: which log, how long it is, and the root over all of it. */
export interface Checkpoint extends LogName {
  readonly tree: TreeHead;
  /** The note as it was signed, to be kept and shown. */
  readonly note: string;
}

/** The first line of each of a log's checkpoints, and the name under which they are signed. */
export function originOf({ charter, log }: LogName): string {
  return `frostmark/${charter}/${log}`;
}

/** Inverse of `originOf`. Throws `ProtocolError('bad-checkpoint')`. */
export function parseOrigin(origin: string): LogName {
  const [, charter, log] = /^frostmark\/([0-9a-f]{64})\/([0-9a-f]{32})$/.exec(origin) ?? [];
  if (charter === undefined || log === undefined)
    throw new ProtocolError('bad-checkpoint', `${printableJson(origin.slice(0, 120))} is not the origin of a log`);
  return { charter, log };
}

/** Signs a head that is on the medium, and no other: a checkpoint is a promise. Throws `ProtocolError('bad-checkpoint')` for what is no name or head. */
export function sealCheckpoint(name: LogName, tree: TreeHead, identity: Identity): Checkpoint {
  const origin = originOf(name);
  const note = signNote(`${origin}\n${tree.size}\n${encodeBase64(tree.root)}\n`, origin, identity);
  return openCheckpoint(note, identity.publicKey);
}

/**
 * Opens a checkpoint of any log that this coordinator (32 bytes) keeps; whether it is the log in question is asked with `compareCheckpoints` or
 * `assertOrigin`. Throws `ProtocolError` (`bad-checkpoint`, `bad-signature`, `too-large`).
 */
export function openCheckpoint(note: string, coordinator: Uint8Array): Checkpoint {
  const name = parseOrigin(note.slice(0, note.indexOf('\n')));
  const text = openNote(note, { name: originOf(name), publicKey: coordinator });
  const [, sizeLine = '', rootLine = '', ...rest] = text.split('\n');
  // Differs from C2SP tlog-checkpoint: extension lines are refused, because we write none and no reader could check what they say.
  if (rest.length !== 1 || rest[0] !== '')
    throw new ProtocolError('bad-checkpoint', 'the checkpoint does not have three lines');
  return { ...name, tree: { size: decodeSize(sizeLine), root: decodeRoot(rootLine) }, note };
}

/** Differs from C2SP tlog-checkpoint: an empty log has none, because every log of ours begins with a record that names it. */
function decodeSize(line: string): number {
  const size = Number(line);
  if (!/^[1-9]\d{0,15}$/.test(line) || !isTreeSize(size))
    throw new ProtocolError('bad-checkpoint', 'the second line of the checkpoint is not the size of a log');
  return size;
}

function decodeRoot(line: string): Uint8Array {
  const root = refuseAs('bad-checkpoint', 'third line of the checkpoint', () => decodeBase64(line));
  if (root.length !== hashBytes)
    throw new ProtocolError('bad-checkpoint', 'the third line of the checkpoint is not a root of 32 bytes');
  return root;
}

/** Throws `ProtocolError('bad-checkpoint')` for a checkpoint of another log. */
export function assertOrigin(checkpoint: Checkpoint, expected: LogName): void {
  if (checkpoint.charter !== expected.charter || checkpoint.log !== expected.log)
    throw new ProtocolError(
      'bad-checkpoint',
      `the checkpoint is of ${originOf(checkpoint)}, and ${originOf(expected)} was asked for`,
    );
}

/**
 * How a checkpoint follows on the newest that was seen of the log: `same`; `newer` or `older`, which a consistency proof has to show; `contradiction`:
 * two roots for one size, and the two notes together prove to everybody that the coordinator signed two histories.
 */
export type Comparison = 'same' | 'newer' | 'older' | 'contradiction';

/** Throws `ProtocolError('bad-checkpoint')` if they are of different logs. */
export function compareCheckpoints(known: Checkpoint, next: Checkpoint): Comparison {
  assertOrigin(next, known);
  if (next.tree.size > known.tree.size) return 'newer';
  if (next.tree.size < known.tree.size) return 'older';
  return equalBytes(next.tree.root, known.tree.root) ? 'same' : 'contradiction';
}
