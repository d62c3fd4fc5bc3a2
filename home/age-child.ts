/**
 * The short-lived process that makes and opens age files (C2SP age v1, scrypt recipient), alone with the passphrase.
 *
 *     node age-child.js new|existing [--passphrase-file PATH]
 *
 * It answers once when it has the passphrase, then once for each request, and exits when its stdin ends. Nothing but
 * pipes and the terminal is touched; what it knew is gone with it.
 */
import { Decrypter, Encrypter, type Stanza } from 'age-encryption';
import { HomeError } from './errors.ts';
import { maxShareFileBytes, scryptWorkFactor } from './limits.ts';
import { askPassphrase, readPassphraseFile } from './passphrase.ts';
import { answer, frameHead, operation, pipeReader, readFrame, writeAll, type Frame, type PipeReader } from './pipe.ts';

const testingOnlyVariable = 'FROSTMARK_TESTING_ONLY_SCRYPT_WORK_FACTOR';

// The default handler would open the inspector on a process that holds passphrase and shares.
process.on('SIGUSR1', () => undefined);
// Ctrl-C reaches the whole foreground group; the parent decides, and the end of stdin tells us.
process.on('SIGINT', () => undefined);

await main();
process.exit();

async function main(): Promise<void> {
  const requests = pipeReader(process.stdin);
  let request = nextRequest(requests); // from now on: a parent that goes while a person is being asked is noticed
  try {
    const passphrase = await passphraseOf(process.argv.slice(2));
    const workFactor = chosenWorkFactor();
    await respond(answer.result, new Uint8Array(0));
    for (; ; request = nextRequest(requests)) await serve(await request, passphrase, workFactor);
  } catch (error) {
    await respondError(error);
    process.exitCode = 1;
  }
}

/** Ends this process when there is none: the parent is done, or has gone. */
async function nextRequest(requests: PipeReader): Promise<Frame> {
  return (await readFrame(requests, 2 * maxShareFileBytes)) ?? process.exit();
}

function passphraseOf([purpose, flag, file]: readonly string[]): Promise<string> {
  if (flag === '--passphrase-file' && file !== undefined)
    return readPassphraseFile(file, process.env['CREDENTIALS_DIRECTORY']);
  return askPassphrase(purpose === 'new');
}

function chosenWorkFactor(): number {
  const text = process.env[testingOnlyVariable];
  if (text === undefined || text === '') return scryptWorkFactor;
  if (!/^[0-9]{1,2}$/.test(text) || Number(text) < 1 || Number(text) > scryptWorkFactor) {
    throw new HomeError('bad-config', `${testingOnlyVariable} must be a number from 1 to ${scryptWorkFactor}`);
  }
  process.stderr.write(
    `frostmark: ${testingOnlyVariable} is set: shares are sealed with scrypt work factor ${text}, for tests only\n`,
  );
  return Number(text);
}

async function serve(request: Frame, passphrase: string, workFactor: number): Promise<void> {
  try {
    await respond(answer.result, await perform(request, passphrase, workFactor));
  } catch (error) {
    await respondError(error);
  }
}

async function perform({ kind, body }: Frame, passphrase: string, workFactor: number): Promise<Uint8Array> {
  if (kind === operation.seal) return encrypt(body, passphrase, workFactor);
  if (kind === operation.open) {
    const half = body.length / 2;
    return masked(await decrypt(body.subarray(half), passphrase), body.subarray(0, half));
  }
  throw new HomeError('age-failed', `no operation ${kind}`);
}

function encrypt(payload: Uint8Array, passphrase: string, workFactor: number): Promise<Uint8Array> {
  const encrypter = new Encrypter();
  encrypter.setPassphrase(passphrase);
  encrypter.setScryptWorkFactor(workFactor);
  return encrypter.encrypt(payload);
}

async function decrypt(file: Uint8Array, passphrase: string): Promise<Uint8Array> {
  const decrypter = new Decrypter();
  const seen: { stanzas: readonly Stanza[] } = { stanzas: [] };
  decrypter.addPassphrase(passphrase);
  // Identities are tried in order: this one is asked only if the passphrase before it opened nothing.
  decrypter.addIdentity({
    unwrapFileKey: (stanzas: Stanza[]) => {
      seen.stanzas = stanzas;
      return null;
    },
  });
  try {
    return await decrypter.decrypt(file);
  } catch (cause) {
    if (seen.stanzas.some(({ args }) => args[0] === 'scrypt'))
      throw new HomeError('wrong-passphrase', 'the passphrase does not open it', { cause });
    const reason = cause instanceof Error ? cause.message : 'unknown reason';
    throw new HomeError(
      'damaged',
      `it is no age file that a passphrase opens, or it is damaged (${reason}); restore it from your backup`,
      { cause },
    );
  }
}

function masked(payload: Uint8Array, mask: Uint8Array): Uint8Array {
  return payload.map((byte, index) => byte ^ (mask[index] ?? 0));
}

async function respondError(error: unknown): Promise<void> {
  const { code, message } = error instanceof HomeError ? error : new HomeError('age-failed', String(error));
  await respond(answer.error, new TextEncoder().encode(`${code}\n${message}`));
}

async function respond(kind: number, body: Uint8Array): Promise<void> {
  await writeAll(process.stdout, frameHead(kind, body.length));
  await writeAll(process.stdout, body);
}
