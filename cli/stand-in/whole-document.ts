/** One document signed whole in one format, for the commands that stand in for stock tools. */
import type { Connection } from '../../requester/connection.ts';
import type { WholeDocument } from '../../requester/request.ts';
import type { Issued } from '../../requester/issued.ts';
import type { Request } from '../../protocol/request/request.ts';
import { askingOptions } from '../ask-coordinator.ts';
import { text, type Call } from '../command.ts';
import { CommandError } from '../errors.ts';
import { untilSigned, waitingOptions } from '../waiting.ts';

/** All of them by variable or `config.yaml`: the tools in whose place we are called have no such flags. */
export const frontOptions = {
  channel: text('CHANNEL', 'production, development, …'),
  ...askingOptions,
  ...waitingOptions,
} as const;

export type FrontCall = Call<typeof frontOptions>;

/** Throws `CommandError('usage')` when no channel is set. */
export function requireChannel({ settings }: Pick<FrontCall, 'settings'>): string {
  if (settings.channel !== undefined) return settings.channel;
  throw new CommandError(
    'usage',
    'no channel is set',
    'There is no place for flags here: set FROSTMARK_CHANNEL, or write "channel: development" into config.yaml in the home.',
  );
}

export interface SignedWhole {
  /** The format's file. */
  readonly file: Uint8Array;
  /** The request that was signed: ours, or the same one from before. */
  readonly request: Request;
  readonly issued: readonly Issued[];
}

/** Asks, waits, verifies. Throws what `frostmark sign` does. */
export async function signWhole(
  call: FrontCall,
  connection: Connection,
  format: 'openpgp' | 'ssh',
  document: WholeDocument,
): Promise<SignedWhole> {
  const { world } = call;
  const { askForRelease } = await import('../../requester/request.ts');
  const { openResult } = await import('../../requester/bundle.ts');
  const { assertCertified, readIssued } = await import('../../requester/issued.ts');
  const channel = requireChannel(call);
  const wish = {
    channel,
    formats: [format],
    artifacts: [],
    document,
    product: undefined,
    release: undefined,
    source: null,
    note: undefined,
  };
  const submission = askForRelease(connection.group, wish, connection.identity, world.nowUnixSeconds());
  const issued = await readIssued(connection);
  assertCertified(issued, wish.formats, channel, world.nowUnixSeconds());
  const { request, body } = await untilSigned(call, connection, submission);
  const [file] = openResult(connection.group, request, submission.documents, body.signatures);
  return { file: file?.bytes ?? new Uint8Array(), request, issued };
}
