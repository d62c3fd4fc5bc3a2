/** Homes that join with an import file: what they keep, what they refuse, and how they go on after a crash. */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeBase64Url } from '../../verifier/base64.ts';
import { hexToBytes } from '../../protocol/wire/bytes.ts';
import { readImportKeys, type ImportKeys } from '../../protocol/ceremony/import-key.ts';
import { decodeCertificate } from '../../protocol/ceremony/certificate.ts';
import { openEpoch } from '../../protocol/ceremony/epoch.ts';
import { testingOnlyMemory } from '../../protocol/frost/group-sodium.ts';
import type { SealingGroup } from '../../protocol/frost/group.ts';
import type { OpenedShares } from '../../home/keystore.ts';
import type { Charter } from '../../protocol/files/charter.ts';
import { maxImportBytes } from '../../protocol/limits.ts';
import { makeImportKey, type MadeImportKey } from '../../participant/import-key.ts';
import { Vault } from '../../participant/vault.ts';
import { epochFile } from '../harness/home-files.ts';
import { publicGroup, sharedSodium } from '../harness/ceremony-network.ts';
import { importBytes, oneTimeSecretOf, openFor, rfc8032Keys, shareFor } from '../harness/import.ts';
import { writeCharter, type Person } from '../harness/people.ts';
import { utf8 } from '../protocol/support.ts';
import { readSecret, variantOf } from '../protocol/frost/keys.ts';
import { ageChildPath, TestGroup, until, useParticipants, type TestMember } from './support.ts';

useParticipants();

const plan = { tiers: ['build', 'admin', 'admin'], production: '{ any: 2 }', development: '{ admin: 1 }' };
const groupKey = encodeBase64Url(hexToBytes(rfc8032Keys[0].publicKey));

const keyOf = (group: TestGroup, { home }: TestMember): Promise<MadeImportKey> =>
  makeImportKey({
    home,
    charterPath: group.charterPath,
    passphrase: { file: group.passphrasePath },
    ageChildPath: ageChildPath(),
  });

/** The one-time keys of all members, each made in its home. */
async function keysOf(group: TestGroup): Promise<ImportKeys> {
  const made = await Promise.all(group.members.map((member) => keyOf(group, member)));
  return readImportKeys(utf8(made.map(({ line }) => line).join('\n')), 'keys', group.charter);
}

/** Writes an import file for the group, and answers where. */
async function importFor(group: TestGroup): Promise<string> {
  const path = join(group.folder, 'acme.frostmark-import');
  await writeFile(path, await importBytes(group.charter, { keys: await keysOf(group) }));
  return path;
}

/** A one-time key as the home keeps it, once it is opened; `secret` shows that it is wiped. */
function kept(charter: Charter, who: Person): { readonly opened: OpenedShares; readonly secret: Uint8Array } {
  const secret = oneTimeSecretOf(who.key);
  const take = <T>(load: (bytes: Uint8Array) => T): T => load(secret);
  const share = { channel: '(import key)', sharing: 0, identifier: 1, take };
  return { opened: { hash: hexToBytes(charter.hash), shares: [share] }, secret };
}

