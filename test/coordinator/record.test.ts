import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { followCheckpoint, followedText } from '../../client/checkpoints.ts';
import type { CoordinatorClient } from '../../client/client.ts';
import { ClientError, notOurs } from '../../client/errors.ts';
import { portableArithmetic } from '../../client/group.ts';
import { parseCoordinatorUrl } from '../../client/url.ts';
import { cancelRound } from '../../coordinator/control.ts';
import { openHome } from '../../home/home.ts';
import { loadIdentity } from '../../home/identity.ts';
import { KeptCheckpoint } from '../../home/kept-checkpoint.ts';
import { RecordKeeper } from '../../participant/record-keeper.ts';
import { openCheckpoint, sealCheckpoint, type Checkpoint } from '../../protocol/record/checkpoint.ts';
import { decodeLeaf } from '../../protocol/record/leaf.ts';
import { assertConsistency, assertInclusion } from '../../protocol/record/proof.ts';
import { emptyRoot, hashLeaf } from '../../protocol/record/tree.ts';
import { tileAt, tilePath } from '../../protocol/record/tile.ts';
import { sha256Hex } from '../../protocol/wire/bytes.ts';
import type { Identity } from '../../protocol/wire/envelope.ts';
import { decodeBase64Url } from '../../verifier/base64.ts';
import { auditRecord, RecordFolder, servedRecord, type AuditReport, type RecordSource } from '../../requester/audit.ts';
import { dealtGroup, documentRequest, releaseOf, requestersBytes } from '../harness/coordinator-group.ts';
import { refusalOf } from '../harness/coordinator-refusals.ts';
import { CoordinatorWorld } from '../harness/coordinator-server.ts';

const group = await dealtGroup({
  tiers: ['admin', 'admin', 'admin'],
  production: '{ any: 2 }',
  development: '{ any: 1 }',
});
const stranger = await dealtGroup({ tiers: ['admin', 'admin'], production: '{ any: 2 }' });

let world: CoordinatorWorld;
let client: CoordinatorClient;
let coordinator: Uint8Array;
let identity: Identity;
/** What was said before the last round. */
let earlier: Checkpoint;

/** A release that was signed, requesters 2, a request that was taken back, and one that is pending. */
beforeAll(async () => {
  world = await CoordinatorWorld.create(group, stranger);
  await world.start();
  await world.learn(group);
  await world.learn(stranger);
  identity = await loadIdentity(await openHome('coordinator', world.home));
  coordinator = decodeBase64Url(parseCoordinatorUrl(world.url).fingerprint);
  client = world.requester(group);
  const [first] = await world.members(group, {
    decide: ({ payload }) => (payload.kind === 'requesters' || payload.release === '1.0.0' ? 'approve' : 'ask'),
  });
  const signed = await client.submit(releaseOf(group, group.requester, { channel: 'development', release: '1.0.0' }));
  await first!.closedFrame(signed.digest);
  const bytes = requestersBytes(group, 2, [group.requester]);
  const { digest } = await first!.client.submit(documentRequest(group, first!.person, 'requesters', bytes));
  await first!.client.putDocument(digest, bytes);
  await first!.closedFrame(digest);
  const cancelled = await client.submit(releaseOf(group, group.requester, { release: '2.0.0' }));
  await cancelRound(await openHome('coordinator', world.home), cancelled.digest);
  earlier = openCheckpoint(await client.checkpoint(), coordinator);
  await client.submit(releaseOf(group, group.requester, { release: '3.0.0' }));
}, 60_000);
afterAll(() => world[Symbol.asyncDispose]());

function live(of: CoordinatorClient = client): RecordSource {
  return servedRecord(of);
}

function audit(source: RecordSource = live(), kept?: string, isCopy = false): Promise<AuditReport> {
  const { groupKey } = group.epoch;
  return auditRecord({ source, coordinator, groupKey, arithmetic: portableArithmetic(), kept, isCopy });
}

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'frostmark-audit-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

