/** A whole daemon, as it is installed: what its memory holds after it has signed, and what anybody else ever got to see of its share. */
import { spawnSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attemptId, openCommitment, openShare } from '../../protocol/signing/attempt.ts';
import { hexToBytes, sha256Hex } from '../../protocol/wire/bytes.ts';
import { decodeCertificate } from '../../protocol/ceremony/certificate.ts';
import { openEpoch, type Epoch } from '../../protocol/ceremony/epoch.ts';
import { decodeCharter } from '../../protocol/files/charter.ts';
import { prepareRequest } from '../../protocol/formats/index.ts';
import { createSodiumGroup } from '../../protocol/frost/group-sodium.ts';
import { decodeScalar, encodeScalar, reduceScalar, groupOrder } from '../../protocol/frost/scalar.ts';
import { prepareAttempt } from '../../protocol/frost/sign.ts';
import { maxFrameBytes } from '../../protocol/limits.ts';
import { sessionInput } from '../../protocol/signing/stage.ts';
import { decodeCoordinatorFrame, decodeMemberFrame } from '../../protocol/wire/frames.ts';
import { openRequest } from '../../protocol/request/request.ts';
import { openKeystore } from '../../home/keystore.ts';
import { openShares } from '../harness/shares.ts';
import { arenaSlots } from '../../participant/limits.ts';
import { demand } from '../../demo/process.ts';
import { epochFile } from '../harness/home-files.ts';
import { approves, TestCompany } from '../harness/company.ts';
import { tracesOf, WindowSearch, type Trace } from '../harness/traces.ts';
import { Wiretap } from '../harness/wiretap.ts';

const rounds = 5;
const company = new TestCompany({
  members: [
    { name: 'alice', tier: 'admin' },
    { name: 'hw-1', tier: 'hardware' },
  ],
  channels: {
    production: '{ quorum: { any: 2 }, expiry: 72h }',
    development: '{ quorum: { hardware: 1 }, expiry: 1h, validity: 90d }',
  },
});
let tap: Wiretap;
let epoch: Epoch;
/** The shares of hw-1, by channel. */
let shares: Map<string, Uint8Array>;

beforeAll(async () => {
  tap = await Wiretap.open();
  // Another address, so that the same port is surely free.
  tap.target = { host: '127.0.0.2', port: tap.port };
  await company.open(
    { alice: approves('production'), 'hw-1': approves('production') },
    `${tap.target.host}:${tap.target.port}`,
    tap.url,
  );
  for (let round = 0; round < rounds; round++) {
    company.write(`release-${round}.bin`, `release ${round}\n`);
    await demand(company.sign('dave', `release-${round}.bin`, 'production'), 0);
  }
  const home = company.path('hw-1');
  const opened = await openShares({
    path: join(
      home,
      readdirSync(home).find((name) => name.startsWith('share-'))!,
    ),
    passphrase: { file: join(home, 'passphrase') },
  });
  shares = new Map(opened.shares.map((share) => [share.channel, share.take((bytes) => bytes.slice())]));
  const arithmetic = await publicArithmetic();
  const charter = decodeCharter(readFileSync(join(home, 'charter.yaml')));
  epoch = openEpoch(arithmetic, charter, decodeCertificate(readFileSync(join(home, epochFile(home, 'certificate')))));
}, 120_000);

afterAll(async () => {
  await company[Symbol.asyncDispose]();
  await tap[Symbol.asyncDispose]();
}, 60_000);

const publicArithmetic = () =>
  createSodiumGroup({
    arenaSlots: 1,
    randomBytes: (count) => randomFillSync(new Uint8Array(new ArrayBuffer(count))),
  });

/** Looks at the writable memory of hw-1's daemon, region by region. */
function searchMemory<T>(look: (bytes: Buffer, from: number) => T[]): T[] {
  const pid = String(company.daemon('hw-1').pid);
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  const found: T[] = [];
  for (const [, low, high] of readFileSync(`/proc/${pid}/maps`, 'latin1').matchAll(/^([0-9a-f]+)-([0-9a-f]+) rw/gm)) {
    const from = Number.parseInt(low!, 16);
    const region = Buffer.alloc(Number.parseInt(high!, 16) - from);
    found.push(...look(region.subarray(0, readRegion(memory, region, from)), from));
  }
  closeSync(memory);
  return found;
}

