/**
 * `npm run bench`: what FROST costs, and what a development round costs over real processes; `npm run bench -- attacks`: what honest rounds
 * cost while somebody attacks; `npm run bench -- hash`: what hashing 1 GiB costs; `npm run bench -- ceremony`: how long a ceremony takes, for sizes
 * such as 34/50; `npm run bench -- record`: what a record of a million rounds costs. Ratios count; milliseconds are of this machine.
 */
import { benchAttacks, type AttackReport } from './attacks.ts';
import { benchFrost, type FrostRow } from './frost.ts';
import type { RecordRow } from './record.ts';
import { goalLine, type Goal } from './goals.ts';
import { benchRounds, type RoundReport } from './round.ts';

const write = (line: string): void => void process.stdout.write(`${line}\n`);

function frostLine(row: FrostRow): string {
  const size = `${row.threshold} of ${row.members}`.padEnd(10);
  const ms = [row.sodiumMs, row.nobleMs, row.oracleMs].map((value) => value.toFixed(3).padStart(11)).join('');
  return `${size} ${row.operation.padEnd(22)}${ms}${`${row.ratio.toFixed(1)}×`.padStart(9)}`;
}

/** All formats in one round are expected to take this part of the time of a round for each. */
const expectedFormatsRatio = 0.5;

/** The 99th percentile of honest rounds under any attack is expected to be at most this many times that of quiet ones. */
const expectedAttackRatio = 2;

function attackLine({ attack, quietP99Ms, attackedP99Ms, ratio, refused, grownMiB }: AttackReport): string {
  const numbers = [quietP99Ms, attackedP99Ms].map((ms) => `${ms.toFixed(0)} ms`.padStart(10)).join('');
  return `${attack.padEnd(12)}${numbers}${`${ratio.toFixed(1)}×`.padStart(8)}${String(refused).padStart(9)}${`${grownMiB.toFixed(0)} MiB`.padStart(10)}`;
}

async function attacked(): Promise<void> {
  const missed: AttackReport[] = [];
  write(
    'honest rounds with a login each, 99th percentile without and with an attack; refused, and by how much memory grew',
  );
  await benchAttacks(
    (row) => {
      write(attackLine(row));
      if (row.ratio > expectedAttackRatio || row.refused > 0) missed.push(row);
    },
    write,
    process.argv.slice(3),
  );
  for (const { attack, ratio, refused } of missed)
    write(
      `\nmissed: ${attack}: ${ratio.toFixed(1)} times, ${refused} refused; expected at most ${expectedAttackRatio}, and none`,
    );
}

async function main(): Promise<void> {
  write('FROST, median milliseconds of each operation; the ratio is ed25519_FROST over libsodium\n');
  write(
    `${'size'.padEnd(10)} ${'operation'.padEnd(22)}${['libsodium', 'noble', 'FROST'].map((name) => name.padStart(11)).join('')}${'ratio'.padStart(9)}`,
  );
  const signRatios: number[] = [];
  await benchFrost((row) => {
    write(frostLine(row));
    if (row.operation === 'sign share') signRatios.push(row.ratio);
  });
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
  const signRatio = Math.min(...signRatios);
  write('');
  for (const goal of goalsOf(round, signRatio)) write(goalLine(goal));
}

function goalsOf(round: RoundReport, signRatio: number): Goal[] {
  return [
    { measure: 'a round of two, p50 over its own work', value: round.ratio, unit: '×', goal: 3 },
    { measure: 'CPU of all processes for a round, alone', value: round.cpuMsAlone, unit: ' ms', goal: 11 },
    { measure: 'CPU of all processes for a round, 16 in flight', value: round.cpuMsWith16, unit: ' ms', goal: 8 },
    { measure: 'rounds a second, 16 in flight', value: round.perSecondWith16, unit: '', goal: 220, isFloor: true },
    { measure: 'sign share over ed25519_FROST, the worst size', value: signRatio, unit: '×', goal: 20, isFloor: true },
  ];
}

async function hashed(): Promise<void> {
  const { benchHashes } = await import('./hash.ts');
  const { signMs, sha512Ms, verifyMs, opensslMs } = await benchHashes(1024 ** 3);
  write(
    goalLine({ measure: 'both hashes of 1 GiB over SHA-512 alone', value: signMs / sha512Ms, unit: '×', goal: 1.1 }),
  );
  write(goalLine({ measure: 'both hashes of 1 GiB', value: signMs / 1000, unit: ' s', goal: 1.4 }));
  write(
    goalLine({ measure: 'the verifier, 1 GiB over openssl dgst', value: verifyMs / opensslMs, unit: '×', goal: 1.1 }),
  );
}

