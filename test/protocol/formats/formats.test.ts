/** Formats: the closed list of what a quorum signs, and the bytes that follow from a request. */
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeBase64Url } from '../../../verifier/base64.ts';
import { encodeBundle } from '../../../verifier/bundle.ts';
import { delegationPayloadType } from '../../../verifier/delegation.ts';
import { preAuthEncoding, type Envelope } from '../../../verifier/dsse.ts';
import { VerifyError } from '../../../verifier/errors.ts';
import { encodeCanonicalJson } from '../../../verifier/json.ts';
import { decodeStatement, statementPayloadType } from '../../../verifier/statement.ts';
import { verifyRelease, type ReleaseQuestion } from '../../../verifier/verify.ts';
import { sha256Hex } from '../../../protocol/wire/bytes.ts';
import { sealMessage } from '../../../protocol/wire/envelope.ts';
import { delegationOf, genesisMessage, genesisOf } from '../../../protocol/ceremony/founding.ts';
import { formatNames, formatOf, prepareRequest } from '../../../protocol/formats/index.ts';
import {
  openRequest,
  requestKinds,
  requestMessage,
  type Request,
  type RequestKind,
  type RequestPayload,
} from '../../../protocol/request/request.ts';
import { emptyRequesters, requestersMessage } from '../../../protocol/files/requesters.ts';
import { person } from '../../harness/people.ts';
import { liveGroup, releaseRequest, RoundNetwork, type LiveGroup } from '../../harness/round-network.ts';
import { seededRandom } from '../../harness/random.ts';
import { goldenMessages } from '../golden.ts';
import { codeOf, flipped, refusalOf, spoiltOf } from '../support.ts';

const kinds = ['genesis', 'requesters', 'delegation'] as const;
type DocumentKind = (typeof kinds)[number];
const createdAt = '2026-11-22T08:00:00Z';
const createdAtUnixSeconds = Date.parse(createdAt) / 1000;

let group: LiveGroup;
/** The right document of each kind. */
let right: Readonly<Record<DocumentKind, Uint8Array>>;

beforeAll(async () => {
  group = await liveGroup({
    tiers: ['admin', 'admin', 'build'],
    production: '{ any: 2 }',
    development: '{ build: 1 }',
  });
  right = {
    genesis: genesisOf(group.epoch),
    requesters: emptyRequesters(group.epoch.charter).bytes,
    delegation: delegationOf(group.epoch, 'development', createdAtUnixSeconds),
  };
});

function askFor(kind: DocumentKind, document: Uint8Array, change: Partial<RequestPayload> = {}): Request {
  return releaseRequest(group, 'production', {
    kind,
    formats: [kind],
    artifacts: [],
    documents: [{ kind, size: document.length, sha256: sha256Hex(document) }],
    product: null,
    release: null,
    ...change,
  });
}
const messageFor = (request: Request, documents: readonly Uint8Array[] = []): Uint8Array =>
  prepareRequest({ epoch: group.epoch, request, documents }).formats[0]!.message;
const signedFor = (kind: DocumentKind, document: Uint8Array): Uint8Array =>
  messageFor(askFor(kind, document), [document]);
const parsed = (bytes: Uint8Array): Record<string, unknown> =>
  JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;