function readRegion(memory: number, region: Buffer, position: number): number {
  try {
    return readSync(memory, region, 0, region.length, position);
  } catch (error) {
    // [vvar] and the like cannot be read.
    if ((error as NodeJS.ErrnoException).code !== 'EIO') throw error;
    return 0;
  }
}

/** What of these secrets is in the daemon's memory, with its addresses. */
function tracesInMemory(secrets: ReadonlyMap<string, Uint8Array>): Trace[] {
  const search = new WindowSearch(secrets);
  return searchMemory((bytes, from) =>
    search.tracesIn(bytes).map(({ name, start }) => ({ name, start: from + start })),
  );
}

/** Which of these pieces of text are there, with one byte for a character or with two. */
function textInMemory(pieces: readonly string[]): string[] {
  const needles = pieces.flatMap((piece) =>
    (['latin1', 'utf16le'] as const).map((encoding) => ({ piece, bytes: Buffer.from(piece, encoding) })),
  );
  const found = searchMemory((bytes) => needles.filter((needle) => bytes.includes(needle.bytes)));
  return [...new Set(found.map(({ piece }) => piece))];
}

/**
 * What follows about hw-1's nonces from its share and from all that passed on the wire, for each round: the sum of both nonces under
 * their binding factor, which is its signature share without λ·c·share, and the products on the way there.
 */
async function nonceSums(): Promise<Map<string, Uint8Array>> {
  const { charter } = epoch;
  const arithmetic = await publicArithmetic();
  const limit = maxFrameBytes(charter.members.length);
  const down = tap.messages('down').map((bytes) => decodeCoordinatorFrame(bytes, limit));
  const up = tap.messages('up').map((bytes) => decodeMemberFrame(bytes, limit));
  const requests = new Map(
    down.flatMap((frame) => {
      if (frame.type !== 'request') return [];
      const request = openRequest(frame.request);
      return request.payload.kind === 'release' ? [[request.digest, request] as const] : [];
    }),
  );
  const channel = epoch.channel('production');
  const share = decodeScalar(shares.get('production')!)!;
  const known = new Map<string, Uint8Array>();
  const note = (name: string, value: bigint): void => {
    known.set(name, encodeScalar(reduceScalar(((value % groupOrder) + groupOrder) % groupOrder)));
  };
  for (const frame of up) {
    if (frame.type !== 'share') continue;
    const { member, payload } = openShare(frame.share, charter);
    const request = requests.get(payload.requestDigest);
    if (member.name !== 'hw-1' || request === undefined) continue;
    const { message } = prepareRequest({ epoch, request, documents: [] }).formats[0]!;
    const { channelKey, requestDigest, stage } = payload;
    const subject = { epoch: payload.epoch, channelKey, requestDigest, stage, messages: [sha256Hex(message)] };
    const commitments = down
      .flatMap((other) => (other.type === 'package' ? [other.commitments] : []))
      .map((envelopes) => envelopes.map((envelope) => openCommitment(envelope, charter)))
      .find((candidates) => attemptId(subject, candidates) === payload.attempt)!;
    const attempt = prepareAttempt(arithmetic, sessionInput(channel, message, commitments, 0));
    const [coefficient, challenge] = [attempt.coefficientOf(member.identifier), attempt.challenge];
    const signed = decodeScalar(hexToBytes(payload.shares[0]!))!;
    note(`d + ρe of ${payload.attempt}`, signed - coefficient * challenge * share);
    note(`cλs of ${payload.attempt}`, coefficient * challenge * share);
    note(`cs of ${payload.attempt}`, challenge * share);
    note(`λs of ${payload.attempt}`, coefficient * share);
  }
  return known;
}

function filesBelow(folder: string): Map<string, Uint8Array> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return new Map(
    entries
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => statSync(path).isFile())
      .map((path) => [path, readFileSync(path)]),
  );
}

