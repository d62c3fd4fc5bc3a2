/** What a member that came back out of a backup does not decide: what it may have decided otherwise before (T3). */
import { describe, expect, it } from 'vitest';
import type { Judge } from '../../participant/judge.ts';
import { othersNeeded } from '../../participant/restored.ts';
import { formatTimestamp } from '../../protocol/wire/time.ts';
import { writeCharter } from '../harness/people.ts';
import {
  commitmentOf,
  makeParticipant,
  makeWorld,
  now,
  openedFrames,
  packageFrame,
  release,
  requestFrame,
  type TestParticipant,
  type World,
} from './members.ts';

const plan = { tiers: ['a', 'a', 'a'], production: '{ any: 2 }' };
const approves: Judge = () => Promise.resolve({ action: 'approve', reason: null, rule: 'approves everything' });
const skew = 300;

/** A member that would approve everything by policy, and a request that was made so many seconds after its restore. */
async function asked(
  after: number,
  isCaughtUp: boolean,
): Promise<{ world: World; member: TestParticipant; digest: string; request: ReturnType<typeof release> }> {
  const world = await makeWorld(plan);
  const restored = { at: now - 3600, isCaughtUp };
  const member = await makeParticipant(world, 1, { judge: approves, restored });
  const request = release(world, { createdAt: formatTimestamp(restored.at + after) });
  await member.receive(requestFrame(request));
  await member.rounds.settled();
  return { world, member, digest: request.digest, request };
}

async function expectSilence(
  { member, digest, world }: Awaited<ReturnType<typeof asked>>,
  reason: string,
): Promise<void> {
  expect(member.rounds.show(digest)).toMatchObject({
    state: 'blocked',
    obstacle: expect.stringContaining(reason) as string,
  });
  for (const decision of ['approve', 'refuse'] as const)
    await expect(member.rounds.decide(digest, decision, null)).rejects.toMatchObject({
      code: 'not-allowed',
      message: expect.stringContaining(reason) as string,
    });
  expect(openedFrames(world, member)).toMatchObject({ decisions: [], commitments: [], shares: [] });
}

describe('a restored member', () => {
  it('decides nothing before it took what the others hold, not even by its policy', async () => {
    await expectSilence(await asked(1800, false), 'before 2 others were connected');
  });

  it.each([-1800, 0, skew - 1])(
    'says neither yes nor no to what was asked %i seconds after its restore',
    async (after) => {
      const case_ = await asked(after, true);
      await expectSilence(case_, 'may have decided on this before: ask again after');
      await case_.member.restart();
      await case_.member.receive(requestFrame(case_.request));
      await expectSilence(case_, 'may have decided on this before');
    },
  );

  it('decides on what is asked once every clock is past its restore', async () => {
    const { world, member } = await asked(skew, true);
    const { decisions, commitments } = openedFrames(world, member);
    expect(decisions).toMatchObject([{ decision: 'approve' }]);
    expect(commitments).toHaveLength(1);
  });

  it('gives no share for what its former life approved and committed to', async () => {
    const { world, member, request } = await asked(-60, true);
    const commitments = [commitmentOf(world, request, 1), commitmentOf(world, request, 2)];
    await member.receive(packageFrame(request, commitments));
    const { shares, answers } = openedFrames(world, member);
    expect(shares).toEqual([]);
    expect(answers).toMatchObject([{ answer: 'lost' }]);
  });
});

describe('the others that it waits for', () => {
  it.each([
    ['{ any: 2 }', 2],
    ['{ any: 3 }', 2],
    ['{ a: 1, b: 1 }', 2],
  ])('are as many as sign for production, or all there are: %s', (production, expected) => {
    expect(othersNeeded(writeCharter({ tiers: ['a', 'a', 'b'], production }).charter)).toBe(expected);
  });
});
