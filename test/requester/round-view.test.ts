import { beforeAll, describe, expect, it } from 'vitest';

import { sealMessage } from '../../protocol/wire/envelope.ts';
import { requestMessage, openRequest, type Request } from '../../protocol/request/request.ts';
import { askForRelease, type Submission } from '../../requester/request.ts';
import { assertGoesOn, isReachable, isRefused, openRound } from '../../requester/round-view.ts';
import { person } from '../harness/people.ts';
import { decide, knownWorld, nowUnixSeconds, roundBody, type KnownWorld } from './support.ts';

let world: KnownWorld;
beforeAll(async () => {
  world = await knownWorld({
    tiers: ['admin', 'admin', 'admin', 'build'],
    production: '{ admin: 2, build: 1 }',
    development: '{ any: 2 }',
  });
});

const file = {
  path: '/tmp/app.tgz',
  name: 'app.tgz',
  size: 3,
  sha256: 'aa'.repeat(32),
  sha512: 'bb'.repeat(64),
};

function ask(channel = 'production', who = world.dave): Submission {
  const wish = {
    channel,
    formats: ['native'],
    artifacts: [file],
    product: 'app',
    release: '1.0.0',
    source: null,
    note: undefined,
  };
  return askForRelease(world.group, wish, who, nowUnixSeconds);
}

const noFaults: ReadonlySet<string> = new Set();

describe('who approved and what is missing', () => {
  it('is told for each sharing of the quorum', () => {
    const { request } = ask();
    const view = openRound(world.group, roundBody(request, { decisions: [decide(world, request, 1, 'approve')] }));
    expect(
      view.sharings.map(({ of, threshold, approvals, missing }) => ({ of, threshold, approvals, missing })),
    ).toEqual([
      { of: 'admin', threshold: 2, approvals: 1, missing: 1 },
      { of: 'build', threshold: 1, approvals: 0, missing: 1 },
    ]);
  });

  it('is one sharing of all members for an any quorum', () => {
    const { request } = ask('development');
    const view = openRound(world.group, roundBody(request));
    expect(view.sharings.map(({ of, members }) => [of, members.length])).toEqual([['any', 4]]);
  });

  it('is what a member said last, in whatever order it arrives', () => {
    const { request } = ask();
    const decisions = [
      decide(world, request, 1, 'refuse', { serial: 2, reason: 'wrong tag' }),
      decide(world, request, 1, 'approve', { serial: 1 }),
    ];
    for (const order of [decisions, decisions.toReversed()]) {
      const [admin] = openRound(world.group, roundBody(request, { decisions: order })).sharings;
      expect(admin?.members[0]).toMatchObject({ standing: 'refused', reason: 'wrong tag' });
    }
  });

  it('is undecided again after a withdrawal', () => {
    const { request } = ask();
    const decisions = [decide(world, request, 1, 'approve'), decide(world, request, 1, 'withdraw', { serial: 2 })];
    expect(openRound(world.group, roundBody(request, { decisions })).sharings[0]?.approvals).toBe(0);
  });

  it('does not believe a decision that no member signed (T34)', () => {
    const { request } = ask();
    const decisions = [decide(world, request, 1, 'approve', { by: person('admin-1') })];
    const view = openRound(world.group, roundBody(request, { decisions }));
    expect(view.sharings[0]?.approvals).toBe(0);
    expect(view.unverified).toBe(1);
  });

  it('does not believe a decision on another request (T34)', () => {
    const { request } = ask();
    const decisions = [decide(world, request, 1, 'approve', { requestDigest: 'cc'.repeat(32) })];
    const view = openRound(world.group, roundBody(request, { decisions }));
    expect(view).toMatchObject({ unverified: 1, sharings: [{ approvals: 0 }, { approvals: 0 }] });
  });

  it('does not believe a decision that was changed (T34)', () => {
    const { request } = ask();
    const refusal = decide(world, request, 1, 'refuse');
    const payload = Buffer.from(
      Buffer.from(refusal.payload, 'base64').toString().replace('refuse', 'approve'),
    ).toString('base64');
    const view = openRound(world.group, roundBody(request, { decisions: [{ ...refusal, payload }] }));
    expect(view).toMatchObject({ unverified: 1, sharings: [{ approvals: 0 }, { approvals: 0 }] });
  });

  it('counts no approval of the asker’s own member on production (T31)', () => {
    const { request } = ask('production', world.adminAsking);
    const decisions = [1, 2, 4].map((member) => decide(world, request, member, 'approve'));
    const view = openRound(world.group, roundBody(request, { decisions }));
    expect(view.sharings[0]).toMatchObject({ approvals: 1, missing: 1 });
    expect(view.sharings[0]?.members[0]).toMatchObject({ keptOut: true, standing: 'approved' });
  });

  it('counts it off production', () => {
    const { request } = ask('development', world.adminAsking);
    const decisions = [decide(world, request, 1, 'approve')];
    expect(openRound(world.group, roundBody(request, { decisions })).sharings[0]?.approvals).toBe(1);
  });

  it('is refused for another request under the id', () => {
    const [first, second] = [ask().request, ask('development').request];
    expect(() => openRound(world.group, { ...roundBody(first), request: roundBody(second).request })).toThrow(
      expect.objectContaining({ code: 'bad-result' }),
    );
  });

  it('is refused for a request of another group', () => {
    const { request } = ask();
    const other = sealMessage(requestMessage, { ...request.payload, epoch: '00'.repeat(32) }, world.dave);
    expect(() => openRound(world.group, roundBody(openRequest(other)))).toThrow(
      expect.objectContaining({ code: 'bad-result' }),
    );
  });

  it('is still told when whoever asked is no requester any more', () => {
    const { payload } = ask().request;
    const request = openRequest(sealMessage(requestMessage, payload, person('gone')));
    expect(openRound(world.group, roundBody(request)).asker).toBeUndefined();
  });
});

