/** A key epoch: charter and certificate together, checked, with the public keys and shares that follow from them. */
import type { Point } from './frost/group.ts';
import type { Identifier, Sharing } from './frost/sharing.ts';
import type { Charter } from './charter.ts';
import type { Certificate } from './certificate.ts';
import type { Origin } from './dealing.ts';
import { ProtocolError } from './errors.ts';

/** One channel's quorum key. */
export interface ChannelKey {
  readonly channel: string;
  /** Public key, base64url. */
  readonly key: string;
  /** Decoded public key. */
  readonly point: Point;
  readonly sharings: readonly Sharing[];
  /** Public share of every holder. */
  readonly publicShares: ReadonlyMap<Identifier, Point>;
}

export class Epoch {
  readonly charter: Charter;
  readonly certificate: Certificate;
  readonly #channels: ReadonlyMap<string, ChannelKey>;

  constructor(charter: Charter, certificate: Certificate, channels: ReadonlyMap<string, ChannelKey>) {
    this.charter = charter;
    this.certificate = certificate;
    this.#channels = channels;
  }

  /** SHA-256 of the certificate, hex: the epoch's name. */
  get certificateHash(): string {
    return this.certificate.hash;
  }

  /** The group public key, base64url: production's. */
  get groupKey(): string {
    return this.channel('production').key;
  }

  /** Whether production's key was made in pieces, or once was whole and then split. */
  get origin(): Origin {
    return this.certificate.transcript.origin;
  }

  /** The line of GROUP.pub, without a newline. */
  get groupLine(): string {
    return `frostmark-group:${this.charter.group}:${this.groupKey}`;
  }

  /** Throws `ProtocolError('unknown-channel')`. */
  channel(name: string): ChannelKey {
    const channel = this.#channels.get(name);
    if (channel === undefined)
      throw new ProtocolError(
        'unknown-channel',
        `the group ${this.charter.group} has no channel ${JSON.stringify(name)}`,
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
