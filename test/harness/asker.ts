/** The `frostmark` of somebody who asks, in this process: the real commands, a real coordinator, members that decide as they are told. */
import { createPrivateKey } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import type { World } from '../../cli/command.ts';
import { runProgram } from '../../cli/program.ts';
import { runFront } from '../../cli/stand-in/stand-in.ts';
import type { Limits } from '../../coordinator/limits.ts';
import { initHome } from '../../home/home.ts';
import type { Request } from '../../protocol/request/request.ts';
import { decodeBase64Url } from '../../verifier/base64.ts';
import { formatGroupKey } from '../../verifier/group-key.ts';
import type { DealtGroup } from './coordinator-group.ts';
import type { TestMember } from './coordinator-member.ts';
import { CoordinatorWorld } from './coordinator-server.ts';
import type { Person } from './people.ts';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class AskerWorld implements AsyncDisposable {
  readonly coordinator: CoordinatorWorld;
  readonly folder: string;
  members: TestMember[] = [];
  /** What every member does with a request, and with which reason it refuses. */
  decide: (request: Request) => 'approve' | 'refuse' | 'ask' = () => 'approve';
  reason = 'no';
  /** Seconds by which the commands' clock is ahead. */
  ahead = 0;

  private constructor(coordinator: CoordinatorWorld) {
    this.coordinator = coordinator;
    this.folder = coordinator.folder;
  }

  /** A live group with connected members, and a home whose `config.yaml` knows group and coordinator. */
  static async create(group: DealtGroup, limits: Partial<Limits> = {}): Promise<AskerWorld> {
    const coordinator = await CoordinatorWorld.create(group);
    await coordinator.start({ limits });
    await coordinator.learn(group);
    const world = new AskerWorld(coordinator);
    world.members = await coordinator.members(group, {
      decide: (request) => world.decide(request),
      reason: () => world.reason,
    });
    await world.#makeHome(group, group.requester);
    return world;
  }

  async #makeHome({ epoch }: DealtGroup, who: Person): Promise<void> {
    const home = await initHome('requester', join(this.folder, 'home'));
    const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), who.seed()]);
    const pem = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ format: 'pem', type: 'pkcs8' });
    writeFileSync(home.file('identity.pem'), pem, { mode: 0o600 });
    const key = { name: epoch.charter.group, key: decodeBase64Url(epoch.groupKey) };
    this.write('GROUP.pub', `${formatGroupKey(key)}\n`);
    this.write('home/config.yaml', `group: ${this.path('GROUP.pub')}\ncoordinator: ${this.coordinator.url}\n`);
  }

  path(...names: string[]): string {
    return join(this.folder, ...names);
  }

  write(name: string, content: string | Uint8Array): string {
    const path = this.path(name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    return path;
  }

  read(name: string): string {
    return readFileSync(this.path(name), 'utf8');
  }

  async frostmark(...args: readonly string[]): Promise<Ran> {
    const texts = { stdout: '', stderr: '' };
    return { code: await runProgram(args, this.#world(texts)), ...texts };
  }

  #world(texts: { stdout: string; stderr: string }, environment: World['environment'] = {}): World {
    const stream = (name: 'stdout' | 'stderr') => ({ write: (text: string) => (texts[name] += text) });
    return {
      stdout: stream('stdout'),
      stderr: stream('stderr'),
      stdin: () => Readable.from([]),
      environment: { FROSTMARK_HOME: this.path('home'), GPG_TTY: '/nonexistent', ...environment },
      folder: this.folder,
      nowUnixSeconds: () => Math.floor(Date.now() / 1000) + this.ahead,
    };
  }

  /** As a front end is called in the place of its tool. */
  async inPlaceOf(
    name: 'gpg' | 'ssh-keygen',
    args: readonly string[],
    environment: World['environment'],
  ): Promise<Ran> {
    const texts = { stdout: '', stderr: '' };
    const world = this.#world(texts, environment);
    return { code: await runFront(name, args, world), ...texts };
  }

  /** Ids of all rounds, newest first. */
  async rounds(): Promise<string[]> {
    const { stdout } = await this.frostmark('rounds', '--json');
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => (JSON.parse(line) as { readonly id: string }).id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.coordinator[Symbol.asyncDispose]();
  }
}
