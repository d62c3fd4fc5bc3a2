/** OpenPGP: packets, keys and signatures to the byte, and the formats that a quorum signs. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { bytesToHex, hexToBytes } from '../../../protocol/wire/bytes.ts';
import { formatNames, prepareRequest } from '../../../protocol/formats/index.ts';
import { armor, crc24, dearmor } from '../../../protocol/openpgp/armor.ts';
import {
  assembleOpenpgpCertificate,
  openBackSignature,
  prepareBackSignature,
  prepareCertification,
  prepareSubkeyBinding,
  prepareSubkeyRevocation,
  primaryCertificate,
  subkeyPart,
} from '../../../protocol/openpgp/certificate.ts';
import { canonicalCleartext, cleartextFile, cleartextLines } from '../../../protocol/openpgp/cleartext.ts';
import {
  formatFingerprint,
  openpgpGroup,
  openpgpKeyOf,
  type OpenpgpGroup,
} from '../../../protocol/openpgp/group-key.ts';
import { hashedKey, openpgpKey } from '../../../protocol/openpgp/key.ts';
import { decodePackets, encodeLength, encodePacket, packetTags } from '../../../protocol/openpgp/packet.ts';
import {
  finishSignature,
  openSignature,
  prepareSignature,
  signatureTypes,
  type UnfinishedSignature,
} from '../../../protocol/openpgp/signature.ts';
import { requestKinds, type Request } from '../../../protocol/request/request.ts';
import { formatTimestamp } from '../../../protocol/wire/time.ts';
import { liveGroup, releaseRequest } from '../../harness/round-network.ts';
import { OpenpgpTestGroup, openpgpTestGroup } from '../../harness/openpgp-group.ts';
import { codeOf, flipped, refusalOf, utf8 } from '../support.ts';

const day = 86400;
const now = Date.parse('2026-11-22T08:00:00Z') / 1000;
const created = Date.parse('2026-05-06T08:00:00Z') / 1000;

/** The seeds of RFC 8032, Section 7.1, tests 1 and 2: what the golden files are signed with. */
const primarySeed = hexToBytes('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60');
const subkeySeed = hexToBytes('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb');
const primary = openpgpKey(ed25519.getPublicKey(primarySeed), created);
const subkey = openpgpKey(ed25519.getPublicKey(subkeySeed), created);
const golden: OpenpgpGroup = { userId: utf8('Acme <release@acme.example>'), createdUnixSeconds: created, primary };

const signed = (unfinished: UnfinishedSignature, seed: Uint8Array): Uint8Array =>
  finishSignature(unfinished, ed25519.sign(unfinished.digest, seed));
const certification = signed(prepareCertification(golden), primarySeed);
const certificate = primaryCertificate(golden, certification);
const backSignature = signed(prepareBackSignature(golden, subkey), subkeySeed);
const backSignaturePacket = encodePacket(packetTags.signature, backSignature);
const bindingAt = (createdUnixSeconds: number): Uint8Array =>
  subkeyPart(
    subkey,
    signed(
      prepareSubkeyBinding(golden, {
        subkey,
        channel: 'development',
        createdUnixSeconds,
        untilUnixSeconds: createdUnixSeconds + 90 * day,
        backSignature,
      }),
      primarySeed,
    ),
  );
const revocation = subkeyPart(
  subkey,
  signed(prepareSubkeyRevocation(golden, { subkey, channel: 'development', createdUnixSeconds: now }), primarySeed),
);
const text = utf8('Release 1.0\n-dashed \n\ttabbed\t\n\nend\n');

