/** A group with an OpenPGP key, whose quorum signs on the spot what every member would have signed. */
import { sha256Hex } from '../../protocol/wire/bytes.ts';
import { production } from '../../protocol/files/charter.ts';
import { finishRequest, followRequest, isSignedRequest, prepareRequest } from '../../protocol/formats/index.ts';
import { assembleOpenpgpCertificate } from '../../protocol/openpgp/certificate.ts';
import type { Request, RequestPayload } from '../../protocol/request/request.ts';
import { formatTimestamp } from '../../protocol/wire/time.ts';
import { quorumSignature } from './coordinator-group.ts';
import { liveGroup, releaseRequest, type LiveGroup } from './round-network.ts';

const day = 86400;

/** What is asked for besides a document. */
export type Change = Partial<RequestPayload>;

export class OpenpgpTestGroup {
  readonly live: LiveGroup;
  /** When the keys were created, seconds since 1970. */
  readonly created: number;

  constructor(live: LiveGroup, created: number) {
    this.live = live;
    this.created = created;
  }

  /** A request without artifacts, for this document if there is one. */
  request(channel: string, kind: string | undefined, document: Uint8Array | undefined, change: Change): Request {
    return releaseRequest(this.live, channel, {
      artifacts: [],
      product: null,
      release: null,
      documents:
        kind === undefined || document === undefined
          ? []
          : [{ kind, size: document.length, sha256: sha256Hex(document) }],
      ...change,
    });
  }

  /** The first file of the request, signed by its channel's quorum and checked as the coordinator checks it. */
  sign(request: Request, document?: Uint8Array): Uint8Array {
    const prepared = prepareRequest({
      epoch: this.live.epoch,
      request,
      documents: document === undefined ? [] : [document],
    });
    const quorum = (message: Uint8Array): Uint8Array => quorumSignature(this.live, request.payload.channel, message);
    const first = prepared.messages.map(quorum);
    const signatures = [...first, ...followRequest(prepared, first).map(({ message }) => quorum(message))];
    if (!isSignedRequest(prepared, this.live.epoch.channel(request.payload.channel).point.bytes, signatures))
      throw new Error('the quorum signed something else');
    return finishRequest(prepared, signatures)[0]!.bytes;
  }

  /** A release of one document in this format. */
  release(channel: string, format: string, kind: string, document: Uint8Array, change: Change = {}): Uint8Array {
    return this.sign(this.request(channel, kind, document, { formats: [format], ...change }), document);
  }

  certificate(change: Change = {}): Uint8Array {
    const kind = 'openpgp-certificate';
    return this.sign(this.request(production, undefined, undefined, { kind, formats: [kind], ...change }));
  }

  backSignature(change: Change = {}): Uint8Array {
    const kind = 'openpgp-back-signature';
    return this.sign(this.request('development', undefined, undefined, { kind, formats: [kind], ...change }));
  }

  subkeyRequest(
    backSignature: Uint8Array,
    change: Change & { readonly from: number; readonly until: number },
  ): Request {
    const kind = 'openpgp-subkey';
    const { from, until, ...rest } = change;
    return this.request(production, 'openpgp-back-signature', backSignature, {
      kind,
      formats: [kind],
      createdAt: formatTimestamp(from),
      certify: { channel: 'development', until: formatTimestamp(until) },
      ...rest,
    });
  }

  /** Vouches for development between two times. */
  subkey(from: number, until: number): Uint8Array {
    const backSignature = this.backSignature();
    return this.sign(this.subkeyRequest(backSignature, { from, until }), backSignature);
  }

  revocation(at: number): Uint8Array {
    const kind = 'openpgp-revocation';
    return this.sign(
      this.request(production, undefined, undefined, {
        kind,
        formats: [kind],
        createdAt: formatTimestamp(at),
        certify: { channel: 'development', until: null },
      }),
    );
  }
}

/** Keys of a group that is 200 days old, by this clock. */
export async function openpgpTestGroup(nowUnixSeconds: number): Promise<OpenpgpTestGroup> {
  const created = nowUnixSeconds - 200 * day;
  const live = await liveGroup({
    tiers: ['admin', 'admin', 'build'],
    production: '{ any: 2 }',
    development: '{ build: 1 }',
    openpgp: `{ userId: "Acme <release@acme.example>", created: ${formatTimestamp(created)} }`,
  });
  return new OpenpgpTestGroup(live, created);
}

/** The certificates that an installer may hold, by what is in them. */
export interface Certificates {
  readonly production: Uint8Array;
  readonly withDevelopment: Uint8Array;
  readonly expired: Uint8Array;
  readonly revoked: Uint8Array;
}

export function certificatesOf(group: OpenpgpTestGroup, now: number): Certificates {
  const certificate = group.certificate({ createdAt: formatTimestamp(now) });
  const [live, expired] = [group.subkey(now - day, now + 60 * day), group.subkey(now - 90 * day, now - 30 * day)];
  const revocation = group.revocation(now - 3600);
  const assemble = (subkeys: Uint8Array[], revocations: Uint8Array[]): Uint8Array =>
    assembleOpenpgpCertificate({ certificate, subkeys, revocations });
  return {
    production: assemble([], []),
    withDevelopment: assemble([live], []),
    expired: assemble([expired], []),
    revoked: assemble([live], [revocation]),
  };
}
