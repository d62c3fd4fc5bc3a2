/** The coordinator's log: one JSON object a line, naming group, member, round and code; never a payload, a token or a message's text. */
import { printableJson } from '../verifier/printable.ts';

/** How much a line matters: `warn` is somebody else's fault, `error` is for the operator. */
export type LogLevel = 'info' | 'warn' | 'error';

/** What an event was about. */
export interface LogFields {
  readonly group?: string | undefined;
  readonly member?: string | undefined;
  /** Request digest, hex. */
  readonly round?: string | undefined;
  /** Id of a group's log, hex. */
  readonly record?: string | undefined;
  readonly code?: string | undefined;
  readonly outcome?: string | undefined;
  readonly count?: number | undefined;
  readonly url?: string | undefined;
  /** Only of the coordinator's own failures, never of what a client sent. */
  readonly failure?: string | undefined;
}

/** Writes one event with what it was about. */
export type Log = (level: LogLevel, event: string, fields?: LogFields) => void;

/** A log that hands each line, with its newline, to `write`; hostile characters in it are escaped (T36). */
export function createLog(write: (line: string) => void, nowMs: () => number = Date.now): Log {
  return (level, event, fields = {}) =>
    write(`${printableJson({ time: new Date(nowMs()).toISOString(), level, event, ...fields })}\n`);
}
