/** The signed payloads of a FROST session, and the name of an attempt. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  answerMessage,
  attemptId,
  commitmentMessage,
  declineCodes,
  isCommitmentFor,
  openAnswer,
  openCommitment,
  openShare,
  shareMessage,
  type AnswerPayload,
  type AttemptSubject,
  type CommitmentPayload,
  type SharePayload,
  type SignedCommitment,
} from '../../../protocol/signing/attempt.ts';
import { sealMessage } from '../../../protocol/wire/envelope.ts';
import { maxMessages } from '../../../protocol/limits.ts';
import { person } from '../../harness/people.ts';
import { altered, charterOf, codeOf, signBytes, spoiltOf, twoChannels } from '../support.ts';

const people = [person('alice'), person('bob'), person('carol')];
const [alice, bob] = people as [(typeof people)[0], (typeof people)[0]];
const eve = person('eve');
const charter = charterOf(people, twoChannels);
const hash = (letter: string): string => letter.repeat(64);

const subject: AttemptSubject = {
  epoch: hash('a'),
  channelKey: eve.key,
  requestDigest: hash('b'),
  stage: 1,
  messages: [hash('c'), hash('d')],
};
function commitmentBy(index: number, change: Partial<CommitmentPayload> = {}): SignedCommitment {
  const point = (k: number): string => `${index}${k}`.padEnd(64, '0');
  const payload: CommitmentPayload = {
    ...subject,
    slot: `${'e'.repeat(32)}-${index}`,
    messages: [...subject.messages],
    commitments: [
      { hiding: point(1), binding: point(2) },
      { hiding: point(3), binding: point(4) },
    ],
    ...change,
  };
  return openCommitment(sealMessage(commitmentMessage, payload, people[index]!), charter);
}
const commitments = people.map((_who, index) => commitmentBy(index));
const id = attemptId(subject, commitments);

describe('the name of an attempt', () => {
  it('does not depend on the order in which commitments came', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(commitments, { minLength: 3 }), (order) => {
        expect(attemptId(subject, order)).toBe(id);
      }),
    );
  });

  it('is another for any change of what it is about (T5)', () => {
    const subjects: AttemptSubject[] = [
      { ...subject, epoch: hash('0') },
      { ...subject, channelKey: alice.key },
      { ...subject, requestDigest: hash('0') },
      { ...subject, stage: 2 as const },
      { ...subject, messages: [hash('d'), hash('c')] },
      { ...subject, messages: [hash('c')] },
      { ...subject, messages: [hash('c'), hash('d'), hash('d')] },
      { ...subject, messages: [hash('c'), hash('0')] },
      // What leaves one field for its neighbour.
      { ...subject, epoch: subject.requestDigest, requestDigest: subject.epoch },
      { ...subject, messages: [] },
    ];
    expect(new Set([id, ...subjects.map((other) => attemptId(other, commitments))]).size).toBe(subjects.length + 1);
  });

  it('is another for any change of a commitment, of who made it, or of who is there (T6)', () => {
    const [first, second, third] = commitments as [SignedCommitment, SignedCommitment, SignedCommitment];
    const [one, two] = first.payload.commitments as [
      { hiding: string; binding: string },
      { hiding: string; binding: string },
    ];
    const with_ = (pairs: CommitmentPayload['commitments']): SignedCommitment => ({
      ...first,
      payload: { ...first.payload, commitments: pairs },
    });
    const lists: SignedCommitment[][] = [
      [first, second],
      [second, third],
      [first, second, third, third],
      [with_([{ ...one, hiding: altered(one.hiding) }, two]), second, third],
      [with_([{ ...one, binding: altered(one.binding) }, two]), second, third],
      [with_([one, { ...two, hiding: altered(two.hiding) }]), second, third],
      [with_([two, one]), second, third],
      [with_([{ hiding: one.binding, binding: one.hiding }, two]), second, third],
      [with_([one]), second, third],
      [{ ...first, member: third.member }, second, { ...third, member: first.member }],
      [first, { ...second, member: third.member }],
    ];
    expect(new Set([id, ...lists.map((list) => attemptId(subject, list))]).size).toBe(lists.length + 1);
  });

  it('says nothing of the slots: those name nonces, not values', () => {
    const renamed = commitments.map((one) => ({ ...one, payload: { ...one.payload, slot: `${'0'.repeat(32)}-9` } }));
    expect(attemptId(subject, renamed)).toBe(id);
  });
});

describe('a commitment', () => {
  it('is for one subject only: epoch, channel key, request, stage, number of messages, each message (T5, T6)', () => {
    const { payload } = commitments[0]!;
    expect(isCommitmentFor(payload, subject)).toBe(true);
    for (const other of [
      { ...subject, epoch: hash('0') },
      { ...subject, channelKey: alice.key },
      { ...subject, requestDigest: hash('0') },
      { ...subject, stage: 2 as const },
      { ...subject, messages: subject.messages.toReversed() },
      { ...subject, messages: subject.messages.slice(1) },
      { ...subject, messages: [...subject.messages, hash('0')] },
    ])
      expect(isCommitmentFor(payload, other)).toBe(false);
  });

  it('names no messages at stage 2, which exist only later, and all of them at stage 1 (T37)', () => {
    const later = commitmentBy(0, { stage: 2, messages: null }).payload;
    expect(isCommitmentFor(later, { ...subject, stage: 2 })).toBe(true);
    expect(isCommitmentFor(later, subject)).toBe(false);
    expect(isCommitmentFor({ ...later, stage: 1 }, subject)).toBe(false);
    expect(isCommitmentFor({ ...later, messages: [...subject.messages] }, { ...subject, stage: 2 })).toBe(false);
  });

  it('has one pair for each message', () => {
    expect(codeOf(() => commitmentBy(0, { messages: [hash('c')] }))).toBe('bad-commitment');
    expect(codeOf(() => commitmentBy(0, { messages: [...subject.messages, hash('0')] }))).toBe('bad-commitment');
  });
});

const pair = { hiding: hash('1'), binding: hash('2') };
const commitment: CommitmentPayload = { ...commitments[0]!.payload };
const share: SharePayload = {
  epoch: hash('a'),
  channelKey: eve.key,
  requestDigest: hash('b'),
  stage: 1,
  attempt: id,
  shares: [hash('1'), hash('2')],
};
const answer: AnswerPayload = {
  epoch: hash('a'),
  requestDigest: hash('b'),
  stage: 1,
  attempt: id,
  answer: 'declined',
  code: 'expired',
};
interface Purpose {
  readonly payloadType: string;
}
type Opener = (envelope: unknown, of: typeof charter) => { readonly member: unknown; readonly payload: unknown };
const kinds: [string, Purpose, Opener, object, string][] = [
  ['a commitment', commitmentMessage, openCommitment, commitment, 'bad-commitment'],
  ['a signature share', shareMessage, openShare, share, 'bad-share'],
  ['an answer', answerMessage, openAnswer, answer, 'bad-share'],
];

describe.each(kinds)('%s', (_name, type, open, payload, code) => {
  const by = (change: object, who = bob): unknown =>
    open(signBytes(type.payloadType, JSON.stringify({ ...payload, ...change }), who, who.key), charter);

  it('is of the member whose key signed it (T7)', () => {
    expect(by({})).toMatchObject({ member: charter.members[1], payload });
    expect(codeOf(() => by({}, eve))).toBe('not-a-member');
    const claimed = signBytes(type.payloadType, JSON.stringify(payload), bob, alice.key);
    expect(codeOf(() => open(claimed, charter))).toBe('bad-signature');
  });

  it('is never read as one of the others (T10)', () => {
    for (const [, other, , otherPayload] of kinds.filter(([, candidate]) => candidate !== type)) {
      expect(
        codeOf(() => open(signBytes(other.payloadType, JSON.stringify(otherPayload), bob, bob.key), charter)),
      ).toBe('bad-envelope');
      expect(codeOf(() => open(signBytes(type.payloadType, JSON.stringify(otherPayload), bob, bob.key), charter))).toBe(
        code,
      );
    }
  });

  it('is refused with any field left out or added', () => {
    for (const { at, value } of spoiltOf(payload).filter(({ at: where }) =>
      /^\/[a-zA-Z]+ left out$|extra$/.test(where),
    ))
      expect(
        codeOf(() => open(signBytes(type.payloadType, JSON.stringify(value), bob, bob.key), charter)),
        at,
      ).toBe(code);
  });

  it('is refused at a stage that does not exist', () => {
    for (const stage of [0, 3, 1.5, '1', null]) expect(codeOf(() => by({ stage }))).toBe(code);
  });
});

describe('the bounds of an attempt', () => {
  const refuse = (type: Purpose, payload: object): string =>
    codeOf(() =>
      (type === commitmentMessage ? openCommitment : type === shareMessage ? openShare : openAnswer)(
        signBytes(type.payloadType, JSON.stringify(payload), bob, bob.key),
        charter,
      ),
    );

  it.each<[string, object]>([
    ['no pair', { messages: [], commitments: [] }],
    ['no pair at stage 2', { stage: 2, messages: null, commitments: [] }],
    [
      `more than ${maxMessages} pairs`,
      { stage: 2, messages: null, commitments: Array.from({ length: maxMessages + 1 }, () => pair) },
    ],
    ['a point of 31 bytes', { commitments: [{ ...pair, hiding: '11'.repeat(31) }, pair] }],
    ['a point in capitals', { commitments: [{ ...pair, hiding: 'AA'.repeat(32) }, pair] }],
    ['a pair of three', { commitments: [{ ...pair, third: hash('3') }, pair] }],
    ['a slot without a counter', { slot: 'e'.repeat(32) }],
    ['a slot that says where it lies', { slot: '17' }],
    ['a slot of a huge counter', { slot: `${'e'.repeat(32)}-${'9'.repeat(13)}` }],
  ])('hold for a commitment with %s', (_name, change) => {
    expect(refuse(commitmentMessage, { ...commitment, ...change })).toBe('bad-commitment');
  });

  it.each<[string, object]>([
    ['no share', { shares: [] }],
    [`more than ${maxMessages} shares`, { shares: Array.from({ length: maxMessages + 1 }, () => hash('1')) }],
    ['a share of 33 bytes', { shares: ['11'.repeat(33)] }],
    ['an attempt that is no hash', { attempt: 'latest' }],
  ])('hold for a signature share with %s', (_name, change) => {
    expect(refuse(shareMessage, { ...share, ...change })).toBe('bad-share');
  });

  it('let an answer say that nonces are lost, or decline for one of the reasons there are', () => {
    for (const code of declineCodes)
      expect(openAnswer(sealMessage(answerMessage, { ...answer, code }, bob), charter).payload.code).toBe(code);
    expect(
      openAnswer(sealMessage(answerMessage, { ...answer, answer: 'lost', code: null }, bob), charter).payload.answer,
    ).toBe('lost');
    for (const change of [
      { code: 'tired' },
      { code: '' },
      { code: ['expired'] },
      { answer: 'signed' },
      { answer: null },
    ])
      expect(refuse(answerMessage, { ...answer, ...change })).toBe('bad-share');
  });
});
