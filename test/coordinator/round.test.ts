import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { charterFile, Groups } from '../../coordinator/groups.ts';
import type { KnownGroup } from '../../coordinator/lineage.ts';
import { Ledger } from '../../coordinator/ledger.ts';
import { defaultLimits, type Limits } from '../../coordinator/limits.ts';
import type { Round } from '../../coordinator/round.ts';
import { Rounds } from '../../coordinator/rounds.ts';
import type { StoreRecord } from '../../coordinator/records.ts';
import { GroupLog } from '../../coordinator/group-log.ts';
import { createStore, openStore, type Store } from '../../coordinator/store.ts';
import type { Group, Point } from '../../protocol/frost/group.ts';
import { openShare, shareMessage, type SignedShare } from '../../protocol/signing/attempt.ts';
import { sealMessage } from '../../protocol/wire/envelope.ts';
import type { CoordinatorFrame } from '../../protocol/wire/frames.ts';
import { dealtGroup, releaseOf, type DealtGroup } from '../harness/coordinator-group.ts';
import { signingOf, type Signing } from '../harness/coordinator-signers.ts';

const group = await dealtGroup({ tiers: ['admin', 'admin', 'admin'], production: '{ any: 2 }' });

/** Arithmetic whose sums can be spoiled afterwards, as a fault of memory or library would. */
class SpoiledGroup implements Group {
  readonly name = 'sodium';
  readonly identity: Point;
  readonly generator: Point;
  readonly #real: Group;
  readonly #sums = new Map<Point, Point>();
  readonly #spoiled = new Set<Point>();

  constructor(real: Group) {
    this.#real = real;
    this.identity = real.identity;
    this.generator = real.generator;
  }

  /** Every sum so far reads as another point from now on. */
  spoil(): void {
    for (const sum of this.#sums.keys()) this.#spoiled.add(sum);
  }

  decodePoint(bytes: Uint8Array): Point | undefined {
    return this.#real.decodePoint(bytes);
  }

  multiplyEncoded(bytes: Uint8Array, scalar: bigint): Point | undefined {
    return this.#real.multiplyEncoded(bytes, scalar);
  }

  add(a: Point, b: Point): Point {
    const real = this.#real.add(this.#realOf(a), this.#realOf(b));
    const [spoiled, generator] = [this.#spoiled, this.generator];
    const sum: Point = {
      get bytes() {
        return spoiled.has(sum) ? generator.bytes : real.bytes;
      },
    };
    this.#sums.set(sum, real);
    return sum;
  }

  multiply(point: Point, scalar: bigint): Point {
    return this.#real.multiply(this.#realOf(point), scalar);
  }

  evaluate(points: readonly Point[], x: bigint): Point {
    return this.#real.evaluate(
      points.map((point) => this.#realOf(point)),
      x,
    );
  }

  multiplyBase(scalar: bigint): Point {
    return this.#real.multiplyBase(scalar);
  }

  #realOf(point: Point): Point {
    return this.#sums.get(point) ?? point;
  }
}

interface Bench {
  readonly known: KnownGroup;
  readonly rounds: Rounds;
  readonly store: Store;
  readonly frames: CoordinatorFrame[];
  /** How many records were on the medium when each of them was sent. */
  readonly storedAtSend: number[];
}

async function recordsOf(store: Store): Promise<StoreRecord[]> {
  const log = logOf(store);
  return Promise.all(Array.from({ length: log.head.size }, (_, index) => log.record(index)));
}

function logOf(store: Store): GroupLog {
  return store.logOf(group.epoch.charter.hash)!;
}

/** Rounds on a real store, without sockets. */
async function benchOf(of: DealtGroup, arithmetic: Group, limits: Limits = defaultLimits): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'frostmark-round-'));
  const paths = { database: join(folder, 'store'), anchor: join(folder, 'store-head') };
  await createStore(paths);
  const store = await openStore(paths, { coordinator: 'A'.repeat(43), onFailure: () => undefined });
  const { charter } = of.epoch;
  await writeFile(charterFile(folder, charter.hash), charter.bytes);
  const log = () => undefined;
  const groups = new Groups({ charters: folder, arithmetic: of.sodium, log });
  groups.use(store);
  await groups.put(charter, of.body);
  const frames: CoordinatorFrame[] = [];
  const storedAtSend: number[] = [];
  const audience = {
    send: (_to: number, frame: CoordinatorFrame) => {
      frames.push(frame);
      storedAtSend.push(logOf(store).head.size);
    },
    sendPaced: (to: number, make: () => readonly CoordinatorFrame[]) => {
      for (const frame of make()) audience.send(to, frame);
      return Promise.resolve(true);
    },
    isConnected: () => true,
    connected: () => [1, 2, 3],
  };
  const rounds = new Rounds({
    store,
    groups,
    ledger: new Ledger(defaultLimits.storedBytesPerDay),
    arithmetic,
    limits,
    nowMs: Date.now,
    log,
    audienceOf: () => audience,
    onDocument: () => undefined,
  });
  onTestFinished(async () => {
    await rounds.stop();
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });
  return { known: groups.ofCharter(charter.hash)!, rounds, store, frames, storedAtSend };
}

