/** The fixed people, charter and messages behind the golden files in `test/vectors/protocol`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { answerMessage, commitmentMessage, shareMessage } from '../../protocol/signing/attempt.ts';
import { ceremonyMessageType } from '../../protocol/ceremony/messages.ts';
import { decisionMessage } from '../../protocol/signing/decision.ts';
import type { Epoch } from '../../protocol/ceremony/epoch.ts';
import { challengeMessage, loginMessage } from '../../protocol/wire/frames.ts';
import { cancelMessage, requestMessage } from '../../protocol/request/request.ts';
import type { TSchema } from '../../protocol/wire/schema.ts';
import { personFromSeed, type Person } from '../harness/people.ts';

export const alice = personFromSeed('alice', 1);
const bob = personFromSeed('bob', 2);
const builder = personFromSeed('builder', 3);
export const dev = personFromSeed('dev', 4);
export const coordinator = personFromSeed('coordinator', 5);

export const goldenCharter = `# The charter behind the golden files.
version: 1
group: acme
members:
  - { name: alice, tier: admin, card: "${alice.card('member')}" }
  - { name: bob, tier: admin, card: "${bob.card('member')}" }
  - { name: builder, tier: build, card: "${builder.card('member')}" }
channels:
  production: { quorum: { admin: 1, build: 1 }, expiry: 72h }
  development: { quorum: { build: 1 }, expiry: 1h, validity: 30d }
`;

export const goldenRequesters = `version: 1
requesters:
  - { card: "${dev.card('requester')}", channels: [development, production], member: bob }
`;

/** When everything in the golden files was said. */
export const createdAt = '2026-11-22T08:00:00Z';

export function goldenFile(name: string): Uint8Array {
  return new Uint8Array(readFileSync(join(import.meta.dirname, '..', 'vectors', 'protocol', name)));
}

/** A signed payload type with the one payload in its golden file. */
export interface GoldenMessage {
  readonly type: { readonly name: string; readonly payloadType: string; readonly schema: TSchema };
  readonly payload: object;
  readonly signer: Person;
}

const hex = (byte: number, bytes = 32): string => byte.toString(16).padStart(2, '0').repeat(bytes);
const ceremony = hex(0xce);

/** One message of every type that an identity signs, but for the card. */
export function goldenMessages(epoch: Epoch): GoldenMessage[] {
  const { groupKey, hash, charter } = epoch;
  const round = { epoch: hash, requestDigest: hex(0xdd), stage: 1 };
  const at = { challenge: hex(0xc1), url: 'https://sign.example.org:7443', version: 1, expiresAt: createdAt };
  return [
    {
      type: requestMessage,
      signer: dev,
      payload: {
        groupKey,
        epoch: hash,
        kind: 'release',
        channel: 'production',
        formats: ['native'],
        artifacts: [
          { name: 'tool-1.4.2.tgz', size: 123456, sha256: hex(0xa1), sha512: hex(0xa2, 64) },
          { name: 'tool-1.4.2.sbom', size: 789, sha256: hex(0xa3), sha512: hex(0xa4, 64) },
        ],
        documents: [],
        product: 'tool',
        release: '1.4.2',
        source: { repo: 'https://example.org/tool.git', ref: 'refs/tags/v1.4.2', commit: hex(0x5c, 20) },
        note: 'Fixes “the bug”.',
        createdAt,
      },
    },
    { type: cancelMessage, signer: dev, payload: { groupKey, requestDigest: hex(0xdd) } },
    {
      type: decisionMessage,
      signer: bob,
      payload: {
        groupKey,
        epoch: hash,
        requestDigest: hex(0xdd),
        decision: 'refuse',
        serial: 2,
        reason: 'not built here',
        decidedAt: createdAt,
      },
    },
    {
      type: commitmentMessage,
      signer: alice,
      payload: {
        epoch: hash,
        channelKey: groupKey,
        requestDigest: hex(0xdd),
        stage: 1,
        slot: `${hex(0x51, 16)}-1`,
        messages: [hex(0xe1)],
        commitments: [{ hiding: hex(0x11), binding: hex(0x12) }],
      },
    },
    {
      type: shareMessage,
      signer: alice,
      payload: {
        epoch: hash,
        channelKey: groupKey,
        requestDigest: hex(0xdd),
        stage: 1,
        attempt: hex(0xa7),
        shares: [hex(0x21)],
      },
    },
    {
      type: answerMessage,
      signer: builder,
      payload: { ...round, attempt: hex(0xa7), answer: 'declined', code: 'expired' },
    },
    {
      type: ceremonyMessageType('hello'),
      signer: alice,
      payload: { charter: charter.hash, requesters: hex(0x4e), import: null, nonce: hex(0x01) },
    },
    { type: ceremonyMessageType('commit'), signer: alice, payload: { ceremony, reveal: hex(0x02) } },
    {
      type: ceremonyMessageType('reveal'),
      signer: alice,
      payload: {
        ceremony,
        encryptionKey: hex(0x03),
        dealings: [{ channel: 'production', sharing: 0, commitments: [hex(0x04)], proof: hex(0x05, 64) }],
      },
    },
    { type: ceremonyMessageType('boxes'), signer: alice, payload: { ceremony, boxes: [{ to: 2, box: 'c2VhbGVk' }] } },
    {
      type: ceremonyMessageType('transcript'),
      signer: alice,
      payload: {
        ceremony,
        transcript: hex(0x06),
        proofs: [{ channel: 'production', sharing: 0, proof: hex(0x07, 64) }],
      },
    },
    {
      type: ceremonyMessageType('stored'),
      signer: alice,
      payload: { ceremony, transcript: hex(0x06) },
    },
    {
      type: ceremonyMessageType('leave'),
      signer: bob,
      payload: { ceremony, code: 'suspicion', reason: 'the box from alice does not open', suspect: 'alice' },
    },
    { type: challengeMessage, signer: coordinator, payload: at },
    {
      type: loginMessage,
      signer: alice,
      payload: {
        ...at,
        role: 'member',
        charter: charter.hash,
        groupKey: null,
        journal: { incarnation: hex(0x17, 16), length: 12, head: hex(0x18) },
      },
    },
  ];
}
