/** What a succession changes, in words: what an approver looks at first. */
import type { Epoch } from '../ceremony/epoch.ts';
import { describeQuorum, type Channel, type Charter, type Member } from '../files/charter.ts';
import { goneFrom, quorumsIntersect, type SuccessionPlan } from './document.ts';
import { at } from '../wire/present.ts';

/** The difference between two charters, and what it means. Every list is one line an item; what does not change is not in them. */
export interface SuccessionChanges {
  /** `+` who comes, `-` who goes, `~` whose card or tier is another. Empty for a refresh. */
  readonly members: readonly string[];
  /** Channels that come, go, get a new key or another quorum; kept ones are told, too, for their key is handed on. */
  readonly channels: readonly string[];
  /** Channels where fewer can sign than before, which `--lower` has to allow. */
  readonly lowered: readonly string[];
  /** Which old quorum stays possible for as long as its shares are not erased. */
  readonly oldQuorums: readonly string[];
  /** Quorums that do not intersect themselves. */
  readonly warnings: readonly string[];
}

/** All of it for one plan. */
export function changesOf({ charter: before }: Pick<Epoch, 'charter'>, plan: SuccessionPlan): SuccessionChanges {
  const { charter: after, succession } = plan;
  return {
    members: memberChanges(before, after),
    channels: channelChanges(before, after, succession.payload.channels),
    lowered: loweredChannels(before, after),
    oldQuorums: oldQuorums(before, after, succession.payload.channels),
    warnings: after.channels.flatMap(forkWarning),
  };
}

function memberChanges(before: Charter, after: Charter): string[] {
  const changed = after.members.flatMap((member) => {
    const same = before.members.find(({ key }) => key === member.key);
    if (same !== undefined) return movedLine(same, member);
    const other = before.members.find(({ name }) => name === member.name);
    if (other !== undefined) return [`~ ${member.name} has a new card: the old one holds a share of the old epoch`];
    return [`+ ${member.name} comes (${member.tier})`];
  });
  const names = new Set(after.members.map(({ name }) => name));
  const gone = goneFrom(before, after).map((identifier) => at(before.members, identifier - 1));
  return [
    ...changed,
    ...gone.filter(({ name }) => !names.has(name)).map(({ name, tier }) => `- ${name} goes (${tier})`),
  ];
}

function movedLine(before: Member, after: Member): string[] {
  const parts = [
    ...(before.name === after.name ? [] : [`is called ${after.name} now`]),
    ...(before.tier === after.tier ? [] : [`goes from ${before.tier} to ${after.tier}`]),
  ];
  return parts.length === 0 ? [] : [`~ ${before.name} ${parts.join(' and ')}`];
}

type PlannedChannels = SuccessionPlan['succession']['payload']['channels'];

function channelChanges(before: Charter, after: Charter, planned: PlannedChannels): string[] {
  const lines = planned.map(({ name, key }, index) => {
    const channel = at(after.channels, index);
    const old = before.channels.find((one) => one.name === name);
    if (old === undefined) return `+ ${name} is new: ${sizedQuorum(channel)}`;
    const quorum = sizedQuorum(old) === sizedQuorum(channel) ? '' : `, ${sizedQuorum(old)} → ${sizedQuorum(channel)}`;
    return key === 'kept' ? `= ${name} keeps its key${quorum}` : `~ ${name} gets a new key${quorum}`;
  });
  const gone = before.channels.filter(({ name }) => !after.channels.some((one) => one.name === name));
  return [...lines, ...gone.map(({ name }) => `- ${name} ends: nothing is signed on it any more`)];
}

/** `any 3 of 5`, `admin 2 of 3 + build 1 of 2`. */
function sizedQuorum({ sharings }: Channel): string {
  return sharings
    .map(({ tier, threshold, members }) => `${tier ?? 'any'} ${threshold} of ${members.length}`)
    .join(' + ');
}

function signersOf({ sharings }: Channel): number {
  return sharings.reduce((sum, { threshold }) => sum + threshold, 0);
}

function loweredChannels(before: Charter, after: Charter): string[] {
  return after.channels.flatMap((channel) => {
    const old = before.channels.find(({ name }) => name === channel.name);
    if (old === undefined || !isLowered(old, channel)) return [];
    return [`${channel.name} needs fewer than before: ${describeQuorum(old)} → ${describeQuorum(channel)}`];
  });
}

/** Fewer signers in all, or fewer of a tier that is still asked. */
function isLowered(old: Channel, channel: Channel): boolean {
  if (signersOf(channel) < signersOf(old)) return true;
  return old.sharings.some(({ tier, threshold }) => {
    const same = channel.sharings.find((sharing) => sharing.tier === tier);
    return (
      tier !== undefined &&
      (same === undefined || same.threshold < threshold) &&
      channel.sharings[0]?.tier !== undefined
    );
  });
}

/** Of each key that stays: how many shares of the old quorum go, which nobody can make erase. */
function oldQuorums(before: Charter, after: Charter, planned: PlannedChannels): string[] {
  const gone = goneFrom(before, after);
  return planned.flatMap(({ name, key }) => {
    const channel = before.channels.find((one) => one.name === name);
    if (channel === undefined || key === 'new') return [];
    const parts = channel.sharings.map(({ tier, threshold, members }) => {
      const leaving = members.filter((identifier) => gone.includes(identifier));
      const names = leaving.map((identifier) => at(before.members, identifier - 1).name);
      const staying = threshold - leaving.length;
      return `${tier ?? 'any'} ${threshold} of ${members.length}: ${[...names, `${staying < 0 ? 0 : staying} that stay`].join(' and ')}`;
    });
    return [
      `${name}: until those who stay have erased their old shares, the old quorum stays possible: ${parts.join(' + ')}`,
    ];
  });
}

function forkWarning(channel: Channel): string[] {
  if (quorumsIntersect(channel)) return [];
  return [
    `${channel.name}: ${sizedQuorum(channel)} lets two sets that share nobody decide against each other; more than half would not`,
  ];
}
