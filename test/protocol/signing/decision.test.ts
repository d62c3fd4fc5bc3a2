/** Signed decisions. */
import { describe, expect, it } from 'vitest';
import { decisionMessage, openDecision, type DecisionPayload } from '../../../protocol/signing/decision.ts';
import { sealMessage } from '../../../protocol/wire/envelope.ts';
import { maxReasonCharacters } from '../../../protocol/limits.ts';
import { person } from '../../harness/people.ts';
import { charterOf, codeOf, signBytes, twoChannels } from '../support.ts';

const [alice, bob, eve] = [person('alice'), person('bob'), person('eve')];
const charter = charterOf([alice, bob], twoChannels);
const payload: DecisionPayload = {
  groupKey: eve.key,
  epoch: 'aa'.repeat(32),
  requestDigest: 'bb'.repeat(32),
  decision: 'approve',
  serial: 1,
  reason: null,
  decidedAt: '2026-11-22T08:00:00Z',
};
const said = (change: object, who = bob): unknown =>
  openDecision(
    signBytes(decisionMessage.payloadType, JSON.stringify({ ...payload, ...change }), who, who.key),
    charter,
  );

describe('a decision', () => {
  it.each(['approve', 'refuse', 'withdraw'] as const)('to %s is by the member whose key signed it (T7)', (decision) => {
    const envelope = sealMessage(decisionMessage, { ...payload, decision }, bob);
    expect(openDecision(envelope, charter)).toEqual({
      member: charter.members[1],
      payload: { ...payload, decision },
      envelope,
    });
  });

  it('is nobody else’s: a stranger’s is refused, and one under another member’s keyid (T7)', () => {
    expect(codeOf(() => openDecision(sealMessage(decisionMessage, payload, eve), charter))).toBe('not-a-member');
    const claimed = signBytes(decisionMessage.payloadType, JSON.stringify(payload), bob, alice.key);
    expect(codeOf(() => openDecision(claimed, charter))).toBe('bad-signature');
  });

  it('counts from serial 1', () => {
    expect(said({ serial: 1_000_000 })).toMatchObject({ payload: { serial: 1_000_000 } });
    for (const serial of [0, -1, 1.5, '1', null, 1_000_001, undefined])
      expect(codeOf(() => said({ serial }))).toBe('bad-decision');
  });

  it.each<[string, object]>([
    ['another word', { decision: 'maybe' }],
    ['a list of words', { decision: ['approve'] }],
    ['a reason that is empty', { reason: '' }],
    ['a reason past its bound', { reason: 'r'.repeat(maxReasonCharacters + 1) }],
    ['a digest in capitals', { requestDigest: 'BB'.repeat(32) }],
    ['a digest too short', { requestDigest: 'bb'.repeat(31) }],
    ['a time with a fraction', { decidedAt: '2026-11-22T08:00:00.0Z' }],
    ['a group key of small order', { groupKey: 'AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' }],
    ['a group key with a stray bit', { groupKey: 'AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB' }],
    ['a field too many', { note: 'x' }],
  ])('is refused with %s', (_name, change) => {
    expect(codeOf(() => said(change))).toBe('bad-decision');
  });

  it('is refused with any field left out', () => {
    for (const name of Object.keys(payload))
      expect(
        codeOf(() => said({ [name]: undefined })),
        name,
      ).toBe('bad-decision');
  });
});
