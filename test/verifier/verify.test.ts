import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatTime } from '../../verifier/time.ts';

import { encodeBundle } from '../../verifier/bundle.ts';
import { delegationPayloadType, encodeDelegation } from '../../verifier/delegation.ts';
import type { Envelope } from '../../verifier/dsse.ts';
import { VerifyError } from '../../verifier/errors.ts';
import { encodeStatement, statementPayloadType } from '../../verifier/statement.ts';
import { verifyBundle, verifyRelease, type ReleaseQuestion } from '../../verifier/verify.ts';
import {
  artifact,
  atUnixSeconds,
  codeOf,
  delegation,
  development,
  developmentBundle,
  from,
  group,
  keyPair,
  productionBundle,
  sha256,
  signedDelegation,
  signedEnvelope,
  signedStatement,
  statement,
  stranger,
  until,
  type KeyPair,
} from './fixtures.ts';

const staging = keyPair(4);
const otherGroup = keyPair(5);

const question: ReleaseQuestion = {
  bundle: productionBundle(),
  groupKey: group.publicKey,
  channel: 'production',
  at: atUnixSeconds,
  sha256: sha256(artifact),
  name: 'app.tar.gz',
};

function refusal(changes: Partial<ReleaseQuestion>) {
  return codeOf(() => verifyRelease({ ...question, ...changes }));
}

/** A delegation whose channel is `production`, which `encodeDelegation` would not make. */
function forgedProductionDelegation(): Envelope {
  const json = Buffer.from(encodeDelegation(delegation())).toString().replace('"development"', '"production"');
  return signedEnvelope(delegationPayloadType, Buffer.from(json), group);
}

describe('the channel (T21)', () => {
  const keys = { group, development, staging, stranger };
  const delegations = {
    none: null,
    development: signedDelegation(),
    staging: signedDelegation({ channel: 'staging', channelKey: staging.publicKey }),
    'production by the group': forgedProductionDelegation(),
    'development for the stranger': signedDelegation({ channelKey: stranger.publicKey }),
    'development by a stranger': signedDelegation({ channelKey: stranger.publicKey }, stranger),
    'development by itself': signedDelegation({}, development),
    'development of another group': signedDelegation({ groupKey: otherGroup.publicKey }),
    'staging with the development key': signedDelegation({ channel: 'staging' }),
  };
  const times = {
    before: Date.parse(from) / 1000 - 1,
    first: Date.parse(from) / 1000,
    last: Date.parse(until) / 1000 - 1,
    after: Date.parse(until) / 1000,
  };
  const channels = ['production', 'development', 'staging'];

  /** The rule, said once more in the words of the design: which delegation lets which key sign for which channel. */
  const permits: Record<string, { key: KeyPair; channel: string }> = {
    none: { key: group, channel: 'production' },
    development: { key: development, channel: 'development' },
    staging: { key: staging, channel: 'staging' },
    'development for the stranger': { key: stranger, channel: 'development' },
    'staging with the development key': { key: development, channel: 'staging' },
  };

  it.each(channels)('asked for is the channel signed, by the key that may, while it may: %s', (asked) => {
    let [accepted, refused] = [0, 0];
    for (const signed of channels) {
      for (const key of Object.values(keys)) {
        const envelope = signedStatement({ channel: signed }, key);
        for (const [kind, delegated] of Object.entries(delegations)) {
          const bundle = encodeBundle({ statement: envelope, delegation: delegated });
          for (const [time, at] of Object.entries(times)) {
            const inTime = delegated === null || time === 'first' || time === 'last';
            const expected =
              signed === asked && permits[kind]?.key === key && permits[kind].channel === asked && inTime;
            let actual = true;
            try {
              verifyBundle({ bundle, groupKey: group.publicKey, channel: asked, at });
            } catch (error) {
              expect(error).toBeInstanceOf(VerifyError);
              expect((error as VerifyError).exitCode).toBe(3);
              actual = false;
            }
            expect({ asked, signed, kind, time, accepted: actual }).toEqual({
              asked,
              signed,
              kind,
              time,
              accepted: expected,
            });
            if (actual) accepted++;
            else refused++;
          }
        }
      }
    }
    // Two delegations for one channel hold at two of four times each; on production the time decides nothing.
    expect([accepted, refused]).toEqual([4, 428]);
  });

  it('is named when it is the wrong one', () => {
    const ask = (bundle: Uint8Array, channel: string) => codeOf(() => verifyBundle({ ...question, bundle, channel }));
    expect(ask(developmentBundle(), 'production')).toBe('wrong-channel');
    expect(ask(productionBundle(), 'development')).toBe('wrong-channel');
    const undelegated = encodeBundle({ statement: signedStatement({ channel: 'development' }), delegation: null });
    expect(ask(undelegated, 'development')).toBe('wrong-channel');
    const needless = encodeBundle({ statement: signedStatement({}, development), delegation: signedDelegation() });
    expect(ask(needless, 'production')).toBe('wrong-channel');
  });

  it('is judged at the time asked for, given as a date or in seconds', () => {
    const ask = (at: Date | number) => () =>
      verifyBundle({ ...question, bundle: developmentBundle(), channel: 'development', at });
    expect(ask(new Date(atUnixSeconds * 1000))().delegation).toEqual(delegation());
    expect(codeOf(ask(times.before))).toBe('delegation-not-yet-valid');
    expect(codeOf(ask(new Date(times.after * 1000)))).toBe('delegation-expired');
    expect(codeOf(ask(NaN))).toBe('usage');
    expect(codeOf(ask(new Date(NaN)))).toBe('usage');
    expect(codeOf(ask(Infinity))).toBe('usage');
    expect(codeOf(ask(1e13))).toBe('usage');
    // Which time that is a person reads, who may have a wrong clock.
    expect(ask(times.after)).toThrow(`and it is judged at ${formatTime(times.after)}`);
    expect(ask(times.before)).toThrow(`and it is judged at ${formatTime(times.before)}`);
  });

  it('is judged now and not at the time that the statement claims', () => {
    const backdated = developmentBundle({ createdAt: '2026-11-22T08:00:00Z' });
    const ask = () => verifyBundle({ ...question, bundle: backdated, channel: 'development', at: times.after + 1 });
    expect(codeOf(ask)).toBe('delegation-expired');
  });
});