describe('packets', () => {
  it.each([
    [0, '00'],
    [191, 'bf'],
    [192, 'c000'],
    [8383, 'dfff'],
    [8384, 'ff000020c0'],
  ])('have the shortest length there is: %i (RFC 9580, Section 4.2.1)', (length, hex) => {
    expect(bytesToHex(encodeLength(length))).toBe(hex);
  });

  it('of every length and tag that we write are read back', () => {
    const packet = fc.record({
      tag: fc.constantFrom(...Object.values(packetTags)),
      body: fc.uint8Array({ maxLength: 600 }),
    });
    fc.assert(
      fc.property(fc.array(packet, { maxLength: 5 }), (packets) => {
        const bytes = new Uint8Array(Buffer.concat(packets.map(({ tag, body }) => encodePacket(tag, body))));
        expect(decodePackets(bytes)).toEqual(packets);
      }),
    );
  });

  it.each([
    ['an old header', '8801aa'],
    ['no header', '0201aa'],
    ['a tag that we do not write', 'd101aa'],
    ['a partial length', 'c2e0aa'],
    ['a length in five octets', 'c2ff00000001aa'],
    ['a body cut off', 'c202aa'],
    ['no length', 'c2'],
    ['half a length', 'c2c0'],
    ['something after the last', 'c201aa00'],
  ])('are refused with %s', (_what, hex) => {
    expect(codeOf(() => decodePackets(hexToBytes(hex)))).toBe('bad-document');
  });
});

describe('a key', () => {
  it('is 51 bytes of version 4, creation time, EdDSA, curve and point (RFC 9580, Sections 5.5.2.2 and 5.5.5.5)', () => {
    const point = bytesToHex(primary.publicKey);
    expect(bytesToHex(primary.body)).toBe(`04${created.toString(16)}16092b06010401da470f01010740${point}`);
    expect(primary.body).toHaveLength(51);
  });

  it('is named by SHA-1 over 0x99, length and body (RFC 9580, Section 5.5.4.2)', () => {
    const hash = createHash('sha1').update('990033', 'hex').update(primary.body).digest();
    expect(Buffer.from(primary.fingerprint)).toEqual(hash);
    expect(Buffer.from(primary.keyId)).toEqual(hash.subarray(12));
    expect(formatFingerprint(primary)).toBe(hash.toString('hex').toUpperCase());
  });

  it('has another name at every other second', () => {
    expect(openpgpKey(primary.publicKey, created + 1).fingerprint).not.toEqual(primary.fingerprint);
  });
});

