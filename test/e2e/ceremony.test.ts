/** A ceremony over real processes, one of which is killed by a real SIGKILL and loses its disk: nothing is stuck, and there is one key (T35). */
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { demand } from '../../demo/process.ts';
import { TestCompany } from '../harness/company.ts';

describe('a ceremony over real processes', { timeout: 160_000 }, () => {
  it('goes on under a charter with a new card when a disk dies as its member stored the certificate (T35)', async () => {
    await using company = new TestCompany({
      members: ['alice', 'bob', 'carol'].map((name) => ({ name, tier: 'admin' })),
      channels: { production: '{ quorum: { any: 2 }, expiry: 72h }' },
      requesters: [{ name: 'dave', channels: ['production'] }],
    });
    await company.introduce();
    await company.startCoordinator();
    const [alice, bob, carol] = company.plan.members.map(({ name }) => company.join(name));
    killWhenStored(join(company.path('carol'), 'journal'), () => {
      carol!.signal('SIGKILL');
    });
    await carol!.exit;
    const lost = readFileSync(join(company.path('carol'), 'journal'), 'utf8');
    expect(lost).toContain('"type":"ceremony-stored"');
    expect(lost).not.toContain('"type":"ceremony-given"');
    for (const waiting of [alice!, bob!]) waiting.signal('SIGINT');
    for (const waiting of [alice!, bob!]) expect((await waiting.exit).stdout).toBe('');
    const shares = (name: string): string[] =>
      readdirSync(company.path(name)).filter((file) => file.startsWith('share-'));
    expect([shares('alice').length, shares('bob').length]).toEqual([1, 1]);

    // Carol begins anew; the charter has her new card, and nothing of the first ceremony is in anybody's way.
    const passphrase = readFileSync(join(company.path('carol'), 'passphrase'));
    rmSync(company.path('carol'), { recursive: true });
    const card = (
      await company.run(['participant', 'init', '--name', 'carol', '--home', company.path('carol')])
    ).stdout.trim();
    writeFileSync(join(company.path('carol'), 'passphrase'), passphrase, { mode: 0o600 });
    const charter = readFileSync(company.path('charter.yaml'), 'utf8');
    renameSync(company.path('charter.yaml'), company.path('charter-before.yaml'));
    company.write('charter.yaml', charter.replace(/(name: carol, tier: admin, card: ")[^"]*/, `$1${card}`));
    await company.run(['coordinator', 'admit', 'charter.yaml', '--home', company.path('coordinator')]);
    await company.makeKey();
    expect(shares('alice')).toHaveLength(2);
    // From here on a home is bound to its key.
    const other = company.start([
      ...['participant', 'join', 'charter-before.yaml', '--requesters', 'requesters.yaml', '--yes'],
      ...['--coordinator', company.coordinatorUrl, '--home', company.path('bob')],
      ...['--passphrase-file', join(company.path('bob'), 'passphrase')],
    ]);
    expect((await demand(other, 1)).stderr).toContain('holds a share of a key that is in use');
  });
});

/** Reads the journal in a tight loop: its owner must not get any further. */
function killWhenStored(journal: string, kill: () => void): void {
  const giveUpAt = Date.now() + 60_000;
  while (Date.now() < giveUpAt) {
    if (!readIfThere(journal).includes('"type":"ceremony-stored"')) continue;
    kill();
    return;
  }
  throw new Error('nothing was stored');
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
