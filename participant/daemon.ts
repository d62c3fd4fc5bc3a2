/** The daemon behind `frostmark participant serve`: one member, always ready to sign what it has decided to sign. */
import type { PassphraseSource } from '../home/keystore.ts';
import type { Log } from './log.ts';

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
}

export interface Daemon {
  readonly groupLine: string;
  readonly socketPath: string;
  /** Settles when the daemon is gone: rejects if something it cannot go on without broke, such as its journal. */
  readonly closed: Promise<void>;
  /** Ends every connection, zeroes the secrets, and resolves when that is done. A repeat is a no-op. */
  close(): Promise<void>;
}

/** Starts the daemon; it reconnects for ever. Throws `HomeError`, `JournalError`, `ParticipantError`, `ProtocolError`: nothing runs then. */
export declare function startDaemon(options: DaemonOptions): Promise<Daemon>;
