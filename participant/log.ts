/** What a daemon tells its operator: one line of JSON for each event, with names and codes and never a payload. */
import { printableJson } from '../verifier/printable.ts';

type LogLevel = 'info' | 'warn' | 'error';

/** Group, member, round (request digest), code and the like; never what was signed, shared or typed. */
export type LogFields = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

/** Takes one event of the daemon. Fields hold names, digests and codes, never a secret or a payload. */
export type Log = (level: LogLevel, event: string, fields?: LogFields) => void;

/** Writes each event as one line; hostile characters in names and reasons are escaped. */
export function jsonLog(write: (line: string) => void, now: () => Date = () => new Date()): Log {
  return (level, event, fields = {}) =>
    write(`${printableJson({ time: now().toISOString(), level, event, ...fields })}\n`);
}

/** The same log with some fields in every line. */
export function withFields(log: Log, fixed: LogFields): Log {
  return (level, event, fields = {}) => log(level, event, { ...fixed, ...fields });
}
