import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { encodeBase64Url } from '../../verifier/base64.ts';
import type { Envelope } from '../../verifier/dsse.ts';
import { encodeCanonicalJson } from '../../verifier/json.ts';
import { compareSemVer, parseSemVer } from '../../verifier/semver.ts';
import {
  assertNotRevoked,
  decodeStatus,
  encodeStatus,
  openStatusFile,
  readStatus,
  statusInForce,
  statusPayloadType,
  type Revocation,
  type Status,
} from '../../verifier/status.ts';
import { verifyBundle, type BundleQuestion } from '../../verifier/verify.ts';
import {
  atUnixSeconds,
  codeOf,
  development,
  developmentBundle,
  golden,
  group,
  productionBundle,
  signedEnvelope,
  signedStatus,
  status,
  statusFile,
  stranger,
} from './fixtures.ts';

const at = '2026-11-22T08:00:00Z';
const lost: Revocation = {
  channel: 'development',
  key: encodeBase64Url(development.publicKey),
  at,
  reason: 'the laptop of dave was stolen',
};
const old: Revocation = { product: 'app', below: '1.5.0', at, reason: null };

const refusalOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('it was accepted');
};

describe('a status', () => {
  it('is the one in test/vectors/GROUP.status', () => {
    const [only, ...others] = openStatusFile(golden('GROUP.status'), group.publicKey);
    expect(others).toEqual([]);
    expect(only).toEqual(status({ revoked: [lost, old] }));
    expect(Buffer.from(golden('GROUP.status')).toString()).toBe(
      Buffer.from(statusFile(signedStatus({ revoked: [lost, old] }))).toString(),
    );
  });

  it('may revoke nothing, or 256 things', () => {
    const many = Array.from({ length: 256 }, (_, i): Revocation => ({ ...old, below: `${i}.0.0` }));
    for (const revoked of [[], many])
      expect(decodeStatus(encodeStatus(status({ revoked })))).toEqual(status({ revoked }));
  });

  it.each<[string, Partial<Status> | { readonly revoked: readonly object[] }]>([
    ['number 0', { number: 0 }],
    ['a fraction of a number', { number: 1.5 }],
    ['a number past what JSON counts', { number: 2 ** 53 }],
    ['no time', { at: 'yesterday' }],
    ['a group key of 31 bytes', { groupKey: new Uint8Array(31) }],
    ['257 revocations', { revoked: Array.from({ length: 257 }, (_, i) => ({ ...old, below: `${i}.0.0` })) }],
    ['a channel twice', { revoked: [lost, { ...lost, reason: null }] }],
    ['a product twice below one release', { revoked: [old, { ...old, reason: 'again' }] }],
    ['production', { revoked: [{ ...lost, channel: 'production' }] }],
    ['the key of the group', { revoked: [{ ...lost, key: encodeBase64Url(group.publicKey) }] }],
    ['a key of 31 bytes', { revoked: [{ ...lost, key: encodeBase64Url(new Uint8Array(31)) }] }],
    ['a channel in capitals', { revoked: [{ ...lost, channel: 'Development' }] }],
    ['an empty product', { revoked: [{ ...old, product: '' }] }],
    ['a bound that is no version', { revoked: [{ ...old, below: 'nightly' }] }],
    ['a reason of two lines', { revoked: [{ ...old, reason: 'a\nb' }] }],
    ['a reason of 256 bytes', { revoked: [{ ...old, reason: 'x'.repeat(256) }] }],
    ['a revocation later than itself', { revoked: [{ ...old, at: '2026-11-22T08:00:01Z' }] }],
  ])('with %s is refused', (_, changes) => {
    expect(codeOf(() => encodeStatus(status(changes as Partial<Status>)))).toMatch(/^bad-status$/);
  });

  it('with a field more, or one less, or of a kind that is not known, is refused', () => {
    const json = JSON.parse(Buffer.from(encodeStatus(status({ revoked: [lost, old] }))).toString()) as Status;
    const spoilt: object[] = [
      { ...json, extra: 1 },
      { ...json, revoked: Object.fromEntries(json.revoked.entries()) },
      { ...json, revoked: [{ ...lost, below: '1.0.0' }] },
      { ...json, revoked: [{ release: '1.4.2', at, reason: null }] },
      { ...json, revoked: ['development'] },
      { ...json, revoked: [null] },
      ...Object.keys(json).map((name) => ({ ...json, [name]: undefined })),
    ];
    for (const value of spoilt)
      expect(codeOf(() => decodeStatus(encodeCanonicalJson(JSON.parse(JSON.stringify(value)))))).toBe('bad-status');
  });
});

