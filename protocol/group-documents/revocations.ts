/** What a group took back: what must not be certified, asked for or signed any more, and by which document. What counts is every revocation there is. */
import { formatTimestamp } from '../wire/time.ts';
import type { Charter } from '../files/charter.ts';
import type { RequestPayload } from '../request/request.ts';
import { askedBy, type GroupDocument } from './document.ts';
import { placeText } from './kinds.ts';

/** What somebody wants to have signed, as far as a revocation may cover it. */
export interface Asked extends Pick<RequestPayload, 'kind' | 'channel' | 'formats' | 'certify'> {
  /** The channel that a document of the group is about, where it is about one. */
  readonly scope: string | null;
}

/** One thing that was taken back. */
export interface Revocation {
  /** Such as `the OpenPGP subkey of development`. */
  readonly what: string;
  readonly document: GroupDocument;
  /** Whether this may not be signed any more. */
  covers(asked: Asked): boolean;
}

/** Everything that these documents take back. */
export function revocationsIn(documents: Iterable<GroupDocument>): Revocation[] {
  return [...documents].flatMap((document) => {
    const { kind, scope } = document;
    return kind === 'openpgp-revocation' && scope !== null ? [subkeyRevocation(document, scope)] : [];
  });
}

/** OpenPGP's own: neither a new binding nor a signature by the subkey is of use to anybody. */
function subkeyRevocation(document: GroupDocument, channel: string): Revocation {
  return {
    what: `the OpenPGP subkey of ${channel}`,
    document,
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
  { what, document }: Revocation,
  names: { readonly charter: Charter; readonly requesters: readonly { readonly name: string; readonly key: string }[] },
): string {
  const { request } = document;
  const at = formatTimestamp(request.createdAtUnixSeconds);
  return `${what} was revoked for good: ${askedBy(document, names)} asked for it on ${at}, and the group signed it (${placeText(document)}, request ${request.digest.slice(0, 12)})`;
}
