/** A member's home whose key every member holds the certificate of. */
import type { Certificate } from '../protocol/ceremony/certificate.ts';
import type { Envelope } from '../protocol/wire/envelope.ts';
import { ParticipantError } from './errors.ts';
import type { Agreement, MemberHome } from './member-home.ts';

/** What such a home holds. */
export interface CertifiedHome {
  readonly agreement: Agreement;
  readonly certificate: Certificate;
  readonly stored: readonly Envelope[];
}

/** Throws `ParticipantError('not-joined')`: before every member holds the certificate a daemon could not go on by itself: the ceremony may have to begin anew. */
export async function certifiedHome(home: MemberHome): Promise<CertifiedHome> {
  const [agreement, certificate] = [await home.agreement(), await home.certificate()];
  const stored = certificate === undefined ? undefined : await home.stored(certificate.transcriptHash);
  if (agreement !== undefined && certificate !== undefined && stored !== undefined)
    return { agreement, certificate, stored };
  throw new ParticipantError(
    'not-joined',
    `${home.home.path} has no share of a key yet; run: frostmark participant join CHARTER.yaml --coordinator URL`,
  );
}
