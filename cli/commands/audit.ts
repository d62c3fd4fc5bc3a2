/** `frostmark audit` */
import { askingOptions, connectAsAsker, readGroup, requireCoordinator } from '../ask-coordinator.ts';
import { defineCommand, flag, flagOnly, text, type Call } from '../command.ts';
import { CommandError } from '../errors.ts';
import { auditPatienceMs } from '../limits.ts';
import type { Home } from '../../home/home.ts';
import type { KeptCheckpoint } from '../../home/kept-checkpoint.ts';
import type { AuditOptions, AuditReport } from '../../requester/audit.ts';

const options = {
  ...askingOptions,
  out: flagOnly(text('DIR', 'save everything there, to be audited again offline')),
  from: flagOnly(text('DIR', 'audit what was saved there; the coordinator is not asked')),
  rounds: flagOnly(flag('list every round: who asked, who decided, who signed')),
} as const;

type AuditCall = Call<typeof options>;

/** JSON: what `auditJson` gives: log, checkpoint, rounds with who asked, decided and signed, and what the log could not show. */
export const command = defineCommand({
  home: 'asker',
  arguments: [],
  options,
  about: `Reads the whole record of a group and proves it against one signed checkpoint: every
request, decision and signature is opened with the keys that follow from GROUP.pub. The
newest checkpoint is kept, and a record that does not go on from it, or is another one, is
refused; both notes are kept then. Who asked, who decided and who signed rests on their own
signatures. What the coordinator never wrote down, no audit can find.`,
  example: 'frostmark audit --group GROUP.pub --out acme-record',
  next: `Months later, offline: frostmark audit --group GROUP.pub --from acme-record
Compare checkpoints with others: two that contradict each other prove a split.`,
  run: async (call) => {
    const { from, out } = call.settings;
    if (from !== undefined && out !== undefined) throw new CommandError('usage', '--from and --out do not go together');
    const report = await (from === undefined ? auditOnline(call, out) : auditSaved(call, from));
    const { auditText, auditJson } = await import('../text/audit.ts');
    call.output.result(auditText(report, call.settings.rounds === true), auditJson(report));
  },
});

async function auditOnline(call: AuditCall, out: string | undefined): Promise<AuditReport> {
  using connection = await connectAsAsker(call, { forMs: auditPatienceMs });
  const { client, group, coordinator } = connection;
  const { RecordFolder, servedRecord } = await import('../../requester/audit.ts');
  const { openAskerHome } = await import('../settings.ts');
  const { groupKey, charter } = group.epoch;
  const live = servedRecord(client);
  const source = out === undefined ? live : new RecordFolder(out).saving(live);
  const home = await openAskerHome(call.homePath);
  return await againstKept(home, charter.hash, async (kept) => {
    const before = await kept.read();
    const report = await audit(call, { source, coordinator, groupKey, kept: before });
    await kept.replace(before, report.checkpoint.note);
    return report;
  });
}

/** Nothing is kept: what is in a folder says nothing of what the coordinator shows now. */
async function auditSaved(call: AuditCall, from: string): Promise<AuditReport> {
  const { parseCoordinatorUrl } = await import('../../client/url.ts');
  const { decodeBase64Url, encodeBase64Url } = await import('../../verifier/base64.ts');
  const { openCheckpoint } = await import('../../protocol/record/checkpoint.ts');
  const { RecordFolder } = await import('../../requester/audit.ts');
  const { homeToLookIn } = await import('../settings.ts');
  const { fingerprint } = parseCoordinatorUrl(requireCoordinator(call.settings.coordinator), { insecure: true });
  const { key } = await readGroup(call.settings.group);
  const coordinator = decodeBase64Url(fingerprint);
  const source = new RecordFolder(from);
  const { charter } = openCheckpoint(await source.checkpoint(), coordinator);
  const groupKey = encodeBase64Url(key);
  return againstKept(await homeToLookIn('asker', call.homePath), charter, async (kept) =>
    audit(call, { source, coordinator, groupKey, kept: await kept.read(), isCopy: true }),
  );
}

/** The note that is kept stays as it is next to one that does not go on from it, and that one is kept beside it. */
async function againstKept(
  home: Pick<Home, 'file'>,
  charterHash: string,
  work: (kept: KeptCheckpoint) => Promise<AuditReport>,
): Promise<AuditReport> {
  const { KeptCheckpoint } = await import('../../home/kept-checkpoint.ts');
  const { RequesterError } = await import('../../requester/errors.ts');
  const kept = new KeptCheckpoint(home, charterHash);
  try {
    return await work(kept);
  } catch (error) {
    if (!(error instanceof RequesterError) || error.shownNote === undefined) throw error;
    const beside = await kept.writeBeside(error.shownNote, error.code);
    const { code, message, shownNote } = error;
    throw new RequesterError(code, `${message}; the notes are ${kept.path} and ${beside}`, { cause: error, shownNote });
  }
}

async function audit(
  { output }: AuditCall,
  options: Omit<AuditOptions, 'arithmetic' | 'onProgress'>,
): Promise<AuditReport> {
  const { auditRecord } = await import('../../requester/audit.ts');
  const { portableArithmetic } = await import('../../client/group.ts');
  const { CountLine } = await import('../text/progress.ts');
  using line = new CountLine(output, 'proved');
  const onProgress = (done: number, all: number): void => line.show(done, all);
  return await auditRecord({ ...options, arithmetic: portableArithmetic(), onProgress });
}