describe('the list of formats', () => {
  it('is closed, and has no raw kind (T10)', () => {
    expect(Object.fromEntries(requestKinds.map((kind) => [kind, formatNames(kind).sort()]))).toEqual({
      release: ['minisign', 'native', 'openpgp', 'openpgp-cleartext', 'ssh'],
      genesis: ['genesis'],
      requesters: ['requesters'],
      delegation: ['delegation'],
      'openpgp-certificate': ['openpgp-certificate'],
      'openpgp-back-signature': ['openpgp-back-signature'],
      'openpgp-subkey': ['openpgp-subkey'],
      'openpgp-revocation': ['openpgp-revocation'],
      'ssh-certificate': ['ssh-certificate'],
      succession: ['succession'],
      status: ['openpgp-revocation', 'ssh-revocation', 'status'],
      consent: ['consent'],
      endorsement: ['endorsement', 'minisign-endorsement', 'openpgp-endorsement', 'ssh-endorsement'],
    });
    expect(formatNames('raw' as RequestKind)).toEqual([]);
  });

  it('knows a format for its own kind of request only (T10)', () => {
    const names = [
      ...requestKinds.flatMap(formatNames),
      'raw',
      'text',
      'digest',
      'sha512',
      '',
      'Native',
      'toString',
      '__proto__',
    ];
    for (const kind of requestKinds)
      for (const name of names.filter((candidate) => !formatNames(kind).includes(candidate))) {
        expect(
          codeOf(() => formatOf(name, kind)),
          `${name} for a ${kind}`,
        ).toBe('unknown-format');
        expect(refusalOf(() => formatOf(name, kind)).message).toContain(formatNames(kind).join(', '));
      }
  });

  it('is what a request chooses from: a request for any other prepares nothing (T10)', () => {
    for (const formats of [['raw'], ['native', 'raw'], ['genesis'], ['native', 'delegation']])
      expect(codeOf(() => messageFor(releaseRequest(group, 'production', { formats })))).toBe('unknown-format');
  });

  it('signs nothing that an identity signs, and nothing but pre-authentication encodings (T10)', () => {
    const types = [
      [statementPayloadType, messageFor(releaseRequest(group, 'production'))],
      ...kinds.map((kind) => [
        {
          genesis: genesisMessage.payloadType,
          requesters: requestersMessage.payloadType,
          delegation: delegationPayloadType,
        }[kind],
        signedFor(kind, right[kind]),
      ]),
    ] as [string, Uint8Array][];
    const identities = [
      ...goldenMessages(group.epoch).map(({ type }) => type.payloadType),
      'application/vnd.frostmark.card.v1+json',
    ];
    expect(new Set([...types.map(([type]) => type), ...identities]).size).toBe(types.length + identities.length);
    for (const [type, message] of types) {
      const head = `DSSEv1 ${type.length} ${type} `;
      expect(new TextDecoder().decode(message).startsWith(head)).toBe(true);
      // No other container's message is as long as a digest and begins like this.
      expect(message.length).toBeGreaterThan(64);
    }
  });
});

describe('a document', () => {
  const refused = ['bad-document', 'bad-requesters', 'unknown-channel'];
  it.each(kinds)('of its own kind is signed as it is: %s', (kind) => {
    const type = {
      genesis: genesisMessage.payloadType,
      requesters: requestersMessage.payloadType,
      delegation: delegationPayloadType,
    }[kind];
    expect(signedFor(kind, right[kind])).toEqual(preAuthEncoding(type, right[kind]));
  });

  const pairs = kinds.flatMap((kind) =>
    [...kinds, 'statement' as const].filter((other) => other !== kind).map((other) => [other, kind] as const),
  );
  it.each(pairs)('of kind %s sent as %s is refused (T10)', (other, kind) => {
    const bytes = other === 'statement' ? statementOf(releaseRequest(group, 'production')) : right[other];
    expect(codeOf(() => signedFor(kind, bytes))).toBe(kind === 'requesters' ? 'bad-requesters' : 'bad-document');
  });

  it.each(kinds)('is refused with any field changed, left out, doubled or added: %s', (kind) => {
    for (const { at, value } of spoiltOf(parsed(right[kind]))) {
      // Another version is another document, and a right one.
      if (kind === 'requesters' && at === '/version') continue;
      expect(refused, at).toContain(codeOf(() => signedFor(kind, encodeCanonicalJson(value))));
    }
  });

  it('is refused in another spelling, although it says the same', () => {
    for (const kind of kinds) {
      const spaced = new TextEncoder().encode(`${new TextDecoder().decode(right[kind])}\n`);
      expect(refused).toContain(codeOf(() => signedFor(kind, spaced)));
    }
  });

  it('is refused when it is not the one that was asked for, or not there (T10)', () => {
    for (const kind of kinds) {
      const request = askFor(kind, right[kind]);
      for (const documents of [
        [],
        [right[kind], right[kind]],
        [flipped(right[kind], 3)],
        [right[kind].slice(1)],
        [new Uint8Array()],
      ])
        expect(codeOf(() => messageFor(request, documents))).toBe('bad-document');
    }
  });

  it('is alone: a release takes none', () => {
    expect(codeOf(() => messageFor(releaseRequest(group, 'production'), [right.genesis]))).toBe('bad-document');
  });
});

