/** What a group's log says by its signed messages alone, and every lie of a coordinator about who asked, who decided and what was signed. */
import { beforeAll, describe, expect, it } from 'vitest';
import { bytesToHex } from '../../../protocol/wire/bytes.ts';
import { decodeBase64 } from '../../../verifier/base64.ts';
import { sealMessage, type Envelope } from '../../../protocol/wire/envelope.ts';
import { production } from '../../../protocol/files/charter.ts';
import { prepareRequest } from '../../../protocol/formats/index.ts';
import { keep, refOf, type LogRecord } from '../../../protocol/record/leaf.ts';
import { maxPendingInAudit } from '../../../protocol/record/limits.ts';
import { Testimony, type RoundTestimony } from '../../../protocol/record/testimony.ts';
import { openRequest } from '../../../protocol/request/request.ts';
import { decisionMessage, type DecisionPayload } from '../../../protocol/signing/decision.ts';
import { publicGroup } from '../../harness/ceremony-network.ts';
import {
  dealtGroup,
  documentRequest,
  quorumSignature,
  releaseOf,
  requestersBytes,
  requestersDocument,
  type DealtGroup,
} from '../../harness/coordinator-group.ts';
import { person, type Person } from '../../harness/people.ts';
import { refusalOf, utf8 } from '../support.ts';

let acme: DealtGroup;
let other: DealtGroup;
beforeAll(async () => {
  const plan = {
    tiers: ['admin', 'admin', 'build'],
    production: '{ admin: 1, build: 1 }',
    development: '{ build: 1 }',
  };
  [acme, other] = await Promise.all([dealtGroup(plan), dealtGroup(plan)]);
});

/** A log as it is written, with the bytes beside it. */
class Writing {
  readonly records: LogRecord[] = [];
  readonly blobs = new Map<string, Uint8Array>();

  put(record: LogRecord): this {
    this.records.push(record);
    return this;
  }

  blob(bytes: Uint8Array) {
    const ref = refOf(bytes);
    this.blobs.set(ref.sha256, bytes);
    return ref;
  }

  kept<T>(message: T) {
    const { kept, blob } = keep(message);
    if (blob !== undefined) this.blob(blob);
    return kept;
  }

  /** The group with its three documents. */
  group({ body, epoch }: DealtGroup): this {
    const charter = epoch.charter.hash;
    const document = (kind: string, envelope: Envelope): LogRecord => ({
      type: 'group-document',
      charter,
      document: kind,
      envelope: this.kept(envelope),
    });
    this.put({ type: 'charter', charter, file: this.blob(epoch.charter.bytes) });
    const certificate = this.blob(decodeBase64(body.certificate));
    this.put({ type: 'group', charter, certificate, stored: this.kept(body.stored) });
    this.put(document('genesis', body.genesis!)).put(document('requesters', body.requesters!));
    for (const delegation of body.delegations) this.put(document('delegation', delegation));
    return this;
  }

  /** Hears all of it; the answers for the rounds that ended. */
  heard(): RoundTestimony[] {
    const testimony = new Testimony(publicGroup);
    return this.records.flatMap(
      (record, index) => testimony.hear({ index, record }, (hash) => this.blobs.get(hash)) ?? [],
    );
  }

  refused(): string {
    return refusalOf(() => this.heard()).code;
  }
}

const digestOf = (request: Envelope): string => openRequest(request).digest;

function roundOf(log: Writing, request: Envelope, group = acme): LogRecord {
  return { type: 'round', digest: digestOf(request), charter: group.epoch.charter.hash, request: log.kept(request) };
}

function decisionBy(who: Person, request: Envelope, change: Partial<DecisionPayload> = {}, group = acme): LogRecord {
  const payload: DecisionPayload = {
    groupKey: group.epoch.groupKey,
    epoch: group.epoch.hash,
    requestDigest: digestOf(request),
    decision: 'approve',
    serial: 1,
    reason: null,
    decidedAt: '2026-11-27T08:00:00Z',
    ...change,
  };
  return {
    type: 'decision',
    digest: digestOf(request),
    decision: { here: sealMessage(decisionMessage, payload, who) },
  };
}

function signedBy(
  signers: readonly number[],
  request: Envelope,
  documents: Uint8Array[] = [],
  group = acme,
): LogRecord {
  const { messages } = prepareRequest({ epoch: group.epoch, request: openRequest(request), documents });
  const signatures = messages.map((message) => bytesToHex(quorumSignature(group, production, message)));
  return { type: 'closed', digest: digestOf(request), outcome: 'signed', signatures, signers };
}

/** A release that admin-1 and build-3 approved and signed. */
function signedRelease(asker: Person = acme.requester): {
  readonly log: Writing;
  readonly request: Envelope;
  readonly end: LogRecord;
} {
  const log = new Writing().group(acme);
  const request = releaseOf(acme, asker);
  const [first, , third] = acme.people as [Person, Person, Person];
  log.put(roundOf(log, request)).put(decisionBy(first, request)).put(decisionBy(third, request));
  return { log, request, end: signedBy([1, 3], request) };
}

