/** What somebody with a computer and no luck can work out: linear equations over the integers modulo L, and which sums of the unknowns they fix. */
import { groupOrder, invertScalar, reduceScalar } from '../../../protocol/frost/scalar.ts';

/** One equation's left side: the unknowns' factors, by name. What an attacker was told of its right side does not matter to what it can find. */
export type Row = ReadonlyMap<string, bigint>;

/** The equations, brought into a form in which each has a leading unknown that no other has. */
export class Knowledge {
  readonly #rows = new Map<string, Map<string, bigint>>();

  learn(row: Row): void {
    const rest = this.#reduced(row);
    const [lead] = rest.keys();
    if (lead === undefined) return;
    const factor = invertScalar(rest.get(lead)!);
    const normal = new Map([...rest].map(([name, value]) => [name, reduceScalar(value * factor)]));
    for (const other of this.#rows.values()) subtract(other, normal, other.get(lead) ?? 0n);
    this.#rows.set(lead, normal);
  }

  /** Whether the equations fix this sum of the unknowns. */
  knows(row: Row): boolean {
    return this.#reduced(row).size === 0;
  }

  #reduced(row: Row): Map<string, bigint> {
    const rest = new Map([...row].filter(([, value]) => value % groupOrder !== 0n));
    for (const [lead, known] of this.#rows) subtract(rest, known, rest.get(lead) ?? 0n);
    return rest;
  }
}

/** `from` less factor times `row`. */
function subtract(from: Map<string, bigint>, row: Row, factor: bigint): void {
  if (factor === 0n) return;
  for (const [name, value] of row) {
    const next = reduceScalar((from.get(name) ?? 0n) - factor * value);
    if (next === 0n) from.delete(name);
    else from.set(name, next);
  }
}
