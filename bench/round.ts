/**
 * A development round over real processes, asked for by a running client: how long it takes, and how many end each second, beside the sum
 * of the cryptography and the synced writes that lie on one round's critical path, measured in the same run on the same disk.
 */
import { generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Company } from '../demo/company.ts';
import { openHome } from '../home/home.ts';
import { loadIdentity } from '../home/identity.ts';
import { manifestOf } from '../protocol/documents/manifest.ts';
import { deal, dealShare } from '../protocol/frost/keygen.ts';
import { aggregate } from '../protocol/frost/aggregate.ts';
import { createSodiumGroup } from '../protocol/frost/group-sodium.ts';
import { evaluateCommitments, toIdentifier } from '../protocol/frost/sharing.ts';
import { commit, prepareAttempt, signShare } from '../protocol/frost/sign.ts';
import { connect, type Connection } from '../requester/connection.ts';
import { askForRelease } from '../requester/request.ts';
import { openResult } from '../requester/bundle.ts';
import { submit } from '../requester/submit.ts';
import { waitForRound } from '../requester/watch.ts';
import { parseGroupKey } from '../verifier/group-key.ts';
import { cpuMs } from './cpu.ts';
import { median, percentile } from './measure.ts';

const cli = fileURLToPath(new URL('../cli/main.js', import.meta.url));
const approveAll = 'rules:\n  - match: { kind: release, channel: development }\n    action: approve\n';

/** What a round costs. Times in milliseconds; rounds a second that end, with one in flight and with 16. */
export interface RoundReport {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly perSecondAlone: number;
  readonly perSecondWith16: number;
  /** CPU of the coordinator, both members and the client together. */
  readonly cpuMsAlone: number;
  readonly cpuMsWith16: number;
  /** Cryptography and synced writes on the critical path of one round. */
  readonly ownMs: number;
  /** p50 over that sum. */
  readonly ratio: number;
  readonly formats: FormatsReport;
}

/** All formats of one release in one round, beside one round for each. */
export interface FormatsReport {
  readonly names: readonly string[];
  /** Median. */
  readonly togetherMs: number;
  /** Sum of the medians of separate rounds. */
  readonly separateMs: number;
  /** Packages sent and answered by their signers, of all formats together and of native alone. */
  readonly exchanges: number;
  readonly exchangesOfNative: number;
}

/** Makes a group of two hardware hosts and one admin, measures, and ends it. */
export function benchRounds(report: (line: string) => void): Promise<RoundReport> {
  return withCompany(report, async (company) => {
    using connection = await connectAs(company, 'dave');
    const pids = [company.coordinator, company.daemon('hw-1'), company.daemon('hw-2')].map(({ pid }) => pid);
    const alone = await inFlight(connection, { width: 1, rounds: 60, pids });
    const many = await inFlight(connection, { width: 16, rounds: 160, pids });
    const formats = await compareFormats(connection);
    const ownMs = await ownCost(company.path('.'));
    const p50Ms = median(alone.timesMs);
    return {
      p50Ms,
      p99Ms: percentile(alone.timesMs, 99),
      perSecondAlone: alone.perSecond,
      perSecondWith16: many.perSecond,
      cpuMsAlone: alone.cpuMs,
      cpuMsWith16: many.cpuMs,
      ownMs,
      ratio: p50Ms / ownMs,
      formats,
    };
  });
}

