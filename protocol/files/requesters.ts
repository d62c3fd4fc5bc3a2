/** The requesters document: who may request what on which channel. It is numbered, and signed by the production quorum. */
import { decodeCanonicalJson, encodeCanonicalJson } from '../../verifier/json.ts';
import { decodeCard, type PointCheck } from './card.ts';
import { channelOf, type Charter } from './charter.ts';
import { decodeKey, defineMessage, decodePayload, refuseAs } from '../wire/envelope.ts';
import { ProtocolError } from '../errors.ts';
import {
  cardsPerTurn,
  maxCardCharacters,
  maxChannels,
  maxRequesters,
  maxRequestersBytes,
  maxRequestersDepth,
  maxRequestersTokens,
} from '../limits.ts';
import { assertSchema, Key, Name, Nullable, Strict, Text, Type, type Static, type TSchema } from '../wire/schema.ts';
import { parseYaml } from './yaml.ts';

const entrySchema = Strict({
  card: Text(maxCardCharacters),
  channels: Type.Array(Name, { minItems: 1, maxItems: maxChannels, uniqueItems: true }),
  member: Nullable(Name),
});
const version = Type.Integer({ minimum: 1, maximum: 1_000_000_000 });
const entries = Type.Array(entrySchema, { maxItems: maxRequesters });
const fileSchema = Strict({ version, requesters: entries });
const documentSchema = Strict({
  version,
  groupKey: Nullable(Key),
  number: Type.Integer({ minimum: 0, maximum: 1_000_000_000 }),
  requesters: entries,
});

/** Signed by the production quorum, never by an identity. */
export const requestersMessage = defineMessage('requesters', documentSchema, 'bad-requesters', maxRequestersBytes);

/** A person or machine that may ask for signatures. */
export interface Requester {
  readonly name: string;
  /** Identity key, base64url. */
  readonly key: string;
  readonly channels: readonly string[];
  /** Name of the member this person also is; kept out of the signer set of what they asked for on production. */
  readonly member: string | undefined;
}

/** What a requesters document is for. The program fills it in: people write neither. */
export interface RequestersScope {
  /** Group public key, base64url; `null` in the document that a ceremony agrees to, before there is a key. */
  readonly groupKey: string | null;
  /** Of the key epoch in which the document holds; 0 in the document of a ceremony. */
  readonly number: number;
}

/** The scope of the document that a ceremony agrees to. */
export const ceremonyScope: RequestersScope = { groupKey: null, number: 0 };

/** The document that says who may ask, decoded. */
export interface Requesters extends RequestersScope {
  readonly version: number;
  readonly entries: readonly Requester[];
  /** Canonical JSON, the payload that gets signed. */
  readonly bytes: Uint8Array;
}

/** The document nobody wrote: version 1, and only members may ask. */
export function emptyRequesters(charter: Charter): Requesters {
  return decodeRequesters(encodeCanonicalJson({ version: 1, ...ceremonyScope, requesters: [] }), charter);
}

/** The signed JSON payload. Throws `ProtocolError('bad-requesters')`. */
export function decodeRequesters(bytes: Uint8Array, charter: Charter): Requesters {
  const payload = decodePayload(requestersMessage, bytes);
  return toRequesters(payload, bytes, charter, (_index, message) => new ProtocolError('bad-requesters', message));
}

/**
 * Opens the cards of a requesters document a few at a time; `turn` lets others have theirs. To read the document takes little time afterwards, and
 * tells what is wrong with it (T41).
 */
export async function openCardsInTurns(
  bytes: Uint8Array,
  points: PointCheck,
  turn: () => Promise<unknown>,
): Promise<void> {
  for (const [index, card] of cardsIn(bytes).entries()) {
    if (index % cardsPerTurn === 0) await turn();
    if (!isCard(card, points)) return;
  }
}

function cardsIn(bytes: Uint8Array): string[] {
  try {
    return decodePayload(requestersMessage, bytes).requesters.map(({ card }) => card);
  } catch (error) {
    if (error instanceof ProtocolError) return [];
    throw error;
  }
}

function isCard(text: string, points: PointCheck): boolean {
  try {
    decodeCard('requester', text, points);
    return true;
  } catch (error) {
    if (error instanceof ProtocolError) return false;
    throw error;
  }
}

