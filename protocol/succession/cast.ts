/** Who deals and who inherits in one succession, as its begin says: the cast of a ceremony whose keys are handed on. */
import type { Cast, DealtPlace } from '../ceremony/cast.ts';
import { dealingContext, sharingsHeldBy, type PublicDealing, type SharingPlace } from '../ceremony/dealing.ts';
import type { Epoch } from '../ceremony/epoch.ts';
import { genesisHash } from '../ceremony/founding.ts';
import type { ChannelKey, Lineage } from '../ceremony/transcript.ts';
import { memberByKey, type Charter, type Member } from '../files/charter.ts';
import type { Group } from '../frost/group.ts';
import { isCutOf, placeOfHolder } from '../frost/resharing.ts';
import type { Scalar } from '../frost/scalar.ts';
import {
  chosenOf,
  interpolationCoefficient,
  isMinimalQualifiedSet,
  publicShareOf,
  toIdentifier,
  type Identifier,
} from '../frost/sharing.ts';
import { hexToBytes, taggedHash, u32, utf8ToBytes } from '../wire/bytes.ts';
import { at, present } from '../wire/present.ts';
import type { Succession } from './document.ts';
import { successionCeremonyId, type OpeningMessageOf } from './messages.ts';

/** What never changes in the successions of one document. */
export interface SuccessionGround {
  /** The epoch whose quorums hand their keys on. */
  readonly from: Epoch;
  readonly succession: Succession;
  /** The new charter: its members are the heirs. */
  readonly charter: Charter;
}

/** A begin as the cast needs it. */
export type Begin = Pick<OpeningMessageOf<'begin'>, 'payload' | 'hash'>;

/** One old share that somebody cuts: for these places, in charter order, as the succession's dealings have it. */
export interface CutPlace {
  readonly channel: string;
  /** Place of the old sharing, and who holds the share by the old charter. */
  readonly from: number;
  readonly holder: Identifier;
  /** λ of the holder among the dealers of that sharing. */
  readonly coefficient: Scalar;
  readonly places: readonly DealtPlace[];
}

/** What one speaker deals: cuts of old shares, and polynomials for the channels with a new key. */
export interface DealingPlan {
  readonly cuts: readonly CutPlace[];
  readonly fresh: readonly DealtPlace[];
}

/** Names of the channels whose key stays, in the new charter's order. */
export function keptChannels({ succession }: Pick<SuccessionGround, 'succession'>): string[] {
  return succession.payload.channels.filter(({ key }) => key === 'kept').map(({ name }) => name);
}

/** Heirs in order of identifiers, then dealers that are none by their old ones. */
export function speakersOf({ from, charter }: SuccessionGround, dealers: Lineage['dealers']): Member[] {
  const dealing = new Set(dealers.flatMap(({ identifiers }) => identifiers));
  const others = from.charter.members.filter(
    ({ identifier, key }) => dealing.has(identifier) && memberByKey(charter, key) === undefined,
  );
  return [...charter.members, ...others];
}

/** What is wrong with a begin, in words: not exactly one minimal qualified set for each key that stays, or not one hello for each speaker. */
export function problemOfBegin(ground: SuccessionGround, { payload }: Pick<Begin, 'payload'>): string | undefined {
  const { from, succession } = ground;
  if (payload.succession !== succession.hash || payload.epoch !== from.hash) return 'it is of another succession';
  const kept = keptChannels(ground);
  if (payload.dealers.map(({ channel }) => channel).join() !== kept.join()) return 'it is for other channels';
  const wrong = payload.dealers.find(
    ({ channel, identifiers }) => !isMinimalQualifiedSet(from.channel(channel).sharings, identifiers.map(toIdentifier)),
  );
  if (wrong !== undefined) return `its dealers of ${wrong.channel} are no minimal quorum of the old charter`;
  return payload.hellos.length === speakersOf(ground, payload.dealers).length ? undefined : 'it lacks a hello';
}

/**
 * The cast of the ceremony that a begin opens, which `problemOfBegin` found right; without one, that of the heirs, who alone matter from the
 * transcript on.
 */
export function successionCast(ground: SuccessionGround, begin: Begin | undefined): Cast {
  const known = casts.get(ground) ?? new WeakMap<object, Cast>();
  casts.set(ground, known);
  const cast = known.get(begin ?? ground) ?? makeCast(ground, begin);
  known.set(begin ?? ground, cast);
  return cast;
}

/** The same for every step of a ceremony: λ and the lineage take longer than a step. */
const casts = new WeakMap<SuccessionGround, WeakMap<object, Cast>>();

function makeCast(ground: SuccessionGround, begin: Begin | undefined): Cast {
  const { from, charter, succession } = ground;
  const dealers = begin?.payload.dealers ?? [];
  const speakers = speakersOf(ground, dealers);
  const plans = new Map<string, DealingPlan>();
  const planOf = (speaker: Member): DealingPlan => {
    const known = plans.get(speaker.key) ?? dealingPlan(ground, dealers, speaker);
    plans.set(speaker.key, known);
    return known;
  };
  return {
    charter,
    requesters: succession.payload.requesters,
    speakers,
    provenance: { origin: 'reshared', from: lineageOf(ground, dealers) },
    dealtBy: (speaker) => {
      const { cuts, fresh } = planOf(speaker);
      return inCharterOrder(charter, [...cuts.flatMap(({ places }) => places), ...fresh], (place) => place);
    },
    fixed: () => undefined,
    helloOf: (_, speaker) => begin?.payload.hellos[speakers.findIndex(({ key }) => key === speaker.key)],
    problemOf: (arithmetic, speaker, dealings) => problemOfCuts(arithmetic, ground, dealings, planOf(speaker)),
    problemIn: (channels) => problemOfKeys(from, succession, channels),
  };
}

