/** Requests: their names, their shape, who may ask, who is kept out, and how long they live. */
import { describe, expect, it } from 'vitest';
import { sha256Hex } from '../../../protocol/wire/bytes.ts';
import { sealMessage } from '../../../protocol/wire/envelope.ts';
import { maxArtifacts, maxDocumentBytes } from '../../../protocol/limits.ts';
import {
  assertDocument,
  cancelMessage,
  openRequest,
  requestDigest,
  requestMessage,
  submissionId,
  type Request,
  type RequestKind,
  type RequestPayload,
} from '../../../protocol/request/request.ts';
import { person, type Person } from '../../harness/people.ts';
import { codeOf, signBytes, spoiltOf, utf8 } from '../support.ts';

const alice = person('alice');
const [dev, ann, eve] = [person('dev'), person('ann'), person('eve')];
const digest = (letter: string): string => letter.repeat(64);

const release: RequestPayload = {
  groupKey: eve.key,
  epoch: digest('c'),
  kind: 'release',
  channel: 'production',
  formats: ['native'],
  artifacts: [{ name: 'tool-1.0.0.tgz', size: 5, sha256: digest('a'), sha512: digest('b').repeat(2) }],
  documents: [],
  product: 'tool',
  release: '1.0.0',
  source: { repo: 'https://example.org/tool.git', ref: 'refs/tags/v1.0.0', commit: '01'.repeat(20) },
  note: 'first',
  createdAt: '2026-11-22T08:00:00Z',
};
const createdAt = Date.parse(release.createdAt) / 1000;

function documentOf(kind: RequestKind): RequestPayload {
  return {
    ...release,
    kind,
    formats: [kind],
    artifacts: [],
    documents: [{ kind, size: 10, sha256: digest('d') }],
    product: null,
    release: null,
    source: null,
  };
}

const ask = (payload: object, who: Person = dev): Request =>
  openRequest(signBytes(requestMessage.payloadType, JSON.stringify(payload), who, who.key));

