/** What outsiders make of the files that members of a simulated ceremony kept. */
import { ceremonyEvidence, encodeEvidence, judgeTogether, type Verdict } from '../../protocol/evidence.ts';
import type { CeremonyView } from '../../protocol/ceremony/judge.ts';
import { publicGroup, type CeremonyNetwork } from './ceremony-network.ts';

/** The files of these views. */
export function filesOf(views: readonly CeremonyView[]): Uint8Array[] {
  return views.map((view) => encodeEvidence(ceremonyEvidence(view)).bytes);
}

export function verdictsOf(run: CeremonyNetwork, members = run.members): Verdict[] {
  return judgeTogether(publicGroup, filesOf(members.flatMap(({ evidence }) => evidence)));
}

export function namesIn(verdicts: readonly Verdict[]): string[] {
  return [...new Set(verdicts.map(({ culprit }) => culprit.name))];
}
