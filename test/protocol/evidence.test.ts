/** Evidence: what an outsider can judge offline, and why nothing that honest members ever signed is judged against them. */
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeBase64 } from '../../verifier/base64.ts';
import { encodeCanonicalJson } from '../../verifier/json.ts';
import {
  attemptId,
  commitmentMessage,
  openCommitment,
  shareMessage,
  type AttemptSubject,
  type CommitmentPayload,
  type SharePayload,
} from '../../protocol/signing/attempt.ts';
import { bytesToHex, sha256Hex } from '../../protocol/wire/bytes.ts';
import {
  ceremonyMessageType,
  openCeremonyMessage,
  type CeremonyKind,
  type CeremonyMessage,
  type CeremonyPayload,
} from '../../protocol/ceremony/messages.ts';
import { decodeCharter, type Charter } from '../../protocol/files/charter.ts';
import { sealMessage, type Envelope } from '../../protocol/wire/envelope.ts';
import type { Epoch } from '../../protocol/ceremony/epoch.ts';
import {
  badCommitmentEvidence,
  encodeEvidence,
  judgeEvidence,
  wrongShareEvidence as evidenceOf,
  type Evidence,
  type Verdict,
} from '../../protocol/evidence.ts';
import { maxEvidenceBytes } from '../../protocol/limits.ts';
import { genesisOf } from '../../protocol/ceremony/founding.ts';
import { prepareRequest } from '../../protocol/formats/index.ts';
import { commit, encodeShare, prepareAttempt, signShare } from '../../protocol/frost/sign.ts';
import { sessionInput } from '../../protocol/signing/stage.ts';
import { openRequest, requestMessage, type Request, type RequestPayload } from '../../protocol/request/request.ts';
import { CeremonyNetwork, publicGroup, sharedSodium } from '../harness/ceremony-network.ts';
import { person, writeCharter, type Person } from '../harness/people.ts';
import { seededRandom } from '../harness/random.ts';
import { smallOrderBoxKeys } from './ceremony/box-keys.ts';
import { hostilePoints, hostileScalars } from './frost/hostile.ts';
import { codeOf, payloadOf, refusalOf, signBytes, spoiltOf, utf8, viewOf } from './support.ts';

let people: readonly Person[];
let charter: Charter;
let epoch: Epoch;
let network: CeremonyNetwork;
let spoken: CeremonyMessage[];
const dev = person('dev');

/** One honest FROST session: every signer commits and signs as its daemon would. */
interface Session {
  readonly request: Request;
  readonly documents: readonly Uint8Array[];
  readonly subject: AttemptSubject;
  readonly commitments: readonly Envelope[];
  readonly shares: readonly Envelope[];
}

beforeAll(async () => {
  ({ people, charter } = writeCharter({ tiers: ['admin', 'admin', 'build'], production: '{ any: 2 }' }));
  network = new CeremonyNetwork(charter, people, await sharedSodium(), seededRandom(21));
  network.run();
  epoch = network.epoch();
  spoken = network.log.map((envelope) => openCeremonyMessage(envelope, charter));
});

function ask(change: Partial<RequestPayload> = {}): Request {
  const payload: RequestPayload = {
    groupKey: epoch.groupKey,
    epoch: epoch.hash,
    kind: 'release',
    channel: 'production',
    formats: ['native'],
    artifacts: [{ name: 'tool.tgz', size: 5, sha256: 'aa'.repeat(32), sha512: 'bb'.repeat(64) }],
    documents: [],
    product: null,
    release: null,
    source: null,
    note: null,
    createdAt: '2026-11-22T08:00:00Z',
    ...change,
  };
  return openRequest(sealMessage(requestMessage, payload, dev));
}

function askForGenesis(): { readonly request: Request; readonly documents: readonly Uint8Array[] } {
  const bytes = genesisOf(epoch);
  const request = ask({
    kind: 'genesis',
    formats: ['genesis'],
    artifacts: [],
    documents: [{ kind: 'genesis', size: bytes.length, sha256: sha256Hex(bytes) }],
  });
  return { request, documents: [bytes] };
}

