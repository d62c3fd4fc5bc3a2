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
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';
import { promisify } from 'node:util';
import { printable, printableJson } from '../verifier/printable.ts';
import { maxReasonCharacters } from '../protocol/limits.ts';
import { ParticipantError } from './errors.ts';
import { ExecTurns } from './exec-turns.ts';
import { startWatch } from './exec-watch.ts';
import { closeTimeoutMs, execPollMs, maxExecErrorBytes, stderrGraceMs } from './limits.ts';
import type { Log } from './log.ts';
import type { ExecRule, Policy, PolicySubject } from './policy.ts';
import { killTree, residentBytes } from './process-tree.ts';
import { otherUser, searchPath, type UnixUser } from './unix-user.ts';
import { within } from './within.ts';

/** What came of one run. `ask` leaves the request to a person: nothing was decided. */
export interface ExecResult {
  readonly action: 'approve' | 'refuse' | 'ask';
  readonly reason: string | null;
  /** How it ended, for people. */
  readonly summary: string;
}

const runFile = promisify(execFile);

/** Runs a policy's programs, a few at a time. */
export class ExecRunner {
  readonly #users: ReadonlyMap<string, UnixUser>;
  readonly #log: Log;
  readonly #turns: ExecTurns;
  readonly #stop = new AbortController();
  /** Those that have a folder. */
  readonly #runs = new Set<Promise<ExecResult>>();

  /**
   * Checks that every rule can be carried out here; `turns` are those of the daemon, whatever policy it reads. Throws
   * `ParticipantError('bad-policy')`: a policy that cannot be carried out is no policy.
   */
  static async open(policy: Policy, log: Log, turns = new ExecTurns()): Promise<ExecRunner> {
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
    return new ExecRunner(users, log, turns);
  }

  private constructor(users: ReadonlyMap<string, UnixUser>, log: Log, turns: ExecTurns) {
    this.#users = users;
    this.#log = log;
    this.#turns = turns;
  }

  /** Runs one rule's program, after those before it. `started` is called when it begins, and `over` ends it. Never throws: what goes wrong here is left to a person. */
  async run(rule: ExecRule, subject: PolicySubject, started: () => void, over: AbortSignal): Promise<ExecResult> {
    if (this.#turns.isFullFor(subject.requester))
      return { action: 'ask', reason: null, summary: 'too many runs wait already' };
    const stop = AbortSignal.any([this.#stop.signal, over]);
    if (!(await this.#turns.take(subject.requester, stop))) return stopped;
    try {
      started();
      return await this.#tracked(this.#runNow(rule, subject, stop));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#log('error', 'exec-failed', { rule: rule.place, round: subject.digest, message });
      return { action: 'ask', reason: null, summary: `could not be run: ${message}` };
    } finally {
      this.#turns.give();
    }
  }

  /** Kills what runs and lets nothing more begin; resolves when their folders are gone, too, or when that takes too long. */
  async close(): Promise<void> {
    this.#stop.abort();
    await within(closeTimeoutMs, Promise.allSettled(this.#runs));
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
    const watch = startWatch(folder, user);
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
