/**
 * The golden files of `test/vectors/protocol`: one of every signed payload type, and of every file a group leaves behind. What identities sign is
 * made anew from seeds and must be the same to the byte; the certificate and what its quorum signed are random and were kept from one ceremony.
 */
import { createPublicKey, verify } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeBundle } from '../../verifier/bundle.ts';
import { delegationPayloadType } from '../../verifier/delegation.ts';
import { openEnvelope, preAuthEncoding, type Envelope } from '../../verifier/dsse.ts';
import { decodeCanonicalJson, encodeCanonicalJson } from '../../verifier/json.ts';
import { statementPayloadType } from '../../verifier/statement.ts';
import { verifyRelease } from '../../verifier/verify.ts';
import { openAnswer, openCommitment, openShare } from '../../protocol/signing/attempt.ts';
import { decodeCard } from '../../protocol/files/card.ts';
import { openCeremonyMessage } from '../../protocol/ceremony/messages.ts';
import { decodeCertificate } from '../../protocol/ceremony/certificate.ts';
import { openEpoch } from '../../protocol/ceremony/epoch.ts';
import { decodeCharter } from '../../protocol/files/charter.ts';
import { openDecision } from '../../protocol/signing/decision.ts';
import { openMessage } from '../../protocol/wire/envelope.ts';
import { judgeEvidence } from '../../protocol/evidence.ts';
import { delegationOf, genesisMessage, genesisOf } from '../../protocol/ceremony/founding.ts';
import { prepareRequest } from '../../protocol/formats/index.ts';
import { createNobleGroup } from '../../protocol/frost/group-noble.ts';
import { openImport, openImportedShare } from '../../protocol/ceremony/import.ts';
import { challengeMessage, loginMessage } from '../../protocol/wire/frames.ts';
import { cancelMessage, openRequest } from '../../protocol/request/request.ts';
import { readRequestersFile, requestersMessage } from '../../protocol/files/requesters.ts';
import { sharedSodium } from '../harness/ceremony-network.ts';
import { rfc8032Keys } from '../harness/import.ts';
import {
  alice,
  coordinator,
  createdAt,
  dev,
  goldenCharter,
  goldenFile,
  goldenMessages,
  goldenRequesters,
} from './golden.ts';
import { signBytes, utf8 } from './support.ts';
import { workedExample } from './worked-example.ts';

const arithmetic = createNobleGroup({ randomBytes: (count) => new Uint8Array(count) });
const charter = decodeCharter(goldenFile('charter.yaml'), 'charter.yaml');
const epoch = openEpoch(arithmetic, charter, decodeCertificate(goldenFile('certificate.json')));
const text = (name: string): string => new TextDecoder().decode(goldenFile(name));
const envelopeIn = (name: string): Envelope =>
  decodeCanonicalJson(goldenFile(name), { maxBytes: 1e6, maxDepth: 8 }) as Envelope;
const messages = goldenMessages(epoch);

describe('a golden file', () => {
  it('is there for every type, and none for a type that is gone', () => {
    const files = messages.map(({ type }) => `${type.name}.json`);
    const group_ = [
      'GROUP.pub',
      'acme.frostmark-import',
      'charter.yaml',
      'certificate.json',
      'certificate-imported.json',
      'evidence.json',
      'member.card',
      'requester.card',
      'requesters.yaml',
    ];
    const signedByQuorum = ['statement.json', 'genesis.json', 'requesters.json', 'delegation.json'];
    expect(readdirSync(join(import.meta.dirname, '..', 'vectors', 'protocol')).sort()).toEqual(
      [...files, ...group_, ...signedByQuorum].sort(),
    );
  });

  it.each(messages.map((message) => [message.type.name, message] as const))(
    'of an identity is made again to the byte: %s',
    (name, { type, payload, signer }) => {
      const envelope = signBytes(type.payloadType, encodeCanonicalJson(payload), signer, signer.key);
      expect(text(`${name}.json`)).toBe(JSON.stringify(envelope));
      expect(type.payloadType).toBe(`application/vnd.frostmark.${name}.v1+json`);
    },
  );

  it('of an identity opens: card', () => {
    expect(text('member.card')).toBe(`${alice.card('member')}\n`);
    expect(text('requester.card')).toBe(`${dev.card('requester')}\n`);
    expect(decodeCard('member', text('member.card').trimEnd()).key).toBe(alice.key);
  });

  it.each<[string, (envelope: Envelope) => { readonly payload: unknown }]>([
    ['request', openRequest],
    ['cancel', (envelope) => openMessage(cancelMessage, envelope, (key) => key === dev.key)],
    ['decision', (envelope) => openDecision(envelope, charter)],
    ['commitment', (envelope) => openCommitment(envelope, charter)],
    ['signature-share', (envelope) => openShare(envelope, charter)],
    ['answer', (envelope) => openAnswer(envelope, charter)],
    ['challenge', (envelope) => openMessage(challengeMessage, envelope, (key) => key === coordinator.key)],
    ['login', (envelope) => openMessage(loginMessage, envelope, (key) => key === alice.key)],
    ...['hello', 'commit', 'reveal', 'boxes', 'transcript', 'stored', 'leave'].map(
      (kind): [string, (envelope: Envelope) => { readonly payload: unknown }] => [
        `ceremony-${kind}`,
        (envelope) => openCeremonyMessage(envelope, charter),
      ],
    ),
  ])('of an identity opens: %s', (name, open) => {
    expect(open(envelopeIn(`${name}.json`)).payload).toEqual(messages.find(({ type }) => type.name === name)!.payload);
  });
});