function lineageOf({ from, succession }: SuccessionGround, dealers: Lineage['dealers']): Lineage {
  const { hash, payload } = succession;
  return {
    epoch: from.hash,
    genesis: genesisHash(from),
    succession: hash,
    number: payload.number,
    key: from.origin,
    dealers: dealers.map(({ channel, identifiers }) => ({ channel, identifiers: [...identifiers] })),
  };
}

/** What a speaker deals among these dealers. */
export function dealingPlan(ground: SuccessionGround, dealers: Lineage['dealers'], speaker: Member): DealingPlan {
  const { from, charter, succession } = ground;
  const old = memberByKey(from.charter, speaker.key);
  const isHeir = memberByKey(charter, speaker.key) !== undefined;
  const isNew = (channel: string): boolean =>
    succession.payload.channels.some(({ name, key }) => name === channel && key === 'new');
  return {
    cuts: old === undefined ? [] : dealers.flatMap((entry) => cutOf(ground, entry, old.identifier)),
    fresh: isHeir
      ? sharingsHeldBy(charter, speaker)
          .filter(({ channel }) => isNew(channel))
          .map((place) => ({ ...place, context: (ceremony) => dealingContext(ceremony, place) }))
      : [],
  };
}

function cutOf(
  { from, charter }: SuccessionGround,
  { channel, identifiers }: Lineage['dealers'][number],
  holder: Identifier,
): CutPlace[] {
  const { sharings } = from.channel(channel);
  const place = placeOfHolder(sharings, holder);
  if (place === undefined || !identifiers.includes(holder)) return [];
  const chosen = chosenOf(at(sharings, place), identifiers.map(toIdentifier));
  const after = present(
    charter.channels.find(({ name }) => name === channel),
    `the channel ${channel}`,
  );
  return [
    {
      channel,
      from: place,
      holder,
      coefficient: interpolationCoefficient(chosen, holder),
      places: after.sharings.map((of, sharing) => ({
        channel,
        sharing,
        of,
        context: (ceremony) => reshareContext(ceremony, { channel, from: place, holder }, sharing),
      })),
    },
  ];
}

/** What a proof of a cut must not outlive: ceremony (which covers the dealers, and so λ), old sharing and holder, and new sharing. */
function reshareContext(
  ceremony: string,
  cut: Pick<CutPlace, 'channel' | 'from' | 'holder'>,
  sharing: number,
): Uint8Array {
  const { channel, from, holder } = cut;
  return taggedHash('reshare', hexToBytes(ceremony), utf8ToBytes(channel), u32(from), u32(holder), u32(sharing));
}

/** What every box begins with, so that it opens in no other ceremony and between no other two. */
export function successionBoxHeader(ceremony: string, sender: Member, receiver: Member): Uint8Array {
  return taggedHash('succession-box', hexToBytes(ceremony), utf8ToBytes(sender.key), utf8ToBytes(receiver.key));
}

/** Whatever is of places, by channels of the charter and then by sharings: the order of everything that is dealt. */
export function inCharterOrder<T>({ channels }: Charter, items: readonly T[], placeOf: (item: T) => SharingPlace): T[] {
  const rank = (item: T): number => channels.findIndex(({ name }) => name === placeOf(item).channel);
  return items.toSorted((a, b) => rank(a) - rank(b) || placeOf(a).sharing - placeOf(b).sharing);
}

/** Σ over the new sharings of the constants = λ·Y, of every share that this speaker cuts. */
function problemOfCuts(
  arithmetic: Group,
  { from }: SuccessionGround,
  dealings: readonly PublicDealing[],
  { cuts }: DealingPlan,
): string | undefined {
  const wrong = cuts.find(({ channel, holder, coefficient }) => {
    const constants = dealings
      .filter((dealing) => dealing.channel === channel)
      .map(({ commitments }) => at(commitments, 0));
    return !isCutOf(arithmetic, constants, {
      coefficient,
      publicShare: publicShareOf(from.channel(channel).publicShares, holder),
    });
  });
  return wrong && `its dealings for ${wrong.channel} do not sum to its old share`;
}

/** Keys that stay are the same byte for byte; a new one is none of the old. */
function problemOfKeys(
  from: Epoch,
  { payload }: Succession,
  channels: ReadonlyMap<string, ChannelKey>,
): string | undefined {
  const old = new Map(from.charter.channels.map(({ name }) => [from.channel(name).key, name]));
  for (const { name, key: way } of payload.channels) {
    const { key } = present(channels.get(name), `the key of ${name}`);
    if (way === 'kept' && key !== from.channel(name).key) return `the dealings for ${name} do not sum to its key`;
    if (way === 'new' && old.has(key)) return `the new key of ${name} is an old one`;
  }
  return undefined;
}

/** What is wrong with the keys of a new epoch, beside the one that it comes from, in words. */
export function problemOfEpoch({ from, succession }: SuccessionGround, next: Epoch): string | undefined {
  return problemOfKeys(from, succession, new Map(next.charter.channels.map(({ name }) => [name, next.channel(name)])));
}

/** The ceremony that a begin opens, by its id. */
export function begunCeremony(
  ground: SuccessionGround,
  begin: Begin,
): { readonly ceremony: string; readonly cast: Cast } {
  return { ceremony: successionCeremonyId(begin), cast: successionCast(ground, begin) };
}