describe('joining with an import file', () => {
  it('makes the imported key, signs the documents, keeps no copy of the file, and needs it no more', async () => {
    await using group = await TestGroup.create(plan);
    const importPath = await importFor(group);
    const joined = await Promise.all(group.members.map((member) => group.join(member, { importPath })));
    for (const one of joined)
      expect(one).toMatchObject({ groupLine: `frostmark-group:acme:${groupKey}`, origin: 'imported' });
    const [first] = group.members as [TestMember];
    const certificate = decodeCertificate(await readFile(join(first.home, epochFile(first.home, 'certificate'))));
    expect(openEpoch(publicGroup, group.charter, certificate).groupKey).toBe(groupKey);
    const file = await readFile(importPath);
    for (const { home } of group.members)
      for (const name of await readdir(home))
        expect((await readFile(join(home, name))).includes(file), name).toBe(false);
    // The one-time keys are gone from every home, with their own keys.
    for (const { home } of group.members) {
      const names = await readdir(home);
      expect(names.filter((name) => name.startsWith('import-'))).toEqual([]);
      expect(names.filter((name) => name.startsWith('key-'))).toHaveLength(1);
    }
    expect(await group.join(first)).toMatchObject({ origin: 'imported' });
    await expect(keyOf(group, first)).rejects.toMatchObject({ code: 'other-charter' });
    await group.serveAll();
    const { status } = await group.call(first, { command: 'status' });
    expect(status).toMatchObject({ origin: 'imported', groupKey });
  });

  it('shows the key before it is agreed to, asks once, and does nothing after a no', async () => {
    await using group = await TestGroup.create(plan);
    const importPath = await importFor(group);
    const [first] = group.members as [TestMember];
    const seen: (string | undefined)[] = [];
    const refused = group.join(first, {
      importPath,
      confirm: ({ imported }) => {
        seen.push(imported?.groupKey);
        return Promise.resolve(false);
      },
    });
    await expect(refused).rejects.toMatchObject({ code: 'cancelled' });
    expect(seen).toEqual([groupKey]);
    expect(await readFile(join(first.home, 'journal'), 'utf8')).not.toContain('agreed');
  });

  it('wants the same file again after an interruption, and takes another one anew', async () => {
    await using group = await TestGroup.create(plan);
    const importPath = await importFor(group);
    const [first] = group.members as [TestMember];
    const stop = new AbortController();
    const interrupted = group.join(first, { importPath, signal: stop.signal });
    await until(() => first.events.find(({ kind }) => kind === 'connected'), 'it waits for the others');
    stop.abort();
    await expect(interrupted).rejects.toMatchObject({ code: 'cancelled' });
    await expect(group.join(first)).rejects.toMatchObject({ code: 'import-needed' });
    let asked = 0;
    const confirm = () => {
      asked += 1;
      return Promise.resolve(false);
    };
    const again = new AbortController();
    again.abort();
    await expect(group.join(first, { importPath, confirm, signal: again.signal })).rejects.toMatchObject({
      code: 'cancelled',
      message: 'it was stopped',
    });
    expect(asked).toBe(0);
    await writeFile(importPath, await importBytes(group.charter, { keys: await keysOf(group) }));
    await expect(group.join(first, { importPath, confirm })).rejects.toMatchObject({
      message: expect.stringContaining('not accepted') as string,
    });
    expect(asked).toBe(1);
  });

  it('is told at once that its own share is wrong, before it agrees to anything with the others', async () => {
    await using group = await TestGroup.create(plan);
    const importPath = await importFor(group);
    const [first, second] = group.members as [TestMember, TestMember];
    const sodium = await sharedSodium();
    const lying = variantOf(sodium, {
      evaluatePolynomial: (coefficients, x) => sodium.evaluatePolynomial(coefficients, x === 1n ? 7n : x),
    }) as SealingGroup;
    await writeFile(importPath, await importBytes(group.charter, { by: lying, keys: await keysOf(group) }));
    const refusal = { code: 'bad-import', message: expect.stringContaining('does not fit') as string };
    await expect(group.join(first, { importPath })).rejects.toMatchObject(refusal);
    expect(first.events).toEqual([]);
    expect((await readdir(first.home)).filter((name) => name.startsWith('share-'))).toEqual([]);
    // The others' shares are right: they only wait.
    const stop = new AbortController();
    const waiting = group.join(second, { importPath, signal: stop.signal });
    await until(() => second.events.find(({ kind }) => kind === 'connected'), 'it waits for the others');
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('is refused with a file that is none, of another charter, too large, or not there', async () => {
    await using group = await TestGroup.create(plan);
    const importPath = await importFor(group);
    const [first] = group.members as [TestMember];
    const other = writeCharter({ tiers: ['build', 'admin', 'admin'], production: '{ any: 2 }' });
    const files: [string, Uint8Array][] = [
      ['bad-import', new Uint8Array()],
      ['bad-import', await readFile(group.charterPath)],
      ['bad-import', await importBytes(other.charter)],
      ['too-large', new Uint8Array(maxImportBytes + 1)],
    ];
    for (const [code, bytes] of files) {
      await writeFile(importPath, bytes);
      await expect(group.join(first, { importPath })).rejects.toMatchObject({ code });
    }
    await expect(group.join(first, { importPath: `${importPath}x` })).rejects.toMatchObject({ code: 'missing' });
  });
});

describe('an import key', () => {
  it('is made once for a charter, under the passphrase that the share will have, by a holder of production alone', async () => {
    await using group = await TestGroup.create({ ...plan, production: '{ admin: 2 }' });
    const [build, admin] = group.members as [TestMember, TestMember];
    const made = await keyOf(group, admin);
    expect(made).toMatchObject({ member: admin.name, path: join(admin.home, `import-${group.charter.hash}.age`) });
    expect(await keyOf(group, admin)).toEqual(made);
    await expect(keyOf(group, build)).rejects.toMatchObject({ code: 'not-a-holder' });
    const wrong = join(group.folder, 'wrong');
    await writeFile(wrong, 'battery staple\n', { mode: 0o600 });
    const other = makeImportKey({
      home: admin.home,
      charterPath: group.charterPath,
      passphrase: { file: wrong },
      ageChildPath: ageChildPath(),
    });
    await expect(other).rejects.toMatchObject({ code: 'wrong-passphrase' });
    expect(await keyOf(group, admin)).toEqual(made);
  });

  it('that is lost, or another than the file is sealed to, is told before anybody waits', async () => {
    await using group = await TestGroup.create(plan);
    const importPath = await importFor(group);
    const [first, second] = group.members as [TestMember, TestMember];
    await rm(join(first.home, `import-${group.charter.hash}.age`));
    await expect(group.join(first, { importPath })).rejects.toMatchObject({ code: 'no-import-key' });
    await rm(join(second.home, `import-${group.charter.hash}.age`));
    await rm(join(second.home, `key-${group.charter.hash}.age`));
    await keyOf(group, second);
    await expect(group.join(second, { importPath })).rejects.toMatchObject({
      code: 'bad-import',
      message: expect.stringContaining('another one-time key') as string,
    });
    expect([...first.events, ...second.events]).toEqual([]);
  });
});

describe('a vault with an import', () => {
  const { charter, people } = writeCharter(plan);

  it('deals the other channels only, and holds nothing of the share after the end (T29)', async () => {
    const imported = openFor(charter, await importBytes(charter));
    const vault = await Vault.open(charter, charter.members[1]!);
    const before = vault.deal('11'.repeat(32)).reveal.dealings.map(({ channel }) => channel);
    expect(before).toEqual(['production', 'development']);
    const { opened, secret } = kept(charter, people[1]!);
    vault.useImport(imported, opened);
    const { reveal } = vault.deal('22'.repeat(32));
    expect(reveal.dealings.map(({ channel }) => channel)).toEqual(['development']);
    const sodium = await sharedSodium();
    const share = Buffer.from(await readSecret(sodium, (await shareFor(charter, imported, people[1]!))!));
    const memory = (): Buffer => Buffer.from(testingOnlyMemory(vault.testingOnlyArithmetic));
    expect(memory().includes(share)).toBe(true);
    expect(memory().includes(Buffer.from(oneTimeSecretOf(people[1]!.key)))).toBe(false);
    expect(secret).toEqual(new Uint8Array(32));
    vault.end();
    expect(memory().includes(share)).toBe(false);
  });

  it('refuses with the one-time key of another member, and wipes it then, too', async () => {
    const imported = openFor(charter, await importBytes(charter));
    const vault = await Vault.open(charter, charter.members[1]!);
    const { opened, secret } = kept(charter, people[2]!);
    expect(() => {
      vault.useImport(imported, opened);
    }).toThrow(expect.objectContaining({ code: 'bad-import' }));
    expect(secret).toEqual(new Uint8Array(32));
    expect(vault.deal('11'.repeat(32)).reveal.dealings).toHaveLength(2);
    vault.end();
  });
});
