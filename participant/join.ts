/** `frostmark participant join`: the ceremony, and the documents that make its key usable. */
import { randomBytes } from 'node:crypto';
import { ClientError } from '../client/errors.ts';
import { parseCoordinatorUrl, type CoordinatorUrl } from '../client/url.ts';
import { readFileBounded } from '../home/files.ts';
import { openKeystore, type Keystore, type PassphraseSource } from '../home/keystore.ts';
import { holdsKeys } from '../home/share-key.ts';
import { equalBytes, sha256Hex } from '../protocol/wire/bytes.ts';
import { type Certificate } from '../protocol/ceremony/certificate.ts';
import { assertAllStored, openEpoch } from '../protocol/ceremony/epoch.ts';
import { transcriptHash, type Transcript } from '../protocol/ceremony/transcript.ts';
import type { Envelope } from '../protocol/wire/envelope.ts';
import type { Origin } from '../protocol/ceremony/dealing.ts';
import type { Group } from '../protocol/frost/group.ts';
import { createNobleGroup } from '../protocol/frost/group-noble.ts';
import { Closers } from '../home/closers.ts';
import { HeldGroupDocuments } from './group-documents.ts';
import { charterWarnings, decodeCharter, type Charter, type Member } from '../protocol/files/charter.ts';
import { openImport, type Import } from '../protocol/ceremony/import.ts';
import { maxCharterBytes, maxImportBytes, maxRequestersBytes } from '../protocol/limits.ts';
import { emptyRequesters, readRequestersFile, type Requesters } from '../protocol/files/requesters.ts';
import type { ConnectionTiming } from './connection.ts';
import { ignoreInspectorSignal } from './inspector.ts';
import { ParticipantError } from './errors.ts';
import type { Log } from './log.ts';
import { MemberHome, type Agreement } from './member-home.ts';
import { Session, type SessionEvent } from './session.ts';
import { storeShares } from './store-shares.ts';
import { Vault } from './vault.ts';

/** What a person looks at before the ceremony. */
export interface JoinReview {
  readonly charter: Charter;
  readonly requesters: Requesters;
  /** SHA-256 of the requesters file as sha256sum prints it; `undefined` without a file. */
  readonly requestersHash: string | undefined;
  /** The production key comes out of this file. */
  readonly imported: Import | undefined;
  readonly self: Member;
  /** What the chosen quorums mean (`charterWarnings`). */
  readonly warnings: readonly string[];
}

/** What `join` tells while it goes on. */
export type JoinEvent = SessionEvent;

/** What `join` is called with. */
export interface JoinOptions {
  readonly home?: string | undefined;
  readonly charterPath: string;
  /** URL with the coordinator's fingerprint. */
  readonly coordinator: string;
  /** Without it only members may ask. */
  readonly requestersPath?: string | undefined;
  /** A key that `group import` split; the same file for every member, and again on every run until there is a certificate. */
  readonly importPath?: string | undefined;
  /** Asked once, before anything is made; not on a home that has already agreed to this charter. */
  confirm(review: JoinReview): Promise<boolean>;
  progress(event: JoinEvent): void;
  readonly passphrase: PassphraseSource;
  readonly log?: Log | undefined;
  readonly insecure?: boolean | undefined;
  readonly ca?: string | undefined;
  /** Gives up: what is on disk stays, and the next `join` goes on from there. */
  readonly signal?: AbortSignal | undefined;
  /** The compiled age child, if it is not in its usual place. */
  readonly ageChildPath?: string | undefined;
  readonly timing?: Partial<ConnectionTiming> | undefined;
}

/** What `join` came to: the group is made, and its founding documents are signed. */
export interface Joined {
  /** The line of GROUP.pub, without a newline. */
  readonly groupLine: string;
  /** GROUP.pub in the home. */
  readonly groupPath: string;
  readonly origin: Origin;
}

/**
 * Makes this member's share of a new group key, or goes on where an earlier run stopped; on a finished home it returns at once.
 * Throws `HomeError`, `JournalError`, `ParticipantError`, `ProtocolError`, `ClientError`.
 */
