/**
 * The short-lived process that makes and opens age files (C2SP age v1, scrypt and X25519 recipients), alone with passphrase and identities.
 *
 *     node age-child.js new|existing|change|none [--passphrase-file PATH] [--new-passphrase-file PATH]
 *
 * It answers once when it has the passphrase (with `change` the old and the new one, with `none` neither), then once for each request, and
 * exits when its stdin ends. Nothing but pipes and the terminal is touched; what it knew is gone with it.
 */
import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient, type Stanza } from 'age-encryption';
import { parseArgs } from 'node:util';
import { HomeError } from './errors.ts';
import { maxPipeBytes, scryptWorkFactor, spareKeys } from './limits.ts';
import { askPassphrase, readPassphraseFile } from './passphrase.ts';
import {
  answer,
  decodePart,
  encodePart,
  frameHead,
  operation,
  pipeReader,
  readFrame,
  writeAll,
  type Frame,
  type PipeReader,
} from './pipe.ts';

const utf8 = new TextEncoder();
const testingOnlyVariable = 'FROSTMARK_TESTING_ONLY_SCRYPT_WORK_FACTOR';

// The default handler would open the inspector on a process that holds passphrase and shares.
process.on('SIGUSR1', () => undefined);
// Ctrl-C reaches the whole foreground group; the parent decides, and the end of stdin tells us.
process.on('SIGINT', () => undefined);

/** What this process knows. */
interface Known {
  /** Throws `HomeError('age-failed')` in a process that was not told it. */
  readonly passphrase: () => string;
  readonly newPassphrase: () => string;
  readonly workFactor: number;
  /** Identities by the bytes of their key file: the key files of a home are mostly copies of one, and each would cost a guess at the passphrase. */
  readonly openedKeys: Map<string, readonly string[]>;
  /** Key files under the new passphrase by the old ones' bytes: copies of one file stay copies of one file. */
  readonly rewrapped: Map<string, Uint8Array>;
}

await main();
process.exit();

async function main(): Promise<void> {
  const requests = pipeReader(process.stdin);
  let request = nextRequest(requests); // from now on: a parent that goes while a person is being asked is noticed
  try {
    const known = await knownFrom(process.argv.slice(2));
    await respond(answer.result, new Uint8Array(0));
    for (; ; request = nextRequest(requests)) await serve(await request, known);
  } catch (error) {
    await respondError(error);
    process.exitCode = 1;
  }
}

/** Ends this process when there is none: the parent is done, or has gone. */
async function nextRequest(requests: PipeReader): Promise<Frame> {
  return (await readFrame(requests, maxPipeBytes)) ?? process.exit();
}

async function knownFrom(args: string[]): Promise<Known> {
  const { values, positionals } = parseArgs({
    args,
    options: { 'passphrase-file': { type: 'string' }, 'new-passphrase-file': { type: 'string' } },
    allowPositionals: true,
  });
  const [purpose] = positionals;
  const passphrase = purpose === 'none' ? undefined : await passphraseOf(purpose === 'new', values['passphrase-file']);
  const newPassphrase = purpose === 'change' ? await passphraseOf(true, values['new-passphrase-file']) : undefined;
  return {
    passphrase: () => told(passphrase),
    newPassphrase: () => told(newPassphrase),
    workFactor: chosenWorkFactor(purpose !== 'none'),
    openedKeys: new Map(),
    rewrapped: new Map(),
  };
}

function passphraseOf(isNew: boolean, file: string | undefined): Promise<string> {
  return file === undefined ? askPassphrase(isNew) : readPassphraseFile(file, process.env['CREDENTIALS_DIRECTORY']);
}

function told(passphrase: string | undefined): string {
  if (passphrase === undefined) throw new HomeError('age-failed', 'this process was told no passphrase');
  return passphrase;
}

function chosenWorkFactor(isUsed: boolean): number {
  const text = process.env[testingOnlyVariable];
  if (text === undefined || text === '') return scryptWorkFactor;
  if (!/^[0-9]{1,2}$/.test(text) || Number(text) < 1 || Number(text) > scryptWorkFactor) {
    throw new HomeError('bad-config', `${testingOnlyVariable} must be a number from 1 to ${scryptWorkFactor}`);
  }
  const warning = `frostmark: ${testingOnlyVariable} is set: shares are sealed with scrypt work factor ${text}, for tests only\n`;
  if (isUsed) process.stderr.write(warning);
  return Number(text);
}

