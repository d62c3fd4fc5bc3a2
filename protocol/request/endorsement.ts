/**
 * The endorsement of a group's next key, in two rounds: first the new group agrees, then the old one endorses what was agreed to, once and for
 * ever. In this order nothing is left half done: an agreement alone says nothing about the old key.
 */
import { decodeBase64Url } from '../../verifier/base64.ts';
import { decodeEnvelope, encodeEnvelope, openEnvelope } from '../../verifier/dsse.ts';
import {
  decodeEndorsement,
  encodeEndorsement,
  endorsementPayloadType,
  type Endorsement,
} from '../../verifier/endorsement.ts';
import { formatGroupKey, type GroupKey } from '../../verifier/group-key.ts';
import { decodeCanonicalJson, encodeCanonicalJson, readFields } from '../../verifier/json.ts';
import { maxDepth, maxEndorsementBytes, maxEndorsementFileBytes } from '../../verifier/limits.ts';
import type { Epoch } from '../ceremony/epoch.ts';
import { ProtocolError } from '../errors.ts';
import { equalBytes } from '../wire/bytes.ts';
import { refuseAs } from '../wire/envelope.ts';

/** In place of a date that is not known yet. */
const lastDate = '9999-12-31T23:59:59Z';

/** The `frostmark-group:` line of this group. */
function groupLine({ charter, groupKey }: Epoch): string {
  return formatGroupKey({ name: charter.group, key: decodeBase64Url(groupKey) });
}

/**
 * The document by which the group of this epoch agrees to come after `group`: what will be signed, without its date. Throws
 * `ProtocolError('bad-document')` where both are one key.
 */
export function draftConsent(epoch: Epoch, group: GroupKey): Uint8Array {
  const { openpgp = null } = epoch.charter;
  const draft = encodeCanonicalJson({
    group: formatGroupKey(group),
    successor: groupLine(epoch),
    openpgp: openpgp === null ? null : { userId: openpgp.userId, created: openpgp.created },
    at: null,
  });
  consentOf(epoch, draft, lastDate);
  return draft;
}

/** A payload, and what it says. */
export interface EndorsementDraft {
  readonly endorsement: Endorsement;
  readonly bytes: Uint8Array;
}

/** What a request with this document and date has signed: the successor is this group, as its charter says. Throws `ProtocolError('bad-document')`. */
export function consentOf(epoch: Epoch, document: Uint8Array, createdAt: string): EndorsementDraft {
  const bytes = refuseAs('bad-document', 'consent', () => {
    const value = decodeCanonicalJson(document, { maxBytes: maxEndorsementBytes, maxDepth });
    const fields = readFields(value, ['group', 'successor', 'openpgp', 'at'], 'bad-endorsement', 'it');
    if (fields.at !== null) throw new ProtocolError('bad-document', 'it has a date of its own');
    return encodeCanonicalJson({ ...fields, at: createdAt });
  });
  const draft = open(bytes);
  const { successor, openpgp } = draft.endorsement;
  if (formatGroupKey(successor) !== groupLine(epoch))
    throw new ProtocolError('wrong-group', 'the consent is of another group');
  const { userId, created } = epoch.charter.openpgp ?? {};
  if (openpgp?.userId !== userId || openpgp?.created !== created)
    throw new ProtocolError('bad-document', 'the consent names another OpenPGP key than the charter');
  return draft;
}

/** What a request with this document, the new group's signed consent, has endorsed by this group. Throws `ProtocolError` (`bad-document`, `wrong-group`). */
export function endorsementOf(epoch: Epoch, consent: Uint8Array): EndorsementDraft {
  const draft = openConsent(consent);
  if (formatGroupKey(draft.endorsement.group) !== groupLine(epoch))
    throw new ProtocolError('wrong-group', 'the new group agreed to come after another group than this one');
  return draft;
}

/** A signed consent: one envelope under the successor's key, without a newline. Throws `ProtocolError('bad-document')`. */
export function openConsent(consent: Uint8Array): EndorsementDraft {
  return refuseAs('bad-document', 'consent', () => {
    const envelope = decodeCanonicalJson(consent, { maxBytes: maxEndorsementFileBytes, maxDepth });
    const { payload, signature } = decodeEnvelope(envelope, maxEndorsementBytes);
    const draft = open(payload);
    openEnvelope(envelope, endorsementPayloadType, draft.endorsement.successor.key);
    if (
      !equalBytes(
        encodeCanonicalJson(encodeEnvelope({ payloadType: endorsementPayloadType, payload, keyid: '', signature })),
        consent,
      )
    )
      throw new ProtocolError('bad-document', 'it is not as a quorum writes it');
    return draft;
  });
}

function open(bytes: Uint8Array): EndorsementDraft {
  const endorsement = refuseAs('bad-document', 'endorsement', () => decodeEndorsement(bytes));
  if (!equalBytes(encodeEndorsement(endorsement), bytes))
    throw new ProtocolError('bad-document', 'endorsement: its fields are in another order');
  return { endorsement, bytes };
}