describe('the group', () => {
  it('is the pinned one and no other', () => {
    expect(verifyRelease(question).statement).toEqual(statement());
    expect(refusal({ groupKey: otherGroup.publicKey })).toBe('bad-signature');
    expect(refusal({ groupKey: new Uint8Array(32) })).toBe('bad-signature');
    expect(refusal({ groupKey: new Uint8Array(31) })).toBe('bad-signature');
  });

  it('is the one that statement and delegation say, even under the right signature', () => {
    const foreign = encodeBundle({ statement: signedStatement({ groupKey: otherGroup.publicKey }), delegation: null });
    expect(refusal({ bundle: foreign })).toBe('wrong-group');
    const foreignDelegation = encodeBundle({
      statement: signedStatement({ channel: 'development' }, development),
      delegation: signedDelegation({ groupKey: otherGroup.publicKey }),
    });
    expect(refusal({ bundle: foreignDelegation, channel: 'development' })).toBe('wrong-group');
  });

  it('signs a statement as a statement: neither kind of payload passes as the other', () => {
    const asStatement = encodeBundle({
      statement: signedEnvelope(delegationPayloadType, encodeStatement(statement()), group),
      delegation: null,
    });
    expect(refusal({ bundle: asStatement })).toBe('bad-payload-type');
    const asDelegation = encodeBundle({
      statement: signedStatement({ channel: 'development' }, development),
      delegation: signedEnvelope(statementPayloadType, encodeDelegation(delegation()), group),
    });
    expect(refusal({ bundle: asDelegation, channel: 'development' })).toBe('bad-payload-type');
  });

  it('signs well-formed statements only: a signed payload is still read strictly (T23)', () => {
    const signed = (payload: Uint8Array) =>
      encodeBundle({ statement: signedEnvelope(statementPayloadType, payload, group), delegation: null });
    expect(refusal({ bundle: signed(Buffer.from('{}')) })).toBe('bad-statement');
    expect(refusal({ bundle: signed(Buffer.from(`${Buffer.from(encodeStatement(statement())).toString()} `)) })).toBe(
      'bad-json',
    );
    expect(refusal({ bundle: signed(new Uint8Array(0)) })).toBe('bad-json');
  });
});

