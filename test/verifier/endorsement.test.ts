import { describe, expect, it } from 'vitest';

import { encodeBase64Url } from '../../verifier/base64.ts';
import type { Envelope } from '../../verifier/dsse.ts';
import {
  decodeEndorsement,
  encodeEndorsement,
  endorsementPayloadType,
  openEndorsement,
  type Endorsement,
} from '../../verifier/endorsement.ts';
import { encodeCanonicalJson } from '../../verifier/json.ts';
import { codeOf, golden, group, keyPair, signedEnvelope, statusFile, stranger, type KeyPair } from './fixtures.ts';

const next = stranger;
const endorsement = (changes: Partial<Endorsement> = {}): Endorsement => ({
  group: { name: 'acme', key: group.publicKey },
  successor: { name: 'acme-2', key: next.publicKey },
  openpgp: { userId: 'Acme <release@acme.example>', created: '2027-01-01T00:00:00Z' },
  at: '2027-03-01T08:00:00Z',
  ...changes,
});
const by = (key: KeyPair, changes: Partial<Endorsement> = {}): Envelope =>
  signedEnvelope(endorsementPayloadType, encodeEndorsement(endorsement(changes)), key);
/** Lines of envelopes, as a status file has them. */
const file = statusFile;
const other = { successor: { name: 'evil', key: next.publicKey } };

describe('an endorsement', () => {
  it('is the one in test/vectors/GROUP.endorsement, signed by both keys', () => {
    expect(openEndorsement(golden('GROUP.endorsement'), group.publicKey)).toEqual(endorsement());
    expect(Buffer.from(golden('GROUP.endorsement'))).toEqual(Buffer.from(file(by(group), by(next))));
    expect(decodeEndorsement(encodeEndorsement(endorsement({ openpgp: null }))).openpgp).toBeNull();
  });

  it.each<[string, () => Uint8Array]>([
    ['without the word of the new key', () => file(by(group))],
    ['without the word of the old key', () => file(by(next))],
    ['with the lines exchanged', () => file(by(next), by(group))],
    ['signed twice by the old key', () => file(by(group), by(group))],
    ['signed twice by the new key', () => file(by(next), by(next))],
    ['of which the new key agreed to another', () => file(by(group, other), by(next))],
    ['of which the new key agreed at another time', () => file(by(group), by(next, { at: '2027-03-01T08:00:01Z' }))],
    [
      'of another group',
      () =>
        file(
          by(next, { group: { name: 'x', key: next.publicKey }, successor: { name: 'y', key: group.publicKey } }),
          by(group),
        ),
    ],
    [
      'that names another group, under this key',
      () => {
        const changes = { group: { name: 'acme', key: keyPair(4).publicKey } };
        return file(by(group, changes), by(next, changes));
      },
    ],
    [
      'under another payload type',
      () => {
        const as = (key: KeyPair): Envelope =>
          signedEnvelope('application/vnd.frostmark.status.v1+json', encodeEndorsement(endorsement()), key);
        return file(as(group), as(next));
      },
    ],
    ['with a line more', () => file(by(group), by(next), by(next))],
    ['that is cut off', () => file(by(group), by(next)).subarray(0, -1)],
    ['of over 16 KiB', () => new Uint8Array(16 * 1024 + 1)],
    ['that is a status', () => golden('GROUP.status')],
    ['that is empty', () => new Uint8Array()],
  ])('%s is refused', (_, bytes) => {
    expect(codeOf(() => openEndorsement(bytes(), group.publicKey))).toBe('bad-endorsement');
  });

  it.each<[string, object]>([
    ['of a key by itself', { successor: `frostmark-group:acme-2:${encodeBase64Url(group.publicKey)}` }],
    ['of a key of small order', { successor: `frostmark-group:acme-2:${'A'.repeat(43)}` }],
    ['of no key', { successor: null }],
    ['without a time', { at: null }],
    ['with a field more', { extra: 1 }],
    ['with half an OpenPGP key', { openpgp: { userId: 'Acme' } }],
    ['with a user id of two lines', { openpgp: { userId: 'a\nb', created: '2027-01-01T00:00:00Z' } }],
  ])('%s is no endorsement', (_, changes) => {
    const json = JSON.parse(Buffer.from(encodeEndorsement(endorsement())).toString()) as object;
    expect(codeOf(() => decodeEndorsement(encodeCanonicalJson({ ...json, ...changes })))).toBe('bad-endorsement');
  });
});
