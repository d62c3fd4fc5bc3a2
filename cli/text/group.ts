/** A group as a client knows it: all of it follows from the one pinned key. */
import { encodeBase64Url } from '../../verifier/base64.ts';
import { positionInWindow } from '../../verifier/delegation.ts';
import { parseTime } from '../../verifier/time.ts';
import type { OpenedGroup } from '../../client/group.ts';
import type { HeldDelegation } from '../../protocol/group-documents/envelopes.ts';
import { charterJson, quorumWords, requestersText } from './charter.ts';
import { originText } from './import.ts';
import { Page, table, whenText } from './page.ts';

/** All that is known of a group, for a person. */
export function groupPage({ epoch, requesters, delegations }: OpenedGroup, nowUnixSeconds: number): string {
  const { charter } = epoch;
  const head = new Page()
    .row('group', charter.group)
    .row('key', epoch.groupLine)
    .row('origin', originText(epoch.origin))
    .row('epoch', epoch.hash)
    .row('charter', charter.hash);
  const members = table(
    [['ID', 'NAME', 'TIER'], ...charter.members.map(({ identifier, name, tier }) => [String(identifier), name, tier])],
    1,
  );
  const channels = new Page();
  for (const channel of charter.channels) {
    channels.row(channel.name, quorumWords(channel, charter)).row('', `key ${epoch.channel(channel.name).key}`);
    channels.rows(
      '',
      delegations.filter((held) => held.channel === channel.name).map((held) => delegationText(held, nowUnixSeconds)),
    );
  }
  return [head.toString(), '', members, '', channels.toString(), '', `requesters  ${requestersText(requesters)}`].join(
    '\n',
  );
}

function delegationText({ delegation }: HeldDelegation, nowUnixSeconds: number): string {
  const when = whenText(parseTime(delegation.until) ?? 0, nowUnixSeconds);
  switch (positionInWindow(delegation, nowUnixSeconds)) {
    case 'before':
      return `delegated from ${delegation.from}`;
    case 'within':
      return `delegated until ${delegation.until}, ${when}`;
    case 'after':
      return `delegation ended ${delegation.until}, ${when}`;
  }
}

/** The same for a program. */
export function groupJson({ epoch, requesters, delegations }: OpenedGroup): object {
  return {
    ...charterJson(epoch.charter),
    key: epoch.groupLine,
    origin: epoch.origin,
    epoch: epoch.hash,
    channelKeys: epoch.charter.channels.map(({ name }) => ({ channel: name, key: epoch.channel(name).key })),
    delegations: delegations.map(({ delegation }) => ({
      channel: delegation.channel,
      channelKey: encodeBase64Url(delegation.channelKey),
      from: delegation.from,
      until: delegation.until,
    })),
    requesters: {
      version: requesters.version,
      requesters: requesters.entries.map(({ name, key, channels, member }) => ({
        name,
        key,
        channels,
        member: member ?? null,
      })),
    },
  };
}
