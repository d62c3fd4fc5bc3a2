/** A group as a client learns it: everything the coordinator says of it, checked against the one key that the client pinned. */
import { randomBytes } from 'node:crypto';
import { encodeBase64Url } from '../verifier/base64.ts';
import type { Epoch } from '../protocol/ceremony/epoch.ts';
import { ProtocolError } from '../protocol/errors.ts';
import type { Requesters } from '../protocol/files/requesters.ts';
import { createNobleGroup } from '../protocol/frost/group-noble.ts';
import type { Group } from '../protocol/frost/group.ts';
import { openGroupDocuments, openGroupEpoch, type HeldDelegation } from '../protocol/group-documents/envelopes.ts';
import type { Envelope } from '../protocol/wire/envelope.ts';
import type { GroupBody } from '../protocol/wire/frames.ts';
import { ClientError } from './errors.ts';

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
  try {
    const epoch = openGroupEpoch(body, arithmetic);
    if (epoch.groupKey !== encodeBase64Url(groupKey))
      throw new ProtocolError('wrong-group', 'its certificate is of another key than the pinned one');
    const { genesis, requesters, delegations } = openGroupDocuments(epoch, body);
    if (genesis === undefined || requesters === undefined)
      throw new ProtocolError(
        'bad-document',
        'the ceremony is not finished: genesis and requesters are not signed yet',
      );
    return { epoch, genesis, requesters, delegations };
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    throw new ClientError('bad-group', `what the coordinator says of the group cannot be believed: ${cause.message}`, {
      cause,
    });
  }
}

let portable: Group | undefined;

/** Nothing here is secret, so arithmetic without WebAssembly will do; public arithmetic draws no randomness. */
export function portableArithmetic(): Group {
  portable ??= createNobleGroup({ randomBytes: (count) => new Uint8Array(randomBytes(count)) });
  return portable;
}