export async function joinCeremony(options: JoinOptions): Promise<Joined> {
  ignoreInspectorSignal();
  const log: Log = options.log ?? (() => undefined);
  const url = parseCoordinatorUrl(options.coordinator, { insecure: options.insecure === true });
  await using home = await MemberHome.open(options.home, log);
  const agreement = await agree(home, options);
  await home.writeCoordinator(url.text);
  return await takePart(home, agreement, url, options, log);
}

/** Pins charter and requesters, after a person has looked at them; a home that has signed a transcript goes on with what it agreed to. */
async function agree(home: MemberHome, options: JoinOptions): Promise<Agreement> {
  const charter = decodeCharter(await readFileBounded(options.charterPath, maxCharterBytes), options.charterPath);
  const self = home.memberOf(charter);
  const agreed = await agreedHome(home);
  const { requesters, hash: requestersHash } = await readRequesters(options.requestersPath, charter, agreed);
  const imported = await readImport(options.importPath, charter);
  const { agreed: pinned, ceremonies } = home.records;
  const isStored = ceremonies.current !== undefined && ceremonies.stored.includes(ceremonies.current);
  const isSameCharter = agreed?.charter.hash === charter.hash;
  if (isSameCharter && !isStored && imported === undefined && pinned?.import !== undefined)
    throw new ParticipantError(
      'import-needed',
      `this home agreed to make a key out of the import file ${pinned.import}`,
    );
  // With a certificate the file is of no more use: what it says is in the transcript.
  const importHash = imported?.hash ?? (isSameCharter ? pinned?.import : undefined);
  const isSame =
    isSameCharter && equalBytes(agreed.requesters.bytes, requesters.bytes) && pinned?.import === importHash;
  const warnings = [...charterWarnings(charter), ...(isSame ? [] : leavingWarnings(home))];
  const review = { charter, requesters, requestersHash, imported, self, warnings };
  if (!isSame && !(await options.confirm(review)))
    throw new ParticipantError('cancelled', 'the charter was not accepted; nothing was made');
  await home.agree(charter, requesters, importHash);
  return { charter, requesters, imported, self };
}

/** Another agreement ends what this home is in the middle of. */
function leavingWarnings({ records: { ceremonies } }: MemberHome): string[] {
  if (ceremonies.current === undefined) return [];
  return ['this home is in the middle of making another key; to join under other files leaves that ceremony for good'];
}

async function readImport(path: string | undefined, charter: Charter): Promise<Import | undefined> {
  if (path === undefined) return undefined;
  // Public arithmetic alone, before there is a vault.
  const arithmetic = createNobleGroup({ randomBytes: (count) => new Uint8Array(randomBytes(count)) });
  return openImport(arithmetic, charter, await readFileBounded(path, maxImportBytes));
}

/** What this home agreed to, if it is bound to it by a signed transcript or in any case while the files are whole. */
async function agreedHome(home: MemberHome): Promise<Agreement | undefined> {
  try {
    return await home.agreement();
  } catch (error) {
    // Before anything was signed a new agreement simply replaces files that are damaged.
    const { current, signed } = home.records.ceremonies;
    if (current !== undefined && signed.has(current)) throw error;
    return undefined;
  }
}

async function readRequesters(
  path: string | undefined,
  charter: Charter,
  agreed: Agreement | undefined,
): Promise<{ readonly requesters: Requesters; readonly hash: string | undefined }> {
  if (path !== undefined) {
    const file = await readFileBounded(path, maxRequestersBytes);
    return { requesters: readRequestersFile(file, path, charter), hash: sha256Hex(file) };
  }
  const isAgreed = agreed?.charter.hash === charter.hash;
  return { requesters: isAgreed ? agreed.requesters : emptyRequesters(charter), hash: undefined };
}