describe('a status file', () => {
  const [first, second] = [signedStatus({ number: 1 }), signedStatus({ number: 2, revoked: [lost] })];
  const open = (...envelopes: object[]) => openStatusFile(statusFile(...(envelopes as Envelope[])), group.publicKey);

  it('holds one status a line, so that two files are put together with cat', () => {
    expect(open(first, second).map(({ number }) => number)).toEqual([1, 2]);
  });

  it.each<[string, string, () => Uint8Array]>([
    [
      'by another key, which says that it is of this group',
      'signature does not verify',
      () => statusFile(signedStatus({}, stranger)),
    ],
    [
      'of another group',
      'of another group than the pinned one',
      () => statusFile(signedStatus({ groupKey: stranger.publicKey }, stranger)),
    ],
    [
      'of another group, signed by this one',
      'of another group',
      () => statusFile(signedStatus({ groupKey: stranger.publicKey })),
    ],
    [
      'of a newer version',
      'of a newer version',
      () => statusFile(signedEnvelope('application/vnd.frostmark.status.v2+json', encodeStatus(status()), group)),
    ],
    [
      'with a key id',
      'has a key id',
      () => statusFile({ ...first, signatures: [{ ...first.signatures[0], keyid: 'acme' }] }),
    ],
    ['that is a bundle', 'it is none|envelope has no payload', () => productionBundle()],
    [
      'that is a statement of the group',
      'it is none',
      () => statusFile((JSON.parse(Buffer.from(productionBundle()).toString()) as { statement: Envelope }).statement),
    ],
    [
      'whose signature was taken out',
      'not exactly one signature',
      () => statusFile({ ...second, signatures: [] } as unknown as Envelope),
    ],
    [
      'from which a revocation was taken out',
      'signature does not verify',
      () => statusFile({ ...second, payload: signedStatus({ number: 2 }).payload }),
    ],
    ['without its last newline', 'is it complete', () => statusFile(second).subarray(0, -1)],
    ['that is empty', 'is it complete', () => new Uint8Array()],
    ['with an empty line', 'not JSON', () => Buffer.from('\n')],
    ['cut off in its second line', 'is it complete', () => statusFile(first, second).subarray(0, -40)],
    ['of 17 lines', 'over 16 lines', () => statusFile(...Array.from({ length: 17 }, () => first))],
    ['of more than a MiB', 'over 1048576 bytes', () => new Uint8Array(2 ** 20 + 1)],
    ['with a second spelling', 'JSON.stringify', () => Buffer.from(` ${Buffer.from(statusFile(first)).toString()}`)],
    ['one line of which is wrong', 'signature does not verify', () => statusFile(first, signedStatus({}, stranger))],
  ])('%s is refused, and the refusal names it', (_, message, file) => {
    expect(codeOf(() => openStatusFile(file(), group.publicKey))).toBe('bad-status');
    expect(refusalOf(() => openStatusFile(file(), group.publicKey))).toMatch(new RegExp(`^status: .*(${message})`));
  });

  it('counts with all that any of its lines says, whatever their order', () => {
    const other = signedStatus({ number: 2, revoked: [old], at: '2026-11-22T09:00:00Z' });
    for (const envelopes of [
      [first, second, other],
      [other, first, second],
    ]) {
      const { revoked, ...rest } = statusInForce(open(...envelopes));
      expect(rest).toEqual({ number: 2, at: '2026-11-22T09:00:00Z', ofThisNumber: 2 });
      expect(new Set(revoked)).toEqual(new Set([lost, old]));
    }
  });

  it('never says less for a line more, and repeats nothing (T46)', () => {
    const one = fc.record({ product: fc.constantFrom('app', 'lib'), major: fc.nat(4) });
    const documents = fc.array(
      fc.tuple(fc.integer({ min: 1, max: 3 }), fc.uniqueArray(one, { selector: (it) => JSON.stringify(it) })),
      { minLength: 2, maxLength: 5 },
    );
    fc.assert(
      fc.property(documents, (drawn) => {
        const all = drawn.map(([number, ends]) =>
          status({
            number,
            revoked: ends.map(({ product, major }) => ({ product, below: `${major}.0.0`, at, reason: null })),
          }),
        );
        const [less, more] = [statusInForce(all.slice(1)), statusInForce(all)];
        const texts = (revoked: readonly Revocation[]) => revoked.map((end) => JSON.stringify(end));
        expect(new Set(texts(more.revoked)).size).toBe(more.revoked.length);
        for (const text of texts(less.revoked)) expect(texts(more.revoked)).toContain(text);
        expect(more.number).toBeGreaterThanOrEqual(less.number);
      }),
    );
  });
});

