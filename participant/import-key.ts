/** `frostmark participant import-key`: a one-time key to which this member's share of a key that is whole can be sealed. */
import { readFileBounded } from '../home/files.ts';
import { Closers } from '../home/closers.ts';
import { openKeystore, type PassphraseSource } from '../home/keystore.ts';
import { holdsKeys } from '../home/share-key.ts';
import { encodeImportKey } from '../protocol/ceremony/import-key.ts';
import { holdersOfProduction } from '../protocol/ceremony/import.ts';
import { decodeCharter, type Charter } from '../protocol/files/charter.ts';
import { maxCharterBytes } from '../protocol/limits.ts';
import { hexToBytes } from '../protocol/wire/bytes.ts';
import { ParticipantError } from './errors.ts';
import { MemberHome } from './member-home.ts';
import { Vault } from './vault.ts';

/** Which home, for which charter, and where the passphrase comes from. */
export interface ImportKeyOptions {
  /** Folder of the home; `~/.frostmark/participant` by default. */
  readonly home?: string | undefined;
  readonly charterPath: string;
  readonly passphrase: PassphraseSource;
  /** The compiled age child, if it is not in its usual place. */
  readonly ageChildPath?: string | undefined;
}

/** A member's one-time key. */
export interface MadeImportKey {
  /** `frostmark-import-key:…`, without a newline. */
  readonly line: string;
  /** Who made it, as the charter says. */
  readonly member: string;
  /** The age file in the home that holds the secret half. */
  readonly path: string;
}

/**
 * Makes the key and keeps its secret half encrypted; run again for the same charter it answers with the same key.
 * Throws `ParticipantError` (`not-a-holder`, `not-a-member`, `other-charter`), `HomeError`, `JournalError`, `ProtocolError`.
 */
export async function makeImportKey(options: ImportKeyOptions): Promise<MadeImportKey> {
  await using home = await MemberHome.open(options.home, () => undefined);
  const charter = decodeCharter(await readFileBounded(options.charterPath, maxCharterBytes), options.charterPath);
  const self = home.memberOf(charter);
  assertHolder(charter, self.name);
  if ((await home.documents()).genesis !== null)
    throw new ParticipantError('other-charter', `${home.home.path} has a share of a key already; make another home`);
  const line = encodeImportKey(charter, await importPublicKey(home, charter, options), home.identity);
  return { line, member: self.name, path: home.importKeyPath(charter) };
}

function assertHolder(charter: Charter, name: string): void {
  if (holdersOfProduction(charter).holders.some((holder) => holder.name === name)) return;
  throw new ParticipantError(
    'not-a-holder',
    `${name} holds no share of production in this charter: nothing will be sealed to it`,
  );
}

/** X25519, 32 bytes: of the key that is kept, or of one that is made and kept now. */
async function importPublicKey(home: MemberHome, charter: Charter, options: ImportKeyOptions): Promise<Uint8Array> {
  const path = home.importKeyPath(charter);
  const isKept = await home.hasImportKey(charter);
  const closers = new Closers();
  try {
    const vault = await Vault.open(charter, home.memberOf(charter));
    closers.defer(() => {
      vault.end();
    });
    const keystore = closers.use(
      await openKeystore({
        passphrase: options.passphrase,
        purpose: (await holdsKeys(home.home.path)) ? 'existing' : 'new',
        ...(options.ageChildPath === undefined ? {} : { childPath: options.ageChildPath }),
      }),
    );
    if (isKept) return vault.importPublicKey(await keystore.open(path));
    const { publicKey, secret } = vault.makeImportKey();
    const spareKeys = await keystore.spareKeys(home.home.path);
    await spareKeys.store({ path, hash: hexToBytes(charter.hash), shares: [secret] });
    return publicKey;
  } finally {
    await closers.close();
  }
}
