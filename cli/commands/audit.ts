/** `frostmark audit` */
import { askingOptions, connectAsAsker, readGroup, requireCoordinator } from '../ask-coordinator.ts';
import { defineCommand, flag, flagOnly, text, type Call } from '../command.ts';
import { CommandError } from '../errors.ts';
import { auditPatienceMs } from '../limits.ts';
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
newest checkpoint is kept, and one that does not go on from it is refused. Who asked,
who decided and who signed then rests on their own signatures. What the coordinator never
wrote down, no audit can find.`,
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
  const { RecordFolder } = await import('../../requester/audit.ts');
  const { KeptCheckpoint } = await import('../../home/kept-checkpoint.ts');
  const { openAskerHome } = await import('../settings.ts');
  const { groupKey } = group.epoch;
  const live = {
    checkpoint: () => client.checkpoint(),
    tile: (path: string) => client.recordTile(path),
    blob: (sha256: string) => client.recordBlob(sha256),
  };
  const kept = new KeptCheckpoint(await openAskerHome(call.homePath), group.epoch.charter.hash);
  const before = await kept.read();
  const source = out === undefined ? live : new RecordFolder(out).saving(live);
  const report = await audit(call, { source, coordinator, groupKey, kept: before });
  await kept.write(report.checkpoint.note);
  if (before !== undefined && before.split('\n')[0] !== report.checkpoint.note.split('\n')[0])
    call.output.warn(
      'since the last audit the coordinator began the record of this group anew: what it knew before is in no log that it shows',
    );
  return report;
}

async function auditSaved(call: AuditCall, from: string): Promise<AuditReport> {
  const { parseCoordinatorUrl } = await import('../../client/url.ts');
  const { decodeBase64Url, encodeBase64Url } = await import('../../verifier/base64.ts');
  const { RecordFolder } = await import('../../requester/audit.ts');
  const { fingerprint } = parseCoordinatorUrl(requireCoordinator(call.settings.coordinator), { insecure: true });
  const { key } = await readGroup(call.settings.group);
  const coordinator = decodeBase64Url(fingerprint);
  return audit(call, { source: new RecordFolder(from), coordinator, groupKey: encodeBase64Url(key), kept: undefined });
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