describe('a signature', () => {
  const fields = { type: signatureTypes.binary, issuer: primary, createdUnixSeconds: now, subpackets: [] };
  const unfinished = prepareSignature(fields, text);

  it('is over document, hashed part and its length, by SHA-512 (RFC 9580, Section 5.2.4)', () => {
    const hashed = `0582${now.toString(16)}162104${bytesToHex(primary.fingerprint)}`;
    const part = Buffer.from(`0400160a00${(hashed.length / 2).toString(16)}${hashed}`, 'hex');
    expect(Buffer.from(unfinished.hashedPart)).toEqual(part);
    const hash = createHash('sha512')
      .update(text)
      .update(part)
      .update(`04ff000000${part.length.toString(16)}`, 'hex');
    expect(Buffer.from(unfinished.digest)).toEqual(hash.digest());
  });

  it('is read back and verified', () => {
    const body = signed(unfinished, primarySeed);
    expect(openSignature(body, primary, text)).toMatchObject({ type: 0, createdUnixSeconds: now, body });
  });

  it('has numbers without leading zeros, whatever R and S begin with (RFC 9580, Section 3.2)', () => {
    const number = fc
      .tuple(fc.integer({ min: 0, max: 32 }), fc.uint8Array({ minLength: 32, maxLength: 32 }))
      .map(([zeros, bytes]) => bytes.fill(0, 0, zeros));
    fc.assert(
      fc.property(number, number, (r, s) => {
        const body = finishSignature(unfinished, new Uint8Array([...r, ...s]));
        let numbers = body.subarray(unfinished.hashedPart.length + 2 + 10 + 2);
        for (const bytes of [r, s]) {
          const value = BigInt(`0x${bytesToHex(bytes)}`);
          const bits = value === 0n ? 0 : value.toString(2).length;
          const octets = Math.ceil(bits / 8);
          expect((numbers[0]! << 8) + numbers[1]!).toBe(bits);
          expect(BigInt(`0x0${bytesToHex(numbers.subarray(2, 2 + octets))}`)).toBe(value);
          numbers = numbers.subarray(2 + octets);
        }
        expect(numbers).toHaveLength(0);
      }),
    );
  });

  it('with a zero in front of R or of S is read back', () => {
    for (const from of [0, 32]) {
      const found = groundSignature(from);
      expect(openSignature(found.body, primary, text).signature).toEqual(found.signature);
      expect(found.body.length).toBeLessThan(signed(unfinished, primarySeed).length + 1);
    }
  });

  function groundSignature(from: number): { body: Uint8Array; signature: Uint8Array } {
    for (let at = now; ; at += 1) {
      const candidate = prepareSignature({ ...fields, createdUnixSeconds: at }, text);
      const signature = ed25519.sign(candidate.digest, primarySeed);
      if (signature[from] === 0) return { body: finishSignature(candidate, signature), signature };
    }
  }

  it('is refused with any bit of any byte changed, and cut off anywhere', () => {
    const body = signed(unfinished, primarySeed);
    for (let index = 0; index < body.length; index += 1) {
      for (let bit = 0; bit < 8; bit += 1)
        expect(
          codeOf(() => openSignature(flipped(body, index, bit), primary, text)),
          `${index}.${bit}`,
        ).toMatch(/^bad-(document|signature)$/);
      expect(codeOf(() => openSignature(body.subarray(0, index), primary, text))).toBe('bad-document');
    }
    expect(codeOf(() => openSignature(new Uint8Array([...body, 0]), primary, text))).toBe('bad-document');
  });

  it('is refused over another document, and under another key', () => {
    const body = signed(unfinished, primarySeed);
    expect(codeOf(() => openSignature(body, primary, utf8('else')))).toBe('bad-document');
    expect(codeOf(() => openSignature(body, subkey, text))).toBe('bad-document');
    // The right words about the right keys, by another key than they name.
    expect(codeOf(() => openSignature(signed(unfinished, subkeySeed), primary, text))).toBe('bad-signature');
  });

  it('of one type is never one of another, even over bytes made for that (T10)', () => {
    const digests = new Set<string>();
    const types = Object.values(signatureTypes);
    for (const type of types) {
      const other = prepareSignature({ ...fields, type }, text);
      digests.add(bytesToHex(other.digest));
      // A document that ends as the hash input of a certification does.
      const length = Uint8Array.of(4, 0xff, 0, 0, 0, other.hashedPart.length);
      const sly = new Uint8Array([...text, ...other.hashedPart, ...length]);
      for (const asked of [signatureTypes.binary, signatureTypes.text])
        digests.add(bytesToHex(prepareSignature({ ...fields, type: asked }, sly).digest));
    }
    expect(digests.size).toBe(types.length * 3);
  });
});

describe('armor', () => {
  it('has the checksum of RFC 9580, Section 6.1.1', () => {
    // The catalogue of parametrised CRC algorithms: CRC-24/OPENPGP over the nine digits.
    expect(bytesToHex(crc24(utf8('123456789')))).toBe('21cf02');
    expect(bytesToHex(crc24(new Uint8Array()))).toBe('b704ce');
  });

  it('is read back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const armored = armor('PGP SIGNATURE', bytes);
        expect(armored.split('\n').every((line) => line.length <= 64)).toBe(true);
        expect(dearmor('PGP SIGNATURE', utf8(armored))).toEqual(bytes);
      }),
    );
  });

  it.each<[string, (armored: string) => string]>([
    ['another kind', (armored) => armored.replaceAll('SIGNATURE', 'MESSAGE')],
    ['a header', (armored) => armored.replace('\n\n', '\nComment: hello\n\n')],
    ['no checksum', (armored) => armored.replace(/^=.*\n/m, '')],
    ['a wrong checksum', (armored) => armored.replace(/^=..../m, '=AAAA')],
    ['text before it', (armored) => `hello\n${armored}`],
    ['text after it', (armored) => `${armored}hello\n`],
    ['no end', (armored) => armored.slice(0, -10)],
    ['carriage returns', (armored) => armored.replaceAll('\n', '\r\n')],
    ['longer lines', (armored) => armored.replace(/^(.{64})\n/m, '$1')],
    ['two of them', (armored) => armored + armored],
    ['nothing', () => ''],
  ])('is refused with %s', (_what, change) => {
    const armored = armor('PGP SIGNATURE', backSignaturePacket);
    expect(codeOf(() => dearmor('PGP SIGNATURE', utf8(change(armored))))).toBe('bad-document');
  });
});