/** A company of two hardware hosts that approve whatever is for development, one admin, and two requesters; ended when `work` is done. */
export async function withCompany<T>(
  report: (line: string) => void,
  work: (company: Company) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'frostmark-bench-'));
  const company = new Company({
    folder,
    cli,
    members: [
      { name: 'hw-1', tier: 'hardware' },
      { name: 'hw-2', tier: 'hardware' },
      { name: 'alice', tier: 'admin' },
    ],
    requesters: [
      { name: 'dave', channels: ['development'] },
      { name: 'mallory', channels: ['development'] },
    ],
    channels: {
      production: '{ quorum: { any: 2 }, expiry: 72h }',
      development: '{ quorum: { hardware: 2 }, expiry: 1h, validity: 90d }',
    },
    openpgp: '{ userId: "bench <bench@example.org>", created: 2026-01-01T00:00:00Z }',
    environment: { FROSTMARK_TESTING_ONLY_SCRYPT_WORK_FACTOR: '2' },
  });
  try {
    report('making a key with three members …');
    await company.introduce();
    await company.startCoordinator();
    await company.makeKey();
    await Promise.all(['hw-1', 'hw-2'].map(async (name) => await company.serve(name, approveAll)));
    return await work(company);
  } finally {
    await company.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A requester of the company, logged in. */
export async function connectAs(company: Company, requester: string): Promise<Connection> {
  const identity = await loadIdentity(await openHome('requester', company.path(requester)));
  return await connect({
    coordinator: company.coordinatorUrl,
    groupKey: parseGroupKey(company.groupLine).key,
    identity,
  });
}

const nowUnixSeconds = (): number => Math.floor(Date.now() / 1000);

interface RoundTaken {
  readonly ms: number;
  /** Attempts that were opened: one a stage, unless something failed. */
  readonly exchanges: number;
}

/** One whole round: built, signed, submitted, decided, signed by two members, and verified by the client. */
export async function oneRound(connection: Connection, formats: readonly string[] = ['native']): Promise<RoundTaken> {
  const startedAt = performance.now();
  const sha256 = randomBytes(32).toString('hex');
  const artifact = { path: 'bench.bin', name: 'bench.bin', size: 1, sha256, sha512: sha256 + sha256 };
  const wish = {
    channel: 'development',
    formats,
    artifacts: [artifact],
    document: formats.some((format) => format !== 'native')
      ? { kind: 'manifest', bytes: manifestOf([artifact]) }
      : undefined,
    product: undefined,
    release: undefined,
    source: null,
    note: undefined,
  };
  const submission = askForRelease(connection.group, wish, connection.identity, nowUnixSeconds());
  const { digest } = await submit(connection, submission);
  const { body } = await waitForRound(connection, digest, submission.request, { nowUnixSeconds });
  const ms = performance.now() - startedAt;
  openResult(connection.group, submission.request, submission.documents, body.signatures);
  return { ms, exchanges: body.attempts.length };
}

const allFormats = ['native', 'openpgp', 'ssh', 'minisign'];

/** In turns, so that a busy moment meets both sides. */
async function compareFormats(connection: Connection): Promise<FormatsReport> {
  const together: RoundTaken[] = [];
  const separate = new Map(allFormats.map((format) => [format, [] as RoundTaken[]]));
  for (let turn = 0; turn < 20; turn += 1) {
    together.push(await oneRound(connection, allFormats));
    for (const [format, taken] of separate) taken.push(await oneRound(connection, [format]));
  }
  const medianMs = (taken: readonly RoundTaken[]): number => median(taken.map(({ ms }) => ms));
  const fewest = (taken: readonly RoundTaken[] = []): number => Math.min(...taken.map(({ exchanges }) => exchanges));
  return {
    names: allFormats,
    togetherMs: medianMs(together),
    separateMs: [...separate.values()].reduce((sum, taken) => sum + medianMs(taken), 0),
    exchanges: fewest(together),
    exchangesOfNative: fewest(separate.get('native')),
  };
}

/** `rounds` rounds, `width` of them at a time; the first few are not counted. `cpuMs` is of one round, in this process and in `pids`. */
async function inFlight(
  connection: Connection,
  { width, rounds, pids }: { readonly width: number; readonly rounds: number; readonly pids: readonly number[] },
): Promise<{ timesMs: number[]; perSecond: number; cpuMs: number }> {
  for (let warmUp = 0; warmUp < 5; warmUp += 1) await oneRound(connection);
  const timesMs: number[] = [];
  const usedMs = cpuMs(pids);
  const startedAt = performance.now();
  let left = rounds;
  const lane = async (): Promise<void> => {
    for (; left > 0;) {
      left -= 1;
      timesMs.push((await oneRound(connection)).ms);
    }
  };
  await Promise.all(Array.from({ length: width }, lane));
  const perSecond = (rounds / (performance.now() - startedAt)) * 1000;
  return { timesMs, perSecond, cpuMs: (cpuMs(pids) - usedMs) / rounds };
}

/**
 * What one round cannot do without, one step after the other: five synced writes (request, decision, burn, share, result), eight
 * identity signatures and verifications (request twice, decision, commitment, package, share), and FROST for two of two: commit, prepare,
 * sign, aggregate, verify.
 */
async function ownCost(folder: string): Promise<number> {
  const write = syncedWriteMs(folder);
  const { signMs, verifyMs } = identityMs();
  return 5 * write + 6 * signMs + 8 * verifyMs + (await frostMs());
}

function medianOf(runs: number, work: () => void): number {
  return median(
    Array.from({ length: runs }, () => {
      const startedAt = performance.now();
      work();
      return performance.now() - startedAt;
    }),
  );
}

function syncedWriteMs(folder: string): number {
  const file = openSync(join(folder, 'synced'), 'a', 0o600);
  const record = randomBytes(600);
  const ms = medianOf(60, () => {
    writeSync(file, record);
    fdatasyncSync(file);
  });
  closeSync(file);
  return ms;
}

function identityMs(): { readonly signMs: number; readonly verifyMs: number } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const message = randomBytes(800);
  const signature = sign(null, message, privateKey);
  return {
    signMs: medianOf(100, () => sign(null, message, privateKey)),
    verifyMs: medianOf(100, () => verify(null, message, publicKey, signature)),
  };
}

async function frostMs(): Promise<number> {
  const arithmetic = await createSodiumGroup({ randomBytes: (count) => new Uint8Array(randomBytes(count)) });
  const dealing = deal(arithmetic, 2);
  const signers = [toIdentifier(1), toIdentifier(2)];
  const shares = signers.map((identifier) => dealShare(arithmetic, dealing, identifier));
  const [key] = dealing.commitments;
  if (key === undefined) throw new Error('nothing was dealt');
  const publicShares = new Map(
    signers.map((identifier) => [identifier, evaluateCommitments(arithmetic, dealing.commitments, identifier)]),
  );
  return medianOf(30, () => {
    const nonces = shares.map((share) => commit(arithmetic, share));
    const commitments = signers.flatMap((identifier, index) => {
      const own = nonces[index];
      return own === undefined ? [] : [{ identifier, ...own.commitments }];
    });
    const input = {
      key,
      sharings: [{ threshold: 2, members: signers }],
      publicShares,
      message: randomBytes(400),
      commitments,
    };
    const attempt = prepareAttempt(arithmetic, input);
    const signed = new Map(
      signers.map((identifier, index) => {
        const [own, share] = [nonces[index], shares[index]];
        if (own === undefined || share === undefined) throw new Error('no such signer');
        return [identifier, signShare(arithmetic, attempt, identifier, own, share)] as const;
      }),
    );
    aggregate(attempt, signed);
  });
}