describe('the end of a round', () => {
  const refusals = (request: Request, members: readonly number[]) =>
    members.map((member) => decide(world, request, member, 'refuse', { reason: `no from ${member}` }));

  it('is not there while it is pending', () => {
    const { request } = ask();
    expect(() => assertGoesOn(openRound(world.group, roundBody(request)), noFaults, nowUnixSeconds)).not.toThrow();
  });

  it('is refused as soon as verified refusals leave no quorum, whatever the coordinator says', () => {
    const { request } = ask();
    const view = openRound(world.group, roundBody(request, { decisions: refusals(request, [4]) }));
    expect(isRefused(view)).toBe(true);
    expect(() => assertGoesOn(view, noFaults, nowUnixSeconds)).toThrow(
      expect.objectContaining({ code: 'refused', message: expect.stringContaining('build-4 (no from 4)') as string }),
    );
  });

  it('is not refused while others can take the place of who refused', () => {
    const { request } = ask();
    const view = openRound(world.group, roundBody(request, { decisions: refusals(request, [1]) }));
    expect(isRefused(view)).toBe(false);
    expect(isReachable(view, ({ standing }) => standing === 'refused')).toBe(true);
  });

  it('is refused by one fewer when the asker’s own member is kept out (T31)', () => {
    const { request } = ask('production', world.adminAsking);
    expect(isRefused(openRound(world.group, roundBody(request, { decisions: refusals(request, [2]) })))).toBe(true);
  });

  it('is not believed to be a refusal that nobody signed (T34)', () => {
    const { request } = ask();
    const view = openRound(world.group, roundBody(request, { outcome: 'refused' }));
    expect(() => assertGoesOn(view, noFaults, nowUnixSeconds)).toThrow(expect.objectContaining({ code: 'unproved' }));
  });

  it('is not believed to be a fault without evidence (T34)', () => {
    const { request } = ask();
    const body = roundBody(request, { outcome: 'faulted', out: [{ member: 4, reason: 'fault' }] });
    const view = openRound(world.group, body);
    expect(() => assertGoesOn(view, noFaults, nowUnixSeconds)).toThrow(expect.objectContaining({ code: 'unproved' }));
  });

  it('is faulted when proved faults leave no quorum', () => {
    const { request } = ask();
    const view = openRound(world.group, roundBody(request, { outcome: 'faulted' }));
    expect(() => assertGoesOn(view, new Set(['build-4']), nowUnixSeconds)).toThrow(
      expect.objectContaining({ code: 'faulted' }),
    );
  });

  it('is faulted when refusals and proved faults together leave none', () => {
    const { request } = ask();
    const body = roundBody(request, { outcome: 'faulted', decisions: refusals(request, [1]) });
    const view = openRound(world.group, body);
    expect(() => assertGoesOn(view, new Set(['admin-2']), nowUnixSeconds)).toThrow(
      expect.objectContaining({ code: 'faulted' }),
    );
  });

  it('is not believed to be faulted when those left could still sign (T34)', () => {
    const { request } = ask();
    const view = openRound(world.group, roundBody(request, { outcome: 'faulted' }));
    expect(() => assertGoesOn(view, new Set(['admin-1']), nowUnixSeconds)).toThrow(
      expect.objectContaining({ code: 'unproved' }),
    );
  });

  it('is expired when the request’s time is over', () => {
    const { request } = ask();
    const view = openRound(world.group, roundBody(request, { outcome: 'expired' }));
    expect(() => assertGoesOn(view, noFaults, nowUnixSeconds + 73 * 3600)).toThrow(
      expect.objectContaining({ code: 'expired' }),
    );
  });

  it('is not believed to be expired long before that (T34)', () => {
    const { request } = ask();
    const view = openRound(world.group, roundBody(request, { outcome: 'expired' }));
    expect(() => assertGoesOn(view, noFaults, nowUnixSeconds)).toThrow(expect.objectContaining({ code: 'unproved' }));
  });

  it('is cancelled when the coordinator says so', () => {
    const { request } = ask();
    const view = openRound(world.group, roundBody(request, { outcome: 'cancelled' }));
    expect(() => assertGoesOn(view, noFaults, nowUnixSeconds)).toThrow(expect.objectContaining({ code: 'cancelled' }));
  });
});
