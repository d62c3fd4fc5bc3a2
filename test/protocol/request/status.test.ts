/** The status of a group: as it is drafted, as signers complete it, and what stock tools are told in the same approval. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { decodeBase64Url } from '../../../verifier/base64.ts';
import { encodeCanonicalJson } from '../../../verifier/json.ts';
import { openStatusFile, revocationId, statusInForce, type Status } from '../../../verifier/status.ts';
import { readingsIn } from '../../../protocol/documents/readings.ts';
import { finishRequest, prepareRequest, signedTexts } from '../../../protocol/formats/index.ts';
import type { Request } from '../../../protocol/request/request.ts';
import { assertNextStatus, draftStatus, statusOf, type RevocationWish } from '../../../protocol/request/status.ts';
import { decodeSshSignature } from '../../../protocol/ssh/signature.ts';
import { sha256Hex, utf8ToBytes } from '../../../protocol/wire/bytes.ts';
import { formatTimestamp } from '../../../protocol/wire/time.ts';
import { quorumSignature } from '../../harness/coordinator-group.ts';
import { openpgpTestGroup, type OpenpgpTestGroup } from '../../harness/openpgp-group.ts';
import { liveGroup, releaseRequest, type LiveGroup } from '../../harness/round-network.ts';
import { codeOf, refusalOf, spoiltOf } from '../support.ts';

const now = 1_795_000_000;
const at = formatTimestamp(now);
const stolen: RevocationWish = { channel: 'development', reason: 'stolen' };
const below = (release: string): RevocationWish => ({ product: 'acme', below: release, reason: null });

let group: OpenpgpTestGroup;
let other: LiveGroup;
beforeAll(async () => {
  group = await openpgpTestGroup(now);
  other = await liveGroup({ tiers: ['admin', 'admin'], production: '{ any: 2 }' });
});

const draft = (held: readonly Status[], wish?: RevocationWish): Uint8Array =>
  draftStatus(group.live.epoch, held, wish)!;
/** What the quorum would sign. */
const signed = (held: readonly Status[], wish?: RevocationWish, date = at): Status =>
  statusOf(group.live.epoch, draft(held, wish), date).status;
const asked = (document: Uint8Array, formats: readonly string[] = ['status']): Request =>
  releaseRequest(group.live, 'production', {
    kind: 'status',
    formats: [...formats],
    artifacts: [],
    documents: [{ kind: 'status', size: document.length, sha256: sha256Hex(document) }],
    product: null,
    release: null,
    createdAt: at,
  });
const prepared = (document: Uint8Array, formats?: readonly string[]) =>
  prepareRequest({ epoch: group.live.epoch, request: asked(document, formats), documents: [document] });

describe('a draft', () => {
  it('has no date, so that the same wish is the same request whenever it is asked for', () => {
    expect(Buffer.from(draft([], stolen)).toString()).not.toContain(at);
    expect(signed([], stolen)).toEqual({
      groupKey: decodeBase64Url(group.live.epoch.groupKey),
      number: 1,
      at,
      revoked: [{ channel: 'development', key: group.live.epoch.channel('development').key, at, reason: 'stolen' }],
    });
  });

  it('goes on from all that was signed, also from two of one number (T46)', () => {
    const first = signed([]);
    const [one, two] = [signed([first], stolen), signed([first], below('2.0.0'))];
    const next = signed([first, two, one], below('3.0.0'), formatTimestamp(now + 60));
    expect(next.number).toBe(3);
    expect(new Set(next.revoked.map(revocationId)).size).toBe(3);
    for (const before of [one, two]) expect(next.revoked).toEqual(expect.arrayContaining([...before.revoked]));
  });

  it('is none where all of it was revoked before', () => {
    expect(draftStatus(group.live.epoch, [signed([], stolen)], stolen)).toBeNull();
    expect(draftStatus(group.live.epoch, [signed([], below('2.0.0'))], below('2.0.0'))).toBeNull();
  });

  it.each<[string, RevocationWish, string]>([
    ['production', { channel: 'production', reason: null }, 'bad-document'],
    ['a channel that there is not', { channel: 'nightly', reason: null }, 'unknown-channel'],
    ['below what is no version', { product: 'acme', below: 'new', reason: null }, 'bad-document'],
    ['a product of two lines', { product: 'a\nb', below: '1.0.0', reason: null }, 'bad-document'],
    ['for a reason of 256 bytes', { channel: 'development', reason: 'x'.repeat(256) }, 'bad-document'],
  ])('of %s is refused before anybody is asked', (_, wish, code) => {
    expect(codeOf(() => draft([], wish))).toBe(code);
  });
});

describe('the document of a request', () => {
  it('is refused with any field changed, left out, doubled or added', () => {
    const document = draft([signed([], below('2.0.0'))], stolen);
    const json = JSON.parse(Buffer.from(document).toString()) as object;
    const kept = ['/number', '/revoked/0', '/revoked/1 left out', '/revoked/1/reason', '/revoked/0/reason'];
    for (const { at: place, value } of spoiltOf(json)) {
      const isAnother = kept.some((one) => place === one || place === `${one} left out`) || /product|below/.test(place);
      // Another status, which the rule of the next one judges.
      if (isAnother && !/doubled|left out$/.test(place)) continue;
      const refused = (): unknown => {
        const judged = statusOf(group.live.epoch, encodeCanonicalJson(value), at);
        assertNextStatus(judged, [signed([], below('2.0.0'))]);
        return judged;
      };
      if (place === '/revoked/1 left out') expect(refused()).toBeDefined();
      else expect(['bad-document', 'wrong-group', 'unknown-channel'], place).toContain(codeOf(refused));
    }
  });

  it('of another group, or with another key for the channel, is refused', () => {
    const document = draft([], stolen);
    expect(codeOf(() => statusOf(other.epoch, document, at))).toBe('wrong-group');
    const json = JSON.parse(Buffer.from(document).toString()) as { revoked: { key: string }[] };
    json.revoked[0]!.key = other.epoch.groupKey;
    expect(refusalOf(() => statusOf(group.live.epoch, encodeCanonicalJson(json), at)).message).toContain(
      'not the key of development',
    );
  });

  it('with its fields in another order is refused', () => {
    const { groupKey, number, ...rest } = JSON.parse(Buffer.from(draft([], stolen)).toString()) as Status;
    expect(codeOf(() => statusOf(group.live.epoch, encodeCanonicalJson({ number, groupKey, ...rest }), at))).toBe(
      'bad-document',
    );
  });
});

