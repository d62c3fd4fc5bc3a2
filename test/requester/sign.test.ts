/** A program signs a release without a terminal: from the files to the signatures beside them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { askAndWait } from '../../requester/ask.ts';
import { connect } from '../../requester/connection.ts';
import { sign, type SignWish } from '../../requester/sign.ts';
import { decodeBase64Url } from '../../verifier/base64.ts';
import { dealtGroup } from '../harness/coordinator-group.ts';
import { CoordinatorWorld } from '../harness/coordinator-server.ts';

it('is one call, again the same result, and refused before anybody is asked where it would destroy something (T51)', async () => {
  const group = await dealtGroup({ tiers: ['admin', 'admin'], production: '{ any: 2 }' });
  await using world = await CoordinatorWorld.create(group);
  await world.start();
  await world.learn(group);
  await world.members(group, { decide: () => 'approve' });
  using connection = await connect({
    coordinator: world.url,
    groupKey: decodeBase64Url(group.epoch.groupKey),
    identity: group.requester,
  });
  const nowUnixSeconds = (): number => Math.floor(Date.now() / 1000);
  const path = join(world.folder, 'app.tgz');
  writeFileSync(path, 'app');
  const wish = (manifestPath: string): SignWish => ({
    channel: 'production',
    subject: { kind: 'manifest', paths: [path], manifestPath },
    formats: ['minisign'],
    product: 'app',
    release: '1.0.0',
    source: null,
    note: undefined,
  });
  const ask = { ask: askOnce, nowUnixSeconds };
  const first = await sign(connection, wish('SUMS'), ask);
  expect(first.written).toEqual(['app.tgz.frostmark', 'SUMS', 'SUMS.minisig'].map((name) => join(world.folder, name)));
  expect(first.signers).toEqual(['admin-1', 'admin-2']);
  expect((await sign(connection, wish('SUMS'), ask)).request.digest).toBe(first.request.digest);
  await expect(sign(connection, wish(path), ask)).rejects.toMatchObject({ code: 'output-is-input' });
  expect(readFileSync(path, 'utf8')).toBe('app');

  function askOnce(...[to, submission]: Parameters<Parameters<typeof sign>[2]['ask']>) {
    return askAndWait(to, submission, { nowUnixSeconds });
  }
});