let counter = 0;
function session(signers: readonly number[], request = ask(), documents: readonly Uint8Array[] = []): Session {
  const channel = epoch.channel('production');
  const {
    formats: [prepared],
  } = prepareRequest({ epoch, request, documents });
  const subject: AttemptSubject = {
    epoch: epoch.hash,
    channelKey: channel.key,
    requestDigest: request.digest,
    stage: 1,
    messages: [sha256Hex(prepared!.message)],
  };
  const { sodium } = network;
  const secrets = signers.map((signer) =>
    network.members[signer - 1]!.shares.get(epoch.certificate.ceremony)!.get('production')!,
  );
  const nonces = secrets.map((secret) => commit(sodium, secret));
  const commitments = signers.map((signer, index) => {
    const { hiding, binding } = nonces[index]!.commitments;
    const payload: CommitmentPayload = {
      ...subject,
      messages: [...subject.messages],
      slot: `${'ab'.repeat(16)}-${(counter += 1)}`,
      commitments: [{ hiding: bytesToHex(hiding), binding: bytesToHex(binding) }],
    };
    return sealMessage(commitmentMessage, payload, people[signer - 1]!);
  });
  const opened = commitments.map((envelope) => openCommitment(envelope, charter));
  const attempt = prepareAttempt(sodium, sessionInput(channel, prepared!.message, opened, 0));
  const shares = signers.map((signer, index) => {
    const scalar = signShare(sodium, attempt, opened[index]!.member.identifier, nonces[index]!, secrets[index]!);
    return share(signer, subject, attemptId(subject, opened), [bytesToHex(encodeShare(scalar))]);
  });
  return { request, documents, subject, commitments, shares };
}

function share(signer: number, subject: AttemptSubject, attempt: string, shares: string[]): Envelope {
  const { epoch: hash, channelKey, requestDigest, stage } = subject;
  const payload: SharePayload = { epoch: hash, channelKey, requestDigest, stage, attempt, shares };
  return sealMessage(shareMessage, payload, people[signer - 1]!);
}

const judge = (evidence: Evidence): Verdict => judgeEvidence(network.sodium, encodeEvidence(evidence).bytes);
const judgeShare = (of: Session, wrong: Envelope): Verdict =>
  judge(wrongShareEvidence(epoch, of.request.envelope, of.documents, of.commitments, wrong));

function wrongShareEvidence(
  epoch: Epoch,
  request: Envelope,
  documents: readonly Uint8Array[],
  commitments: readonly Envelope[],
  share: Envelope,
): Evidence {
  return evidenceOf({ epoch, request, documents, earlier: [], commitments, share });
}

/** What this member said in the ceremony. */
function said(kind: CeremonyKind, name: string): Envelope {
  return spoken.find((message) => message.kind === kind && message.from.name === name)!.envelope;
}

/** Another version of it, as only the member itself could sign it. */
function restated(kind: CeremonyKind, index: number, change: object): Envelope {
  const who = people[index]!;
  return signed(kind, { ...payloadOf(said(kind, who.name)), ...change }, who);
}

function signed(kind: CeremonyKind, payload: object, who: Person): Envelope {
  return signBytes(ceremonyMessageType(kind).payloadType, JSON.stringify(payload), who, who.key);
}

const hellos = (): Envelope[] => people.map(({ name }) => said('hello', name));

describe('a wrong signature share', () => {
  it('is judged by anybody who has the file, who learns what to compare', () => {
    const honest = session([1, 3]);
    const wrong = share(
      3,
      honest.subject,
      attemptId(
        honest.subject,
        honest.commitments.map((one) => openCommitment(one, charter)),
      ),
      ['07'.padEnd(64, '0')],
    );
    expect(judgeShare(honest, wrong)).toEqual({
      culprit: charter.members[2],
      deed: 'signed a signature share that does not fit its attempt',
      group: 'acme',
      charterHash: charter.hash,
      groupLine: epoch.groupLine,
      requestDigest: honest.request.digest,
    });
  });

  it('is judged over documents, too', () => {
    const { request, documents } = askForGenesis();
    const honest = session([1, 2], request, documents);
    const attempt = (payloadOf(honest.shares[0]!) as SharePayload).attempt;
    expect(judgeShare(honest, share(1, honest.subject, attempt, ['07'.padEnd(64, '0')])).culprit.name).toBe('admin-1');
    expect(codeOf(() => judgeShare({ ...honest, documents: [] }, honest.shares[0]!))).toBe('bad-evidence');
  });

  it.each<[string, string[]]>([
    ['of another count', ['07'.padEnd(64, '0'), '07'.padEnd(64, '0')]],
    ...hostileScalars
      .filter(([, bytes]) => bytes.length === 32)
      .map(([name, bytes]): [string, string[]] => [`that is ${name}`, [bytesToHex(bytes)]]),
    ['that is zero', ['00'.repeat(32)]],
  ])('is one %s (T8, T9)', (_name, scalars) => {
    const honest = session([1, 2]);
    const { attempt } = payloadOf(honest.shares[1]!) as SharePayload;
    expect(judgeShare(honest, share(2, honest.subject, attempt, scalars)).culprit.name).toBe('admin-2');
  });

  it('is one of a signer only', () => {
    const honest = session([1, 2]);
    const { attempt } = payloadOf(honest.shares[0]!) as SharePayload;
    expect(
      refusalOf(() => judgeShare(honest, share(3, honest.subject, attempt, ['07'.padEnd(64, '0')]))).message,
    ).toContain('no signer');
  });
});