describe('the file (T22)', () => {
  it('is the subject with its digest and its name', () => {
    expect(verifyRelease(question).subject).toEqual({ name: 'app.tar.gz', sha256: sha256(artifact) });
    const sbom = { name: 'app.tar.gz.sbom', sha256: sha256(Buffer.from('sbom')) };
    expect(verifyRelease({ ...question, ...sbom }).subject).toEqual(sbom);
  });

  it('is refused with other bytes, under any name', () => {
    expect(refusal({ sha256: sha256(Buffer.from('other')) })).toBe('wrong-digest');
    expect(refusal({ sha256: sha256(Buffer.from('other')), anyName: true })).toBe('wrong-digest');
    expect(refusal({ sha256: '' })).toBe('wrong-digest');
    expect(refusal({ sha256: sha256(artifact).toUpperCase() })).toBe('wrong-digest');
  });

  it.each(['app-1.5.0.tar.gz', 'app.tar.gz.sbom', 'App.tar.gz', 'app.tar.gz ', '', 'app.tar.gz\0'])(
    'is refused under the name %j, unless any will do',
    (name) => {
      expect(refusal({ name })).toBe('wrong-name');
      expect(verifyRelease({ ...question, name, anyName: true }).subject.name).toBe('app.tar.gz');
    },
  );

  it('is found under each of two names with the same bytes', () => {
    const twice = [
      { name: 'a', sha256: sha256(artifact) },
      { name: 'b', sha256: sha256(artifact) },
    ];
    const bundle = productionBundle({ subjects: twice });
    expect(verifyRelease({ ...question, bundle, name: 'b' }).subject.name).toBe('b');
    expect(refusal({ bundle, name: 'c' })).toBe('wrong-name');
  });

  it('is refused when a signed statement has duplicate subjects or no digest', () => {
    const json = Buffer.from(encodeStatement(statement())).toString();
    const signed = (text: string) =>
      encodeBundle({ statement: signedEnvelope(statementPayloadType, Buffer.from(text), group), delegation: null });
    expect(refusal({ bundle: signed(json.replace('app.tar.gz.sbom', 'app.tar.gz')) })).toBe('bad-statement');
    expect(refusal({ bundle: signed(json.replace(`{"sha256":"${sha256(artifact)}"}`, '{}')) })).toBe('bad-statement');
    expect(refusal({ bundle: signed(json.replace(`{"sha256":"${sha256(artifact)}"}`, '{"sha512":"00"}')) })).toBe(
      'bad-statement',
    );
  });
});

describe('product and release (T22)', () => {
  it('are free unless asked for', () => {
    const bundle = productionBundle({ product: null, release: null });
    expect(verifyRelease({ ...question, bundle }).statement.product).toBeNull();
    expect(verifyRelease({ ...question, product: 'app', minRelease: '1.4.2' }).statement.release).toBe('1.4.2');
  });

  it.each(['App', 'app ', 'other', ''])('is refused as product %j', (product) => {
    expect(refusal({ product })).toBe('wrong-product');
  });

  it.each(['1.4.3', '1.4.3-rc.1', '1.10.0', '2.0.0-0'])(
    'is refused where %s is the least: an old release renamed as the new one',
    (minRelease) => {
      expect(refusal({ minRelease, anyName: true, name: 'app-2.0.0.tar.gz' })).toBe('old-release');
    },
  );

  it.each(['1.4.2', '1.4.2+build', '1.4.2-rc.9', '1.4.1', '0.99.0'])(
    'is accepted where %s is the least',
    (minRelease) => {
      expect(verifyRelease({ ...question, minRelease }).statement.release).toBe('1.4.2');
    },
  );

  it('is refused when it cannot be compared', () => {
    expect(refusal({ bundle: productionBundle({ product: null }), product: 'app' })).toBe('wrong-product');
    expect(refusal({ bundle: productionBundle({ release: null }), minRelease: '0.0.0' })).toBe('old-release');
    expect(refusal({ bundle: productionBundle({ release: 'v9.9.9' }), minRelease: '0.0.0' })).toBe('old-release');
    expect(refusal({ minRelease: 'latest' })).toBe('usage');
  });
});

describe('a bundle with anything changed', () => {
  it('never verifies, whichever byte of it it is (T23)', () => {
    const original = { production: productionBundle(), development: developmentBundle() };
    fc.assert(
      fc.property(
        fc.constantFrom('production', 'development'),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (channel, at, by) => {
          const bundle = Uint8Array.from(original[channel]);
          bundle[at % bundle.length] = bundle[at % bundle.length]! ^ by;
          const code = codeOf(() => verifyRelease({ ...question, channel, bundle }));
          expect(code).toMatch(/^(bad-|too-large)/);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('is refused, never crashed on, whatever JSON it is (T23)', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const bundle = Buffer.from(`${JSON.stringify(value)}\n`);
        expect(codeOf(() => verifyRelease({ ...question, bundle }))).toMatch(/^(bad-|too-large)/);
      }),
    );
  });
});
