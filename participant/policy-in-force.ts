/** The policy that decides now: read at the start, and read again when its operator says so; one that is broken never takes its place. */
import { codeOf, messageOf } from './errors.ts';
import { ExecRunner } from './exec.ts';
import { judgeBy, type Judge } from './judge.ts';
import type { Log } from './log.ts';
import { assertReachable, type PolicyGround } from './policy-reach.ts';
import { askAlways, loadPolicy, type Policy } from './policy.ts';

/** One daemon's policy. */
export class PolicyInForce {
  readonly #path: string | undefined;
  readonly #ground: () => Promise<PolicyGround>;
  readonly #log: Log;
  /** Of earlier policies, too: what their programs decide still counts. */
  readonly #runners: ExecRunner[] = [];
  #policy: Policy = askAlways;
  #judge: Judge | undefined;

  private constructor(path: string | undefined, ground: () => Promise<PolicyGround>, log: Log) {
    this.#path = path;
    this.#ground = ground;
    this.#log = log;
  }

  /**
   * Without a path every request waits for a person. `ground` is asked at each reading: requesters come and go. Throws `HomeError`,
   * `ProtocolError('bad-policy')` and `ParticipantError('bad-policy')`.
   */
  static async open(path: string | undefined, ground: () => Promise<PolicyGround>, log: Log): Promise<PolicyInForce> {
    const policy = new PolicyInForce(path, ground, log);
    await policy.#load();
    return policy;
  }

  /** For people: which file, and how many rules. */
  get description(): string {
    return this.#policy.description;
  }

  /** By the policy that is in force when the question comes. */
  readonly judge: Judge = (subject, running, over) => {
    if (this.#judge === undefined) throw new Error('a policy is opened before it is asked');
    return this.#judge(subject, running, over);
  };

  /** Reads the file again. Answers whether it was taken; a policy that cannot be carried out is logged, and the old one stays. */
  async reload(): Promise<boolean> {
    try {
      await this.#load();
    } catch (error) {
      this.#log('error', 'policy-refused', {
        code: codeOf(error),
        message: messageOf(error),
        policy: this.description,
      });
      return false;
    }
    this.#log('info', 'policy-loaded', { policy: this.description });
    return true;
  }

  async #load(): Promise<void> {
    const policy = this.#path === undefined ? askAlways : await loadPolicy(this.#path);
    assertReachable(policy, await this.#ground());
    const runner = await ExecRunner.open(policy, this.#log);
    this.#runners.push(runner);
    this.#policy = policy;
    this.#judge = judgeBy(policy, runner);
  }

  /** Kills what runs for it. */
  async close(): Promise<void> {
    await Promise.all(this.#runners.map((runner) => runner.close()));
  }
}