describe('a bad commitment', () => {
  const bad = (point: string): Verdict => {
    const { commitments } = session([1, 2]);
    const payload = payloadOf(commitments[0]!) as CommitmentPayload;
    const pair = { ...payload.commitments[0]!, binding: point };
    return judge(
      badCommitmentEvidence(charter, sealMessage(commitmentMessage, { ...payload, commitments: [pair] }, people[0]!)),
    );
  };

  it.each(hostilePoints.filter(([name]) => name !== 'a wrong length'))(
    'is one whose point is %s (T8)',
    (_name, points) => {
      for (const point of points.slice(0, 3)) expect(bad(bytesToHex(point)).culprit.name).toBe('admin-1');
    },
  );

  it('is not one whose points are valid', () => {
    for (const envelope of session([1, 2]).commitments)
      expect(codeOf(() => judge(badCommitmentEvidence(charter, envelope)))).toBe('bad-evidence');
  });
});

describe('a ceremony message', () => {
  const changes: [Exclude<CeremonyKind, 'hello' | 'leave'>, object][] = [
    ['commit', { reveal: '00'.repeat(32) }],
    ['reveal', { encryptionKey: '00'.repeat(32) }],
    ['boxes', { boxes: [] }],
    ['transcript', { transcript: '00'.repeat(32) }],
    ['stored', { transcript: '00'.repeat(32) }],
  ];
  it.each(changes)('said in two versions is proof: %s (T13, T16)', (kind, change) => {
    const verdict = judge(viewOf(charter, [said(kind, 'admin-2'), restated(kind, 1, change)]));
    expect(verdict).toMatchObject({
      culprit: { name: 'admin-2' },
      deed: `signed two different ${kind} messages for one ceremony`,
      charterHash: charter.hash,
    });
  });

  it('that leaves a ceremony beside its own `stored` is proof, in either order (T35)', () => {
    const { ceremony } = epoch.certificate;
    const leave = signed('leave', { ceremony, code: 'fault', reason: 'no', suspect: null }, people[2]!);
    for (const messages of [
      [leave, said('stored', 'build-3')],
      [said('stored', 'build-3'), leave],
    ])
      expect(judge(viewOf(charter, messages))).toMatchObject({
        culprit: { name: 'build-3' },
        deed: 'left a ceremony and said that it stored its certificate',
      });
  });

  it('that leaves a ceremony whose transcript it signed, in whatever words, is none (T35)', () => {
    const { ceremony } = epoch.certificate;
    const leave = (reason: string) => signed('leave', { ceremony, code: 'fault', reason, suspect: null }, people[2]!);
    const messages = [leave('one'), leave('two'), said('transcript', 'build-3')];
    expect(codeOf(() => judge(viewOf(charter, messages)))).toBe('bad-evidence');
  });

  it('that stores another transcript than its signer signed is proof', () => {
    const other = restated('stored', 1, { transcript: '00'.repeat(32) });
    expect(judge(viewOf(charter, [said('transcript', 'admin-2'), other])).deed).toBe(
      'signed one transcript and stored another',
    );
  });

  it('that says hello twice with one nonce is proof: it would give one ceremony two transcripts (T13)', () => {
    const hello = payloadOf(said('hello', 'admin-2'));
    const { nonce, ...rest } = hello;
    const respelled = signed('hello', { nonce, ...rest }, people[1]!);
    expect(judge(viewOf(charter, [said('hello', 'admin-2'), respelled])).deed).toContain('two different hellos');
    const anew = signed('hello', { ...hello, nonce: '00'.repeat(32) }, people[1]!);
    expect(codeOf(() => judge(viewOf(charter, [said('hello', 'admin-2'), anew])))).toBe('bad-evidence');
  });

  it.each(smallOrderBoxKeys)('that reveals a one-time key of small order is proof: %s (T17)', (key) => {
    expect(judge(viewOf(charter, [restated('reveal', 0, { encryptionKey: key })])).deed).toContain('small order');
  });

  it('that sends boxes to others than it deals to is proof, with the hellos that name its charter', () => {
    const { boxes } = payloadOf(said('boxes', 'admin-1')) as { boxes: object[] };
    for (const wrong of [[], boxes.slice(1), boxes.toReversed(), [...boxes, boxes[0]!]]) {
      const message = restated('boxes', 0, { boxes: wrong });
      expect(judge(viewOf(charter, [message, ...hellos()])).deed).toContain('boxes for other members');
      expect(codeOf(() => judge(viewOf(charter, [message])))).toBe('bad-evidence');
    }
  });

  it('that proves no share, or a wrong one, is proof beside the transcript that it signed (T13)', () => {
    const { transcript } = epoch.certificate;
    const [honest] = (payloadOf(said('transcript', 'admin-1')) as CeremonyPayload<'transcript'>).proofs;
    for (const proofs of [[], [{ ...honest!, proof: honest!.proof.slice(0, 64) + '07'.padEnd(64, '0') }]]) {
      const message = restated('transcript', 0, { proofs });
      expect(judge(viewOf(charter, [message], transcript)).deed).toContain('a wrong proof');
      // Without the transcript, or beside another one, it says nothing.
      expect(codeOf(() => judge(viewOf(charter, [message])))).toBe('bad-evidence');
      const other = { ...transcript, requesters: '00'.repeat(32) };
      expect(codeOf(() => judge(viewOf(charter, [message], other)))).toBe('bad-evidence');
    }
    expect(codeOf(() => judge(viewOf(charter, [said('transcript', 'admin-1')], transcript)))).toBe('bad-evidence');
  });

  it('that reveals something else than was committed to is proof (T15)', () => {
    const other = restated('reveal', 0, { encryptionKey: '00'.repeat(32) });
    expect(judge(viewOf(charter, [said('commit', 'admin-1'), other])).deed).toContain(
      'something else than it had committed to',
    );
  });

  const dealings: [string, (one: { commitments: string[]; proof: string }) => object][] = [
    ['a commitment too many', ({ commitments }) => ({ commitments: [...commitments, commitments[0]!] })],
    ['a commitment too few', ({ commitments }) => ({ commitments: commitments.slice(1) })],
    ['the identity', ({ commitments }) => ({ commitments: commitments.with(1, '01'.padEnd(64, '0')) })],
    ['commitments in another order', ({ commitments }) => ({ commitments: commitments.toReversed() })],
    ['a wrong proof', ({ proof }) => ({ proof: proof.slice(0, 64) + '07'.padEnd(64, '0') })],
    ['another sharing', () => ({ sharing: 1 })],
  ];
  it.each(dealings)('that deals %s is proof, with the hellos that name its charter (T14, T15)', (_name, change) => {
    const honest = payloadOf(said('reveal', 'admin-1')) as { dealings: { commitments: string[]; proof: string }[] };
    const reveal = restated('reveal', 0, { dealings: honest.dealings.map((one) => ({ ...one, ...change(one) })) });
    const commit_ = restated('commit', 0, { reveal: sha256Hex(Buffer.from(reveal.payload, 'base64')) });
    expect(judge(viewOf(charter, [commit_, reveal, ...hellos()])).deed).toContain('dealt wrongly');
    expect(codeOf(() => judge(viewOf(charter, [commit_, reveal])))).toBe('bad-evidence');
  });
});

