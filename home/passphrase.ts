/** Where a passphrase comes from: a file, or the person at the terminal. Only the age child runs this, and who imports a key. */
import { openSync, writeSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import { HomeError } from './errors.ts';
import { readFileBounded } from './files.ts';
import { maxPassphraseFileBytes } from './limits.ts';
import { pipeReader, type PipeReader } from './pipe.ts';

/**
 * The passphrase in a file: its one line, without the newline at the end.
 * The file must be owner-only. One below `credentialsFolder` is a systemd credential (systemd.exec(5)): systemd opens it to the service's
 * user by an ACL, which shows as group bits, and keeps the folder private itself.
 * Throws `HomeError` (`missing`, `not-private`, `too-large`, `bad-passphrase`).
 */
export async function readPassphraseFile(path: string, credentialsFolder?: string): Promise<string> {
  const bytes = await readPassphraseBytes(path, credentialsFolder);
  try {
    return decodePassphrase(bytes, path);
  } finally {
    bytes.fill(0);
  }
}

/** The same as bytes, for whoever needs no text; who takes them wipes them. */
export async function readPassphraseBytes(path: string, credentialsFolder?: string): Promise<Uint8Array> {
  const credential =
    credentialsFolder !== undefined && credentialsFolder !== '' && path.startsWith(`${credentialsFolder}/`);
  const bytes = await readFileBounded(path, maxPassphraseFileBytes, { ownerOnly: !credential });
  try {
    const line = Uint8Array.from(withoutNewline(bytes));
    assertOneLine(line, path);
    return line;
  } finally {
    bytes.fill(0);
  }
}

function withoutNewline(bytes: Uint8Array): Uint8Array {
  if (bytes.at(-1) !== 0x0a) return bytes;
  return bytes.subarray(0, bytes.at(-2) === 0x0d ? -2 : -1);
}

function assertOneLine(bytes: Uint8Array, source: string): void {
  if (bytes.length === 0) throw new HomeError('bad-passphrase', `the passphrase from ${source} is empty`);
  // The stock age tool asks for one line: what it could not be told, we do not take.
  if (bytes.includes(0x0a) || bytes.includes(0x0d))
    throw new HomeError('bad-passphrase', `the passphrase from ${source} has several lines`);
}

function decodePassphrase(bytes: Uint8Array, source: string): string {
  assertOneLine(bytes, source);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new HomeError('bad-passphrase', `the passphrase from ${source} is not UTF-8`, { cause });
  }
}

/**
 * Asks on the controlling terminal, whatever stdin and stdout are, without echo; twice if `confirm`, until both are the same.
 * Throws `HomeError` (`no-terminal`, `cancelled` at Ctrl-C or Ctrl-D, `bad-passphrase`).
 */
export async function askPassphrase(confirm: boolean): Promise<string> {
  using terminal = openTerminal();
  if (!confirm) return await ask(terminal, 'Passphrase for the share: ');
  for (;;) {
    const passphrase = await ask(terminal, 'New passphrase for the share: ');
    if ((await ask(terminal, 'The same once more: ')) === passphrase) return passphrase;
    terminal.print('The two differ. ');
  }
}

/** One line from the controlling terminal, without echo, as bytes; who takes them wipes them. Throws as `askPassphrase` does. */
export async function askPassphraseBytes(prompt: string): Promise<Uint8Array> {
  using terminal = openTerminal();
  terminal.print(prompt);
  try {
    const line = await readLine(terminal.input);
    assertOneLine(line, 'the terminal');
    return line;
  } finally {
    terminal.print('\n');
  }
}

/** The controlling terminal in raw mode: nothing typed is shown. */
interface Terminal extends Disposable {
  /** What is typed; what was typed ahead waits here. */
  readonly input: PipeReader;
  readonly print: (text: string) => void;
}

function openTerminal(): Terminal {
  let descriptor: number;
  try {
    descriptor = openSync('/dev/tty', 'r+');
  } catch (cause) {
    throw new HomeError(
      'no-terminal',
      'there is no terminal to ask for the passphrase; give it with --passphrase-file',
      { cause },
    );
  }
  const input = new ReadStream(descriptor);
  input.setRawMode(true);
  return {
    input: pipeReader(input),
    print: (text) => writeSync(descriptor, text),
    [Symbol.dispose]: () => {
      input.setRawMode(false);
      input.destroy();
    },
  };
}

async function ask({ input, print }: Terminal, prompt: string): Promise<string> {
  print(prompt);
  try {
    return decodePassphrase(await readLine(input), 'the terminal');
  } finally {
    print('\n');
  }
}

const key = {
  interrupt: 0x03,
  end: 0x04,
  backspace: 0x08,
  lineFeed: 0x0a,
  carriageReturn: 0x0d,
  clearLine: 0x15,
  escape: 0x1b,
  rubOut: 0x7f,
} as const;

/** In raw mode the keys that edit a line are ours to obey. */
async function readLine(input: PipeReader): Promise<Uint8Array> {
  const line: number[] = [];
  while (line.length <= maxPassphraseFileBytes) {
    const typed = (await input.read(1))?.[0] ?? key.end;
    if (typed === key.lineFeed || typed === key.carriageReturn) return Uint8Array.from(line);
    if (typed === key.interrupt || typed === key.end) throw new HomeError('cancelled', 'no passphrase was given');
    if (typed === key.escape)
      throw new HomeError('bad-passphrase', 'the passphrase from the terminal holds a control character');
    if (typed === key.clearLine) line.length = 0;
    else if (typed === key.backspace || typed === key.rubOut) dropCharacter(line);
    else line.push(typed);
  }
  throw new HomeError('bad-passphrase', `the passphrase is longer than ${maxPassphraseFileBytes} bytes`);
}

/** UTF-8 continues a character with bytes 10xxxxxx (RFC 3629, Section 3). */
function dropCharacter(line: number[]): void {
  while (((line.pop() ?? 0) & 0xc0) === 0x80);
}
