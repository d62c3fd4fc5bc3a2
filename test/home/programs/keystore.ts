/**
 * Uses the keystore as a daemon would: `seal|open|change CHILD FILE [PASSPHRASE-FILE]`, shares of known bytes (`fixture`).
 * Prints one line: `done`, what was opened, or `code: message`. `hold` opens, seals a copy, and then stays, for its memory to be read.
 */
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { changePassphrase } from '../../../home/passphrase-change.ts';
import { HomeError } from '../../../home/errors.ts';
import { openKeystore, type Keystore, type OpenedShare } from '../../../home/keystore.ts';
import type { ShareToSeal } from '../../../home/spare-keys.ts';
import { openShares, sealShares } from '../../harness/shares.ts';

const [command = '', childPath = '', path = '', file] = process.argv.slice(2);
const passphrase = file === undefined ? {} : { file };
const header = { hash: new Uint8Array(32).fill(7) } as const;
const print = (line: string): void => void process.stdout.write(`${line}\n`);

try {
  switch (command) {
    case 'seal':
      await sealShares({
        path,
        passphrase,
        childPath,
        ...header,
        shares: [fixture('production', 0xa5), fixture('development', 0x5a)],
      });
      print('done');
      break;
    case 'open': {
      const { shares } = await openShares({ path, passphrase, childPath });
      print(shares.map(described).join(' '));
      break;
    }
    case 'change':
      print(`changed ${await changePassphrase({ folder: dirname(path), passphrase, childPath })}`);
      break;
    case 'hold':
      await hold();
      break;
  }
} catch (error) {
  print(error instanceof HomeError ? `${error.code}: ${error.message}` : String(error));
}

function fixture(channel: string, byte: number): ShareToSeal {
  return { channel, sharing: 0, identifier: 3, export: (write) => write(new Uint8Array(32).fill(byte)) };
}

function described(share: OpenedShare): string {
  return `${share.channel}/${share.sharing}/${share.identifier}=${share.take((bytes) => Buffer.from(bytes).toString('hex'))}`;
}

/** Takes the shares in and seals them again from one place in memory, as the arithmetic group does; `keep` leaves them there. */
async function hold(): Promise<void> {
  const arena = new Uint8Array(new ArrayBuffer(1 << 20));
  let used = 0;
  await using keystore: Keystore = await openKeystore({ passphrase, purpose: 'existing', childPath });
  const { shares } = await keystore.open(path);
  const sealed = shares.map((share): ShareToSeal => {
    const { channel, sharing, identifier } = share;
    const slot = share.take((bytes) => {
      arena.set(bytes, used);
      return (used += 64) - 64;
    });
    return { channel, sharing, identifier, export: (write) => write(arena.subarray(slot, slot + 32)) };
  });
  const keys = await keystore.spareKeys(dirname(path));
  await keys.store({ path: join(dirname(path), 'share-copy.age'), ...header, shares: sealed });
  print('held');
  const commands = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  for (let next = await commands.next(); next.done !== true; next = await commands.next()) {
    if (next.value === 'wipe') arena.fill(0);
    print(`${next.value} done`);
  }
}
