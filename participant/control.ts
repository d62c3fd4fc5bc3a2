/** The control socket: an owner-only Unix socket over which the person at this machine talks to the daemon, one JSON line each way. */
import { once } from 'node:events';
import { chmod, lstat, unlink } from 'node:fs/promises';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { systemCode } from '../home/errors.ts';
import { maxReasonCharacters } from '../protocol/limits.ts';
import type { Origin } from '../protocol/ceremony/dealing.ts';
import type { JournalHead } from '../protocol/wire/frames.ts';
import { assertSchema, Strict, Text, Type, type Static } from '../protocol/wire/schema.ts';
import type { RequestSummary, RequestView } from './request-view.ts';
import { codeOf, messageOf, ParticipantError, participantErrorCodes } from './errors.ts';
import {
  commandTimeoutMs,
  maxAnswerBytes,
  maxCommandBytes,
  maxControlConnections,
  maxSocketPathBytes,
} from './limits.ts';
import type { Log } from './log.ts';

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

/** Throws `ParticipantError('bad-socket')` for a path that a socket cannot have on every system. */
function assertSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= maxSocketPathBytes) return;
  // The kernel would cut it: two homes with a long common prefix would then share one socket.
  throw new ParticipantError(
    'bad-socket',
    `the socket path ${path} has ${bytes} bytes and may have ${maxSocketPathBytes}; give a shorter one with --socket PATH`,
  );
}

/**
 * Listens at `path`, reachable for this user alone. A socket that a dead daemon left is replaced, a living one never.
 * Throws `ParticipantError` (`bad-socket`, `socket-in-use`).
 */
export async function listenForCommands(path: string, handle: CommandHandler, log: Log): Promise<AsyncDisposable> {
  assertSocketPath(path);
  await removeDeadSocket(path);
  const server = createServer({ allowHalfOpen: true });
  server.maxConnections = maxControlConnections;
  const connections = new Set<Socket>();
  server.on('connection', (socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
    socket.on('error', () => undefined); // a client that went away needs no answer
    void serveOne(socket, handle, log);
  });
  await listen(server, path);
  // The umask made it so already; this says it again where a umask does not count for sockets.
  await chmod(path, 0o600);
  return {
    [Symbol.asyncDispose]: async () => {
      for (const socket of connections) socket.destroy();
      server.close();
      if (server.listening) await once(server, 'close');
    },
  };
}

async function removeDeadSocket(path: string): Promise<void> {
  const stats = await lstat(path).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw badSocket(path, error);
  });
  if (stats === undefined) return;
  if (!stats.isSocket())
    throw new ParticipantError('bad-socket', `${path} is there and is no socket; give another one with --socket PATH`);
  if (await isAlive(path))
    throw new ParticipantError('socket-in-use', `a daemon answers at ${path} already; stop it first`);
  await unlink(path);
}

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    const settle = (alive: boolean) => () => {
      socket.destroy();
      resolve(alive);
    };
    socket.once('connect', settle(true));
    socket.once('error', (error) => settle(systemCode(error) !== 'ECONNREFUSED')());
  });
}

async function listen(server: Server, path: string): Promise<void> {
  try {
    server.listen(path);
    await once(server, 'listening');
  } catch (error) {
    throw badSocket(path, error);
  }
}

function badSocket(path: string, cause: unknown): ParticipantError {
  return new ParticipantError(
    'bad-socket',
    `the socket ${path} cannot be made (${systemCode(cause) ?? 'unknown error'}); give another path with --socket PATH`,
    { cause },
  );
}

async function serveOne(socket: Socket, handle: CommandHandler, log: Log): Promise<void> {
  socket.setTimeout(commandTimeoutMs, () => socket.destroy());
  let answer: unknown;
  try {
    const line = await readLine(socket, maxCommandBytes);
    socket.setTimeout(0);
    answer = await handle(decodeCommand(line));
  } catch (error) {
    if (!(error instanceof ParticipantError))
      log('warn', 'command-failed', { code: codeOf(error), message: messageOf(error) });
    answer = { error: { code: codeOf(error), message: messageOf(error) } };
  }
  socket.end(`${JSON.stringify(answer)}\n`);
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

/** The text up to the first newline, without it. Throws `ParticipantError('bad-command')` past `maxBytes` or at the end of the stream. */
async function readLine(socket: Socket, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > maxBytes) throw new ParticipantError('bad-command', `a line has at most ${maxBytes} bytes`);
    if (chunk.includes(0x0a)) break;
  }
  const [line, rest] = Buffer.concat(chunks).toString().split('\n', 2);
  if (line === undefined || rest === undefined) throw new ParticipantError('bad-command', 'the line has no end');
  return line;
}

/**
 * Asks the daemon at `path`. Throws `ParticipantError`: `no-daemon`, `bad-socket`, or whatever the daemon answered with.
 */
export async function callControl<Name extends CommandName>(
  path: string,
  command: Extract<Command, { command: Name }>,
): Promise<AnswerTo<Name>> {
  assertSocketPath(path);
  const socket = createConnection(path);
  try {
    await once(socket, 'connect');
    socket.end(`${JSON.stringify(command)}\n`);
    return openAnswer<Name>(JSON.parse(await readLine(socket, maxAnswerBytes)));
  } catch (error) {
    if (error instanceof ParticipantError && error.code !== 'bad-command') throw error;
    throw new ParticipantError('no-daemon', noDaemon(path, error), { cause: error });
  } finally {
    socket.destroy();
  }
}

function noDaemon(path: string, error: unknown): string {
  const found = systemCode(error);
  if (found === 'EACCES' || found === 'EPERM')
    return `the daemon at ${path} belongs to another user; run this as the user that runs it`;
  return `no daemon answers at ${path}${found === undefined ? '' : ` (${found})`}; start it with: frostmark participant serve`;
}

function openAnswer<Name extends CommandName>(value: unknown): AnswerTo<Name> {
  const answer = value as { readonly error?: { readonly code: string; readonly message: string } };
  if (answer.error === undefined) return value as AnswerTo<Name>;
  const { code, message } = answer.error;
  throw new ParticipantError(participantErrorCodes.find((known) => known === code) ?? 'not-allowed', message);
}