describe('genesis', () => {
  it('says certificate, charter and all public keys', () => {
    const { epoch } = group;
    expect(parsed(right.genesis)).toEqual({
      group: 'acme',
      groupKey: epoch.groupKey,
      epoch: epoch.hash,
      charter: epoch.charter.hash,
      channels: [
        { channel: 'production', key: epoch.groupKey },
        { channel: 'development', key: epoch.channel('development').key },
      ],
    });
  });

  it('of another group is refused', async () => {
    const other = await liveGroup({ tiers: ['admin', 'admin'], production: '{ any: 2 }' });
    expect(codeOf(() => signedFor('genesis', genesisOf(other.epoch)))).toBe('bad-document');
  });
});

describe('a delegation', () => {
  const change = (fields: object): Uint8Array => encodeCanonicalJson({ ...parsed(right.delegation), ...fields });

  it('lives from the request’s time for the charter’s validity', () => {
    expect(parsed(right.delegation)).toEqual({
      groupKey: group.epoch.groupKey,
      channel: 'development',
      channelKey: group.epoch.channel('development').key,
      from: createdAt,
      until: '2027-02-20T08:00:00Z',
    });
  });

  it.each<[string, () => Uint8Array]>([
    ['that ends a second later', () => change({ until: '2027-02-20T08:00:01Z' })],
    ['that ends a second earlier', () => change({ until: '2027-02-20T07:59:59Z' })],
    ['that begins earlier', () => change({ from: '2026-11-22T07:59:59Z' })],
    ['that ends before it begins', () => change({ until: '2026-11-22T07:00:00Z' })],
    ['of another key', () => change({ channelKey: person('eve').key })],
    ['of the group key to itself', () => change({ channelKey: group.epoch.groupKey })],
    ['of a weak key', () => change({ channelKey: encodeBase64Url(Uint8Array.from([1, ...new Uint8Array(31)])) })],
    ['of production', () => change({ channel: 'production' })],
    ['of another group', () => change({ groupKey: person('eve').key })],
    ['made for a request of another time', () => delegationOf(group.epoch, 'development', createdAtUnixSeconds + 1)],
  ])('%s is refused (T21)', (_name, document) => {
    expect(codeOf(() => signedFor('delegation', document()))).toBe('bad-document');
  });

  it('of a channel that the group does not have is refused', () => {
    expect(codeOf(() => signedFor('delegation', change({ channel: 'nightly' })))).toBe('unknown-channel');
  });

  it('is never made for production, nor past the last year that can be written', () => {
    expect(codeOf(() => delegationOf(group.epoch, 'production', createdAtUnixSeconds))).toBe('bad-document');
    expect(codeOf(() => delegationOf(group.epoch, 'development', Date.parse('9999-12-31T00:00:00Z') / 1000))).toBe(
      'bad-document',
    );
  });
});

function statementOf(request: Request): Uint8Array {
  return prepareRequest({ epoch: group.epoch, request, documents: [] }).formats[0]!.state['payload'] as Uint8Array;
}

