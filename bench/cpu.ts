/** CPU time that this process and others have used, by which a busy machine is told from a slow program (Linux, proc(5)). */
import { readFileSync } from 'node:fs';

/** Milliseconds of a tick of `/proc/PID/stat`: USER_HZ is 100 on every Linux that Node runs on. */
const tickMs = 10;

/** Milliseconds that this process has used so far, and these. */
export function cpuMs(pids: readonly number[]): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000 + pids.reduce((sum, pid) => sum + cpuMsOf(pid), 0);
}

function cpuMsOf(pid: number): number {
  // The name, in parentheses, may hold anything; utime and stime are fields 14 and 15.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * tickMs;
}
