/**
 * The share at rest: an age file under a passphrase (C2SP age v1, scrypt recipient), which the stock `age` tool opens.
 *
 * Only a short-lived child process (`age-child.ts`) knows the passphrase and makes or opens the file; it gets and gives bytes over pipes.
 * Each scalar passes through this process once: from the arithmetic group into the pipe, or from the pipe into the group.
 */
import { spawn } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { HomeError, type HomeErrorCode } from './errors.ts';
import { readFileBounded, syncFile, writeFileAtomic } from './files.ts';
import { maxSharePayloadBytes, maxShareFileBytes } from './limits.ts';
import { answer, frameHead, operation, pipeReader, readFrame, writeAll } from './pipe.ts';
import {
  decodePayload,
  encodeHeader,
  encodeLabel,
  headerBytes,
  scalarBytes,
  type ShareEntry,
  type ShareHeader,
  type ShareLabel,
} from './share-payload.ts';
import { at } from '../protocol/wire/present.ts';

export type { ShareHeader, ShareLabel } from './share-payload.ts';

/** Where the child gets the passphrase: from a file, else from the person at the terminal. */
export interface PassphraseSource {
  /** An owner-only file with one line, or a systemd credential. */
  readonly file?: string;
}

/** A share on its way out of the arithmetic group. */
export interface ShareToSeal extends ShareLabel {
  /** Calls `write` once with the 32 bytes of the scalar and may wipe them when the promise settles (`SecretGroup.exportSecret`). */
  export(write: (bytes: Uint8Array) => Promise<void>): Promise<void>;
}

/** A share on its way into the arithmetic group. */
export interface OpenedShare extends ShareLabel {
  /** Hands the 32-byte scalar to `load` once, and wipes it whatever `load` does. A second call throws `HomeError('missing')`. */
  take<T>(load: (bytes: Uint8Array) => T): T;
}

/** An opened share file: what it is about, and its shares, each to be taken out once. */
export interface OpenedShares extends ShareHeader {
  readonly shares: readonly OpenedShare[];
}

/** A child that knows the passphrase, asked for once, for as long as one command needs it. Requests run one after the other. */
export interface Keystore extends AsyncDisposable {
  /** Replaces the share file at `path`, synced; any failure leaves the old one. */
  seal(path: string, header: ShareHeader, shares: readonly ShareToSeal[]): Promise<void>;
  /** Opens the share file at `path`. */
  open(path: string): Promise<OpenedShares>;
}

/** How the passphrase is asked for, and where the child process that keeps it is. */
export interface KeystoreOptions {
  readonly passphrase: PassphraseSource;
  /** `new` asks twice at the terminal. */
  readonly purpose: 'new' | 'existing';
  /** The compiled `age-child.js`, if it is not in its usual place. */
  readonly childPath?: string;
}

/**
 * Starts the child and resolves when it has the passphrase.
 * Throws `HomeError`: `no-terminal`, `cancelled`, `bad-passphrase`, `age-failed`, and for the passphrase file `missing`, `unreadable`,
 * `too-large`, `not-private`. Its requests throw `wrong-passphrase`, `damaged`, `missing`, `disk-full`, `write-failed`, `age-failed`.
 */
export async function openKeystore(options: KeystoreOptions): Promise<Keystore> {
  const child = await startAgeChild(options);
  const exclusive = oneAtATime();
  return {
    seal: (path, header, shares) => exclusive(() => seal(child, path, header, shares)),
    open: (path) => exclusive(() => open(child, path)),
    [Symbol.asyncDispose]: () => exclusive(() => child.end()),
  };
}

/** One use of a keystore with a new passphrase: `Keystore.seal`. */
export async function sealShares(
  request: Omit<KeystoreOptions, 'purpose'> & {
    readonly path: string;
    readonly header: ShareHeader;
    readonly shares: readonly ShareToSeal[];
  },
): Promise<void> {
  await using keystore = await openKeystore({ ...request, purpose: 'new' });
  await keystore.seal(request.path, request.header, request.shares);
}

