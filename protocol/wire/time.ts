/** Times as they are signed: RFC 3339, UTC, whole seconds; and durations as people write them in a charter. */
import { printableJson } from '../../verifier/printable.ts';
import { ProtocolError, type ProtocolErrorCode } from '../errors.ts';
import { present } from './present.ts';

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86400 };

/** `90s`, `30m`, `72h`, `90d` in seconds; `undefined` for anything else. */
export function parseDuration(text: string): number | undefined {
  const [, count, unit] = /^([1-9][0-9]{0,5})([smhd])$/.exec(text) ?? [];
  return unit === undefined ? undefined : Number(count) * present(unitSeconds[unit], unit);
}

/** Unix seconds as `2026-11-22T08:00:00Z`. */
export function formatTimestamp(unixSeconds: number): string {
  return new Date(unixSeconds * 1000).toISOString().replace('.000Z', 'Z');
}

/** Unix seconds of a timestamp that formats back to itself; throws `ProtocolError(code)`. */
export function parseTimestamp(text: string, code: ProtocolErrorCode, what: string): number {
  const unixSeconds = Date.parse(text) / 1000;
  if (!Number.isInteger(unixSeconds) || formatTimestamp(unixSeconds) !== text) {
    throw new ProtocolError(
      code,
      `${what}: ${printableJson(text.slice(0, 40))} is not a UTC time like 2026-11-22T08:00:00Z`,
    );
  }
  return unixSeconds;
}
