/** A member's backup, and the member that comes back out of it. */
import { existsSync } from 'node:fs';
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { initHome } from '../../home/home.ts';
import { initCoordinator } from '../../coordinator/init.ts';
import { startCoordinator } from '../../coordinator/main.ts';
import { openKeystore } from '../../home/keystore.ts';
import { changePassphrase } from '../../home/passphrase-change.ts';
import { backUp, declareDestroyed, listBackups, writeBackup, type ListedBackup } from '../../participant/backup.ts';
import { decodeBackup, encodeBackup, type Backup } from '../../participant/backup-file.ts';
import { certifiedHome } from '../../participant/certified-home.ts';
import { inspectJournal } from '../../participant/journal.ts';
import { MemberHome, unixSeconds } from '../../participant/member-home.ts';
import { restoreInto, restoreMember, writeRestored, type Restored } from '../../participant/restore.ts';
import { sha256Hex } from '../../protocol/wire/bytes.ts';
import { encodeCanonicalJson } from '../../verifier/json.ts';
import { MortalDisk } from '../harness/mortal-disk.ts';
import { onTerminal } from '../harness/terminal.ts';
import { scratch } from './members.ts';
import { ageChildPath, TestGroup, until, useParticipants, type TestMember } from './support.ts';

useParticipants();

let group: TestGroup;
let one: TestMember;
let two: TestMember;
let three: TestMember;
let made: ListedBackup;
let file: string;
/** The home of one as it was when the backup was made. */
let original: string;
beforeAll(async () => {
  group = await TestGroup.create({ tiers: ['build', 'admin', 'admin'], production: '{ any: 2 }' });
  await group.joinAll();
  [one, two, three] = group.members as [TestMember, TestMember, TestMember];
  file = join(group.folder, 'one.backup');
  made = await backUp({ home: one.home, file, ...child() });
  original = join(group.folder, 'original');
  await cp(one.home, original, { recursive: true });
}, 120_000);
afterAll(async () => {
  await group[Symbol.asyncDispose]();
});

const child = () => ({ passphrase: { file: group.passphrasePath }, childPath: ageChildPath() });
const restore = (home: string, from = file): Promise<Restored> => restoreMember({ home, file: from, ...child() });
const freshHome = async (): Promise<string> => join(await scratch(), 'home');

async function opened(): Promise<Backup> {
  await using keystore = await openKeystore({ ...child(), purpose: 'existing' });
  return decodeBackup(await keystore.unseal(file, await readFile(file)), file);
}

/** The backup with something changed, as a file. */
async function resealed(payload: Uint8Array): Promise<string> {
  const path = join(await scratch(), 'changed.backup');
  await using keystore = await openKeystore({ ...child(), purpose: 'existing' });
  await writeFile(path, await keystore.seal(payload));
  return path;
}

/** Everything in a home but its lock, to see that nothing changed. */
async function contents(home: string): Promise<Map<string, string>> {
  const names = (await readdir(home)).filter((name) => name !== 'lock').sort();
  return new Map(
    await Promise.all(names.map(async (name) => [name, await readFile(join(home, name), 'hex')] as const)),
  );
}

