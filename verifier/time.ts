/** Times as frostmark signs them: RFC 3339 in UTC with whole seconds, such as 2026-11-22T08:00:00Z. */

/** Seconds since 1970, or `undefined` if the text is not exactly of that form or names no instant (a 30th of February, a leap second). */
export function parseTime(text: string): number | undefined {
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/.test(text)) return undefined;
  const unixSeconds = Date.parse(text) / 1000;
  // Date.parse lets some days and hours roll over; the round trip does not.
  if (Number.isNaN(unixSeconds) || formatTime(unixSeconds) !== text) return undefined;
  return unixSeconds;
}

/** Inverse of `parseTime` for whole seconds of the years 0 to 9999. */
export function formatTime(unixSeconds: number): string {
  return new Date(unixSeconds * 1000).toISOString().replace('.000Z', 'Z');
}

/** Whether `parseTime` would read it. */
export function isTime(text: string): boolean {
  return parseTime(text) !== undefined;
}