describe('clear text', () => {
  it('is hashed without spaces at line ends, with CRLF between lines and none after the last (RFC 9580, Section 7.2)', () => {
    const lines = cleartextLines(new TextDecoder().decode(text));
    expect(new TextDecoder().decode(canonicalCleartext(lines))).toBe('Release 1.0\r\n-dashed\r\n\ttabbed\r\n\r\nend');
  });

  it('escapes lines that begin with a dash, and keeps every other byte (RFC 9580, Section 7.1)', () => {
    const file = cleartextFile(cleartextLines(new TextDecoder().decode(text)), 'SIGNATURE\n');
    expect(file).toBe(
      '-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nRelease 1.0\n- -dashed \n\ttabbed\t\n\nend\nSIGNATURE\n',
    );
  });

  it.each([
    ['a carriage return before the newline', 'a\r\nb\n'],
    ['a lone carriage return', 'a\rb\n'],
    ['a control character', 'a\u0007\n'],
    ['a terminal escape', 'a\u001b[2J\n'],
    ['a delete character', 'a\u007f\n'],
    ['a control character of the second row', 'a\u0085b\n'],
    ['a line past the bound', `${'a'.repeat(19_991)}\n`],
    ['a line past the bound in bytes', `${'é'.repeat(9_996)}\n`],
    ['no newline at its end', 'a'],
    ['nothing', ''],
  ])('is refused with %s, before anything is signed', (_what, bad) => {
    expect(codeOf(() => cleartextLines(bad))).toBe('bad-document');
  });

  it('takes a line of exactly the bound', () => {
    expect(cleartextLines(`${'a'.repeat(19_990)}\n`)).toHaveLength(1);
  });
});

describe('a back-signature', () => {
  it('of this subkey under this primary key is opened', () => {
    expect(openBackSignature(golden, subkey, backSignaturePacket)).toEqual(backSignature);
  });

  it('is refused with any byte changed, cut off, doubled or wrapped', () => {
    for (let index = 0; index < backSignaturePacket.length; index += 1) {
      expect(
        codeOf(() => openBackSignature(golden, subkey, flipped(backSignaturePacket, index))),
        `${index}`,
      ).toMatch(/^bad-(document|signature)$/);
      expect(codeOf(() => openBackSignature(golden, subkey, backSignaturePacket.subarray(0, index)))).toBe(
        'bad-document',
      );
    }
    const twice = new Uint8Array([...backSignaturePacket, ...backSignaturePacket]);
    expect(codeOf(() => openBackSignature(golden, subkey, twice))).toBe('bad-document');
    expect(codeOf(() => openBackSignature(golden, subkey, subkeyPart(subkey, backSignature)))).toBe('bad-document');
  });

  const byTheSubkey = (unfinished: UnfinishedSignature): Uint8Array =>
    encodePacket(packetTags.signature, signed(unfinished, subkeySeed));
  const keys = [hashedKey(primary.body), hashedKey(subkey.body)];
  const fields = {
    type: signatureTypes.primaryKeyBinding,
    issuer: subkey,
    createdUnixSeconds: created,
    subpackets: [],
  };
  const otherPrimary: OpenpgpGroup = { ...golden, primary: openpgpKey(primary.publicKey, created + 1) };

  it.each<[string, Uint8Array]>([
    [
      'by the primary key instead',
      encodePacket(packetTags.signature, signed(prepareBackSignature(golden, primary), primarySeed)),
    ],
    [
      'by a key that is neither',
      encodePacket(packetTags.signature, signed(prepareBackSignature(golden, subkey), primarySeed)),
    ],
    ['of another primary key', byTheSubkey(prepareBackSignature(otherPrimary, subkey))],
    [
      'of a subkey of another second',
      byTheSubkey(prepareBackSignature(golden, openpgpKey(subkey.publicKey, created + 1))),
    ],
    ['of another type', byTheSubkey(prepareSignature({ ...fields, type: signatureTypes.subkeyBinding }, ...keys))],
    ['of a document', byTheSubkey(prepareSignature({ ...fields, type: signatureTypes.binary }, ...keys))],
    ['of another time', byTheSubkey(prepareSignature({ ...fields, createdUnixSeconds: now }, ...keys))],
    [
      'with a subpacket more',
      byTheSubkey(prepareSignature({ ...fields, subpackets: [Uint8Array.of(2, 25, 1)] }, ...keys)),
    ],
    ['over the keys in the other order', byTheSubkey(prepareSignature(fields, ...keys.toReversed()))],
  ])('%s is refused, though it is a true signature (T10)', (_what, packet) => {
    expect(codeOf(() => openBackSignature(golden, subkey, packet))).toMatch(/^bad-(document|signature)$/);
  });
});

