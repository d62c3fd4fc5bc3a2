/**
 * The documents of a group are numbered: each kind, and of a kind for channels each channel, counts 1, 2, 3 … through all epochs of the key. A
 * number tells which of two is newer, and that one is missing (PROTOCOL.md, section 6.6).
 */
import { decodeDelegation } from '../../verifier/delegation.ts';
import type { FormatInput } from '../formats/format.ts';
import { maxDocumentNumber } from '../limits.ts';
import { requestKinds, type RequestKind } from '../request/request.ts';
import { requestersOf } from '../request/rights.ts';
import { decodeSuccession } from '../succession/document.ts';
import { statusOf } from '../request/status.ts';
import { refuseAs } from '../wire/envelope.ts';
import { present } from '../wire/present.ts';
import { Hash, Name, Nullable, Strict, Type } from '../wire/schema.ts';

/** Which document one is: the `number`-th of its kind, and of its channel where a kind has one for each. */
export interface Place {
  readonly kind: RequestKind;
  /** A channel; `null` for what is the whole group's. */
  readonly scope: string | null;
  /** From 1 on; 0 for what was signed before documents had numbers. */
  readonly number: number;
}

/** The shape of a `NamedDocument` in what is signed and kept. */
export const namedDocumentSchema = Strict({
  kind: Type.Unsafe<RequestKind>(Type.Union(requestKinds.map((kind) => Type.Literal(kind)))),
  scope: Nullable(Name),
  number: Type.Integer({ minimum: 0, maximum: maxDocumentNumber }),
  hash: Hash,
});

/** A document by its place and by what is signed: SHA-256 of the first message, hex. */
export interface NamedDocument extends Place {
  readonly hash: string;
}

/** What holds for all documents of a kind. */
interface DocumentKind {
  /** For people, after "the" or a number. */
  readonly title: string;
  /** Whether older ones stay of use when there is a newer one. */
  readonly keeps: 'all' | 'newest';
  /** Whether it only takes something back: two of them together take back what either does. */
  readonly takesBack: boolean;
  /** Whether numbers may be left out: a succession that was not carried out in time used its number up, and no epoch has it. */
  readonly passesOver?: true;
  /** The channel it is about. */
  scopeOf(input: FormatInput): string | null;
  numberOf(input: FormatInput): number;
}

const ofGroup = (): null => null;
const ofChannel = ({ request: { payload } }: FormatInput): string | null => payload.certify?.channel ?? null;
const byRequest = ({ request: { payload } }: FormatInput): number => payload.number ?? 0;

/** The closed list. */
const kinds: Readonly<Partial<Record<RequestKind, DocumentKind>>> = {
  genesis: {
    title: 'genesis',
    keeps: 'all',
    takesBack: false,
    scopeOf: ofGroup,
    passesOver: true,
    numberOf: ({ epoch }) => epoch.number + 1,
  },
  requesters: {
    title: 'requesters document',
    keeps: 'newest',
    takesBack: false,
    scopeOf: ofGroup,
    numberOf: ({ epoch, documents }) => requestersOf(epoch, documentIn(documents)).version,
  },
  delegation: {
    title: 'delegation',
    keeps: 'newest',
    takesBack: false,
    scopeOf: ({ documents }) =>
      refuseAs('bad-document', 'delegation', () => decodeDelegation(documentIn(documents)).channel),
    numberOf: byRequest,
  },
  'openpgp-certificate': {
    title: 'OpenPGP certificate',
    keeps: 'all',
    takesBack: false,
    scopeOf: ofGroup,
    numberOf: byRequest,
  },
  'openpgp-subkey': {
    title: 'OpenPGP subkey',
    // Sequoia judges a signature by the binding of its day.
    keeps: 'all',
    takesBack: false,
    scopeOf: ofChannel,
    numberOf: byRequest,
  },
  'openpgp-revocation': {
    title: 'OpenPGP revocation',
    keeps: 'all',
    takesBack: true,
    scopeOf: ofChannel,
    numberOf: byRequest,
  },
  'ssh-certificate': {
    title: 'SSH certificate',
    keeps: 'newest',
    takesBack: false,
    scopeOf: ofChannel,
    numberOf: byRequest,
  },
  succession: {
    title: 'succession',
    // Each proves the epoch that came of it.
    keeps: 'all',
    takesBack: false,
    scopeOf: ofGroup,
    passesOver: true,
    numberOf: ({ documents }) => decodeSuccession(documentIn(documents)).payload.number,
  },
  endorsement: {
    title: 'endorsement',
    keeps: 'all',
    takesBack: false,
    scopeOf: ofGroup,
    // A group endorses one key, for ever.
    numberOf: () => 1,
  },
  status: {
    title: 'status',
    // Each says all that those before it said.
    keeps: 'newest',
    takesBack: true,
    scopeOf: ofGroup,
    numberOf: ({ epoch, request, documents }) =>
      statusOf(epoch, documentIn(documents), request.payload.createdAt).status.number,
  },
};

/** The kinds of requests that make documents of the group. */
export const documentKinds = Object.keys(kinds) as readonly RequestKind[];

/**
 * Those that are kept and brought back as the whole round that made them. Genesis and requesters travel as envelopes under the group's key, with
 * their numbers in them.
 */
export const keptKinds: readonly RequestKind[] = documentKinds.filter(
  (kind) => kind !== 'genesis' && kind !== 'requesters',
);

function documentIn(documents: readonly Uint8Array[]): Uint8Array {
  return present(documents[0], 'the document of the request');
}

function ruleOf(kind: RequestKind): DocumentKind {
  return present(kinds[kind], `what is said of documents of kind ${kind}`);
}

/** Which document of the group a request asks for, if it asks for one. Throws `ProtocolError` for a document that cannot be read. */
export function placeOf(input: FormatInput): Place | undefined {
  const { kind } = input.request.payload;
  const rule = kinds[kind];
  return rule === undefined ? undefined : { kind, scope: rule.scopeOf(input), number: rule.numberOf(input) };
}

/** Whether documents of this kind only take something back. */
export function takesBack(kind: RequestKind): boolean {
  return kinds[kind]?.takesBack ?? false;
}

/** Whether a document of this kind may pass over numbers. */
export function passesOver(kind: RequestKind): boolean {
  return ruleOf(kind).passesOver ?? false;
}

/** Whether older documents of this kind stay of use. */
export function keepsAll(kind: RequestKind): boolean {
  return ruleOf(kind).keeps === 'all';
}

/** What a count belongs to: the kind, and the channel where it has one. */
export function countOf({ kind, scope }: Pick<Place, 'kind' | 'scope'>): string {
  return scope === null ? kind : `${kind} ${scope}`;
}

/** Such as `delegation 3 of development`. */
export function placeText({ kind, scope, number }: Place): string {
  const { title } = ruleOf(kind);
  return `${title} ${number === 0 ? 'without a number' : number}${scope === null ? '' : ` of ${scope}`}`;
}

/** The same without its number: `delegation of development`. */
export function kindText({ kind, scope }: Pick<Place, 'kind' | 'scope'>): string {
  return `${ruleOf(kind).title}${scope === null ? '' : ` of ${scope}`}`;
}
