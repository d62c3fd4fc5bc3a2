/** A round as it happens: a block that is redrawn for a person, one line for each change elsewhere. */
import { formatTimestamp } from '../../protocol/wire/time.ts';
import type { RoundMember, RoundView } from '../../requester/round-view.ts';
import type { Output } from '../output.ts';
import { marked } from './look-alikes.ts';
import { LiveBlock } from './progress.ts';
import { approvalsText, memberNames, refusalTexts, roundJson, sharingText, shortId } from './round.ts';
import { whenText } from './page.ts';

/** Shows one round until it is disposed. */
export class LiveRound implements Disposable {
  readonly #output: Output;
  readonly #nowUnixSeconds: () => number;
  readonly #block: LiveBlock | undefined;
  #last: RoundView | undefined;
  #isInterrupted = false;

  constructor(output: Output, nowUnixSeconds: () => number) {
    this.#output = output;
    this.#nowUnixSeconds = nowUnixSeconds;
    this.#block = output.isLive ? new LiveBlock(output.stderr) : undefined;
  }

  show(view: RoundView): void {
    this.#output.event({ event: 'round', round: roundJson(view) });
    if (this.#block !== undefined) this.#block.draw(this.#lines(view));
    else for (const line of changes(this.#last, view, this.#nowUnixSeconds())) this.#output.talk(line);
    this.#last = view;
    if (this.#isInterrupted) this.#talk('connected again');
    this.#isInterrupted = false;
  }

  /** The connection broke and is tried again: said once until something is heard, not at every try. */
  interrupted(message: string): void {
    if (this.#isInterrupted) return;
    this.#isInterrupted = true;
    this.#talk(`${message} (trying again)`);
  }

  /** The block gives way and comes back. */
  #talk(text: string): void {
    this.#block?.clear();
    this.#output.talk(text);
    if (this.#last !== undefined) this.#block?.draw(this.#lines(this.#last));
  }

  [Symbol.dispose](): void {
    this.#block?.[Symbol.dispose]();
  }

  /** Only what is pending expires. */
  #expiry({ outcome, expiresAtUnixSeconds }: RoundView): string {
    return outcome === 'pending' ? `, expires ${whenText(expiresAtUnixSeconds, this.#nowUnixSeconds())}` : '';
  }

  #lines(view: RoundView): string[] {
    const attempt = view.body.attempts.findLast(({ open }) => open);
    return [
      `round ${shortId(view.request.digest)} on ${view.request.payload.channel}: ${view.outcome}${this.#expiry(view)}`,
      ...view.sharings.map((sharing) => `  ${sharing.of} ${sharing.threshold}: ${sharingText(sharing, view.outcome)}`),
      ...refusalTexts(view).map((text) => `  refused by ${marked(text)}`),
      ...(attempt === undefined ? [] : [`  signing: ${memberNames(view, attempt.signers).join(', ')}`]),
    ];
  }
}

/** What is new since the last view, one line each; the first view tells where things stand. */
export function changes(before: RoundView | undefined, after: RoundView, nowUnixSeconds: number): string[] {
  const lines: string[] = [];
  if (before === undefined) {
    if (after.outcome !== 'pending') return [];
    const expiry = `${formatTimestamp(after.expiresAtUnixSeconds)} (${whenText(after.expiresAtUnixSeconds, nowUnixSeconds)})`;
    lines.push(`waiting for approvals on ${after.request.payload.channel} until ${expiry}`);
    for (const sharing of after.sharings)
      lines.push(`${sharing.of} ${sharing.threshold}: ${sharingText(sharing, after.outcome)}`);
    return lines;
  }
  for (const [index, sharing] of after.sharings.entries()) {
    const earlier = before.sharings[index]?.members ?? [];
    for (const now of sharing.members) {
      const then = earlier.find(({ member }) => member.name === now.member.name);
      if (then?.standing === now.standing) continue;
      lines.push(`${standingText(now)}; ${sharing.of}: ${approvalsText(sharing.approvals, sharing.threshold)}`);
    }
  }
  for (const attempt of after.body.attempts) {
    const then = before.body.attempts.find((other) => other.attempt === attempt.attempt);
    if (then === undefined) lines.push(`signing with ${memberNames(after, attempt.signers).join(', ')}`);
    else if (then.open && !attempt.open && after.outcome === 'pending')
      lines.push(
        // minisign signs its first signature: a second attempt is then no repeat.
        attempt.answered.length === attempt.signers.length
          ? 'the first signatures are made; what is signed about them comes next'
          : 'that attempt is over without a signature; the round goes on',
      );
  }
  return lines;
}

function standingText({ member, standing, reason, keptOut }: RoundMember): string {
  switch (standing) {
    case 'approved':
      return keptOut ? `${member.name} approved, and does not count: it is who asked` : `${member.name} approved`;
    case 'refused':
      return `${member.name} refused${reason === null ? '' : `: ${marked(reason)}`}`;
    case 'undecided':
      return `${member.name} withdrew its approval`;
  }
}
