/** How a ceremony of a succession is opened: hellos of heirs and of old members that may deal, and the begin of an heir that says who deals. */
import { chooseMinimalSet } from '../frost/resharing.ts';
import { isQualified, sharingOf, type Identifier } from '../frost/sharing.ts';
import { memberByKey, type Member } from '../files/charter.ts';
import { maxKeptBegins, maxMembers } from '../limits.ts';
import { keptChannels, problemOfBegin, speakersOf, successionCast, type SuccessionGround } from './cast.ts';
import type { Opening, SuccessionContext, SuccessionState } from './events.ts';
import { successionCeremonyId, type OpeningMessageOf, type OpeningPayload } from './messages.ts';
import { peopleOf } from './judge.ts';

type BeginPayload = OpeningPayload<'begin'>;

/** What a hello of this succession says. */
export function helloPayload(
  { from, succession, charter }: SuccessionGround,
  { serial, nonce }: Pick<OpeningPayload<'hello'>, 'serial' | 'nonce'>,
): OpeningPayload<'hello'> {
  return { succession: succession.hash, epoch: from.hash, charter: charter.hash, serial, nonce };
}

/** Whether the first of two hellos of one member counts: the later one, and of two with one serial everywhere the same. */
export function isNewer(first: OpeningMessageOf<'hello'>, second: OpeningMessageOf<'hello'>): boolean {
  const difference = first.payload.serial - second.payload.serial;
  return difference === 0 ? first.hash > second.hash : difference > 0;
}

/**
 * Files a begin that is right and new; when there are too many the lowest counter goes first, but never the begin of the ceremony that is
 * `running`. The same opening when there is nothing to file.
 */
export function withBegin(
  ground: SuccessionGround,
  opening: Opening,
  { message, running }: { readonly message: OpeningMessageOf<'begin'>; readonly running: string | undefined },
): Opening {
  if (problemOfBegin(ground, message) !== undefined) return opening;
  const ceremony = successionCeremonyId(message);
  if (opening.begins.has(ceremony)) return opening;
  const begins = new Map(opening.begins).set(ceremony, message);
  if (begins.size > maxKeptBegins) {
    const [lowest] = [...begins].filter(([id]) => id !== running).reduce((low, one) => (isLater(low, one) ? one : low));
    begins.delete(lowest);
  }
  return { ...opening, begins };
}

type OpenedBegin = readonly [ceremony: string, begin: OpeningMessageOf<'begin'>];

/** Whether the first of two begins wins: by counter, and by its ceremony's id when two heirs counted alike. */
export function isLater([a, first]: OpenedBegin, [b, second]: OpenedBegin): boolean {
  const difference = first.payload.counter - second.payload.counter;
  return difference === 0 ? a > b : difference > 0;
}

/** Of all begins that this member may enter the one that wins: later than any that it entered, with the newest hello of every speaker, itself among them. */
export function enterableBegin({ ground, self }: SuccessionContext, state: SuccessionState): OpenedBegin | undefined {
  const { opening, ceremony } = state;
  const { joined } = ceremony.memory;
  const last = latest([...opening.begins].filter(([id]) => joined.has(id)));
  const open = [...opening.begins].filter((one) => last === undefined || isLater(one, last));
  return latest(
    open.filter(([, begin]) => {
      const { speakers } = successionCast(ground, begin);
      return speakers.some(({ key }) => key === self.key) && isOfNewestHellos(speakers, opening, begin.payload);
    }),
  );
}

function latest(begins: readonly OpenedBegin[]): OpenedBegin | undefined {
  return begins.reduce<OpenedBegin | undefined>(
    (best, one) => (best === undefined || isLater(one, best) ? one : best),
    undefined,
  );
}

function isOfNewestHellos(speakers: readonly Member[], { hellos }: Opening, payload: BeginPayload): boolean {
  return speakers.every(({ key }, index) => hellos.get(key)?.hash === payload.hellos[index]);
}

/** Heirs whose hello is missing, or who have been silent since. */
export function missingHeirs({ ground }: SuccessionContext, { hellos, without }: Opening): Member[] {
  return ground.charter.members.filter(({ key }) => !hellos.has(key) || without.get(key) === 'silent');
}