describe('the golden import', () => {
  const bytes = goldenFile('acme.frostmark-import');

  it('is the key of RFC 8032, Section 7.1, TEST 1, split for the golden charter', async () => {
    const imported = openImport(arithmetic, charter, bytes);
    expect(imported.groupKey).toBe(Buffer.from(rfc8032Keys[0].publicKey, 'hex').toString('base64url'));
    const sodium = await sharedSodium();
    for (const self of charter.members) {
      // The one-time secrets are 32 bytes of 21 (alice), 22 (bob) and 23 (builder).
      const boxKey = sodium.loadBoxKey(new Uint8Array(32).fill(0x20 + Number(self.identifier)));
      expect(openImportedShare(imported, { arithmetic: sodium, charter, self, boxKey })).toBeDefined();
    }
  });

  it('was made into a certificate by its members', () => {
    const imported = openImport(arithmetic, charter, bytes);
    const made = openEpoch(arithmetic, charter, decodeCertificate(goldenFile('certificate-imported.json')));
    expect(made.certificate.transcript).toMatchObject({
      origin: 'imported',
      import: { file: imported.hash, groupKey: imported.groupKey },
    });
    expect(made.groupKey).toBe(imported.groupKey);
  });
});

describe('the golden group', () => {
  it('has this charter, these requesters and this key', () => {
    expect(text('charter.yaml')).toBe(goldenCharter);
    expect(text('requesters.yaml')).toBe(goldenRequesters);
    expect(text('GROUP.pub')).toBe(`${epoch.groupLine}\n`);
  });

  it.each<[string, string, () => Uint8Array]>([
    ['genesis', genesisMessage.payloadType, () => genesisOf(epoch)],
    [
      'requesters',
      requestersMessage.payloadType,
      () => readRequestersFile(utf8(goldenRequesters), 'requesters.yaml', charter).bytes,
    ],
    ['delegation', delegationPayloadType, () => delegationOf(epoch, 'development', Date.parse(createdAt) / 1000)],
    [
      'statement',
      statementPayloadType,
      () =>
        prepareRequest({ epoch, request: openRequest(envelopeIn('request.json')), documents: [] }).formats[0]!.state[
          'payload'
        ] as Uint8Array,
    ],
  ])('signed exactly the bytes that follow from the rest: %s', (name, payloadType, payloadOf) => {
    const payload = openEnvelope(envelopeIn(`${name}.json`), payloadType, epoch.channel('production').point.bytes);
    expect(new TextDecoder().decode(payload)).toBe(new TextDecoder().decode(payloadOf()));
    expect(envelopeIn(`${name}.json`).signatures[0].keyid).toBe('');
  });

  it('released what the verifier accepts', () => {
    const bundle = encodeBundle({ statement: envelopeIn('statement.json'), delegation: null });
    const { statement } = verifyRelease({
      bundle,
      groupKey: epoch.channel('production').point.bytes,
      channel: 'production',
      at: 0,
      sha256: 'a1'.repeat(32),
      name: 'tool-1.4.2.tgz',
    });
    expect(statement.requestDigest).toBe(openRequest(envelopeIn('request.json')).digest);
  });

  it('left evidence that is still judged as it was', () => {
    expect(judgeEvidence(arithmetic, goldenFile('evidence.json'))).toMatchObject({
      culprit: { name: 'alice' },
      charterHash: charter.hash,
      groupLine: epoch.groupLine,
    });
  });
});

describe('the worked example in PROTOCOL.md', () => {
  const page = readFileSync(join(import.meta.dirname, '..', '..', 'PROTOCOL.md'), 'utf8');

  it('is what the golden files say', () => {
    expect(page.slice(page.indexOf('\n## 15. A worked example') + 1)).toBe(workedExample());
  });

  it('ends in a signature that node:crypto takes under GROUP.pub', () => {
    const { payload, payloadType, signatures } = envelopeIn('statement.json');
    const key = { kty: 'OKP', crv: 'Ed25519', x: epoch.groupKey };
    const bytes = preAuthEncoding(payloadType, Buffer.from(payload, 'base64'));
    const isRight = verify(
      null,
      bytes,
      createPublicKey({ key, format: 'jwk' }),
      Buffer.from(signatures[0].sig, 'base64'),
    );
    expect(isRight).toBe(true);
    expect(page).toContain(signatures[0].sig);
  });
});