describe('the record of a group, as its people read it', () => {
  test('is audited from what is served alone: who asked, who decided, who signed', async () => {
    const { rounds, pending, from, checkpoint } = await audit();
    expect(from).toEqual({ kind: 'new' });
    expect(pending).toBe(1);
    expect(rounds.map(({ outcome }) => outcome)).toEqual(['signed', 'signed', 'cancelled']);
    const [release, requesters, cancelled] = rounds;
    expect(release!.asker?.name).toBe(group.requester.name);
    expect(release!.signers).toHaveLength(1);
    expect(release!.signatures).toBe('valid');
    expect(requesters!.signers.map(({ name }) => name)).toEqual(['admin-2', 'admin-3']);
    expect(requesters!.signatures).toBe('valid');
    expect(cancelled!.signers).toEqual([]);
    expect(checkpoint.charter).toBe(group.epoch.charter.hash);
  });

  test('gives one record with its proof, and the proof that it goes on from an earlier checkpoint', async () => {
    const { tree } = openCheckpoint(await client.checkpoint(), coordinator);
    const { leaf, proof } = await client.recordEntry(1, tree.size);
    expect(decodeLeaf(leaf)).toMatchObject({ type: 'charter', charter: group.epoch.charter.hash });
    expect(() => assertInclusion({ leafHash: hashLeaf(leaf), index: 1, tree, proof })).not.toThrow();
    // A proof for another size is none for this one.
    const other = await client.recordEntry(1, tree.size - 1);
    expect(() => assertInclusion({ leafHash: hashLeaf(leaf), index: 1, tree, proof: other.proof })).toThrow();
    const consistency = await client.recordConsistency(earlier.tree.size, tree.size);
    expect(() => assertConsistency({ older: earlier.tree, newer: tree, proof: consistency })).not.toThrow();
  });

  test('is refused past its end, and under any other spelling', async () => {
    const { size } = openCheckpoint(await client.checkpoint(), coordinator).tree;
    const next = tilePath({ kind: 'hashes', ...tileAt(0, 0, size + 1)! });
    expect(await refusalOf(client.recordTile(next))).toBe('not-found');
    expect(await refusalOf(client.recordEntry(size, size))).toBe('not-found');
    expect(await refusalOf(client.recordEntry(0, size + 1))).toBe('not-found');
    expect(await refusalOf(client.recordConsistency(0, size))).toBe('not-found');
    expect(await refusalOf(client.recordTile('tile/0/0'))).toBe('bad-tile');
    expect(await refusalOf(client.recordTile('tile/0/x001/000'))).toBe('not-found');
    expect(await refusalOf(client.recordEntry(-1, size))).toBe('bad-body');
    expect(await refusalOf(client.recordBlob('00'.repeat(32)))).toBe('not-found');
  });

  test('is that of the caller’s own group and no other: another group’s people get another log (T25)', async () => {
    const theirs = world.requester(stranger);
    const note = openCheckpoint(await theirs.checkpoint(), coordinator);
    expect(note.charter).toBe(stranger.epoch.charter.hash);
    expect(note.log).not.toBe(earlier.log);
    await expect(audit(live(theirs))).rejects.toMatchObject({ code: 'wrong-group' });
    // One's checkpoint is mixed with the other's tiles.
    await expect(audit({ ...live(), tile: (path) => theirs.recordTile(path) })).rejects.toMatchObject({
      name: expect.stringMatching(/ClientError|ProtocolError/) as string,
    });
    expect(await refusalOf(theirs.recordBlob(group.epoch.charter.hash))).toBe('not-found');
  });

  test('saved to a folder, it is audited again without a coordinator', async () => {
    const path = await folder();
    const saved = new RecordFolder(path);
    const online = await audit(saved.saving(live()));
    const offline = await audit(saved);
    expect(offline.checkpoint).toEqual(online.checkpoint);
    expect(offline.rounds.map(({ request }) => request.digest)).toEqual(
      online.rounds.map(({ request }) => request.digest),
    );
    // Again into the same folder: nothing there is replaced by anything else.
    await audit(saved.saving(live()));
    const { size } = online.checkpoint.tree;
    const tile = join(path, tilePath({ kind: 'entries', ...tileAt(0, 0, size)! }));
    const bytes = await readFile(tile);
    bytes[bytes.length - 20]! ^= 1;
    await writeFile(tile, bytes);
    await expect(audit(saved)).rejects.toThrow();
    await expect(audit(saved.saving(live()))).rejects.toMatchObject({ code: 'exists' });
  });

  test('says how many records it could not check whole, because the coordinator says that bytes are archived', async () => {
    const document = sha256Hex(requestersBytes(group, 2, [group.requester]));
    const archived = (sha256: string): Promise<Uint8Array | undefined> =>
      sha256 === document ? Promise.resolve(undefined) : live().blob(sha256);
    const saved = new RecordFolder(await folder());
    for (const source of [saved.saving({ ...live(), blob: archived }), saved]) {
      const { unchecked, rounds } = await audit(source);
      expect(unchecked).toBe(1);
      expect(rounds.map(({ signatures }) => signatures)).toEqual(['valid', 'unchecked', 'none']);
    }
    expect((await audit()).unchecked).toBe(0);
  });

  test('does not take bytes for archived that are only not there, from a coordinator or in a folder', async () => {
    const source = servedRecord({
      checkpoint: () => client.checkpoint(),
      recordTile: (path) => client.recordTile(path),
      recordBlob: () => client.recordBlob('00'.repeat(32)),
    });
    await expect(audit(source)).rejects.toMatchObject({ code: 'record-gap' });
    const path = await folder();
    const saved = new RecordFolder(path);
    await audit(saved.saving(live()));
    const document = sha256Hex(requestersBytes(group, 2, [group.requester]));
    await rm(join(path, 'blobs', document));
    await expect(audit(saved)).rejects.toMatchObject({
      code: 'record-gap',
      message: expect.stringContaining(join(path, 'blobs', document)) as string,
    });
  });

  test.each<readonly [string, Partial<RecordSource>]>([
    [
      'a tile that its records do not make',
      { tile: async (path) => flip(await live().tile(path), path.startsWith('tile/0')) },
    ],
    [
      'a record that was changed',
      { tile: async (path) => flip(await live().tile(path), path.startsWith('tile/entries')) },
    ],
    ['bytes beside it that are others', { blob: () => Promise.resolve(new Uint8Array(10)) }],
    ['no certificate', { blob: () => Promise.resolve(undefined) }],
  ])('is not believed with %s', async (_what, lie) => {
    await expect(audit({ ...live(), ...lie })).rejects.toMatchObject({ name: 'ProtocolError' });
  });

  test('is not believed under a checkpoint by another key', async () => {
    const own = openCheckpoint(await client.checkpoint(), coordinator);
    const forged = sealCheckpoint(own, own.tree, group.requester).note;
    await expect(audit({ ...live(), checkpoint: () => Promise.resolve(forged) })).rejects.toMatchObject({
      code: 'bad-checkpoint',
    });
  });
});

