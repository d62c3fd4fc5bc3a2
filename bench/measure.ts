/** Fair timing on a noisy machine: contenders take turns in one run, medians are compared, ratios are what counts. */

/** What is measured against others. */
export interface Contender {
  readonly name: string;
  /** Runs the measured work once; what it needs is made before. */
  readonly run: () => unknown;
}

/** What came of one contender. */
export interface Measured {
  readonly name: string;
  /** Milliseconds of the middle run. */
  readonly medianMs: number;
  readonly runs: number;
}

/** Runs the contenders in turn for about `budgetMs` each, at least `minRuns` times, after one warm-up. */
export function measureInTurn(contenders: readonly Contender[], budgetMs = 600, minRuns = 5): Measured[] {
  const times = contenders.map(({ run }) => {
    run();
    return [] as number[];
  });
  const spent = (): number => times.flat().reduce((sum, ms) => sum + ms, 0);
  while (spent() < budgetMs * contenders.length || times.some((list) => list.length < minRuns)) {
    contenders.forEach(({ run }, index) => {
      const start = performance.now();
      run();
      times[index]?.push(performance.now() - start);
    });
  }
  return contenders.map(({ name }, index) => ({
    name,
    medianMs: median(times[index] ?? []),
    runs: times[index]?.length ?? 0,
  }));
}

/** The value in the middle, by nearest rank; `NaN` of no values. */
export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/** The value below which `percent` of the values lie, by nearest rank. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1))] ?? Number.NaN;
}