async function takePart(
  home: MemberHome,
  agreement: Agreement,
  coordinator: CoordinatorUrl,
  options: JoinOptions,
  log: Log,
): Promise<Joined> {
  const closers = new Closers();
  try {
    const vault = await Vault.open(agreement.charter, agreement.self);
    closers.defer(() => {
      vault.end();
    });
    const certificate = await home.certificate();
    const stored = certificate === undefined ? undefined : await home.stored(certificate.transcriptHash);
    const finished = await finishedGroup(home, agreement, vault.arithmetic, certificate, stored);
    if (finished !== undefined) return finished;

    const needed = neededShare(home, agreement.charter);
    // A share that no transcript came of, as after a kill, has its passphrase all the same: a home never comes to have two.
    const hasPassphrase = needed !== undefined || (await holdsKeys(home.home.path));
    const keystore = closers.use(await openKeystoreFor(hasPassphrase ? 'existing' : 'new', options));
    // Now, so that a box that does not open is told before anybody waits for anybody.
    if (agreement.imported !== undefined) await useImport(home, agreement, agreement.imported, { keystore, vault });
    const loadShare = async (transcript: Transcript): Promise<void> => {
      vault.load(await keystore.open(home.sharePath(transcriptHash(transcript))), transcript);
    };
    // Of one that was parted from, too: so that the passphrase is known to be right before anybody comes back to it.
    if (needed !== undefined) await loadShare(needed);
    const spareKeys = await keystore.spareKeys(home.home.path);
    const session = new Session({
      home,
      agreement,
      vault,
      coordinator,
      ca: options.ca,
      certificate,
      stored,
      held: await home.certificates(agreement.charter),
      storeShare: (transcript) => storeShares(home, spareKeys, vault, transcript),
      loadShare,
      // Nobody is here to ask; the ceremony's own documents need no policy.
      judge: () => Promise.resolve({ action: 'ask', reason: null, rule: 'join decides nothing else' }),
      progress: (event) => {
        options.progress(event);
      },
      isFatalLogin: (error) => error instanceof ClientError && error.code === 'wrong-coordinator',
      log,
      timing: options.timing,
    });
    closers.defer(() => session.close());
    return await runSession(session, home, options.signal);
  } finally {
    await closers.close();
  }
}

/** Takes this member's share out of an import file. Throws `ParticipantError('no-import-key')`, `ProtocolError('bad-import')`, `HomeError`. */
async function useImport(
  home: MemberHome,
  { charter, self }: Agreement,
  imported: Import,
  { keystore, vault }: { readonly keystore: Keystore; readonly vault: Vault },
): Promise<void> {
  if (!imported.boxes.has(self.identifier)) {
    vault.useImport(imported, undefined);
    return;
  }
  if (!(await home.hasImportKey(charter)))
    throw new ParticipantError(
      'no-import-key',
      `the import file seals a share to ${self.name}, but ${home.home.path} has no one-time key for this charter`,
    );
  vault.useImport(imported, await keystore.open(home.importKeyPath(charter)));
}

/** The share that this run goes on with, or may have to come back to. */
function neededShare({ records: { ceremonies } }: MemberHome, charter: Charter): Transcript | undefined {
  const { current, parted, signed } = ceremonies;
  const transcripts = [current, ...parted].flatMap((ceremony) => {
    return ceremony === undefined ? [] : (signed.get(ceremony)?.transcript ?? []);
  });
  return transcripts.find((transcript) => transcript.charter === charter.hash);
}

async function runSession(session: Session, home: MemberHome, signal: AbortSignal | undefined): Promise<Joined> {
  const abort = (): void => void session.close();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    if (signal?.aborted === true) throw new ParticipantError('cancelled', 'it was stopped');
    await session.start();
    const { groupLine, origin } = await session.complete;
    return { groupLine, groupPath: home.home.file('GROUP.pub'), origin };
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/** The result of a home whose key is live and whose documents are all here, without talking to anybody. */
async function finishedGroup(
  home: MemberHome,
  agreement: Agreement,
  arithmetic: Group,
  certificate: Certificate | undefined,
  stored: readonly Envelope[] | undefined,
): Promise<Joined | undefined> {
  if (certificate === undefined || stored === undefined) return undefined;
  const epoch = openEpoch(arithmetic, agreement.charter, certificate);
  assertAllStored(epoch, stored);
  const documents = await HeldGroupDocuments.load(epoch, agreement.requesters, home);
  if (documents.missing.length > 0) return undefined;
  await home.eraseImportKeys();
  const { groupLine, origin } = epoch;
  return { groupLine, groupPath: await home.writeGroupLine(groupLine), origin };
}

function openKeystoreFor(purpose: 'new' | 'existing', options: JoinOptions): Promise<Keystore> {
  // Asked for now, so that nobody waits for a prompt in the middle of the ceremony.
  return openKeystore({
    passphrase: options.passphrase,
    purpose,
    ...(options.ageChildPath === undefined ? {} : { childPath: options.ageChildPath }),
  });
}
