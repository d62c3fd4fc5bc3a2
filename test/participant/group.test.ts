/** Participants at a real coordinator: ceremony, documents, rounds, restarts. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { until, useParticipants, TestGroup } from './support.ts';

useParticipants();

describe('a group', () => {
  it('makes a key, signs its documents, and signs what enough members approve', async () => {
    await using group = await TestGroup.create({
      tiers: ['build', 'admin', 'admin'],
      production: '{ any: 2 }',
      development: '{ admin: 1 }',
    });
    const line = await group.joinAll();
    expect(await readFile(join(group.members[0]!.home, 'GROUP.pub'), 'utf8')).toBe(`${line}\n`);
    await group.serveAll();
    const client = group.requesterClient();
    const { digest } = await client.submit(await group.release());
    const [first, second] = group.members;
    for (const member of [first!, second!]) {
      await until(async () => (await group.call(member, { command: 'requests', all: false })).requests[0], 'request');
      await group.call(member, { command: 'approve', id: digest.slice(0, 12) });
    }
    const round = await until(async () => {
      const body = await client.round(digest);
      return body.outcome === 'signed' ? body : undefined;
    }, 'signed');
    expect(round.signatures).toHaveLength(1);
    client.close();
  });
});
