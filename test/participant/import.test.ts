/** Homes that join with an import file: what they keep, what they refuse, and how they go on after a crash. */
import { ed25519 } from '@noble/curves/ed25519.js';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeBase64Url } from '../../verifier/base64.ts';
import { hexToBytes } from '../../protocol/wire/bytes.ts';
import { decodeCertificate } from '../../protocol/ceremony/certificate.ts';
import { openEpoch } from '../../protocol/ceremony/epoch.ts';
import { testingOnlyMemory } from '../../protocol/frost/group-sodium.ts';
import type { SealingGroup } from '../../protocol/frost/group.ts';
import { maxImportBytes } from '../../protocol/limits.ts';
import { useIdentitySeed } from '../../home/identity.ts';
import { openHome } from '../../home/home.ts';
import { Vault } from '../../participant/vault.ts';
import { epochFile } from '../harness/home-files.ts';
import { publicGroup, sharedSodium } from '../harness/ceremony-network.ts';
import { importBytes, openFor, rfc8032Keys, shareFor } from '../harness/import.ts';
import { writeCharter } from '../harness/people.ts';
import { readSecret, variantOf } from '../protocol/frost/keys.ts';
import { TestGroup, until, useParticipants, type TestMember } from './support.ts';

useParticipants();

const plan = { tiers: ['build', 'admin', 'admin'], production: '{ any: 2 }', development: '{ admin: 1 }' };
const groupKey = encodeBase64Url(hexToBytes(rfc8032Keys[0].publicKey));

/** Writes an import file for the group, and answers where. */
async function importFor(group: TestGroup): Promise<string> {
  const path = join(group.folder, 'acme.frostmark-import');
  await writeFile(path, await importBytes(group.charter));
  return path;
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
    expect(await group.join(first)).toMatchObject({ origin: 'imported' });
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
    await writeFile(importPath, await importBytes(group.charter));
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
    await writeFile(importPath, await importBytes(group.charter, rfc8032Keys[0].seed, lying));
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

describe('a vault with an import', () => {
  const { charter, people } = writeCharter(plan);

  it('deals the other channels only, and holds nothing of the share after the end (T29)', async () => {
    const imported = openFor(charter, await importBytes(charter));
    const vault = await Vault.open(charter, charter.members[1]!);
    const before = vault.deal('11'.repeat(32)).reveal.dealings.map(({ channel }) => channel);
    expect(before).toEqual(['production', 'development']);
    const seed = people[1]!.seed();
    vault.useImport(imported, seed);
    expect(seed).toEqual(new Uint8Array(32));
    const { reveal } = vault.deal('22'.repeat(32));
    expect(reveal.dealings.map(({ channel }) => channel)).toEqual(['development']);
    const sodium = await sharedSodium();
    const share = Buffer.from(await readSecret(sodium, (await shareFor(charter, imported, people[1]!))!));
    const memory = (): Buffer => Buffer.from(testingOnlyMemory(vault.testingOnlyArithmetic));
    expect(memory().includes(share)).toBe(true);
    expect(memory().includes(Buffer.from(people[1]!.seed()))).toBe(false);
    vault.end();
    expect(memory().includes(share)).toBe(false);
  });

  it('refuses the box of another member, and wipes the seed then, too', async () => {
    const imported = openFor(charter, await importBytes(charter));
    const vault = await Vault.open(charter, charter.members[1]!);
    const seed = people[2]!.seed();
    expect(() => {
      vault.useImport(imported, seed);
    }).toThrow(expect.objectContaining({ code: 'bad-import' }));
    expect(seed).toEqual(new Uint8Array(32));
    expect(vault.deal('11'.repeat(32)).reveal.dealings).toHaveLength(2);
    vault.end();
  });
});

describe('the seed of an identity', () => {
  it('is lent, and wiped when it comes back, whatever happens (T29)', async () => {
    await using group = await TestGroup.create(plan);
    const home = await openHome('participant', group.members[0]!.home);
    let lent = new Uint8Array();
    const publicKey = await useIdentitySeed(home, (seed) => {
      lent = seed as Uint8Array<ArrayBuffer>;
      expect(seed).toHaveLength(32);
      return ed25519.getPublicKey(seed);
    });
    expect(encodeBase64Url(publicKey)).toBe(group.charter.members[0]!.key);
    expect(Uint8Array.from(lent)).toEqual(new Uint8Array(32));
    const failing = useIdentitySeed(home, (seed) => {
      lent = seed as Uint8Array<ArrayBuffer>;
      throw new Error('stop');
    });
    await expect(failing).rejects.toThrow('stop');
    expect(Uint8Array.from(lent)).toEqual(new Uint8Array(32));
  });
});
