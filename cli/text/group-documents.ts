/** What a group has signed about itself, for whoever looks: the names of its keys in every tool, its documents, what is revoked, and who holds what. */
import { createHash } from 'node:crypto';
import type { OpenedGroup } from '../../client/group.ts';
import { hashOfEnvelope, isNewerDocument, type GroupDocument } from '../../protocol/group-documents/document.ts';
import { newestHeld, type HeldBy, type Holdings } from '../../protocol/group-documents/holdings.ts';
import { countOf, kindText, type NamedDocument } from '../../protocol/group-documents/kinds.ts';
import { highestOf } from '../../protocol/group-documents/numbers.ts';
import { revocationsIn, revokedText } from '../../protocol/group-documents/revocations.ts';
import { minisignKeyId } from '../../protocol/formats/minisign.ts';
import { formatFingerprint, openpgpKeyOf } from '../../protocol/openpgp/group-key.ts';
import { publicKeyBlob } from '../../protocol/ssh/wire.ts';
import { bytesToHex } from '../../protocol/wire/bytes.ts';
import { parseTime } from '../../verifier/time.ts';
import { decodeDelegation } from '../../verifier/delegation.ts';
import { decodeBase64 } from '../../verifier/base64.ts';
import { Page, table, whenText } from './page.ts';

/** What is shown of a group besides the group itself. */
export interface ShownDocuments {
  readonly documents: readonly GroupDocument[];
  readonly holdings: readonly Holdings[];
  readonly nowUnixSeconds: number;
}

/** One channel's key as each tool names it. */
interface Fingerprints {
  readonly channel: string;
  readonly key: string;
  /** 40 capital hex digits; `null` for a group without an OpenPGP key. */
  readonly openpgp: string | null;
  /** As `ssh-keygen -l` prints it. */
  readonly ssh: string;
  /** As minisign prints it. */
  readonly minisign: string;
}

function fingerprintsOf({ epoch }: Pick<OpenedGroup, 'epoch'>): Fingerprints[] {
  return epoch.charter.channels.map(({ name }) => {
    const { point, key } = epoch.channel(name);
    const ssh = createHash('sha256').update(publicKeyBlob(point.bytes)).digest('base64').replace(/=+$/, '');
    return {
      channel: name,
      key,
      openpgp: epoch.charter.openpgp === undefined ? null : formatFingerprint(openpgpKeyOf(epoch, name)),
      ssh: `SHA256:${ssh}`,
      // minisign reads the 8 bytes as one number, least significant first.
      minisign: bytesToHex(minisignKeyId(point.bytes).toReversed()).toUpperCase(),
    };
  });
}

/** A count of documents: the newest that is shown, when it ends, and who says to hold the newest there is. */
interface Line {
  readonly document: Pick<NamedDocument, 'kind' | 'scope'>;
  /** 0 for none. */
  readonly shown: number;
  /** RFC 3339; `null` for what has no end. */
  readonly until: string | null;
  readonly held: HeldBy | undefined;
}

function linesOf(group: OpenedGroup, { documents, holdings }: ShownDocuments): Line[] {
  const held = new Map(newestHeld(holdings).map((one) => [countOf(one), one]));
  const { epoch, requesters, genesis } = group;
  const envelopes: NamedDocument[] = [
    { kind: 'genesis', scope: null, number: epoch.number + 1, hash: hashOfEnvelope(genesis) },
    { kind: 'requesters', scope: null, number: requesters.version, hash: '' },
  ];
  const shown = highestOf<NamedDocument>([...envelopes, ...documents]);
  const counts = new Map<string, Pick<NamedDocument, 'kind' | 'scope'>>([...shown, ...held]);
  return [...counts].map(([count, document]) => {
    const [newest] = documents.filter((one) => countOf(one) === count).sort((a, b) => (isNewerDocument(a, b) ? -1 : 1));
    return {
      document,
      shown: shown.get(count)?.number ?? 0,
      until: newest === undefined ? null : untilOf(newest),
      held: held.get(count),
    };
  });
}

function untilOf({ kind, request, body }: GroupDocument): string | null {
  if (kind !== 'delegation') return request.payload.certify?.until ?? null;
  return decodeDelegation(decodeBase64(body.documents[0] ?? '')).until;
}

/** For a person, 80 columns wide. */
export function documentsPage(group: OpenedGroup, shown: ShownDocuments): string {
  const keys = new Page();
  for (const { channel, openpgp, ssh, minisign } of fingerprintsOf(group)) {
    if (openpgp !== null) keys.row(channel, `OpenPGP  ${openpgp}`);
    keys.row(openpgp === null ? channel : '', `SSH      ${ssh}`).row('', `minisign ${minisign}`);
  }
  const rows = linesOf(group, shown).map(({ document, shown: number, until, held }) => [
    kindText(document),
    numberText(number, held?.number),
    until === null ? '-' : whenText(parseTime(until) ?? 0, shown.nowUnixSeconds),
    held === undefined ? 'nobody says so' : held.members.map(({ name }) => name).join(', '),
  ]);
  const revoked = revokedTexts(group, shown.documents);
  return [
    'Fingerprints',
    keys.toString(),
    '',
    table([['DOCUMENT', 'NUMBER', 'ENDS', 'NEWEST HELD BY'], ...rows], 3),
    ...(revoked.length === 0 ? [] : ['', 'Revoked', ...revoked.map((text) => new Page().row('', text).toString())]),
  ].join('\n');
}

function numberText(shown: number, held: number | undefined): string {
  if (held !== undefined && held > shown) return `${held} (${shown === 0 ? 'none' : shown} shown)`;
  return shown === 0 ? 'none yet' : String(shown);
}

function revokedTexts({ epoch, requesters }: OpenedGroup, documents: readonly GroupDocument[]): string[] {
  const names = { charter: epoch.charter, requesters: requesters.entries };
  return revocationsIn(documents).map((revocation) => revokedText(revocation, names));
}

/** The same for a program. */
export function documentsJson(group: OpenedGroup, shown: ShownDocuments): object {
  return {
    fingerprints: fingerprintsOf(group),
    documents: linesOf(group, shown).map(({ document: { kind, scope }, shown: number, until, held }) => ({
      kind,
      channel: scope,
      number,
      until,
      newest: held === undefined ? null : { number: held.number, heldBy: held.members.map(({ name }) => name) },
    })),
    revoked: revocationsIn(shown.documents).map(({ what, document }) => ({
      what,
      kind: document.kind,
      channel: document.scope,
      number: document.number,
      request: document.request.digest,
      asker: document.request.asker,
      at: document.request.payload.createdAt,
    })),
  };
}
