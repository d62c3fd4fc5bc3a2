/** Ctrl-C and SIGTERM: the work is asked to stop in good order; a second one ends the process at once. */
import type { CommandError } from './errors.ts';

const signals = ['SIGINT', 'SIGTERM'] as const;

/**
 * Runs `work` with a signal that fires at Ctrl-C. If `work` fails after that, `said` is what the person is told.
 * Without an interruption it is as if this function were not there.
 */
export async function untilInterrupted<T>(
  work: (signal: AbortSignal) => Promise<T>,
  said: () => CommandError,
): Promise<T> {
  const controller = new AbortController();
  const interrupt = (): void => {
    if (controller.signal.aborted) process.exit(130);
    // The terminal has just written ^C.
    if (process.stderr.isTTY) process.stderr.write('\n');
    controller.abort();
  };
  for (const name of signals) process.on(name, interrupt);
  try {
    return await work(controller.signal);
  } catch (error) {
    throw controller.signal.aborted ? said() : error;
  } finally {
    for (const name of signals) process.off(name, interrupt);
  }
}

/** Does this at every SIGHUP, one after the other, and never ends by it: whoever closes a terminal does not mean the daemon. */
export function atHangup(work: () => Promise<void> | undefined): void {
  let queue: Promise<void> = Promise.resolve();
  process.on('SIGHUP', () => {
    queue = queue.then(() => work());
  });
}

/** Resolves at the first Ctrl-C or SIGTERM; what serves then closes in good order, and a second one ends the process at once. */
export function interruption(): Promise<undefined> {
  return new Promise((resolve) => {
    let asked = false;
    for (const name of signals) {
      process.on(name, () => {
        if (asked) process.exit(130);
        asked = true;
        resolve(undefined);
      });
    }
  });
}