describe('the native statement', () => {
  it('says what the request says, but for requester and note', () => {
    const source = { repo: 'https://example.org/tool.git', ref: null, commit: '5c'.repeat(20) };
    const request = releaseRequest(group, 'development', { source, note: 'a secret word' });
    const { epoch } = group;
    expect(decodeStatement(statementOf(request))).toEqual({
      subjects: request.payload.artifacts.map(({ name, sha256 }) => ({ name, sha256 })),
      groupKey: epoch.channel('production').point.bytes,
      channel: 'development',
      product: 'tool',
      release: '1.0.0',
      requestDigest: request.digest,
      source,
      createdAt,
    });
    expect(new TextDecoder().decode(statementOf(request))).not.toContain('secret');
  });

  it('is a pure function of the request: the same for every signer, another for any other request (T5)', () => {
    const [artifact] = releaseRequest(group, 'production').payload.artifacts;
    const changes: Partial<RequestPayload>[] = [
      {},
      { channel: 'development' },
      { artifacts: [{ ...artifact!, name: 'tool.tgz' }] },
      { artifacts: [{ ...artifact!, size: 6 }] },
      { artifacts: [{ ...artifact!, sha256: 'ab'.repeat(32) }] },
      { artifacts: [{ ...artifact!, sha512: 'ab'.repeat(64) }] },
      { artifacts: [artifact!, { ...artifact!, name: 'second' }] },
      { artifacts: [{ ...artifact!, name: 'second' }, artifact!] },
      { product: null },
      { release: '1.0.1' },
      { source: { repo: null, ref: null, commit: '5c'.repeat(20) } },
      { note: 'for whom' },
      { createdAt: '2026-11-22T08:00:01Z' },
    ];
    const requests = changes.map((one) => releaseRequest(group, 'production', one));
    const messages = requests.map((request) => Buffer.from(messageFor(request)).toString('hex'));
    expect(
      requests.map((request) =>
        Buffer.from(messageFor(openRequest(structuredClone(request.envelope)))).toString('hex'),
      ),
    ).toEqual(messages);
    expect(new Set(messages).size).toBe(messages.length);
    // Another asker of the same is another request.
    const asked = openRequest(sealMessage(requestMessage, requests[0]!.payload, person('ann')));
    expect(messages).not.toContain(Buffer.from(messageFor(asked)).toString('hex'));
  });

  it('is made for this group and key epoch only (T5)', () => {
    expect(codeOf(() => messageFor(releaseRequest(group, 'production', { groupKey: person('eve').key })))).toBe(
      'wrong-group',
    );
    expect(codeOf(() => messageFor(releaseRequest(group, 'production', { epoch: '00'.repeat(32) })))).toBe(
      'wrong-epoch',
    );
    expect(
      codeOf(() => messageFor(askFor('genesis', right.genesis, { epoch: '00'.repeat(32) }), [right.genesis])),
    ).toBe('wrong-epoch');
  });

  it.each<[string, Partial<RequestPayload>]>([
    ['a line break in the product', { product: 'tool\nrelease: 2' }],
    ['a control character in the release', { release: '1.0\u0007' }],
    ['a product of too many bytes', { product: '\u{1f4e6}'.repeat(64) }],
    ['a line break in the repository', { source: { repo: 'a\nb', ref: null, commit: '5c'.repeat(20) } }],
  ])('is refused for %s, as the verifier would refuse it', (_name, change) => {
    expect(codeOf(() => messageFor(releaseRequest(group, 'production', change)))).toBe('bad-request');
  });
});

describe('the finished file', () => {
  let bundle: Uint8Array;
  let question: ReleaseQuestion;
  beforeAll(() => {
    const network = new RoundNetwork(group, releaseRequest(group, 'production'), seededRandom(5));
    for (const signer of network.signers) network.connect(signer);
    for (const { identifier } of network.signers) network.decide(identifier, 'approve');
    network.settle();
    const [prepared] = network.prepared.formats;
    const file = formatOf('native', 'release').finish(prepared!.state, network.signatures![0]!);
    bundle = encodeBundle({ statement: JSON.parse(new TextDecoder().decode(file)) as Envelope, delegation: null });
    const [artifact] = network.request.payload.artifacts;
    question = {
      bundle,
      groupKey: group.epoch.channel('production').point.bytes,
      channel: 'production',
      at: createdAtUnixSeconds,
      sha256: artifact!.sha256,
      name: artifact!.name,
    };
  });

  it('of a quorum is accepted by the verifier', () => {
    expect(verifyRelease(question).subject.name).toBe('tool-1.0.0.tgz');
  });

  it('is refused with any one byte changed (T20)', () => {
    for (let index = 0; index < bundle.length; index += 1)
      expect(() => verifyRelease({ ...question, bundle: flipped(bundle, index) }), `byte ${index}`).toThrow(
        VerifyError,
      );
  });

  it('of production is no development release (T21)', () => {
    expect(() => verifyRelease({ ...question, channel: 'development' })).toThrow(VerifyError);
  });
});