/** Old members that could deal and are not here, as long as those who are here are too few; nobody when they are enough. */
export function missingDealers(ground: SuccessionGround, opening: Opening): Member[] {
  const here = dealersInOrder(ground, opening);
  const short = keptChannels(ground).filter((channel) => !isQualified(ground.from.channel(channel).sharings, here));
  if (short.length === 0) return [];
  return ground.from.charter.members.filter(
    ({ key, identifier }) =>
      !opening.hellos.has(key) &&
      opening.without.get(key) !== 'wrong' &&
      short.some((channel) => sharingOf(ground.from.channel(channel).sharings, identifier) !== undefined),
  );
}

/** A channel whose key stays and for which, without those who dealt wrongly, no quorum of the old charter is left. */
export function channelWithoutDealers({ from, ...ground }: SuccessionGround, { without }: Opening): string | undefined {
  const right = from.charter.members
    .filter(({ key }) => without.get(key) !== 'wrong')
    .map(({ identifier }) => identifier);
  return keptChannels(ground).find((channel) => !isQualified(from.channel(channel).sharings, right));
}

/** The begin that this member would say now; `undefined` if heirs are missing, or no quorum of the old charter is here. */
export function nextBegin(context: SuccessionContext, opening: Opening): BeginPayload | undefined {
  const { ground } = context;
  if (missingHeirs(context, opening).length > 0) return undefined;
  const order = dealersInOrder(ground, opening);
  const dealers = keptChannels(ground).map((channel) => ({
    channel,
    identifiers: chooseMinimalSet(ground.from.channel(channel).sharings, order)?.map(Number) ?? [],
  }));
  if (dealers.some(({ identifiers }) => identifiers.length === 0)) return undefined;
  const speakers = speakersOf(ground, dealers);
  return {
    succession: ground.succession.hash,
    epoch: ground.from.hash,
    counter: 1 + Math.max(0, ...[...opening.begins.values()].map(({ payload }) => payload.counter)),
    dealers,
    hellos: speakers.flatMap(({ key }) => opening.hellos.get(key)?.hash ?? []),
    without: absences(ground, opening),
  };
}

/** Old members that are here: heirs before others, then by identifier; who complained about or was silent comes last, and who was proved wrong never. */
function dealersInOrder({ from, charter }: SuccessionGround, { hellos, without }: Opening): Identifier[] {
  const rank = { silent: 2, complaint: 3 } as const;
  const rankOf = ({ key }: Member): number => {
    const why = without.get(key);
    if (why === 'wrong') return 4;
    return why === undefined ? Number(memberByKey(charter, key) === undefined) : rank[why];
  };
  return from.charter.members
    .filter((member) => hellos.has(member.key) && rankOf(member) < 4)
    .toSorted((a, b) => rankOf(a) - rankOf(b) || a.identifier - b.identifier)
    .map(({ identifier }) => identifier);
}

function absences(ground: SuccessionGround, { without }: Opening): BeginPayload['without'] {
  const named = peopleOf(ground).flatMap(({ key, name }) => {
    const why = without.get(key);
    return why === undefined ? [] : [{ name, why }];
  });
  return named.slice(0, maxMembers);
}

/** Whether it is this heir's turn to begin: at once for the lowest, after some minutes of silence for the others. */
export function isDue({ ground, self }: SuccessionContext, { silences }: Opening): boolean {
  const heir = memberByKey(ground.charter, self.key);
  if (heir === undefined) return false;
  return silences >= Math.min(heir.identifier - 1, 2) + (heir.identifier === 1 ? 0 : 1);
}

/** Whether the own begin is still on its way: nothing has overtaken it. */
export function isAsked({ ground }: SuccessionContext, { opening }: SuccessionState): boolean {
  const { asked, begins } = opening;
  if (asked === undefined || !isOfNewestHellos(speakersOf(ground, asked.dealers), opening, asked)) return false;
  return [...begins.values()].every(({ payload }) => payload.counter < asked.counter);
}