describe('a certificate', () => {
  const older = bindingAt(now - 30 * day);
  const newer = bindingAt(now);
  const parts = { certificate, subkeys: [newer, older], revocations: [revocation] };
  const signaturesIn = (bytes: Uint8Array): number[] =>
    decodePackets(bytes)
      .filter(({ tag }) => tag === packetTags.signature)
      .map(({ body }) => body[1]!);

  it('of production alone is key, user id and certification', () => {
    expect(assembleOpenpgpCertificate({ certificate, subkeys: [], revocations: [] })).toEqual(certificate);
    expect(decodePackets(certificate).map(({ tag }) => tag)).toEqual([6, 13, 2]);
  });

  it('keeps every binding, the newest first, and revocations after them', () => {
    const whole = assembleOpenpgpCertificate(parts);
    expect(decodePackets(whole).map(({ tag }) => tag)).toEqual([6, 13, 2, 14, 2, 2, 2]);
    expect(signaturesIn(whole)).toEqual([0x13, 0x18, 0x18, 0x28]);
    const [, , , , first, second] = decodePackets(whole);
    expect([first, second]).toEqual([decodePackets(newer)[1], decodePackets(older)[1]]);
  });

  it('is the same from the same pieces in another order, and given twice', () => {
    const whole = assembleOpenpgpCertificate(parts);
    expect(assembleOpenpgpCertificate({ ...parts, subkeys: [older, newer] })).toEqual(whole);
    expect(
      assembleOpenpgpCertificate({ ...parts, subkeys: [older, newer, older], revocations: [revocation, revocation] }),
    ).toEqual(whole);
  });

  const foreign: OpenpgpGroup = { ...golden, primary: openpgpKey(subkey.publicKey, created) };
  const foreignCertificate = primaryCertificate(foreign, signed(prepareCertification(foreign), subkeySeed));

  it.each<[string, Partial<typeof parts>]>([
    ['a revocation as a binding', { subkeys: [revocation] }],
    ['a binding as a revocation', { revocations: [older] }],
    ['a revocation without its subkey', { subkeys: [] }],
    ['the pieces of another group', { certificate: foreignCertificate }],
    ['a binding as the certificate', { certificate: older }],
    ['a whole certificate as the certificate', { certificate: assembleOpenpgpCertificate(parts) }],
    ['the certificate as a binding', { subkeys: [certificate] }],
    ['a back-signature as a binding', { subkeys: [subkeyPart(subkey, backSignature)] }],
    ['a packet too many', { subkeys: [new Uint8Array([...newer, ...newer])] }],
    ['nothing', { certificate: new Uint8Array() }],
    [
      'a key of two bytes',
      {
        subkeys: [
          new Uint8Array([...encodePacket(packetTags.publicSubkey, Uint8Array.of(4, 0)), ...backSignaturePacket]),
        ],
      },
    ],
    ['another user id', { certificate: primaryCertificate({ ...golden, userId: utf8('Eve') }, certification) }],
    ['a key with its time moved', { certificate: primaryCertificate(otherTime(golden), certification) }],
  ])('is not made with %s', (_what, change) => {
    expect(codeOf(() => assembleOpenpgpCertificate({ ...parts, ...change }))).toMatch(/^bad-(document|signature)$/);
  });

  function otherTime(group: OpenpgpGroup): OpenpgpGroup {
    return { ...group, primary: openpgpKey(group.primary.publicKey, created - 1) };
  }

  it('is not made of noise, and nothing but a refusal comes of it', () => {
    const packets = fc
      .array(fc.tuple(fc.constantFrom(...Object.values(packetTags)), fc.uint8Array({ maxLength: 80 })), {
        maxLength: 3,
      })
      .map((list) => new Uint8Array(Buffer.concat(list.map(([tag, body]) => encodePacket(tag, body)))));
    fc.assert(
      fc.property(fc.oneof(packets, fc.uint8Array()), (noise) => {
        expect(codeOf(() => assembleOpenpgpCertificate({ ...parts, certificate: noise }))).toBe('bad-document');
        expect(codeOf(() => assembleOpenpgpCertificate({ ...parts, subkeys: [noise] }))).toBe('bad-document');
        expect(codeOf(() => openBackSignature(golden, subkey, noise))).toBe('bad-document');
        expect(codeOf(() => dearmor('PGP SIGNATURE', noise))).toBe('bad-document');
      }),
    );
  });

  it('is not made with any byte of any piece changed', () => {
    for (const [name, piece] of [
      ['certificate', certificate],
      ['subkeys', newer],
      ['revocations', revocation],
    ] as const)
      for (let index = 0; index < piece.length; index += 1) {
        const change = name === 'certificate' ? flipped(piece, index) : [flipped(piece, index)];
        expect(
          codeOf(() => assembleOpenpgpCertificate({ ...parts, [name]: change })),
          `${name} ${index}`,
        ).toMatch(/^bad-(document|signature)$/);
      }
  });

  it('has nothing critical that rpm or gpg would not know: expiry and notation are not (RFC 9580, Section 5.2.3.7)', () => {
    const { body } = decodePackets(newer)[1]!;
    const length = (body[4]! << 8) + body[5]!;
    const types: number[] = [];
    for (let at = 6; at < 6 + length; at += 1 + body[at]!) types.push(body[at + 1]!);
    expect(types).toEqual([0x82, 33, 27, 9, 20, 32]);
  });
});

