/** What a group took back: what must not be certified, asked for or signed any more, and by which document. What counts is every revocation there is. */
import { decodeBase64 } from '../../verifier/base64.ts';
import { isEnded, revocationId, type Revocation as Ended, type Status } from '../../verifier/status.ts';
import { nameOf, revokedChannels, statusOf, type StatusDraft } from '../request/status.ts';
import { at } from '../wire/present.ts';
import { formatTimestamp } from '../wire/time.ts';
import type { Charter } from '../files/charter.ts';
import type { RequestPayload } from '../request/request.ts';
import { askedBy, type GroupDocument } from './document.ts';
import { placeText } from './kinds.ts';

/** What somebody wants to have signed, as far as a revocation may cover it. */
export interface Asked extends Pick<
  RequestPayload,
  'kind' | 'channel' | 'formats' | 'certify' | 'product' | 'release'
> {
  /** The key of a channel, 32 bytes as base64url, in the epoch of the request. */
  readonly keyOf: (channel: string) => string;
  /** The channel that a document of the group is about, where it is about one. */
  readonly scope: string | null;
}

/** One thing that was taken back. */
export interface Revocation {
  /** Such as `the OpenPGP subkey of development`. */
  readonly what: string;
  readonly document: GroupDocument;
  /** When an earlier document took it back, which this one repeats; `undefined` where this one did. */
  readonly repeats: string | undefined;
  /** Whether this may not be signed any more. */
  covers(asked: Asked): boolean;
}

/** Everything that these documents take back; what several statuses say, once, by the one that said it first. */
export function revocationsIn(documents: Iterable<GroupDocument>): Revocation[] {
  const all = [...documents];
  const subkeys = all.flatMap((document) => {
    const { kind, scope } = document;
    return kind === 'openpgp-revocation' && scope !== null ? [subkeyRevocation(document, scope)] : [];
  });
  return [...subkeys, ...endingsIn(all.filter(({ kind }) => kind === 'status'))];
}

function endingsIn(statuses: readonly GroupDocument[]): Revocation[] {
  const said = new Set<string>();
  return statuses
    .toSorted((a, b) => a.number - b.number)
    .flatMap((document) => draftOf(document).status.revoked.map((ended) => ({ document, ended })))
    .filter(({ ended }) => !said.has(revocationId(ended)) && said.add(revocationId(ended)))
    .map(({ document, ended }) => ending(document, ended));
}

/** A status as the request that it was made by says it. */
function draftOf({ epoch, request, body }: GroupDocument): StatusDraft {
  return statusOf(epoch, decodeBase64(at(body.documents, 0)), request.payload.createdAt);
}

/** Every status among these documents, in their order. */
export function statusesIn(documents: Iterable<GroupDocument>): Status[] {
  return [...documents].flatMap((document) => (document.kind === 'status' ? [draftOf(document).status] : []));
}

/** The one channel whose subkey a status revoked, too. */
export function endedChannel(document: GroupDocument): string {
  return at(revokedChannels(draftOf(document).added), 0).channel;
}

/** By the status: neither a release that it ends, nor anything by a key that it ends, nor what vouches for such a key. */
function ending(document: GroupDocument, ended: Ended): Revocation {
  const covers = (asked: Asked): boolean => {
    if ('product' in ended) return asked.kind === 'release' && isEnded(ended, asked, null);
    const about = [asked.channel, asked.certify?.channel, asked.scope ?? undefined];
    const isTakenBack = asked.kind === 'status' || asked.kind === 'openpgp-revocation';
    return !isTakenBack && about.some((channel) => channel !== undefined && asked.keyOf(channel) === ended.key);
  };
  const what = 'product' in ended ? `every ${nameOf(ended)}` : `the key of ${nameOf(ended)}`;
  const repeats = ended.at === document.request.payload.createdAt ? undefined : ended.at;
  return { what, document, repeats, covers };
}

/** OpenPGP's own: neither a new binding nor a signature by the subkey is of use to anybody. */
function subkeyRevocation(document: GroupDocument, channel: string): Revocation {
  return {
    what: `the OpenPGP subkey of ${channel}`,
    document,
    repeats: undefined,
    covers: (asked) => {
      if (asked.kind === 'openpgp-back-signature') return asked.channel === channel;
      if (asked.kind === 'openpgp-subkey') return asked.certify?.channel === channel;
      return asked.channel === channel && asked.formats.some((format) => format.startsWith('openpgp'));
    },
  };
}

/** The first revocation that covers this; `undefined` if none does. */
export function revocationOf(documents: Iterable<GroupDocument>, asked: Asked): Revocation | undefined {
  return revocationsIn(documents).find((revocation) => revocation.covers(asked));
}

/** Who took it back, when, and by which document. */
export function revokedText(
  { what, document, repeats }: Revocation,
  names: { readonly charter: Charter; readonly requesters: readonly { readonly name: string; readonly key: string }[] },
): string {
  const { request } = document;
  const named = `${placeText(document)}, request ${request.digest.slice(0, 12)}`;
  if (repeats !== undefined) return `${what} was revoked for good on ${repeats}, as the group signed again (${named})`;
  const date = formatTimestamp(request.createdAtUnixSeconds);
  return `${what} was revoked for good: ${askedBy(document, names)} asked for it on ${date}, and the group signed it (${named})`;
}
