/**
 * What a member and its coordinator each lack of the group's numbered documents: the member takes what it has not seen, brings back what was lost,
 * says what it holds, and says aloud what is withheld (T46).
 */
import type { CoordinatorClient } from '../client/client.ts';
import { ClientError } from '../client/errors.ts';
import type { Epoch } from '../protocol/ceremony/epoch.ts';
import { ProtocolError } from '../protocol/errors.ts';
import { believedHoldings, holdingsMessage, newerHeld, type Holdings } from '../protocol/group-documents/holdings.ts';
import { countOf, placeText } from '../protocol/group-documents/kinds.ts';
import { maxHoldings } from '../protocol/limits.ts';
import { sealMessage, type Envelope, type Identity } from '../protocol/wire/envelope.ts';
import type { DocumentIndexBody } from '../protocol/wire/frames.ts';
import { formatTimestamp } from '../protocol/wire/time.ts';
import type { HeldGroupDocuments } from './group-documents.ts';
import type { Log } from './log.ts';

/** What is compared, and with whom. */
export interface DocumentSyncOptions {
  readonly epoch: Epoch;
  readonly identity: Identity;
  readonly documents: HeldGroupDocuments;
  readonly client: Pick<CoordinatorClient, 'documentIndex' | 'issued' | 'putGroupDocument'>;
  nowUnixSeconds(): number;
  readonly log: Log;
}

/** What a look at both sides came to. */
export interface Synced {
  /** For people: each document that should be there, and that the coordinator does not show. */
  readonly withheld: readonly string[];
  /** Members whose word on what they hold was there: what they brought before is here, too. */
  readonly heard: readonly number[];
}

/** Keeps one member's documents and its coordinator's the same. */
export class DocumentSync {
  readonly #options: DocumentSyncOptions;

  constructor(options: DocumentSyncOptions) {
    this.#options = options;
  }

  /** Takes and brings. A group that the coordinator does not know yet is left for later. Throws `ClientError`, `HomeError`, `JournalError`. */
  async run(): Promise<Synced> {
    const found = await this.#index();
    if (found === undefined) return { withheld: [], heard: [] };
    await this.#take(found);
    const isBrought = await this.#bring(found);
    const index = isBrought ? ((await this.#index()) ?? found) : found;
    if (isBrought) await this.#take(index);
    const { epoch } = this.#options;
    const holdings = believedHoldings(index.holdings, epoch.charter, epoch.groupKey);
    return { withheld: this.#withheld(index, holdings), heard: holdings.map(({ member }) => member.identifier) };
  }

  /** The frame that says what this member holds. */
  holdings(): Envelope {
    const { epoch, identity, documents } = this.#options;
    const held = documents.newestHere.slice(0, maxHoldings);
    const payload = {
      groupKey: epoch.groupKey,
      documents: held.map(({ kind, scope, number, hash }) => ({ kind, scope, number, hash })),
      at: formatTimestamp(this.#options.nowUnixSeconds()),
    };
    return sealMessage(holdingsMessage, payload, identity);
  }

  async #index(): Promise<DocumentIndexBody | undefined> {
    try {
      return await this.#options.client.documentIndex(this.#options.epoch.groupKey);
    } catch (error) {
      if (error instanceof ClientError && error.refusal?.status === 404) return undefined;
      throw error;
    }
  }

  /** What cannot be believed is logged, and left. */
  async #take({ digests }: DocumentIndexBody): Promise<void> {
    const { documents, client, epoch, log } = this.#options;
    if (digests.every((digest) => documents.issued.knows(digest))) return;
    try {
      const taken = await documents.issued.adopt(await client.issued(epoch.groupKey));
      if (taken.length > 0) log('info', 'documents-taken', { count: taken.length });
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      log('warn', 'documents-refused', { code: error.code, message: error.message });
    }
  }

  /** Whether anything was brought. */
  async #bring({ digests }: DocumentIndexBody): Promise<boolean> {
    const { documents, client, epoch, log } = this.#options;
    const lost = documents.issued.all.filter(({ request }) => !digests.includes(request.digest));
    for (const { body } of lost) await client.putGroupDocument(epoch.charter.hash, body);
    if (lost.length > 0) log('info', 'documents-brought', { count: lost.length });
    return lost.length > 0;
  }

  #withheld({ digests }: DocumentIndexBody, holdings: readonly Holdings[]): string[] {
    const { documents } = this.#options;
    const hidden = documents.issued.all.filter(({ request }) => !digests.includes(request.digest));
    const { missing } = documents.issued;
    const newer = newerHeld(holdings, new Map(documents.highest.map((one) => [countOf(one), one])));
    return [
      ...hidden.map((document) => `${placeText(document)} was brought to the coordinator, which does not show it`),
      ...missing.map(
        (document) =>
          `${placeText(document)} was seen here before, and neither this home nor the coordinator has it: who holds it should connect`,
      ),
      ...newer.map(
        (held) =>
          `${held.members.map(({ name }) => name).join(', ')} held ${placeText(held)}, and the coordinator does not show it: nothing that follows it is approved here before it comes`,
      ),
    ];
  }
}