describe('a backup', () => {
  it('is one file that the stock age tool opens: all that makes the member, and nothing of its rounds', async () => {
    const output = join(await scratch(), 'opened.json');
    const terminal = onTerminal(`age -d -o ${output} ${file}`);
    await terminal.answer('passphrase', 'correct horse');
    expect(await terminal.exited).toBe(0);
    const value = JSON.parse(await readFile(output, 'utf8')) as { files: Record<string, string>; records: string[] };
    for (const [name, base64] of Object.entries(value.files))
      expect(Buffer.from(base64, 'base64')).toEqual(await readFile(join(original, name)));
    const epoch = await group.epochHash();
    const checkpoints = (await readdir(original)).filter((name) => /^(checkpoint|document)-/.test(name));
    expect(Object.keys(value.files).sort()).toEqual(
      [
        ...checkpoints,
        ...['GROUP.pub', 'charter.yaml', 'coordinator', 'documents.json', 'identity.pem', 'name', 'requesters.json'],
        ...[`certificate-${epoch}.json`, `key-${epoch}.age`, `share-${epoch}.age`, `stored-${epoch}.json`],
      ].sort(),
    );
    const types = value.records.map((text) => (JSON.parse(text) as { type: string }).type);
    // Who signed genesis is bound to its key already.
    expect([...new Set(types.filter((type) => type !== 'ceremony-given'))].sort()).toEqual(
      [
        'agreed',
        'backup',
        'ceremony-joined',
        'ceremony-signed',
        'ceremony-stored',
        'document-approved',
        'requesters',
      ].sort(),
    );
  });

  it('goes without GROUP.pub, which follows from the rest', async () => {
    const home = await freshHome();
    await cp(original, home, { recursive: true });
    await rm(join(home, 'GROUP.pub'));
    const without = join(await scratch(), 'without.backup');
    await backUp({ home, file: without, ...child() });
    const back = await freshHome();
    await restore(back, without);
    expect(existsSync(join(back, 'GROUP.pub'))).toBe(false);
    expect(await readFile(join(back, 'charter.yaml'))).toEqual(await readFile(join(home, 'charter.yaml')));
  });

  it('is known to the journal before it is there, and can be declared destroyed', async () => {
    const home = await freshHome();
    await cp(original, home, { recursive: true });
    expect(await listBackups(home)).toEqual([made]);
    await declareDestroyed(home, made.name);
    await declareDestroyed(home, made.name);
    expect(await listBackups(home)).toEqual([{ ...made, isDestroyed: true }]);
    await expect(declareDestroyed(home, '00'.repeat(16))).rejects.toMatchObject({ code: 'unknown-backup' });
  });

  it('replaces no file, opens with no other passphrase, and is not made of a home without a live key', async () => {
    const before = await readFile(file);
    await expect(backUp({ home: one.home, file, ...child() })).rejects.toMatchObject({ code: 'exists' });
    expect(await readFile(file)).toEqual(before);
    const place = await scratch();
    const wrong = join(place, 'wrong');
    await writeFile(wrong, 'battery staple\n', { mode: 0o600 });
    const refused = backUp({ home: one.home, file: join(place, 'b'), ...child(), passphrase: { file: wrong } });
    await expect(refused).rejects.toMatchObject({ code: 'wrong-passphrase' });
    expect(await listBackups(one.home)).toEqual([made]);
    const empty = await TestGroup.create({ tiers: ['admin', 'admin'], production: '{ any: 2 }' });
    await expect(backUp({ home: empty.members[0]!.home, file: join(place, 'b'), ...child() })).rejects.toMatchObject({
      code: 'not-joined',
    });
    await empty[Symbol.asyncDispose]();
    expect(existsSync(join(place, 'b'))).toBe(false);
  });

  it('is whole or absent when the process is killed at any step, and the journal knows of it', async () => {
    const home = await freshHome();
    await cp(original, home, { recursive: true });
    // One child for all: what is killed here is whoever writes.
    await using keystore = await openKeystore({ ...child(), purpose: 'existing' });
    await using member = await MemberHome.open(home, () => undefined);
    const certified = await certifiedHome(member);
    const place = await scratch();
    for (let killAt = 0; ; killAt++) {
      const disk = new MortalDisk(killAt);
      const target = join(place, `killed-${killAt}.backup`);
      await writeBackup(member, { certified, keystore, target, disk }).catch(() => undefined);
      expect(member.records.backups.size).toBe(killAt + 2);
      if (existsSync(target)) decodeBackup(await keystore.unseal(target, await readFile(target)), target);
      expect(existsSync(target) || disk.killed).toBe(true);
      if (!disk.killed) {
        await restore(await freshHome(), target);
        break;
      }
      expect(killAt).toBeLessThan(20);
    }
  });

  it('opens with the passphrase of its day', async () => {
    const home = await freshHome();
    await cp(original, home, { recursive: true });
    const renewed = join(group.folder, 'renewed');
    await writeFile(renewed, 'battery staple\n', { mode: 0o600 });
    await changePassphrase({ folder: home, newPassphrase: { file: renewed }, ...child() });
    const later = join(await scratch(), 'later.backup');
    await backUp({ home, file: later, ...child(), passphrase: { file: renewed } });
    await restoreMember({ home: await freshHome(), file: later, ...child(), passphrase: { file: renewed } });
    await expect(restore(await freshHome(), later)).rejects.toMatchObject({ code: 'wrong-passphrase' });
    await restore(await freshHome());
  });
});

