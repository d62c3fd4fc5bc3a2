/** A group as a client learns it: everything the coordinator says of it, checked against the one key that the client pinned. */
import { randomBytes } from 'node:crypto';
import { encodeBase64Url } from '../verifier/base64.ts';
import type { Epoch } from '../protocol/ceremony/epoch.ts';
import { ProtocolError } from '../protocol/errors.ts';
import type { Requesters } from '../protocol/files/requesters.ts';
import { FrostError } from '../protocol/frost/errors.ts';
import { createNobleGroup } from '../protocol/frost/group-noble.ts';
import type { Group } from '../protocol/frost/group.ts';
import { openGroupDocuments, openGroupEpoch, type HeldDelegation } from '../protocol/group-documents/envelopes.ts';
import type { Envelope } from '../protocol/wire/envelope.ts';
import type { GroupBody } from '../protocol/wire/frames.ts';
import { ClientError } from './errors.ts';
import { manyMembers } from './limits.ts';

/** What a client believes of its group. */
export interface OpenedGroup {
  readonly epoch: Epoch;
  readonly genesis: Envelope;
  readonly requesters: Requesters;
  readonly delegations: readonly HeldDelegation[];
}

/**
 * Opens the coordinator's answer with nothing but the pinned group key (32 bytes): charter and certificate belong together, every member
 * signed and stored the certificate, its key is the pinned one, and genesis, requesters and delegations are signed by it.
 * Throws `ClientError('bad-group')`, the `ProtocolError` kept as its cause.
 */
export function openGroup(
  body: GroupBody,
  groupKey: Uint8Array,
  arithmetic: Group = portableArithmetic(),
): OpenedGroup {
  return believing(() => withDocuments(openPinned(body, groupKey, arithmetic), body));
}

/** Opens what the coordinator answers for one pinned group, again and again: of what is the same to the byte nothing is verified twice. */
export class GroupReader {
  readonly #groupKey: Uint8Array;
  #opened: { readonly text: string; readonly epoch: Epoch } | undefined;

  /** 32 bytes. */
  constructor(groupKey: Uint8Array) {
    this.#groupKey = groupKey;
  }

  /** Throws what `openGroup` does. */
  async open(body: GroupBody): Promise<OpenedGroup> {
    const { charter, certificate, stored } = body;
    const text = JSON.stringify([charter, certificate, stored]);
    if (this.#opened?.text !== text) {
      const arithmetic = await arithmeticFor(stored.length);
      this.#opened = { text, epoch: believing(() => openPinned(body, this.#groupKey, arithmetic)) };
    }
    const { epoch } = this.#opened;
    return believing(() => withDocuments(epoch, body));
  }
}

function openPinned(body: GroupBody, groupKey: Uint8Array, arithmetic: Group): Epoch {
  const epoch = openGroupEpoch(body, arithmetic);
  if (epoch.groupKey !== encodeBase64Url(groupKey))
    throw new ProtocolError('wrong-group', 'its certificate is of another key than the pinned one');
  return epoch;
}

function withDocuments(epoch: Epoch, body: GroupBody): OpenedGroup {
  const { genesis, requesters, delegations } = openGroupDocuments(epoch, body);
  if (genesis === undefined || requesters === undefined)
    throw new ProtocolError('bad-document', 'the ceremony is not finished: genesis and requesters are not signed yet');
  return { epoch, genesis, requesters, delegations };
}

function believing<T>(open: () => T): T {
  try {
    return open();
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    throw new ClientError('bad-group', `what the coordinator says of the group cannot be believed: ${cause.message}`, {
      cause,
    });
  }
}

/** For a group of so many members: libsodium takes as long to start as the portable arithmetic takes for some of them, and then a fifth of the time. */
export async function arithmeticFor(members: number): Promise<Group> {
  if (members < manyMembers) return portableArithmetic();
  try {
    const { createSodiumGroup } = await import('../protocol/frost/group-sodium.ts');
    return await createSodiumGroup({ randomBytes: systemRandom, arenaSlots: 1 });
  } catch (error) {
    // Where there is no WebAssembly, it only takes longer.
    if (error instanceof FrostError) return portableArithmetic();
    throw error;
  }
}

let portable: Group | undefined;

function systemRandom(count: number): Uint8Array {
  return new Uint8Array(randomBytes(count));
}

/** Nothing here is secret, so arithmetic without WebAssembly will do; public arithmetic draws no randomness. */
export function portableArithmetic(): Group {
  portable ??= createNobleGroup({ randomBytes: systemRandom });
  return portable;
}
