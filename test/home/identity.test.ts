import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { defaultHomePath, initHome, openHome, roles, type Home } from '../../home/home.ts';
import { createIdentity, loadIdentity } from '../../home/identity.ts';
import { temporaryFolder } from './support.ts';

async function newHome(): Promise<Home> {
  return initHome('requester', join(await temporaryFolder(), 'home'));
}

/** An SPKI of Ed25519 is 12 fixed bytes and the key (RFC 8410, Section 4). */
function spki(publicKey: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), publicKey]);
}

describe('an identity', () => {
  it('signs what node:crypto verifies, before and after it is loaded again', async () => {
    const home = await newHome();
    const created = await createIdentity(home);
    const loaded = await loadIdentity(home);
    expect(loaded.publicKey).toEqual(created.publicKey);
    expect(created.publicKey).toHaveLength(32);
    const message = new TextEncoder().encode('message');
    const key = createPublicKey({ key: spki(created.publicKey), format: 'der', type: 'spki' });
    expect(created.sign(message)).toHaveLength(64);
    expect(verify(null, message, key, loaded.sign(message))).toBe(true);
    expect(verify(null, new Uint8Array(0), key, loaded.sign(message))).toBe(false);
  });

  it('is an owner-only PKCS#8 PEM file (T29)', async () => {
    const home = await newHome();
    await createIdentity(home);
    const path = home.file('identity.pem');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readFile(path, 'latin1')).toMatch(
      /^-----BEGIN PRIVATE KEY-----\n[A-Za-z0-9+/=]+\n-----END PRIVATE KEY-----\n$/,
    );
  });

  it('shows no secret when it is printed (T29)', async () => {
    const home = await newHome();
    const identity = await createIdentity(home);
    const pem = await readFile(home.file('identity.pem'), 'latin1');
    const secret = Buffer.from(pem.split('\n')[1]!, 'base64').subarray(-32);
    const printed = inspect(identity, { depth: 10, showHidden: true }) + JSON.stringify(identity);
    expect(printed).not.toContain(secret.toString('hex'));
    expect(printed).not.toContain(pem.split('\n')[1]);
    expect(Object.keys(identity)).toEqual(['publicKey', 'sign']);
  });

  it('is never replaced', async () => {
    const home = await newHome();
    const { publicKey } = await createIdentity(home);
    await expect(createIdentity(home)).rejects.toMatchObject({ code: 'exists' });
    expect((await loadIdentity(home)).publicKey).toEqual(publicKey);
  });

  it.each([0o644, 0o640, 0o604].map((mode) => [mode.toString(8), mode] as const))(
    'is refused with mode %s (T29)',
    async (_, mode) => {
      const home = await newHome();
      await createIdentity(home);
      await chmod(home.file('identity.pem'), mode);
      await expect(loadIdentity(home)).rejects.toMatchObject({ code: 'not-private' });
    },
  );

  it('says how to make one where there is none', async () => {
    await expect(loadIdentity(await newHome())).rejects.toMatchObject({
      code: 'missing',
      message: expect.stringContaining('frostmark requester init') as string,
    });
  });

  const pem = (key: ReturnType<typeof generateKeyPairSync>['privateKey'], cipher = {}): string =>
    key.export({ format: 'pem', type: 'pkcs8', ...cipher }).toString();
  const ed25519 = generateKeyPairSync('ed25519').privateKey;
  it.each([
    ['nothing', ''],
    ['text', 'no key'],
    ['half a key', pem(ed25519).slice(0, 60)],
    ['an X25519 key', pem(generateKeyPairSync('x25519').privateKey)],
    ['an elliptic curve key', pem(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)],
    ['an encrypted key', pem(ed25519, { cipher: 'aes-256-cbc', passphrase: 'x' })],
    ['a public key', createPublicKey(ed25519).export({ format: 'pem', type: 'spki' }).toString()],
  ])('is refused where the file holds %s', async (_, text) => {
    const home = await newHome();
    await writeFile(home.file('identity.pem'), text, { mode: 0o600 });
    await expect(loadIdentity(home)).rejects.toMatchObject({ code: 'damaged', path: home.file('identity.pem') });
  });

  it('is refused where the file is huge', async () => {
    const home = await newHome();
    await writeFile(home.file('identity.pem'), Buffer.alloc(100_000), { mode: 0o600 });
    await expect(loadIdentity(home)).rejects.toMatchObject({ code: 'too-large' });
  });
});

describe('a home', () => {
  it.each(roles)('is made for a %s and opened again', async (role) => {
    const path = join(await temporaryFolder(), 'a', role);
    const made = await initHome(role, path);
    await initHome(role, path);
    const opened = await openHome(role, path);
    expect({ role: opened.role, path: opened.path, file: opened.file('x') }).toEqual({
      role,
      path,
      file: join(path, 'x'),
    });
    expect((await stat(made.path)).mode & 0o777).toBe(0o700);
    expect(defaultHomePath(role)).toMatch(new RegExp(`/\\.frostmark/${role}$`));
  });

  it('is not opened where there is none; the message says how to make one', async () => {
    const path = join(await temporaryFolder(), 'none');
    await expect(openHome('participant', path)).rejects.toMatchObject({
      code: 'missing',
      message: expect.stringContaining('frostmark participant init') as string,
    });
    await expect(openHome('participant', await temporaryFolder())).rejects.toMatchObject({ code: 'missing' });
  });

  it("is not another role's", async () => {
    const path = join(await temporaryFolder(), 'home');
    await initHome('participant', path);
    await expect(openHome('coordinator', path)).rejects.toMatchObject({ code: 'wrong-role' });
    await expect(initHome('coordinator', path)).rejects.toMatchObject({ code: 'wrong-role' });
  });

  it('is refused when others can enter it (T29)', async () => {
    const home = await newHome();
    await chmod(home.path, 0o750);
    await expect(openHome('requester', home.path)).rejects.toMatchObject({ code: 'not-private' });
  });

  it.each([
    ['another version', '{"frostmark":2,"role":"requester"}\n'],
    ['nothing', ''],
    ['more than a marker', 'x'.repeat(2000)],
  ])('is refused when its marker holds %s', async (_, text) => {
    const home = await newHome();
    await rm(home.file('home.json'));
    await writeFile(home.file('home.json'), text);
    await expect(openHome('requester', home.path)).rejects.toMatchObject({
      code: text.length > 1024 ? 'too-large' : 'damaged',
    });
  });
});