describe('a restore', () => {
  it('brings back every file, and begins the journal anew', async () => {
    const home = await freshHome();
    expect(await restore(home)).toMatchObject({ member: 'build-1', group: 'acme', othersNeeded: 2 });
    const [before, after] = [await contents(original), await contents(home)];
    for (const name of before.keys())
      if (name !== 'journal' && name !== 'next.age') expect([name, after.get(name)]).toEqual([name, before.get(name)]);
    await using restored = await MemberHome.open(home, () => undefined);
    expect(restored.records.head.incarnation).not.toBe((await opened()).journal.incarnation);
    expect(restored.records.restoration).toMatchObject({ isCaughtUp: false });
    expect([...restored.records.backups.keys()]).toEqual([made.name]);
    expect(restored.records.ceremonies.given).toBe((await restored.certificate())?.ceremony);
  });

  it('is bound to its key, whether or not it had given a share when the backup was made (T35)', async () => {
    const backup = await opened();
    for (const isGiven of [true, false]) {
      const records = backup.records.filter(({ type }) => type !== 'ceremony-given');
      const { ceremony } = records.find((record) => record.type === 'ceremony-stored')!;
      if (isGiven) records.push({ type: 'ceremony-given', ceremony });
      const home = await initHome('participant', await freshHome());
      await restoreInto(home, { ...backup, records }, { restoredAt: 1 });
      await using restored = await MemberHome.open(home.path, () => undefined);
      expect(restored.records.ceremonies.given).toBe(ceremony);
      expect(restored.records.lasting.filter(({ type }) => type === 'ceremony-given')).toHaveLength(1);
    }
  });

  it('is refused over a home of another member, of another group, or of a requester, which stays as it is', async () => {
    const other = await TestGroup.create({ tiers: ['admin', 'admin'], production: '{ any: 2 }' });
    await other[Symbol.asyncDispose]();
    const requester = await freshHome();
    await initHome('requester', requester);
    const foreign = await freshHome();
    await initHome('participant', foreign);
    await cp(join(original, 'identity.pem'), join(foreign, 'identity.pem'));
    await writeFile(join(foreign, 'charter.yaml'), 'version: 1\n');
    for (const [home, code] of [
      [two.home, 'other-backup'],
      [other.members[0]!.home, 'other-backup'],
      [foreign, 'other-backup'],
      [requester, 'wrong-role'],
    ] as const) {
      const before = await contents(home);
      await expect(restore(home)).rejects.toMatchObject({ code });
      expect(await contents(home)).toEqual(before);
    }
  });

  it('is refused over any journal, and says whether it is newer, older, of another life, or damaged', async () => {
    const home = await freshHome();
    await cp(original, home, { recursive: true });
    const journal = await readFile(join(home, 'journal'));
    const lines = journal.toString().split('\n');
    const older = Buffer.from(lines.slice(0, -2).join('\n') + '\n');
    const damaged = Buffer.from(journal);
    damaged[200]! ^= 1;
    const another = await freshHome();
    await restore(another);
    for (const [bytes, says] of [
      [journal, 'as new or newer, start it'],
      [older, 'an older copy'],
      [damaged, 'that is damaged'],
      [await readFile(join(another, 'journal')), 'of another life'],
    ] as const) {
      await writeFile(join(home, 'journal'), bytes);
      const before = await contents(home);
      await expect(restore(home)).rejects.toMatchObject({
        code: 'has-journal',
        message: expect.stringContaining(says) as string,
      });
      expect(await contents(home)).toEqual(before);
    }
  });

  it('is refused over a file that differs, since it may be newer', async () => {
    const home = await freshHome();
    await cp(original, home, { recursive: true });
    await rm(join(home, 'journal'));
    await writeFile(join(home, 'documents.json'), '{}');
    const before = await contents(home);
    await expect(restore(home)).rejects.toMatchObject({ code: 'exists', path: join(home, 'documents.json') });
    expect(await contents(home)).toEqual(before);
  });

  it('is refused out of a file that is damaged, cut, none at all, of a newer version, or put together', async () => {
    const bytes = await readFile(file);
    const flipped = Buffer.from(bytes);
    flipped[flipped.length - 40]! ^= 1;
    const backup = await opened();
    const newer = Buffer.from(Buffer.from(encodeBackup(backup)).toString().replace('"backup":1', '"backup":2'));
    const foreign = new Map(backup.files).set('identity.pem', await readFile(join(two.home, 'identity.pem')));
    const fewer = Buffer.from(encodeBackup(backup))
      .toString()
      .replace(/"name":"[^"]*",?/, '');
    const place = await scratch();
    const write = async (name: string, content: Uint8Array): Promise<string> => {
      await writeFile(join(place, name), content);
      return join(place, name);
    };
    for (const [path, code, says] of [
      [await write('flipped', flipped), 'damaged', 'flipped'],
      [await write('cut', bytes.subarray(0, -100)), 'damaged', 'cut'],
      [await write('text', Buffer.from('no age file')), 'damaged', 'text'],
      [join(place, 'none'), 'missing', 'none'],
      [await resealed(newer), 'bad-backup', 'newer version'],
      [await resealed(Buffer.from('[]')), 'bad-backup', 'no backup of a member'],
      [await resealed(Buffer.from(fewer)), 'bad-backup', 'no backup of a member'],
      [await resealed(encodeBackup({ ...backup, files: foreign })), 'bad-backup', 'do not belong together'],
      [await resealed(encodeBackup({ ...backup, epoch: '00'.repeat(32) })).catch(() => 'x'), 'bad-backup', 'lacks'],
    ] as const) {
      const home = await freshHome();
      await expect(restore(home, path)).rejects.toMatchObject({
        code,
        message: expect.stringContaining(says) as string,
      });
      expect(existsSync(home)).toBe(false);
    }
  });

  it('that is killed at any step leaves no member, and the same again brings it back', async () => {
    const backup = await opened();
    const share = `share-${backup.epoch}.age`;
    for (let killAt = 0; ; killAt++) {
      const home = await initHome('participant', await freshHome());
      const disk = new MortalDisk(killAt);
      // Without the lock, which a process of its own holds: once with it is enough.
      await writeRestored(home, backup, { restoredAt: 1, disk }).catch(() => undefined);
      const isThere = existsSync(home.file('journal'));
      if (!isThere) {
        // With the share there, nothing begins a journal; without it and the identity, there is nobody to begin one: opened now and then, for its price.
        if (killAt % 10 === 0) await expect(MemberHome.open(home.path, () => undefined)).rejects.toThrow();
        expect(existsSync(home.file('identity.pem')) && !existsSync(home.file(share))).toBe(false);
        await writeRestored(home, backup, { restoredAt: 2, disk: new MortalDisk() });
      }
      const { records } = (await inspectJournal(home.file('journal')))!;
      expect(records[1]).toMatchObject({ type: 'restored', at: isThere ? 1 : 2 });
      const found = await contents(home.path);
      for (const [name, bytes] of backup.files) expect(found.get(name)).toBe(Buffer.from(bytes).toString('hex'));
      if (!disk.killed) break;
      expect(killAt).toBeLessThan(200);
    }
  }, 60_000);
});

