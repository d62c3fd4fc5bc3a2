/** How a new requesters document differs from the one in force, in words: what an approver looks at first. */
import type { Requester, Requesters } from './requesters.ts';

/** One line a change, new ones in the order of `after`, the gone ones last: `+` who is new, `-` who is gone, `~` what is another now. */
export function requesterChanges(before: Pick<Requesters, 'entries'>, after: Pick<Requesters, 'entries'>): string[] {
  return changesOf(before, after).map(lineOf);
}

/** An entry that differs: entries are matched by name. */
interface RequesterChange {
  readonly name: string;
  readonly before: Requester | undefined;
  readonly after: Requester | undefined;
}

function changesOf(before: Pick<Requesters, 'entries'>, after: Pick<Requesters, 'entries'>): RequesterChange[] {
  const changed = after.entries.flatMap((entry): RequesterChange[] => {
    const old = before.entries.find(({ name }) => name === entry.name);
    return old !== undefined && isSameEntry(old, entry) ? [] : [{ name: entry.name, before: old, after: entry }];
  });
  const gone = before.entries.filter((old) => !after.entries.some(({ name }) => name === old.name));
  return [...changed, ...gone.map((old): RequesterChange => ({ name: old.name, before: old, after: undefined }))];
}

function isSameEntry(one: Requester, other: Requester): boolean {
  const channels = (entry: Requester): string => [...entry.channels].sort().join(' ');
  return one.key === other.key && one.member === other.member && channels(one) === channels(other);
}

function lineOf({ name, before, after }: RequesterChange): string {
  if (after === undefined) return `- ${name} may no longer ask for anything`;
  if (before === undefined) {
    const also = after.member === undefined ? '' : `, and is the member ${after.member}`;
    return `+ ${name} may ask on ${after.channels.join(', ')}${also}`;
  }
  const parts = [
    listed('may now ask on', without(after.channels, before.channels)),
    listed('may no longer ask on', without(before.channels, after.channels)),
    before.key === after.key ? undefined : 'has another key',
    memberWords(before.member, after.member),
  ];
  return `~ ${name} ${parts.filter((part) => part !== undefined).join('; ')}`;
}

function memberWords(before: string | undefined, after: string | undefined): string | undefined {
  if (before === after) return undefined;
  if (after !== undefined) return `is the member ${after} now`;
  return before === undefined ? undefined : `is no longer the member ${before}`;
}

function without(all: readonly string[], others: readonly string[]): string[] {
  return all.filter((one) => !others.includes(one));
}

function listed(words: string, channels: readonly string[]): string | undefined {
  return channels.length === 0 ? undefined : `${words} ${channels.join(', ')}`;
}
