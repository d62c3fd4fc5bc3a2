/** What a group has ended, as its own signatures say: read from what the coordinator shows, and written for installers. */
import { join } from 'node:path';
import type { OpenedGroup } from '../client/group.ts';
import { writeFileAtomic } from '../home/files.ts';
import { production } from '../protocol/files/charter.ts';
import { openGroupDocument, type GroupDocument } from '../protocol/group-documents/document.ts';
import { draftStatus, revokedChannels, type RevocationWish } from '../protocol/request/status.ts';
import { revokedKeys } from '../protocol/ssh/revoked-keys.ts';
import { decodeSshSignature, sshSignedData } from '../protocol/ssh/signature.ts';
import { utf8ToBytes } from '../protocol/wire/bytes.ts';
import { decodeBase64Url, encodeBase64 } from '../verifier/base64.ts';
import { verifySignature } from '../verifier/ed25519.ts';
import { VerifyError } from '../verifier/errors.ts';
import { maxStatuses } from '../verifier/limits.ts';
import {
  assertNotRevoked,
  openStatusFile,
  revocationId,
  statusInForce,
  type Revocation,
  type Status,
} from '../verifier/status.ts';
import type { Connection } from './connection.ts';
import { statusGroupOf } from './earlier.ts';
import { RequesterError } from './errors.ts';
import type { Issued } from './issued.ts';
import type { Output } from './outputs.ts';
import type { RoundView } from './round-view.ts';
import { askForDocument, type Submission } from './request.ts';

/** Readable by everybody: it is made to be published. */
const statusMode = 0o644;

/** A status under the group's key, and its line in a status file, newline included. */
export interface SignedStatus {
  readonly status: Status;
  readonly line: Uint8Array;
}

/** The statuses among what was issued, the highest number first. */
export function signedStatuses({ epoch }: OpenedGroup, issued: readonly Issued[]): SignedStatus[] {
  const key = decodeBase64Url(epoch.groupKey);
  return issued
    .filter(({ kind }) => kind === 'status')
    .flatMap(({ bytes }) => {
      const line = Buffer.concat([bytes, Buffer.from('\n')]);
      return openStatusFile(line, key).map((status) => ({ status, line }));
    })
    .sort((a, b) => b.status.number - a.status.number);
}

/** All that has ended. */
export function revocationsOf(signed: readonly SignedStatus[]): readonly Revocation[] {
  return signed.length === 0 ? [] : statusInForce(signed.map(({ status }) => status)).revoked;
}

/** GROUP.status: the newest, and what else one needs to know all that has ended. Empty while there is none. */
export function statusFileOf(signed: readonly SignedStatus[]): Uint8Array {
  const told = new Set<string>();
  const newest = signed[0]?.status.number;
  const needed = signed.filter(({ status: { number, revoked } }) => {
    const isNews = number === newest || revoked.some((one) => !told.has(revocationId(one)));
    for (const one of revoked) told.add(revocationId(one));
    return isNews;
  });
  return Buffer.concat(needed.slice(0, maxStatuses).map(({ line }) => line));
}

/**
 * The request that ends this, or without a wish that says again, with a new date, what has ended; `undefined` where it has ended already.
 * Throws what `draftStatus` and `askForDocument` do.
 */
export function askForNextStatus(
  { group, identity }: Pick<Connection, 'group' | 'identity'>,
  { wish, note }: { readonly wish: RevocationWish | undefined; readonly note: string | undefined },
  issued: readonly Issued[],
  nowUnixSeconds: number,
): Submission | undefined {
  const held = signedStatuses(group, issued).map(({ status }) => status);
  const draft = draftStatus(group.epoch, held, wish);
  if (draft === null) return undefined;
  const ofOpenpgp = group.epoch.charter.openpgp === undefined ? [] : ['openpgp-revocation'];
  const ofChannel = wish !== undefined && 'channel' in wish ? [...ofOpenpgp, 'ssh-revocation'] : [];
  const document = { kind: 'status', bytes: draft, formats: ['status', ...ofChannel], note } as const;
  return askForDocument(group, document, identity, nowUnixSeconds);
}