describe('a daemon that has signed (T29)', { timeout: 120_000 }, () => {
  it('holds each share in one place, a slot of one arena in which nothing else is left', () => {
    expect([...shares.keys()].toSorted()).toEqual(['development', 'production']);
    const traces = tracesInMemory(shares);
    const starts = [...shares.keys()].map((channel) => [
      ...new Set(traces.filter(({ name }) => name === channel).map(({ start }) => start)),
    ]);
    expect(starts.map((places) => places.length)).toEqual([1, 1]);
    const first = Math.min(...starts.flat());
    expect(Math.max(...starts.flat())).toBe(first + 32);
    // Slots are given out from the first on: all nonces of all rounds lay after the shares.
    const [arena] = searchMemory((bytes, from) =>
      from <= first && first + arenaSlots * 32 <= from + bytes.length
        ? [Buffer.from(bytes.subarray(first - from, first - from + arenaSlots * 32))]
        : [],
    );
    expect(arena!.subarray(64).findIndex((byte) => byte !== 0)).toBe(-1);
  });

  it('never wrote a share down, not even as text in passing', () => {
    const pieces = [...shares.values()].flatMap((share) =>
      (['hex', 'base64', 'base64url'] as const).flatMap((encoding) =>
        Buffer.from(share).toString(encoding).match(/.{16}/g)!,
      ),
    );
    expect(pieces).toHaveLength(2 * (4 + 2 + 2));
    expect(textInMemory(pieces)).toEqual([]);
    // The search does find its identity, which it writes down for everybody.
    expect(textInMemory([epoch.charter.members[1]!.key])).toHaveLength(1);
  });

  it('holds no nonce of a round that is over, as far as nonces can be known', async () => {
    const known = await nonceSums();
    expect(known.size).toBe(4 * rounds);
    expect(tracesInMemory(known)).toEqual([]);
  });

  it('holds no passphrase, has no child that does, and was not told it', () => {
    const { pid } = company.daemon('hw-1');
    const passphrase = readFileSync(company.path('hw-1/passphrase'), 'latin1').trim();
    expect(passphrase).toHaveLength(32);
    expect(tracesInMemory(new Map([['passphrase', Buffer.from(passphrase)]]))).toEqual([]);
    expect(textInMemory([passphrase.slice(8, 24)])).toEqual([]);
    // The search does find what the daemon was told: where the file is.
    const told = company.path('hw-1/passphrase');
    expect(textInMemory([told])).toEqual([told]);
    expect(spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' }).stdout).toBe('');
    for (const file of ['cmdline', 'environ'])
      expect(readFileSync(`/proc/${pid}/${file}`, 'latin1')).not.toContain(passphrase);
  });

  it('holds no key of a share file, used or waiting, although it can store shares', async () => {
    const home = company.path('hw-1');
    await using keystore = await openKeystore({ passphrase: { file: join(home, 'passphrase') }, purpose: 'existing' });
    const files = readdirSync(home).filter((name) => /^(key|next)-/.test(name));
    expect(files.length).toBeGreaterThanOrEqual(2);
    const keys: string[] = [];
    for (const name of files) {
      const text = new TextDecoder().decode(await keystore.unseal(name, readFileSync(join(home, name))));
      keys.push(/AGE-SECRET-KEY-1[0-9A-Z]{58}/.exec(text)![0].slice(16, 40));
    }
    expect(textInMemory(keys)).toEqual([]);
  });

  it('showed its shares to nobody: not on the wire, in the coordinator’s home, in any log, or in its own files', async () => {
    const wire = tap.captured();
    expect([...wire.keys()].filter((name) => name.endsWith(' up, unmasked')).length).toBeGreaterThanOrEqual(4);
    const running = [company.coordinator, company.daemon('alice'), company.daemon('hw-1')];
    for (const process of running) process.end();
    const ended = await Promise.all(running.map(({ exit }) => exit));
    const said = new Map(
      ended.map(({ stdout, stderr }, index) => [`process ${index}`, Buffer.from(`${stdout}${stderr}`)]),
    );
    const places = new Map([...wire, ...said, ...filesBelow(company.plan.folder)]);
    const passphrase = readFileSync(company.path('hw-1/passphrase'));
    // Public, and known to be in each: shows that they are what they should be, and the search as well.
    const key = new Map([['the group key', Buffer.from(epoch.groupKey, 'base64url')]]);
    for (const some of [wire, said, filesBelow(company.path('coordinator')), filesBelow(company.path('hw-1'))])
      expect(tracesOf(key, some)).not.toEqual([]);
    expect(tracesOf(shares, places)).toEqual([]);
    const found = tracesOf(new Map([['passphrase', passphrase]]), places).map(({ place }) => place);
    expect(found).toEqual([company.path('hw-1/passphrase')]);
  });
});