/** Signed with the published keys above, so they come out the same. */
describe('a golden file', () => {
  const binary = prepareSignature(
    { type: signatureTypes.binary, issuer: primary, createdUnixSeconds: now, subpackets: [] },
    text,
  );
  const lines = cleartextLines(new TextDecoder().decode(text));
  const clear = prepareSignature(
    { type: signatureTypes.text, issuer: subkey, createdUnixSeconds: now, subpackets: [] },
    canonicalCleartext(lines),
  );
  const armored = (unfinished: UnfinishedSignature, seed: Uint8Array): string =>
    armor('PGP SIGNATURE', encodePacket(packetTags.signature, signed(unfinished, seed)));

  it.each<[string, Uint8Array]>([
    ['certificate.pgp', certificate],
    [
      'certificate-development.pgp',
      assembleOpenpgpCertificate({ certificate, subkeys: [bindingAt(now)], revocations: [] }),
    ],
    [
      'certificate-revoked.pgp',
      assembleOpenpgpCertificate({ certificate, subkeys: [bindingAt(now - day)], revocations: [revocation] }),
    ],
    ['back-signature.pgp', backSignaturePacket],
    ['text.txt', text],
    ['text.txt.asc', utf8(armored(binary, primarySeed))],
    ['text.txt.clear.asc', utf8(cleartextFile(lines, armored(clear, subkeySeed)))],
  ])('is made again to the byte: %s', (name, bytes) => {
    const path = join(import.meta.dirname, '..', '..', 'vectors', 'openpgp', name);
    expect(new Uint8Array(readFileSync(path))).toEqual(bytes);
  });
});

