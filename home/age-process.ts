/** The age child (`age-child.ts`) from outside: the only process that knows a passphrase or an age identity, one request after the other. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { HomeError, type HomeErrorCode } from './errors.ts';
import { maxPipeBytes } from './limits.ts';
import { answer, frameHead, pipeReader, readFrame, writeAll } from './pipe.ts';

/** Where the child gets the passphrase: from a file, else from the person at the terminal. */
export interface PassphraseSource {
  /** An owner-only file with one line, or a systemd credential. */
  readonly file?: string;
}

/** What the child is to know, and where it is. */
export interface AgeChildOptions {
  /** `new` asks twice at the terminal; `change` asks for the old passphrase and twice for the new one; `none` asks nothing. */
  readonly purpose: 'new' | 'existing' | 'change' | 'none';
  readonly passphrase?: PassphraseSource;
  readonly newPassphrase?: PassphraseSource;
  /** The compiled `age-child.js`, if it is not in its usual place. */
  readonly childPath?: string;
}

/** One request to the age child. */
export interface AgeRequest {
  /** The file that it is about, for messages; may be empty. */
  readonly path: string;
  /** One of `operation`. */
  readonly kind: number;
  /** Bytes of the body. */
  readonly length: number;
  /** Writes the body, exactly `length` bytes. */
  readonly send: (write: (bytes: Uint8Array) => Promise<void>) => Promise<void>;
}

/** The age child from outside. */
export interface AgeChild {
  /** Sends one request and resolves with the result. If its `send` fails, the child is killed: it never seals a part. */
  request(request: AgeRequest): Promise<Uint8Array>;
  /** Resolves when the process is gone. */
  end(): Promise<void>;
}

/** A body that is there as a whole, part after part. */
export function whole(...parts: readonly Uint8Array[]): Pick<AgeRequest, 'length' | 'send'> {
  return {
    length: parts.reduce((sum, part) => sum + part.length, 0),
    send: async (write) => {
      for (const part of parts) await write(part);
    },
  };
}

/**
 * Starts it and resolves when it has the passphrase. Throws `HomeError`: `no-terminal`, `cancelled`, `bad-passphrase`, `age-failed`, and
 * for the passphrase files `missing`, `unreadable`, `too-large`, `not-private`.
 */
export async function startAgeChild({
  purpose,
  passphrase = {},
  newPassphrase = {},
  childPath = ageChildPath(),
}: AgeChildOptions): Promise<AgeChild> {
  const flags = [...fileFlag('--passphrase-file', passphrase), ...fileFlag('--new-passphrase-file', newPassphrase)];
  const child = spawn(process.execPath, [childPath, purpose, ...flags], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: childEnvironment(),
  });
  const exited = new Promise<string>((resolve) => {
    child.once('error', ({ message }) => resolve(message));
    child.once('exit', (code, signal) => resolve(`it ended with ${signal ?? String(code)}`));
  });
  child.stdin.on('error', () => undefined); // the write that failed tells it, too
  const answers = pipeReader(child.stdout);
  const receive = async (subject: string): Promise<Uint8Array> => {
    const frame = await readFrame(answers, maxPipeBytes);
    if (frame === undefined)
      throw new HomeError('age-failed', `${subject}the process for age files broke: ${await exited}`);
    if (frame.kind !== answer.result) throw childError(frame.body, subject);
    return frame.body;
  };
  const end = async (): Promise<void> => {
    child.stdin.destroy();
    await exited;
  };

  try {
    await receive('');
  } catch (error) {
    await end();
    throw error;
  }
  return {
    request: async ({ path, kind, length, send }) => {
      try {
        await writeAll(child.stdin, frameHead(kind, length));
        await send((bytes) => writeAll(child.stdin, bytes));
      } catch (error) {
        child.kill('SIGKILL');
        throw error;
      }
      return receive(`${path}: `);
    },
    end,
  };
}

function fileFlag(flag: string, { file }: PassphraseSource): string[] {
  return file === undefined ? [] : [flag, file];
}

/** Beside this file when built; below `dist/` when this file runs as TypeScript. */
function ageChildPath(): string {
  const beside = fileURLToPath(new URL('./age-child.js', import.meta.url));
  return existsSync(beside) ? beside : fileURLToPath(new URL('../dist/home/age-child.js', import.meta.url));
}

/** What the child may report. */
const childErrorCodes: readonly HomeErrorCode[] = [
  'missing',
  'unreadable',
  'too-large',
  'not-private',
  'bad-config',
  'bad-passphrase',
  'wrong-passphrase',
  'no-terminal',
  'cancelled',
  'damaged',
];

/** Nothing that could load code into the child or open its inspector, `NODE_OPTIONS` above all. */
function childEnvironment(): NodeJS.ProcessEnv {
  const passed = ['CREDENTIALS_DIRECTORY', 'FROSTMARK_TESTING_ONLY_SCRYPT_WORK_FACTOR'];
  return Object.fromEntries(passed.map((name) => [name, process.env[name]]));
}

function childError(body: Uint8Array, subject: string): HomeError {
  const [code = '', ...message] = new TextDecoder().decode(body).split('\n');
  return new HomeError(childErrorCodes.find((known) => known === code) ?? 'age-failed', subject + message.join('\n'));
}