function flip(bytes: Uint8Array, isToFlip: boolean): Uint8Array {
  const copy = Uint8Array.from(bytes);
  if (isToFlip) copy[copy.length - 5]! ^= 1;
  return copy;
}

describe('a checkpoint that was kept', () => {
  const follow = async (kept: string | undefined, from: typeof client = client) => {
    const found = await followCheckpoint(from, coordinator, kept);
    return [found.followed, followedText(found, kept)] as const;
  };
  const forge = (tree: Checkpoint['tree'], log = earlier.log): string =>
    sealCheckpoint({ charter: earlier.charter, log }, tree, identity).note;

  test('is gone on from', async () => {
    expect(await follow(undefined)).toEqual(['first', undefined]);
    expect(await follow(earlier.note)).toEqual(['newer', undefined]);
    expect(await follow(await client.checkpoint())).toEqual(['same', undefined]);
    expect(await audit()).toMatchObject({ pending: 1, followed: 'first' });
    expect(await audit(live(), earlier.note)).toMatchObject({ pending: 1, followed: 'goes-on' });
  });

  test('shows a coordinator that came back older', async () => {
    const { tree } = openCheckpoint(await client.checkpoint(), coordinator);
    const note = forge({ size: tree.size + 5, root: tree.root });
    const [followed, text] = await follow(note);
    expect(followed).toBe('older');
    expect(text).toContain(`acknowledged ${tree.size + 5} records of this group and shows ${tree.size}`);
    const shownNote = await client.checkpoint();
    await expect(audit(live(), note)).rejects.toMatchObject({ code: 'record-older', shownNote });
    // A copy of what was served once may well end before it.
    expect((await audit(live(), note, true)).followed).toBe('older');
  });

  test('shows two histories, of one size or of two: a proof that is wrong is no proof of them', async () => {
    const shownNote = await client.checkpoint();
    const { tree } = openCheckpoint(shownNote, coordinator);
    for (const [size, expected] of [
      [tree.size, 'split'],
      [tree.size - 1, 'unproved'],
    ] as const) {
      const note = forge({ size, root: emptyRoot });
      const [followed, text] = await follow(note);
      expect(followed).toBe(expected);
      expect(text).toContain('keep both notes');
      for (const isCopy of [false, true])
        await expect(audit(live(), note, isCopy)).rejects.toMatchObject({ code: 'record-split', shownNote });
    }
  });

  test('accuses nobody of two histories by records that are not those of the newer note', async () => {
    const source: RecordSource = {
      ...live(),
      // Another round, which nobody signed a checkpoint over.
      tile: async (path) => {
        const bytes = Buffer.from(await live().tile(path));
        const text = Buffer.from('"length":');
        const at = bytes.indexOf(text);
        if (path.startsWith('tile/entries')) bytes[at + text.length] = bytes[at + text.length] === 0x31 ? 0x32 : 0x31;
        return new Uint8Array(bytes);
      },
    };
    await expect(audit(source, earlier.note)).rejects.toMatchObject({
      code: 'bad-record',
      message: /its root is another/,
    });
  });

  test('of another coordinator is another record, and nothing that fails for ever', async () => {
    const note = sealCheckpoint(earlier, earlier.tree, group.requester).note;
    expect((await follow(note))[0]).toBe('other');
    await expect(audit(live(), note)).rejects.toMatchObject({ code: 'record-other' });
  });

  test('is not given up for another log, but for that of a copy', async () => {
    const note = forge(earlier.tree, 'ab'.repeat(16));
    const [followed, text] = await follow(note);
    expect(followed).toBe('other');
    expect(text).toContain('anew');
    const shownNote = await client.checkpoint();
    await expect(audit(live(), note)).rejects.toMatchObject({ code: 'record-other', shownNote });
    expect((await audit(live(), note, true)).followed).toBe('other');
  });
});