/** One use of a keystore: `Keystore.open`. */
export async function openShares(
  request: Omit<KeystoreOptions, 'purpose'> & { readonly path: string },
): Promise<OpenedShares> {
  await using keystore = await openKeystore({ ...request, purpose: 'existing' });
  return await keystore.open(request.path);
}

async function seal(child: AgeChild, path: string, header: ShareHeader, shares: readonly ShareToSeal[]): Promise<void> {
  const labels = shares.map(encodeLabel);
  const length = labels.reduce((sum, label) => sum + label.length + scalarBytes, headerBytes);
  if (length > maxSharePayloadBytes)
    throw new HomeError('too-large', `${shares.length} shares are more than one share file holds`, { path });

  const file = await child.request(path, operation.seal, length, async (write) => {
    await write(encodeHeader(header));
    for (const [index, share] of shares.entries()) {
      await write(at(labels, index));
      await exportOnce(share, write);
    }
  });
  await writeFileAtomic(path, file);
}

async function exportOnce(share: ShareToSeal, write: (bytes: Uint8Array) => Promise<void>): Promise<void> {
  let exported = 0;
  await share.export(async (bytes) => {
    exported += bytes.length;
    if (exported !== scalarBytes) throw new HomeError('age-failed', `a share of ${exported} bytes was to be sealed`);
    await write(bytes);
  });
  if (exported !== scalarBytes) throw new HomeError('age-failed', 'a share was not exported');
}

/**
 * Node reads a pipe into blocks that it copies and frees without wiping. So that no scalar stays behind in them, the
 * child sends the payload XOR a random mask of ours, and each scalar is unmasked in a buffer of its own only when it is taken.
 */
async function open(child: AgeChild, path: string): Promise<OpenedShares> {
  const file = await readFileBounded(path, maxShareFileBytes, { ownerOnly: true });
  // A killed predecessor may have renamed the file without syncing the folder; what is read here is acted upon.
  await syncFile(path);
  const mask = randomFillSync(new Uint8Array(new ArrayBuffer(file.length)));
  const masked = await child.request(path, operation.open, 2 * file.length, async (write) => {
    await write(mask);
    await write(file);
  });

  const unmask = (from: number, to: number): Uint8Array => {
    // Its own ArrayBuffer: the garbage collector never moves it, and so leaves no copy behind.
    const bytes = new Uint8Array(new ArrayBuffer(to - from));
    for (let index = 0; index < bytes.length; index++)
      bytes[index] = (masked[from + index] ?? 0) ^ (mask[from + index] ?? 0);
    return bytes;
  };
  const { header, entries } = decodePayload(masked.length, unmask, path);
  return { ...header, shares: entries.map((entry) => openedShare(entry, unmask, mask)) };
}

function openedShare(
  { scalarOffset, ...label }: ShareEntry,
  unmask: (from: number, to: number) => Uint8Array,
  mask: Uint8Array,
): OpenedShare {
  let taken = false;
  return {
    ...label,
    take: (load) => {
      if (taken) throw new HomeError('missing', `the share for ${label.channel} was taken already`);
      taken = true;
      const scalar = unmask(scalarOffset, scalarOffset + scalarBytes);
      mask.fill(0, scalarOffset, scalarOffset + scalarBytes);
      try {
        return load(scalar);
      } finally {
        scalar.fill(0);
      }
    },
  };
}

/** The age child from outside. */
interface AgeChild {
  /** Sends one request, whose body of `length` bytes `send` writes, and resolves with the result. If `send` fails, the child is killed: it never seals a part. */
  request(
    path: string,
    kind: number,
    length: number,
    send: (write: (bytes: Uint8Array) => Promise<void>) => Promise<void>,
  ): Promise<Uint8Array>;
  /** Resolves when the process is gone. */
  end(): Promise<void>;
}

async function startAgeChild({ passphrase, purpose, childPath = ageChildPath() }: KeystoreOptions): Promise<AgeChild> {
  const flags = passphrase.file === undefined ? [] : ['--passphrase-file', passphrase.file];
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
    const frame = await readFrame(answers, maxShareFileBytes);
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
    request: async (path, kind, length, send) => {
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

function oneAtATime(): <T>(task: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const result = last.then(task);
    last = result.catch(() => undefined);
    return result;
  };
}
