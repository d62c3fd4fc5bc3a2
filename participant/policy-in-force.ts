/** The policy that decides now: read at the start, and read again when its operator says so; one that is broken never takes its place. */
import { codeOf, messageOf } from './errors.ts';
import { ExecRunner } from './exec.ts';
import { ExecTurns } from './exec-turns.ts';
import { judgeBy, type Judge } from './judge.ts';
import type { Log } from './log.ts';
import { assertReachable, type PolicyGround } from './policy-reach.ts';
import { askAlways, loadPolicy, type Policy } from './policy.ts';

/** A policy that is carried out. */
interface InForce {
  readonly policy: Policy;
  readonly runner: ExecRunner;
  readonly judge: Judge;
}

/** What a policy is opened with. */
export interface PolicyOptions {
  /** Without one every request waits for a person. */
  readonly path: string | undefined;
  /** Asked at each reading: requesters come and go. */
  readonly ground: () => Promise<PolicyGround>;
  readonly log: Log;
}

/** One daemon's policy. */
export class PolicyInForce {
  readonly #options: PolicyOptions;
  readonly #turns: ExecTurns;
  #inForce: InForce;
  /** One reading at a time: the newest stays. */
  #lastReading: Promise<unknown> = Promise.resolve();

  private constructor(options: PolicyOptions, turns: ExecTurns, inForce: InForce) {
    this.#options = options;
    this.#turns = turns;
    this.#inForce = inForce;
  }

  /**
   * A rule for who may not ask any more is logged and decides nothing: requesters change while a daemon is down, and that must not keep it from
   * starting. Throws `HomeError`, `ProtocolError('bad-policy')` and `ParticipantError('bad-policy')`.
   */
  static async open(options: PolicyOptions): Promise<PolicyInForce> {
    const turns = new ExecTurns();
    const inForce = await load(options, turns, false);
    return new PolicyInForce(options, turns, inForce);
  }

  /** For people: which file, and how many rules. */
  get description(): string {
    return this.#inForce.policy.description;
  }

  /** By the policy that is in force when the answer comes: what one that was replaced says meanwhile does not count. */
  readonly judge: Judge = async (subject, running, over) => {
    for (;;) {
      const asked = this.#inForce;
      const verdict = await asked.judge(subject, running, over);
      if (asked === this.#inForce || over.aborted) return verdict;
    }
  };

  /** Reads the file again. Answers whether it was taken; a policy that cannot be carried out is logged, and the old one stays. Never rejects. */
  reload(): Promise<boolean> {
    const read = this.#lastReading.then(() => this.#readAgain());
    this.#lastReading = read;
    return read;
  }

  async #readAgain(): Promise<boolean> {
    const { log } = this.#options;
    try {
      const replaced = this.#inForce;
      this.#inForce = await load(this.#options, this.#turns, true);
      // Its programs decide nothing any more.
      await replaced.runner.close();
    } catch (error) {
      log('error', 'policy-refused', { code: codeOf(error), message: messageOf(error), policy: this.description });
      return false;
    }
    log('info', 'policy-loaded', { policy: this.description });
    return true;
  }

  /** Kills what runs for it. */
  async close(): Promise<void> {
    await this.#inForce.runner.close();
  }
}

async function load({ path, ground, log }: PolicyOptions, turns: ExecTurns, refusesUnasked: boolean): Promise<InForce> {
  const policy = path === undefined ? askAlways : await loadPolicy(path);
  const inert = (rule: string, message: string): void => {
    log('warn', 'policy-rule-inert', { rule, message });
  };
  assertReachable(policy, await ground(), { inert, refusesUnasked });
  const runner = await ExecRunner.open(policy, log, turns);
  return { policy, runner, judge: judgeBy(policy, runner) };
}