async function serve(request: Frame, known: Known): Promise<void> {
  try {
    await respond(answer.result, await perform(request, known));
  } catch (error) {
    await respondError(error);
  }
}

async function perform({ kind, body }: Frame, known: Known): Promise<Uint8Array> {
  switch (kind) {
    case operation.seal:
      return encrypt(body, known.passphrase(), known.workFactor);
    case operation.open: {
      const half = body.length / 2;
      return masked(await decrypt(body.subarray(half), known.passphrase()), body.subarray(0, half));
    }
    case operation.makeKeys:
      return makeKeys(known);
    case operation.recipientsOf:
      return utf8.encode((await Promise.all((await openKey(body, known)).map(identityToRecipient))).join('\n'));
    case operation.sealTo: {
      const { part, rest } = decodePart(body);
      return encryptTo(new TextDecoder().decode(part), rest);
    }
    case operation.openWith: {
      const { part, rest } = decodePart(body);
      const half = rest.length / 2;
      const identities = await openKey(part, known);
      return masked(await decryptWith(rest.subarray(half), identities), rest.subarray(0, half));
    }
    case operation.convert:
      return convert(body, known);
    case operation.rewrap:
      return rewrap(body, known);
    default:
      throw new HomeError('age-failed', `no operation ${kind}`);
  }
}

function encrypt(payload: Uint8Array, passphrase: string, workFactor: number): Promise<Uint8Array> {
  const encrypter = new Encrypter();
  encrypter.setPassphrase(passphrase);
  encrypter.setScryptWorkFactor(workFactor);
  return encrypter.encrypt(payload);
}

function encryptTo(recipient: string, payload: Uint8Array): Promise<Uint8Array> {
  const encrypter = new Encrypter();
  encrypter.addRecipient(recipient);
  return encrypter.encrypt(payload);
}

/** What `age-keygen` writes, once for each identity, so that `age -d -i` takes it, too. */
async function sealKey(identities: readonly string[], passphrase: string, workFactor: number): Promise<Uint8Array> {
  const texts = identities.map(
    async (identity) => `# public key: ${await identityToRecipient(identity)}\n${identity}\n`,
  );
  return encrypt(utf8.encode((await Promise.all(texts)).join('')), passphrase, workFactor);
}

async function openKey(file: Uint8Array, { passphrase, openedKeys }: Known): Promise<readonly string[]> {
  const name = Buffer.from(file).toString('latin1');
  const opened = openedKeys.get(name);
  if (opened !== undefined) return opened;
  const lines = new TextDecoder().decode(await decrypt(file, passphrase())).split('\n');
  const identities = lines.filter((line) => line.startsWith('AGE-SECRET-KEY-1'));
  if (identities.length === 0)
    throw new HomeError('damaged', 'its key file opens, but holds no age identity; restore it from your backup');
  openedKeys.set(name, identities);
  return identities;
}

async function makeKeys({ passphrase, workFactor, openedKeys }: Known): Promise<Uint8Array> {
  const identities = await Promise.all(Array.from({ length: spareKeys }, () => generateX25519Identity()));
  const file = await sealKey(identities, passphrase(), workFactor);
  openedKeys.set(Buffer.from(file).toString('latin1'), identities);
  return file;
}

async function rewrap(file: Uint8Array, known: Known): Promise<Uint8Array> {
  const name = Buffer.from(file).toString('latin1');
  const renewed =
    known.rewrapped.get(name) ?? (await sealKey(await openKey(file, known), known.newPassphrase(), known.workFactor));
  known.rewrapped.set(name, renewed);
  return renewed;
}

async function convert(file: Uint8Array, { passphrase, workFactor }: Known): Promise<Uint8Array> {
  const payload = await decrypt(file, passphrase());
  const identity = await generateX25519Identity();
  const key = await sealKey([identity], passphrase(), workFactor);
  return Buffer.concat([encodePart(key), await encryptTo(await identityToRecipient(identity), payload)]);
}

async function decryptWith(file: Uint8Array, identities: readonly string[]): Promise<Uint8Array> {
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  try {
    return await decrypter.decrypt(file);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'unknown reason';
    throw new HomeError(
      'damaged',
      `its key file does not open it, or it is damaged (${reason}); restore both from your backup`,
      {
        cause,
      },
    );
  }
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
