/** The records behind the golden leaves, one of every type, in an order that a log can have. */
import { keep, refOf, type LogRecord } from '../../../protocol/record/leaf.ts';
import type { Envelope } from '../../../protocol/wire/envelope.ts';
import { personFromSeed } from '../../harness/people.ts';
import { signBytes, utf8 } from '../support.ts';
import { coordinator, logName } from './written-log.ts';

const alice = personFromSeed('alice', 1);
const hex = (byte: number, bytes = 32): string => byte.toString(16).padStart(2, '0').repeat(bytes);

export const shortMessage: Envelope = signBytes('application/x', '{"short":true}', alice, alice.key);
export const longMessage: Envelope = signBytes('application/x', JSON.stringify('x'.repeat(40_000)), alice, alice.key);

/** A charter that hashes to `logName.charter` there is none: its file is named, and nobody reads it here. */
const file = { sha256: logName.charter, size: 1234 };
const { charter } = logName;
const digest = hex(0xdd);

export function goldenRecords(): LogRecord[] {
  const short = keep(shortMessage).kept;
  return [
    { type: 'born', version: 1, ...ownName(), coordinator: coordinator.key, from: { kind: 'new' } },
    { type: 'charter', charter, file },
    { type: 'ceremony', charter, message: short },
    {
      type: 'group',
      charter,
      certificate: refOf(utf8('a certificate')),
      stored: keep([longMessage, shortMessage]).kept,
    },
    { type: 'group-document', charter, document: 'genesis', envelope: short },
    { type: 'group-document', charter, document: 'requesters', envelope: keep(longMessage).kept },
    { type: 'journal', member: alice.key, journal: { incarnation: hex(0x17, 16), length: 12, head: hex(0x18) } },
    { type: 'round', digest, charter, request: short },
    { type: 'round-document', digest, document: refOf(utf8('a document')) },
    { type: 'decision', digest, decision: short },
    { type: 'evidence', digest, member: 2, evidence: refOf(utf8('evidence')) },
    { type: 'closed', digest, outcome: 'signed', signatures: [hex(0x5e, 64)], signers: [1, 3] },
    { type: 'round', digest: hex(0xde), charter, request: short },
    { type: 'closed', digest: hex(0xde), outcome: 'expired', signatures: [], signers: [] },
    { type: 'moved', to: 'postgres' },
    { type: 'arrived', in: 'postgres' },
  ];
}

/** Log first, as the record has it. */
function ownName(): { readonly log: string; readonly charter: string } {
  return { log: logName.log, charter };
}

/** The other ways in which a log begins. */
export const otherBeginnings: Extract<LogRecord, { type: 'born' }>['from'][] = [
  { kind: 'again' },
  { kind: 'taken-over', sequence: 4711, hash: hex(0x0a) },
  { kind: 'loss-accepted', log: hex(0x0b, 16), size: 99, root: hex(0x0c) },
];
