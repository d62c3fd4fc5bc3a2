/** The frames between a member and the coordinator. */
import { describe, expect, it } from 'vitest';
import { encodeCanonicalJson } from '../../../verifier/json.ts';
import { maxFirstFrameBytes, maxFrameBytes, maxMembers } from '../../../protocol/limits.ts';
import {
  coordinatorFrames,
  decodeCoordinatorFrame,
  decodeMemberFrame,
  memberFrames,
  outcomes,
  type CoordinatorFrame,
  type MemberFrame,
} from '../../../protocol/wire/frames.ts';
import { codeOf, refusalOf, utf8 } from '../support.ts';

const hash = (letter: string): string => letter.repeat(64);
const envelope: { payload: string; payloadType: string; signatures: [{ keyid: string; sig: string }] } = {
  payload: 'e30=',
  payloadType: 'application/vnd.frostmark.decision.v1+json',
  signatures: [{ keyid: 'A'.repeat(43), sig: `${'A'.repeat(86)}==` }],
};

const fromMember: MemberFrame[] = [
  { type: 'decision', decision: envelope },
  { type: 'commitment', commitment: envelope },
  { type: 'share', share: envelope },
  { type: 'answer', answer: envelope },
  { type: 'ceremony', message: envelope },
  { type: 'succession', succession: hash('a'), message: null },
  { type: 'succession', succession: hash('a'), message: envelope },
  { type: 'holding', epoch: null, requesters: 0 },
  { type: 'holding', epoch: hash('a'), requesters: 7 },
  { type: 'holdings', holdings: envelope },
  { type: 'journal', journal: { incarnation: 'a'.repeat(32), length: 12, head: hash('b') } },
];
const fromCoordinator: CoordinatorFrame[] = [
  { type: 'request', request: envelope, decisions: [envelope, envelope] },
  { type: 'decision', decision: envelope },
  { type: 'package', requestDigest: hash('a'), stage: 1, earlier: [], commitments: [envelope] },
  { type: 'package', requestDigest: hash('a'), stage: 2, earlier: ['ab'.repeat(64)], commitments: [envelope] },
  ...outcomes.map((outcome): CoordinatorFrame => ({
    type: 'closed',
    requestDigest: hash('a'),
    outcome,
    signatures: [],
    signers: [],
  })),
  {
    type: 'closed',
    requestDigest: hash('a'),
    outcome: 'signed',
    signatures: [hash('1').repeat(2)],
    signers: [1, 2, 5],
  },
  { type: 'ceremony', message: envelope },
  { type: 'succession', succession: hash('a'), message: envelope },
  { type: 'present', members: [1, 3] },
  { type: 'documents', epoch: hash('a'), genesis: null, requesters: null, delegations: [] },
  { type: 'documents', epoch: hash('a'), genesis: envelope, requesters: envelope, delegations: [envelope] },
  { type: 'wanted' },
  { type: 'alarm', member: 'alice', message: 'her journal went back' },
  { type: 'error', code: 'bad-frame', message: 'unknown frame' },
];

const sides = [
  ['a member', fromMember as { type: string }[], memberFrames as readonly FrameSchema[], decodeMemberFrame],
  [
    'the coordinator',
    fromCoordinator as { type: string }[],
    coordinatorFrames as readonly FrameSchema[],
    decodeCoordinatorFrame,
  ],
] as const;
interface FrameSchema {
  readonly properties: { readonly type: { readonly const: string } };
}
const max = maxFrameBytes(3);

