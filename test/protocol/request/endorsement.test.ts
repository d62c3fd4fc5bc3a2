/** An endorsement: what the new group agrees to, and what the old one may sign of it. */
import { beforeAll, describe, expect, it } from 'vitest';
import { decodeBase64Url } from '../../../verifier/base64.ts';
import { openEndorsement } from '../../../verifier/endorsement.ts';
import { encodeCanonicalJson } from '../../../verifier/json.ts';
import { readingsOf } from '../../../protocol/documents/readings.ts';
import { prepareRequest, signedTexts } from '../../../protocol/formats/index.ts';
import { consentOf, draftConsent, endorsementOf } from '../../../protocol/request/endorsement.ts';
import type { Request } from '../../../protocol/request/request.ts';
import { sha256Hex, utf8ToBytes } from '../../../protocol/wire/bytes.ts';
import { formatTimestamp } from '../../../protocol/wire/time.ts';
import { openpgpTestGroup } from '../../harness/openpgp-group.ts';
import { liveGroup, releaseRequest, type LiveGroup } from '../../harness/round-network.ts';
import { signedFiles } from '../../harness/signed-release.ts';
import { codeOf, flipped, spoiltOf } from '../support.ts';

const now = 1_795_000_000;
const createdAt = formatTimestamp(now);
const stock = ['ssh-endorsement', 'minisign-endorsement', 'openpgp-endorsement'];

let old: LiveGroup;
let next: LiveGroup;
/** Has no OpenPGP key. */
let bare: LiveGroup;
beforeAll(async () => {
  old = (await openpgpTestGroup(now)).live;
  next = (await openpgpTestGroup(now - 86_400)).live;
  bare = await liveGroup({ tiers: ['admin', 'admin'], production: '{ any: 2 }' });
});

const keyOf = ({ epoch }: LiveGroup) => ({ name: epoch.charter.group, key: decodeBase64Url(epoch.groupKey) });
const request = (of: LiveGroup, kind: 'consent' | 'endorsement', formats: string[], document: Uint8Array): Request =>
  releaseRequest(of, 'production', {
    kind,
    formats,
    artifacts: [],
    documents: [{ kind, size: document.length, sha256: sha256Hex(document) }],
    product: null,
    release: null,
    createdAt,
  });
/** The signed consent of a group to come after another. */
function consentBy(of: LiveGroup, after: LiveGroup): Uint8Array {
  const draft = draftConsent(of.epoch, keyOf(after));
  return signedFiles(of, request(of, 'consent', ['consent'], draft), [draft]).get('consent')!;
}
const endorsed = (consent: Uint8Array, formats = ['endorsement']): ReadonlyMap<string, Uint8Array> =>
  signedFiles(old, request(old, 'endorsement', formats, consent), [consent]);

describe('a consent', () => {
  it('has no date before it is signed, and names the new group as its charter does', () => {
    const draft = draftConsent(next.epoch, keyOf(old));
    expect(Buffer.from(draft).toString()).toMatch(/"at":null\}$/);
    expect(consentOf(next.epoch, draft, createdAt).endorsement).toMatchObject({
      successor: keyOf(next),
      openpgp: next.epoch.charter.openpgp,
      at: createdAt,
    });
  });

  it('is refused with any field changed, left out or added, but for which key is old', () => {
    const json = JSON.parse(Buffer.from(draftConsent(next.epoch, keyOf(old))).toString()) as object;
    for (const { at, value } of spoiltOf(json)) {
      if (at === '/group') continue;
      expect(['bad-document', 'wrong-group'], at).toContain(
        codeOf(() => consentOf(next.epoch, encodeCanonicalJson(value), createdAt)),
      );
    }
  });

  it('of another group, or to come after itself, is signed by none', () => {
    expect(codeOf(() => consentOf(old.epoch, draftConsent(next.epoch, keyOf(old)), createdAt))).toBe('wrong-group');
    expect(codeOf(() => draftConsent(next.epoch, keyOf(next)))).toBe('bad-document');
  });
});

describe('an endorsement', () => {
  it('is the consent under the old key, too', () => {
    const file = endorsed(consentBy(next, old)).get('endorsement')!;
    expect(openEndorsement(file, keyOf(old).key)).toMatchObject({ group: keyOf(old), successor: keyOf(next) });
    expect(() => openEndorsement(file, keyOf(next).key)).toThrow('signature does not verify');
  });

  it.each<[string, () => Uint8Array]>([
    ['to come after another group', () => consentBy(next, bare)],
    [
      'by another key than it names',
      () => {
        const draft = JSON.parse(Buffer.from(consentBy(next, old)).toString()) as object;
        const other = JSON.parse(Buffer.from(consentBy(bare, old)).toString()) as { signatures: object[] };
        return encodeCanonicalJson({ ...draft, signatures: other.signatures });
      },
    ],
    ['with a changed byte', () => flipped(consentBy(next, old), 40)],
    [
      'with a key id',
      () => {
        const envelope = JSON.parse(Buffer.from(consentBy(next, old)).toString()) as { signatures: [object] };
        return encodeCanonicalJson({ ...envelope, signatures: [{ ...envelope.signatures[0], keyid: 'x' }] });
      },
    ],
    ['with a newline', () => Buffer.concat([consentBy(next, old), Buffer.from('\n')])],
    ['that is not signed', () => draftConsent(next.epoch, keyOf(old))],
  ])('of a consent %s is refused', (_, consent) => {
    expect(['bad-document', 'wrong-group']).toContain(codeOf(() => endorsementOf(old.epoch, consent())));
  });

  it('is signed for stock tools in the same approval, each as the file that its tool reads', () => {
    const files = endorsed(consentBy(next, old), ['endorsement', ...stock]);
    expect([...files.keys()]).toEqual(['endorsement', ...stock]);
  });

  it('has no OpenPGP form where one of the two has no OpenPGP key', () => {
    const consent = consentBy(bare, old);
    expect(endorsed(consent, ['endorsement', 'ssh-endorsement']).size).toBe(2);
    expect(codeOf(() => endorsed(consent, ['openpgp-endorsement']))).toBe('bad-request');
  });

  it('signs key files that no tool takes for a document of another kind (T10)', () => {
    const consent = consentBy(next, old);
    const prepared = prepareRequest({
      epoch: old.epoch,
      request: request(old, 'endorsement', stock, consent),
      documents: [consent],
    });
    const [ssh = ''] = signedTexts(prepared);
    expect([...readingsOf(utf8ToBytes(`${ssh.replace('SSH: ', '')}\n`))]).toEqual([]);
    expect(new Set(prepared.messages.map((message) => Buffer.from(message).toString('hex'))).size).toBe(3);
  });
});
