/** A whole coordinator, but for its sockets, on a disk that loses power at every step: whatever it told anybody is there afterwards (T28). */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Ceremonies } from '../../coordinator/ceremonies.ts';
import { charterFile, Groups } from '../../coordinator/groups.ts';
import type { KnownGroup } from '../../coordinator/lineage.ts';
import { Journals } from '../../coordinator/journals.ts';
import { Issued } from '../../coordinator/issued.ts';
import { Ledger } from '../../coordinator/ledger.ts';
import { Successions } from '../../coordinator/successions.ts';
import { defaultLimits } from '../../coordinator/limits.ts';
import { restoreAll } from '../../coordinator/restore.ts';
import { beginLevelDatabase, openLevelDatabase } from '../../coordinator/level-database.ts';
import type { Round } from '../../coordinator/round.ts';
import { Rounds } from '../../coordinator/rounds.ts';
import type { StorePaths } from '../../coordinator/database.ts';
import { createStore, openStoreOn, type Store } from '../../coordinator/store.ts';
import { sha256Hex } from '../../protocol/wire/bytes.ts';
import { helloMessage } from '../../protocol/ceremony/messages.ts';
import { sealMessage, type Envelope } from '../../protocol/wire/envelope.ts';
import type { CoordinatorFrame } from '../../protocol/wire/frames.ts';
import {
  dealtGroup,
  documentRequest,
  releaseOf,
  requestersBytes,
  type DealtGroup,
} from '../harness/coordinator-group.ts';
import { signingOf } from '../harness/coordinator-signers.ts';
import { SimulatedDatabase } from '../harness/simulated-database.ts';
import { aftermaths, SimulatedDisk, type Aftermath } from '../home/simulated-disk.ts';

const paths: StorePaths = { database: '/home/store', anchor: '/home/store-head' };
let folder: string;
let group: DealtGroup;
let emptyAnchor: Uint8Array;

