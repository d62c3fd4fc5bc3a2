/** A coordinator for tests: real homes and sockets, in this process or in one of its own that can be killed. */
import { build } from 'esbuild';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CoordinatorClient } from '../../client/client.ts';
import { parseCoordinatorUrl } from '../../client/url.ts';
import { admitCharter, initCoordinator } from '../../coordinator/init.ts';
import type { Limits } from '../../coordinator/limits.ts';
import { startCoordinator, type Coordinator, type CoordinatorOptions } from '../../coordinator/main.ts';
import type { DealtGroup } from './coordinator-group.ts';
import { TestMember, type MemberOptions } from './coordinator-member.ts';
import type { Person } from './people.ts';

/** What is started in one test, stopped in reverse order by `dispose`. */
export class CoordinatorWorld implements AsyncDisposable {
  readonly folder: string;
  readonly home: string;
  readonly log: Record<string, unknown>[] = [];
  url = '';
  #coordinator: Coordinator | undefined;
  readonly #started: (() => Promise<void> | void)[] = [];

  private constructor(folder: string) {
    this.folder = folder;
    this.home = join(folder, 'coordinator');
  }

  /** A home with these groups' charters, not running yet. */
  static async create(...groups: readonly Pick<DealtGroup, 'epoch'>[]): Promise<CoordinatorWorld> {
    const world = new CoordinatorWorld(await mkdtemp(join(tmpdir(), 'frostmark-coordinator-')));
    await initCoordinator(world.home);
    for (const { epoch } of groups) await world.admit(epoch.charter.bytes);
    return world;
  }

  async admit(charter: Uint8Array): Promise<void> {
    const path = join(this.folder, 'charter.yaml');
    await writeFile(path, charter);
    await admitCharter(this.home, path);
  }

  /** Starts the coordinator in this process. */
  async start(options: Partial<CoordinatorOptions> = {}): Promise<Coordinator> {
    this.#coordinator = await startCoordinator({
      home: this.home,
      listen: { host: '127.0.0.1', port: this.#coordinator?.port ?? 0 },
      log: (line) => this.log.push(JSON.parse(line) as Record<string, unknown>),
      ...options,
    });
    this.url = this.#coordinator.url;
    return this.#coordinator;
  }

  async stop(): Promise<void> {
    await this.#coordinator?.close();
  }

  get base(): string {
    return parseCoordinatorUrl(this.url).base;
  }

  get port(): number {
    return Number(new URL(this.base).port);
  }

  member(group: DealtGroup, identifier: number, options: MemberOptions = {}): TestMember {
    const member = new TestMember(group, group.people[identifier - 1]!, this.url, options);
    this.#started.push(() => member.close());
    return member;
  }

  /** Connected members of all identifiers, in order. */
  async members(group: DealtGroup, options: MemberOptions = {}): Promise<TestMember[]> {
    const members = group.people.map((_person, index) => this.member(group, index + 1, options));
    for (const member of members) await member.connect();
    return members;
  }

  requester(group: DealtGroup, person: Person = group.requester): CoordinatorClient {
    const client = new CoordinatorClient({
      url: parseCoordinatorUrl(this.url),
      identity: person,
      role: 'requester',
      groupKey: group.epoch.groupKey,
    });
    this.#started.push(() => client.close());
    return client;
  }

  /** Lets a member bring the whole group. */
  async learn(group: DealtGroup): Promise<void> {
    const member = this.member(group, 1);
    await member.client.putGroup(group.epoch.charter.hash, group.body);
  }

  onDispose(stop: () => Promise<void> | void): void {
    this.#started.push(stop);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stop of this.#started.splice(0).reverse()) await stop();
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

export interface CoordinatorProcess {
  readonly process: ChildProcess;
  readonly url: string;
  readonly port: number;
  /** Resolves with the signal or exit code. */
  readonly exited: Promise<NodeJS.Signals | number>;
  readonly stderr: string[];
}

let bundle: Promise<string> | undefined;

/** Compiles the coordinator once; its native parts stay where they are installed. */
async function compileCoordinator(): Promise<string> {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  // Beside node_modules, so that what is left out of the bundle is found.
  const outfile = join(root, 'node_modules', '.cache', `frostmark-test-coordinator-${process.pid}.mjs`);
  await build({
    entryPoints: [join(root, 'test/harness/coordinator-program.ts')],
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    outfile,
    logLevel: 'error',
  });
  return outfile;
}

/**
 * Starts a coordinator as a process of its own, on a fixed port if given, and waits until it listens. No file of it grows past
 * `maxFileKiB`, as on a full disk. `url` is what its clients call it, if not by its port.
 */
export async function startProcess(
  home: string,
  port = 0,
  limits: Partial<Limits> = {},
  maxFileKiB?: number,
  url?: string,
): Promise<CoordinatorProcess> {
  bundle ??= compileCoordinator();
  const address = url === undefined ? [] : [url];
  const program = [process.execPath, await bundle, home, String(port), JSON.stringify(limits), ...address];
  const bounded = maxFileKiB === undefined ? 'exec "$@"' : `ulimit -f ${maxFileKiB * 2}; exec "$@"`;
  const child = spawn('sh', ['-c', bounded, 'sh', ...program], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise<NodeJS.Signals | number>((resolve) =>
    child.once('exit', (code, signal) => resolve(signal ?? code ?? -1)),
  );
  const stderr: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => stderr.push(line));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const first = await lines.next();
  if (first.done === true) throw new Error(`the coordinator did not start: ${stderr.join('\n')}`);
  const second = await lines.next();
  return { process: child, url: first.value, port: Number(second.value), exited, stderr };
}
