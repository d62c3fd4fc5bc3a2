/** What the commands of whoever asks have in common: which home, which group, which coordinator. */
import { X509Certificate } from 'node:crypto';
import { readKeyArgument, type PinnedKey } from '../verifier/key-file.ts';
import { printable } from '../verifier/printable.ts';
import type { Clocks } from '../client/clock.ts';
import type { ClientError } from '../client/errors.ts';
import type { Patience } from '../client/patience.ts';
import { HomeError } from '../home/errors.ts';
import { readFileBounded } from '../home/files.ts';
import type { Home } from '../home/home.ts';
import { loadIdentity } from '../home/identity.ts';
import { SeenDocumentsFile } from '../home/seen-documents.ts';
import type { Connection } from '../requester/connection.ts';
import { flag, text, type Call, type OptionSpecs } from './command.ts';
import { CommandError } from './errors.ts';
import { briefPatienceMs, maxAuthorityBytes, maxLineBytes } from './limits.ts';
import type { Output } from './output.ts';
import { openAskerHome } from './settings.ts';

/** Flags of every command that talks to a coordinator. */
export const coordinatorOptions = {
  coordinator: text('URL', 'the coordinator, with its fingerprint: https://host:7443/#…'),
  insecure: flag('allow plain http to another machine'),
  ca: text('FILE', 'PEM of an authority that vouches for its TLS certificate'),
} as const;

/** Flags of every command that asks. */
export const askingOptions = {
  group: text('GROUP.pub', 'the group: the file, or the line in it'),
  ...coordinatorOptions,
} as const;

type AskingCall = Pick<Call<typeof askingOptions & OptionSpecs>, 'settings' | 'homePath' | 'output' | 'world'>;

/** The pinned group key. Throws `CommandError('usage')` or `VerifyError('bad-key')`. */
export async function readGroup(value: string | undefined): Promise<PinnedKey> {
  if (value !== undefined) return readKeyArgument(value);
  throw new CommandError(
    'usage',
    'no --group was given',
    'Say --group GROUP.pub, set FROSTMARK_GROUP, or write "group: /path/to/GROUP.pub" into config.yaml in the home.',
  );
}

/** Throws `CommandError('usage')` when no coordinator is known. */
export function requireCoordinator(value: string | undefined): string {
  if (value !== undefined) return value;
  throw new CommandError(
    'usage',
    'no --coordinator was given',
    'Say --coordinator with the URL that "frostmark coordinator serve" printed, set FROSTMARK_COORDINATOR, or write it into config.yaml in the home.',
  );
}

/** PEM in the file that `--ca` names. Throws `HomeError`, and `CommandError('usage')` for a file without certificates. */
export async function readAuthority(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const pem = new TextDecoder().decode(await readFileBounded(path, maxAuthorityBytes));
  if (!hasCertificate(pem))
    throw new CommandError(
      'usage',
      `--ca ${path} is no PEM file with the certificate of an authority`,
      'Such a file begins with -----BEGIN CERTIFICATE-----.',
    );
  return pem;
}

function hasCertificate(pem: string): boolean {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  try {
    return blocks.map((block) => new X509Certificate(block)).length > 0;
  } catch {
    return false;
  }
}

/**
 * Logs in as the identity in the asker's home; dispose it when done. A member's home knows its own group and coordinator. A coordinator that is
 * busy or cannot be reached is waited for as `patience` says, which a person is told once. Whoever only looks is told of a clock that is wrong;
 * who asks (`isAsking`) is refused with `ClientError('wrong-clock')`, since what is asked for carries a date.
 */
export async function connectAsAsker(
  call: AskingCall,
  patience: Omit<Patience, 'onWaiting'> = { forMs: briefPatienceMs },
  isAsking = false,
): Promise<Connection> {
  const connection = await logIn(call, patience);
  const { clockDifference, assertClocksAgree } = await import('../client/clock.ts');
  const clocks = clocksOf(call, connection);
  try {
    if (isAsking) assertClocksAgree(clocks);
  } catch (error) {
    connection[Symbol.dispose]();
    throw error;
  }
  const difference = clockDifference(clocks);
  if (difference !== undefined) call.output.warn(`${difference}; set the one that is wrong`);
  return connection;
}

async function logIn(call: AskingCall, patience: Omit<Patience, 'onWaiting'>): Promise<Connection> {
  const { insecure, ca } = call.settings;
  const home = await openAskerHome(call.homePath);
  const member = home.role === 'participant' ? home : undefined;
  const pinned = await readGroup(call.settings.group ?? (await readLine(member, 'GROUP.pub')));
  const coordinator = requireCoordinator(call.settings.coordinator ?? (await readLine(member, 'coordinator')));
  const { connect } = await import('../requester/connection.ts');
  return await connect({
    coordinator,
    groupKey: pinned.key,
    identity: await loadIdentity(home),
    insecure,
    ca: await readAuthority(ca),
    patience: { ...patience, onWaiting: sayingOnce(call.output) },
    memory: (groupKey) => new SeenDocumentsFile(home, groupKey),
    warn: (message) => call.output.warn(message),
    nowMs: () => call.world.nowUnixSeconds() * 1000,
  });
}

function clocksOf({ world }: Pick<AskingCall, 'world'>, { client }: Connection): Clocks {
  return { clockAheadMs: client.clockAheadMs, nowUnixSeconds: world.nowUnixSeconds() };
}

/** One line for each kind of trouble, however often it is met. */
function sayingOnce(output: Output): (error: ClientError) => void {
  const said = new Set<string>();
  return ({ code, message }) => {
    if (said.has(code)) return;
    said.add(code);
    output.talk(`${printable(message)} (trying again)`);
  };
}

/** What `join` left in a member's home; `undefined` where there is none yet. */
async function readLine(home: Home | undefined, name: string): Promise<string | undefined> {
  if (home === undefined) return undefined;
  try {
    return new TextDecoder().decode(await readFileBounded(home.file(name), maxLineBytes)).trim();
  } catch (error) {
    if (error instanceof HomeError && error.code === 'missing') return undefined;
    throw error;
  }
}
