/** `npm run bench`: what FROST costs, and what a development round costs over real processes. Ratios count; milliseconds are of this machine. */
import { benchFrost, type FrostRow } from './frost.ts';
import { benchRounds } from './round.ts';

const write = (line: string): void => void process.stdout.write(`${line}\n`);

function frostLine(row: FrostRow): string {
  const size = `${row.threshold} of ${row.members}`.padEnd(10);
  const ms = [row.sodiumMs, row.nobleMs, row.oracleMs].map((value) => value.toFixed(3).padStart(11)).join('');
  return `${size} ${row.operation.padEnd(22)}${ms}${`${row.ratio.toFixed(1)}×`.padStart(9)}`;
}

/** Expected of `sign share`, at every size. */
const expectedSignRatio = 8;

/** Expected of a round: p50 over the sum of its own cryptography and synced writes. */
const expectedRoundRatio = 3;

/** Expected of all formats in one round, over a round for each. */
const expectedFormatsRatio = 0.5;

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
  const round = await benchRounds((line) => {
    write(`\n${line}`);
  });
  write('\na development round over real processes, two of two');
  write(
    `  alone         p50 ${round.p50Ms.toFixed(1)} ms, p99 ${round.p99Ms.toFixed(1)} ms, ${round.perSecondAlone.toFixed(1)} rounds a second`,
  );
  write(`  16 in flight  ${round.perSecondWith16.toFixed(1)} rounds a second`);
  write(
    `  its own cryptography and synced writes: ${round.ownMs.toFixed(1)} ms; p50 is ${round.ratio.toFixed(1)} times that`,
  );
  const { names, togetherMs, separateMs, exchanges, exchangesOfNative } = round.formats;
  write(
    `  ${names.join(', ')} in one round: ${togetherMs.toFixed(1)} ms, ${(togetherMs / separateMs).toFixed(2)} of separate rounds`,
  );
  write(`  exchanges: ${exchanges}, of native alone ${exchangesOfNative}`);
  if (togetherMs / separateMs > expectedFormatsRatio)
    write(
      `\nmissed: all formats together are expected to take at most ${expectedFormatsRatio} of their separate rounds`,
    );
  if (exchanges !== exchangesOfNative + 1)
    write('\nmissed: all formats together are expected to take exactly one exchange more than native alone');
  if (round.ratio > expectedRoundRatio)
    write(`\nmissed: p50 is ${round.ratio.toFixed(1)} times its own work, expected at most ${expectedRoundRatio}`);
}

await main();
