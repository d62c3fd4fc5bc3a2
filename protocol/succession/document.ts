/** The succession document: with it the quorum of a group hands its keys to a new charter. Numbered, and signed like everything a quorum decides. */
import { ProtocolError } from '../errors.ts';
import { production, type Channel, type Charter } from '../files/charter.ts';
import { decodeRequesters, type Requesters } from '../files/requesters.ts';
import type { Epoch } from '../ceremony/epoch.ts';
import { decodeKey, decodePayload, defineMessage } from '../wire/envelope.ts';
import { maxChannels, maxEpochNumber, maxSuccessionSeconds, successionPauseSeconds } from '../limits.ts';
import { Hash, Key, Name, Strict, Timestamp, Type, type Static } from '../wire/schema.ts';
import { formatTimestamp, parseTimestamp } from '../wire/time.ts';
import { sha256Hex } from '../wire/bytes.ts';
import { at } from '../wire/present.ts';
import { isQualified } from '../frost/sharing.ts';

const documentSchema = Strict({
  groupKey: Key,
  /** Transcript hash of the epoch whose quorum decides. */
  epoch: Hash,
  number: Type.Integer({ minimum: 1, maximum: maxEpochNumber }),
  /** SHA-256 of the new charter, and of the payload of the requesters document that comes with it. */
  charter: Hash,
  requesters: Hash,
  /** All channels of the new charter, in its order. */
  channels: Type.Array(Strict({ name: Name, key: Type.Union([Type.Literal('kept'), Type.Literal('new')]) }), {
    minItems: 1,
    maxItems: maxChannels,
  }),
  /** Nothing is dealt, and no share of the new genesis is given, from this time on. */
  until: Timestamp,
});

/** Signed by the production quorum of the epoch that it ends, never by an identity. */
export const successionMessage = defineMessage('succession', documentSchema, 'bad-document');

/** What a succession document says. */
export type SuccessionPayload = Static<typeof documentSchema>;

/** A succession document whose form holds. */
export interface Succession {
  readonly payload: SuccessionPayload;
  /** SHA-256 of the payload's bytes, hex: its name. */
  readonly hash: string;
  readonly bytes: Uint8Array;
  readonly untilUnixSeconds: number;
}

/** Form only; `openSuccession` checks the rest. Throws `ProtocolError('bad-document')`. */
export function decodeSuccession(bytes: Uint8Array): Succession {
  const payload = decodePayload(successionMessage, bytes);
  decodeKey(payload.groupKey, 'bad-document', 'groupKey');
  const untilUnixSeconds = parseTimestamp(payload.until, 'bad-document', 'until');
  return { payload, hash: sha256Hex(bytes), bytes, untilUnixSeconds };
}

/** What a succession decides: the document, and the files that it names. */
export interface SuccessionPlan {
  readonly succession: Succession;
  readonly charter: Charter;
  readonly requesters: Requesters;
}

/** The parts of a plan before anybody has checked that they belong together. */
export interface SuccessionParts {
  readonly document: Uint8Array;
  /** The new charter, decoded. */
  readonly charter: Charter;
  /** The payload of the new requesters document. */
  readonly requesters: Uint8Array;
}

/**
 * Opens a succession of this epoch: the document, the charter and the requesters that it names, and that it can be carried out at all.
 * Throws `ProtocolError` (`bad-document`, `bad-requesters`, `wrong-group`, `wrong-epoch`, `not-allowed`).
 */
export function openSuccession(from: Epoch, { document, charter, requesters }: SuccessionParts): SuccessionPlan {
  const succession = decodeSuccession(document);
  const { payload } = succession;
  if (payload.groupKey !== from.groupKey) throw new ProtocolError('wrong-group', 'the succession is of another group');
  if (payload.epoch !== from.hash)
    throw new ProtocolError('wrong-epoch', 'the succession is of another key epoch; fetch the group again');
  if (payload.number <= from.number)
    throw refusal(`its number ${payload.number} is not above ${from.number}, that of the epoch which it ends`);
  assertCharter(from, payload, charter);
  assertChannels(from, payload, charter);
  return { succession, charter, requesters: openNewRequesters(payload, charter, requesters) };
}

function assertCharter(from: Epoch, payload: SuccessionPayload, charter: Charter): void {
  if (charter.hash !== payload.charter) throw refusal('the charter beside it is another than the one that it names');
  if (charter.group !== from.charter.group)
    throw refusal(`the new charter is of ${charter.group}, and this group is called ${from.charter.group}`);
  if (charter.continues !== from.groupLine)
    throw refusal(
      `the new charter has to say which group it goes on with: continues: ${from.groupLine} (frostmark group change writes it)`,
    );
}