/** An attempt of two members that approved, whose shares are still to come. */
async function openAttempt(bench: Bench): Promise<{ readonly round: Round; readonly signing: Signing }> {
  const envelope = releaseOf(group, group.requester);
  const { digest } = await bench.rounds.submit(group.requester.key, bench.known, { request: envelope });
  const round = bench.rounds.pendingRound(group.epoch.charter.hash, digest)!;
  const signing = signingOf(group, envelope, [1, 2]);
  for (const decision of signing.decisions) round.decide(decision);
  for (const commitment of signing.commitments) round.commit(commitment);
  await round.settled();
  expect(bench.frames.filter(({ type }) => type === 'package')).toHaveLength(2);
  return { round, signing };
}

/** Two members approve and sign; `beforeShares` is called when the attempt is open. */
async function signedBy(bench: Bench, beforeShares: () => void): Promise<string> {
  const { round, signing } = await openAttempt(bench);
  beforeShares();
  for (const share of signing.shares()) round.share(share);
  await round.settled();
  return round.digest;
}

test('decisions and the result are on the medium before anybody is told (T28)', async () => {
  const bench = await benchOf(group, group.sodium);
  await signedBy(bench, () => undefined);
  const types = (await recordsOf(bench.store)).map(({ type }) => type);
  expect(types.slice(-4)).toEqual(['round', 'decision', 'decision', 'closed']);
  bench.frames.forEach(({ type }, index) => {
    if (type === 'decision') expect(bench.storedAtSend[index]).toBeGreaterThanOrEqual(types.indexOf('decision') + 2);
    if (type === 'closed') expect(bench.storedAtSend[index]).toBe(types.length);
  });
  expect(bench.frames.filter(({ type }) => type === 'closed')).toHaveLength(3);
});

test('a package leaves before its decisions are stored, nobody sees them until they are, and they are stored with the result (T28)', async () => {
  const bench = await benchOf(group, group.sodium, { ...defaultLimits, decisionsWaitMs: 1_000_000 });
  const envelope = releaseOf(group, group.requester);
  const { digest } = await bench.rounds.submit(group.requester.key, bench.known, { request: envelope });
  const round = bench.rounds.pendingRound(group.epoch.charter.hash, digest)!;
  const { size } = logOf(bench.store).head;
  const signing = signingOf(group, envelope, [1, 2]);
  for (const decision of signing.decisions) round.decide(decision);
  for (const commitment of signing.commitments) round.commit(commitment);
  await vi.waitUntil(() => bench.frames.filter(({ type }) => type === 'package').length === 2);
  expect(logOf(bench.store).head.size).toBe(size);
  expect(bench.frames.map(({ type }) => type)).not.toContain('decision');
  expect(round.body()).toMatchObject({ decisions: [], ready: [], attempts: [] });

  const append = vi.spyOn(GroupLog.prototype, 'append');
  onTestFinished(() => {
    append.mockRestore();
  });
  for (const share of signing.shares()) round.share(share);
  await vi.waitUntil(() => round.outcome === 'signed');
  expect(append).toHaveBeenCalledTimes(1);
  const types = (await recordsOf(bench.store)).map(({ type }) => type);
  expect(types.slice(-3)).toEqual(['decision', 'decision', 'closed']);
  expect(round.body()).toMatchObject({ outcome: 'signed', attempts: [{ answered: [1, 2] }] });
});

