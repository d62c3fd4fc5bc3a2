/** Stages for simulated successions: two charters with people in common, and an epoch of the first. */
import { production } from '../../protocol/files/charter.ts';
import type { Secret } from '../../protocol/frost/group.ts';
import { interpolationCoefficient, type Identifier, type Sharing } from '../../protocol/frost/sharing.ts';
import { groupOrder } from '../../protocol/frost/scalar.ts';
import { sharedSodium } from './ceremony-network.ts';
import { ExponentGroup } from './exponent-group.ts';
import { personFromSeed, writeCharter, type Person } from './people.ts';
import { seededRandom } from './random.ts';
import {
  dealEpoch,
  plannedSuccession,
  type DealtEpoch,
  type SuccessionNetwork,
  type SuccessionStage,
} from './succession-network.ts';

/** A charter in few words: who is of which tier, and the quorums. */
interface Side {
  readonly members: Readonly<Record<string, string>>;
  readonly production: string;
  readonly development?: string;
}

export interface StagePlan {
  readonly before: Side;
  readonly after: Side;
  /** Channels with a new key. */
  readonly fresh?: readonly string[];
}

const five = { alice: 'a', bob: 'a', carol: 'a', dave: 'b', erin: 'b' };

export const plans = {
  /** Bob leaves, frank and grace come: any 2 of 3 to any 3 of 4. */
  grows: {
    before: { members: { alice: 'a', bob: 'a', carol: 'a' }, production: '{ any: 2 }' },
    after: { members: { frank: 'a', alice: 'a', carol: 'a', grace: 'a' }, production: '{ any: 3 }' },
  },
  refresh: {
    before: { members: { alice: 'a', bob: 'a', carol: 'a' }, production: '{ any: 2 }' },
    after: { members: { alice: 'a', bob: 'a', carol: 'a' }, production: '{ any: 2 }' },
  },
  tiers: {
    before: { members: five, production: '{ a: 2, b: 1 }', development: '{ b: 1 }' },
    after: {
      members: { alice: 'a', carol: 'a', erin: 'b', frank: 'b', grace: 'c' },
      production: '{ a: 1, b: 1, c: 1 }',
      development: '{ b: 2 }',
    },
    fresh: ['development'],
  },
  flattened: {
    before: { members: five, production: '{ a: 2, b: 1 }', development: '{ any: 2 }' },
    after: { members: { dave: 'x', frank: 'x', alice: 'x' }, production: '{ any: 2 }', development: '{ any: 1 }' },
  },
  /** Everybody goes but one. */
  strangers: {
    before: { members: { alice: 'a', bob: 'a', carol: 'a' }, production: '{ any: 2 }' },
    after: { members: { frank: 'a', grace: 'a', alice: 'a' }, production: '{ any: 2 }' },
  },
} as const satisfies Record<string, StagePlan>;

interface Charters {
  readonly people: readonly Person[];
  readonly before: ReturnType<typeof writeCharter>['charter'];
  readonly after: ReturnType<typeof writeCharter>['charter'];
}

const charters = new Map<StagePlan, Charters>();

/** Keys, cards and files are made once for a plan. */
function chartersOf(plan: StagePlan): Charters {
  const known = charters.get(plan);
  if (known !== undefined) return known;
  const names = [...new Set([...Object.keys(plan.before.members), ...Object.keys(plan.after.members)])];
  // The same people every time: one seed is one run.
  const people = names.map((name, index) => personFromSeed(name, index + 1));
  const write = ({ members, ...quorums }: Side) =>
    writeCharter(
      { tiers: Object.values(members), ...quorums },
      Object.keys(members).map((name) => people.find((who) => who.name === name)!),
    ).charter;
  const made = { people, before: write(plan.before), after: write(plan.after) };
  charters.set(plan, made);
  return made;
}

function groundOf({ after, people }: Charters, plan: StagePlan, { epoch, shares }: DealtEpoch) {
  const channels = after.channels.map(({ name }) => ({
    name,
    key: plan.fresh?.includes(name) === true ? ('new' as const) : ('kept' as const),
  }));
  return {
    people,
    shares,
    ground: { from: epoch, charter: after, succession: plannedSuccession(epoch, after, { channels }) },
  };
}

/** A stage where every secret can be read and a run takes milliseconds. */
export function exponentStage(plan: StagePlan, seed: number): SuccessionStage {
  const made = chartersOf(plan);
  const arithmetic = new ExponentGroup(seededRandom(seed));
  return { ...groundOf(made, plan, dealEpoch(arithmetic, made.before)), arithmetic, isSigned: false };
}

/** The same with libsodium and signed envelopes. */
export async function sodiumStage(plan: StagePlan): Promise<SuccessionStage> {
  const made = chartersOf(plan);
  const arithmetic = await sharedSodium();
  return { ...groundOf(made, plan, dealEpoch(arithmetic, made.before)), arithmetic, isSigned: true };
}

/** Production's key, from the old shares or from those of the key that lives, by the last holders that are enough. */
export function secretOf(run: SuccessionNetwork, which: 'old' | 'new'): bigint {
  const { arithmetic, ground } = run.stage;
  const charter = which === 'old' ? ground.from.charter : ground.charter;
  const [certificate] = run.live();
  const shareOf = (identifier: Identifier): Secret | undefined => {
    const player = run.players.find(({ self }) => self.key === charter.members[identifier - 1]!.key)!;
    return which === 'old' ? player.old.get(production) : player.shares.get(certificate!.ceremony)?.get(production);
  };
  if (!(arithmetic instanceof ExponentGroup)) throw new TypeError('this group tells no secrets');
  const group = arithmetic;
  return charter.channels[0]!.sharings.reduce(
    (sum, sharing) => (sum + partOf(group, sharing, shareOf)) % groupOrder,
    0n,
  );
}

function partOf(
  group: ExponentGroup,
  { members, threshold }: Sharing,
  shareOf: (identifier: Identifier) => Secret | undefined,
): bigint {
  const chosen = members.slice(members.length - threshold);
  return chosen.reduce(
    (sum, one) => (sum + interpolationCoefficient(chosen, one) * group.integerOf(shareOf(one)!)) % groupOrder,
    0n,
  );
}
