/** `npm run bench`: what FROST costs, and what a development round costs over real processes. Ratios count; milliseconds are of this machine. */
import { benchFrost, type FrostRow } from './frost.ts';

const write = (line: string): void => void process.stdout.write(`${line}\n`);

function frostLine(row: FrostRow): string {
  const size = `${row.threshold} of ${row.members}`.padEnd(10);
  const ms = [row.sodiumMs, row.nobleMs, row.oracleMs].map((value) => value.toFixed(3).padStart(11)).join('');
  return `${size} ${row.operation.padEnd(22)}${ms}${`${row.ratio.toFixed(1)}×`.padStart(9)}`;
}

/** Expected of `sign share`, at every size. */
const expectedSignRatio = 8;

async function main(): Promise<void> {
  write('FROST, median milliseconds of each operation; the ratio is ed25519_FROST over libsodium\n');
  write(
    `${'size'.padEnd(10)} ${'operation'.padEnd(22)}${['libsodium', 'noble', 'FROST'].map((name) => name.padStart(11)).join('')}${'ratio'.padStart(9)}`,
  );
  const missed: FrostRow[] = [];
  await benchFrost((row) => {
    write(frostLine(row));
    if (row.operation === 'sign share' && row.ratio < expectedSignRatio) missed.push(row);
  });
  for (const row of missed)
    write(
      `\nmissed: sign share at ${row.threshold} of ${row.members} is ${row.ratio.toFixed(1)} times faster, expected ${expectedSignRatio}`,
    );
}

await main();
