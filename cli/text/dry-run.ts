/** What `sign --dry-run` shows: the request as it would be asked, and who could approve it. */
import type { OpenedGroup } from '../../client/group.ts';
import { channelOf } from '../../protocol/files/charter.ts';
import type { Submission } from '../../requester/request.ts';
import { requestRows } from './round.ts';
import { Page } from './page.ts';

interface Approvers {
  /** The tier, or `any`. */
  readonly of: string;
  readonly needed: number;
  readonly members: readonly string[];
  readonly keptOut: string | null;
}

function approversOf({ epoch: { charter } }: OpenedGroup, { request, keptOut }: Submission): Approvers[] {
  return channelOf(charter, request.payload.channel).sharings.map(({ tier, threshold, members }) => {
    const names = members.map((identifier) => charter.members[identifier - 1]?.name ?? '?');
    return {
      of: tier ?? 'any',
      needed: threshold,
      members: names.filter((name) => name !== keptOut?.name),
      keptOut: keptOut !== undefined && names.includes(keptOut.name) ? keptOut.name : null,
    };
  });
}

/** What would be asked, and who could approve it, for a person. */
export function dryRunPage(group: OpenedGroup, submission: Submission): string {
  const { payload } = submission.request;
  const page = new Page().row(
    'would ask',
    `${group.epoch.charter.group} on ${payload.channel}, as ${submission.asker.name}`,
  );
  requestRows(page, payload);
  for (const { of, needed, members, keptOut } of approversOf(group, submission)) {
    const possible = members.length < needed ? ' - too few, it could never be signed' : '';
    page.row('approvers', `${of}: ${needed} of ${members.join(', ') || 'nobody'}${possible}`);
    if (keptOut !== null) page.row('', `not ${keptOut}: whoever asks does not sign on production`);
  }
  return page.row('', 'Nothing was asked.').toString();
}

/** The same for a program. */
export function dryRunJson(group: OpenedGroup, submission: Submission): object {
  return {
    dryRun: true,
    asker: submission.asker.name,
    request: submission.request.payload,
    approvers: approversOf(group, submission),
  };
}
