/** The round over a status, as `group revoke` and `group renew --status` ask for it: what it says is told first, what was signed is written. */
import { statusOf, type RevocationWish } from '../protocol/request/status.ts';
import type { Connection } from '../requester/connection.ts';
import type { Issued } from '../requester/issued.ts';
import type { Submission } from '../requester/request.ts';
import type { askingOptions } from './ask-coordinator.ts';
import { flag, text, type Call, type OptionSpecs } from './command.ts';
import { connectToAsk, submitAndWait, type waitingOptions } from './waiting.ts';

/** Where the files go. */
export const statusOptions = {
  out: text('FOLDER', 'where the files go (default: here)'),
  force: flag('replace files that are in the way and are no earlier results'),
} as const;

type StatusCall = Call<typeof statusOptions & typeof askingOptions & typeof waitingOptions & OptionSpecs>;

/**
 * JSON: `{ id, number, revoked, signed, written }`; `id` is `null` for what had ended before; dry what `dryRunJson` gives. Throws what
 * `submitAndWait`, `assertOutputs` and `draftStatus` do.
 */
export async function askAndWrite(call: StatusCall, wish: RevocationWish | undefined, isDry: boolean): Promise<void> {
  const { readIssued } = await import('../requester/issued.ts');
  const { requestDate } = await import('../requester/dating.ts');
  const { assertOutputs } = await import('../requester/outputs.ts');
  const { askForNextStatus, statusOutputs } = await import('../requester/status.ts');
  const { out = '.', force = false, note } = call.settings;
  using connection = await connectToAsk(call);
  const endsChannel = wish !== undefined && 'channel' in wish;
  const outputs = statusOutputs(connection.group, out, { endsChannel });
  await assertOutputs({ inputs: [], outputs, force });
  const issued = await readIssued(connection);
  const date = requestDate(connection, call.world.nowUnixSeconds());
  const submission = askForNextStatus(connection, { wish, note }, issued, date);
  if (submission === undefined) await write(call, connection, issued, null);
  else await askFor(call, connection, { submission, issued, isDry });
}

interface Asking {
  readonly submission: Submission;
  readonly issued: readonly Issued[];
  readonly isDry: boolean;
}

async function askFor(call: StatusCall, connection: Connection, { submission, issued, isDry }: Asking): Promise<void> {
  const { output } = call;
  const { statusTexts } = await import('./text/status.ts');
  const { epoch } = connection.group;
  const { documents, request } = submission;
  const [document] = documents;
  const said = document === undefined ? [] : statusTexts(statusOf(epoch, document, request.payload.createdAt).status);
  if (isDry) {
    const { dryRunJson, dryRunPage } = await import('./text/dry-run.ts');
    const page = [...said, '', dryRunPage(connection.group, submission)].join('\n');
    output.result(page, dryRunJson(connection.group, submission));
    return;
  }
  output.talk(said.join('\n'));
  const { digest, view } = await submitAndWait(call, connection, submission);
  if (view === undefined) {
    output.result(digest, { id: digest, signed: false });
    return;
  }
  const { openResult } = await import('../requester/bundle.ts');
  const { documentOf } = await import('../requester/status.ts');
  const { issuedOf } = await import('../requester/issued.ts');
  openResult(connection.group, view.request, documents, view.body.signatures);
  const signed = documentOf(connection.group, view, documents);
  await write(call, connection, [...issued, ...issuedOf([signed], connection.group)], digest);
}

async function write(
  { output, settings: { out = '.' } }: StatusCall,
  { group }: Connection,
  issued: readonly Issued[],
  id: string | null,
): Promise<void> {
  const { revocationsOf, signedStatuses, writeStatus } = await import('../requester/status.ts');
  const { revocationText } = await import('../verifier/status.ts');
  const written = await writeStatus(group, issued, out);
  const signed = signedStatuses(group, issued);
  const revoked = revocationsOf(signed);
  if (id === null) output.talk('it has ended already');
  output.result([...revoked.map(revocationText), ...written].join('\n'), {
    id,
    number: signed[0]?.status.number ?? 0,
    revoked,
    signed: true,
    written,
  });
}
