import { beforeAll, describe, expect, it } from 'vitest';

import { changes, LiveRound } from '../../../cli/text/live-round.ts';
import { Output, type TextStream } from '../../../cli/output.ts';
import { roundJson, roundPage, roundsTable } from '../../../cli/text/round.ts';
import { askForRelease } from '../../../requester/request.ts';
import { openRound, type RoundView } from '../../../requester/round-view.ts';
import type { RoundBody } from '../../../protocol/wire/frames.ts';
import type { Request } from '../../../protocol/request/request.ts';
import { decide, knownWorld, nowUnixSeconds, roundBody, type KnownWorld } from '../../requester/support.ts';

let world: KnownWorld;
let request: Request;
beforeAll(async () => {
  world = await knownWorld({ tiers: ['admin', 'admin', 'build'], production: '{ admin: 2, build: 1 }' });
  const files = [{ path: '/tmp/a', name: 'app.tgz', size: 3, sha256: 'aa'.repeat(32), sha512: 'bb'.repeat(64) }];
  const wish = {
    channel: 'production',
    formats: ['native'],
    artifacts: files,
    product: 'app',
    release: '1.0.0',
    source: null,
    note: 'x\u202ey',
  };
  request = askForRelease(world.group, wish, world.dave, nowUnixSeconds).request;
});

const attempt = (open: boolean): RoundBody['attempts'] => [
  { attempt: 'ee'.repeat(32), signers: [1, 2, 3], answered: [1], open },
];
const listed = (of: RoundView) => ({ view: of, title: null });
const view = (change: Parameters<typeof roundBody>[1] = {}): RoundView =>
  openRound(world.group, roundBody(request, change));

describe('a round for somebody who is no terminal', () => {
  it('begins with what is missing and until when', () => {
    expect(changes(undefined, view({ connected: [1] }), nowUnixSeconds)).toEqual([
      'waiting for approvals on production until 2026-11-25T08:00:00Z (in 72 h)',
      'admin 2: 0 of 2 approved; 2 missing of admin-1, admin-2 (offline)',
      'build 1: 0 of 1 approved; 1 missing of build-3 (offline)',
    ]);
  });

  it('says nothing when nothing changed', () => {
    expect(changes(view(), view({ connected: [1, 2] }), nowUnixSeconds)).toEqual([]);
  });

  it('tells each decision once, with what it makes', () => {
    const approved = view({ decisions: [decide(world, request, 1, 'approve')] });
    expect(changes(view(), approved, nowUnixSeconds)).toEqual(['admin-1 approved; admin: 1 of 2 approved']);
    expect(changes(approved, approved, nowUnixSeconds)).toEqual([]);
  });

  it('tells refusals with their reason, escaped (T36), and withdrawals', () => {
    const refused = view({ decisions: [decide(world, request, 2, 'refuse', { reason: 'no\u202e' })] });
    expect(changes(view(), refused, nowUnixSeconds)).toEqual(['admin-2 refused: no\\u{202e}; admin: 0 of 2 approved']);
    const approved = view({ decisions: [decide(world, request, 1, 'approve')] });
    const withdrawn = view({ decisions: [decide(world, request, 1, 'withdraw', { serial: 2 })] });
    expect(changes(approved, withdrawn, nowUnixSeconds)).toEqual([
      'admin-1 withdrew its approval; admin: 0 of 2 approved',
    ]);
  });

  it('tells attempts, and that the round goes on when one is over', () => {
    expect(changes(view(), view({ attempts: attempt(true) }), nowUnixSeconds)).toEqual([
      'signing with admin-1, admin-2, build-3',
    ]);
    expect(changes(view({ attempts: attempt(true) }), view({ attempts: attempt(false) }), nowUnixSeconds)).toEqual([
      'that attempt is over without a signature; the round goes on',
    ]);
    const [first] = attempt(false);
    const founded = view({ attempts: [{ ...first!, answered: [1, 2, 3] }] });
    expect(changes(view({ attempts: attempt(true) }), founded, nowUnixSeconds)).toEqual([
      'the first signatures are made; what is signed about them comes next',
    ]);
    const signed = view({ attempts: attempt(false), outcome: 'signed' });
    expect(changes(view({ attempts: attempt(true) }), signed, nowUnixSeconds)).toEqual([]);
  });
});

class Stream implements TextStream {
  text = '';
  readonly isTTY: boolean;
  constructor(isTTY: boolean) {
    this.isTTY = isTTY;
  }
  write(text: string): void {
    this.text += text;
  }
}