describe('the testimony of a log', () => {
  it('says who asked, who decided and who signed, from signed messages alone', () => {
    const { log, request, end } = signedRelease();
    const [said, ...more] = log.put(end).heard();
    expect(more).toEqual([]);
    expect(said).toMatchObject({ outcome: 'signed', signatures: 'valid', asker: { name: acme.requester.name } });
    expect(said!.request.digest).toBe(digestOf(request));
    expect(said!.signers.map(({ name }) => name)).toEqual(['admin-1', 'build-3']);
    expect(said!.decisions.map(({ member, payload }) => [member.name, payload.decision])).toEqual([
      ['admin-1', 'approve'],
      ['build-3', 'approve'],
    ]);
  });

  it('says who refused, and takes the end without a signature as the word of the coordinator', () => {
    const log = new Writing().group(acme);
    const request = releaseOf(acme, acme.requester);
    log.put(roundOf(log, request)).put(decisionBy(acme.people[2]!, request, { decision: 'refuse', reason: 'no' }));
    log.put({ type: 'closed', digest: digestOf(request), outcome: 'refused', signatures: [], signers: [] });
    expect(log.heard()).toMatchObject([
      { outcome: 'refused', signatures: 'none', decisions: [{ payload: { reason: 'no' } }] },
    ]);
  });

  it('keeps the newest decision of each member, in whatever order they lie there', () => {
    const { log, request, end } = signedRelease();
    log.put(decisionBy(acme.people[0]!, request, { serial: 3, decision: 'withdraw' }));
    log.put(decisionBy(acme.people[0]!, request, { serial: 2 }));
    const [said] = log.put(end).heard();
    expect(said!.decisions.map(({ payload }) => payload.serial)).toEqual([3, 1]);
  });

  it('says of a stranger that no document gave the right to ask', () => {
    const { log, end } = signedRelease(person('eve'));
    expect(log.put(end).heard()[0]!.asker).toBeUndefined();
  });

  it('goes by the requesters document that was in force when the round came', () => {
    const eve = person('eve');
    const { log } = signedRelease();
    const envelope = requestersDocument(acme, 2, [eve]);
    const charter = acme.epoch.charter.hash;
    log.put({ type: 'group-document', charter, document: 'requesters', envelope: { here: envelope } });
    const [own, others] = [releaseOf(acme, eve), releaseOf(acme, acme.requester)];
    for (const request of [own, others])
      log
        .put(roundOf(log, request))
        .put({ type: 'closed', digest: digestOf(request), outcome: 'expired', signatures: [], signers: [] });
    expect(log.heard().map(({ asker }) => asker?.name)).toEqual(['eve', undefined]);
  });

  it('takes a late decision, and judges it like every other', () => {
    const { log, request, end } = signedRelease();
    log.put(end).put(decisionBy(acme.people[1]!, request, { decision: 'refuse' }));
    expect(log.heard()).toHaveLength(1);
    expect(log.put(decisionBy(person('eve'), request)).refused()).toBe('not-a-member');
  });

  it('verifies a document that was signed, and says when the document was archived', () => {
    const log = new Writing().group(acme);
    const bytes = requestersBytes(acme, 2, [acme.requester]);
    const request = documentRequest(acme, acme.people[1]!, 'requesters', bytes);
    log
      .put(roundOf(log, request))
      .put({ type: 'round-document', digest: digestOf(request), document: log.blob(bytes) });
    log.put(decisionBy(acme.people[0]!, request)).put(decisionBy(acme.people[2]!, request));
    log.put(signedBy([1, 3], request, [bytes]));
    expect(log.heard()[0]).toMatchObject({ signatures: 'valid', asker: { member: { name: 'admin-2' } } });
    log.blobs.delete(refOf(bytes).sha256);
    expect(log.heard()[0]).toMatchObject({ signatures: 'unchecked' });
    log.blobs.set(refOf(bytes).sha256, utf8('another'));
    expect(log.refused()).toBe('bad-leaf');
  });

  it('says which record does not hold', () => {
    const { log, request } = signedRelease();
    log.put(decisionBy(person('eve'), request));
    expect(refusalOf(() => log.heard()).message).toMatch(
      new RegExp(`^record ${log.records.length - 1} \\("decision"\\): `),
    );
  });
});

