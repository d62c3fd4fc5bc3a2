/** A round as it happens: server-sent events of what is new, resumed by `Last-Event-ID` and retried with back-off (WHATWG HTML, Section 9.2). */
import { setTimeout as sleep } from 'node:timers/promises';
import type { IncomingMessage } from 'node:http';
import { roundBody, type RoundBody } from '../protocol/wire/frames.ts';
import { changeEvent, roundChange, withChange } from '../protocol/wire/round-change.ts';
import { ClientError, isPassing } from './errors.ts';
import { decodeAnswer } from './http.ts';
import { maxRoundBytes } from './limits.ts';
import { delayAfter } from './patience.ts';

/** One server-sent event: its name, if it has one, its id, if it has one, and its data, JSON. */
export interface StreamEvent {
  readonly name: string | undefined;
  readonly id: string | undefined;
  readonly data: string;
}

/** When to stop watching, and who is told of interruptions. */
export interface WatchOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told of every interruption that is retried, for a progress line. */
  readonly onRetry?: ((error: ClientError) => void) | undefined;
}

/** Opens the stream of a round behind the last event that was seen. */
export type OpenStream = (lastEventId: string | undefined, signal: AbortSignal | undefined) => Promise<IncomingMessage>;

/**
 * How a round stands, again whenever that changes, until it is over: the last value has an outcome other than `pending`.
 * Ends quietly when `signal` fires. Throws `ClientError` for what no retry can mend.
 */
export async function* watch(open: OpenStream, options: WatchOptions = {}): AsyncGenerator<RoundBody, void, undefined> {
  let lastEventId: string | undefined;
  let last: RoundBody | undefined;
  let retries = 0;
  while (!isAborted(options.signal)) {
    try {
      for await (const event of readEvents(await open(lastEventId, options.signal))) {
        last = stateAfter(last, event);
        lastEventId = event.id;
        retries = 0;
        yield last;
        if (last.outcome !== 'pending') return;
      }
      throw new ClientError('unreachable', 'the live stream ended before the round did');
    } catch (error) {
      if (isAborted(options.signal)) return;
      const interruption = interruptionOf(error);
      options.onRetry?.(interruption);
      await sleep(delayAfter(interruption, retries++), undefined, { signal: options.signal }).catch(() => undefined);
    }
  }
}

/** A change is what is new since the event before, also since the last one of a stream that broke. Throws `ClientError('bad-response')`. */
function stateAfter(before: RoundBody | undefined, { name, data }: StreamEvent): RoundBody {
  const bytes = Buffer.from(data);
  if (name !== changeEvent) return decodeAnswer(roundBody, bytes, maxRoundBytes);
  const change = decodeAnswer(roundChange, bytes, maxRoundBytes);
  if (before === undefined) throw new ClientError('bad-response', 'a change of a round came before the round itself');
  try {
    return withChange(before, change);
  } catch (cause) {
    throw new ClientError('bad-response', (cause as Error).message, { cause });
  }
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

/** What a retry may mend; anything else is thrown on. */
function interruptionOf(error: unknown): ClientError {
  if (isPassing(error)) return error as ClientError;
  if (error instanceof ClientError || !(error instanceof Error) || !('code' in error)) throw error;
  return new ClientError('unreachable', `the live stream broke (${String(error.code)})`, { cause: error });
}

/** Events of one stream, comments left out. Throws `ClientError('bad-response')` past the bound. */
export async function* readEvents(
  stream: AsyncIterable<Buffer | string>,
): AsyncGenerator<StreamEvent, void, undefined> {
  let buffered = '';
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    buffered += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
    for (let end = buffered.indexOf('\n\n'); end !== -1; end = buffered.indexOf('\n\n')) {
      const event = parseEvent(buffered.slice(0, end));
      buffered = buffered.slice(end + 2);
      if (event !== undefined) yield event;
    }
    if (buffered.length > maxRoundBytes)
      throw new ClientError('bad-response', `an event is longer than ${maxRoundBytes} characters`);
  }
}

function parseEvent(block: string): StreamEvent | undefined {
  const lines = block.split('\n');
  const fieldOf = (name: string): string | undefined =>
    lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
  const data = fieldOf('data');
  return data === undefined ? undefined : { name: fieldOf('event'), id: fieldOf('id'), data };
}
