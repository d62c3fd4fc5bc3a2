/** What a group's key has signed about the group itself: genesis, requesters, delegations, each opened with the epoch that it is of. */
import { decodeBase64, encodeBase64Url } from '../../verifier/base64.ts';
import {
  decodeDelegation,
  delegationPayloadType,
  positionInWindow,
  type Delegation,
} from '../../verifier/delegation.ts';
import { parseTime } from '../../verifier/time.ts';
import { decodeCertificate } from '../ceremony/certificate.ts';
import { assertAllStored, openEpoch, type Epoch } from '../ceremony/epoch.ts';
import { decodeCharter, production } from '../files/charter.ts';
import { openSignedBy, refuseAs, type Envelope } from '../wire/envelope.ts';
import { ProtocolError } from '../errors.ts';
import { assertGenesis } from '../ceremony/founding.ts';
import type { Group } from '../frost/group.ts';
import { maxRequestersBytes } from '../limits.ts';
import type { GroupBody } from '../wire/frames.ts';
import { requestersMessage, type Requesters } from '../files/requesters.ts';
import { requestersOf } from '../request/rights.ts';

/** A delegation under the group's key, checked. */
export interface HeldDelegation {
  readonly channel: string;
  readonly delegation: Delegation;
  /** What goes into a bundle. */
  readonly envelope: Envelope;
}

/** The newest documents under the group's key, as far as there are any. */
export interface GroupDocuments {
  readonly genesis: Envelope | undefined;
  readonly requesters: Requesters | undefined;
  readonly requestersEnvelope: Envelope | undefined;
  readonly delegations: readonly HeldDelegation[];
}

/** Charter, certificate and the members' "stored" messages, checked against each other. Throws `ProtocolError`. */
export function openGroupEpoch(body: Pick<GroupBody, 'charter' | 'certificate' | 'stored'>, arithmetic: Group): Epoch {
  const charter = decodeCharter(decode(body.charter, 'bad-charter'));
  const certificate = decodeCertificate(decode(body.certificate, 'bad-certificate'));
  // Signatures first: only what all members vouch for is worth the arithmetic on its points (T30).
  assertAllStored({ charter, hash: certificate.transcriptHash }, body.stored);
  return openEpoch(arithmetic, charter, certificate);
}

function decode(base64: string, code: 'bad-charter' | 'bad-certificate'): Uint8Array {
  return refuseAs(code, code.slice(4), () => decodeBase64(base64));
}

/** Documents as the coordinator sends them, in a body or a frame: each is signed by the group's key and of this epoch. Throws `ProtocolError`. */
export function openGroupDocuments(
  epoch: Epoch,
  documents: Pick<GroupBody, 'genesis' | 'requesters' | 'delegations'>,
): GroupDocuments {
  const { genesis, requesters } = documents;
  if (genesis !== null) assertGenesis(epoch, genesis);
  return {
    genesis: genesis ?? undefined,
    requesters: requesters === null ? undefined : openRequesters(epoch, requesters),
    requestersEnvelope: requesters ?? undefined,
    delegations: documents.delegations.map((envelope) => openDelegation(epoch, envelope)),
  };
}

function openRequesters(epoch: Epoch, envelope: Envelope): Requesters {
  return requestersOf(epoch, openGroupEnvelope(epoch, envelope, requestersMessage.payloadType));
}

function openDelegation(epoch: Epoch, envelope: Envelope): HeldDelegation {
  const payload = openGroupEnvelope(epoch, envelope, delegationPayloadType);
  const delegation = refuseAs('bad-document', 'delegation', () => decodeDelegation(payload));
  const { channel, channelKey, groupKey } = delegation;
  if (encodeBase64Url(groupKey) !== epoch.groupKey)
    throw new ProtocolError('wrong-group', `the delegation of ${channel} is for another group`);
  if (encodeBase64Url(channelKey) !== epoch.channel(channel).key)
    throw new ProtocolError('bad-document', `the delegation of ${channel} is for another key`);
  return { channel, delegation, envelope };
}

/** The payload of an envelope that the group's own key signed. Throws `ProtocolError` (`bad-document`, `bad-signature`). */
function openGroupEnvelope(epoch: Epoch, envelope: Envelope, payloadType: string): Uint8Array {
  return openSignedBy(epoch.channel(production).point.bytes, envelope, { payloadType, maxBytes: maxRequestersBytes });
}

/** The delegation of a channel that holds at this time and does so the longest; `undefined` if none does. */
export function currentDelegation(
  delegations: readonly HeldDelegation[],
  channel: string,
  nowUnixSeconds: number,
): HeldDelegation | undefined {
  const current = delegations.filter(
    (held) => held.channel === channel && positionInWindow(held.delegation, nowUnixSeconds) === 'within',
  );
  return newestDelegations(current, 1)[0];
}

/** Of each channel the `count` delegations that end last, the last first; of two that end together the first in the list is before the other. */
export function newestDelegations(delegations: readonly HeldDelegation[], count: number): HeldDelegation[] {
  const endOf = ({ delegation }: HeldDelegation): number => parseTime(delegation.until) ?? 0;
  const sorted = delegations.toSorted((a, b) => endOf(b) - endOf(a));
  return sorted.filter(
    (one, index) => sorted.slice(0, index).filter(({ channel }) => channel === one.channel).length < count,
  );
}
