/** A company of real processes on one machine: a coordinator, share holders and developers, each with a folder of its own. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { demand, Started, type Finished } from './process.ts';

/** One share holder of the charter. */
export interface MemberPlan {
  readonly name: string;
  readonly tier: string;
}

/** One developer who may ask. */
export interface RequesterPlan {
  readonly name: string;
  readonly channels: readonly string[];
  /** The member this person also is. */
  readonly member?: string;
}

/** Who is in the company, and what it may sign. */
export interface CompanyPlan {
  /** Everything is below this folder, which only its owner may read. */
  readonly folder: string;
  /** The built command, `dist/cli/main.js`. */
  readonly cli: string;
  readonly members: readonly MemberPlan[];
  readonly requesters: readonly RequesterPlan[];
  /** Quorum and times by channel, as in the charter. */
  readonly channels: Readonly<Record<string, string>>;
  /** The charter's `openpgp`: user id and creation time of the group's OpenPGP key. */
  readonly openpgp?: string;
  /** It is added to the environment of every process. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** The company and its processes; `end` ends them. */
export class Company {
  readonly plan: CompanyPlan;
  coordinatorUrl = '';
  groupLine = '';
  #coordinator: Started | undefined;
  readonly #daemons = new Map<string, Started>();
  readonly #all = new Set<Started>();

  constructor(plan: CompanyPlan) {
    this.plan = plan;
    mkdirSync(plan.folder, { recursive: true, mode: 0o700 });
  }

  /** A file or home by its name. */
  path(name: string): string {
    return join(this.plan.folder, name);
  }

  write(name: string, text: string | Uint8Array): void {
    writeFileSync(this.path(name), text);
  }

  /** Starts the command; it is ended with the company. */
  start(args: readonly string[]): Started {
    const { cli, folder, environment } = this.plan;
    const started = new Started(process.execPath, [cli, ...args], {
      cwd: folder,
      env: { ...process.env, ...environment },
    });
    this.#all.add(started);
    void started.exit.finally(() => this.#all.delete(started)).catch(() => undefined);
    return started;
  }

  /** Runs the command to its end and demands an exit code. */
  async run(args: readonly string[], expected = 0): Promise<Finished> {
    return await demand(this.start(args), expected);
  }

  /** Identities and cards first: they go into the charter that everybody reviews. */
  async introduce(): Promise<void> {
    const { members, requesters, channels, openpgp } = this.plan;
    const memberCards = await Promise.all(members.map(async ({ name }) => await this.#introduce('participant', name)));
    const requesterCards = await Promise.all(
      requesters.map(async ({ name }) => await this.#introduce('requester', name)),
    );
    for (const { name } of members) {
      writeFileSync(join(this.path(name), 'passphrase'), `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 });
    }
    const listed = members.map(
      ({ name, tier }, index) => `  - { name: ${name}, tier: ${tier}, card: "${memberCards[index] ?? ''}" }\n`,
    );
    const lines = Object.entries(channels).map(([name, terms]) => `  ${name}: ${terms}\n`);
    const key = openpgp === undefined ? '' : `openpgp: ${openpgp}\n`;
    this.write(
      'charter.yaml',
      `version: 1\ngroup: demo\nmembers:\n${listed.join('')}channels:\n${lines.join('')}${key}`,
    );
    this.write('requesters.yaml', requestersFile(1, requesters, requesterCards));
  }

  async #introduce(role: 'participant' | 'requester', name: string): Promise<string> {
    return (await this.run([role, 'init', '--name', name, '--home', this.path(name)])).stdout.trim();
  }

  async startCoordinator(listen = '127.0.0.1:0', url?: string): Promise<void> {
    await this.run(['coordinator', 'init', '--home', this.path('coordinator')]);
    await this.run(['coordinator', 'admit', 'charter.yaml', '--home', this.path('coordinator')]);
    await this.serveCoordinator(listen, url);
  }

  /** Also again, on the address it had; `url` is what it is called, if not by its address. */
  async serveCoordinator(listen = new URL(this.coordinatorUrl).host, url?: string): Promise<void> {
    const where = ['--listen', listen, ...(url === undefined ? [] : ['--url', url])];
    this.#coordinator = this.start(['coordinator', 'serve', ...where, '--home', this.path('coordinator')]);
    this.coordinatorUrl = await this.#coordinator.find(
      'its URL',
      (line) => /(https?:\/\/[^\s"]+#[\w-]+)/.exec(line)?.[1],
    );
  }

  get coordinator(): Started {
    if (this.#coordinator === undefined) throw new Error('there is no coordinator');
    return this.#coordinator;
  }

  /** One member's `join`, under way, with more flags. */
  join(name: string, more: readonly string[] = []): Started {
    const files = ['charter.yaml', '--requesters', 'requesters.yaml', '--coordinator', this.coordinatorUrl, '--yes'];
    return this.start(['participant', 'join', ...files, ...this.#share(name), ...more]);
  }

  /** All members join at once; the key exists when all of them say so. */
  async makeKey(): Promise<void> {
    const joining = this.plan.members.map(({ name }) => this.join(name));
    const lines = await Promise.all(joining.map(async (join) => (await demand(join, 0)).stdout.trim()));
    const [line = ''] = lines;
    if (!line.startsWith('frostmark-group:') || lines.some((other) => other !== line))
      throw new Error('the members made different keys');
    this.groupLine = line;
    this.write('GROUP.pub', `${line}\n`);
  }

  #share(name: string): string[] {
    return ['--home', this.path(name), '--passphrase-file', join(this.path(name), 'passphrase')];
  }

  /** One member's daemon, ready. Without a policy it asks for everything. */
  async serve(name: string, policy?: string): Promise<Started> {
    if (policy !== undefined) writeFileSync(join(this.path(name), 'policy.yaml'), policy);
    const flags = policy === undefined ? [] : ['--policy', join(this.path(name), 'policy.yaml')];
    const daemon = this.start(['participant', 'serve', ...flags, ...this.#share(name)]);
    this.#daemons.set(name, daemon);
    await daemon.find('that it is ready', (line) => (line.startsWith('ready') ? line : undefined));
    return daemon;
  }

  daemon(name: string): Started {
    const daemon = this.#daemons.get(name);
    if (daemon === undefined) throw new Error(`${name} does not serve`);
    return daemon;
  }

  /** `frostmark sign` as a developer types it, with a stream of events on stdout. */
  sign(requester: string, file: string, channel: string, more: readonly string[] = []): Started {
    const where = ['--group', 'GROUP.pub', '--coordinator', this.coordinatorUrl, '--home', this.path(requester)];
    return this.start(['sign', file, '--channel', channel, ...where, '--no-source', '--json', ...more]);
  }

  async approve(member: string, id: string): Promise<void> {
    await this.run(['participant', 'approve', id, '--home', this.path(member)]);
  }

  /** Ends everything that still runs, politely, and waits for it. */
  async end(): Promise<void> {
    const running = [...this.#all];
    for (const started of running) started.end();
    await Promise.all(running.map(async ({ exit }) => await exit));
  }
}

/** The file that people write. */
function requestersFile(version: number, requesters: readonly RequesterPlan[], cards: readonly string[]): string {
  const entries = requesters.map(({ channels, member }, index) => {
    const also = member === undefined ? '' : `, member: ${member}`;
    return `  - { card: "${cards[index] ?? ''}", channels: [${channels.join(', ')}]${also} }\n`;
  });
  return `version: ${version}\nrequesters:\n${entries.join('')}`;
}
