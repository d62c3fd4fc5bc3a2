/** Real processes killed by a real SIGKILL in the middle of a round: nothing acknowledged is lost, and no nonces are used twice. */
import { copyFileSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demand } from '../../demo/process.ts';
import { hasStanding, isReady, roundWhere } from '../../demo/round-stream.ts';
import { approves, TestCompany } from '../harness/company.ts';

const company = new TestCompany({
  members: [
    { name: 'alice', tier: 'admin' },
    { name: 'bob', tier: 'admin' },
    { name: 'hw-1', tier: 'hardware' },
    { name: 'hw-2', tier: 'hardware' },
  ],
  channels: {
    production: '{ quorum: { any: 3 }, expiry: 72h }',
    development: '{ quorum: { hardware: 2 }, expiry: 1h, validity: 90d }',
  },
});

beforeAll(async () => {
  await company.open({ 'hw-1': approves('development'), 'hw-2': approves('development') });
}, 120_000);

afterAll(async () => {
  await company[Symbol.asyncDispose]();
}, 60_000);

describe('a round over real processes', { timeout: 120_000 }, () => {
  it('goes on after the coordinator was killed: request and approvals are there again', async () => {
    company.write('survivor.bin', 'survives\n');
    const signing = company.sign('dave', 'survivor.bin', 'production');
    const { id } = await roundWhere(signing, 'the round', () => true);
    await company.approve('alice', id);
    await company.approve('bob', id);
    await roundWhere(signing, 'two approvals', hasStanding('approved', 'alice', 'bob'));
    company.coordinator.signal('SIGKILL');
    expect((await company.coordinator.exit).code).toBeNull();
    await company.serveCoordinator();
    await roundWhere(signing, 'alice is back with a commitment', isReady('alice'));
    await company.approve('hw-1', id);
    await demand(signing, 0);
    await company.run(['verify', 'survivor.bin', '--key', 'GROUP.pub']);
  });

  it('is signed although a member is killed between burning its nonces and storing its share, and the burned attempt is never signed (T1)', async () => {
    const journal = join(company.path('hw-1'), 'journal');
    let happened = false;
    for (let attempt = 0; attempt < 5 && !happened; attempt += 1) {
      company.write(`burned-${attempt}.bin`, `burned ${attempt}\n`);
      const before = statSync(journal).size;
      const signing = company.sign('dave', `burned-${attempt}.bin`, 'development');
      killWhenBurned(journal, before, () => {
        company.daemon('hw-1').signal('SIGKILL');
      });
      await company.daemon('hw-1').exit;
      const grown = readFileSync(journal).subarray(before).toString();
      happened = grown.includes('"type":"burn"') && !grown.includes('"type":"share"');
      const burned = /"attempt":"([0-9a-f]{64})"/.exec(grown)?.[1] ?? 'none';
      await company.serve('hw-1', approves('development'));
      await demand(signing, 0);
      const after = readFileSync(journal).toString();
      if (happened) expect(after).not.toContain(`"stage":1,"attempt":"${burned}","shares"`);
      expect(existsSync(company.path(`burned-${attempt}.bin.frostmark`))).toBe(true);
    }
    expect(happened).toBe(true);
  });
});

describe('a member whose disk is lost', { timeout: 120_000 }, () => {
  it('comes back out of its backup under another passphrase, is shown to all, and the group signs on', async () => {
    const [home, file] = [company.path('hw-2'), company.path('hw-2.backup')];
    const [old, renewed] = [company.path('old-passphrase'), company.path('new-passphrase')];
    copyFileSync(join(home, 'passphrase'), old);
    writeFileSync(renewed, 'battery staple\n', { mode: 0o600 });
    company.daemon('hw-2').end();
    await company.daemon('hw-2').exit;
    const where = ['--home', home];
    await company.run([
      'participant',
      'passphrase',
      ...where,
      '--passphrase-file',
      old,
      '--new-passphrase-file',
      renewed,
    ]);
    await company.run(['participant', 'backup', file, ...where, '--passphrase-file', old], 4);
    await company.run(['participant', 'backup', file, ...where, '--passphrase-file', renewed]);
    rmSync(home, { recursive: true });
    const restored = await company.run(['participant', 'restore', file, ...where, '--passphrase-file', renewed]);
    expect(restored.stdout).toContain('hw-2 of demo is back');
    const again = await company.run(['participant', 'restore', file, ...where, '--passphrase-file', renewed], 1);
    expect(again.stderr).toContain('has a journal of another life');
    copyFileSync(renewed, join(home, 'passphrase'));
    await company.serve('hw-2', approves('development'));
    const { stdout } = await company.run(['participant', 'status', '--home', company.path('alice'), '--json']);
    expect(stdout).toContain('hw-2 was restored from a backup');

    // What is asked now is too near to the restore for hw-2; the three others sign.
    company.write('after.bin', 'after\n');
    const signing = company.sign('dave', 'after.bin', 'production');
    const { id } = await roundWhere(signing, 'the round', () => true);
    for (const name of ['alice', 'bob', 'hw-1']) await company.approve(name, id);
    await demand(signing, 0);
    await company.run(['verify', 'after.bin', '--key', 'GROUP.pub']);
    // It takes a second look some seconds after the first.
    for (let isCaughtUp = false; !isCaughtUp;) {
      const listed = await company.run(['participant', 'status', ...where, '--json']);
      const { status } = JSON.parse(listed.stdout) as {
        status: { backups: number; restoration: { isCaughtUp: boolean } };
      };
      expect(status.backups).toBe(1);
      ({ isCaughtUp } = status.restoration);
    }
  });
});

/** Watches as closely as a process can: reads the journal in a tight loop, for its owner must not get any further. */
function killWhenBurned(journal: string, before: number, kill: () => void): void {
  const giveUpAt = Date.now() + 60_000;
  while (Date.now() < giveUpAt) {
    if (statSync(journal).size === before) continue;
    if (!readFileSync(journal).subarray(before).includes('"type":"burn"')) continue;
    kill();
    return;
  }
  throw new Error('nothing was burned');
}