describe('an honest member cannot be framed', () => {
  it('by any of its shares with any commitments of any attempt, under any request (T6, T9)', () => {
    const [first, other] = [ask(), ask({ note: 'another round' })];
    const sessions = [session([1, 2], first), session([1, 3], first), session([1, 2], other)];
    const held = [1, 2, 3].map((signer) =>
      sessions.flatMap(({ commitments }) =>
        commitments.filter((one) => Number(openCommitment(one, charter).member.identifier) === signer),
      ),
    );
    // Every list of two signers' commitments, each out of any attempt, and lists that are no qualified set at all.
    const pairs = [
      [0, 1],
      [0, 2],
      [1, 2],
    ].flatMap(([a, b]) => held[a!]!.flatMap((one) => held[b!]!.map((two) => [one, two])));
    const lists = [...pairs, held.flat(), held[0]!, held[0]!.slice(0, 2), held[0]!.slice(0, 1)];
    let judged = 0;
    for (const { shares } of sessions) {
      for (const envelope of shares) {
        for (const commitments of lists) {
          judged += 1;
          expect(codeOf(() => judge(wrongShareEvidence(epoch, first.envelope, [], commitments, envelope)))).toBe(
            'bad-evidence',
          );
        }
        expect(
          codeOf(() => judge(wrongShareEvidence(epoch, other.envelope, [], sessions[2]!.commitments, envelope))),
        ).toBe('bad-evidence');
      }
    }
    expect(judged).toBeGreaterThan(80);
  });

  it('by its share under a commitment that its co-signer changed afterwards, or that holds no point (T6)', () => {
    const honest = session([1, 2]);
    const payload = payloadOf(honest.commitments[1]!) as CommitmentPayload;
    const [pair] = payload.commitments;
    for (const changed of [
      { ...pair!, hiding: pair!.binding },
      { ...pair!, hiding: '01'.padEnd(64, '0') },
    ]) {
      const later = sealMessage(commitmentMessage, { ...payload, commitments: [changed] }, people[1]!);
      expect(
        codeOf(() => judgeShare({ ...honest, commitments: [honest.commitments[0]!, later] }, honest.shares[0]!)),
      ).toBe('bad-evidence');
    }
  });

  it('by its share with another epoch, another request or another document in the file (T5)', () => {
    const { request, documents } = askForGenesis();
    const honest = session([1, 2], request, documents);
    const [mine] = honest.shares;
    const foreignCharter = { charter: encodeBase64(utf8(`${new TextDecoder().decode(charter.bytes)}# x\n`)) };
    const foreign: Evidence[] = [
      wrongShareEvidence(epoch, ask().envelope, [], honest.commitments, mine!),
      wrongShareEvidence(epoch, request.envelope, [utf8('{}')], honest.commitments, mine!),
      wrongShareEvidence(epoch, request.envelope, [...documents, ...documents], honest.commitments, mine!),
      wrongShareEvidence(
        epoch,
        sealMessage(requestMessage, request.payload, people[1]!),
        documents,
        honest.commitments,
        mine!,
      ),
      { ...wrongShareEvidence(epoch, request.envelope, documents, honest.commitments, mine!), ...foreignCharter },
    ];
    for (const evidence of foreign) expect(codeOf(() => judge(evidence))).toBe('bad-evidence');
  });

  it('by two commitments under one slot: those are no evidence', () => {
    const [first, second] = [session([1, 2]).commitments[0]!, session([1, 2]).commitments[0]!];
    const slot = (payloadOf(first) as CommitmentPayload).slot;
    const twin = sealMessage(commitmentMessage, { ...(payloadOf(second) as CommitmentPayload), slot }, people[0]!);
    expect(codeOf(() => judge(viewOf(charter, [first, twin])))).toBe('bad-evidence');
    expect(codeOf(() => judge(badCommitmentEvidence(charter, twin)))).toBe('bad-evidence');
  });

  it('by any two messages that it said in this ceremony and in others (T13)', () => {
    // It is a second ceremony of the same people, of whom one restarted before it signed the transcript of the first.
    const again = new CeremonyNetwork(charter, people, network.sodium, seededRandom(22), {
      tick: (net) => {
        if (crashed || !net.log.some((envelope) => envelope.payloadType.includes('boxes'))) return;
        crashed = true;
        net.crash(net.members[1]!);
        net.restart(net.members[1]!);
      },
    });
    let crashed = false;
    again.run();
    const all = [...spoken, ...again.log.map((envelope) => openCeremonyMessage(envelope, charter))];
    expect(crashed).toBe(true);
    expect(again.activated()).toHaveLength(3);
    expect(all.some(({ kind }) => kind === 'leave')).toBe(true);
    // Each message is held against each, under the hellos of either ceremony.
    for (const who of people) {
      const own = all.filter(({ from }) => from.name === who.name).map(({ envelope }) => envelope);
      expect(own.length).toBeGreaterThan(8);
      const others = again.log.filter(({ payloadType }) => payloadType.includes('hello'));
      for (const shown of [hellos(), others])
        expect(codeOf(() => judge(viewOf(charter, [...shown, ...own], epoch.certificate.transcript)))).toBe(
          'bad-evidence',
        );
    }
    const [a, b] = [said('commit', 'admin-1'), said('reveal', 'admin-2')];
    expect(codeOf(() => judge(viewOf(charter, [a, b])))).toBe('bad-evidence');
  });

  it('by its right dealing under a charter that it never joined', () => {
    const text = new TextDecoder().decode(charter.bytes);
    const [one, two, three] = text.split('\n').filter((line) => line.startsWith('  - ')) as [string, string, string];
    const charters = [
      text.replace('any: 2', 'any: 3'),
      text.replace('production: { quorum: { any: 2 }', 'production: { quorum: { admin: 1, build: 1 }'),
      text.replace(`${one}\n${two}`, `${two}\n${one}`),
      text.replace(`${three}\n`, ''),
      text.replace('channels:\n', 'channels:\n  nightly: { quorum: { any: 1 } }\n'),
    ].map((other) => decodeCharter(utf8(other)));
    expect(new Set(charters.map(({ hash }) => hash)).size).toBe(5);
    for (const foreign of charters) {
      const forged = foreign.members.map((member) => {
        const hello = payloadOf(said('hello', member.name));
        // Everybody but the victim helps to forge; a hello of the victim's is only what it really said.
        const who = people.find((candidate) => candidate.key === member.key)!;
        return member.name === 'admin-1'
          ? said('hello', 'admin-1')
          : signed('hello', { ...hello, charter: foreign.hash }, who);
      });
      for (const shown of [[], forged, foreign.members.map(({ name }) => said('hello', name)), hellos()]) {
        const evidence = viewOf(foreign, [said('commit', 'admin-1'), said('reveal', 'admin-1'), ...shown]);
        expect(codeOf(() => judge(evidence))).toBe('bad-evidence');
      }
    }
  });
});

