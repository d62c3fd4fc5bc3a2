/** A new participant: a home with a name and an identity, and the card that shows both. */
import { printableJson } from '../verifier/printable.ts';
import { encodeCard } from '../protocol/files/card.ts';
import { assertSchema, Name } from '../protocol/wire/schema.ts';
import { HomeError } from '../home/errors.ts';
import { readFileBounded, useOwnerOnlyUmask, writeFileOnce } from '../home/files.ts';
import { initHome, openHome, type Home } from '../home/home.ts';
import { createIdentity, loadIdentity } from '../home/identity.ts';
import { maxNameFileBytes } from './limits.ts';

const nameFile = 'name';

/**
 * Makes the home at `path` (default `~/.frostmark/participant`) with this name and a new identity, and returns its card.
 * Run again with the same name it returns the same card; another name is refused. Throws `HomeError` and `ProtocolError('bad-card')`.
 */
export async function initParticipant(path: string | undefined, name: string): Promise<string> {
  useOwnerOnlyUmask();
  assertSchema(Name, name, 'bad-card', `the name ${printableJson(name.slice(0, 80))}`);
  const home = await initHome('participant', path);
  await writeOnce(() => writeFileOnce(home.file(nameFile), new TextEncoder().encode(`${name}\n`)));
  const held = await readName(home);
  if (held !== name) throw new HomeError('exists', `${home.path} is the home of ${held}; give another --home`);
  await writeOnce(() => createIdentity(home));
  return cardOf(path);
}

/** The card of the home at `path`, one line. Throws `HomeError`. */
export async function cardOf(path: string | undefined): Promise<string> {
  const home = await openHome('participant', path);
  return encodeCard('member', await readName(home), await loadIdentity(home));
}

/** Throws `HomeError` (`missing`) or `ProtocolError('bad-card')`. */
export async function readName(home: Home): Promise<string> {
  const name = new TextDecoder()
    .decode(await readFileBounded(home.file(nameFile), maxNameFileBytes))
    .replace(/\n$/, '');
  assertSchema(Name, name, 'bad-card', `the name in ${home.file(nameFile)}`);
  return name;
}

async function writeOnce(write: () => Promise<unknown>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (!(error instanceof HomeError) || error.code !== 'exists') throw error;
  }
}
