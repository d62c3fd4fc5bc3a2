/**
 * The head of a log: all that must be right about it before anything more is read. It is written in the same batch as the records, full tiles and
 * index changes that made it, so that a crash leaves all of a batch or nothing.
 */
import { encodeCanonicalJson, decodeCanonicalJson } from '../../verifier/json.ts';
import { bytesToHex, equalBytes, hexToBytes } from '../wire/bytes.ts';
import { refuseAs } from '../wire/envelope.ts';
import type { JournalHead } from '../wire/frames.ts';
import { ProtocolError } from '../errors.ts';
import { assertSchema, Hash, Hex, Strict, Type, type Static } from '../wire/schema.ts';
import { emptyEdge, growEdge, type Edge, type GrownEdge } from './edge.ts';
import { maxHeadBytes, maxTreeSize } from './limits.ts';
import { changeSet, digestSet, emptySet, type SetDigest } from './set-digest.ts';
import {
  appendLeaves,
  emptyTree,
  frontierLength,
  hashLeaf,
  rootOf,
  treeHead,
  type Tree,
  type TreeHead,
} from './tree.ts';

/** A log at one size: its tree, and digests over what of its indexes a start rests on. */
export interface Head extends Tree, TreeHead {
  /** Over the rounds that are pending. */
  readonly pending: SetDigest;
  /** Over the newest journal head of each member and incarnation, as far as they are remembered. */
  readonly heads: SetDigest;
  /** Over the numbers of the records of the group itself. */
  readonly group: SetDigest;
}

/** The head of a log that is about to be born. */
export const emptyHead: Head = {
  ...emptyTree,
  ...treeHead(emptyTree),
  pending: emptySet,
  heads: emptySet,
  group: emptySet,
};

/** A log that can be appended to. */
export interface Tip {
  readonly head: Head;
  readonly edge: Edge;
}

/** The same, to be appended to. */
export const emptyTip: Tip = { head: emptyHead, edge: emptyEdge };

/** A member's journal head, by its identity key (base64url) because identifiers belong to an epoch. */
export interface MemberJournal {
  readonly member: string;
  readonly journal: JournalHead;
}

/** What a batch does to the indexes that a start rests on. */
export interface Changes {
  /** Request digests, hex: rounds that begin, and rounds that are over. */
  readonly opened: readonly string[];
  readonly closed: readonly string[];
  readonly journals: readonly {
    /** The head that goes, of the same member and incarnation; `undefined` if this is the first. */
    readonly before: MemberJournal | undefined;
    /** `undefined` for an incarnation that is forgotten. */
    readonly after: MemberJournal | undefined;
  }[];
  /** Numbers of records of the group itself. */
  readonly ofGroup: readonly number[];
}

/** Of records that concern none of them. */
export const noChanges: Changes = { opened: [], closed: [], journals: [], ofGroup: [] };

/** One batch: everything that has to be written together. */
export interface Appended extends Tip, GrownEdge {
  /** Of the leaves, in order: leaf `i` of the batch has the index `size before + i`. */
  readonly leafHashes: readonly Uint8Array[];
}

/** The log with these leaves (of up to `maxLeafBytes` each). Throws `ProtocolError` (`bad-record`, `too-large`). */
export function append(tip: Tip, leaves: readonly Uint8Array[], changes: Changes): Appended {
  const { head, edge } = tip;
  // The digests move only with the log, so that two heads of one size are one head.
  if (leaves.length === 0) throw new ProtocolError('bad-record', 'a batch without a record');
  const leafHashes = leaves.map(hashLeaf);
  const tree = appendLeaves(head, leafHashes);
  const grown = growEdge(edge, head.size, leafHashes);
  return {
    ...grown,
    leafHashes,
    head: {
      ...tree,
      root: rootOf(tree),
      pending: nextPending(head, changes),
      heads: nextHeads(head, changes),
      group: changeSet(head.group, { added: changes.ofGroup.map(groupElement), removed: [] }),
    },
  };
}

function nextPending({ pending }: Head, { opened, closed }: Changes): SetDigest {
  return changeSet(pending, { added: opened.map(pendingElement), removed: closed.map(pendingElement) });
}

function nextHeads({ heads }: Head, { journals }: Changes): SetDigest {
  const there = (journal: MemberJournal | undefined): Uint8Array[] =>
    journal === undefined ? [] : [journalElement(journal)];
  return changeSet(heads, {
    added: journals.flatMap(({ after }) => there(after)),
    removed: journals.flatMap(({ before }) => there(before)),
  });
}

/** A pending round as an element of its set. */
export function pendingElement(digest: string): Uint8Array {
  return encodeCanonicalJson(['pending', digest]);
}

/** A journal head as an element of its set. */
export function journalElement({ member, journal }: MemberJournal): Uint8Array {
  return encodeCanonicalJson(['journal', member, journal.incarnation, journal.length, journal.head]);
}

/** The number of a record of the group itself as an element of its set. */
function groupElement(index: number): Uint8Array {
  return encodeCanonicalJson(['group', index]);
}

/** The digest over the records of the group itself, given by their numbers in any order. */
export function digestSetOfGroup(indices: readonly number[]): SetDigest {
  return digestSet(indices.map(groupElement));
}

/** The digest over pending rounds, given by their digests in any order. */
export function digestSetOfPending(digests: readonly string[]): SetDigest {
  return digestSet(digests.map(pendingElement));
}

/** The digest over the newest journal head of each member and incarnation, in any order. */
export function digestSetOfHeads(journals: readonly MemberJournal[]): SetDigest {
  return digestSet(journals.map(journalElement));
}

const Count = Type.Integer({ minimum: 0, maximum: maxTreeSize });
const SetDigestSchema = Strict({ count: Count, digest: Hex(64) });
const headSchema = Strict({
  size: Count,
  root: Hash,
  frontier: Type.Array(Hash, { maxItems: 48 }),
  pending: SetDigestSchema,
  heads: SetDigestSchema,
  group: SetDigestSchema,
});

/** Canonical JSON; hashes are hex. */
export function encodeHead({ size, root, frontier, pending, heads, group }: Head): Uint8Array {
  const fields = { size, root: bytesToHex(root), frontier: frontier.map(bytesToHex) };
  return encodeCanonicalJson({ ...fields, pending, heads, group } satisfies Static<typeof headSchema>);
}

/** Inverse of `encodeHead`. Throws `ProtocolError('bad-record')` for anything else, and for a head that does not agree with itself. */
export function decodeHead(bytes: Uint8Array): Head {
  const value = refuseAs('bad-record', 'head', () =>
    decodeCanonicalJson(bytes, { maxBytes: maxHeadBytes, maxDepth: 2 }),
  );
  assertSchema(headSchema, value, 'bad-record', 'head');
  const { size, root, frontier, pending, heads, group } = value as Static<typeof headSchema>;
  const tree: Tree = { size, frontier: frontier.map(hexToBytes) };
  if (frontier.length !== frontierLength(size) || !equalBytes(rootOf(tree), hexToBytes(root)))
    throw new ProtocolError('bad-record', `the head of ${size} records does not have the root of its own frontier`);
  return { ...tree, root: hexToBytes(root), pending, heads, group };
}
