/** A new requester: a home with a name and an identity, and the card that shows both. */
import { printableJson } from '../verifier/printable.ts';
import { readFileBounded, useOwnerOnlyUmask, writeFileOnce } from '../home/files.ts';
import { HomeError } from '../home/errors.ts';
import { initHome, openHome, type Home } from '../home/home.ts';
import { createIdentity, loadIdentity } from '../home/identity.ts';
import { isName } from '../verifier/names.ts';
import { encodeCard } from '../protocol/files/card.ts';
import { RequesterError } from './errors.ts';
import { maxNameFileBytes } from './limits.ts';

/**
 * Makes the home at `path` (default `~/.frostmark/requester`) with this name and a new identity, and returns its card.
 * Run again with the same name it returns the same card; another name is refused. Throws `HomeError` and `RequesterError('bad-field')`.
 */
export async function initRequester(path: string | undefined, name: string): Promise<string> {
  if (!isName(name)) {
    throw new RequesterError(
      'bad-field',
      `${printableJson(name.slice(0, 80))} is no name: 1 to 64 of a-z, 0-9, dot, underscore, dash, the first a letter or digit`,
    );
  }
  useOwnerOnlyUmask();
  const home = await initHome('requester', path);
  await once(() => writeFileOnce(home.file('name'), new TextEncoder().encode(`${name}\n`)));
  const held = await readName(home);
  if (held !== name) throw new HomeError('exists', `${home.path} is the home of ${held}; give another --home`);
  await once(() => createIdentity(home));
  return requesterCard(path);
}

/** The card of the home at `path`, one line. Throws `HomeError`. */
export async function requesterCard(path: string | undefined): Promise<string> {
  const home = await openHome('requester', path);
  return encodeCard('requester', await readName(home), await loadIdentity(home));
}

async function readName(home: Home): Promise<string> {
  const path = home.file('name');
  const name = new TextDecoder().decode(await readFileBounded(path, maxNameFileBytes)).replace(/\n$/, '');
  if (!isName(name))
    throw new HomeError('damaged', `${path} holds no name; write the name on the card into it`, { path });
  return name;
}

/** What an interrupted `init` made already stays. */
async function once(make: () => Promise<unknown>): Promise<void> {
  try {
    await make();
  } catch (error) {
    if (!(error instanceof HomeError) || error.code !== 'exists') throw error;
  }
}