test('a member keeps the newest checkpoint in its home, and is alarmed by one that does not go on from it', async () => {
  const path = await mkdtemp(join(tmpdir(), 'frostmark-kept-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  const home = { file: (name: string) => join(path, name) };
  const { fingerprint } = parseCoordinatorUrl(world.url);
  const charter = group.epoch.charter.hash;
  const keeper = new RecordKeeper({ client, home, charter, fingerprint });
  const kept = new KeptCheckpoint(home, charter);
  expect(await keeper.follow()).toBeUndefined();
  const note = await client.checkpoint();
  expect(await kept.read()).toBe(note);
  expect(await keeper.follow()).toBeUndefined();
  const { tree } = openCheckpoint(note, coordinator);
  const ahead = sealCheckpoint(earlier, { size: tree.size + 1, root: tree.root }, identity).note;
  await kept.write(ahead);
  expect(await keeper.follow()).toContain('it lost some, or hides them');
  // What was kept stays, and the other lies beside it.
  expect(await kept.read()).toBe(ahead);
  const beside = (): Promise<string[]> => readdir(path).then((names) => names.sort().slice(1));
  expect(await beside()).toEqual([`checkpoint-${charter}-older`]);
  expect(await readFile(join(path, `checkpoint-${charter}-older`), 'utf8')).toBe(note);
  // Whoever was slower keeps nothing older in the place of what is newer.
  await kept.replace(note, earlier.note);
  expect(await kept.read()).toBe(ahead);
  // However often: the first of a kind is proof enough, and a disk is not filled (T43).
  const again = sealCheckpoint(earlier, { size: tree.size + 2, root: tree.root }, identity).note;
  await kept.write(again);
  await world.requester(group).submit(releaseOf(group, group.requester, { release: '4.0.0' }));
  expect(await keeper.follow()).toContain('it lost some, or hides them');
  expect(await readFile(join(path, `checkpoint-${charter}-older`), 'utf8')).toBe(note);
  expect(await beside()).toHaveLength(1);
  const other = sealCheckpoint({ charter, log: 'ab'.repeat(16) }, tree, identity).note;
  await kept.write(other);
  expect(await keeper.follow()).toContain('anew');
  expect(await readFile(join(path, `checkpoint-${charter}-other`), 'utf8')).toBe(other);
  expect(await keeper.follow()).toBeUndefined();
});

test('a member is alarmed by a coordinator that has nothing of its group any more, and not by one that has nothing yet', async () => {
  const path = await folder();
  const home = { file: (name: string) => join(path, name) };
  const charter = group.epoch.charter.hash;
  const { fingerprint } = parseCoordinatorUrl(world.url);
  const refusing = (code: string) => ({
    checkpoint: () =>
      Promise.reject(new ClientError('refused', 'nothing', { refusal: { status: 404, code, message: '' } })),
    recordConsistency: () => Promise.reject(new Error('not asked')),
  });
  const keeper = (code: string) => new RecordKeeper({ client: refusing(code), home, charter, fingerprint });
  expect(await keeper('not-found').follow()).toBeUndefined();
  const kept = new KeptCheckpoint(home, charter);
  await kept.write(earlier.note);
  expect(await keeper('not-found').follow()).toContain(
    `acknowledged ${earlier.tree.size} records of this group and says now that it has none`,
  );
  expect(await kept.read()).toBe(earlier.note);
  // What is in between says nothing of the coordinator.
  await expect(keeper(notOurs).follow()).rejects.toMatchObject({ code: 'refused' });
});
