/** The control socket: an owner-only Unix socket over which the person at this machine talks to the daemon, one JSON line each way. */
import { askLine, listenForLines, type ControlRole } from '../home/control-socket.ts';
import { maxReasonCharacters } from '../protocol/limits.ts';
import type { Origin } from '../protocol/ceremony/dealing.ts';
import type { JournalHead } from '../protocol/wire/frames.ts';
import { assertSchema, Strict, Text, Type, type Static } from '../protocol/wire/schema.ts';
import type { RequestSummary, RequestView } from './request-view.ts';
import { codeOf, messageOf, ParticipantError, participantErrorCodes } from './errors.ts';
import { maxAnswerBytes } from './limits.ts';
import type { Log } from './log.ts';
import type { Restoration } from './records.ts';

/** A request digest, or a part of its beginning that no other request has. */
const Id = Type.String({ pattern: '^[0-9a-f]{4,64}$' });

const commandSchemas = [
  /** What waits, and what was decided; `all` adds the rounds that are over. */
  Strict({ command: Type.Literal('requests'), all: Type.Boolean() }),
  Strict({ command: Type.Literal('show'), id: Id }),
  Strict({ command: Type.Literal('approve'), id: Id }),
  Strict({ command: Type.Literal('refuse'), id: Id, reason: Text(maxReasonCharacters) }),
  Strict({ command: Type.Literal('status') }),
] as const;

/** One command as it comes over the control socket. */
export type Command = Static<(typeof commandSchemas)[number]>;
/** The name of a command. */
export type CommandName = Command['command'];

/** How this member and its daemon stand. */
export interface Status {
  readonly member: string;
  readonly identifier: number;
  readonly tier: string;
  readonly group: string;
  readonly groupKey: string;
  /** Whether production's key was made in pieces or once was whole; `null` before there is a certificate. */
  readonly origin: Origin | null;
  /** Certificate hash, hex. */
  readonly epoch: string;
  /** Without the fingerprint. */
  readonly coordinator: string;
  readonly connected: boolean;
  /** Names of members the coordinator says are connected. */
  readonly present: readonly string[];
  /** 0 until the first one is signed. */
  readonly requestersVersion: number;
  /** Delegations held: channel, and the time from which they no longer hold. */
  readonly delegations: readonly { readonly channel: string; readonly until: string }[];
  readonly pending: number;
  readonly waiting: number;
  readonly journal: JournalHead;
  /** What the coordinator said about journals that went back, newest last (T3). */
  readonly alarms: readonly string[];
  readonly policy: string;
  /** When this home was restored from a backup, and whether it took since what the others hold; `null` if it never was. */
  readonly restoration: Restoration | null;
  /** Backups that were made and not declared destroyed. */
  readonly backups: number;
  /** Share files that can be stored before the daemon must be started again. */
  readonly spareKeys: number;
}

interface Answers {
  readonly requests: { readonly requests: readonly RequestSummary[] };
  readonly show: { readonly request: RequestView };
  readonly approve: { readonly request: RequestView };
  readonly refuse: { readonly request: RequestView };
  readonly status: { readonly status: Status };
}

/** What the daemon answers to a command of that name. */
export type AnswerTo<Name extends CommandName> = Answers[Name];

/** Carries out one command; what it throws is answered as an error with its code. */
export type CommandHandler = (command: Command) => Promise<AnswerTo<CommandName>>;

const role: ControlRole = {
  name: 'daemon',
  start: 'frostmark participant serve',
  otherPath: 'give another one with --socket PATH',
  refuse: (fault, message, options) =>
    new ParticipantError(fault === 'not-running' ? 'no-daemon' : fault, message, options),
};

/**
 * Listens at `path`, reachable for this user alone. A socket that a dead daemon left is replaced, a living one never.
 * Throws `ParticipantError` (`bad-socket`, `socket-in-use`).
 */
export function listenForCommands(path: string, handle: CommandHandler, log: Log): Promise<AsyncDisposable> {
  return listenForLines(path, role, async (line) => {
    try {
      return await handle(decodeCommand(await line()));
    } catch (error) {
      if (!(error instanceof ParticipantError))
        log('warn', 'command-failed', { code: codeOf(error), message: messageOf(error) });
      return { error: { code: codeOf(error), message: messageOf(error) } };
    }
  });
}

/** Throws `ParticipantError('bad-command')` or `ProtocolError('bad-frame')`. */
export function decodeCommand(line: string): Command {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new ParticipantError('bad-command', 'a command is one line of JSON', { cause });
  }
  const name = typeof value === 'object' && value !== null && 'command' in value ? value.command : undefined;
  const schema = commandSchemas.find((candidate) => candidate.properties.command.const === name);
  if (schema === undefined) throw new ParticipantError('bad-command', `unknown command ${String(name).slice(0, 40)}`);
  assertSchema(schema, value, 'bad-frame', 'the command');
  return value as Command;
}

/**
 * Asks the daemon at `path`. Throws `ParticipantError`: `no-daemon`, `bad-socket`, or whatever the daemon answered with.
 */
export async function callControl<Name extends CommandName>(
  path: string,
  command: Extract<Command, { command: Name }>,
): Promise<AnswerTo<Name>> {
  return openAnswer<Name>(path, await askLine(path, role, { line: JSON.stringify(command), maxAnswerBytes }));
}

function openAnswer<Name extends CommandName>(path: string, line: string): AnswerTo<Name> {
  const value = parseAnswer(path, line);
  const answer = value as { readonly error?: { readonly code: string; readonly message: string } };
  if (answer.error === undefined) return value as AnswerTo<Name>;
  const { code, message } = answer.error;
  throw new ParticipantError(participantErrorCodes.find((known) => known === code) ?? 'not-allowed', message);
}

/** What does not answer in JSON is no daemon. */
function parseAnswer(path: string, line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new ParticipantError(
      'no-daemon',
      `no daemon answers at ${path}; start it with: frostmark participant serve`,
      { cause },
    );
  }
}
