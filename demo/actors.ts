/** The cast: one coordinator, five share holders and one developer, each with a folder of its own, as if on machines of their own. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { randomBytes } from 'node:crypto';
import { frostmark, run, type Started } from './process.ts';

export interface MemberPlan {
  readonly name: string;
  readonly tier: string;
  /** What decides production: a rebuild, or a person. */
  readonly decides: 'exec' | 'ask';
}

export const members: readonly MemberPlan[] = [
  { name: 'build-1', tier: 'build', decides: 'exec' },
  { name: 'alice', tier: 'admin', decides: 'ask' },
  { name: 'bob', tier: 'admin', decides: 'ask' },
  { name: 'hw-1', tier: 'hardware', decides: 'exec' },
  { name: 'hw-2', tier: 'hardware', decides: 'ask' },
];

const rebuild = fileURLToPath(new URL('rebuild.js', import.meta.url));

/** Development is nobody's work; production is rebuilt where there is a machine for it, and asked of a person elsewhere. */
function policyOf({ decides }: MemberPlan, sources: string): string {
  const development = `  - match: { kind: release, channel: development }\n    action: approve\n`;
  const argv = JSON.stringify([process.execPath, rebuild, sources]);
  const environment = JSON.stringify({ PATH: process.env['PATH'] ?? '' });
  const exec = `  - match: { kind: release, channel: production }\n    action: exec\n    exec: { run: ${argv}, timeout: 5m, env: ${environment}, same-user: accepted }\n`;
  return `rules:\n${development}${decides === 'exec' ? exec : '  - action: ask\n'}`;
}

/** Everybody's folders and what stands in them. */
export class Cast {
  readonly folder: string;
  readonly sources: string;
  coordinatorUrl = '';
  groupLine = '';
  readonly #daemons = new Map<string, Started>();
  readonly #all: Started[] = [];

  constructor(folder: string, sources: string) {
    this.folder = folder;
    this.sources = sources;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  home(name: string): string {
    return join(this.folder, name);
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Identities and cards first: they go into the charter that everybody reviews. */
  async introduce(): Promise<{ readonly charter: string; readonly requesters: string }> {
    const cards = await Promise.all(
      members.map(async ({ name }) => {
        await run(['participant', 'init', '--name', name, '--home', this.home(name)], this.folder);
        writeFileSync(join(this.home(name), 'passphrase'), `${randomBytes(24).toString('base64url')}\n`, {
          mode: 0o600,
        });
        return await this.card('participant', name);
      }),
    );
    await run(['requester', 'init', '--name', 'dave', '--home', this.home('dave')], this.folder);
    const dave = await this.card('requester', 'dave');
    const list = members.map(
      ({ name, tier }, index) => `  - { name: ${name}, tier: ${tier}, card: "${cards[index] ?? ''}" }`,
    );
    const charter = `version: 1\ngroup: demo\nmembers:\n${list.join('\n')}\nchannels:\n  production:  { quorum: { any: 3 }, expiry: 72h }\n  development: { quorum: { hardware: 2 }, expiry: 1h, validity: 90d }\n`;
    const requesters = `version: 1\nrequesters:\n  - { card: "${dave}", channels: [development, production] }\n`;
    writeFileSync(this.path('charter.yaml'), charter);
    writeFileSync(this.path('requesters.yaml'), requesters);
    return { charter, requesters };
  }

  private async card(role: 'participant' | 'requester', name: string): Promise<string> {
    const { stdout } = await run([role, 'card', '--home', this.home(name)], this.folder);
    return stdout.trim();
  }

  async startCoordinator(): Promise<void> {
    const home = ['--home', this.home('coordinator')];
    await run(['coordinator', 'init', ...home], this.folder);
    await run(['coordinator', 'admit', 'charter.yaml', ...home], this.folder);
    const serving = this.start(['coordinator', 'serve', '--listen', '127.0.0.1:0', ...home]);
    this.coordinatorUrl = await serving.find('its URL', (line) => /(https?:\/\/\S+#\S+)/.exec(line)?.[1]);
  }

  /** All members join at once; the key exists when all of them say so. */
  async join(): Promise<void> {
    const lines = await Promise.all(
      members.map(async ({ name }) => {
        const args = [
          'participant',
          'join',
          'charter.yaml',
          '--requesters',
          'requesters.yaml',
          '--coordinator',
          this.coordinatorUrl,
          '--yes',
        ];
        const { stdout } = await run([...args, ...this.shareOf(name)], this.folder);
        return stdout.trim();
      }),
    );
    const [line = ''] = lines;
    if (!line.startsWith('frostmark-group:demo:') || lines.some((other) => other !== line))
      throw new Error('the members made different keys');
    this.groupLine = line;
    writeFileSync(this.path('GROUP.pub'), `${line}\n`);
  }

  private shareOf(name: string): string[] {
    return ['--home', this.home(name), '--passphrase-file', join(this.home(name), 'passphrase')];
  }

  async serve(name: string): Promise<Started> {
    const plan = members.find((member) => member.name === name);
    if (plan === undefined) throw new Error(`there is no ${name}`);
    writeFileSync(join(this.home(name), 'policy.yaml'), policyOf(plan, this.sources));
    const daemon = this.start([
      'participant',
      'serve',
      '--policy',
      join(this.home(name), 'policy.yaml'),
      ...this.shareOf(name),
    ]);
    this.#daemons.set(name, daemon);
    await daemon.find('that it is ready', (line) => (line.startsWith('ready') ? line : undefined));
    return daemon;
  }

  daemon(name: string): Started {
    const daemon = this.#daemons.get(name);
    if (daemon === undefined) throw new Error(`${name} does not serve`);
    return daemon;
  }

  /** `frostmark sign` as dave types it, with a stream of events on stdout. */
  sign(file: string, channel: string, more: readonly string[]): Started {
    return this.start([
      ...['sign', file, '--channel', channel, '--group', 'GROUP.pub', '--coordinator', this.coordinatorUrl],
      ...['--home', this.home('dave'), '--no-source', '--json', ...more],
    ]);
  }

  async approve(name: string, id: string): Promise<void> {
    await run(['participant', 'approve', id, '--home', this.home(name)], this.folder);
  }

  start(args: readonly string[]): Started {
    const started = frostmark(args, this.folder);
    this.#all.push(started);
    return started;
  }

  /** Ends everything that still runs, politely, and waits for it. */
  async end(): Promise<void> {
    for (const started of this.#all) started.signal('SIGTERM');
    await Promise.all(this.#all.map(({ exit }) => exit));
  }

  read(name: string): Buffer {
    return readFileSync(this.path(name));
  }
}
