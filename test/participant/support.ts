/** A real coordinator and real participants in one process: real homes, real age files, real sockets on loopback. */
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, writeFile, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { CoordinatorClient } from '../../client/client.ts';
import { parseCoordinatorUrl } from '../../client/url.ts';
import { admitCharter, initCoordinator } from '../../coordinator/init.ts';
import { startCoordinator, type Coordinator } from '../../coordinator/main.ts';
import type { Limits } from '../../coordinator/limits.ts';
import { decodeCharter, type Charter } from '../../protocol/files/charter.ts';
import { sealMessage, type Envelope } from '../../protocol/wire/envelope.ts';
import { decodeCertificate } from '../../protocol/ceremony/certificate.ts';
import { requestMessage, type RequestPayload } from '../../protocol/request/request.ts';
import { formatTimestamp } from '../../protocol/wire/time.ts';
import { startDaemon, type Daemon, type DaemonOptions } from '../../participant/daemon.ts';
import { initParticipant } from '../../participant/init.ts';
import { joinCeremony, type JoinEvent, type JoinOptions, type Joined } from '../../participant/join.ts';
import type { LogFields } from '../../participant/log.ts';
import { callControl, type AnswerTo, type Command, type CommandName } from '../../participant/control.ts';
import { openHome } from '../../home/home.ts';
import { loadIdentity } from '../../home/identity.ts';
import { epochFile } from '../harness/home-files.ts';
import { person, type Person } from '../harness/people.ts';
import { compile } from '../home/support.ts';

/** Short waits, so that a test of reconnects takes no longer than they do. */
const timing = { firstBackOffMs: 20, longestBackOffMs: 200, pingIntervalMs: 5000, pongTimeoutMs: 5000 };

export interface Plan {
  /** `['build', 'admin', 'admin']`. */
  readonly tiers: readonly string[];
  readonly production: string;
  readonly development?: string;
  /** `{ userId: …, created: … }` */
  readonly openpgp?: string;
}

interface LogLine {
  readonly level: string;
  readonly event: string;
  readonly fields: LogFields;
}

let folder = '';
let childPath = '';

/** Call once in a test file: compiles the age child, and makes its work cheap. */
export function useParticipants(): void {
  beforeAll(async () => {
    process.env['FROSTMARK_TESTING_ONLY_SCRYPT_WORK_FACTOR'] = '2';
    folder = mkdtempSync(join(tmpdir(), 'frostmark-participant-'));
    childPath = await compile('home/age-child.ts', folder);
  });
  afterAll(() => {
    delete process.env['FROSTMARK_TESTING_ONLY_SCRYPT_WORK_FACTOR'];
    rmSync(folder, { recursive: true, force: true });
  });
}

/** The compiled age child. */
export const ageChildPath = (): string => childPath;

let counter = 0;
/** A folder of this test file, short enough for a socket. */
async function freshFolder(name: string): Promise<string> {
  const path = join(folder, `${name}${(counter += 1)}`);
  await mkdir(path, { mode: 0o700 });
  return path;
}

/** A member of a test group: its home, and whatever runs on it. */
export interface TestMember {
  readonly name: string;
  readonly home: string;
  readonly events: JoinEvent[];
  readonly log: LogLine[];
  daemon: Daemon | undefined;
}

/** One group, from init to daemons. */
export class TestGroup implements AsyncDisposable {
  readonly folder: string;
  readonly coordinatorHome: string;
  readonly members: TestMember[];
  readonly charter: Charter;
  readonly charterPath: string;
  readonly requestersPath: string;
  readonly passphrasePath: string;
  readonly dave: Person;
  readonly limits: Partial<Limits>;
  coordinator: Coordinator;
  readonly coordinatorLog: string[] = [];
  joined: Joined[] = [];
  /** What members that stopped by themselves stopped for. */
  readonly failures: unknown[] = [];

  static async create(plan: Plan, limits: Partial<Limits> = {}): Promise<TestGroup> {
    const root = await freshFolder('g');
    const names = plan.tiers.map((tier, index) => `${tier}-${index + 1}`);
    const members = names.map((name, index): TestMember => ({
      name,
      home: join(root, `m${index + 1}`),
      events: [],
      log: [],
      daemon: undefined,
    }));
    const cards = await Promise.all(members.map(({ home, name }) => initParticipant(home, name)));
    const development =
      plan.development === undefined
        ? ''
        : `  development: { quorum: ${plan.development}, expiry: 1h, validity: 90d }\n`;
    const openpgp = plan.openpgp === undefined ? '' : `openpgp: ${plan.openpgp}\n`;
    const lines = names.map(
      (name, index) => `  - { name: ${name}, tier: ${plan.tiers[index]!}, card: "${cards[index]!}" }`,
    );
    const text = `version: 1\ngroup: acme\nmembers:\n${lines.join('\n')}\nchannels:\n  production: { quorum: ${plan.production}, expiry: 72h }\n${development}${openpgp}`;
    const dave = person('dave');
    const channels = plan.development === undefined ? 'production' : 'production, development';
    const paths = {
      charter: join(root, 'charter.yaml'),
      requesters: join(root, 'requesters.yaml'),
      passphrase: join(root, 'secret'),
    };
    await writeFile(paths.charter, text);
    await writeFile(
      paths.requesters,
      `version: 1\nrequesters:\n  - { card: "${dave.card('requester')}", channels: [${channels}] }\n`,
    );
    await writeFile(paths.passphrase, 'correct horse\n', { mode: 0o600 });
    const coordinatorHome = join(root, 'c');
    await initCoordinator(coordinatorHome);
    await admitCharter(coordinatorHome, paths.charter);
    const log: string[] = [];
    const coordinator = await startCoordinator({
      home: coordinatorHome,
      listen: { host: '127.0.0.1', port: 0 },
      log: (line) => log.push(line),
      limits,
    });
    return new TestGroup({
      root,
      coordinatorHome,
      members,
      charter: decodeCharter(new TextEncoder().encode(text)),
      paths,
      dave,
      coordinator,
      limits,
      log,
    });
  }

