/** The Unix users that programs of a policy run as. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { ParticipantError } from './errors.ts';

/** A user that a program can be started as. */
export interface UnixUser {
  readonly uid: number;
  readonly gid: number;
}

/** Where programs are looked for, whatever the daemon's own environment says. */
export const searchPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

const runFile = promisify(execFile);

/** The user of that name, who is neither root nor this daemon's own. Throws `ParticipantError('bad-policy')`. */
export async function otherUser(place: string, name: string): Promise<UnixUser> {
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

/** CAP_SETGID is bit 6 and CAP_SETUID bit 7 (capabilities(7)). */
function canBecomeOthers(): boolean {
  return process.getuid?.() === 0 || hasCapabilities(0xc0n);
}

/** Whether what this process starts as itself may kill any process: CAP_KILL is bit 5, and only root keeps it for a program that it starts. */
export function canKillOthers(): boolean {
  return process.getuid?.() === 0 && hasCapabilities(0x20n);
}

/** Whether these are in the effective set. */
function hasCapabilities(mask: bigint): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0';
  return (BigInt(`0x${effective}`) & mask) === mask;
}
