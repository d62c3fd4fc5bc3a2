/** A ceremony over real processes: what it takes for the whole group on this machine, and how that grows with its members. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Company } from '../demo/company.ts';

/** One ceremony: `threshold` of `members`. */
export interface CeremonyRow {
  readonly threshold: number;
  readonly members: number;
  readonly seconds: number;
}

const cli = fileURLToPath(new URL('../cli/main.js', import.meta.url));

/** Makes one key for each size, as in `34/50`, the smallest passphrase cost, genesis and requesters document included. */
export async function benchCeremonies(sizes: readonly string[], done: (row: CeremonyRow) => void): Promise<void> {
  for (const size of sizes) {
    const [threshold = 0, members = 0] = size.split('/').map(Number);
    done({ threshold, members, seconds: await secondsOf(threshold, members) });
  }
}

async function secondsOf(threshold: number, members: number): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'frostmark-bench-'));
  const company = new Company({
    folder,
    cli,
    members: Array.from({ length: members }, (_, index) => ({ name: `m-${index + 1}`, tier: 'member' })),
    requesters: [{ name: 'dave', channels: ['production'] }],
    channels: { production: `{ quorum: { any: ${threshold} }, expiry: 72h }` },
    environment: { FROSTMARK_TESTING_ONLY_SCRYPT_WORK_FACTOR: '2' },
  });
  try {
    await company.introduce();
    await company.startCoordinator();
    const startedAt = performance.now();
    await company.makeKey();
    return (performance.now() - startedAt) / 1000;
  } finally {
    await company.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** By which power of its members the time grows, from the smallest to the largest. */
export function growthOf(rows: readonly CeremonyRow[]): number {
  const [first, last] = [rows[0], rows.at(-1)];
  if (first === undefined || last === undefined || first === last) return Number.NaN;
  return Math.log(last.seconds / first.seconds) / Math.log(last.members / first.members);
}
