/**
 * Programs that decide (policy action `exec`): an argv list without a shell, a clean environment, an empty folder of its own, and limits on
 * time, memory and number. The request is one line of JSON on its standard input; exit 0 approves, anything else refuses, and the last
 * line of its standard error is the reason.
 *
 * It may run what a requester wrote, so it runs as another user or in a sandbox (T32). What it cannot promise: as the same user
 * nothing is out of its reach; and a program that leaves its process group and its parents is outlived by no limit here, unless the
 * sandbox has a process namespace (`bwrap --unshare-pid --die-with-parent`).
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';
import { promisify } from 'node:util';
import { printable, printableJson } from '../verifier/printable.ts';
import { maxReasonCharacters } from '../protocol/limits.ts';
import { ParticipantError } from './errors.ts';
import {
  closeTimeoutMs,
  execPollMs,
  maxExecErrorBytes,
  maxExecRuns,
  maxExecWaiting,
  maxExecWaitingOfAsker,
  stderrGraceMs,
} from './limits.ts';
import type { Log } from './log.ts';
import type { ExecRule, Policy, PolicySubject } from './policy.ts';
import { within } from './within.ts';

/** What came of one run. `ask` leaves the request to a person: nothing was decided. */
export interface ExecResult {
  readonly action: 'approve' | 'refuse' | 'ask';
  readonly reason: string | null;
  /** How it ended, for people. */
  readonly summary: string;
}

/** A user that a program can be started as. */
interface UnixUser {
  readonly uid: number;
  readonly gid: number;
}

const runFile = promisify(execFile);
const searchPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Runs a policy's programs, a few at a time. */
export class ExecRunner {
  readonly #users: ReadonlyMap<string, UnixUser>;
  readonly #log: Log;
  readonly #stop = new AbortController();
  readonly #waiting: { readonly asker: string; readonly begin: () => void }[] = [];
  /** Those that have a folder. */
  readonly #runs = new Set<Promise<ExecResult>>();
  #running = 0;

  /** Checks that every rule can be carried out here. Throws `ParticipantError('bad-policy')`: a policy that cannot is no policy. */
  static async open(policy: Policy, log: Log): Promise<ExecRunner> {
    const users = new Map<string, UnixUser>();
    for (const { exec } of policy.rules) {
      if (exec === undefined) continue;
      if (exec.user !== undefined) users.set(exec.user, await otherUser(exec.place, exec.user));
      const program = exec.sandbox?.[0] ?? exec.run[0] ?? '';
      if (!isProgram(program))
        throw new ParticipantError('bad-policy', `${exec.place}: there is no program ${program}`);
      if (exec.user === undefined && exec.sandbox === undefined)
        log('warn', 'exec-same-user', {
          rule: exec.place,
          program,
          message: 'this program can reach everything that this daemon can',
        });
    }
    return new ExecRunner(users, log);
  }

  private constructor(users: ReadonlyMap<string, UnixUser>, log: Log) {
    this.#users = users;
    this.#log = log;
  }

