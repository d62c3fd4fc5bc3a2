/** A policy in its group: a rule that can decide nothing is refused with file and line. */
import { describe, expect, it } from 'vitest';
import { decodePolicy } from '../../participant/policy.ts';
import { assertReachable, type InertRule, type PolicyGround } from '../../participant/policy-reach.ts';
import type { Member } from '../../protocol/files/charter.ts';
import { emptyRequesters, readRequestersFile } from '../../protocol/files/requesters.ts';
import { person, writeCharter } from '../harness/people.ts';
import { refusalOf, utf8 } from '../protocol/support.ts';

const { charter } = writeCharter({ tiers: ['admin', 'admin'], production: '{ any: 2 }', development: '{ any: 1 }' });
const [self, other] = charter.members as [Member, Member];
const requesters = readRequestersFile(
  utf8(
    'version: 3\nrequesters:\n' +
      `  - { card: "${person('dave').card('requester')}", channels: [development, production] }\n` +
      `  - { card: "${person('nightly-1').card('requester')}", channels: [development] }\n` +
      `  - { card: "${person('alice').card('requester')}", channels: [development, production], member: ${self.name} }\n`,
  ),
  'requesters.yaml',
  charter,
);
const judge = (text: string, change: Partial<PolicyGround> = {}, inert?: InertRule): string[] => {
  const told: string[] = [];
  const tell: InertRule = inert ?? ((rule, why) => void told.push(`${rule} ${why}`));
  const reading = { inert: tell, refusesUnasked: inert === undefined };
  assertReachable(decodePolicy(utf8(text), 'policy.yaml'), { charter, self, requesters, ...change }, reading);
  return told;
};
/** Rules, one a line from line 2 on, each as match and action. */
const rules = (...lines: readonly (readonly [match: string, action: string])[]): string =>
  `rules:\n${lines.map(([match, action]) => `  - { match: { ${match} }, action: ${action} }\n`).join('')}`;

