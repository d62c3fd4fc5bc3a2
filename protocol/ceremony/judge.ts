/**
 * The judge of ceremonies: who of those who spoke can be shown to have lied, from nothing but signed messages. Members ask it before they name
 * anybody, and outsiders with the very same answer. Silence, and boxes that do not open, never come before it.
 */
import { ProtocolError } from '../errors.ts';
import { memberByKey, type Charter, type Member } from '../files/charter.ts';
import { FrostError } from '../frost/errors.ts';
import type { Group } from '../frost/group.ts';
import { hexToBytes } from '../wire/bytes.ts';
import { isSmallOrderBoxKey } from './box-key.ts';
import { foundingCast, type Cast } from './cast.ts';
import { hasRightReceivers, verifyReveal } from './dealt.ts';
import { ceremonyId, type CeremonyMessage, type CeremonyMessageOf } from './messages.ts';
import { channelKeysOf, transcriptHash, verifyShareProofs, type ChannelKey, type Transcript } from './transcript.ts';

/** What one member saw of one ceremony. */
export interface CeremonyView {
  readonly charter: Charter;
  /** As that member made it; proofs of shares are judged by it. */
  readonly transcript: Transcript | undefined;
  /** Of each member at most one hello: those that the ceremony began with. */
  readonly messages: readonly CeremonyMessage[];
}

/** One proved lie. */
export interface Deed {
  readonly culprit: Member;
  /** What it did, in words that follow its name. */
  readonly deed: string;
}

/** A view, and the ceremony that it is of, if it shows how that began. */
export interface FoundedView {
  readonly view: CeremonyView;
  readonly begun: { readonly ceremony: string; readonly cast: Cast } | undefined;
}

/** Everything that these views of one charter prove together, in order of identifiers; nothing that an honest member says is ever among it. */
export function judgeViews(arithmetic: Group, charter: Charter, views: readonly CeremonyView[]): Deed[] {
  const founded = views.map((view) => ({ view, begun: begunBy(charter, view.messages) }));
  return judgeMessages({ arithmetic, charter, speakers: charter.members }, founded);
}

/** Whose messages are judged, and by which charter. */
export interface Court {
  readonly arithmetic: Group;
  /** Whose key the ceremonies make. */
  readonly charter: Charter;
  readonly speakers: readonly Member[];
}

/** The same of ceremonies of any cast, in order of speakers. */
export function judgeMessages({ arithmetic, charter, speakers }: Court, views: readonly FoundedView[]): Deed[] {
  const together = distinctMessages(views.flatMap(({ view }) => view.messages));
  const founded = views.map(({ view, begun }) => ({ view, ground: groundOf(arithmetic, charter, { view, begun }) }));
  return speakers.flatMap((culprit) => {
    const isOwn = ({ from }: CeremonyMessage): boolean => from.key === culprit.key;
    const own = together.filter(isOwn);
    const underCharter = founded.flatMap(({ view, ground }) =>
      view.messages.filter(isOwn).flatMap((message) => deedUnder(arithmetic, charter, ground, message) ?? []),
    );
    const found = [...contradictionsIn(own), ...own.flatMap((message) => deedOf(message) ?? []), ...underCharter];
    return [...new Set(found)].map((deed): Deed => ({ culprit, deed }));
  });
}

/** Each message once: what one member said, by kind and payload, whatever signature it came with. */
export function distinctMessages(messages: readonly CeremonyMessage[]): CeremonyMessage[] {
  const known = new Map(messages.map((message) => [`${message.kind} ${message.from.key} ${message.hash}`, message]));
  return [...known.values()];
}

/** Messages of one member, each against each. */
function contradictionsIn(own: readonly CeremonyMessage[]): string[] {
  return own.flatMap((first, index) => own.slice(index + 1).flatMap((second) => contradiction(first, second) ?? []));
}

/** What two messages of one member prove by themselves, whatever the charter says; `undefined` if nothing. */
export function contradiction(first: CeremonyMessage, second: CeremonyMessage): string | undefined {
  if (first.hash === second.hash) return undefined;
  if (first.kind === 'hello' || second.kind === 'hello') return twoHellos(first, second);
  if (first.payload.ceremony !== second.payload.ceremony) return undefined;
  // To leave in other words is no lie: nobody acts on the words.
  if (first.kind === second.kind)
    return first.kind === 'leave' ? undefined : `signed two different ${first.kind} messages for one ceremony`;
  const kinds = { [first.kind]: first, [second.kind]: second } as {
    [K in CeremonyMessage['kind']]?: CeremonyMessageOf<K>;
  };
  const { commit, reveal, transcript, stored, leave } = kinds;
  if (leave !== undefined && stored !== undefined) return 'left a ceremony and said that it stored its certificate';
  if (transcript !== undefined && stored !== undefined && transcript.payload.transcript !== stored.payload.transcript)
    return 'signed one transcript and stored another';
  if (commit !== undefined && reveal !== undefined && commit.payload.reveal !== reveal.hash)
    return 'revealed something else than it had committed to';
  return undefined;
}

