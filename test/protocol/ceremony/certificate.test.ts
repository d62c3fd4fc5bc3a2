/** The certificate: what makes a key, and every way in which one is not believed. */
import { beforeAll, describe, expect, it } from 'vitest';
import { decodeBase64Url } from '../../../verifier/base64.ts';
import { encodeCanonicalJson } from '../../../verifier/json.ts';
import { bytesToHex, sha256Hex } from '../../../protocol/wire/bytes.ts';
import { storedMessage, transcriptMessage, type CeremonyPayload } from '../../../protocol/ceremony/messages.ts';
import { buildCertificate, decodeCertificate, type Certificate } from '../../../protocol/ceremony/certificate.ts';
import { assertAllStored, openEpoch, type Epoch } from '../../../protocol/ceremony/epoch.ts';
import { channelKeysOf, transcriptHash, type Transcript } from '../../../protocol/ceremony/transcript.ts';
import { decodeCharter, type Charter } from '../../../protocol/files/charter.ts';
import { sealMessage, type Envelope } from '../../../protocol/wire/envelope.ts';
import { maxCertificateBytes } from '../../../protocol/limits.ts';
import { CeremonyNetwork, publicGroup, sharedSodium } from '../../harness/ceremony-network.ts';
import { person, writeCharter, type Person } from '../../harness/people.ts';
import { seededRandom } from '../../harness/random.ts';
import { codeOf, payloadOf, refusalOf, signBytes, spoiltOf, utf8 } from '../support.ts';

let people: readonly Person[];
let charter: Charter;
let certificate: Certificate;
let epoch: Epoch;
let stored: readonly Envelope[];

beforeAll(async () => {
  // One flat and one tiered quorum: every member proves two shares, and the third holds no share of `nightly`.
  const plan = writeCharter({
    tiers: ['admin', 'admin', 'build'],
    production: '{ any: 2 }',
    development: '{ admin: 1, build: 1 }',
  });
  people = plan.people;
  charter = plan.charter;
  const network = new CeremonyNetwork(charter, people, await sharedSodium(), seededRandom(11));
  network.run();
  epoch = network.epoch();
  certificate = epoch.certificate;
  stored = network.members[0]!.stored!;
});

const open = (bytes: Uint8Array): Epoch => openEpoch(publicGroup, charter, decodeCertificate(bytes));

/** A certificate of this transcript that every member signs anew, each with the proofs that `proofsOf` gives. */
function resigned(transcript: Transcript, proofsOf = honestProofs): Certificate {
  const hash = transcriptHash(transcript);
  const signatures = people.map((who, index) =>
    sealMessage(transcriptMessage, { ceremony: transcript.ceremony, transcript: hash, proofs: proofsOf(index) }, who),
  );
  return buildCertificate(transcript, signatures);
}
function honestProofs(index: number): CeremonyPayload<'transcript'>['proofs'] {
  return (payloadOf(certificate.signatures[index]!) as CeremonyPayload<'transcript'>).proofs;
}