describe('a restored member', () => {
  it('is shown to all, waits for the others, takes what they hold, and decides nothing on what was asked before', async () => {
    await group.serveAll();
    const client = group.requesterClient();
    const { digest } = await client.submit(await group.release());
    await until(
      async () => (await group.call(one, { command: 'show', id: digest }).catch(() => undefined)) ?? undefined,
      'the request',
    );
    await group.call(one, { command: 'approve', id: digest });
    await group.stop(one);
    await group.stop(two);
    await rm(one.home, { recursive: true });
    const { restoredAt } = await restore(one.home);
    expect(restoredAt).toBeLessThanOrEqual(unixSeconds());
    await group.serve(one, { sweepIntervalMs: 50 });
    // Only one other is here, and two sign.
    const waiting = await until(async () => {
      const { status } = await group.call(one, { command: 'status' });
      return status.present.length === 2 ? status : undefined;
    }, 'three is here');
    expect(waiting.restoration).toEqual({ at: restoredAt, isCaughtUp: false });
    expect(waiting.backups).toBe(1);
    const { alarms } = (await group.call(three, { command: 'status' })).status;
    expect(alarms).toEqual([expect.stringContaining('build-1 was restored from a backup')]);
    expect(group.coordinatorLog.some((line) => line.includes('"restored"') && line.includes('build-1'))).toBe(true);

    const show = async () => (await group.call(one, { command: 'show', id: digest })).request;
    expect(await show()).toMatchObject({
      state: 'blocked',
      obstacle: expect.stringContaining('before 2 others') as string,
    });
    await group.serve(two);
    await until(
      async () => (await group.call(one, { command: 'status' })).status.restoration?.isCaughtUp || undefined,
      'it caught up',
    );
    // What the others bring when they come takes a while: one look is not enough.
    const looks = one.log.map(({ event }) => event).filter((event) => /^(?:catching|caught)-up$/.test(event));
    expect(looks).toEqual(['catching-up', 'caught-up']);
    expect(await show()).toMatchObject({
      state: 'blocked',
      obstacle: expect.stringContaining('may have decided on this before') as string,
    });
    for (const command of [
      { command: 'approve', id: digest },
      { command: 'refuse', id: digest, reason: 'no' },
    ] as const)
      await expect(group.call(one, command)).rejects.toMatchObject({ code: 'not-allowed' });
    // The old home, wherever it still is, is refused from now on, and the others hear of it.
    await group.stop(one);
    const kept = join(group.folder, 'kept');
    await cp(one.home, kept, { recursive: true });
    await rm(one.home, { recursive: true });
    await cp(original, one.home, { recursive: true });
    await group.serve(one);
    await expect(one.daemon!.closed).rejects.toMatchObject({ refusal: { code: 'rolled-back' } });
    one.daemon = undefined;
    await rm(one.home, { recursive: true });
    await cp(kept, one.home, { recursive: true });
    // A restart forgets nothing of it.
    await group.serve(one);
    const { status } = await group.call(one, { command: 'status' });
    expect(status.restoration).toEqual({ at: restoredAt, isCaughtUp: true });
    client.close();
  }, 60_000);

  it('that is lost on the same day as the coordinator forgets nothing: it lets the others bring what they hold', async () => {
    await using day = await TestGroup.create({ tiers: ['build', 'admin', 'admin'], production: '{ any: 2 }' });
    await day.joinAll();
    const [first, second, third] = day.members as [TestMember, TestMember, TestMember];
    const backup = join(day.folder, 'first.backup');
    await backUp({
      home: first.home,
      file: backup,
      passphrase: { file: day.passphrasePath },
      childPath: ageChildPath(),
    });
    await day.serveAll();
    await replaceRequesters(day, [second, third], 2);
    for (const member of day.members) await day.stop(member);
    await loseCoordinator(day);
    await rm(first.home, { recursive: true });
    await restoreMember({
      home: first.home,
      file: backup,
      passphrase: { file: day.passphrasePath },
      childPath: ageChildPath(),
    });
    await day.serve(first, { sweepIntervalMs: 500 });
    // The coordinator knows nothing, and asks the first who comes for everything.
    await until(() => first.log.some(({ event }) => event === 'group-held-back') || undefined, 'it waits');
    await day.serve(second);
    await day.serve(third);
    const status = await until(async () => {
      const found = (await day.call(first, { command: 'status' })).status;
      return found.restoration?.isCaughtUp === true ? found : undefined;
    }, 'it caught up');
    expect(status.requestersVersion).toBe(2);
  }, 60_000);

  it('brings what it holds when nobody else does: everybody is restored, and the coordinator is new', async () => {
    await using day = await TestGroup.create({ tiers: ['admin', 'admin'], production: '{ any: 2 }' });
    await day.joinAll();
    await loseCoordinator(day);
    for (const { name, home } of day.members) {
      const from = { passphrase: { file: day.passphrasePath }, childPath: ageChildPath(), home };
      const backup = join(day.folder, `${name}.backup`);
      await backUp({ ...from, file: backup });
      await rm(home, { recursive: true });
      await restoreMember({ ...from, file: backup });
    }
    for (const member of day.members) await day.serve(member, { sweepIntervalMs: 50 });
    for (const member of day.members)
      await until(
        async () => (await day.call(member, { command: 'status' })).status.restoration?.isCaughtUp || undefined,
        'it caught up',
      );
  }, 60_000);
});

