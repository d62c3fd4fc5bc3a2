/** Values that are there by construction. An absent one is a fault of ours, and nothing is put in its place: an empty hash could be signed. */

/** The value. Throws a `TypeError` that names what is missing. */
export function present<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new TypeError(`${what} is missing, which cannot be: please report it`);
  return value;
}

/** The item at this place, counted from 0. Throws a `TypeError` when the list ends before it. */
export function at<T>(list: readonly T[], index: number): T {
  return present(list[index], `item ${index} of ${list.length}`);
}