describe('a policy', () => {
  it.each([
    ['nothing', 'rules: []\n'],
    ['every field', rules(['channel: dev*, requester: [dave, nightly-*], product: x, repo: "*", ref: v*', 'approve'])],
    ['a member, who may ask for what is no release', rules(['requester: admin-1, kind: requesters', 'refuse'])],
    ['production by its name', rules(['channel: production', 'approve'], ['channel: [production, "*"]', 'approve'])],
    ['a kind of request on its channel', rules(['kind: delegation, channel: production', 'approve'])],
    ['what an approving rule leaves', rules(['', 'approve'], ['', 'refuse'])],
    [
      'documents that a rule without them leaves',
      rules(['channel: development', 'approve'], ['document: text', 'ask']),
    ],
    [
      'a narrower rule before a wider one',
      rules(['requester: dave', 'ask'], ['requester: "*"', 'refuse'], ['', 'ask']),
    ],
    ['names that overlap', rules(['ref: "v?"', 'refuse'], ['ref: "v*"', 'ask'], ['ref: "*1"', 'refuse'])],
    ['what others ask for', rules(['requester: [alice, dave], channel: production', 'refuse'])],
    ['what this member asks for where others need not decide', rules(['requester: alice', 'approve'])],
    ['kinds that a narrower rule leaves', rules(['kind: release', 'approve'], ['kind: release', 'refuse'])],
    ['somebody who is not here yet, by a pattern', rules(['requester: ci-*, channel: production', 'refuse'])],
  ])('may have %s', (_what, text) => {
    expect(() => {
      judge(text);
    }).not.toThrow();
  });

  it.each<[string, string, number, string]>([
    [
      'a channel that is none',
      rules(['', 'ask'], ['channel: nightly', 'ask']),
      3,
      'no channel "nightly"; it has production, development',
    ],
    ['a pattern of no channel', rules(['channel: [development, "night*"]', 'approve']), 2, 'no channel "night*"'],
    ['nobody', rules(['requester: [dave, dav]', 'refuse']), 2, '"dav" is no member, and not in version 3'],
    ['a product that is too long', rules([`product: ${'x'.repeat(129)}`, 'refuse']), 2, 'no product has over 128'],
    ['artifacts in a folder', rules(['artifacts: "dist/*.tgz"', 'approve']), 2, 'plain file names without a folder'],
    ['production without its name', rules(['channel: prod*', 'approve']), 2, 'only when it says "channel: production"'],
    [
      'a kind on another channel',
      rules(['kind: delegation, channel: development', 'ask']),
      2,
      'nobody asks for a delegation on development',
    ],
    [
      'approval of what is on production',
      rules(['kind: requesters', 'approve']),
      2,
      'only when it says "channel: production"',
    ],
    ['the product of a delegation', rules(['kind: delegation, product: x', 'refuse']), 2, 'has no product to match'],
    [
      'artifacts beside a tag',
      rules(['artifacts: "*", document: git-tag', 'refuse']),
      2,
      'the only document is their manifest',
    ],
    [
      'who may not ask there',
      rules(['requester: nightly-1, channel: production', 'refuse']),
      2,
      'nightly-1 may not ask',
    ],
    [
      'a member that asks for a release',
      rules(['requester: admin-1', 'approve']),
      2,
      'admin-1 may not ask for a release',
    ],
    [
      'a rule after one for everything',
      rules(['', 'ask'], ['channel: production', 'approve']),
      3,
      'the rule of line 2 decides first',
    ],
    [
      'the same rule again',
      rules(['product: [a, b]', 'approve'], ['product: b', 'approve']),
      3,
      'line 2 decides first',
    ],
    [
      'a rule after a wider one',
      rules(['ref: "v*"', 'refuse'], ['ref: v1.*, product: x', 'approve']),
      3,
      'line 2 decides first',
    ],
    [
      'an approval after a wider approval',
      rules(['', 'approve'], ['channel: development', 'approve']),
      3,
      'line 2 decides first',
    ],
    [
      'an approval after a wider one that names its kind and channels',
      rules(['kind: release, channel: [development, production]', 'approve'], ['channel: development', 'approve']),
      3,
      'line 2 decides first',
    ],
    [
      'kinds of request by which all that there are is covered',
      rules(['channel: [development, production]', 'ask'], ['', 'refuse']),
      3,
      'line 2 decides first',
    ],
  ])('is refused with %s, with file and line', (_what, text, line, message) => {
    const error = refusalOf(() => {
      judge(text);
    });
    expect(error).toMatchObject({ code: 'bad-policy', file: 'policy.yaml', line });
    expect(error.message).toContain(message);
  });

  it('with a rule for others alone is told which: all members may have one file', () => {
    const tiers = ['admin', 'build'];
    const apart = writeCharter({ tiers, production: '{ admin: 1, build: 1 }', development: '{ build: 1 }' }).charter;
    const onDevelopment = rules(['channel: development', 'approve']);
    const [admin, build] = apart.members as [Member, Member];
    const ground = { charter: apart, requesters: emptyRequesters(apart) };
    expect(judge(onDevelopment, { ...ground, self: admin })).toEqual([
      'policy.yaml:2 admin-1 has no share of development and is asked nothing about it',
    ]);
    expect(judge(onDevelopment, { ...ground, self: build })).toEqual([]);
    const own = rules(['requester: alice, channel: production, kind: release', 'refuse']);
    expect(judge(own)).toEqual(['policy.yaml:2 what admin-1 asks for on production others decide']);
    expect(judge(own, { self: other })).toEqual([]);
  });

  it('whose rules are for who may not ask any more is told of them at a start, and refused when somebody reads it', () => {
    const told: string[] = [];
    const tell: InertRule = (rule, why) => void told.push(`${rule} ${why}`);
    const text = rules(
      ['requester: [dave, gone], product: x', 'refuse'],
      ['requester: nightly-1, channel: production', 'refuse'],
      ['requester: dave', 'ask'],
    );
    judge(text, { self: other }, tell);
    expect(told).toEqual([
      expect.stringMatching(/^policy.yaml:2 "gone" is no member, and not in version 3/),
      expect.stringMatching(/^policy.yaml:3 this rule can never match: nightly-1 may not ask for/),
    ]);
    expect(
      refusalOf(() => {
        judge(text);
      }),
    ).toMatchObject({ code: 'bad-policy', line: 2 });
    // What does not change by itself is refused at a start, too.
    expect(
      refusalOf(() => {
        judge(rules(['requester: gone, artifacts: "a/b"', 'approve']), {}, tell);
      }),
    ).toMatchObject({ code: 'bad-policy' });
  });

  it('says the line of the field, where a rule goes over several', () => {
    const text = 'rules:\n  - match:\n      product: x\n      channel: nightly\n    action: ask\n';
    expect(
      refusalOf(() => {
        judge(text);
      }),
    ).toMatchObject({ line: 4 });
  });
});
