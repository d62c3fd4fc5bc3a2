/** `{ admin: 2, build: 1 }` over real processes: two admins and one build server, and never three admins. */
import { createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demand } from '../../demo/process.ts';
import { hasStanding, roundWhere } from '../../demo/round-stream.ts';
import { preAuthEncoding } from '../../verifier/dsse.ts';
import { approves, TestCompany } from '../harness/company.ts';

const company = new TestCompany({
  members: [
    { name: 'alice', tier: 'admin' },
    { name: 'bob', tier: 'admin' },
    { name: 'carol', tier: 'admin' },
    { name: 'build-1', tier: 'build' },
  ],
  channels: {
    production: '{ quorum: { admin: 2, build: 1 }, expiry: 72h }',
    development: '{ quorum: { build: 1 }, expiry: 1h, validity: 90d }',
  },
});

beforeAll(async () => {
  await company.open({ 'build-1': approves('development') });
}, 120_000);

afterAll(async () => {
  await company[Symbol.asyncDispose]();
}, 60_000);

describe('a tiered quorum over real processes', { timeout: 120_000 }, () => {
  it('signs development by one tier alone, and production by two tiers together, as one ordinary Ed25519 signature', async () => {
    company.write('tool.bin', 'tool\n');
    await demand(company.sign('dave', 'tool.bin', 'development'), 0);
    await company.run(['verify', 'tool.bin', '--key', 'GROUP.pub', '--channel', 'development']);
    await company.run(['verify', 'tool.bin', '--key', 'GROUP.pub'], 3);

    company.write('release.bin', 'release\n');
    const signing = company.sign('dave', 'release.bin', 'production');
    const { id } = await roundWhere(signing, 'the round', () => true);
    await company.approve('alice', id);
    await company.approve('bob', id);
    await company.approve('build-1', id);
    await demand(signing, 0);
    await company.run(['verify', 'release.bin', '--key', 'GROUP.pub']);

    const { stdout } = await company.run(['group', 'export', '--format', 'pem', '--group', 'GROUP.pub']);
    const bundle = JSON.parse(readFileSync(company.path('release.bin.frostmark'), 'utf8')) as {
      statement: { payload: string; payloadType: string; signatures: [{ sig: string }] };
    };
    const { payload, payloadType, signatures } = bundle.statement;
    const message = preAuthEncoding(payloadType, Buffer.from(payload, 'base64'));
    expect(verify(null, message, createPublicKey(stdout), Buffer.from(signatures[0].sig, 'base64'))).toBe(true);
  });

  it('never signs with three admins: the request is still pending at the deadline (exit 5)', async () => {
    company.write('admins.bin', 'only admins\n');
    const { stdout } = await demand(company.sign('dave', 'admins.bin', 'production', ['--no-wait']), 0);
    const { id } = JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as { readonly id: string };
    await Promise.all(['alice', 'bob', 'carol'].map(async (name) => await company.approve(name, id)));
    const signing = company.sign('dave', 'admins.bin', 'production', ['--wait', '2s']);
    const round = await roundWhere(signing, 'three approvals', hasStanding('approved', 'alice', 'bob', 'carol'));
    expect(round).toMatchObject({ id, attempts: [] });
    await demand(signing, 5);
  });

  it('approves several requests by one command', async () => {
    const signings = ['one.bin', 'two.bin'].map((name) => {
      company.write(name, name);
      return company.sign('dave', name, 'production');
    });
    const ids = await Promise.all(signings.map(async (one) => (await roundWhere(one, 'the round', () => true)).id));
    for (const name of ['alice', 'bob', 'build-1']) {
      const { stdout } = await company.run(['participant', 'approve', ...ids, '--home', company.path(name)]);
      for (const id of ids) expect(stdout).toContain(id.slice(0, 12));
    }
    for (const signing of signings) await demand(signing, 0);
  });

  it('reads the policy again at SIGHUP: a broken one is refused, the old one stays, and the daemon goes on', async () => {
    const daemon = company.daemon('build-1');
    const eventLine = (event: string) => (line: string) => (line.includes(`"event":"${event}"`) ? line : undefined);
    company.write('build-1/policy.yaml', 'rules: [{ match: { channel: development }, action: aprove }]\n');
    daemon.signal('SIGHUP');
    expect(await daemon.find('the refusal', eventLine('policy-refused'))).toMatch(/policy\.yaml:1: /);
    company.write('old.bin', 'by the old policy\n');
    await demand(company.sign('dave', 'old.bin', 'development'), 0);

    company.write('build-1/policy.yaml', 'rules: [{ match: { channel: development }, action: refuse, reason: no }]\n');
    daemon.signal('SIGHUP');
    await daemon.find('the new policy', eventLine('policy-loaded'));
    company.write('new.bin', 'by the new policy\n');
    await demand(company.sign('dave', 'new.bin', 'development'), 6);
  });

  it('ends as refused when the only build server refuses (exit 6)', async () => {
    company.write('refused.bin', 'refused\n');
    const signing = company.sign('dave', 'refused.bin', 'production');
    const { id } = await roundWhere(signing, 'the round', () => true);
    await company.run(['participant', 'refuse', id, '--reason', 'not built here', '--home', company.path('build-1')]);
    const { stderr } = await demand(signing, 6);
    expect(stderr).toContain('not built here');
  });
});
