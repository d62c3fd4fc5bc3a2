/** Logs of many sizes before Go's own transparency log, golang.org/x/mod/sumdb: it reads what we write, and we believe what it proves. */
import { copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { CoordinatorClient } from '../../client/client.ts';
import { parseCoordinatorUrl } from '../../client/url.ts';
import { storePaths } from '../../coordinator/init.ts';
import type { StoreRecord } from '../../coordinator/records.ts';
import { openStore, type Store } from '../../coordinator/store.ts';
import { openHome } from '../../home/home.ts';
import { loadIdentity } from '../../home/identity.ts';
import type { Charter } from '../../protocol/files/charter.ts';
import { keyId } from '../../protocol/wire/envelope.ts';
import { decodeBase64, decodeBase64Url, encodeBase64 } from '../../verifier/base64.ts';
import { openCheckpoint, originOf, sealCheckpoint } from '../../protocol/record/checkpoint.ts';
import { encodeNoteKey } from '../../protocol/record/note.ts';
import {
  assertConsistency,
  assertInclusion,
  consistencyPath,
  inclusionPath,
  proveAlong,
  type Run,
} from '../../protocol/record/proof.ts';
import { decodeTile, subtreeRoot, tilePath, tileSource, tilesOf, tileWidth } from '../../protocol/record/tile.ts';
import { hasTool, run, scratchFolder, type Ran } from '../interop/tools.ts';
import { leavesUpTo } from '../protocol/record/support.ts';
import { coordinator, logName, WrittenLog } from '../protocol/record/written-log.ts';
import { flipped } from '../protocol/support.ts';
import { dealtGroup } from '../harness/coordinator-group.ts';
import { CoordinatorWorld } from '../harness/coordinator-server.ts';
import { person } from '../harness/people.ts';
import { expired, round } from '../harness/record-store.ts';

const folder = scratchFolder();
const judge = join(folder, 'judge');
const isThere = hasTool('go');

/** About a log: of some records and from some earlier sizes. Hashes are base64. */
interface Proofs {
  readonly inclusion: readonly { readonly index: number; readonly proof: readonly string[] }[];
  readonly consistency: readonly { readonly size: number; readonly root: string; readonly proof: readonly string[] }[];
}

/** All of them in a small log; in a large one those around the edges of tiles, and some between. */
const maxProofs = 64;

/** In a copy, so that nothing is written beside the sources; with the developer's own caches. */
beforeAll(() => {
  if (!isThere) return;
  const sources = join(folder, 'sources');
  mkdirSync(sources);
  for (const name of ['go.mod', 'go.sum', 'main.go'])
    copyFileSync(join(import.meta.dirname, name), join(sources, name));
  const env = { ...(process.env as Record<string, string>), GOFLAGS: '-mod=readonly', GOTOOLCHAIN: 'local' };
  const { status, output } = run('go', ['build', '-o', judge, '.'], { cwd: sources, env });
  if (status !== 0) throw new Error(`the judge does not build: ${output}`);
});

/** Batches of all widths up to 40 in turn, so that the root of many sizes is known. */
function write(size: number): { readonly log: WrittenLog; readonly at: string } {
  const widths = Array.from({ length: size }, (_, index) => (index % 40) + 1);
  const log = WrittenLog.of(leavesUpTo(size), widths);
  const at = join(folder, `log-${size}`);
  const put = (path: string, content: string | Uint8Array): void => {
    mkdirSync(dirname(join(at, path)), { recursive: true });
    writeFileSync(join(at, path), content);
  };
  for (const [path, bytes] of log.files()) put(path, bytes);
  put('checkpoint', log.checkpoint().note);
  put('key', encodeNoteKey({ name: originOf(logName), publicKey: coordinator.publicKey }));
  put('proofs.json', JSON.stringify(proofsOf(log)));
  return { log, at };
}

function proofsOf(log: WrittenLog): Proofs {
  const source = tileSource(log.tiles);
  const along = (path: readonly Run[]): string[] => proveAlong(path, source).map(encodeBase64);
  return {
    inclusion: some(log.size).map((index) => ({ index, proof: along(inclusionPath(index, log.size)) })),
    consistency: some(log.roots.size).map((at) => {
      const [size, root] = [...log.roots][at]!;
      return { size, root: encodeBase64(root), proof: along(consistencyPath(size, log.size)) };
    }),
  };
}

/** Some numbers below `count`: first and last, those at the edges of tiles, and evenly between. */
function some(count: number): number[] {
  const all = Array.from({ length: count }, (_, index) => index);
  if (count <= maxProofs) return all;
  const edges = [0, 1, 254, 255, 256, 257, 65_535, 65_536, 65_537, count - 2, count - 1];
  return all.filter((index) => edges.includes(index) || index % Math.ceil(count / maxProofs) === 0);
}

/** Rounds that expired, through the store's own way in. */
async function fill(home: string, charter: Charter, rounds: number): Promise<void> {
  const { store, coordinator: key } = await openedHome(home);
  const log = await store.of(charter);
  for (let number = 1; number <= rounds; number += 1)
    await log.append([{ ...round(number), charter: charter.hash } as StoreRecord, expired(number)]);
  expect(log.name.coordinator).toBe(key);
  await store.close();
}

async function openedHome(path: string): Promise<{ readonly store: Store; readonly coordinator: string }> {
  const home = await openHome('coordinator', path);
  const key = keyId((await loadIdentity(home)).publicKey);
  return {
    store: await openStore(storePaths(home), { coordinator: key, onFailure: () => undefined }),
    coordinator: key,
  };
}

/** Everything that is served of the log, as the judge reads it; answers its size. */
async function save(client: CoordinatorClient, fingerprint: string, at: string): Promise<number> {
  const put = (path: string, content: string | Uint8Array): void => {
    mkdirSync(dirname(join(at, path)), { recursive: true });
    writeFileSync(join(at, path), content);
  };
  const publicKey = decodeBase64Url(fingerprint);
  const { note, tree, ...name } = openCheckpoint(await client.checkpoint(), publicKey);
  put('checkpoint', note);
  put('key', encodeNoteKey({ name: originOf(name), publicKey }));
  for (const tile of tilesOf(tree.size)) {
    const paths = [
      tilePath({ kind: 'hashes', ...tile }),
      ...(tile.level > 0 ? [] : [tilePath({ kind: 'entries', ...tile })]),
    ];
    for (const path of paths) put(path, await client.recordTile(path));
  }
  const inclusion = [];
  for (const index of [0, 1, 255, 256, tree.size - 1])
    inclusion.push({ index, proof: (await client.recordEntry(index, tree.size)).proof.map(encodeBase64) });
  const older = { level: 0, index: 0, width: tileWidth };
  const root = subtreeRoot(decodeTile(older, await client.recordTile(tilePath({ kind: 'hashes', ...older }))).hashes);
  const proof = (await client.recordConsistency(tileWidth, tree.size)).map(encodeBase64);
  const consistency = [{ size: tileWidth, root: encodeBase64(root), proof }];
  put('proofs.json', JSON.stringify({ inclusion, consistency }));
  return tree.size;
}

function judged(at: string): Ran {
  return run(judge, [at]);
}

describe.runIf(isThere)("Go's own log", () => {
  it.each([1, 2, 3, 255, 256, 257, 700, 65_536, 65_836])(
    'reads a log of %i records, and its proofs are ours',
    (size) => {
      const { log, at } = write(size);
      const { status, stdout, stderr } = judged(at);
      expect(stderr).toBe('');
      expect(status).toBe(0);
      const { tiles, ...proofs } = JSON.parse(stdout) as Proofs & { readonly tiles: readonly string[] };
      expect(proofs).toEqual(proofsOf(log));
      expect([...tiles].sort()).toEqual([...tilesOf(size)].map((tile) => tilePath({ kind: 'hashes', ...tile })).sort());
      const tree = log.tip.head;
      for (const { index, proof } of proofs.inclusion)
        assertInclusion({ tree, index, leafHash: log.leafHashes[index]!, proof: proof.map(decodeBase64) });
      for (const { size, root, proof } of proofs.consistency)
        assertConsistency({ older: { size, root: decodeBase64(root) }, newer: tree, proof: proof.map(decodeBase64) });
    },
  );

  it('reads what a coordinator serves to a member, and proves what that serves as proofs', async () => {
    const group = await dealtGroup({ tiers: ['admin', 'admin'], production: '{ any: 2 }' });
    await using world = await CoordinatorWorld.create(group);
    await fill(world.home, group.epoch.charter, 150);
    await world.start();
    const { client } = world.member(group, 1);
    const at = join(folder, 'served');
    const size = await save(client, parseCoordinatorUrl(world.url).fingerprint, at);
    expect(size).toBeGreaterThan(300);
    const { status, stderr } = judged(at);
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });

  const { log, at } = isThere ? write(300) : { log: new WrittenLog(), at: '' };
  const spoilt: [string, string, (bytes: Uint8Array) => Uint8Array | string, RegExp][] = [
    ['a flipped bit in a full tile', 'tile/0/000', (bytes) => flipped(bytes, 77), /record 0/],
    ['a flipped bit in a partial tile', 'tile/1/000.p/1', (bytes) => flipped(bytes, 7), /tile/],
    ['a changed record', 'tile/entries/000', (bytes) => flipped(bytes, 5), /record 0/],
    ['a record left out', 'tile/entries/001.p/44', (bytes) => bytes.slice(0, -10), /cut off|44/],
    ['a changed size', 'checkpoint', (bytes) => text(bytes).replace('\n300\n', '\n299\n'), /checkpoint/],
    ['a changed root of a smaller tree', 'proofs.json', (bytes) => text(bytes).replace(/("root":")./, '$1/'), /size/],
    ['a changed proof', 'proofs.json', (bytes) => text(bytes).replace(/("proof":\[")./, '$1/'), /record 0/],
    ['another signer', 'checkpoint', () => sealCheckpoint(logName, log.tip.head, person('eve')).note, /checkpoint/],
  ];
  it.each(spoilt)('refuses %s, so that its word is worth something', (_name, path, spoil, words) => {
    const copy = join(scratchFolderOf(at), 'log');
    cpSync(at, copy, { recursive: true });
    const bytes = new Uint8Array(readFileSync(join(copy, path)));
    const changed = spoil(bytes);
    expect(Buffer.from(changed).equals(bytes)).toBe(false);
    writeFileSync(join(copy, path), changed);
    const { status, stderr } = judged(copy);
    expect(stderr).toMatch(words);
    expect(status).toBe(1);
  });
});

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

let copies = 0;
function scratchFolderOf(at: string): string {
  return `${at}-${(copies += 1)}`;
}