/** A coordinator with its identity and charters alone, on the same address. */
async function loseCoordinator(day: TestGroup): Promise<void> {
  const { port } = day.coordinator;
  await day.coordinator.close();
  await rm(join(day.coordinatorHome, 'record'), { recursive: true });
  await rm(join(day.coordinatorHome, 'record-anchor'));
  await initCoordinator(day.coordinatorHome);
  day.coordinator = await startCoordinator({
    home: day.coordinatorHome,
    listen: { host: '127.0.0.1', port },
    log: (line) => day.coordinatorLog.push(line),
  });
}

/** A requesters document of this version, asked for by dave and approved by these members, and held by all. */
async function replaceRequesters(day: TestGroup, approvers: readonly TestMember[], version: number): Promise<void> {
  const client = day.requesterClient();
  const next = encodeCanonicalJson({ version, groupKey: day.groupKey, number: 0, requesters: [] });
  const { digest } = await client.submit(
    await day.release({
      kind: 'requesters',
      formats: ['requesters'],
      artifacts: [],
      documents: [{ kind: 'requesters', size: next.length, sha256: sha256Hex(next) }],
      product: null,
      release: null,
    }),
  );
  await client.putDocument(digest, next);
  for (const member of approvers) {
    await until(async () => {
      const { requests } = await day.call(member, { command: 'requests', all: false });
      return requests.find(({ id, state }) => id === digest && state === 'waiting');
    }, 'the request');
    await day.call(member, { command: 'approve', id: digest });
  }
  for (const member of day.members)
    await until(
      async () => (await day.call(member, { command: 'status' })).status.requestersVersion === version || undefined,
      `version ${version}`,
    );
  client.close();
}
