/**
 * Honest rounds, each with a login of its own, while somebody attacks the coordinator from a process of its own. Quiet and attacked windows
 * take turns in one run, so that a busy moment meets both; what counts is the ratio of their 99th percentiles.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Company } from '../demo/company.ts';
import { attackers, attacks, type Attack } from './attacker.ts';
import { percentile } from './measure.ts';
import { connectAs, oneRound, withCompany } from './round.ts';

const program = fileURLToPath(new URL('attacker.js', import.meta.url));
/** Windows of each kind, and honest rounds in each. */
const windows = 6;
const roundsInWindow = 25;

/** How honest rounds fared under one attack. */
export interface AttackReport {
  readonly attack: Attack;
  readonly quietP99Ms: number;
  readonly attackedP99Ms: number;
  readonly ratio: number;
  /** Honest rounds and logins that were refused, or failed in any other way. */
  readonly refused: number;
  /** By which the coordinator's memory grew from the first window to the last, MiB. */
  readonly grownMiB: number;
}

/** Makes a group, attacks its coordinator in every way, or in those named alone, and ends it. */
export async function benchAttacks(
  report: (row: AttackReport) => void,
  say: (line: string) => void,
  named: readonly string[],
): Promise<void> {
  const chosen = attacks.filter((attack) => named.length === 0 || named.includes(attack));
  await withCompany(say, async (company) => {
    for (const attack of chosen) report(await underAttack(company, attack));
  });
}

async function underAttack(company: Company, attack: Attack): Promise<AttackReport> {
  const quiet: number[] = [];
  const attacked: number[] = [];
  let refused = 0;
  await honestRounds(company); // It warms up.
  const before = memoryMiB(company);
  for (let turn = 0; turn < windows; turn += 1) {
    const calm = await honestRounds(company);
    quiet.push(...calm.timesMs);
    const attacker = await start(company, attack);
    const stormy = await honestRounds(company);
    attacked.push(...stormy.timesMs);
    refused += stormy.refused;
    attacker.kill('SIGKILL');
    await once(attacker, 'close');
  }
  const [quietP99Ms, attackedP99Ms] = [percentile(quiet, 99), percentile(attacked, 99)];
  const ratio = attackedP99Ms / quietP99Ms;
  return { attack, quietP99Ms, attackedP99Ms, ratio, refused, grownMiB: memoryMiB(company) - before };
}

/** One after the other, each from its login to its verified signature. */
async function honestRounds(company: Company): Promise<{ readonly timesMs: number[]; readonly refused: number }> {
  const timesMs: number[] = [];
  let refused = 0;
  for (let count = 0; count < roundsInWindow; count += 1) {
    const startedAtMs = performance.now();
    try {
      using connection = await connectAs(company, 'dave');
      await oneRound(connection);
      timesMs.push(performance.now() - startedAtMs);
    } catch {
      refused += 1;
    }
  }
  return { timesMs, refused };
}

async function start(company: Company, attack: Attack): Promise<ChildProcess> {
  const home = company.path(attackers[attack] === 'member' ? 'alice' : 'mallory');
  const charter = createHash('sha256')
    .update(readFileSync(company.path('charter.yaml')))
    .digest('hex');
  const args = [program, attack, company.coordinatorUrl, company.groupLine, home, charter];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}

function memoryMiB(company: Company): number {
  const status = readFileSync(`/proc/${company.coordinator.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}
