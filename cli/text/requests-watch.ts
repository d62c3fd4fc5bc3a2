/** The requests of a daemon as they come and go: a list that is redrawn for a person, one line for each change elsewhere. */
import type { RequestSummary } from '../../participant/request-view.ts';
import { widthOf, type Output } from '../output.ts';
import { marked } from './look-alikes.ts';
import { LiveBlock } from './progress.ts';
import { requestsTable, stateText } from './request.ts';
import { shortId, whatText } from './round.ts';

/** Shows the requests of one daemon until it is disposed. */
export class RequestsWatch implements Disposable {
  readonly #output: Output;
  readonly #nowUnixSeconds: () => number;
  readonly #block: LiveBlock | undefined;
  /** States by id, as they were told; `undefined` before the first look. */
  #told: ReadonlyMap<string, string> | undefined;

  constructor(output: Output, nowUnixSeconds: () => number) {
    this.#output = output;
    this.#nowUnixSeconds = nowUnixSeconds;
    this.#block = output.isLive ? new LiveBlock(output.stderr) : undefined;
  }

  /** `known` are all that the daemon knows, `listed` those that the list has. */
  show(known: readonly RequestSummary[], listed: readonly RequestSummary[]): void {
    const told = this.#told;
    // What is over when somebody begins to watch is no news.
    const changed = known.filter((request) =>
      told === undefined ? listed.includes(request) : told.get(request.id) !== stateText(request),
    );
    this.#told = new Map(known.map((request) => [request.id, stateText(request)]));
    for (const request of changed) this.#output.event({ event: 'request', request });
    if (this.#block !== undefined) {
      const isNew = changed.some(({ state }) => state === 'waiting');
      this.#block.draw(this.#table(listed));
      if (isNew && told !== undefined) this.#output.stderr.write('\u0007');
    } else if (!this.#output.json) for (const request of changed) this.#output.result(lineOf(request), undefined);
  }

  #table(listed: readonly RequestSummary[]): string[] {
    if (listed.length === 0) return ['no requests are open; watching (Ctrl-C ends it)'];
    return requestsTable(listed, this.#nowUnixSeconds(), widthOf(this.#output.stderr)).split('\n');
  }

  [Symbol.dispose](): void {
    this.#block?.[Symbol.dispose]();
  }
}

function lineOf(request: RequestSummary): string {
  const { id, channel, asker } = request;
  return marked(`${shortId(id)} ${stateText(request)}: ${whatText(request)} on ${channel}, asked by ${asker}`);
}