/** A nonce is drawn for one hello: two that differ and share it would give one ceremony two transcripts. */
function twoHellos(first: CeremonyMessage, second: CeremonyMessage): string | undefined {
  const same = first.kind === 'hello' && second.kind === 'hello' && first.payload.nonce === second.payload.nonce;
  return same ? 'signed two different hellos with one nonce' : undefined;
}

/** What one message proves by itself. */
function deedOf(message: CeremonyMessage): string | undefined {
  if (message.kind !== 'reveal' || !isSmallOrderBoxKey(hexToBytes(message.payload.encryptionKey))) return undefined;
  return 'revealed a one-time key of small order, to which nobody can seal a box';
}

/** What shows that a view is of this charter: under another one, right dealings would look wrong. */
interface Ground {
  /** The ceremony that the view's opening, such as one hello of each member, began under this charter. */
  readonly begun: FoundedView['begun'];
  /** The hash of the view's transcript, which whoever signed it said to be of this charter, and its keys. */
  readonly signed: { readonly hash: string; readonly channels: ReadonlyMap<string, ChannelKey> } | undefined;
}

function groundOf(arithmetic: Group, charter: Charter, { view: { transcript }, begun }: FoundedView): Ground {
  if (transcript?.charter !== charter.hash) return { begun, signed: undefined };
  const channels = refused(() => channelKeysOf(arithmetic, charter, transcript));
  return { begun, signed: typeof channels === 'string' ? undefined : { hash: transcriptHash(transcript), channels } };
}

function begunBy(charter: Charter, messages: readonly CeremonyMessage[]): Ground['begun'] {
  const hellos = messages.flatMap((message) => (message.kind === 'hello' ? [message] : []));
  const nonces = charter.members.flatMap(({ key }) => hellos.find(({ from }) => from.key === key)?.payload.nonce ?? []);
  const [first] = hellos;
  if (first === undefined || nonces.length !== charter.members.length) return undefined;
  const { requesters, import: imported } = first.payload;
  const ceremony = ceremonyId({ charter: charter.hash, requesters, import: imported }, nonces);
  const origin = imported === null ? 'generated' : 'imported';
  return { ceremony, cast: foundingCast({ charter, requesters, origin, imported: undefined }) };
}

/** What one message proves under its charter. */
function deedUnder(arithmetic: Group, charter: Charter, ground: Ground, message: CeremonyMessage): string | undefined {
  switch (message.kind) {
    case 'reveal':
      return wrongDealing(arithmetic, ground, message);
    case 'boxes':
      return wrongReceivers(ground, message);
    case 'transcript':
      return wrongProof(arithmetic, charter, ground, message);
    case 'hello':
    case 'commit':
    case 'stored':
    case 'leave':
      return undefined;
  }
}

function wrongDealing(
  arithmetic: Group,
  { begun }: Ground,
  { from, payload }: CeremonyMessageOf<'reveal'>,
): string | undefined {
  if (begun?.ceremony !== payload.ceremony) return undefined;
  const problem = refused(() => verifyReveal({ arithmetic, cast: begun.cast }, from, payload));
  return typeof problem === 'string' ? `dealt wrongly: ${problem}` : undefined;
}

function wrongReceivers({ begun }: Ground, { from, payload }: CeremonyMessageOf<'boxes'>): string | undefined {
  if (begun?.ceremony !== payload.ceremony || hasRightReceivers(begun.cast, from, payload)) return undefined;
  return 'sent boxes for other members than those it deals to';
}

/** Who signs a transcript names its charter, and proves its shares for it: nothing else needs to be known. */
function wrongProof(
  arithmetic: Group,
  charter: Charter,
  { signed }: Ground,
  { from, payload }: CeremonyMessageOf<'transcript'>,
): string | undefined {
  // Who only deals signs no transcript.
  if (memberByKey(charter, from.key) === undefined) return undefined;
  if (signed?.hash !== payload.transcript) return undefined;
  const problem = refused(() => verifyShareProofs({ arithmetic, charter, ...signed }, from, payload.proofs));
  return typeof problem === 'string' ? `signed a transcript with a wrong proof: ${problem}` : undefined;
}

/** A refusal of the arithmetic as a text. */
function refused<T>(judge: () => T): T | string {
  try {
    return judge();
  } catch (error) {
    if (error instanceof FrostError || error instanceof ProtocolError) return error.message;
    throw error;
  }
}
