/** The policy: which rule wins, what it takes to approve production, and what its file may say. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RequestPayload } from '../../protocol/request/request.ts';
import type { ExecRunner } from '../../participant/exec.ts';
import { judgeBy } from '../../participant/judge.ts';
import {
  askAlways,
  decodePolicy,
  globMatches,
  loadPolicy,
  type Policy,
  type PolicySubject,
} from '../../participant/policy.ts';
import { PolicyInForce } from '../../participant/policy-in-force.ts';
import { emptyRequesters } from '../../protocol/files/requesters.ts';
import { at } from '../../protocol/wire/present.ts';
import { writeCharter } from '../harness/people.ts';
import { scratch } from './members.ts';

const payload: RequestPayload = {
  groupKey: 'A'.repeat(43),
  epoch: '00'.repeat(32),
  kind: 'release',
  channel: 'development',
  formats: ['native'],
  artifacts: [
    { name: 'widget-1.0.0.tgz', size: 1, sha256: '00'.repeat(32), sha512: '00'.repeat(64) },
    { name: 'widget-1.0.0.sbom', size: 1, sha256: '00'.repeat(32), sha512: '00'.repeat(64) },
  ],
  documents: [],
  product: 'widget',
  release: '1.0.0',
  source: { repo: 'https://git.example.org/widget', ref: 'refs/tags/v1.0.0', commit: '0'.repeat(40) },
  note: null,
  createdAt: '2026-11-22T08:00:00Z',
};
const documentOf = (kind: string) => ({ kind, size: 100, sha256: '00'.repeat(32) });
const subject = (change: Partial<RequestPayload> = {}, requester = 'dave'): PolicySubject => ({
  digest: '11'.repeat(32),
  requester,
  payload: { ...payload, ...change },
});
const policy = (text: string): Policy => decodePolicy(new TextEncoder().encode(text), 'policy.yaml');
const never = new AbortController().signal;
const noRunner = undefined as unknown as ExecRunner;
const actionOf = async (text: string, of: PolicySubject): Promise<string> =>
  (await judgeBy(policy(text), noRunner)(of, () => undefined, never)).action;
const rule = (match: string, action = 'approve'): string => `rules:\n  - match: { ${match} }\n    action: ${action}\n`;

describe('a policy', () => {
  it('leaves everything to a person when there is none, or no rule matches', async () => {
    expect(await judgeBy(askAlways, noRunner)(subject(), () => undefined, never)).toMatchObject({ action: 'ask' });
    expect(await actionOf('rules: []', subject())).toBe('ask');
    expect(await actionOf(rule('channel: nightly'), subject())).toBe('ask');
  });

  it('takes the first rule that matches, with its reason and place', async () => {
    const text =
      'rules:\n  - match: { requester: erin }\n    action: refuse\n    reason: erin is on holiday\n  - action: ask\n  - action: approve\n';
    const judge = judgeBy(policy(text), noRunner);
    expect(await judge(subject({}, 'erin'), () => undefined, never)).toEqual({
      action: 'refuse',
      reason: 'erin is on holiday',
      rule: 'policy.yaml:2: refuse',
    });
    expect(await judge(subject(), () => undefined, never)).toMatchObject({ action: 'ask', rule: 'policy.yaml:5: ask' });
  });

  it.each<[string, string, Partial<RequestPayload>, string?]>([
    ['channel', 'channel: development', {}],
    ['one of several channels', 'channel: [nightly, dev*]', {}],
    ['requester', 'requester: [erin, dave]', {}],
    ['product', 'product: widget', {}],
    ['repository', 'repo: "https://git.example.org/*"', {}],
    ['ref', 'ref: refs/tags/v?.*', {}],
    ['every artifact name', 'artifacts: ["*.tgz", "*.sbom"]', {}],
    ['kind', 'kind: release', {}],
    ['kind of document', 'document: [git-tag, git-commit]', { artifacts: [], documents: [documentOf('git-tag')] }],
    ['the manifest of its files, unnamed', 'channel: development', { documents: [documentOf('manifest')] }],
    ['production, named', 'channel: production', { channel: 'production' }],
    ['requesters, named', 'kind: requesters, channel: production', { kind: 'requesters', channel: 'production' }],
  ])('approves by %s', async (_what, match, change) => {
    expect(await actionOf(rule(match), subject(change))).toBe('approve');
  });

  it.each<[string, string, Partial<RequestPayload>, string?]>([
    [
      'a document that it does not name (T10)',
      'channel: development',
      { artifacts: [], documents: [documentOf('text')] },
    ],
    [
      'a manifest of files that nobody listed',
      'channel: development',
      { artifacts: [], documents: [documentOf('manifest')] },
    ],
    ['another kind of document', 'document: git-tag', { artifacts: [], documents: [documentOf('git-commit')] }],
    ['no document', 'document: manifest', {}],
    ['another channel', 'channel: production', {}],
    ['another requester', 'requester: erin', {}],
    ['a requester that only begins so', 'requester: dav', {}],
    ['another product', 'product: gadget', {}],
    ['no product', 'product: "*"', { product: null }],
    [
      'another repository',
      'repo: "https://git.example.org/widget"',
      { source: { repo: 'https://git.example.org/widget.evil', ref: null, commit: '0'.repeat(40) } },
    ],
    ['no source', 'repo: "*"', { source: null }],
    ['no ref', 'ref: "*"', { source: { repo: 'x', ref: null, commit: '0'.repeat(40) } }],
    ['one artifact of many', 'artifacts: "*.tgz"', {}],
    ['no artifacts at all', 'artifacts: "*"', { artifacts: [] }],
    ['production by a rule without channel (T33)', '', { channel: 'production' }],
    ['production by a pattern (T33)', 'channel: "*"', { channel: 'production' }],
    ['a document by a rule without kind (T33)', 'channel: production', { kind: 'requesters', channel: 'production' }],
    ['a delegation by a rule without kind (T33)', 'channel: production', { kind: 'delegation', channel: 'production' }],
    [
      'a document by a rule for releases',
      'kind: release, channel: production',
      { kind: 'delegation', channel: 'production' },
    ],
  ])('does not approve %s', async (_what, match, change) => {
    expect(await actionOf(rule(match), subject(change))).toBe('ask');
  });

  const releaseOf = (kind: string) => ({ documents: [{ kind, size: 100, sha256: '00'.repeat(32) }] });

  it.each(['git-tag', 'git-commit', 'apt-release', 'rpm-header', 'text'])(
    'approves a release’s %s only by a rule that names it, and a manifest by every rule',
    async (kind) => {
      expect(await actionOf(rule('kind: release'), subject(releaseOf(kind)))).toBe('ask');
      expect(await actionOf(rule('document: manifest'), subject(releaseOf(kind)))).toBe('ask');
      expect(await actionOf(rule(`document: [manifest, ${kind}]`), subject(releaseOf(kind)))).toBe('approve');
      expect(await actionOf(rule('kind: release'), subject(releaseOf('manifest')))).toBe('approve');
    },
  );

  it('approves a certificate by a rule that names its kind: its document is no choice of the asker', async () => {
    const wish = { kind: 'openpgp-subkey', channel: 'production', ...releaseOf('openpgp-back-signature') } as const;
    expect(await actionOf(rule('kind: openpgp-subkey, channel: production'), subject(wish))).toBe('approve');
    expect(await actionOf(rule('channel: production'), subject(wish))).toBe('ask');
    expect(await actionOf(rule('kind: openpgp-subkey, channel: production, document: text'), subject(wish))).toBe(
      'ask',
    );
  });

  it('refuses production with a rule that does not name it: only approving needs the name', async () => {
    expect(await actionOf(rule('', 'refuse'), subject({ channel: 'production' }))).toBe('refuse');
    expect(await actionOf(rule('', 'refuse'), subject({ kind: 'delegation', channel: 'production' }))).toBe('refuse');
  });
});

describe('a pattern', () => {
  it.each([
    ['*', ''],
    ['*', 'a/b'],
    ['a*c', 'abc'],
    ['a*c', 'ac'],
    ['*a*b*', 'xaybz'],
    ['a?c', 'abc'],
    ['?', '😀'],
    ['a.c', 'a.c'],
    ['**', 'x'],
  ])('%s fits %j', (pattern, text) => {
    expect(globMatches(pattern, text)).toBe(true);
  });

  it.each([
    ['', 'a'],
    ['a', ''],
    ['a?', 'a'],
    ['a*c', 'abd'],
    ['a.c', 'abc'],
    ['*.tgz', 'a.tgz.exe'],
    ['[ab]', 'a'],
    ['A', 'a'],
  ])('%s does not fit %j', (pattern, text) => {
    expect(globMatches(pattern, text)).toBe(false);
  });

  it('costs little even when it is full of stars', () => {
    expect(globMatches(`${'*a'.repeat(100)}b`, 'a'.repeat(500))).toBe(false);
  });
});

describe('a policy file', () => {
  const exec = (fields: string): string => `rules:\n  - action: exec\n    exec: { ${fields} }\n`;
  it('says how a program runs', () => {
    const [first] = policy(
      exec('run: [/bin/true, --all], timeout: 90s, memory: 512MiB, sandbox: [bwrap, --ro-bind, /, /]'),
    ).rules;
    expect(first!.exec).toEqual({
      place: 'policy.yaml:3',
      run: ['/bin/true', '--all'],
      timeoutSeconds: 90,
      memoryBytes: 512 * 2 ** 20,
      user: undefined,
      sandbox: ['bwrap', '--ro-bind', '/', '/'],
    });
    expect(policy(exec('run: [x], user: builder')).rules[0]!.exec).toMatchObject({
      user: 'builder',
      timeoutSeconds: 600,
      memoryBytes: undefined,
    });
    expect(policy(exec('run: [x], same-user: accepted')).rules[0]!.exec).toMatchObject({
      user: undefined,
      sandbox: undefined,
    });
  });

  it.each([
    ['rules: 5', 1, 'must be a list'],
    ['- a', 1, 'must be a mapping'],
    ['rule: []', 1, 'unknown field "rule"'],
    ['rules:\n  - action: aprove', 2, 'action must be one of'],
    ['rules:\n  - match: {}', 2, 'action must be one of'],
    ['rules:\n  - action: ask\n    mach: {}', 3, 'unknown field "mach"'],
    ['rules:\n  - action: approve\n    match: { chanel: x }', 3, 'unknown field "chanel"'],
    ['rules:\n  - action: approve\n    match: [x]', 3, 'must be a mapping'],
    ['rules:\n  - action: approve\n    match: { channel: 7 }', 3, 'must be a text'],
    ['rules:\n  - action: approve\n    match: { channel: [] }', 3, 'must not be empty'],
    ['rules:\n  - action: approve\n    match: { kind: relase }', 3, 'kind must be one of'],
    ['rules:\n  - action: refuse\n    reason: ""', 3, 'must be a text'],
    ['rules:\n  - action: approve\n    exec: { run: [x], same-user: accepted }', 3, 'action exec needs exec'],
    ['rules:\n  - action: exec', 2, 'action exec needs exec'],
    [exec('same-user: accepted'), 3, 'run must be a list'],
    [exec('run: "rm -rf /", same-user: accepted'), 3, 'no shell'],
    [exec('run: [], same-user: accepted'), 3, 'must not be empty'],
    [exec('run: [x]'), 3, 'same-user: accepted'],
    [exec('run: [x], user: a, same-user: accepted'), 3, 'same-user: accepted'],
    [exec('run: [x], user: a, sandbox: [b]'), 3, 'same-user: accepted'],
    [exec('run: [x], same-user: true'), 3, 'can only be accepted'],
    [exec('run: [x], same-user: accepted, timeout: 5'), 3, 'timeout must be'],
    [exec('run: [x], same-user: accepted, timeout: 90d'), 3, 'timeout must be'],
    [exec('run: [x], same-user: accepted, memory: 5GB'), 3, 'memory must be'],
    [exec('run: ["a\\0b"], same-user: accepted'), 3, 'zero byte'],
    ['rules:\n  - action: ask\n    action: approve', 3, ''],
    ['rules: &a []\nmore: *a', 1, ''],
    ['rules: [', 1, ''],
  ])('%j is refused with its line', (text, line, message) => {
    expect(() => policy(text)).toThrow(
      expect.objectContaining({ code: 'bad-policy', file: 'policy.yaml', ...(message === '' ? {} : { line }) }),
    );
    if (message !== '') expect(() => policy(text)).toThrow(message);
  });

  it('with too many rules is refused, and one that is not there', async () => {
    expect(() => policy(`rules:\n${'  - action: ask\n'.repeat(501)}`)).toThrow('at most 500 rules');
    await expect(loadPolicy('/nowhere/policy.yaml')).rejects.toMatchObject({ code: 'missing' });
  });
});

describe('the policy in force', () => {
  const { charter } = writeCharter({ tiers: ['a', 'a'], production: '{ any: 2 }', development: '{ any: 1 }' });
  const ground = () => Promise.resolve({ charter, self: at(charter.members, 0), requesters: emptyRequesters(charter) });

  it('is read again when that is asked for, and a broken one never takes its place', async () => {
    const path = join(await scratch(), 'policy.yaml');
    const log: string[] = [];
    const write = (action: string): Promise<void> => writeFile(path, `rules: [{ action: ${action} }]\n`);
    await write('ask');
    const inForce = await PolicyInForce.open({ path, ground, log: (_level, event) => void log.push(event) });
    const decided = async (): Promise<string> => (await inForce.judge(subject(), () => undefined, never)).action;
    expect(await decided()).toBe('ask');
    await write('refuse');
    expect(await decided()).toBe('ask');
    expect([await inForce.reload(), await decided()]).toEqual([true, 'refuse']);
    await write('aprove');
    expect([await inForce.reload(), await decided()]).toEqual([false, 'refuse']);
    await writeFile(path, 'rules: [{ match: { channel: nightly }, action: ask }]\n');
    expect([await inForce.reload(), await decided()]).toEqual([false, 'refuse']);
    await rm(path);
    expect([await inForce.reload(), await decided()]).toEqual([false, 'refuse']);
    await writeFile(path, 'rules: [{ action: exec, exec: { run: [/nonexistent/program] } }]\n');
    expect([await inForce.reload(), await decided()]).toEqual([false, 'refuse']);
    const ofNobody = 'rules: [{ match: { requester: gone }, action: refuse }]\n';
    await writeFile(path, ofNobody);
    expect([await inForce.reload(), await decided()]).toEqual([false, 'refuse']);
    expect(log).toEqual(['policy-loaded', ...Array<string>(5).fill('policy-refused')]);
    await inForce.close();
    // Requesters go while a daemon is down.
    const again: string[] = [];
    await (
      await PolicyInForce.open({ path, ground, log: (level, event) => void again.push(`${level} ${event}`) })
    ).close();
    expect(again).toEqual(['warn policy-rule-inert']);
  });

  it('lets no program of a policy that it replaced decide, and what waits is judged anew (T32)', async () => {
    const folder = await scratch();
    const path = join(folder, 'policy.yaml');
    const programs = (script: string): Promise<void> =>
      writeFile(
        path,
        JSON.stringify({
          rules: [
            {
              match: { channel: 'development' },
              action: 'exec',
              exec: { run: ['/bin/sh', '-c', script], 'same-user': 'accepted' },
            },
          ],
        }),
      );
    await programs('sleep 30');
    const inForce = await PolicyInForce.open({ path, ground, log: () => undefined });
    let started = 0;
    const verdicts = [1, 2, 3].map(() => inForce.judge(subject(), () => void (started += 1), never));
    await programs('echo no more >&2; exit 1');
    expect(started).toBe(2);
    expect(await inForce.reload()).toBe(true);
    const refused = { action: 'refuse', reason: 'no more' };
    expect(await Promise.all(verdicts)).toMatchObject([refused, refused, refused]);
    expect(started).toBe(5);
    await inForce.close();
  });

  it('is none at all when it is broken at the start', async () => {
    const path = join(await scratch(), 'policy.yaml');
    await writeFile(path, 'rules: [{ action: aprove }]\n');
    await expect(PolicyInForce.open({ path, ground, log: () => undefined })).rejects.toMatchObject({
      code: 'bad-policy',
    });
  });
});
