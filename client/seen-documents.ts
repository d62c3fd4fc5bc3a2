/**
 * What a client saw of a group's documents, kept against what it is shown next: a coordinator that shows an older one, or forgot a revocation, is told
 * by whoever remembers (T46; PROTOCOL.md, section 6.6).
 */
import { decodeCanonicalJson, encodeCanonicalJson } from '../verifier/json.ts';
import type { Epoch } from '../protocol/ceremony/epoch.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { openGroupDocument, type GroupDocument } from '../protocol/group-documents/document.ts';
import { namedDocumentSchema, placeText, takesBack, type NamedDocument } from '../protocol/group-documents/kinds.ts';
import { highestOf } from '../protocol/group-documents/numbers.ts';
import { ofUse } from '../protocol/group-documents/retention.ts';
import { maxHoldings, maxIssued, maxJsonDepth } from '../protocol/limits.ts';
import { refuseAs } from '../protocol/wire/envelope.ts';
import { documentBody, type DocumentBody } from '../protocol/wire/frames.ts';
import { assertSchema, Strict, Type, type Static } from '../protocol/wire/schema.ts';
import { maxSeenBytes } from './limits.ts';

const schema = Strict({
  version: Type.Literal(1),
  /** The newest of each count. */
  highest: Type.Array(namedDocumentSchema, { maxItems: maxHoldings }),
  /** Everything that took something back, whole. */
  revocations: Type.Array(documentBody, { maxItems: maxIssued }),
});

/** What was seen of one group. */
export interface SeenDocuments {
  /** By `countOf`. */
  readonly highest: ReadonlyMap<string, NamedDocument>;
  readonly revocations: readonly GroupDocument[];
}

/** Before anything was seen. */
export const nothingSeen: SeenDocuments = { highest: new Map(), revocations: [] };

/** What a client goes by from here on. */
export interface FollowedDocuments {
  /** What is shown, and what was seen revoked though it is not shown. */
  readonly documents: readonly GroupDocument[];
  /** For people: what should be shown, and is not. */
  readonly withheld: readonly string[];
  readonly seen: SeenDocuments;
}

/** Compares what is shown with what was seen. */
export function followDocuments(shown: readonly GroupDocument[], before: SeenDocuments): FollowedDocuments {
  const now = highestOf(shown);
  const isShown = ({ hash }: NamedDocument): boolean => shown.some((document) => document.hash === hash);
  const forgotten = before.revocations.filter((revocation) => !isShown(revocation));
  const older = [...before.highest].filter(([count, { number }]) => number > (now.get(count)?.number ?? 0));
  const documents = [...shown, ...forgotten];
  return {
    documents,
    withheld: older.map(
      ([count, seen]) =>
        `the coordinator shows ${shownText(now.get(count))}, and ${placeText(seen)} was seen here before: it lost that one, or hides it; ask its operator, and the members`,
    ),
    seen: {
      highest: highestOf<NamedDocument>([...documents, ...before.highest.values()]),
      revocations: ofUse(documents).filter(({ kind }) => takesBack(kind)),
    },
  };
}

function shownText(shown: NamedDocument | undefined): string {
  return shown === undefined ? 'none' : placeText(shown);
}

/** The file. */
export function encodeSeen({ highest, revocations }: SeenDocuments): Uint8Array {
  return encodeCanonicalJson({
    version: 1,
    highest: [...highest.values()]
      .map(({ kind, scope, number, hash }) => ({ kind, scope, number, hash }))
      .slice(-maxHoldings),
    revocations: revocations.map(({ body }) => body).slice(-maxIssued),
  } satisfies Static<typeof schema>);
}

/** Inverse of `encodeSeen`, of the group with this epoch. Throws `ProtocolError('bad-document')` for what is no such file, of another group, or newer. */
export function decodeSeen(epoch: Epoch, bytes: Uint8Array): SeenDocuments {
  const value = refuseAs('bad-document', 'what was seen', () =>
    decodeCanonicalJson(bytes, { maxBytes: maxSeenBytes, maxDepth: maxJsonDepth }),
  );
  const version = typeof value === 'object' && value !== null && 'version' in value ? value.version : undefined;
  if (typeof version === 'number' && version > 1)
    throw new ProtocolError(
      'bad-document',
      `what was seen is written by a newer version of frostmark (form ${version})`,
    );
  assertSchema(schema, value, 'bad-document', 'what was seen');
  const { highest, revocations } = value as Static<typeof schema>;
  return { highest: highestOf(highest), revocations: openAll(epoch, revocations).documents };
}

/** What of it can be believed, and how many cannot. */
export function openAll(
  epoch: Epoch,
  bodies: readonly DocumentBody[],
): { readonly documents: GroupDocument[]; readonly refused: number } {
  const documents = bodies.flatMap((body) => {
    try {
      return [openGroupDocument([epoch], body)];
    } catch (error) {
      if (error instanceof ProtocolError) return [];
      throw error;
    }
  });
  return { documents, refused: bodies.length - documents.length };
}