describe('a coordinator that lies in its log', () => {
  const charter = (): string => acme.epoch.charter.hash;

  it.each<[string, string, (log: Writing, request: Envelope, end: Extract<LogRecord, { type: 'closed' }>) => void]>([
    [
      'a signature that is not the quorum’s',
      'bad-signature',
      (log, _request, end) => log.put({ ...end, signatures: ['11'.repeat(64)] }),
    ],
    [
      'a signature over another request',
      'bad-signature',
      (log, _request, end) =>
        log.put({
          ...end,
          signatures: (signedBy([1, 3], releaseOf(acme, acme.requester, { release: '9.9.9' })) as typeof end)
            .signatures,
        }),
    ],
    [
      'a signature too many',
      'bad-signature',
      (log, _request, end) => log.put({ ...end, signatures: [...end.signatures, ...end.signatures] }),
    ],
    ['a signer who did not approve', 'bad-record', (log, _request, end) => log.put({ ...end, signers: [2, 3] })],
    [
      'a signer who refused',
      'bad-record',
      (log, request, end) =>
        log.put(decisionBy(acme.people[1]!, request, { decision: 'refuse' })).put({ ...end, signers: [2, 3] }),
    ],
    ['signers who are no quorum', 'bad-record', (log, _request, end) => log.put({ ...end, signers: [1] })],
    [
      'a signer who is not in the charter',
      'bad-record',
      (log, _request, end) => log.put({ ...end, signers: [1, 3, 4] }),
    ],
    ['a decision by nobody', 'not-a-member', (log, request) => log.put(decisionBy(person('eve'), request))],
    [
      'a decision by a member of another group',
      'not-a-member',
      (log, request) => log.put(decisionBy(other.people[0]!, request)),
    ],
    [
      'a decision on another request',
      'bad-decision',
      (log, request) => log.put(decisionBy(acme.people[1]!, request, { requestDigest: 'aa'.repeat(32) })),
    ],
    [
      'a decision under another key',
      'wrong-epoch',
      (log, request) => log.put(decisionBy(acme.people[1]!, request, { epoch: 'aa'.repeat(32) })),
    ],
    [
      'a decision with a changed signature',
      'bad-signature',
      (log, request) => {
        const record = decisionBy(acme.people[1]!, request) as Extract<LogRecord, { type: 'decision' }>;
        const { here } = record.decision as { here: Envelope };
        const sig = `${here.signatures[0].sig.startsWith('A') ? 'B' : 'A'}${here.signatures[0].sig.slice(1)}`;
        log.put({ ...record, decision: { here: { ...here, signatures: [{ ...here.signatures[0], sig }] } } });
      },
    ],
    [
      'a round under the name of another',
      'bad-record',
      (log) => {
        const request = releaseOf(acme, acme.requester, { release: '2.0.0' });
        log.put({ ...roundOf(log, request), digest: 'aa'.repeat(32) } as LogRecord);
      },
    ],
    ['a round of another group', 'bad-record', (log) => log.put(roundOf(log, releaseOf(other, other.requester), acme))],
    [
      'a document that nobody asked for',
      'bad-record',
      (log, request) => log.put({ type: 'round-document', digest: digestOf(request), document: log.blob(utf8('x')) }),
    ],
    [
      'evidence that proves nothing',
      'bad-evidence',
      (log, request) =>
        log.put({ type: 'evidence', digest: digestOf(request), member: 1, evidence: log.blob(utf8('{}')) }),
    ],
    [
      'a document of another group',
      'bad-signature',
      (log) =>
        log.put({
          type: 'group-document',
          charter: charter(),
          document: 'genesis',
          envelope: { here: other.body.genesis! },
        }),
    ],
    [
      'a document of a kind that nobody knows',
      'bad-record',
      (log) =>
        log.put({
          type: 'group-document',
          charter: charter(),
          document: 'amnesty',
          envelope: { here: acme.body.genesis! },
        }),
    ],
    [
      'a certificate of another group',
      'bad-certificate',
      (log) =>
        log.put({
          type: 'group',
          charter: charter(),
          certificate: log.blob(decodeBase64(other.body.certificate)),
          stored: log.kept(acme.body.stored),
        }),
    ],
    [
      'a group that not all hold',
      'bad-certificate',
      (log) =>
        log.put({
          type: 'group',
          charter: charter(),
          certificate: log.blob(decodeBase64(acme.body.certificate)),
          stored: log.kept(acme.body.stored.slice(1)),
        }),
    ],
    [
      'bytes that are gone',
      'bad-leaf',
      (log) => log.put({ type: 'charter', charter: charter(), file: refOf(utf8('gone')) }),
    ],
  ])('is caught with %s', (_name, code, lie) => {
    const { log, request, end } = signedRelease();
    lie(log, request, end as Extract<LogRecord, { type: 'closed' }>);
    expect(log.refused()).toBe(code);
  });

  it('cannot fill the memory of an auditor with rounds that never end', () => {
    const log = new Writing().group(acme);
    for (let count = 0; count <= maxPendingInAudit; count += 1)
      log.put(roundOf(log, releaseOf(acme, acme.requester, { release: `1.0.${count}` })));
    expect(log.refused()).toBe('too-many');
  });
});