describe('a certificate', () => {
  it('reads back from its bytes, and the hash of its transcript names the key epoch', () => {
    expect(decodeCertificate(certificate.bytes)).toEqual(certificate);
    expect(open(certificate.bytes).hash).toBe(sha256Hex(encodeCanonicalJson(certificate.transcript)));
  });

  it('gives one key for each channel, and the public share of each holder', () => {
    expect(epoch.groupKey).toBe(epoch.channel('production').key);
    expect(epoch.groupLine).toBe(`frostmark-group:acme:${epoch.groupKey}`);
    expect(epoch.channel('development').key).not.toBe(epoch.groupKey);
    expect([...epoch.channel('production').publicShares.keys()]).toEqual([1, 2, 3]);
    expect(epoch.sharingOf('development', 3)).toMatchObject({ index: 1, sharing: { tier: 'build' } });
    expect(epoch.sharingOf('development', 4)).toBeUndefined();
    expect(codeOf(() => epoch.channel('nightly'))).toBe('unknown-channel');
  });

  it('is refused with any field changed, left out, doubled or added (T19)', () => {
    const value = JSON.parse(new TextDecoder().decode(certificate.bytes)) as unknown;
    const spoilt = spoiltOf(value);
    expect(spoilt.length).toBeGreaterThan(100);
    for (const one of spoilt)
      expect(
        codeOf(() => open(encodeCanonicalJson(one.value))),
        one.at,
      ).toBe('bad-certificate');
  });

  it('is refused in any spelling but one, and past its bytes', () => {
    const text = new TextDecoder().decode(certificate.bytes);
    for (const spelled of [
      `${text}\n`,
      ` ${text}`,
      text.replace('"version":1', '"version":1.0'),
      text.slice(0, -1),
      '',
      'null',
      '[]',
    ])
      expect(codeOf(() => decodeCertificate(utf8(spelled)))).toBe('bad-certificate');
    expect(codeOf(() => decodeCertificate(new Uint8Array(maxCertificateBytes + 1).fill(32)))).toBe('bad-certificate');
  });

  it('is refused under another charter, even one with the same members (T18)', () => {
    const text = new TextDecoder().decode(charter.bytes);
    const other = decodeCharter(utf8(`${text}# the same people\n`));
    expect(codeOf(() => openEpoch(publicGroup, other, certificate))).toBe('bad-certificate');
    const lower = decodeCharter(utf8(text.replace('any: 2', 'any: 3')));
    expect(
      codeOf(() => openEpoch(publicGroup, lower, resigned({ ...certificate.transcript, charter: lower.hash }))),
    ).toBe('bad-certificate');
  });
});

describe('the signatures of a certificate', () => {
  const withSignature = (index: number, envelope: Envelope): Certificate =>
    buildCertificate(certificate.transcript, certificate.signatures.with(index, envelope));
  const refuse = (changed: Certificate): string => refusalOf(() => open(changed.bytes)).message;

  it('are all there, in order of identifiers, each once (T13)', () => {
    const [first, second, third] = certificate.signatures as [Envelope, Envelope, Envelope];
    for (const signatures of [
      [first, second],
      [second, first, third],
      [first, first, third],
      [first, second, third, third],
      [],
    ])
      expect(codeOf(() => open(buildCertificate(certificate.transcript, signatures).bytes))).toBe('bad-certificate');
  });

  it('are of the members: a stranger’s, or one member’s under another’s keyid, does not count (T7)', () => {
    const payload = payloadOf(certificate.signatures[1]!) as CeremonyPayload<'transcript'>;
    expect(refuse(withSignature(1, sealMessage(transcriptMessage, payload, person('admin-2'))))).toContain(
      'signature of admin-2',
    );
    const claimed = signBytes(transcriptMessage.payloadType, JSON.stringify(payload), people[0]!, people[1]!.key);
    expect(refuse(withSignature(1, claimed))).toContain('is not valid');
  });

  it('are over this very transcript of this very ceremony (T13)', () => {
    const payload = payloadOf(certificate.signatures[1]!) as CeremonyPayload<'transcript'>;
    for (const change of [{ transcript: '00'.repeat(32) }, { ceremony: '00'.repeat(32) }])
      expect(refuse(withSignature(1, sealMessage(transcriptMessage, { ...payload, ...change }, people[1]!)))).toContain(
        'admin-2 signed another transcript',
      );
  });

  it('are refused as a message of another kind (T10)', () => {
    expect(codeOf(() => open(withSignature(1, stored[1]!).bytes))).toBe('bad-certificate');
  });

  it('hold under any transcript that all members sign, so that only the proofs speak against it below', () => {
    expect(open(resigned(certificate.transcript).bytes).groupKey).toBe(epoch.groupKey);
  });
});

