/** Node's inspector: a debugger that anybody who may signal the process could open on it. */

/** The default handler of SIGUSR1 would open the inspector on a process that holds a share (T29). A repeat is a no-op. */
export function ignoreInspectorSignal(): void {
  if (process.listenerCount('SIGUSR1') === 0) process.on('SIGUSR1', () => undefined);
}
