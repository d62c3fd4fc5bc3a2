/** What is new in a round: told once, and the whole state follows from it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maxListedEnvelopes } from '../../../protocol/limits.ts';
import { outcomes, roundBody, type RoundBody } from '../../../protocol/wire/frames.ts';
import { changeOf, roundChange, withChange, type RoundChange } from '../../../protocol/wire/round-change.ts';
import { assertSchema } from '../../../protocol/wire/schema.ts';
import { codeOf } from '../support.ts';

const decisionBy = (key: number, serial: number): RoundBody['decisions'][number] => ({
  payload: Buffer.from(String(serial)).toString('base64'),
  payloadType: 'application/vnd.frostmark.decision.v1+json',
  signatures: [{ keyid: String(key).padStart(43, 'A'), sig: `${'A'.repeat(86)}==` }],
});

const empty: RoundBody = {
  digest: '00'.repeat(32),
  request: decisionBy(0, 0),
  outcome: 'pending',
  decisions: [],
  connected: [],
  ready: [],
  out: [],
  attempts: [],
  signatures: [],
  signers: [],
  evidence: [],
};

const identifiers = fc.uniqueArray(fc.integer({ min: 1, max: 5 }), { maxLength: 5 });
const hash = fc.constantFrom('aa'.repeat(32), 'bb'.repeat(32));
const fields = fc.record({
  outcome: fc.constantFrom(...outcomes),
  connected: identifiers,
  ready: identifiers,
  out: fc.array(fc.record({ member: fc.integer({ min: 1, max: 5 }), reason: fc.constantFrom('fault', 'losses') })),
  attempts: fc.array(fc.record({ attempt: hash, signers: identifiers, answered: identifiers, open: fc.boolean() }), {
    maxLength: 2,
  }),
  signatures: fc.array(fc.constant('cc'.repeat(64)), { maxLength: 2 }),
  signers: identifiers,
  evidence: fc.array(hash, { maxLength: 2 }),
});
/** A later state: whoever decided before still has, or has decided again. */
const states = fc.array(fc.tuple(fields, fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 3 })), { maxLength: 8 });

function after(before: RoundBody, changed: Partial<RoundBody>, deciding: readonly number[], serial: number): RoundBody {
  const byKey = new Map(before.decisions.map((one) => [one.signatures[0].keyid, one]));
  for (const key of deciding) {
    const decision = decisionBy(key, serial);
    byKey.set(decision.signatures[0].keyid, decision);
  }
  return { ...before, ...changed, decisions: [...byKey.values()] };
}

describe('a change of a round', () => {
  it('makes the state after out of the one before, whatever changed', () => {
    fc.assert(
      fc.property(states, (later) => {
        let told = empty;
        let real = empty;
        later.forEach(([changed, deciding], index) => {
          const next = after(real, changed, deciding, index + 1);
          const change = JSON.parse(JSON.stringify(changeOf(real, next))) as RoundChange;
          assertSchema(roundChange, change, 'bad-frame', 'change');
          told = withChange(told, change);
          real = next;
          expect(told).toEqual(real);
        });
        assertSchema(roundBody, told, 'bad-frame', 'round');
      }),
    );
  });

  it('says nothing twice', () => {
    const first = after(empty, { connected: [1, 2] }, [1], 1);
    const second = after(first, {}, [2], 1);
    expect(changeOf(first, first)).toEqual({});
    expect(changeOf(first, second)).toEqual({ decisions: [decisionBy(2, 1)] });
  });

  it('can say nothing of request and digest', () => {
    for (const name of ['digest', 'request'])
      expect(codeOf(() => assertSchema(roundChange, { [name]: 'aa'.repeat(32) }, 'bad-frame', 'change'))).toBe(
        'bad-frame',
      );
  });

  it('never makes a round of more decisions than it may have', () => {
    const many = { decisions: Array.from({ length: maxListedEnvelopes }, (_, key) => decisionBy(key, 1)) };
    const full = withChange(empty, many);
    expect(withChange(full, { decisions: [decisionBy(7, 2)] }).decisions).toHaveLength(maxListedEnvelopes);
    expect(codeOf(() => withChange(full, { decisions: [decisionBy(maxListedEnvelopes, 1)] }))).toBe('too-many');
  });
});