describe('the proofs of a certificate', () => {
  const proofs = (member: number): CeremonyPayload<'transcript'>['proofs'] => honestProofs(member);
  const cases: [string, () => (index: number) => CeremonyPayload<'transcript'>['proofs'], string][] = [
    [
      'of another member',
      () => (index) => proofs(index === 0 ? 1 : index),
      'admin-1: its proof of share for production is wrong',
    ],
    ['swapped between two members', () => (index) => proofs([1, 0, 2][index]!), 'admin-1: its proof'],
    [
      'of another channel',
      () => (index) => proofs(index).map((proof, place) => ({ ...proof, proof: proofs(index)[1 - place]!.proof })),
      'its proof',
    ],
    ['in another order', () => (index) => proofs(index).toReversed(), 'other shares than the charter says'],
    [
      'with one missing',
      () => (index) => proofs(index).slice(0, index === 2 ? 1 : 2),
      'build-3: it proved 1 shares instead of 2',
    ],
    ['with one too many', () => (index) => [...proofs(index), proofs(index)[0]!], 'it proved 3 shares instead of 2'],
    ['of no share', () => () => [], 'it proved 0 shares'],
    [
      'whose point is the identity',
      () => (index) => proofs(index).map((proof) => ({ ...proof, proof: '01'.padEnd(128, '0') })),
      'its proof',
    ],
    [
      'whose scalar is not reduced',
      () => (index) => proofs(index).map((proof) => ({ ...proof, proof: proof.proof.slice(0, 64) + 'ff'.repeat(32) })),
      'its proof',
    ],
  ];
  it.each(cases)('are refused %s, although all signatures are right (T19, T35)', (_name, change, message) => {
    const refusal = refusalOf(() => open(resigned(certificate.transcript, change()).bytes));
    expect(refusal.code).toBe('bad-certificate');
    expect(refusal.message).toContain(message);
  });

  it('are refused under any other transcript, even if every member signs it (T13)', () => {
    const changed: Transcript[] = [
      { ...certificate.transcript, requesters: '00'.repeat(32) },
      { ...certificate.transcript, ceremony: '00'.repeat(32) },
      { ...certificate.transcript, messages: certificate.transcript.messages.toReversed() },
    ];
    for (const transcript of changed)
      expect(refusalOf(() => open(resigned(transcript).bytes)).message).toContain(
        'its proof of share for production is wrong',
      );
  });
});

