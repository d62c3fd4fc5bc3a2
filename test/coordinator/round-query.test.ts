import { describe, expect, test } from 'vitest';
import { everyRound, parseRoundQuery } from '../../coordinator/round-query.ts';
import { dealtGroup, releaseOf } from '../harness/coordinator-group.ts';
import { CoordinatorWorld } from '../harness/coordinator-server.ts';

describe('the query of a list of rounds', () => {
  test('asks for the newest fifty of all when it says nothing', () => {
    expect(parseRoundQuery({})).toEqual(everyRound);
    expect(parseRoundQuery({ groupKey: 'x', other: '1' })).toEqual(everyRound);
  });

  test('says how many, after which, and what they have to be', () => {
    const asker = 'A'.repeat(43);
    const after = 'ab'.repeat(32);
    const query = { limit: '3', after, outcome: 'signed', asker, channel: 'production', since: '2026-01-01T00:00:00Z' };
    expect(parseRoundQuery(query)).toEqual({
      limit: 3,
      after,
      filter: { outcome: 'signed', asker, channel: 'production', since: Date.UTC(2026, 0, 1) / 1000, until: undefined },
    });
  });

  test.each([
    { limit: '0' },
    { limit: '51' },
    { limit: '1.5' },
    { limit: ['1', '2'] },
    { after: 'ab' },
    { outcome: 'done' },
    { asker: 'dave' },
    { channel: '../x' },
    { channel: ['a', 'b'] },
    { since: 'yesterday' },
    { until: '2026-01-01' },
  ])('is refused with %j', (query) => {
    expect(() => parseRoundQuery(query)).toThrow(expect.objectContaining({ code: 'bad-body' }));
  });
});

test('pages of rounds follow on each other, newest first, and an empty one is the end', async () => {
  const group = await dealtGroup({ tiers: ['admin', 'admin'], production: '{ any: 2 }', development: '{ any: 1 }' });
  await using world = await CoordinatorWorld.create(group);
  await world.start();
  await world.learn(group);
  const client = world.requester(group);
  const digests: string[] = [];
  for (let number = 0; number < 5; number += 1) {
    const channel = number % 2 === 0 ? 'development' : 'production';
    digests.unshift(
      (await client.submit(releaseOf(group, group.requester, { release: `1.0.${number}`, channel }))).digest,
    );
  }
  const { token } = await client.login();
  const page = async (query: string): Promise<{ readonly status: number; readonly digests: string[] }> => {
    const path = `${world.base}/v1/rounds?groupKey=${group.epoch.groupKey}${query}`;
    const answer = await fetch(path, { headers: { authorization: `Bearer ${token}` } });
    const { rounds = [] } = (await answer.json()) as { rounds?: { digest: string }[] };
    return { status: answer.status, digests: rounds.map(({ digest }) => digest) };
  };
  expect((await page('')).digests).toEqual(digests);
  expect((await page('&limit=2')).digests).toEqual(digests.slice(0, 2));
  expect((await page(`&limit=2&after=${digests[1]}`)).digests).toEqual(digests.slice(2, 4));
  expect((await page(`&limit=2&after=${digests[4]}`)).digests).toEqual([]);
  expect((await page('&channel=development')).digests).toEqual([digests[0], digests[2], digests[4]]);
  expect((await page(`&channel=development&after=${digests[0]}&limit=1`)).digests).toEqual([digests[2]]);
  expect((await page('&outcome=signed')).digests).toEqual([]);
  expect((await page(`&asker=${group.requester.key}&outcome=pending`)).digests).toEqual(digests);
  expect((await page('&until=2020-01-01T00:00:00Z')).digests).toEqual([]);
  expect((await page('&limit=0')).status).toBe(400);
  expect((await page(`&after=${'00'.repeat(32)}`)).status).toBe(404);
});
