/** Whose turn it is to run a program: few run at once, and few wait, however often the policy is read again in between. */
import { maxExecRuns, maxExecWaiting, maxExecWaitingOfAsker } from './limits.ts';

interface Waiting {
  readonly asker: string;
  begin(): void;
}

/** The places for programs of one daemon. */
export class ExecTurns {
  #waiting: Waiting[] = [];
  #running = 0;

  /** Whether nobody more may wait, or nobody more of this asker (T33). */
  isFullFor(asker: string): boolean {
    const ofAsker = this.#waiting.filter((one) => one.asker === asker).length;
    return this.#waiting.length >= maxExecWaiting || ofAsker >= maxExecWaitingOfAsker;
  }

  /** Resolves with true when it is the asker's turn, who then must `give` it back, and with false when `stop` came first. */
  async take(asker: string, stop: AbortSignal): Promise<boolean> {
    if (stop.aborted) return false;
    if (this.#running < maxExecRuns) {
      this.#running += 1;
      return true;
    }
    return await new Promise((resolve) => {
      const leave = (): void => {
        this.#waiting = this.#waiting.filter((one) => one !== waiting);
        resolve(false);
      };
      const begin = (): void => {
        stop.removeEventListener('abort', leave);
        resolve(true);
      };
      const waiting = { asker, begin };
      this.#waiting.push(waiting);
      stop.addEventListener('abort', leave, { once: true });
    });
  }

  /** The turn goes to whoever has waited longest. */
  give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running -= 1;
    else next.begin();
  }
}
