/** A charter as a person reviews it before any key is made: who holds shares, and what the quorums mean in words. */
import { decodeBase64Url } from '../../verifier/base64.ts';
import { formatGroupKey } from '../../verifier/group-key.ts';
import { printable } from '../../verifier/printable.ts';
import {
  charterWarnings,
  describeQuorum,
  type Channel,
  type Charter,
  type Member,
} from '../../protocol/files/charter.ts';
import type { Import } from '../../protocol/ceremony/import.ts';
import type { JoinReview } from '../../participant/join.ts';
import type { Requesters } from '../../protocol/files/requesters.ts';
import { durationText, Page, table } from './page.ts';

/** The whole review; `self` is marked. Compare its last lines aloud with the other members: they are as sha256sum prints them. */
export function charterReview({ charter, requesters, requestersHash, self, imported }: JoinReview): string {
  const page = new Page().row('group', charter.group).row('members', String(charter.members.length));
  const channels = new Page();
  for (const channel of charter.channels) channels.row(channel.name, quorumWords(channel, charter));
  return [
    page.toString(),
    '',
    memberTable(charter, self),
    '',
    'Who signs what',
    channels.toString(),
    '',
    'Who may ask',
    requestersText(requesters),
    ...importLines(charter, imported),
    ...warningLines(charter),
    '',
    'All of the charter is for ever: members, quorums and the OpenPGP line change only with a new key.',
    'Compare this with the other members, aloud or over a line that you trust. It is what sha256sum prints of the files:',
    `charter     ${charter.hash}`,
    ...(requestersHash === undefined ? [] : [`requesters  ${requestersHash}`]),
    ...(imported === undefined ? [] : [`import      ${imported.hash}`]),
  ].join('\n');
}

/** A key that was whole is known: everybody compares it with what installers have. */
function importLines(charter: Charter, imported: Import | undefined): string[] {
  if (imported === undefined) return [];
  return [
    '',
    'The production key is not made but imported: it once was whole. It must be the key that your installers know:',
    formatGroupKey({ name: charter.group, key: decodeBase64Url(imported.groupKey) }),
  ];
}

function memberTable(charter: Charter, self: Member): string {
  const rows = charter.members.map((member) => [
    String(member.identifier),
    member.name + (member.identifier === self.identifier ? ' (you)' : ''),
    member.tier,
    member.key,
  ]);
  return table([['ID', 'NAME', 'TIER', 'IDENTITY KEY'], ...rows], 1);
}

/** `any 3 of 5 members; requests live 72 h`. */
export function quorumWords(channel: Channel, charter: Charter): string {
  const parts = channel.sharings.map(({ tier, threshold, members }) =>
    tier === undefined
      ? `any ${threshold} of the ${members.length} members`
      : `${threshold} of the ${members.length} in tier ${tier} (${namesOf(charter, members)})`,
  );
  const delegated =
    channel.validitySeconds === undefined
      ? ''
      : `; a key of its own, vouched for ${durationText(channel.validitySeconds)} at a time`;
  return `${parts.join(' and ')}; requests live ${durationText(channel.expirySeconds)}${delegated}`;
}

function namesOf(charter: Charter, identifiers: readonly number[]): string {
  return identifiers.map((identifier) => charter.members[identifier - 1]?.name ?? '?').join(', ');
}

/** Who may ask for what, one line each. */
export function requestersText({ version, entries }: Requesters): string {
  if (entries.length === 0) return 'nobody yet: members can sign a list later (frostmark group requesters FILE)';
  const rows = entries.map(({ name, channels, member }) => [name, channels.join(', '), member ?? '-']);
  return `version ${version}\n${table([['NAME', 'MAY ASK ON', 'IS MEMBER'], ...rows], 1)}`;
}

function warningLines(charter: Charter): string[] {
  const warnings = charterWarnings(charter);
  return warnings.length === 0 ? [] : ['', ...warnings.map((warning) => `Note: ${printable(warning)}.`)];
}

/** For programs. */
export function charterJson(charter: Charter): object {
  return {
    group: charter.group,
    charter: charter.hash,
    members: charter.members.map(({ identifier, name, tier, key }) => ({ identifier, name, tier, key })),
    channels: charter.channels.map((channel) => ({
      channel: channel.name,
      quorum: describeQuorum(channel),
      expirySeconds: channel.expirySeconds,
      validitySeconds: channel.validitySeconds ?? null,
    })),
    warnings: charterWarnings(charter),
  };
}
