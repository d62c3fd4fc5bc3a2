/** A key epoch: charter and certificate together, checked, with the public keys and shares that follow from them. */
import { printableJson } from '../../verifier/printable.ts';
import { formatGroupKey } from '../../verifier/group-key.ts';
import { ProtocolError } from '../errors.ts';
import { memberByKey, production, type Charter } from '../files/charter.ts';
import type { Group } from '../frost/group.ts';
import type { Sharing } from '../frost/sharing.ts';
import { openMessage, refuseAs, type Envelope } from '../wire/envelope.ts';
import type { Certificate } from './certificate.ts';
import type { Origin } from './dealing.ts';
import { storedMessage, transcriptMessage } from './messages.ts';
import { channelKeysOf, keyOriginOf, verifyShareProofs, type ChannelKey } from './transcript.ts';
import { present } from '../wire/present.ts';

/** What a certificate comes to once `openEpoch` has checked it. Immutable; all in it is public. */
export class Epoch {
  readonly charter: Charter;
  readonly certificate: Certificate;
  readonly #channels: ReadonlyMap<string, ChannelKey>;

  constructor(charter: Charter, certificate: Certificate, channels: ReadonlyMap<string, ChannelKey>) {
    this.charter = charter;
    this.certificate = certificate;
    this.#channels = channels;
  }

  /** The transcript hash, hex: the epoch's name, whoever's signatures it was shown with. */
  get hash(): string {
    return this.certificate.transcriptHash;
  }

  /** The group public key, base64url: production's. */
  get groupKey(): string {
    return this.channel(production).key;
  }

  /** The number of the succession that led here; 0 for the ceremony that made the key. */
  get number(): number {
    const { transcript } = this.certificate;
    return transcript.origin === 'reshared' ? transcript.from.number : 0;
  }

  /** Whether production's key was made in pieces, or once was whole and then split. */
  get origin(): Origin {
    return keyOriginOf(this.certificate.transcript);
  }

  /** The line of GROUP.pub, without a newline. */
  get groupLine(): string {
    return formatGroupKey({ name: this.charter.group, key: this.channel(production).point.bytes });
  }

  /** Throws `ProtocolError('unknown-channel')`. */
  channel(name: string): ChannelKey {
    const channel = this.#channels.get(name);
    if (channel === undefined)
      throw new ProtocolError(
        'unknown-channel',
        `the group ${this.charter.group} has no channel ${printableJson(name)}`,
      );
    return channel;
  }

  /** The channel's sharing that `identifier` holds a share of, with its place in the quorum. */
  sharingOf(channel: string, identifier: number): { readonly index: number; readonly sharing: Sharing } | undefined {
    const { sharings } = this.channel(channel);
    const index = sharings.findIndex((sharing) => sharing.members.some((member) => Number(member) === identifier));
    const sharing = sharings[index];
    return sharing === undefined ? undefined : { index, sharing };
  }
}

/** Certificates that were opened, with what came of it: a daemon's start opens its own twice. */
const openedEpochs = new WeakMap<Certificate, Epoch>();

/**
 * Checks a certificate against its charter: every member signed this very transcript and proved every share it holds.
 * Throws `ProtocolError('bad-certificate')`.
 */
export function openEpoch(arithmetic: Group, charter: Charter, certificate: Certificate): Epoch {
  const known = openedEpochs.get(certificate);
  if (known?.charter.hash === charter.hash) return known;
  const epoch = checkedEpoch(arithmetic, charter, certificate);
  openedEpochs.set(certificate, epoch);
  return epoch;
}

function checkedEpoch(arithmetic: Group, charter: Charter, certificate: Certificate): Epoch {
  const { transcript, signatures } = certificate;
  if (transcript.charter !== charter.hash)
    throw new ProtocolError('bad-certificate', 'the certificate is of another charter');
  if ((transcript.origin === 'reshared') !== (charter.continues !== undefined))
    throw new ProtocolError(
      'bad-certificate',
      'a key is handed on to a charter that continues its group, and made for one that does not',
    );
  if (signatures.length !== charter.members.length)
    throw new ProtocolError('bad-certificate', 'a certificate needs the signature of every member');
  // In a succession dealers who are no members speak, too: who they are is the old charter's matter (`openChain`).
  const isEverybody = transcript.messages.length === charter.members.length;
  if (transcript.origin === 'reshared' ? transcript.messages.length < charter.members.length : !isEverybody)
    throw new ProtocolError('bad-certificate', 'a certificate needs the words of every member');
  const channels = refuseAs('bad-certificate', 'certificate', () => channelKeysOf(arithmetic, charter, transcript));
  const ground = { arithmetic, charter, hash: certificate.transcriptHash, channels };
  for (const [index, member] of charter.members.entries()) {
    const opened = refuseAs('bad-certificate', `signature of ${member.name}`, () =>
      openMessage(transcriptMessage, signatures[index], (key) => key === member.key),
    );
    if (opened.payload.ceremony !== transcript.ceremony || opened.payload.transcript !== certificate.transcriptHash) {
      throw new ProtocolError('bad-certificate', `${member.name} signed another transcript`);
    }
    const problem = verifyShareProofs(ground, member, opened.payload.proofs);
    if (problem !== undefined) throw new ProtocolError('bad-certificate', `${member.name}: ${problem}`);
  }
  return new Epoch(charter, certificate, channels);
}

/** Checks that all n members said that they hold this certificate: only then is the key live (T35). Throws `ProtocolError('bad-certificate')`. */
export function assertAllStored(epoch: Pick<Epoch, 'charter' | 'hash'>, stored: readonly Envelope[]): void {
  const missing = new Set(epoch.charter.members.map((member) => member.name));
  for (const envelope of stored) {
    const opened = openMessage(storedMessage, envelope, (key) => memberByKey(epoch.charter, key) !== undefined);
    if (opened.payload.transcript !== epoch.hash)
      throw new ProtocolError('bad-certificate', 'a member stored the certificate of another epoch');
    missing.delete(present(memberByKey(epoch.charter, opened.from), 'the sender').name);
  }
  if (missing.size > 0) {
    throw new ProtocolError(
      'bad-certificate',
      `${[...missing].join(', ')} did not say that they hold the certificate; the key is not live yet`,
    );
  }
}