function openNewRequesters(payload: SuccessionPayload, charter: Charter, bytes: Uint8Array): Requesters {
  if (sha256Hex(bytes) !== payload.requesters)
    throw refusal('the requesters document beside it is another than the one that it names');
  const requesters = decodeRequesters(bytes, charter);
  if (requesters.groupKey !== payload.groupKey || requesters.number !== payload.number)
    throw refusal(`the requesters document beside it is not of this group and of epoch ${payload.number}`);
  return requesters;
}

function assertChannels(from: Epoch, payload: SuccessionPayload, charter: Charter): void {
  const named = payload.channels.map(({ name }) => name).join();
  if (named !== charter.channels.map(({ name }) => name).join())
    throw refusal('it names other channels than the new charter');
  for (const { name, key } of payload.channels) {
    if (name === production && key === 'new') throw refusal('the key of production is the group key, and stays');
    if (key === 'kept') assertKept(from.charter, charter, name);
  }
}

function assertKept(before: Charter, after: Charter, name: string): void {
  const channel = before.channels.find((one) => one.name === name);
  if (channel === undefined) throw refusal(`${name} is a new channel, and its key cannot be kept`);
  const gone = goneFrom(before, after);
  if (!isQualified(channel.sharings, gone)) return;
  const names = namesOf(before, gone).join(', ');
  const remedy =
    name === production
      ? 'a succession cannot help: make a new group with a new key'
      : `give ${name} a new key instead`;
  throw new ProtocolError('not-allowed', `${names} together can sign on ${name} and go: ${remedy}`);
}

/** Identifiers of those members of `before` whose identity is not in `after`. */
export function goneFrom(before: Charter, after: Charter) {
  const staying = new Set(after.members.map(({ key }) => key));
  return before.members.filter(({ key }) => !staying.has(key)).map(({ identifier }) => identifier);
}

function namesOf(charter: Charter, identifiers: readonly number[]): string[] {
  return identifiers.map((identifier) => at(charter.members, identifier - 1).name);
}

/** What an approver has decided and seen before, and what its clock says. */
export interface ApproverView {
  /** The highest number that it ever approved, or saw signed, in this group; that of the epoch at least. */
  readonly highestNumber: number;
  /** When the succession of that number ends or ended; `undefined` if there was none. */
  readonly lastUntilUnixSeconds: number | undefined;
  readonly nowUnixSeconds: number;
}

/**
 * Whether a succession may be approved now: it has the next number, the last one can bear no share any more, and its time is not over and not too
 * far away. Throws `ProtocolError` (`stale-version`, `not-yet-valid`, `expired`, `bad-document`).
 */
export function assertApprovable({ payload, untilUnixSeconds }: Succession, view: ApproverView): void {
  const { highestNumber, lastUntilUnixSeconds, nowUnixSeconds } = view;
  if (payload.number !== highestNumber + 1)
    throw new ProtocolError(
      'stale-version',
      `the next succession has the number ${highestNumber + 1}, and this has ${payload.number}`,
    );
  if (lastUntilUnixSeconds !== undefined && nowUnixSeconds < lastUntilUnixSeconds + successionPauseSeconds)
    throw new ProtocolError(
      'not-yet-valid',
      `succession ${highestNumber} may still be carried out until ${formatTimestamp(lastUntilUnixSeconds)}; approve the next one after ${formatTimestamp(lastUntilUnixSeconds + successionPauseSeconds)}`,
    );
  if (untilUnixSeconds <= nowUnixSeconds)
    throw new ProtocolError('expired', `the succession was to be carried out until ${payload.until}`);
  if (untilUnixSeconds > nowUnixSeconds + maxSuccessionSeconds)
    throw refusal(`until ${payload.until} is more than ${maxSuccessionSeconds / 86_400} days ahead`);
}

/** Whether any two sets that can sign on this channel have a member in common; if not, two halves of the group could decide against each other. */
export function quorumsIntersect({ sharings }: Channel): boolean {
  return sharings.some(({ threshold, members }) => 2 * threshold > members.length);
}

function refusal(found: string): ProtocolError {
  return new ProtocolError('bad-document', `the succession cannot be carried out: ${found}`);
}