describe('the keys of a certificate', () => {
  const withCommitments = (change: (all: string[]) => string[]): Transcript => ({
    ...certificate.transcript,
    channels: certificate.transcript.channels.map((channel, index) =>
      index === 0
        ? { ...channel, sharings: channel.sharings.map(({ commitments }) => ({ commitments: change(commitments) })) }
        : channel,
    ),
  });
  const identity = `01${'00'.repeat(31)}`;

  it.each<[string, (all: string[]) => string[]]>([
    ['a coefficient too many', (all) => [...all, all[0]!]],
    ['a coefficient too few', (all) => all.slice(1)],
    ['the identity after them', (all) => [...all, identity]],
    ['the identity among them', (all) => [all[0]!, identity]],
    ['a point of small order', (all) => [all[0]!, 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa']],
    ['no point at all', (all) => [all[0]!, '02'.padEnd(64, '0')]],
  ])('are refused with %s, even if every member signs it (T8, T14)', (_name, change) => {
    const refusal = refusalOf(() => open(resigned(withCommitments(change)).bytes));
    expect([refusal.code, refusal.message]).toEqual([
      'bad-certificate',
      expect.stringContaining('exactly 2 valid commitments'),
    ]);
  });

  it('are never the identity (T8)', () => {
    const [a] = certificate.transcript.channels[0]!.sharings[0]!.commitments;
    const point = publicGroup.decodePoint(Uint8Array.from(Buffer.from(a!, 'hex')))!;
    const negative = bytesToHex(publicGroup.multiply(point, -1n).bytes);
    const cancelling: Transcript = {
      ...certificate.transcript,
      channels: certificate.transcript.channels.with(1, {
        channel: 'development',
        sharings: [{ commitments: [a!] }, { commitments: [negative] }],
      }),
    };
    expect(refusalOf(() => open(resigned(cancelling).bytes)).message).toContain('identity');
  });

  it('are no other channel’s key and nobody’s identity (T38)', () => {
    const half = (key: string): string =>
      bytesToHex(
        publicGroup.add(
          publicGroup.decodePoint(decodeBase64Url(key))!,
          publicGroup.multiply(publicGroup.generator, -5n),
        ).bytes,
      );
    const five = bytesToHex(publicGroup.multiplyBase(5n).bytes);
    for (const taken of [epoch.groupKey, ...people.map((who) => who.key)]) {
      const transcript: Transcript = {
        ...certificate.transcript,
        channels: certificate.transcript.channels.with(1, {
          channel: 'development',
          sharings: [{ commitments: [half(taken)] }, { commitments: [five] }],
        }),
      };
      expect(refusalOf(() => channelKeysOf(publicGroup, charter, transcript)).message).toBe(
        "the key of development is also somebody else's",
      );
    }
  });

  it('are of the channels of the charter, in its order', () => {
    const { channels } = certificate.transcript;
    for (const changed of [
      channels.toReversed(),
      channels.slice(0, 1),
      channels.map((channel) => ({ ...channel, channel: 'production' })),
    ])
      expect(
        refusalOf(() => channelKeysOf(publicGroup, charter, { ...certificate.transcript, channels: changed })).message,
      ).toContain('not those of the charter');
  });
});

describe('"certificate stored"', () => {
  const say = (who: Person, change: Partial<CeremonyPayload<'stored'>> = {}): Envelope =>
    sealMessage(
      storedMessage,
      {
        ceremony: certificate.ceremony,
        transcript: certificate.transcriptHash,
        ...change,
      },
      who,
    );

  it('is said by all members, in any order and as often as they like (T35)', () => {
    expect(() => assertAllStored(epoch, stored)).not.toThrow();
    expect(() => assertAllStored(epoch, [...stored.toReversed(), stored[0]!])).not.toThrow();
    expect(() =>
      assertAllStored(
        epoch,
        people.map((who) => say(who)),
      ),
    ).not.toThrow();
  });

  it('is missing when one member did not say it, however often the others did (T35)', () => {
    for (const index of [0, 1, 2]) {
      const others = stored.toSpliced(index, 1);
      const refusal = refusalOf(() => assertAllStored(epoch, [...others, ...others]));
      expect(refusal.code).toBe('bad-certificate');
      expect(refusal.message).toContain(`${people[index]!.name} did not say`);
    }
    expect(codeOf(() => assertAllStored(epoch, []))).toBe('bad-certificate');
  });

  it('is refused for another epoch (T35)', () => {
    expect(
      refusalOf(() => assertAllStored(epoch, [...stored.slice(1), say(people[0]!, { transcript: '00'.repeat(32) })]))
        .message,
    ).toContain('another epoch');
  });

  it('is refused from a stranger, under another’s keyid, and as a message of another kind (T7)', () => {
    expect(codeOf(() => assertAllStored(epoch, [...stored, say(person('eve'))]))).toBe('not-a-member');
    const claimed = signBytes(
      storedMessage.payloadType,
      JSON.stringify(payloadOf(stored[0]!)),
      people[1]!,
      people[0]!.key,
    );
    expect(codeOf(() => assertAllStored(epoch, [claimed, ...stored.slice(1)]))).toBe('bad-signature');
    expect(codeOf(() => assertAllStored(epoch, [certificate.signatures[0]!, ...stored.slice(1)]))).toBe('bad-envelope');
  });
});
