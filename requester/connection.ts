/** The requester's way to a coordinator: logged in, and the group opened with nothing but its pinned key. */
import { decodeBase64Url, encodeBase64Url } from '../verifier/base64.ts';
import { CoordinatorClient } from '../client/client.ts';
import { GroupReader, type OpenedGroup } from '../client/group.ts';
import type { Patience } from '../client/patience.ts';
import { parseCoordinatorUrl } from '../client/url.ts';
import type { Identity } from '../protocol/wire/envelope.ts';

/** What it takes to log in. */
export interface ConnectOptions {
  /** URL with the coordinator's fingerprint. */
  readonly coordinator: string;
  /** 32 bytes: the one thing that is pinned. */
  readonly groupKey: Uint8Array;
  readonly identity: Identity;
  readonly insecure?: boolean | undefined;
  /** PEM of a certificate authority to trust besides those of the system. */
  readonly ca?: string | undefined;
  /** How long to wait out a coordinator that is busy or cannot be reached; not at all by default. */
  readonly patience?: Patience | undefined;
  /** Where what is seen of a group's documents is kept, by the group's key (base64url); nowhere by default. */
  readonly memory?: ((groupKey: string) => DocumentMemory) | undefined;
  /** Told what a person must know and what stops nothing. */
  readonly warn?: ((message: string) => void) | undefined;
  /** Unix milliseconds; the system's clock by default. */
  readonly nowMs?: (() => number) | undefined;
}

/** What this client saw of the group's documents before: bytes that it wrote. */
export interface DocumentMemory {
  readonly path: string;
  read(): Promise<Uint8Array | undefined>;
  write(bytes: Uint8Array): Promise<void>;
}

/** One login of whoever asks; close it when done. */
export interface Connection extends Disposable {
  readonly client: CoordinatorClient;
  readonly identity: Identity;
  /** Identity key of the coordinator, 32 bytes. */
  readonly coordinator: Uint8Array;
  /** Everything in it is verified under the pinned key. */
  readonly group: OpenedGroup;
  readonly memory?: DocumentMemory | undefined;
  readonly warn?: ((message: string) => void) | undefined;
  /** The group as it is now: documents may be newer. */
  refresh(): Promise<OpenedGroup>;
}

/** Throws `ClientError`. */
export async function connect(options: ConnectOptions): Promise<Connection> {
  const { identity, groupKey } = options;
  const name = encodeBase64Url(groupKey);
  const url = parseCoordinatorUrl(options.coordinator, { insecure: options.insecure === true });
  const client = new CoordinatorClient({
    url,
    identity,
    role: 'requester',
    groupKey: name,
    ca: options.ca,
    patience: options.patience,
    nowMs: options.nowMs,
  });
  const reader = new GroupReader(groupKey);
  const refresh = async (): Promise<OpenedGroup> => reader.open(await client.group(name));
  try {
    const group = await refresh();
    const coordinator = decodeBase64Url(url.fingerprint);
    const { warn } = options;
    const memory = options.memory?.(name);
    return { client, identity, coordinator, group, memory, warn, refresh, [Symbol.dispose]: () => client.close() };
  } catch (error) {
    client.close();
    throw error;
  }
}
