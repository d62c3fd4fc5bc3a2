/** Where results go: compared with the inputs and with what is there, and tried, before anybody is asked for a signature (T51). */
import { lstat, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { printable } from '../verifier/printable.ts';
import { HomeError, systemCode, writeFailure } from '../home/errors.ts';
import { readFileBounded, tryToWrite } from '../home/files.ts';
import { RequesterError } from './errors.ts';
import { maxEarlierOutputBytes } from './limits.ts';

/** A file that will be written. */
export interface Output {
  readonly path: string;
  /** For messages: `the signature of a.tgz`. */
  readonly what: string;
  /** Bytes that it takes, about; what the disk must have room for. */
  readonly size: number;
  /** Whether the bytes of a file that lies there are our own earlier output for the same thing. Throws nothing. */
  isOurs(bytes: Uint8Array): boolean;
}

/** What is read and what is written. */
export interface OutputPlan {
  readonly inputs: readonly string[];
  readonly outputs: readonly Output[];
  /** Replaces whatever regular file lies where an output goes; never an input. */
  readonly force: boolean;
}

/**
 * Refuses a plan that would destroy something or cannot be carried out. Afterwards every output has room where it goes, as far as can be known.
 * Throws `RequesterError` (`output-is-input`, `output-exists`) and `HomeError` (`missing`, `write-failed`, `disk-full`) for a folder that is
 * not there or read-only, a name that is too long, a disk that is full.
 */
export async function assertOutputs({ inputs, outputs, force }: OutputPlan): Promise<void> {
  const taken = new Map<string, string>();
  for (const path of inputs) for (const place of await placesOf(path)) taken.set(place, path);
  for (const output of outputs) {
    const places = await placesOf(output.path);
    const other = places.map((place) => taken.get(place)).find((path) => path !== undefined);
    if (other !== undefined) throw isTaken(output, other);
    await assertReplaceable(output, force);
    for (const place of places) taken.set(place, output.path);
  }
  await tryToWrite(outputs);
}

function isTaken({ path, what }: Output, other: string): RequesterError {
  return new RequesterError(
    'output-is-input',
    `${printable(path)} would be replaced by ${printable(what)}, and this very command needs ${printable(other)}: give one of them another name`,
  );
}

/** By what two paths are one file: the name in its folder, and, where there is a file, the file itself. Throws `HomeError`. */
async function placesOf(path: string): Promise<string[]> {
  const folder = await realpath(dirname(path)).catch((error: unknown) => {
    throw noFolder(path, error);
  });
  const known = await stat(path, { bigint: true }).catch(() => undefined);
  return [join(folder, basename(path)), ...(known === undefined ? [] : [`${known.dev}:${known.ino}`])];
}

function noFolder(path: string, cause: unknown): HomeError {
  const why = systemCode(cause) === 'EACCES' ? 'cannot be entered' : 'is not there; make it first';
  return new HomeError('missing', `the folder of ${path} ${why}`, { path, cause });
}

async function assertReplaceable(output: Output, force: boolean): Promise<void> {
  const { path, what } = output;
  const found = await lstat(path).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw writeFailure(error, path);
  });
  // An empty file holds nothing that could be lost: `mktemp` makes such ones.
  if (found === undefined || (found.isFile() && (found.size === 0 || force))) return;
  if (found.isFile() && output.isOurs(await readEarlier(path))) return;
  const kind = found.isDirectory()
    ? 'a folder'
    : found.isFile()
      ? 'a file that is no earlier output for the same thing'
      : 'no regular file';
  throw new RequesterError('output-exists', `${printable(path)}, where ${printable(what)} goes, is ${kind}`);
}

/** What cannot be read, or is longer than anything that we write, is not ours. */
async function readEarlier(path: string): Promise<Uint8Array> {
  return readFileBounded(path, maxEarlierOutputBytes).catch(() => new Uint8Array());
}
