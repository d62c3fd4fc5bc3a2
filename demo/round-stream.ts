/** A round as `frostmark sign --json` streams it, and waiting for what should happen in it. */
import type { Started } from './process.ts';

/** A member, as the stream of events shows it. */
export interface StreamedMember {
  readonly name: string;
  readonly standing: string;
  /** Approved, connected, and its commitment is in. */
  readonly ready: boolean;
  readonly reason: string | null;
}

/** A round, as the stream of events shows it. */
export interface StreamedRound {
  readonly id: string;
  readonly outcome: string;
  readonly quorum: readonly { readonly members: readonly StreamedMember[] }[];
  readonly attempts: readonly { readonly signers: readonly string[]; readonly open: boolean }[];
  readonly signers: readonly string[];
}

/** The first state of the round, past or to come, that satisfies `is`. */
export async function roundWhere(
  signing: Started,
  what: string,
  is: (round: StreamedRound) => boolean,
): Promise<StreamedRound> {
  return await signing.find(what, (line) => {
    const round = roundIn(line);
    return round !== undefined && is(round) ? round : undefined;
  });
}

function roundIn(line: string): StreamedRound | undefined {
  if (!line.startsWith('{')) return undefined;
  return (JSON.parse(line) as { readonly round?: StreamedRound }).round;
}

function memberOf(round: StreamedRound, name: string): StreamedMember | undefined {
  return round.quorum.flatMap(({ members }) => members).find((member) => member.name === name);
}

/** Whether all of these members have decided so. */
export function hasStanding(standing: string, ...names: readonly string[]): (round: StreamedRound) => boolean {
  return (round) => names.every((name) => memberOf(round, name)?.standing === standing);
}

/** Throws when it refused. */
export function isReady(name: string): (round: StreamedRound) => boolean {
  return (round) => {
    const member = memberOf(round, name);
    if (member?.standing === 'refused') throw new Error(`${name} refused: ${member.reason ?? 'no reason'}`);
    return member?.ready === true;
  };
}