describe.each(sides)('a frame of %s', (_side, frames, schemas, decode) => {
  const read = (value: unknown): unknown => decode(encodeCanonicalJson(value), max);
  const other = decode === decodeMemberFrame ? fromCoordinator : fromMember;

  it('is one of a closed list, each with an example here', () => {
    expect(new Set(frames.map(({ type }) => type))).toEqual(
      new Set(schemas.map(({ properties }) => properties.type.const)),
    );
  });

  it.each(frames.map((frame): [string, object] => [frame.type, frame]))('reads back: %s', (_type, frame) => {
    expect(read(frame)).toEqual(frame);
  });

  it('is refused from the wrong side', () => {
    const own = new Set(frames.map(({ type }) => type));
    for (const frame of other.filter(({ type }) => !own.has(type)))
      expect(
        codeOf(() => read(frame)),
        frame.type,
      ).toBe('bad-frame');
  });

  it('is refused with an unknown, missing or hostile type, which the error names in short', () => {
    for (const type of [
      '',
      'Decision',
      'decision ',
      'toString',
      '__proto__',
      'constructor',
      7,
      null,
      true,
      [],
      ['wanted'],
      {},
    ])
      expect(codeOf(() => read({ type }))).toBe('bad-frame');
    for (const value of [{}, [], ['wanted'], 'wanted', 7, null, true])
      expect(codeOf(() => read(value))).toBe('bad-frame');
    expect(refusalOf(() => read({ type: 'x'.repeat(100_000) })).message.length).toBeLessThan(100);
  });

  it('is refused with a field too many or too few, and the error names its own type', () => {
    for (const frame of frames) {
      expect(refusalOf(() => read({ ...frame, extra: 1 }))).toMatchObject({ code: 'bad-frame' });
      expect(refusalOf(() => read({ ...frame, extra: 1 })).message).toContain(`frame ${frame.type}`);
      for (const name of Object.keys(frame)) {
        const less = Object.fromEntries(Object.entries(frame).filter(([field]) => field !== name));
        expect(
          codeOf(() => read(less)),
          `${frame.type} without ${name}`,
        ).toBe('bad-frame');
      }
    }
  });

  it('is refused with a value of another type in any field', () => {
    for (const frame of frames)
      for (const name of Object.keys(frame).filter((field) => field !== 'type'))
        for (const wrong of [true, -1, 1.5, { length: 1 }, [[]], ''])
          if (
            !(name === 'message' && wrong === '' && (frame.type === 'alarm' || frame.type === 'error')) &&
            !(name === 'code' && wrong === '')
          )
            expect(
              codeOf(() => read({ ...frame, [name]: wrong })),
              `${frame.type}.${name} = ${JSON.stringify(wrong)}`,
            ).toBe('bad-frame');
  });

  it('is refused when it is nested too deeply, before anything walks it', () => {
    const deep = `{"type":"wanted","x":${'['.repeat(50_000)}${']'.repeat(50_000)}}`;
    expect(codeOf(() => decode(utf8(deep), max))).toBe('bad-frame');
  });

  it('is refused in any spelling but one, and when it is no JSON', () => {
    const text = JSON.stringify(frames[0]);
    for (const spelled of [
      ` ${text}`,
      `${text}\n`,
      text.replace('{', '{"type":"wanted",'),
      text.slice(0, -1),
      '',
      'wanted',
      `\ufeff${text}`,
    ])
      expect(codeOf(() => decode(utf8(spelled), max))).toBe('bad-frame');
    expect(codeOf(() => decode(Uint8Array.of(0xff, 0xfe), max))).toBe('bad-frame');
  });

  it('is refused one byte past its bound, and read at it', () => {
    for (const frame of frames) {
      const bytes = encodeCanonicalJson(frame);
      expect(decode(bytes, bytes.length)).toEqual(frame);
      expect(codeOf(() => decode(bytes, bytes.length - 1))).toBe('bad-frame');
    }
  });
});

describe('a signed payload inside a frame', () => {
  const read = (change: object): unknown =>
    decodeMemberFrame(encodeCanonicalJson({ type: 'share', share: { ...envelope, ...change } }), max);
  const [signature] = envelope.signatures;

  it.each<[string, object]>([
    ['two signatures', { signatures: [signature, signature] }],
    ['no signature', { signatures: [] }],
    ['a signature of another length', { signatures: [{ ...signature, sig: 'AAAA' }] }],
    ['a signature with a field too many', { signatures: [{ ...signature, cert: '' }] }],
    ['a keyid past its bound', { signatures: [{ ...signature, keyid: 'A'.repeat(101) }] }],
    ['a payload that is no base64', { payload: 'a b' }],
    ['a payload in the URL-safe alphabet', { payload: 'a-_=' }],
    ['no payload type', { payloadType: '' }],
  ])('is refused with %s (T38)', (_name, change) => {
    expect(() => read({})).not.toThrow();
    expect(codeOf(() => read(change))).toBe('bad-frame');
  });
});

describe('the bound of a frame', () => {
  it('grows with the group, and is small before it is known', () => {
    expect(maxFirstFrameBytes).toBeLessThan(maxFrameBytes(2));
    expect(maxFrameBytes(maxMembers)).toBeGreaterThanOrEqual(maxFrameBytes(2));
  });
});