/** The file people write (YAML), for this scope; `member` may be left out. Throws `ProtocolError('bad-requesters')` with file and line. */
export function readRequestersFile(
  file: Uint8Array,
  name: string,
  charter: Charter,
  { groupKey, number }: RequestersScope = ceremonyScope,
): Requesters {
  if (file.length > maxRequestersBytes)
    throw new ProtocolError('too-large', `has more than ${maxRequestersBytes} bytes`, { file: name });
  const yaml = parseYaml(file, name, 'bad-requesters', maxRequestersTokens);
  const value = yaml.value;
  if (typeof value !== 'object' || value === null || !('requesters' in value) || !Array.isArray(value.requesters)) {
    throw new ProtocolError('bad-requesters', 'must have version and a list of requesters', { file: name, line: 1 });
  }
  const requesters = (value.requesters as unknown[]).map((entry) =>
    typeof entry === 'object' && entry !== null ? withMember(entry as Record<string, unknown>) : entry,
  );
  const fail = (index: number | undefined, message: string): ProtocolError =>
    new ProtocolError('bad-requesters', message, {
      file: name,
      line: yaml.lineOf(index === undefined ? [] : ['requesters', index]),
    });
  const check = (schema: TSchema, entry: unknown, index: number | undefined, what: string): void => {
    try {
      assertSchema(schema, entry, 'bad-requesters', what);
    } catch (cause) {
      throw fail(index, (cause as Error).message);
    }
  };
  requesters.forEach((entry, index) => {
    check(entrySchema, entry, index, `entry ${index + 1}`);
  });
  const document: unknown = { ...value, requesters };
  check(fileSchema, document, undefined, 'the requesters document');
  const written = document as Static<typeof fileSchema>;
  const payload = { version: written.version, groupKey, number, requesters: written.requesters };
  const read = toRequesters(payload, encodeCanonicalJson(payload), charter, fail);
  const mistake = sharedName(read.entries, charter);
  if (mistake !== undefined) throw fail(mistake.index, mistake.what);
  return read;
}

/**
 * Whoever decides goes by names, and so do policies: no two entries have one, and none has a member's unless it is that member.
 * Throws `ProtocolError('bad-requesters')`.
 */
export function assertNamesDiffer({ entries }: Pick<Requesters, 'entries'>, charter: Charter): void {
  const mistake = sharedName(entries, charter);
  if (mistake !== undefined) throw new ProtocolError('bad-requesters', mistake.what);
}

function sharedName(
  entries: readonly Requester[],
  charter: Charter,
): { readonly index: number; readonly what: string } | undefined {
  for (const [index, { name, key, member }] of entries.entries()) {
    const known = charter.members.find((candidate) => candidate.name === name);
    if (known !== undefined && known.key !== key && member !== name)
      return {
        index,
        what: `${name} is the name of a member, too: give the requester another (frostmark requester init --name), or say "member: ${name}" if it is the same person`,
      };
    if (entries.findIndex((other) => other.name === name) < index)
      return { index, what: `there are two requesters called ${name}: one of them needs another name` };
  }
  return undefined;
}

function withMember(entry: Record<string, unknown>): Record<string, unknown> {
  const { card, channels, member, ...unknown } = entry;
  return { card, channels, member: member ?? null, ...unknown };
}

function toRequesters(
  payload: Static<typeof documentSchema>,
  bytes: Uint8Array,
  charter: Charter,
  fail: (index: number | undefined, message: string) => ProtocolError,
): Requesters {
  refuseAs('bad-requesters', 'requesters', () =>
    decodeCanonicalJson(bytes, { maxBytes: maxRequestersBytes, maxDepth: maxRequestersDepth }),
  );
  const { groupKey, number } = payload;
  if (groupKey === null && number !== 0)
    throw fail(undefined, `epoch number ${number} without a group key: the document of a ceremony has number 0`);
  if (groupKey !== null) decodeKey(groupKey, 'bad-requesters', 'groupKey');
  const keys = new Set<string>();
  const entries = payload.requesters.map((entry, index) => {
    try {
      const card = decodeCard('requester', entry.card);
      entry.channels.forEach((channel) => channelOf(charter, channel));
      if (entry.member !== null && !charter.members.some((member) => member.name === entry.member)) {
        throw new ProtocolError('bad-requesters', `the charter has no member ${entry.member}`);
      }
      if (keys.has(card.key)) throw new ProtocolError('bad-requesters', `the key of ${card.name} is there twice`);
      keys.add(card.key);
      return { name: card.name, key: card.key, channels: entry.channels, member: entry.member ?? undefined };
    } catch (cause) {
      throw fail(index, (cause as Error).message);
    }
  });
  return { version: payload.version, groupKey, number, entries, bytes };
}
