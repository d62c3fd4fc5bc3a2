/** The control socket: whose it is, how long its path may be, what it answers. */
import { chmod, mkdir, stat, symlink, writeFile } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { run, compile } from '../home/support.ts';
import { ParticipantError } from '../../participant/errors.ts';
import { ProtocolError } from '../../protocol/errors.ts';
import {
  callControl,
  decodeCommand,
  listenForCommands,
  type Command,
  type CommandHandler,
  type Status,
} from '../../participant/control.ts';
import { scratch } from './members.ts';

const quiet = (): void => undefined;
const status = (member: string): { status: Status } => ({ status: { member } as Status });

async function listen(
  path: string,
  handle: CommandHandler = () => Promise.resolve(status('alice')),
): Promise<AsyncDisposable> {
  const server = await listenForCommands(path, handle, quiet);
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server;
}

/** Sends raw bytes and reads all that comes back. */
async function talk(path: string, bytes: string): Promise<string> {
  const socket = createConnection(path);
  socket.end(bytes);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => undefined);
  await once(socket, 'close');
  return Buffer.concat(chunks).toString();
}

describe('the control socket', () => {
  it('takes a command and gives its answer', async () => {
    const path = join(await scratch(), 's');
    const seen: Command[] = [];
    await listen(path, (command) => {
      seen.push(command);
      return Promise.resolve(status('alice'));
    });
    expect(await callControl<'status'>(path, { command: 'status' })).toEqual(status('alice'));
    await callControl<'refuse'>(path, { command: 'refuse', id: 'abcd1234', reason: 'not\u202ethis' });
    expect(seen).toEqual([{ command: 'status' }, { command: 'refuse', id: 'abcd1234', reason: 'not\u202ethis' }]);
  });

  it('gives the daemon’s refusals with their code', async () => {
    const path = join(await scratch(), 's');
    await listen(path, () => Promise.reject(new ParticipantError('unknown-request', 'there is no request abcd')));
    await expect(callControl<'show'>(path, { command: 'show', id: 'abcd' })).rejects.toMatchObject({
      code: 'unknown-request',
      message: 'there is no request abcd',
    });
    const other = join(await scratch(), 's');
    await listen(other, () => Promise.reject(new ProtocolError('not-allowed', 'a share was given')));
    await expect(callControl<'approve'>(other, { command: 'approve', id: 'abcd' })).rejects.toMatchObject({
      code: 'not-allowed',
      message: 'a share was given',
    });
  });

  it('is the owner’s alone', async () => {
    const path = join(await scratch(), 's');
    const umask = process.umask(0);
    onTestFinished(() => void process.umask(umask));
    await listen(path);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it.each([
    ['nothing', ''],
    ['half a line', '{"command":"status"}'],
    ['no JSON', 'status\n'],
    ['a number', '7\n'],
    ['null', 'null\n'],
    ['an unknown command', '{"command":"sign"}\n'],
    ['no command', '{}\n'],
    ['a field too many', '{"command":"status","all":true}\n'],
    ['a field too few', '{"command":"requests"}\n'],
    ['an id that is none', '{"command":"approve","id":"../../x"}\n'],
    ['a short id', '{"command":"approve","id":"abc"}\n'],
    ['a refusal without a reason', '{"command":"refuse","id":"abcd1234","reason":""}\n'],
    ['a long reason', `{"command":"refuse","id":"abcd1234","reason":"${'x'.repeat(501)}"}\n`],
    ['a long line', `{"command":"${'x'.repeat(20_000)}"}\n`],
  ])('refuses %s, and goes on', async (_what, bytes) => {
    const path = join(await scratch(), 's');
    let handled = 0;
    await listen(path, () => {
      handled += 1;
      return Promise.resolve(status('alice'));
    });
    const answer = JSON.parse(await talk(path, bytes)) as { error: { code: string } };
    expect(['bad-command', 'bad-frame']).toContain(answer.error.code);
    expect(handled).toBe(0);
    expect(await callControl<'status'>(path, { command: 'status' })).toEqual(status('alice'));
  });

  it('decodes exactly its commands', () => {
    expect(decodeCommand('{"command":"requests","all":false}')).toEqual({ command: 'requests', all: false });
    expect(() => decodeCommand('[]')).toThrow(expect.objectContaining({ code: 'bad-command' }));
  });
});

describe('the path of the socket', () => {
  it('of two homes with a long common prefix leads to two daemons, or is refused with what to do', async () => {
    const root = await scratch();
    const prefix = join(root, 'x'.repeat(95 - root.length - 3));
    await mkdir(prefix);
    // 97 and more bytes in common: the kernel's structure ends at 108.
    const [one, two] = [join(prefix, '1'), join(prefix, '2')];
    await listen(one, () => Promise.resolve(status('one')));
    await listen(two, () => Promise.resolve(status('two')));
    expect(await callControl<'status'>(one, { command: 'status' })).toEqual(status('one'));
    expect(await callControl<'status'>(two, { command: 'status' })).toEqual(status('two'));
    for (const long of [join(prefix, `${'y'.repeat(40)}1`), join(prefix, `${'y'.repeat(40)}2`)]) {
      await expect(listen(long)).rejects.toThrow('--socket PATH');
      await expect(callControl<'status'>(long, { command: 'status' })).rejects.toMatchObject({ code: 'bad-socket' });
    }
  });

  it('counts bytes, not characters', async () => {
    const path = join(await scratch(), 'ö'.repeat(60));
    expect(path.length).toBeLessThan(100);
    await expect(listen(path)).rejects.toMatchObject({ code: 'bad-socket' });
  });

  it.each([
    ['a file', async (path: string) => writeFile(path, 'precious')],
    ['a folder', async (path: string) => mkdir(path)],
    ['a link', async (path: string) => symlink('/etc/passwd', path)],
  ])('is not taken from %s', async (_what, make) => {
    const path = join(await scratch(), 's');
    await make(path);
    await expect(listen(path)).rejects.toMatchObject({ code: 'bad-socket' });
  });

  it('in a folder that is not there, or of nobody, is refused', async () => {
    await expect(listen('/nowhere/at/all')).rejects.toThrow('--socket PATH');
  });

  it('is never taken from a living daemon', async () => {
    const path = join(await scratch(), 's');
    await listen(path, () => Promise.resolve(status('first')));
    await expect(listen(path)).rejects.toMatchObject({ code: 'socket-in-use' });
    expect(await callControl<'status'>(path, { command: 'status' })).toEqual(status('first'));
  });

  it('is taken over from a daemon that was killed', async () => {
    const folder = await scratch();
    const path = join(folder, 's');
    const program = run(await compile('test/participant/programs/control.ts', folder), [path]);
    expect(await program.line()).toBe('listening');
    expect(await callControl<'status'>(path, { command: 'status' })).toEqual(status('doomed'));
    program.process.kill('SIGKILL');
    expect(await program.exited).toBe('SIGKILL');
    expect((await stat(path)).isSocket()).toBe(true);
    await expect(callControl<'status'>(path, { command: 'status' })).rejects.toMatchObject({ code: 'no-daemon' });
    await listen(path, () => Promise.resolve(status('next')));
    expect(await callControl<'status'>(path, { command: 'status' })).toEqual(status('next'));
  });
});

describe('a caller', () => {
  it('is told how to start a daemon when there is none', async () => {
    await expect(callControl<'status'>(join(await scratch(), 's'), { command: 'status' })).rejects.toThrow(
      'frostmark participant serve',
    );
  });

  it('is not fooled by a daemon that hangs up or talks nonsense', async () => {
    const folder = await scratch();
    for (const [name, says] of [
      ['a', ''],
      ['b', 'hello\n'],
      ['c', '{"status":'],
    ] as const) {
      const path = join(folder, name);
      const server = createServer((socket) => socket.end(says));
      server.listen(path);
      await once(server, 'listening');
      onTestFinished(() => void server.close());
      await expect(callControl<'status'>(path, { command: 'status' })).rejects.toMatchObject({ code: 'no-daemon' });
    }
    await chmod(folder, 0o700);
  });
});