describe('the next status (T46)', () => {
  const judge = (document: Uint8Array, held: readonly Status[]): void => {
    assertNextStatus(statusOf(group.live.epoch, document, formatTimestamp(now + 60)), held);
  };
  const edited = (document: Uint8Array, edit: (json: { number: number; revoked: object[] }) => void): Uint8Array => {
    const json = JSON.parse(Buffer.from(document).toString()) as { number: number; revoked: object[] };
    edit(json);
    return encodeCanonicalJson(json);
  };

  it('may be what was drafted from the same ones', () => {
    const held: Status[] = [];
    for (const wish of [undefined, stolen, below('2.0.0'), undefined, below('3.0.0')]) {
      judge(draft(held, wish), held);
      held.push(signed(held, wish));
    }
  });

  it('is one of those that were drafted from them, whatever was revoked (law)', () => {
    const wishes = fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 6 });
    fc.assert(
      fc.property(wishes, fc.integer({ min: 21, max: 30 }), (majors, last) => {
        const held: Status[] = [];
        for (const major of new Set(majors)) held.push(signed(held, below(`${major}.0.0`)));
        judge(draft(held, below(`${last}.0.0`)), held);
        const forgetful = held.slice(0, -1);
        if (forgetful.length < held.length)
          expect(codeOf(() => judge(draft(forgetful, below(`${last}.0.0`)), held))).toBe('stale-version');
      }),
    );
  });

  it.each<[string, string, () => Uint8Array]>([
    ['the number that was signed', 'stale-version', () => draft([], below('9.0.0'))],
    ['a number passed over', 'stale-version', () => edited(draft([first()]), (json) => (json.number += 1))],
    ['a revocation left out', 'bad-document', () => edited(draft([first()]), (json) => json.revoked.pop())],
    [
      'another reason for an old one',
      'bad-document',
      () => edited(draft([first()]), ({ revoked }) => Object.assign(revoked[0]!, { reason: 'none' })),
    ],
    [
      'an old one dated anew',
      'bad-document',
      () => edited(draft([first()]), ({ revoked }) => Object.assign(revoked[0]!, { at: null })),
    ],
    [
      'an old one that never was',
      'bad-document',
      () => edited(draft([first()]), ({ revoked }) => revoked.push({ product: 'x', below: '1.0.0', at, reason: null })),
    ],
  ])('has not %s', (_, code, document) => {
    expect(codeOf(() => judge(document(), [first()]))).toBe(code);
  });
  const first = (): Status => signed([], stolen);
});

describe('one approval', () => {
  const formats = ['status', 'openpgp-revocation', 'ssh-revocation'];

  it('signs the status, the revocation of the subkey and the list for SSH', () => {
    const ready = prepared(draft([], stolen), formats);
    const signatures = ready.messages.map((message) => quorumSignature(group.live, 'production', message));
    const [line, openpgp, ssh] = finishRequest(ready, signatures).map(({ bytes }) => bytes);
    const key = group.live.epoch.channel('production').point.bytes;
    const [status] = openStatusFile(Buffer.concat([line!, Buffer.from('\n')]), key);
    expect(statusInForce([status!]).revoked.map(revocationId)).toEqual([group.live.epoch.channel('development').key]);
    expect(Buffer.from(openpgp!).includes(Buffer.from(group.live.epoch.channel('development').point.bytes))).toBe(true);
    expect(decodeSshSignature(ssh!).namespace).toBe('file');
    expect(signedTexts(ready).join('\n')).toMatch(/revoked for good[^]*SSH: the list of keys[^]*ssh-ed25519 AAAA/);
  });

  it('signs no subkey for a status that ends none, and no list while no channel has ended', () => {
    for (const format of formats.slice(1))
      expect(codeOf(() => prepared(draft([], below('2.0.0')), ['status', format]))).toBe('bad-request');
    expect(codeOf(() => prepared(draft([signed([], stolen)], below('2.0.0')), ['openpgp-revocation']))).toBe(
      'bad-request',
    );
  });

  it('signs a list that no tool takes for a document of another kind (T10)', () => {
    const list = signedTexts(prepared(draft([], stolen), ['ssh-revocation']))[0]!
      .split('\n')
      .slice(1)
      .join('\n');
    expect(list).toMatch(/^ssh-ed25519 [A-Za-z0-9+/]+=* acme development$/);
    expect([...readingsIn(utf8ToBytes(`${list}\n`))]).toEqual([]);
  });

  it('is asked for on production alone, with its document', () => {
    const document = draft([], stolen);
    const request = asked(document);
    expect(request.payload.channel).toBe('production');
    expect(codeOf(() => prepareRequest({ epoch: group.live.epoch, request, documents: [] }))).toBe('bad-document');
  });
});