describe('an evidence file', () => {
  const wrong = (): { evidence: Evidence; bytes: Uint8Array; hash: string } => {
    const honest = session([1, 2]);
    const { attempt } = payloadOf(honest.shares[1]!) as SharePayload;
    const bad = share(2, honest.subject, attempt, ['07'.padEnd(64, '0')]);
    const evidence = wrongShareEvidence(epoch, honest.request.envelope, [], honest.commitments, bad);
    return { evidence, ...encodeEvidence(evidence) };
  };

  it('is canonical JSON under its SHA-256', () => {
    const { evidence, bytes, hash } = wrong();
    expect(new TextDecoder().decode(bytes)).toBe(JSON.stringify(evidence));
    expect(hash).toBe(sha256Hex(bytes));
  });

  it('proves nothing against anybody else when anything in it is changed', () => {
    for (const { at, value } of spoiltOf(wrong().evidence)) {
      expect(
        codeOf(() => judgeEvidence(publicGroup, encodeCanonicalJson(value))),
        at,
      ).toBe('bad-evidence');
    }
  });

  it('is refused in any spelling but one, in lax base64, and past its bytes', () => {
    const { evidence, bytes } = wrong();
    const text = new TextDecoder().decode(bytes);
    for (const spelled of [
      `${text}\n`,
      text.replace('{', '{ '),
      text.replace('{', '{"kind":"wrong-share",'),
      text.slice(0, -1),
      '',
    ])
      expect(codeOf(() => judgeEvidence(publicGroup, utf8(spelled)))).toBe('bad-evidence');
    for (const loosen of [
      (base64: string) => `${base64}=`,
      (base64: string) => `${base64} `,
      (base64: string) => `A${base64}`,
    ]) {
      const lax = { ...evidence, charter: loosen(encodeBase64(charter.bytes)) };
      expect(codeOf(() => judgeEvidence(publicGroup, encodeCanonicalJson(lax)))).toBe('bad-evidence');
    }
    expect(codeOf(() => judgeEvidence(publicGroup, new Uint8Array(maxEvidenceBytes + 1)))).toBe('bad-evidence');
  });

  it('is of a kind that there is', () => {
    for (const value of [
      {},
      { kind: 'silence' },
      { kind: 'toString' },
      { kind: null },
      { kind: ['ceremony'] },
      [],
      null,
      'ceremony',
    ])
      expect(refusalOf(() => judgeEvidence(publicGroup, encodeCanonicalJson(value))).message).toContain(
        'no evidence of kind',
      );
  });
});
