/** What the tests of `protocol/` share: refusals told apart, and envelopes that no honest writer would make. */
import { encodeEnvelope, preAuthEncoding, type Envelope } from '../../verifier/dsse.ts';
import { decodeBase64, encodeBase64 } from '../../verifier/base64.ts';
import { decodeCharter, type Charter } from '../../protocol/files/charter.ts';
import type { Identity } from '../../protocol/wire/envelope.ts';
import { ProtocolError, type ProtocolErrorCode } from '../../protocol/errors.ts';
import type { Transcript } from '../../protocol/ceremony/transcript.ts';
import type { Evidence } from '../../protocol/evidence.ts';
import type { Person } from '../harness/people.ts';

/** Runs it and returns what it was refused with. */
export function refusalOf(run: () => unknown): ProtocolError {
  try {
    run();
  } catch (error) {
    if (error instanceof ProtocolError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

/** Runs it and returns the code it was refused with. */
export function codeOf(run: () => unknown): ProtocolErrorCode {
  return refusalOf(run).code;
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Any bytes under any payload type, truly signed by `who`; `keyid` may claim somebody else. */
export function signBytes(payloadType: string, payload: string | Uint8Array, who: Identity, keyid: string): Envelope {
  const bytes = typeof payload === 'string' ? utf8(payload) : payload;
  return encodeEnvelope({
    payloadType,
    payload: bytes,
    keyid,
    signature: who.sign(preAuthEncoding(payloadType, bytes)),
  });
}

/** The payload inside, as JSON. */
export function payloadOf(envelope: Envelope): Record<string, unknown> {
  return JSON.parse(new TextDecoder().decode(decodeBase64(envelope.payload))) as Record<string, unknown>;
}

/** The bytes with one bit of one byte turned. */
export function flipped(bytes: Uint8Array, index: number, bit = 0): Uint8Array {
  return bytes.map((byte, at) => (at === index ? byte ^ (1 << bit) : byte));
}

/** A hex or base64 text with its first character exchanged for another of the same alphabet. */
export function altered(text: string): string {
  return (text.startsWith('0') ? '1' : '0') + text.slice(1);
}

/** A charter of these people, all of tier `admin` unless named `…-tier`. */
export function charterOf(people: readonly Person[], channels: string): Charter {
  const members = people.map(
    (who) => `  - { name: ${who.name}, tier: ${who.name.split('-')[1] ?? 'admin'}, card: "${who.card('member')}" }\n`,
  );
  return decodeCharter(
    utf8(`version: 1\ngroup: acme\nmembers:\n${members.join('')}channels:\n${channels}`),
    'charter.yaml',
  );
}

export const twoChannels =
  '  production: { quorum: { any: 2 }, expiry: 72h }\n  development: { quorum: { any: 1 }, expiry: 1h, validity: 90d }\n';

/** One way to spoil a JSON value: where, and the spoilt whole. */
export interface Spoilt {
  readonly at: string;
  readonly value: unknown;
}

/** The value with each leaf changed in turn, with each field left out, and with a field too many in each object. */
export function spoiltOf(value: unknown, at = ''): Spoilt[] {
  if (Array.isArray(value)) {
    const items = value as unknown[];
    return items.flatMap((item, index) => [
      ...spoiltOf(item, `${at}/${index}`).map((one) => ({ ...one, value: items.with(index, one.value) })),
      { at: `${at}/${index} left out`, value: items.toSpliced(index, 1) },
      { at: `${at}/${index} doubled`, value: items.toSpliced(index, 0, item) },
    ]);
  }
  if (typeof value === 'object' && value !== null) {
    const fields = value as Record<string, unknown>;
    return [
      ...Object.entries(fields).flatMap(([name, field]) => [
        ...spoiltOf(field, `${at}/${name}`).map((one) => ({ ...one, value: { ...fields, [name]: one.value } })),
        {
          at: `${at}/${name} left out`,
          value: Object.fromEntries(Object.entries(fields).filter(([key]) => key !== name)),
        },
      ]),
      { at: `${at}/extra`, value: { ...fields, extra: 1 } },
    ];
  }
  if (typeof value === 'string') return [{ at, value: altered(value) }];
  if (typeof value === 'number') return [{ at, value: value + 1 }];
  return [{ at, value: value === null ? 0 : null }];
}

/** Evidence of what one member saw of a ceremony: these messages, and the transcript that it made of them. */
export function viewOf(charter: Charter, messages: readonly Envelope[], transcript?: Transcript): Evidence {
  return {
    kind: 'ceremony',
    charter: encodeBase64(charter.bytes),
    transcript: transcript ?? null,
    messages: [...messages],
  };
}