function show(isTTY: boolean, json: boolean, views: readonly RoundView[]): { stdout: string; stderr: string } {
  const [stdout, stderr] = [new Stream(isTTY), new Stream(isTTY)];
  using live = new LiveRound(new Output({ stdout, stderr, json, environment: {} }), () => nowUnixSeconds);
  for (const each of views) live.show(each);
  return { stdout: stdout.text, stderr: stderr.text };
}

describe('a round for a person', () => {
  it('is drawn in place of itself', () => {
    const { stdout, stderr } = show(true, false, [view(), view({ decisions: [decide(world, request, 1, 'approve')] })]);
    expect(stdout).toBe('');
    expect(stderr.match(/\u001b\[3A/g)).toHaveLength(1);
    expect(stderr).toContain('admin 2: 1 of 2 approved: admin-1 (offline); 1 missing of admin-2 (offline)');
  });

  it('is not drawn over where nobody watches', () => {
    expect(show(false, false, [view(), view()]).stderr).not.toContain('\u001b');
  });

  it('is one JSON value an event with --json', () => {
    const { stdout } = show(true, true, [view(), view({ outcome: 'signed', signers: [1, 2, 3] })]);
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { event: string; round: { outcome: string } });
    expect(events.map(({ event, round }) => [event, round.outcome])).toEqual([
      ['round', 'pending'],
      ['round', 'signed'],
    ]);
  });
});

describe('what is told of a round', () => {
  it('says who asked, what, and how it stands', () => {
    const page = roundPage(
      view({ decisions: [decide(world, request, 2, 'refuse', { reason: 'wrong tag' })], attempts: attempt(false) }),
      nowUnixSeconds,
    );
    for (const text of [
      request.digest,
      'dave',
      'app',
      '1.0.0',
      'admin-2: wrong tag',
      'in 72 h',
      'x\\u{202e}y',
      'admin-1, admin-2, build-3',
    ])
      expect(page).toContain(text);
  });

  it('says aloud when the coordinator shows decisions that nobody signed (T34)', () => {
    const forged = decide(world, request, 1, 'approve', { by: world.dave });
    expect(roundPage(view({ decisions: [forged] }), nowUnixSeconds)).toContain(
      '1 decision that nobody of the group signed',
    );
    expect(roundJson(view({ decisions: [forged] }))).toMatchObject({ unverifiedDecisions: 1 });
  });

  it('fits a table of 80 columns', () => {
    const lines = roundsTable([listed(view()), listed(view({ outcome: 'signed' }))], nowUnixSeconds).split('\n');
    expect(lines).toHaveLength(3);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  });

  it('is a history: when it was asked and by whom, what became of it when, who signed where there is room, and what it was', () => {
    const decisions = [1, 2, 3].map((member) => decide(world, request, member, 'approve'));
    const signed = view({ decisions, signers: [1, 2, 3], outcome: 'signed' });
    const later = nowUnixSeconds + 7260;
    const wide = roundsTable([listed(signed), listed(view())], later, 130).split('\n');
    expect(wide[0]).toMatch(/^ID +ASKED +BY +CHANNEL +OUTCOME +SIGNED BY +WHAT$/);
    expect(wide[1]).toMatch(
      /2 h 1 min ago +dave +production +signed 2 h ago +admin-1, admin-2, build-3 +app 1\.0\.0, app\.tgz$/,
    );
    expect(wide[2]).toMatch(/ pending, 69 h left +app 1\.0\.0, app\.tgz$/);
    expect(roundsTable([listed(signed)], later, 80)).not.toContain('SIGNED BY');
    expect(roundJson(signed)).toMatchObject({
      endedAt: '2026-11-22T08:01:00Z',
      signers: ['admin-1', 'admin-2', 'build-3'],
      quorum: [{ members: [{ name: 'admin-1', decidedAt: '2026-11-22T08:01:00Z' }, {}] }, {}],
    });
    expect(roundJson(view())).toMatchObject({ endedAt: null });
  });

  it('says first what it is about, and then how it ended and when', () => {
    const decisions = [decide(world, request, 2, 'refuse', { reason: 'wrong tag' })];
    const lines = roundPage(view({ decisions, outcome: 'refused' }), nowUnixSeconds + 120).split('\n');
    expect(lines.slice(0, 4)).toEqual([
      'what        app 1.0.0, app.tgz',
      'channel     production',
      'outcome     refused on 2026-11-22T08:01:00Z, 1 min ago',
      'asked by    dave, 2 min ago',
    ]);
  });
});