/** A signed round as a document of the group. Throws what `openGroupDocument` does. */
export function documentOf(
  { epoch }: OpenedGroup,
  { request, body }: RoundView,
  documents: readonly Uint8Array[],
): GroupDocument {
  return openGroupDocument([epoch], {
    request: request.envelope,
    documents: documents.map(encodeBase64),
    decisions: body.decisions,
    signatures: body.signatures,
  });
}

/** What is going to be signed. */
export interface SignedThing {
  readonly channel: string;
  readonly product: string | undefined;
  readonly release: string | undefined;
}

/** Nobody signs with a key, or as a release, that the group has ended. Throws `RequesterError('revoked')`. */
export function assertNotEnded(group: OpenedGroup, issued: readonly Issued[], thing: SignedThing): void {
  const { channel, product = null, release = null } = thing;
  const delegation = channel === production ? null : { channelKey: group.epoch.channel(channel).point.bytes };
  try {
    assertNotRevoked({ product, release }, delegation, revocationsOf(signedStatuses(group, issued)));
  } catch (cause) {
    if (!(cause instanceof VerifyError)) throw cause;
    throw new RequesterError('revoked', `${cause.message}; no verifier that knows it would take this`, { cause });
  }
}

/** The list of lost keys for SSH, and production's signature over it. */
export interface SignedList {
  readonly list: Uint8Array;
  readonly signature: Uint8Array;
}

/** The newest of them; `undefined` while no channel has ended. */
function signedListOf(
  { epoch }: OpenedGroup,
  issued: readonly Issued[],
  signed: readonly SignedStatus[],
): SignedList | undefined {
  const key = decodeBase64Url(epoch.groupKey);
  const lists = signed.map(({ status }) =>
    utf8ToBytes(revokedKeys(epoch.charter.group, revokedChannels(status.revoked))),
  );
  for (const { bytes: signature } of issued.filter(({ kind }) => kind === 'ssh-revocation').toReversed()) {
    const { signature: raw } = decodeSshSignature(signature);
    const list = lists.find((one) => verifySignature(key, sshSignedData('file', one), raw));
    if (list !== undefined) return { list, signature };
  }
  return undefined;
}

const names = { status: 'GROUP.status', list: 'revoked_keys', signature: 'revoked_keys.sig' } as const;

/** Where a status goes in a folder, as `assertOutputs` plans it: an earlier one is replaced if all that it says is still said. */
export function statusOutputs(group: OpenedGroup, folder: string, wish: { readonly endsChannel: boolean }): Output[] {
  const path = (name: string): string => join(folder, name);
  const list = { size: 4096, isOurs: (bytes: Uint8Array) => isKeyList(bytes) };
  const status = {
    path: path(names.status),
    what: 'the status',
    size: 4096,
    isOurs: (bytes: Uint8Array) => statusGroupOf(bytes) === group.epoch.groupKey,
  };
  if (!wish.endsChannel) return [status];
  return [
    status,
    { ...list, path: path(names.list), what: 'the list of keys for SSH' },
    { ...list, path: path(names.signature), what: 'its signature' },
  ];
}

function isKeyList(bytes: Uint8Array): boolean {
  return /^(ssh-ed25519 |-----BEGIN SSH SIGNATURE-----)/.test(new TextDecoder().decode(bytes.subarray(0, 64)));
}

/**
 * Writes GROUP.status, and, where a channel has ended, the list for SSH with its signature, each whole or not at all. Answers the paths.
 * Throws `HomeError`.
 */
export async function writeStatus(group: OpenedGroup, issued: readonly Issued[], folder: string): Promise<string[]> {
  const signed = signedStatuses(group, issued);
  const list = signedListOf(group, issued, signed);
  const files = [
    [names.status, statusFileOf(signed)],
    ...(list === undefined ? [] : [[names.list, list.list] as const, [names.signature, list.signature] as const]),
  ] as const;
  const written: string[] = [];
  for (const [name, bytes] of files) {
    await writeFileAtomic(join(folder, name), bytes, { mode: statusMode });
    written.push(join(folder, name));
  }
  return written;
}