beforeAll(async () => {
  group = await dealtGroup({ tiers: ['admin', 'admin', 'admin'], production: '{ any: 2 }' });
  folder = await mkdtemp(join(tmpdir(), 'frostmark-power-'));
  const { charter } = group.epoch;
  await writeFile(charterFile(folder, charter.hash), charter.bytes);
  const real = { database: join(folder, 'store'), anchor: join(folder, 'store-head') };
  await createStore(real);
  emptyAnchor = await readFile(real.anchor);
}, 60_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Machine {
  readonly disk: SimulatedDisk;
  readonly database: SimulatedDatabase;
}

async function newMachine(): Promise<Machine> {
  const disk = new SimulatedDisk();
  disk.put(paths.anchor, emptyAnchor);
  const database = new SimulatedDatabase();
  await beginLevelDatabase(database, []);
  database.writes = 0;
  return { disk, database };
}

/** The parts of a coordinator as it puts them together at its start. */
interface Running {
  readonly store: Store;
  readonly groups: Groups;
  readonly ceremonies: Ceremonies;
  readonly rounds: Rounds;
  /** Frames that members were sent. */
  readonly frames: CoordinatorFrame[];
}

async function start({ disk, database }: Machine): Promise<Running> {
  const log = () => undefined;
  const store = await openStoreOn(await openLevelDatabase(database), disk, paths, {
    coordinator: 'A'.repeat(43),
    onFailure: () => undefined,
  });
  const groups = new Groups({ charters: folder, arithmetic: group.sodium, log });
  groups.use(store);
  const frames: CoordinatorFrame[] = [];
  const audience = {
    send: (_to: number, frame: CoordinatorFrame) => void frames.push(frame),
    sendPaced: (_to: number, make: () => readonly CoordinatorFrame[]) => {
      frames.push(...make());
      return Promise.resolve(true);
    },
    isConnected: () => true,
    connected: () => [1, 2, 3],
  };
  const ledger = new Ledger(defaultLimits.storedBytesPerDay);
  const rounds = new Rounds({
    store,
    groups,
    ledger,
    arithmetic: group.sodium,
    limits: defaultLimits,
    nowMs: Date.now,
    log,
    audienceOf: () => audience,
    onDocument: () => undefined,
  });
  const ceremonies = new Ceremonies(async (charter, record) => (await store.of(charter)).append([record]));
  const successions = new Successions(async (charter, record) => (await store.of(charter)).append([record]), Date.now);
  const issued = new Issued({ store, groups, rounds, ledger, log, onDocument: () => undefined });
  const journals = new Journals(Date.now);
  await restoreAll({ store, groups, ceremonies, successions, journals, rounds, issued, log });
  return { store, groups, ceremonies, rounds, frames };
}

async function stop({ rounds, store }: Running): Promise<void> {
  await rounds.stop();
  await store.close().catch(() => undefined);
}

/** What somebody was told, and so may rely on. */
type Told =
  | { readonly kind: 'group' }
  | { readonly kind: 'echo'; readonly message: Envelope }
  | { readonly kind: 'round'; readonly digest: string }
  | { readonly kind: 'document'; readonly digest: string; readonly bytes: Uint8Array }
  | { readonly kind: 'frame'; readonly frame: CoordinatorFrame };

/** The life of a group, as long as the machine lives: learned, in another ceremony, a release signed, a document signed. */
async function live(machine: Machine): Promise<Told[]> {
  const told: Told[] = [];
  const running = await start(machine).catch(() => undefined);
  if (running === undefined) return told;
  const { groups, ceremonies, rounds, frames } = running;
  const { charter } = group.epoch;
  try {
    await groups.put(charter, group.body);
    told.push({ kind: 'group' });
    const hello = sealMessage(
      helloMessage,
      { charter: charter.hash, requesters: '00'.repeat(32), import: null, nonce: '11'.repeat(32) },
      group.people[0]!,
    );
    await ceremonies.receive(charter, charter.members[0]!, hello);
    told.push({ kind: 'echo', message: hello });

    const known = groups.ofCharter(charter.hash)!;
    const release = releaseOf(group, group.requester);
    const first = await rounds.submit(group.requester.key, known, { request: release });
    told.push({ kind: 'round', digest: first.digest });
    await sign(rounds.pendingRound(charter.hash, first.digest)!, release, [1, 2]);

    const bytes = requestersBytes(group, 2, [group.requester]);
    const change = documentRequest(group, group.people[0]!, 'requesters', bytes);
    const second = await rounds.submit(group.people[0]!.key, known, { request: change });
    told.push({ kind: 'round', digest: second.digest });
    const { digest } = second;
    await rounds.putDocument(group.people[0]!.key, known, { digest, sha256: sha256Hex(bytes), bytes });
    told.push({ kind: 'document', digest, bytes });
    await sign(rounds.pendingRound(charter.hash, digest)!, change, [2, 3], [bytes]);
  } catch {
    // The machine is gone: nobody is told anything any more. What was told until now counts.
  }
  await stop(running);
  return [...told, ...frames.map((frame) => ({ kind: 'frame', frame }) as const)];
}

/** As members come in one by one. */
async function sign(
  round: Round,
  envelope: Envelope,
  by: readonly number[],
  documents: Uint8Array[] = [],
): Promise<void> {
  const signing = signingOf(group, envelope, by, documents);
  for (const decision of signing.decisions) {
    round.decide(decision);
    await round.settled();
  }
  for (const commitment of signing.commitments) round.commit(commitment);
  await round.settled();
  for (const share of signing.shares()) {
    round.share(share);
    await round.settled();
  }
}

/** What is missing of what was told, when the machine is up again. */
async function forgotten(machine: Machine, told: readonly Told[]): Promise<Told[]> {
  const running = await start(machine);
  const missing: Told[] = [];
  for (const one of told) if (!(await remembers(running, one))) missing.push(one);
  await stop(running);
  return missing;
}

async function remembers({ groups, ceremonies, rounds }: Running, told: Told): Promise<boolean> {
  const { charter, hash } = group.epoch;
  const known = groups.ofCharter(charter.hash);
  switch (told.kind) {
    case 'group':
      return known?.epoch.hash === hash && known.documents.genesis !== undefined;
    case 'echo':
      return ceremonies.backlog(charter, false).some(({ payload }) => payload === told.message.payload);
    case 'round':
      return isThere(rounds.body(charter.hash, told.digest));
    case 'document':
      return Buffer.from(await rounds.document(charter.hash, told.digest, sha256Hex(told.bytes))).equals(told.bytes);
    case 'frame':
      return remembersFrame(rounds, known, told.frame);
  }
}

async function remembersFrame(
  rounds: Rounds,
  known: KnownGroup | undefined,
  frame: CoordinatorFrame,
): Promise<boolean> {
  const { charter } = group.epoch;
  const version = known?.documents.requesters?.version;
  if (frame.type === 'request') {
    const bodies = await rounds.list(known!);
    return bodies.some(({ request }) => request.payload === frame.request.payload);
  }
  if (frame.type === 'decision') {
    const bodies = await rounds.list(known!);
    return bodies.some(({ decisions }) => decisions.some(({ payload }) => payload === frame.decision.payload));
  }
  if (frame.type === 'closed') {
    const { outcome, signatures, request } = await rounds.body(charter.hash, frame.requestDigest);
    const isChange = Buffer.from(request.payload, 'base64').includes('"kind":"requesters"');
    return (
      outcome === frame.outcome &&
      JSON.stringify(signatures) === JSON.stringify(frame.signatures) &&
      (!isChange || version === 2)
    );
  }
  // A package promises nothing: attempts are void after a restart.
  return frame.type === 'package' && (await isThere(rounds.body(charter.hash, frame.requestDigest)));
}

function isThere(answer: Promise<unknown>): Promise<boolean> {
  return answer.then(
    () => true,
    () => false,
  );
}

function after(machine: Machine, aftermath: Aftermath): Machine {
  return { disk: machine.disk.after(aftermath), database: machine.database.afterwards(aftermath) };
}

describe('a coordinator whose machine loses power (T28)', { timeout: 120_000 }, () => {
  it('has told much when nothing happens, and remembers it', async () => {
    const machine = await newMachine();
    const told = await live(machine);
    const kinds = told.map((one) => (one.kind === 'frame' ? one.frame.type : one.kind));
    for (const kind of ['group', 'echo', 'document']) expect(kinds.filter((other) => other === kind)).toHaveLength(1);
    expect(kinds.filter((kind) => kind === 'round')).toHaveLength(2);
    for (const kind of ['request', 'decision', 'package', 'closed'] as const) expect(kinds).toContain(kind);
    expect(await forgotten(after(machine, 'nothing'), told)).toEqual([]);
    // The question can be answered with no: the same was told, and the disk never held it.
    expect(await forgotten(await newMachine(), told.slice(0, 3))).toEqual(told.slice(0, 3));
  });

  it.each([
    ['before', false],
    ['after', true],
  ])('%s any write of its database forgets nothing that it told', async (_place, behind) => {
    const undisturbed = await newMachine();
    await live(undisturbed);
    const { writes } = undisturbed.database;
    expect(writes).toBeGreaterThan(8);
    const lengths = new Set<number>();
    for (let crashAt = 1; crashAt <= writes; crashAt += 1) {
      const machine = await newMachine();
      Object.assign(machine.database, { crashAt, after: behind });
      const told = await live(machine);
      expect(machine.database.writes).toBe(crashAt);
      lengths.add(told.length);
      for (const aftermath of aftermaths)
        expect(await forgotten(after(machine, aftermath), told), `write ${crashAt}, ${aftermath}`).toEqual([]);
    }
    expect(lengths.size).toBeGreaterThan(6);
  });

  it.each([
    ['before', false],
    ['in the middle of', true],
  ])('%s any operation on its head file forgets nothing that it told', async (_place, tear) => {
    const undisturbed = await newMachine();
    await live(undisturbed);
    const { operations } = undisturbed.disk;
    expect(operations).toBeGreaterThan(8);
    let crashes = 0;
    for (let crashAt = 0; crashAt < operations; crashAt += 1) {
      const machine = await newMachine();
      Object.assign(machine.disk, { crashAt, tear });
      const told = await live(machine);
      if (machine.disk.crashed) crashes += 1;
      for (const aftermath of aftermaths)
        expect(await forgotten(after(machine, aftermath), told), `operation ${crashAt}, ${aftermath}`).toEqual([]);
    }
    expect(crashes).toBeGreaterThan(8);
  });

  it('would be seen to forget on a disk that says that it synced and did not', async () => {
    const machine = await newMachine();
    const write = machine.database.write.bind(machine.database);
    machine.database.write = (entries) => write(entries, { sync: false });
    machine.disk.syncsNothing = true;
    const told = await live(machine);
    expect(await forgotten(after(machine, 'nothing'), told.slice(0, 3))).toHaveLength(3);
  });
});