describe('the formats', () => {
  let group: OpenpgpTestGroup;
  beforeAll(async () => {
    group = await openpgpTestGroup(now);
  });
  const release = utf8(`Date: Sun, 22 Nov 2026 08:00:00 UTC\nSHA256:\n ${'ab'.repeat(32)} 12 main/Packages\n`);
  const prepare = (request: Request, ...documents: Uint8Array[]) =>
    prepareRequest({ epoch: group.live.epoch, request, documents });
  const ask = (channel: string, format: string, document = release, kind = 'apt-release', change = {}) =>
    prepare(group.request(channel, kind, document, { formats: [format], ...change }), document);

  it('of a release are openpgp and openpgp-cleartext, and each other kind has its own', () => {
    expect(formatNames('release')).toEqual(expect.arrayContaining(['openpgp', 'openpgp-cleartext']));
    for (const kind of requestKinds.filter((name) => name.startsWith('openpgp-')))
      expect(formatNames(kind)).toEqual([kind]);
  });

  it('sign on production by the primary key, on another channel by its subkey', () => {
    for (const [channel, key] of [
      ['production', openpgpGroup(group.live.epoch).primary],
      ['development', openpgpKeyOf(group.live.epoch, 'development')],
    ] as const) {
      const file = group.release(channel, 'openpgp', 'apt-release', release);
      const [packet] = decodePackets(dearmor('PGP SIGNATURE', file));
      expect(openSignature(packet!.body, key, release)).toMatchObject({
        type: 0x00,
        createdUnixSeconds: now - 30,
      });
    }
  });

  it('date a signature half a minute before its request, and never before the keys', () => {
    const timeIn = (at: number): number => {
      const file = group.release('production', 'openpgp', 'apt-release', release, { createdAt: formatTimestamp(at) });
      const { body } = decodePackets(dearmor('PGP SIGNATURE', file))[0]!;
      return openSignature(body, openpgpGroup(group.live.epoch).primary, release).createdUnixSeconds;
    };
    expect(timeIn(now)).toBe(now - 30);
    expect(timeIn(group.created + 31)).toBe(group.created + 1);
    expect(timeIn(group.created + 29)).toBe(group.created);
    expect(timeIn(group.created)).toBe(group.created);
  });

  it('are refused to a request from before the keys', () => {
    const createdAt = formatTimestamp(group.created - 1);
    for (const format of ['openpgp', 'openpgp-cleartext'])
      expect(codeOf(() => ask('production', format, release, 'apt-release', { createdAt }))).toBe('bad-request');
    expect(codeOf(() => group.certificate({ createdAt }))).toBe('bad-request');
    expect(codeOf(() => group.backSignature({ createdAt }))).toBe('bad-request');
    expect(codeOf(() => group.revocation(group.created - 1))).toBe('bad-request');
  });

  it('are refused to a group whose charter has no openpgp, saying what it lacks', async () => {
    const plain = await liveGroup({ tiers: ['admin', 'admin'], production: '{ any: 2 }', development: '{ any: 1 }' });
    const other = new OpenpgpTestGroup(plain, now);
    for (const run of [
      () => other.release('production', 'openpgp', 'apt-release', release),
      () => other.release('development', 'openpgp-cleartext', 'apt-release', release),
      () => other.certificate(),
      () => other.backSignature(),
      () => other.revocation(now),
    ]) {
      expect(codeOf(run)).toBe('unknown-format');
      expect(refusalOf(run).message).toContain('openpgp: { userId:');
    }
  });

  it('sign exactly one document: a release of artifacts alone is told to bring a manifest', () => {
    for (const format of ['openpgp', 'openpgp-cleartext']) {
      const run = (): unknown => prepare(releaseRequest(group.live, 'production', { formats: [format] }));
      expect(codeOf(run)).toBe('bad-request');
      expect(refusalOf(run).message).toMatch(/manifest.*--kind/);
    }
  });

  it('sign a document of its own grammar only (T10)', () => {
    const digest = prepareSignature(
      {
        type: signatureTypes.binary,
        issuer: openpgpGroup(group.live.epoch).primary,
        createdUnixSeconds: now,
        subpackets: [],
      },
      utf8('evil'),
    ).digest;
    for (const format of formatNames('release').filter((name) => name !== 'native'))
      for (const kind of ['apt-release', 'rpm-header', 'text', 'raw', 'openpgp-back-signature'])
        for (const bytes of [digest, utf8('anything\u0000'), backSignaturePacket, utf8('SSHSIG'), utf8('DSSEv1 ')])
          expect(
            codeOf(() => ask('production', format, bytes, kind)),
            `${format} of ${kind}`,
          ).toMatch(/^(bad-document|bad-request)$/);
  });

  it('never have a caller-chosen digest signed: no request of a 64-byte document gives that message (T10)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), (bytes) => {
        for (const format of formatNames('release'))
          for (const kind of ['apt-release', 'rpm-header', 'manifest', 'git-tag', 'git-commit', 'text'])
            try {
              for (const message of ask('production', format, bytes, kind).messages) expect(message).not.toEqual(bytes);
            } catch (error) {
              expect((error as { code?: string }).code).toMatch(/^bad-(document|request)$/);
            }
      }),
      { numRuns: 20 },
    );
  });

  it('of clear text are for texts that people read', () => {
    expect(codeOf(() => ask('production', 'openpgp-cleartext', rpmHeaderBytes(), 'rpm-header'))).toBe('bad-request');
  });

  it('give other bytes for every channel, type, time and document', () => {
    const messages = [
      ask('production', 'openpgp'),
      ask('production', 'openpgp-cleartext'),
      ask('development', 'openpgp'),
      ask('development', 'openpgp-cleartext'),
      ask('production', 'openpgp', release, 'apt-release', { createdAt: formatTimestamp(now + 1) }),
      ask('production', 'openpgp', utf8(`Origin: Acme\n${new TextDecoder().decode(release)}`)),
    ].map(({ messages: [message] }) => bytesToHex(message!));
    expect(new Set(messages).size).toBe(messages.length);
    expect(messages.every((message) => message.length === 128)).toBe(true);
  });

  describe('of a subkey', () => {
    const from = now - day;
    it('takes the channel’s own back-signature', () => {
      expect(decodePackets(group.subkey(from, now + day)).map(({ tag }) => tag)).toEqual([14, 2]);
    });

    it('lives until then, and not past what the charter allows a delegation', () => {
      const document = group.backSignature();
      const until =
        (at: number): (() => unknown) =>
        () =>
          group.sign(group.subkeyRequest(document, { from, until: at }), document);
      expect(until(from + 90 * day)).not.toThrow();
      expect(codeOf(until(from + 90 * day + 1))).toBe('bad-request');
      expect(until(from + 1)).not.toThrow();
      expect(codeOf(until(from))).toBe('bad-request');
      expect(codeOf(until(from - day))).toBe('bad-request');
    });

    it('is refused another back-signature: of another key, by production, changed, or none (T10)', async () => {
      const other = (await openpgpTestGroup(now)).backSignature();
      const own = group.backSignature();
      const withDocument =
        (document: Uint8Array): (() => unknown) =>
        () =>
          group.sign(group.subkeyRequest(document, { from, until: now }), document);
      expect(withDocument(own)).not.toThrow();
      for (const document of [
        other,
        flipped(own, 100),
        own.subarray(1),
        utf8('x'),
        dearmor('PGP SIGNATURE', group.release('development', 'openpgp', 'apt-release', release)),
        group.certificate(),
      ])
        expect(codeOf(withDocument(document))).toMatch(/^bad-(document|signature)$/);
    });

    it('or a revocation is refused for a channel that is not there', () => {
      const document = group.backSignature();
      const certify = { channel: 'nightly', until: formatTimestamp(now) };
      const request = group.subkeyRequest(document, { from, until: now, certify });
      expect(codeOf(() => group.sign(request, document))).toBe('unknown-channel');
    });
  });

  it('show an approver key, channel and end of what is certified', () => {
    const document = group.backSignature();
    const request = group.subkeyRequest(document, { from: now, until: now + day });
    const { format, state } = prepare(request, document).formats[0]!;
    const fingerprint = formatFingerprint(openpgpKeyOf(group.live.epoch, 'development'));
    expect(format.shows?.(state)).toBe(
      `OpenPGP: the subkey ${fingerprint} of development may sign until 2026-11-23T08:00:00Z`,
    );
  });
});

/** Of a package with scripts, as rpmbuild 4.18 wrote it. */
function rpmHeaderBytes(): Uint8Array {
  return new Uint8Array(readFileSync(join(import.meta.dirname, '..', '..', 'vectors', 'documents', 'rpm-header.bin')));
}