describe('how new a status is', () => {
  const day = 86_400;
  const read = (changes: object) =>
    readStatus(
      { file: statusFile(signedStatus({ number: 3 })), nowUnixSeconds: atUnixSeconds, ...changes },
      group.publicKey,
    );

  it.each<[string, object]>([
    ['nothing', {}],
    ['its own number', { minNumber: 3 }],
    ['its own age', { nowUnixSeconds: atUnixSeconds + 7 * day, maxAgeSeconds: 7 * day }],
    ['an age, by a clock that is 5 minutes behind', { nowUnixSeconds: atUnixSeconds - 300, maxAgeSeconds: 1 }],
  ])('is enough for %s', (_, changes) => {
    expect(read(changes)).toMatchObject({ number: 3, at });
  });

  it.each<[string, object, RegExp]>([
    ['a number more', { minNumber: 4 }, /number 3, asked for 4/],
    ['a second less', { nowUnixSeconds: atUnixSeconds + day + 1, maxAgeSeconds: day }, /of 2026-11-22T08:00:00Z/],
    [
      'an age, by a clock that is far behind',
      { nowUnixSeconds: atUnixSeconds - 301, maxAgeSeconds: day },
      /clock|ahead/,
    ],
  ])('is not enough for %s', (_, changes, message) => {
    expect(codeOf(() => read(changes))).toBe('stale-status');
    expect(refusalOf(() => read(changes))).toMatch(message);
  });
});

describe('what a status ends (T46)', () => {
  const question = (bundle: Uint8Array, channel: string, revoked?: readonly Revocation[]): BundleQuestion => ({
    bundle,
    groupKey: group.publicKey,
    channel,
    at: atUnixSeconds,
    status: revoked && { file: statusFile(signedStatus({ revoked })), nowUnixSeconds: atUnixSeconds },
  });
  const ask = (...asked: Parameters<typeof question>) => verifyBundle(question(...asked));

  it('is the key of a channel, whatever it signed and whenever', () => {
    expect(codeOf(() => ask(developmentBundle(), 'development', [lost]))).toBe('revoked');
    const earlier = { ...question(developmentBundle(), 'development', [lost]), at: atUnixSeconds - 86_400 };
    expect(codeOf(() => verifyBundle(earlier))).toBe('revoked');
    expect(refusalOf(() => ask(developmentBundle(), 'development', [lost]))).toContain(
      'the key of channel development was revoked at 2026-11-22T08:00:00Z: the laptop of dave was stolen',
    );
  });

  it('is no other key: production goes on, and so does a new key of the same channel', () => {
    const another = { ...lost, key: encodeBase64Url(stranger.publicKey) };
    expect(ask(productionBundle(), 'production', [lost]).status?.number).toBe(1);
    expect(ask(developmentBundle(), 'development', [another]).status?.number).toBe(1);
  });

  it('is every release of a product below a version, on every channel', () => {
    for (const [bundle, channel] of [
      [productionBundle(), 'production'],
      [developmentBundle(), 'development'],
    ] as const)
      expect(codeOf(() => ask(bundle, channel, [old]))).toBe('revoked');
    expect(refusalOf(() => ask(productionBundle(), 'production', [old]))).toContain(
      'every app below 1.5.0 was revoked',
    );
  });

  it('is judged as SemVer orders releases, and what says none is among them', () => {
    const revoked = (release: string | null, below: string): boolean => {
      const ends = [{ ...old, below }];
      try {
        assertNotRevoked({ product: 'app', release }, null, ends);
        return false;
      } catch {
        return true;
      }
    };
    const part = fc.nat(3);
    const version = fc
      .tuple(part, part, part, fc.constantFrom('', '-rc.1', '-rc.2'))
      .map(([a, b, c, pre]) => `${a}.${b}.${c}${pre}`);
    fc.assert(
      fc.property(version, version, (release, below) => {
        expect(revoked(release, below)).toBe(compareSemVer(parseSemVer(release)!, parseSemVer(below)!) < 0);
      }),
    );
    for (const release of [null, 'nightly', 'v1.9.0']) expect(revoked(release, '1.0.0')).toBe(true);
  });

  it('is no other product, and no release without one', () => {
    for (const product of ['app2', 'App', null])
      expect(ask(productionBundle({ product }), 'production', [old]).status?.number).toBe(1);
  });

  it('is not known to who gives no status: the answer says that nobody looked', () => {
    expect(ask(developmentBundle(), 'development').status).toBeNull();
  });

  it('does not count under another payload type: what an identity or a channel signs is no status', () => {
    const byChannel = statusFile(signedEnvelope(statusPayloadType, encodeStatus(status()), development));
    expect(codeOf(() => openStatusFile(byChannel, group.publicKey))).toBe('bad-status');
  });
});
