/** The one table of what was measured against its goals: met or missed. */

/** One measure with its goal. */
export interface Goal {
  readonly measure: string;
  readonly value: number;
  readonly unit: string;
  readonly goal: number;
  /** Whether more is better; less is by default. */
  readonly isFloor?: boolean;
}

/** A line of the table. */
export function goalLine({ measure, value, unit, goal, isFloor = false }: Goal): string {
  const isMet = isFloor ? value >= goal : value <= goal;
  const wanted = `${isFloor ? 'at least' : 'at most'} ${goal}${unit}`;
  return `${measure.padEnd(62)}${`${value.toFixed(1)}${unit}`.padStart(12)}  ${wanted.padEnd(18)}${isMet ? 'met' : 'missed'}`;
}