describe('a request', () => {
  it('is whoever signed it asking, under a digest over asker and exact payload', () => {
    const request = openRequest(sealMessage(requestMessage, release, dev));
    expect(request).toMatchObject({ asker: dev.key, payload: release, createdAtUnixSeconds: createdAt });
    expect(request.digest).toBe(requestDigest(dev.key, utf8(JSON.stringify(release))));
  });

  it('has another digest for another asker, and for any other payload (T5)', () => {
    const variants = [
      ask(release),
      ask(release, ann),
      ask({ ...release, note: null }),
      ask({ ...release, channel: 'development' }),
      ask({ ...release, createdAt: '2026-11-22T08:00:01Z' }),
      ask({ ...release, groupKey: ann.key }),
      ask(Object.fromEntries(Object.entries(release).reverse())),
    ];
    expect(new Set(variants.map((request) => request.digest)).size).toBe(variants.length);
    expect(ask(release).digest).toBe(ask(release).digest);
  });

  it('is the same submission at another time, and only then', () => {
    const id = submissionId(ask(release));
    expect(submissionId(ask({ ...release, createdAt: '2027-01-01T00:00:00Z' }))).toBe(id);
    expect(submissionId(ask(release, ann))).not.toBe(id);
    const others: Partial<RequestPayload>[] = [
      { groupKey: ann.key },
      { epoch: digest('e') },
      { channel: 'development' },
      { formats: ['native', 'other'] },
      { artifacts: [{ ...release.artifacts[0]!, name: 'tool-1.0.1.tgz' }] },
      { artifacts: [{ ...release.artifacts[0]!, size: 6 }] },
      { artifacts: [{ ...release.artifacts[0]!, sha256: digest('f') }] },
      { artifacts: [{ ...release.artifacts[0]!, sha512: digest('f').repeat(2) }] },
      { product: 'other' },
      { release: null },
      { source: null },
      { source: { ...release.source!, commit: '02'.repeat(20) } },
      { note: null },
    ];
    expect(new Set([id, ...others.map((change) => submissionId(ask({ ...release, ...change })))]).size).toBe(
      others.length + 1,
    );
    expect(submissionId(ask(documentOf('requesters')))).not.toBe(submissionId(ask(documentOf('delegation'))));
  });

  it.each<[string, Partial<Record<keyof RequestPayload, unknown>>]>([
    ['no artifact', { artifacts: [] }],
    ['a document beside its artifacts', { documents: documentOf('genesis').documents }],
    [
      'two artifacts of one name',
      { artifacts: [release.artifacts[0], { ...release.artifacts[0], sha256: digest('f') }] },
    ],
    ['one artifact twice', { artifacts: [release.artifacts[0], release.artifacts[0]] }],
    [
      'too many artifacts',
      {
        artifacts: Array.from({ length: maxArtifacts + 1 }, (_, index) => ({
          ...release.artifacts[0],
          name: `file-${index}`,
        })),
      },
    ],
    ['an artifact of negative size', { artifacts: [{ ...release.artifacts[0], size: -1 }] }],
    ['an artifact of a size past exact integers', { artifacts: [{ ...release.artifacts[0], size: 2 ** 53 }] }],
    ['an artifact of no SHA-512', { artifacts: [{ ...release.artifacts[0], sha512: undefined }] }],
    ['a digest in capitals', { artifacts: [{ ...release.artifacts[0], sha256: digest('A') }] }],
    ['a kind that nobody signs', { kind: 'raw' }],
    ['a kind that is a built-in name', { kind: 'constructor' }],
    ['no format', { formats: [] }],
    ['one format twice', { formats: ['native', 'native'] }],
    ['a channel that is no name', { channel: 'Production' }],
    ['a group key of 42 characters', { groupKey: eve.key.slice(1) }],
    ['a commit that is none', { source: { repo: null, ref: null, commit: 'main' } }],
    ['a source without a commit', { source: { repo: null, ref: null } }],
    ['an empty product', { product: '' }],
    ['a product past its bound', { product: 'p'.repeat(129) }],
    ['a note past its bound', { note: 'n'.repeat(2001) }],
    ['no note where null is meant', { note: undefined }],
    ['the 30th of February', { createdAt: '2026-02-30T00:00:00Z' }],
    ['a time with a fraction', { createdAt: '2026-11-22T08:00:00.000Z' }],
    ['a time that is a number', { createdAt: createdAt }],
  ])('is refused with %s', (_name, change) => {
    expect(codeOf(() => ask({ ...release, ...change }))).toBe('bad-request');
  });

  it.each(['.', '..', 'a/b', '../a', '/etc/passwd', 'a\\b', 'a\nb', 'a\u0000', 'n'.repeat(256), '\u00e9'.repeat(128)])(
    'is refused with an artifact named %j',
    (name) => {
      expect(codeOf(() => ask({ ...release, artifacts: [{ ...release.artifacts[0]!, name }] }))).toBe('bad-request');
    },
  );

  it('is refused with any field left out or added', () => {
    for (const { at, value } of spoiltOf(release).filter(({ at: where }) => /left out$|extra$/.test(where)))
      expect(
        codeOf(() => ask(value as object)),
        at,
      ).toBe('bad-request');
  });
});

describe('a request for a document', () => {
  const kinds = ['genesis', 'requesters', 'delegation'] as const;

  it.each(kinds)('for %s has exactly that document, and is signed on production', (kind) => {
    expect(ask(documentOf(kind), alice).payload.documents).toHaveLength(1);
    const document = documentOf(kind).documents[0]!;
    const wrong: Partial<Record<keyof RequestPayload, unknown>>[] = [
      { documents: [] },
      { documents: [document, document] },
      ...kinds.filter((other) => other !== kind).map((other) => ({ documents: [{ ...document, kind: other }] })),
      { documents: [{ ...document, kind: 'text' }] },
      { documents: [{ ...document, size: 0 }] },
      { documents: [{ ...document, size: maxDocumentBytes + 1 }] },
      { artifacts: release.artifacts },
      { channel: 'development' },
      { product: 'tool' },
      { release: '1.0.0' },
      { source: release.source },
    ];
    for (const change of wrong)
      expect(codeOf(() => ask({ ...documentOf(kind), ...change }, alice))).toBe('bad-request');
  });

  it('is signed over all bytes of it: others of the same length, more or fewer are refused (T10)', () => {
    const bytes = utf8('0123456789');
    const entry = { kind: 'genesis', size: bytes.length, sha256: sha256Hex(bytes) };
    expect(() => assertDocument(entry, bytes)).not.toThrow();
    for (const other of ['0123456788', '012345678', '01234567890', ''])
      expect(codeOf(() => assertDocument(entry, utf8(other)))).toBe('bad-document');
    expect(codeOf(() => assertDocument({ ...entry, size: 9 }, bytes))).toBe('bad-document');
  });
});

describe('a cancellation', () => {
  it('is for one request of one group, and no request', () => {
    const envelope = sealMessage(cancelMessage, { groupKey: eve.key, requestDigest: digest('d') }, dev);
    expect(codeOf(() => openRequest(envelope))).toBe('bad-envelope');
  });
});