test('decisions that nothing comes after are stored soon, and shown then', async () => {
  const bench = await benchOf(group, group.sodium, { ...defaultLimits, decisionsWaitMs: 1 });
  const envelope = releaseOf(group, group.requester);
  const { digest } = await bench.rounds.submit(group.requester.key, bench.known, { request: envelope });
  const round = bench.rounds.pendingRound(group.epoch.charter.hash, digest)!;
  const shown = new Promise<void>((resolve) => {
    round.subscribe(() => {
      if (round.body().decisions.length === 1) resolve();
    });
  });
  round.decide(signingOf(group, envelope, [1, 2]).decisions[0]!);
  await shown;
  expect((await recordsOf(bench.store)).at(-1)).toMatchObject({ type: 'decision' });
});

test('a coordinator that dies after a package, before its decisions are stored, has published nothing and asks again (T28)', async () => {
  const bench = await benchOf(group, group.sodium, { ...defaultLimits, decisionsWaitMs: 1_000_000 });
  const envelope = releaseOf(group, group.requester);
  const { digest } = await bench.rounds.submit(group.requester.key, bench.known, { request: envelope });
  const round = bench.rounds.pendingRound(group.epoch.charter.hash, digest)!;
  const signing = signingOf(group, envelope, [1, 2]);
  const dies = vi.spyOn(GroupLog.prototype, 'append').mockRejectedValue(new Error('it is gone'));
  for (const decision of signing.decisions) round.decide(decision);
  for (const commitment of signing.commitments) round.commit(commitment);
  await vi.waitUntil(() => bench.frames.filter(({ type }) => type === 'package').length === 2);
  for (const share of signing.shares()) round.share(share);
  await vi.waitUntil(() => dies.mock.calls.length > 0);
  await round.settled();
  dies.mockRestore();
  expect(bench.frames.map(({ type }) => type)).not.toContain('closed');
  expect((await recordsOf(bench.store)).map(({ type }) => type)).not.toContain('decision');
  expect(round.body()).toMatchObject({ outcome: 'pending', decisions: [], signatures: [] });
});

test('an aggregate that does not verify is neither stored nor published (T12)', async () => {
  const spoiled = new SpoiledGroup(group.sodium);
  const bench = await benchOf(group, spoiled);
  const digest = await signedBy(bench, () => spoiled.spoil());
  expect(bench.frames.filter(({ type }) => type === 'closed')).toEqual([]);
  const body = await bench.rounds.body(group.epoch.charter.hash, digest);
  expect(body).toMatchObject({ outcome: 'pending', signatures: [], out: [] });
  expect(body.attempts).toMatchObject([{ answered: [1, 2], open: false }]);
  const stored = await recordsOf(bench.store);
  expect(stored.map(({ type }) => type)).not.toContain('closed');
});

test('right shares are added up and none is verified by itself; after a wrong one each is, and it is named (T9)', async () => {
  // Only the check of one share multiplies the base point.
  const bases = vi.spyOn(group.sodium, 'multiplyBase');
  onTestFinished(() => {
    bases.mockRestore();
  });
  const bench = await benchOf(group, group.sodium);
  await signedBy(bench, () => bases.mockClear());
  expect(bases).toHaveBeenCalledTimes(0);

  const other = await benchOf(group, group.sodium);
  const { round, signing } = await openAttempt(other);
  const [right, wrong] = signing.shares();
  bases.mockClear();
  round.share(right!);
  round.share(spoiledShare(wrong!));
  await round.settled();
  expect(bases).toHaveBeenCalledTimes(2);
  expect(round.body()).toMatchObject({ outcome: 'pending', out: [{ member: 2, reason: 'fault' }] });
});

test('a wrong share beside a silent signer is named soon, though the attempt does not stall (T9)', async () => {
  const limits = { ...defaultLimits, checkAfterMs: 1, stallAfterMs: 1_000_000 };
  const { round, signing } = await openAttempt(await benchOf(group, group.sodium, limits));
  const named = new Promise<void>((resolve) => {
    round.subscribe(() => {
      if (round.body().out.length > 0) resolve();
    });
  });
  round.share(spoiledShare(signing.shares()[0]!));
  await named;
  expect(round.body()).toMatchObject({ out: [{ member: 1, reason: 'fault' }], attempts: [{ answered: [] }] });
});

/** Signed by its member all the same. */
function spoiledShare(share: SignedShare): SignedShare {
  const shares = share.payload.shares.map((text) => text.replace(/^../, (byte) => (byte === '00' ? '01' : '00')));
  const envelope = sealMessage(shareMessage, { ...share.payload, shares }, group.people[share.member.identifier - 1]!);
  return openShare(envelope, group.epoch.charter);
}
