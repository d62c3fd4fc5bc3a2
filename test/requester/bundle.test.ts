import { appendFile, chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { decodeBase64Url } from '../../verifier/base64.ts';
import { verifyFile } from '../../verifier/verify-file.ts';
import { hexToBytes } from '../../protocol/wire/bytes.ts';
import { prepareRequest } from '../../protocol/formats/index.ts';
import { hashArtifacts, type ArtifactFile } from '../../requester/artifacts.ts';
import { assembleBundle, delegationFor, openResult, writeBundles } from '../../requester/bundle.ts';
import { askForRelease } from '../../requester/request.ts';
import { heldDelegation, hex, knownWorld, nowUnixSeconds, quorumSign, type KnownWorld } from './support.ts';

let world: KnownWorld;
let folder: string;
let files: ArtifactFile[];
beforeAll(async () => {
  world = await knownWorld({
    tiers: ['admin', 'admin', 'build'],
    production: '{ any: 2 }',
    development: '{ build: 1 }',
  });
  folder = await mkdtemp(join(tmpdir(), 'frostmark-bundle-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
beforeEach(async () => {
  await rm(folder, { recursive: true, force: true });
  folder = await mkdtemp(join(tmpdir(), 'frostmark-bundle-'));
  const paths = [join(folder, 'app.tgz'), join(folder, 'app.sbom')];
  await writeFile(paths[0]!, 'the app');
  await writeFile(paths[1]!, 'the bill');
  files = await hashArtifacts(paths);
});

/** A request for both files and the quorum's real signature on it. */
function signed(channel: string) {
  const wish = {
    channel,
    formats: ['native'],
    artifacts: files,
    product: 'app',
    release: '1.0.0',
    source: null,
    note: undefined,
  };
  const { request } = askForRelease(world.group, wish, world.dave, nowUnixSeconds);
  const {
    formats: [prepared],
  } = prepareRequest({ epoch: world.group.epoch, request, documents: [] });
  return { request, signatures: [hex(quorumSign(world.live, channel, prepared!.message))] };
}

const bundleOf = (channel: string): Uint8Array => {
  const { request, signatures } = signed(channel);
  const files = openResult(world.group, request, [], signatures);
  return assembleBundle(world.group, channel, files, nowUnixSeconds)!;
};

describe('the bundle', () => {
  it.each(['production', 'development'])(
    'of a %s release is verified and written beside each file',
    async (channel) => {
      const written = await writeBundles(world.group, channel, files, bundleOf(channel), nowUnixSeconds);
      expect(written).toEqual([join(folder, 'app.tgz.frostmark'), join(folder, 'app.sbom.frostmark')]);
      for (const { path } of files) {
        const question = { path, channel, at: nowUnixSeconds, groupKey: decodeBase64Url(world.group.epoch.groupKey) };
        expect((await verifyFile(question)).statement.release).toBe('1.0.0');
      }
    },
  );

  it('can be read by everybody, as the artifact can', async () => {
    const umask = process.umask(0o022);
    try {
      const [path] = await writeBundles(world.group, 'production', files, bundleOf('production'), nowUnixSeconds);
      expect((await stat(path!)).mode & 0o777).toBe(0o644);
    } finally {
      process.umask(umask);
    }
  });

  it('replaces an older one whole', async () => {
    await writeFile(join(folder, 'app.tgz.frostmark'), 'x'.repeat(100_000));
    const bundle = bundleOf('production');
    await writeBundles(world.group, 'production', files, bundle, nowUnixSeconds);
    expect(new Uint8Array(await readFile(join(folder, 'app.tgz.frostmark')))).toEqual(bundle);
  });

  it('is not written when a file changed since it was asked for (T39)', async () => {
    await appendFile(join(folder, 'app.sbom'), '!');
    await expect(
      writeBundles(world.group, 'production', files, bundleOf('production'), nowUnixSeconds),
    ).rejects.toMatchObject({
      code: 'changed-file',
    });
    expect(await readdir(folder)).toEqual(['app.sbom', 'app.tgz']);
  });

  it('is not written when it is of another channel (T21)', async () => {
    await expect(
      writeBundles(world.group, 'production', files, bundleOf('development'), nowUnixSeconds),
    ).rejects.toMatchObject({ code: 'wrong-channel' });
    expect(await readdir(folder)).toEqual(['app.sbom', 'app.tgz']);
  });

  it('is not written when its delegation has ended (T21)', async () => {
    const late = nowUnixSeconds + 91 * 86400;
    await expect(writeBundles(world.group, 'development', files, bundleOf('development'), late)).rejects.toMatchObject({
      code: 'delegation-expired',
    });
  });

  it('leaves no half of itself in a folder that cannot be written', async () => {
    const bundle = bundleOf('production');
    await chmod(folder, 0o500);
    try {
      // The superuser writes anywhere.
      if (process.getuid?.() !== 0)
        await expect(writeBundles(world.group, 'production', files, bundle, nowUnixSeconds)).rejects.toMatchObject({
          code: 'write-failed',
        });
    } finally {
      await chmod(folder, 0o700);
    }
    if (process.getuid?.() !== 0) expect(await readdir(folder)).toEqual(['app.sbom', 'app.tgz']);
  });
});

describe('the signature that a coordinator publishes', () => {
  it('is refused when one bit of it is wrong (T12)', () => {
    const { request, signatures } = signed('production');
    const bytes = hexToBytes(signatures[0]!);
    bytes[40]! ^= 1;
    expect(() => openResult(world.group, request, [], [hex(bytes)])).toThrow(
      expect.objectContaining({ code: 'bad-result' }),
    );
  });

  it('is refused when it is of another request (T34)', () => {
    const { signatures } = signed('production');
    const wish = {
      channel: 'production',
      formats: ['native'],
      artifacts: files,
      product: 'app',
      release: '9',
      source: null,
      note: undefined,
    };
    const other = askForRelease(world.group, wish, world.dave, nowUnixSeconds);
    expect(() => openResult(world.group, other.request, [], signatures)).toThrow(
      expect.objectContaining({ code: 'bad-result' }),
    );
  });

  it('is refused when it was made with the key of another channel (T21)', () => {
    const { request } = signed('production');
    const {
      formats: [prepared],
    } = prepareRequest({ epoch: world.group.epoch, request, documents: [] });
    const signature = quorumSign(world.live, 'development', prepared!.message);
    expect(() => openResult(world.group, request, [], [hex(signature)])).toThrow(
      expect.objectContaining({ code: 'bad-result' }),
    );
  });

  it.each([0, 2])('is refused when there are %i of them', (count) => {
    const { request, signatures } = signed('production');
    const given = Array.from({ length: count }, () => signatures[0]!);
    expect(() => openResult(world.group, request, [], given)).toThrow(expect.objectContaining({ code: 'bad-result' }));
  });
});

describe('the delegation in a bundle', () => {
  it('is none on production', () => {
    expect(delegationFor(world.group, 'production', nowUnixSeconds)).toBeNull();
  });

  it('is the one that holds longest', () => {
    const newer = heldDelegation(world.live, 'development', nowUnixSeconds - 60);
    const group = { ...world.group, delegations: [...world.group.delegations, newer] };
    expect(delegationFor(group, 'development', nowUnixSeconds)?.delegation.until).toBe(newer.delegation.until);
  });

  it.each([
    ['not yet', -7200],
    ['no longer', 91 * 86400],
  ])('is refused where it holds %s', (_, offset) => {
    expect(() => delegationFor(world.group, 'development', nowUnixSeconds + offset)).toThrow(
      expect.objectContaining({ code: 'no-delegation' }),
    );
  });
});