/** Goals of a ceremony by its size, in seconds, and of the power of its members by which it grows. */
const ceremonyGoals: Readonly<Record<string, number>> = { '34/50': 25, '67/100': 120 };
const ceremonyGrowth = 2.2;

async function ceremonies(sizes: readonly string[]): Promise<void> {
  const { benchCeremonies, growthOf } = await import('./ceremony.ts');
  const rows: Parameters<typeof growthOf>[0][number][] = [];
  await benchCeremonies(sizes, (row) => {
    rows.push(row);
    const { threshold, members, seconds } = row;
    const goal = ceremonyGoals[`${threshold}/${members}`];
    const measure = `a ceremony, ${threshold} of ${members}`;
    write(
      goal === undefined
        ? `${measure}: ${seconds.toFixed(1)} s`
        : goalLine({ measure, value: seconds, unit: ' s', goal }),
    );
  });
  if (rows.length > 1)
    write(
      goalLine({
        measure: 'a ceremony grows with its members to the power of',
        value: growthOf(rows),
        unit: '',
        goal: ceremonyGrowth,
      }),
    );
}

/** Expected of a start with finished rounds, over one without; of a lookup with its proof. */
const expectedStartRatio = 1.2;
const expectedLookupMs = 5;
/** Expected of memory: what garbage collection leaves over is not the rounds'. */
const expectedBytesARound = 8;

async function recorded(counts: readonly number[]): Promise<void> {
  const { benchRecord } = await import('./record.ts');
  const rows = await benchRecord([0, ...counts], write);
  const [empty, ...filled] = rows;
  write('finished rounds   records   start     heap   append p50  syncs a round  lookup p50      max');
  for (const row of rows) write(recordLine(row));
  for (const { rounds, startMs, heapMiB, lookupMaxMs, lookupP50Ms } of filled) {
    const ratio = startMs / (empty?.startMs ?? startMs);
    const bytes = ((heapMiB - (empty?.heapMiB ?? heapMiB)) * 1024 * 1024) / rounds;
    write(
      `\n${rounds} rounds: a start takes ${ratio.toFixed(2)} of one without; ${bytes.toFixed(1)} bytes of heap a round`,
    );
    if (ratio > expectedStartRatio) write(`missed: a start is expected to take at most ${expectedStartRatio} of that`);
    if (bytes > expectedBytesARound) write('missed: a finished round is expected to take no memory');
    if (lookupP50Ms > expectedLookupMs)
      write(`missed: a lookup is expected within ${expectedLookupMs} ms (at most ${lookupMaxMs.toFixed(1)} here)`);
  }
}

function recordLine(row: RecordRow): string {
  const { rounds, records, startMs, heapMiB, appendP50Ms, syncedWritesARound, lookupP50Ms, lookupMaxMs } = row;
  const ms = (value: number, width: number): string => `${value.toFixed(2)} ms`.padStart(width);
  return (
    `${String(rounds).padStart(15)}${String(records).padStart(10)}${`${startMs.toFixed(0)} ms`.padStart(8)}` +
    `${`${heapMiB.toFixed(1)} MiB`.padStart(10)}${ms(appendP50Ms, 12)}${syncedWritesARound.toFixed(1).padStart(15)}` +
    `${ms(lookupP50Ms, 12)}${ms(lookupMaxMs, 10)}`
  );
}

/** `record` alone measures ten thousand and a million rounds, and says how much disk and time they take; `record 10000` so many. */
async function run([what, ...rest]: readonly string[]): Promise<void> {
  if (what === 'attacks') return attacked();
  if (what === 'hash') return hashed();
  if (what === 'ceremony') return ceremonies(rest.length === 0 ? ['7/10', '14/20', '34/50', '67/100'] : rest);
  if (what === 'record') return recorded(rest.length === 0 ? [10_000, 1_000_000] : rest.map(Number));
  if (what !== 'record-start') return main();
  const { startAndSay } = await import('./record.ts');
  write(await startAndSay(rest[0] ?? ''));
}

await run(process.argv.slice(2));
