import { expect, test } from 'vitest';
import { defaultLimits, maxBufferedBytes } from '../../coordinator/limits.ts';
import { maxArtifacts, maxNoteCharacters, maxReasonCharacters, maxRequestBytes } from '../../protocol/limits.ts';
import { dealtGroup, releaseOf } from '../harness/coordinator-group.ts';
import { refusalOf } from '../harness/coordinator-refusals.ts';
import { CoordinatorWorld } from '../harness/coordinator-server.ts';
import { slowLine } from '../harness/slow-line.ts';

const group = await dealtGroup({ tiers: ['admin', 'admin', 'admin'], production: '{ any: 2 }' });

/** As long as a request can be. */
function largestRequest(release: string) {
  const artifacts = Array.from({ length: maxArtifacts }, (_, index) => ({
    name: `${'n'.repeat(245)}-${index}`,
    size: index,
    sha256: '11'.repeat(32),
    sha512: '22'.repeat(64),
  }));
  const request = releaseOf(group, group.requester, { release, artifacts, note: 'n'.repeat(maxNoteCharacters) });
  expect(request.payload.length).toBeGreaterThan(maxRequestBytes * 0.8);
  return request;
}

test('whoever fills every bound at once keeps no member out: one that comes back over a slow line gets all that waits (T42)', async () => {
  let coordinatorPort = 0;
  // 40 Mbit/s, and pings so often that several are due before what waits has passed.
  await using line = await slowLine(() => coordinatorPort, 5_000_000);
  await using world = await CoordinatorWorld.create(group);
  const limits = { pingMs: 1_000, costPerSecond: 100_000, costBurst: 100_000 };
  coordinatorPort = (await world.start({ url: `http://127.0.0.1:${line.port}`, limits })).port;
  await world.learn(group);
  const refuser = world.member(group, 2);
  await refuser.connect();
  const requester = world.requester(group);
  const digests: string[] = [];
  for (let count = 0; count < defaultLimits.maxPendingPerAsker; count += 1)
    digests.push((await requester.submit(largestRequest(`1.0.${count}`))).digest);
  expect(await refusalOf(requester.submit(largestRequest('2.0.0')))).toBe('too-many');
  for (const digest of digests) {
    await refuser.next('request', (frame) => frame.request.payload.length > 0 && refuser.knows(digest));
    refuser.decide(digest, 'refuse', 'r'.repeat(maxReasonCharacters));
    await refuser.next('decision', ({ decision }) => decision.payload.length > 0);
  }

  const before = line.carried();
  const member = world.member(group, 3);
  await member.connect();
  expect(member.closeCode).toBeUndefined();
  expect(member.frames.filter(({ type }) => type === 'request')).toHaveLength(digests.length);
  // More than may wait for a member at once, or nothing was shown here.
  expect(line.carried() - before).toBeGreaterThan(2 * maxBufferedBytes(3));
  expect(world.log.some(({ event }) => event === 'member-cut')).toBe(false);
  // The line carries on both ways.
  member.decide(digests[0]!, 'approve');
  await member.next('decision', ({ decision }) => decision.signatures[0].keyid === member.person.key);
});

test('pending requests of one asker and of a group are bounded in bytes, too (T42)', async () => {
  await using world = await CoordinatorWorld.create(group);
  const bytes = Math.floor(2.5 * largestRequest('1.0.0').payload.length);
  await world.start({ limits: { maxPendingBytesPerAsker: bytes } });
  await world.learn(group);
  const requester = world.requester(group);
  await requester.submit(largestRequest('1.0.0'));
  const { digest } = await requester.submit(largestRequest('1.0.1'));
  expect(await refusalOf(requester.submit(largestRequest('1.0.2')))).toBe('too-many');
  expect((await requester.round(digest)).outcome).toBe('pending');
  await world.stop();
  await world.start({ limits: { maxPendingBytesPerGroup: bytes } });
  expect(await refusalOf(world.requester(group).submit(largestRequest('1.0.3')))).toBe('too-many');
});
