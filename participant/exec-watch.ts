/** Looks after one program where the daemon cannot: when a signal that nobody can catch ends the daemon itself (T32). */
import { spawn } from 'node:child_process';
import { canKillOthers, searchPath, type UnixUser } from './unix-user.ts';

/**
 * Kills the group that it reads of when its input ends without another line: then the daemon is gone, however it died. One that died before it
 * could say the group has begun a program all the same, or has not: its folder tells. The input ends when a program that is being started has its folder.
 */
export const watchScript = `
if read -r group; then
  read -r over || kill -KILL "-$group"
  exit
fi
for entry in /proc/[0-9]*; do
  if [ "$entry/cwd" -ef "$0" ]; then kill -KILL "-\${entry#/proc/}"; fi
done 2>/dev/null`;

/** The watch over one program. */
export interface Watch {
  /** The process group to kill; nothing for a program that could not be started. */
  over(group: number | undefined): void;
  /** The program is over. */
  end(): void;
}

/**
 * A process of its own, there before the program is, which will have `folder` to itself. It is the daemon's user's, which another user cannot
 * touch. Only a daemon that is not root has to watch as the user whose program it may have to kill: such a program can end its watch, and then
 * outlives a daemon that is killed.
 */
export function startWatch(folder: string, user: UnixUser | undefined): Watch {
  const watch = spawn('/bin/sh', ['-c', watchScript, folder], {
    cwd: '/',
    env: { PATH: searchPath },
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    ...(canKillOthers() ? {} : (user ?? {})),
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
