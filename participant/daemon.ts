/** The daemon that `frostmark participant serve` runs: one member, always ready to sign what it has decided to sign. */
import { parseCoordinatorUrl, type CoordinatorUrl } from '../client/url.ts';
import { openKeystore, type PassphraseSource } from '../home/keystore.ts';
import type { SpareKeys } from '../home/spare-keys.ts';
import type { Certificate } from '../protocol/ceremony/certificate.ts';
import { openEpoch } from '../protocol/ceremony/epoch.ts';
import { Closers } from '../home/closers.ts';
import type { ConnectionTiming } from './connection.ts';
import { listenForCommands, type AnswerTo, type Command, type CommandName } from './control.ts';
import { certifiedHome } from './certified-home.ts';
import { ParticipantError } from './errors.ts';
import { ignoreInspectorSignal } from './inspector.ts';
import { withFields, type Log } from './log.ts';
import { defaultSocketPath, MemberHome } from './member-home.ts';
import { HeldGroupDocuments } from './group-documents.ts';
import { PolicyInForce } from './policy-in-force.ts';
import { Session } from './session.ts';
import { storeShares } from './store-shares.ts';
import { Vault } from './vault.ts';

/** What a daemon is started with. */
export interface DaemonOptions {
  /** Folder of the home; `~/.frostmark/participant` by default. */
  readonly home?: string | undefined;
  /** URL with the coordinator's fingerprint; by default the one that `join` was given. */
  readonly coordinator?: string | undefined;
  /** `policy.yaml`; without one every request waits for a person. */
  readonly policyPath?: string | undefined;
  /** The control socket; `control.sock` in the home by default. */
  readonly socketPath?: string | undefined;
  readonly passphrase: PassphraseSource;
  readonly log: Log;
  /** Allows plain http to another machine. */
  readonly insecure?: boolean | undefined;
  /** PEM of the certificate authority that vouches for the coordinator's TLS certificate. */
  readonly ca?: string | undefined;
  /** The compiled age child, if it is not in its usual place. */
  readonly ageChildPath?: string | undefined;
  readonly timing?: Partial<ConnectionTiming> | undefined;
  /** Milliseconds between looks for what is due. */
  readonly sweepIntervalMs?: number | undefined;
}

/** A daemon that runs. */
export interface Daemon {
  readonly groupLine: string;
  readonly socketPath: string;
  /** Settles when the daemon is gone: rejects if something it cannot go on without broke, such as its journal. */
  readonly closed: Promise<void>;
  /** Reads the policy again, and judges by it what waits; a broken one is logged, and the old one stays. Never rejects. */
  reloadPolicy(): Promise<void>;
  /** Ends every connection, zeroes the secrets, and resolves when that is done. A repeat is a no-op. */
  close(): Promise<void>;
}

/** Starts the daemon; it reconnects for ever. Throws `HomeError`, `JournalError`, `ParticipantError`, `ProtocolError`: nothing runs then. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  ignoreInspectorSignal();
  const closers = new Closers();
  try {
    return await openDaemon(options, closers);
  } catch (error) {
    await closers.close();
    throw error;
  }
}

async function openDaemon(options: DaemonOptions, closers: Closers): Promise<Daemon> {
  const home = closers.use(await MemberHome.open(options.home, options.log));
  const { agreement, certificate, stored } = await certifiedHome(home);
  const { charter, self } = agreement;
  const log = withFields(options.log, { group: charter.group, member: self.name });
  const vault = await Vault.open(charter, self);
  closers.defer(() => {
    vault.end();
  });
  const epoch = openEpoch(vault.arithmetic, charter, certificate);
  const ground = async () => {
    const { requesters } = await HeldGroupDocuments.load(epoch, agreement.requesters, home);
    return { charter, self, requesters };
  };
  const policy = await PolicyInForce.open({ path: options.policyPath, ground, log });
  closers.defer(() => policy.close());
  const spareKeys = await loadShare(vault, home, certificate, options);

  const session = new Session({
    home,
    agreement,
    vault,
    coordinator: await coordinatorOf(home, options),
    ca: options.ca,
    certificate,
    stored,
    held: new Map([[certificate.ceremony, certificate]]),
    storeShare: (transcript) => storeShares(home, spareKeys, vault, transcript),
    loadShare: needsPassphrase,
    judge: policy.judge,
    progress: () => undefined,
    isFatalLogin: () => false,
    log,
    timing: options.timing,
    sweepIntervalMs: options.sweepIntervalMs,
  });
  closers.defer(() => session.close());
  const socketPath = options.socketPath ?? defaultSocketPath(home.home);
  closers.use(await listenForCommands(socketPath, (command) => answer({ session, policy, spareKeys }, command), log));
  await session.start();
  log('info', 'serving', { socket: socketPath, policy: policy.description });
  return {
    groupLine: epoch.groupLine,
    socketPath,
    closed: session.closed.finally(() => closers.close()),
    reloadPolicy: async () => {
      if (await policy.reload()) session.reconsider();
    },
    close: () => closers.close(),
  };
}

function needsPassphrase(): Promise<void> {
  return Promise.reject(new ParticipantError('ceremony-failed', 'a daemon goes back to no key; run join again'));
}

/** Opens the share file in a child process, checks the share against all that is public (T19), and has keys made for shares that are to come. */
async function loadShare(
  vault: Vault,
  home: MemberHome,
  certificate: Pick<Certificate, 'transcript' | 'transcriptHash'>,
  options: Pick<DaemonOptions, 'passphrase' | 'ageChildPath'>,
): Promise<SpareKeys> {
  await using keystore = await openKeystore({
    purpose: 'existing',
    passphrase: options.passphrase,
    ...(options.ageChildPath === undefined ? {} : { childPath: options.ageChildPath }),
  });
  vault.load(await keystore.open(home.sharePath(certificate.transcriptHash)), certificate.transcript);
  return await keystore.spareKeys(home.home.path);
}

async function coordinatorOf(home: MemberHome, options: DaemonOptions): Promise<CoordinatorUrl> {
  const url = options.coordinator ?? (await home.coordinator());
  if (url === undefined)
    throw new ParticipantError('not-joined', 'no coordinator is known; give its URL with --coordinator URL');
  return parseCoordinatorUrl(url, { insecure: options.insecure === true });
}

/** What answers commands. */
interface Desk {
  readonly session: Session;
  readonly policy: PolicyInForce;
  readonly spareKeys: SpareKeys;
}

async function answer({ session, policy, spareKeys }: Desk, command: Command): Promise<AnswerTo<CommandName>> {
  switch (command.command) {
    case 'requests':
      return { requests: session.rounds.list(command.all) };
    case 'show':
      return { request: session.rounds.show(command.id) };
    case 'approve':
      return { request: await session.rounds.decide(command.id, 'approve', null) };
    case 'refuse':
      return { request: await session.rounds.decide(command.id, 'refuse', command.reason) };
    case 'status':
      return { status: { ...session.status(policy.description), spareKeys: spareKeys.left } };
  }
}
