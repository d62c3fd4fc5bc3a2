/** What an audit tells a person: how long the record is, what became of what was asked for, and what no audit can find. */
import type { AuditReport } from '../../requester/audit.ts';
import type { RoundTestimony } from '../../protocol/record/testimony.ts';
import { originOf } from '../../protocol/record/checkpoint.ts';
import { bytesToHex } from '../../protocol/wire/bytes.ts';
import { formatTimestamp } from '../../protocol/wire/time.ts';
import { encodeBase64 } from '../../verifier/base64.ts';
import { countText, table } from './page.ts';

/** The whole report; with `all` a line for each round. */
export function auditText(report: AuditReport, all: boolean): string {
  const { checkpoint, rounds, pending, ofOthers } = report;
  return [
    originOf(checkpoint),
    `${countText(checkpoint.tree.size, 'record')}, root ${encodeBase64(checkpoint.tree.root)}: every one is proved`,
    beginningText(report),
    ...followedTexts(report),
    `${countText(rounds.length, 'round')} over, ${pending} pending${ofOthers === 0 ? '' : `, ${ofOthers} of other keys`}`,
    ...uncheckedTexts(report),
    ...(rounds.length === 0 ? [] : ['', table([['asked by', ...outcomesIn(rounds)], ...tally(rounds)], 0)]),
    ...(all && rounds.length > 0
      ? ['', table([['asked', 'by', 'for', 'outcome', 'signed by'], ...rounds.map(row)], 2)]
      : []),
    '',
    'What this cannot show: requests and refusals that the coordinator never stored, records that it',
    'showed to nobody, and when things happened beyond what each signer wrote. Compare the root above with',
    'other members: who was shown another one for the same number of records was told another history.',
  ].join('\n');
}

function beginningText({ from }: AuditReport): string {
  switch (from.kind) {
    case 'new':
      return 'it begins with the charter of the group';
    case 'again':
      return 'it was begun ANEW after the coordinator lost an earlier one: what was in that is in no record here';
    case 'taken-over':
      return `its first records were taken over from a store of the old form (of ${countText(from.sequence, 'record')})`;
    case 'loss-accepted':
      return `it was begun ANEW in place of a log of ${countText(from.size, 'record')}, whose loss the operator accepted`;
  }
}

function outcomesIn(rounds: readonly RoundTestimony[]): string[] {
  return [...new Set(rounds.map(({ outcome }) => outcome))].sort();
}

/** What the note that was kept says about it. */
function followedTexts({ followed }: AuditReport): string[] {
  switch (followed) {
    case 'first':
      return ['no checkpoint of it was kept here before: nothing says that others were not shown another record'];
    case 'goes-on':
      return ['it goes on from the newest checkpoint that was kept here'];
    case 'older':
      return ['this copy ENDS BEFORE the newest checkpoint that was kept here: what came after it is not in it'];
    case 'other':
      return [
        'this copy is of ANOTHER record than the one whose checkpoint was kept here: nothing is proved about the two',
      ];
  }
}

function uncheckedTexts({ unchecked }: AuditReport): string[] {
  if (unchecked === 0) return [];
  return [
    `${countText(unchecked, 'record')} could NOT be checked whole: the coordinator says that bytes they name were archived; ask its operator for them`,
  ];
}

/** A line for everybody who asked. */
function tally(rounds: readonly RoundTestimony[]): string[][] {
  const outcomes = outcomesIn(rounds);
  const names = [...new Set(rounds.map(nameOf))].sort();
  return names.map((name) => {
    const own = rounds.filter((round) => nameOf(round) === name);
    return [name, ...outcomes.map((outcome) => String(own.filter((round) => round.outcome === outcome).length))];
  });
}

function row(round: RoundTestimony): string[] {
  const { request, outcome, signers, signatures } = round;
  const { payload, createdAtUnixSeconds } = request;
  const what = [payload.kind === 'release' ? payload.product : payload.kind, payload.release, payload.channel];
  const by = signers.map(({ name }) => name).join(' ') || '-';
  return [
    formatTimestamp(createdAtUnixSeconds),
    nameOf(round),
    what.filter((part) => part !== null).join(' '),
    outcome,
    signatures === 'unchecked' ? `${by} (its document was archived)` : by,
  ];
}

function nameOf({ asker, request }: RoundTestimony): string {
  return asker?.name ?? request.asker;
}

/** The same for programs. */
export function auditJson(report: AuditReport): unknown {
  const { checkpoint, followed, from, rounds, pending, ofOthers, unchecked } = report;
  return {
    origin: originOf(checkpoint),
    records: checkpoint.tree.size,
    root: bytesToHex(checkpoint.tree.root),
    note: checkpoint.note,
    followed,
    from,
    pending,
    ofOthers,
    unchecked,
    rounds: rounds.map((round) => ({
      id: round.request.digest,
      asker: round.asker?.name ?? null,
      askerKey: round.request.asker,
      kind: round.request.payload.kind,
      channel: round.request.payload.channel,
      product: round.request.payload.product ?? null,
      release: round.request.payload.release ?? null,
      createdAt: formatTimestamp(round.request.createdAtUnixSeconds),
      outcome: round.outcome,
      decisions: round.decisions.map(({ member, payload }) => ({ member: member.name, decision: payload.decision })),
      signers: round.signers.map(({ name }) => name),
      signatures: round.signatures,
    })),
  };
}
