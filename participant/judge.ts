/** The judge: what a policy makes of one request, programs included. */
import type { ExecRunner } from './exec.ts';
import { ruleMatches, type Policy, type PolicySubject } from './policy.ts';

/** What the policy makes of one request; `ask` leaves it to a person. */
export interface Verdict {
  readonly action: 'approve' | 'refuse' | 'ask';
  readonly reason: string | null;
  /** Which rule it was, for people. */
  readonly rule: string;
}

/** Decides requests; `running` is told when a program starts to, and `over` stops it when nobody needs the answer any more. */
export type Judge = (subject: PolicySubject, running: () => void, over: AbortSignal) => Promise<Verdict>;

/** Carries a policy out. A program that cannot be started decides nothing: the request waits for a person. */
export function judgeBy(policy: Policy, runner: ExecRunner): Judge {
  return async (subject, running, over) => {
    const rule = policy.rules.find((candidate) => ruleMatches(candidate, subject));
    if (rule === undefined) return { action: 'ask', reason: null, rule: 'no rule matches: ask' };
    const { action, reason } = rule;
    const named = `${rule.place}: ${action}`;
    if (action !== 'exec') return { action, reason, rule: named };
    if (rule.exec === undefined) return { action: 'ask', reason: null, rule: named };
    const result = await runner.run(rule.exec, subject, running, over);
    return { action: result.action, reason: result.reason, rule: `${named} ${result.summary}` };
  };
}
