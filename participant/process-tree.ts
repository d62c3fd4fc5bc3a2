/** A process and all that descends from it, by what `/proc` says. */
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { searchPath, type UnixUser } from './unix-user.ts';

/** Kills the process group, and what left the group and still descends from it. */
export function killTree(child: ChildProcess, user: UnixUser | undefined): void {
  const { pid } = child;
  if (pid === undefined) return;
  for (const target of [-pid, ...familyOf(pid)]) {
    try {
      process.kill(target, 'SIGKILL');
    } catch (error) {
      // Another user's processes take a signal only from that user (or root); ESRCH means that they are gone.
      if ((error as NodeJS.ErrnoException).code === 'EPERM' && user !== undefined) killAs(user, target);
    }
  }
}

/** As that user, who can read what its processes are given: nothing of the daemon's own environment goes along. */
function killAs(user: UnixUser, target: number): void {
  const options: SpawnOptions = { cwd: '/', env: { PATH: searchPath }, stdio: 'ignore', ...user };
  spawn('kill', ['-KILL', '--', String(target)], options).on('error', () => undefined);
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
export function residentBytes(root: number | undefined): number {
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
