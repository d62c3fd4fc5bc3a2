/** The judge of successions: who can be shown to have lied in one, from nothing but signed messages, the old epoch and the files of the succession. */
import { judgeMessages, type CeremonyView, type Deed, type FoundedView } from '../ceremony/judge.ts';
import { memberByKey, type Member } from '../files/charter.ts';
import type { Group } from '../frost/group.ts';
import { begunCeremony, problemOfBegin, type SuccessionGround } from './cast.ts';
import type { OpeningMessage } from './messages.ts';

/** What one member saw of one ceremony of a succession. */
export interface SuccessionView extends CeremonyView {
  /** Hellos and begins: which dealers it had, and under which λ they cut. */
  readonly opening: readonly OpeningMessage[];
}

/** Everybody who may speak: the heirs, then old members that are none. */
export function peopleOf({ from, charter }: SuccessionGround): Member[] {
  return [...charter.members, ...from.charter.members.filter(({ key }) => memberByKey(charter, key) === undefined)];
}

/**
 * Everything that these views of one succession prove together, in order of people; nothing that an honest one says is ever among it. Hellos and
 * begins prove nothing: an heir that lost its disk may count anew, and each begin opens a ceremony of its own.
 */
export function judgeSuccession(arithmetic: Group, ground: SuccessionGround, views: readonly SuccessionView[]): Deed[] {
  const founded = views.map((view) => foundedView(ground, view));
  return judgeMessages({ arithmetic, charter: ground.charter, speakers: peopleOf(ground) }, founded);
}

/** The ceremony that a view is of, by the begin that its messages name. */
function foundedView(ground: SuccessionGround, view: SuccessionView): FoundedView {
  const ids = new Set(view.messages.flatMap((message) => (message.kind === 'hello' ? [] : [message.payload.ceremony])));
  const begun = view.opening
    .filter((message) => message.kind === 'begin')
    .filter((begin) => problemOfBegin(ground, begin) === undefined)
    .map((begin) => begunCeremony(ground, begin))
    .find(({ ceremony }) => ids.has(ceremony));
  return { view, begun };
}