  /** Runs one rule's program, after those before it. `started` is called when it begins, and `over` ends it. Never throws: what goes wrong here is left to a person. */
  async run(rule: ExecRule, subject: PolicySubject, started: () => void, over: AbortSignal): Promise<ExecResult> {
    const ofAsker = this.#waiting.filter(({ asker }) => asker === subject.requester).length;
    if (this.#waiting.length >= maxExecWaiting || ofAsker >= maxExecWaitingOfAsker)
      return { action: 'ask', reason: null, summary: 'too many runs wait already' };
    await this.#turn(subject.requester);
    try {
      const stop = AbortSignal.any([this.#stop.signal, over]);
      if (stop.aborted) return stopped;
      started();
      return await this.#tracked(this.#runNow(rule, subject, stop));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#log('error', 'exec-failed', { rule: rule.place, round: subject.digest, message });
      return { action: 'ask', reason: null, summary: `could not be run: ${message}` };
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.begin();
    }
  }

  /** Kills what runs and lets nothing more begin; resolves when their folders are gone, too, or when that takes too long. */
  async close(): Promise<void> {
    this.#stop.abort();
    for (const { begin } of this.#waiting.splice(0)) begin();
    await within(closeTimeoutMs, Promise.allSettled(this.#runs));
  }

  async #turn(asker: string): Promise<void> {
    if (this.#running >= maxExecRuns) await new Promise<void>((begin) => this.#waiting.push({ asker, begin }));
    this.#running += 1;
  }

  async #tracked(run: Promise<ExecResult>): Promise<ExecResult> {
    this.#runs.add(run);
    try {
      return await run;
    } finally {
      this.#runs.delete(run);
    }
  }

  async #runNow(rule: ExecRule, subject: PolicySubject, stop: AbortSignal): Promise<ExecResult> {
    const user = rule.user === undefined ? undefined : this.#users.get(rule.user);
    const folder = await makeFolder(user);
    try {
      // The round or the daemon may have ended meanwhile, and an abort that is over tells nobody again.
      if (stop.aborted) return stopped;
      const started = Date.now();
      const ended = await runProgram({ rule, subject, folder, user, stop });
      this.#log('info', 'exec-ended', {
        rule: rule.place,
        round: subject.digest,
        outcome: ended.summary,
        ms: Date.now() - started,
      });
      return ended;
    } finally {
      await removeFolder(folder, user);
    }
  }
}

/** The daemon stopped, or the round is over: no decision follows. */
const stopped: ExecResult = { action: 'ask', reason: null, summary: 'stopped: nobody needs it any more' };

/** The program's whole world besides the file system: nothing of the daemon's own environment, `NODE_OPTIONS` and secrets in variables above all. */
function cleanEnvironment(folder: string): Record<string, string> {
  return { PATH: searchPath, HOME: folder, TMPDIR: folder, LANG: 'C.UTF-8' };
}

interface Run {
  readonly rule: ExecRule;
  readonly subject: PolicySubject;
  readonly folder: string;
  /** As whom; as the daemon itself without one. */
  readonly user: UnixUser | undefined;
  readonly stop: AbortSignal;
}

function runProgram({ rule, subject, folder, user, stop }: Run): Promise<ExecResult> {
  const prefix = (rule.sandbox ?? []).map((argument) => argument.replaceAll('{folder}', folder));
  const [program = '', ...argv] = [...prefix, ...rule.run];
  return new Promise((resolve, reject) => {
    const watch = startWatch(user);
    // A session and process group of its own: one signal reaches all that it starts, and it has no terminal to push characters into.
    const child = spawn(program, argv, {
      cwd: folder,
      env: cleanEnvironment(folder),
      detached: true,
      stdio: ['pipe', 'ignore', 'pipe'],
      ...(user ?? {}),
    });
    watch.over(child.pid);
    let killedFor: string | undefined;
    const kill = (why: string): void => {
      killedFor ??= why;
      killTree(child, user);
    };
    const timer = setTimeout(() => {
      kill(`it took longer than ${rule.timeoutSeconds} seconds`);
    }, rule.timeoutSeconds * 1000);
    const poll = setInterval(() => {
      if (rule.memoryBytes !== undefined && residentBytes(child.pid) > rule.memoryBytes)
        kill(`it used more than ${rule.memoryBytes} bytes of memory`);
    }, execPollMs);
    const abandon = (): void => {
      kill('nobody needs it any more');
    };
    stop.addEventListener('abort', abandon, { once: true });
    const settled = (): void => {
      clearTimeout(timer);
      clearInterval(poll);
      stop.removeEventListener('abort', abandon);
      // Whatever it left behind in its group ends with it.
      killTree(child, user);
      watch.end();
    };

    const errors = keepTail(child);
    child.stdin.on('error', () => undefined); // a program need not read its input
    child.stdin.end(`${printableJson(inputOf(subject))}\n`);
    child.once('error', (error) => {
      settled();
      reject(error);
    });
    child.once('exit', () => {
      settled();
      // Something that left the group may still hold standard error open; its words do not count.
      setTimeout(() => child.stderr.destroy(), stderrGraceMs).unref();
    });
    child.once('close', (code, signal) => {
      resolve(resultOf({ killedFor, code, signal, errors: errors(), isStopped: stop.aborted }));
    });
  });
}

/** Kills the group that it reads of when its input ends without another line: then the daemon is gone, however it died. */
const watchScript = 'read -r group || exit; read -r over || kill -KILL "-$group"';

/** Looks after one program where the daemon cannot: when a signal that nobody can catch ends the daemon itself (T32). */
interface Watch {
  /** The process group to kill; nothing for a program that could not be started. */
  over(group: number | undefined): void;
  /** The program is over. */
  end(): void;
}

/** A process of its own, as the user whose program it may have to kill. It is there before the program is. */
function startWatch(user: UnixUser | undefined): Watch {
  const watch = spawn('/bin/sh', ['-c', watchScript], {
    env: { PATH: searchPath },
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    ...(user ?? {}),
  });
  watch.on('error', () => undefined);
  watch.stdin.on('error', () => undefined);
  return {
    over: (group) => {
      if (group !== undefined) watch.stdin.write(`${group}\n`);
    },
    end: () => {
      watch.stdin.end('over\n');
    },
  };
}

/** What a program reads: the request as its asker signed it, and its names. */
function inputOf({ digest, requester, payload }: PolicySubject): object {
  return { digest, requester, request: payload };
}

/** How a program ended. */
interface Ended {
  /** Why it was killed, if it was. */
  readonly killedFor: string | undefined;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly errors: string;
  /** Nobody waits for it any more. */
  readonly isStopped: boolean;
}

function resultOf({ killedFor, code, signal, errors, isStopped }: Ended): ExecResult {
  if (isStopped) return stopped;
  if (killedFor !== undefined) return { action: 'refuse', reason: killedFor, summary: `killed: ${killedFor}` };
  const last =
    errors
      .split('\n')
      .map((line) => printable(line).trim())
      .findLast((line) => line !== '') ?? '';
  const reason = last === '' ? null : last.slice(0, maxReasonCharacters);
  if (code === 0) return { action: 'approve', reason, summary: 'exit 0' };
  const summary = code === null ? `ended by ${String(signal)}` : `exit ${code}`;
  return { action: 'refuse', reason: reason ?? summary, summary };
}

/** The last bytes of standard error, as text. */
function keepTail(child: ChildProcess): () => string {
  let tail = Buffer.alloc(0);
  child.stderr?.on('data', (chunk: Buffer) => {
    tail = Buffer.concat([tail, chunk]).subarray(-maxExecErrorBytes);
  });
  return () => tail.toString('utf8');
}

/** Kills the process group, and what left the group and still descends from it. */
function killTree(child: ChildProcess, user: UnixUser | undefined): void {
  const { pid } = child;
  if (pid === undefined) return;
  for (const target of [-pid, ...familyOf(pid)]) {
    try {
      process.kill(target, 'SIGKILL');
    } catch (error) {
      // Another user's processes take a signal only from that user (or root); ESRCH means that they are gone.
      if ((error as NodeJS.ErrnoException).code === 'EPERM' && user !== undefined)
        spawn('kill', ['-KILL', '--', String(target)], { stdio: 'ignore', ...user }).on('error', () => undefined);
    }
  }
}

interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
}

/** Processes of the group `root`, and all that descend from them. */
function familyOf(root: number): number[] {
  const all = readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .flatMap(readEntry);
  const members = new Set(all.filter(({ pid, group }) => pid === root || group === root).map(({ pid }) => pid));
  for (let size = 0; size !== members.size;) {
    size = members.size;
    for (const { pid, parent } of all) if (members.has(parent)) members.add(pid);
  }
  return [...members];
}

/** Fields of /proc/PID/stat (proc_pid_stat(5)) after the name, which may hold anything but ends at the last bracket. */
function readEntry(name: string): ProcessEntry[] {
  try {
    const text = readFileSync(`/proc/${name}/stat`, 'latin1');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return [{ pid: Number(name), parent: Number(fields[1]), group: Number(fields[2]) }];
  } catch {
    // It ended while we looked.
    return [];
  }
}

/** Resident memory of the whole family; what is shared counts for each. */
function residentBytes(root: number | undefined): number {
  return root === undefined ? 0 : familyOf(root).reduce((sum, pid) => sum + residentBytesOf(pid), 0);
}

function residentBytesOf(pid: number): number {
  try {
    const kibibytes = /^VmRSS:\s*([0-9]+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    return Number(kibibytes ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** Made by the user that the program runs as, so that no change of owner is needed; owner-only either way. */
async function makeFolder(user: UnixUser | undefined): Promise<string> {
  const template = join(tmpdir(), 'frostmark-exec-');
  if (user === undefined) return mkdtemp(template);
  const { stdout } = await runFile('mktemp', ['-d', `${template}XXXXXXXX`], { ...user, env: { PATH: searchPath } });
  return stdout.trim();
}

async function removeFolder(folder: string, user: UnixUser | undefined): Promise<void> {
  if (user === undefined) await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  else await runFile('rm', ['-rf', '--', folder], { ...user, env: { PATH: searchPath } }).catch(() => undefined);
}

function isProgram(program: string): boolean {
  const places = program.includes('/') ? [program] : searchPath.split(delimiter).map((folder) => join(folder, program));
  return places.some((place) => {
    try {
      accessSync(place, constants.X_OK);
      return isAbsolute(place);
    } catch {
      return false;
    }
  });
}

/** The user of that name, who is neither root nor this daemon's own. Throws `ParticipantError('bad-policy')`. */
async function otherUser(place: string, name: string): Promise<UnixUser> {
  if (!canBecomeOthers())
    throw new ParticipantError(
      'bad-policy',
      `${place}: user: ${name} needs root or CAP_SETUID and CAP_SETGID, which this daemon does not have; run it so, or use sandbox:`,
    );
  const user = { uid: await idOf('-u', name, place), gid: await idOf('-g', name, place) };
  if (user.uid === 0 || user.uid === process.getuid?.())
    throw new ParticipantError('bad-policy', `${place}: user: ${name} is no other user than the daemon's, or is root`);
  return user;
}

async function idOf(flag: '-u' | '-g', name: string, place: string): Promise<number> {
  try {
    const { stdout } = await runFile('id', [flag, '--', name], { env: { PATH: searchPath } });
    return Number(stdout.trim());
  } catch (cause) {
    throw new ParticipantError('bad-policy', `${place}: there is no user ${name}`, { cause });
  }
}

/** CAP_SETGID is bit 6 and CAP_SETUID bit 7 of the effective set (capabilities(7)). */
function canBecomeOthers(): boolean {
  if (process.getuid?.() === 0) return true;
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0';
  return (BigInt(`0x${effective}`) & 0xc0n) === 0xc0n;
}