  private constructor(parts: {
    root: string;
    coordinatorHome: string;
    members: TestMember[];
    charter: Charter;
    paths: { charter: string; requesters: string; passphrase: string };
    dave: Person;
    coordinator: Coordinator;
    limits: Partial<Limits>;
    log: string[];
  }) {
    this.folder = parts.root;
    this.coordinatorHome = parts.coordinatorHome;
    this.members = parts.members;
    this.charter = parts.charter;
    this.charterPath = parts.paths.charter;
    this.requestersPath = parts.paths.requesters;
    this.passphrasePath = parts.paths.passphrase;
    this.dave = parts.dave;
    this.coordinator = parts.coordinator;
    this.limits = parts.limits;
    this.coordinatorLog = parts.log;
  }

  joinOptions(member: TestMember): JoinOptions {
    return {
      home: member.home,
      charterPath: this.charterPath,
      coordinator: this.coordinator.url,
      requestersPath: this.requestersPath,
      confirm: () => Promise.resolve(true),
      progress: (event) => member.events.push(event),
      passphrase: { file: this.passphrasePath },
      log: (level, event, fields = {}) => member.log.push({ level, event, fields }),
      ageChildPath: childPath,
      timing,
    };
  }

  join(member: TestMember, overrides: Partial<JoinOptions> = {}): Promise<Joined> {
    return joinCeremony({ ...this.joinOptions(member), ...overrides });
  }

  /** Everybody joins; everybody gets the same line. */
  async joinAll(): Promise<string> {
    this.joined = await Promise.all(this.members.map((member) => this.join(member)));
    const lines = new Set(this.joined.map(({ groupLine }) => groupLine));
    expect(lines.size).toBe(1);
    return [...lines][0]!;
  }

  daemonOptions(member: TestMember): DaemonOptions {
    return {
      home: member.home,
      passphrase: { file: this.passphrasePath },
      log: (level, event, fields = {}) => member.log.push({ level, event, fields }),
      ageChildPath: childPath,
      timing,
    };
  }

  async serve(member: TestMember, overrides: Partial<DaemonOptions> = {}): Promise<Daemon> {
    member.daemon = await startDaemon({ ...this.daemonOptions(member), ...overrides });
    member.daemon.closed.catch((error: unknown) => this.failures.push(error));
    return member.daemon;
  }

  async serveAll(policy?: string): Promise<void> {
    const policyPath = policy === undefined ? undefined : await this.policy(policy);
    await Promise.all(this.members.map((member) => this.serve(member, { policyPath })));
  }

  async policy(text: string): Promise<string> {
    const path = join(this.folder, `policy${(counter += 1)}.yaml`);
    await writeFile(path, text);
    return path;
  }

  async stop(member: TestMember): Promise<void> {
    await member.daemon?.close();
    member.daemon = undefined;
  }

  call<Name extends CommandName>(
    member: TestMember,
    command: Extract<Command, { command: Name }>,
  ): Promise<AnswerTo<Name>> {
    return callControl<Name>(member.daemon!.socketPath, command);
  }

  /** The same address again, on the same home. */
  async restartCoordinator(): Promise<void> {
    const { port } = this.coordinator;
    await this.coordinator.close();
    this.coordinator = await startCoordinator({
      home: this.coordinatorHome,
      listen: { host: '127.0.0.1', port },
      log: (line) => this.coordinatorLog.push(line),
      limits: this.limits,
    });
  }

  get groupKey(): string {
    return this.joined[0]!.groupLine.split(':')[2]!;
  }

  /** A member that does not serve, as a program of its own: its daemon would be refused from here on. */
  async memberClient({ home }: TestMember): Promise<CoordinatorClient> {
    return new CoordinatorClient({
      role: 'member',
      charter: this.charter.hash,
      journal: () => ({ incarnation: 'ab'.repeat(16), length: 0, head: '00'.repeat(32) }),
      url: parseCoordinatorUrl(this.coordinator.url),
      identity: await loadIdentity(await openHome('participant', home)),
    });
  }

  requesterClient(who: Person = this.dave): CoordinatorClient {
    return new CoordinatorClient({
      role: 'requester',
      groupKey: this.groupKey,
      url: parseCoordinatorUrl(this.coordinator.url),
      identity: who,
    });
  }

  async epochHash(): Promise<string> {
    return decodeCertificate(
      await readFile(join(this.members[0]!.home, epochFile(this.members[0]!.home, 'certificate'))),
    ).transcriptHash;
  }

  /** A release as dave would ask for it. */
  async release(fields: Partial<RequestPayload> = {}, asker: Person = this.dave): Promise<Envelope> {
    const payload: RequestPayload = {
      groupKey: this.groupKey,
      epoch: await this.epochHash(),
      kind: 'release',
      channel: 'production',
      formats: ['native'],
      artifacts: [{ name: 'widget-1.0.0.tgz', size: 5, sha256: '11'.repeat(32), sha512: '22'.repeat(64) }],
      documents: [],
      product: 'widget',
      release: '1.0.0',
      source: null,
      note: null,
      createdAt: formatTimestamp(Math.floor(Date.now() / 1000)),
      ...fields,
    };
    return sealMessage(requestMessage, payload, asker);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map((member) => this.stop(member)));
    await this.coordinator.close();
  }
}

/** Looks again on every turn of `event`, and fails with what was last seen. */
export async function until<T>(
  look: () => Promise<T | undefined> | T | undefined,
  what: string,
  timeoutMs = 15_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
