/** A control socket: an owner-only Unix socket over which the person at this machine talks to a running role, one line of JSON each way. */
import { once } from 'node:events';
import { unlinkSync } from 'node:fs';
import { chmod, lstat, unlink } from 'node:fs/promises';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { systemCode } from './errors.ts';
import { commandTimeoutMs, maxCommandBytes, maxControlConnections, maxSocketPathBytes } from './limits.ts';

/**
 * - `bad-socket`: the path cannot be a socket.
 * - `socket-in-use`: somebody living answers there.
 * - `not-running`: nobody answers there, or it belongs to another user.
 * - `bad-command`: a line that is too long, or has no end.
 */
export type ControlFault = 'bad-socket' | 'socket-in-use' | 'not-running' | 'bad-command';

/** Whose socket it is: in which words and with which codes the role refuses. */
export interface ControlRole {
  /** `daemon` or `coordinator`. */
  readonly name: string;
  /** The command that starts it. */
  readonly start: string;
  /** What a person does about a path that cannot be used. */
  readonly otherPath: string;
  /** Makes the role's own error. */
  readonly refuse: (fault: ControlFault, message: string, options?: ErrorOptions) => Error;
}

/** Throws `bad-socket` for a path that a socket cannot have on every system. */
function assertSocketPath(path: string, role: ControlRole): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= maxSocketPathBytes) return;
  // The kernel would cut it: two homes with a long common prefix would then share one socket.
  throw role.refuse(
    'bad-socket',
    `the socket path ${path} has ${bytes} bytes and may have ${maxSocketPathBytes}; ${role.otherPath}`,
  );
}

/**
 * Listens at `path`, reachable for this user alone, and answers each line with what `answer` makes of it, which never rejects. A socket that a
 * dead process left is replaced, a living one never. Throws the role's error (`bad-socket`, `socket-in-use`).
 */
export async function listenForLines(
  path: string,
  role: ControlRole,
  answer: (line: () => Promise<string>) => Promise<unknown>,
): Promise<AsyncDisposable> {
  assertSocketPath(path, role);
  await removeDeadSocket(path, role);
  const server = createServer({ allowHalfOpen: true });
  server.maxConnections = maxControlConnections;
  const connections = new Set<Socket>();
  server.on('connection', (socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
    socket.on('error', () => undefined); // a client that went away needs no answer
    void serveOne(socket, role, answer);
  });
  await listen(server, path, role);
  // The umask made it so already; this says it again where a umask does not count for sockets.
  await chmod(path, 0o600);
  // However the process ends, but by SIGKILL: what nobody answers at is not left lying about.
  const remove = (): void => removeAtExit(path);
  process.once('exit', remove);
  return {
    [Symbol.asyncDispose]: async () => {
      process.off('exit', remove);
      for (const socket of connections) socket.destroy();
      server.close();
      if (server.listening) await once(server, 'close');
    },
  };
}

function removeAtExit(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It is gone already, or its folder is.
  }
}

/** One line to a daemon, and the bytes that its answer may have. */
export interface Question {
  readonly line: string;
  readonly maxAnswerBytes: number;
}

/** Sends one line to whoever listens at `path`; answers the line that comes back. Throws the role's error. */
export async function askLine(path: string, role: ControlRole, { line, maxAnswerBytes }: Question): Promise<string> {
  assertSocketPath(path, role);
  const socket = createConnection(path);
  try {
    await once(socket, 'connect');
    socket.end(`${line}\n`);
    return await readLine(socket, role, maxAnswerBytes);
  } catch (error) {
    throw role.refuse('not-running', notRunning(path, role, error), { cause: error });
  } finally {
    socket.destroy();
  }
}

async function removeDeadSocket(path: string, role: ControlRole): Promise<void> {
  const stats = await lstat(path).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw badSocket(path, role, error);
  });
  if (stats === undefined) return;
  if (!stats.isSocket()) throw role.refuse('bad-socket', `${path} is there and is no socket; ${role.otherPath}`);
  if (await isAlive(path))
    throw role.refuse('socket-in-use', `a ${role.name} answers at ${path} already; stop it first`);
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

async function listen(server: Server, path: string, role: ControlRole): Promise<void> {
  try {
    server.listen(path);
    await once(server, 'listening');
  } catch (error) {
    throw badSocket(path, role, error);
  }
}

function badSocket(path: string, role: ControlRole, cause: unknown): Error {
  const found = systemCode(cause) ?? 'unknown error';
  return role.refuse('bad-socket', `the socket ${path} cannot be made (${found}); ${role.otherPath}`, { cause });
}

async function serveOne(
  socket: Socket,
  role: ControlRole,
  answer: (line: () => Promise<string>) => Promise<unknown>,
): Promise<void> {
  socket.setTimeout(commandTimeoutMs, () => socket.destroy());
  const line = async (): Promise<string> => {
    const text = await readLine(socket, role, maxCommandBytes);
    socket.setTimeout(0);
    return text;
  };
  socket.end(`${JSON.stringify(await answer(line))}\n`);
}

/** The text up to the first newline, without it. Throws `bad-command` past `maxBytes` or at the end of the stream. */
async function readLine(socket: Socket, role: ControlRole, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > maxBytes) throw role.refuse('bad-command', `a line has at most ${maxBytes} bytes`);
    if (chunk.includes(0x0a)) break;
  }
  const [line, rest] = Buffer.concat(chunks).toString().split('\n', 2);
  if (line === undefined || rest === undefined) throw role.refuse('bad-command', 'the line has no end');
  return line;
}

function notRunning(path: string, role: ControlRole, error: unknown): string {
  const found = systemCode(error);
  if (found === 'EACCES' || found === 'EPERM')
    return `the ${role.name} at ${path} belongs to another user; run this as the user that runs it`;
  return `no ${role.name} answers at ${path}${found === undefined ? '' : ` (${found})`}; start it with: ${role.start}`;
}
