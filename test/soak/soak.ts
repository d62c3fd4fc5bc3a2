/** `npm run soak`: the simulated successions by the hundred thousand. Half of the seeds in each of two files, for two cores. */
import { expect, it } from 'vitest';
import { wildSuccession } from '../harness/succession-wild.ts';

/** How many seeds, and from which on: to look at one again, `FROSTMARK_SOAK_FROM=4711 FROSTMARK_SOAK_SEEDS=1 npm run soak`. */
const seeds = Number(process.env['FROSTMARK_SOAK_SEEDS'] ?? 100_000);
const from = Number(process.env['FROSTMARK_SOAK_FROM'] ?? 1);
const hoursMs = 12 * 3600 * 1000;

/** Runs every second seed; each that fails is in the message. */
export function soak(half: 0 | 1): void {
  it(
    `successions end well for ${half === 0 ? 'even' : 'odd'} seeds from ${from} to ${from + seeds - 1}`,
    () => {
      const failures: string[] = [];
      for (let seed = from; seed < from + seeds; seed += 1) {
        if (seed % 2 !== half) continue;
        try {
          wildSuccession(seed);
        } catch (error) {
          failures.push((error as Error).message);
        }
        if (seed % 5000 < 2) process.stdout.write(`soak: seed ${seed}, ${failures.length} failed\n`);
      }
      expect(failures).toEqual([]);
    },
    hoursMs,
  );
}
