/** One document of each kind, as in `test/vectors/formats`, and the epoch and requests by which they are signed there. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ed25519 } from '@noble/curves/ed25519.js';
import { decodeCertificate } from '../../../protocol/ceremony/certificate.ts';
import { decodeCharter } from '../../../protocol/files/charter.ts';
import { keyId, sealMessage } from '../../../protocol/wire/envelope.ts';
import { Epoch } from '../../../protocol/ceremony/epoch.ts';
import { finishRequest, followRequest, prepareRequest } from '../../../protocol/formats/index.ts';
import { createNobleGroup } from '../../../protocol/frost/group-noble.ts';
import { openRequest, requestMessage, type Request, type RequestPayload } from '../../../protocol/request/request.ts';
import { sha256Hex } from '../../../protocol/wire/bytes.ts';
import { createdAt, dev, goldenFile } from '../golden.ts';
import { utf8 } from '../support.ts';

export function goldenFormat(name: string): Uint8Array {
  return new Uint8Array(readFileSync(join(import.meta.dirname, '..', '..', 'vectors', 'formats', name)));
}

/** Documents that are what they say, by kind. */
export const goldenDocuments: Readonly<Record<string, Uint8Array>> = {
  manifest: utf8(`${'a1'.repeat(32)}  tool-1.4.2.tgz\n${'a3'.repeat(32)}  tool-1.4.2.sbom\n`),
  'git-tag': utf8(
    `object ${'5c'.repeat(20)}\ntype commit\ntag v1.4.2\ntagger Zoë Release <zoe@acme.example> 1795334400 +0100\n\nTool 1.4.2\n\nFixes “the bug”.\n`,
  ),
  'git-commit': utf8(
    `tree ${'7e'.repeat(20)}\nparent ${'5c'.repeat(20)}\nparent ${'5d'.repeat(20)}\nauthor Zoë Release <zoe@acme.example> 1795334400 +0100\ncommitter CI <ci@acme.example> 1795334460 +0000\n\nMerge the fix\n`,
  ),
  'apt-release': utf8(
    `Origin: Acme\nSuite: stable\nDate: Sun, 22 Nov 2026 08:00:00 UTC\nDescription: Acme packages\n for every machine\nSHA256:\n ${'a1'.repeat(32)} 1234 main/binary-amd64/Packages\n ${'a3'.repeat(32)} 567 main/binary-amd64/Packages.gz\n`,
  ),
  'debian-control': utf8(
    `Format: 3.0 (native)\nSource: tool\nBinary: tool\nArchitecture: all\nVersion: 1.4.2\nMaintainer: Zoë Release <zoe@acme.example>\nPackage-List:\n tool deb devel optional arch=all\nChecksums-Sha256:\n ${'a1'.repeat(32)} 1234 tool_1.4.2.tar.xz\nFiles:\n ${'a3'.repeat(16)} 1234 tool_1.4.2.tar.xz\n`,
  ),
  text: utf8('Tool 1.4.2 is out.\n\n\tIt fixes “the bug” and nothing else, which is what was promised.\n'),
};

const seeds: Readonly<Record<string, Uint8Array>> = {
  production: new Uint8Array(32).fill(0x50),
  development: new Uint8Array(32).fill(0x44),
};

/** The golden charter's group with ordinary keys in place of quorum keys: they sign the same bytes alike every time. */
export function goldenEpoch(): Epoch {
  const arithmetic = createNobleGroup({ randomBytes: (count) => new Uint8Array(count) });
  const charter = decodeCharter(goldenFile('charter.yaml'), 'charter.yaml');
  const channels = charter.channels.map(({ name, sharings }) => {
    const point = arithmetic.decodePoint(ed25519.getPublicKey(seeds[name]!))!;
    return [name, { channel: name, key: keyId(point.bytes), point, sharings, publicShares: new Map() }] as const;
  });
  return new Epoch(charter, decodeCertificate(goldenFile('certificate.json')), new Map(channels));
}

export function goldenRequest(epoch: Epoch, change: Partial<RequestPayload> = {}): Request {
  const payload: RequestPayload = {
    groupKey: epoch.groupKey,
    epoch: epoch.hash,
    kind: 'release',
    channel: 'production',
    formats: ['ssh', 'minisign'],
    artifacts: [],
    documents: [],
    product: 'tool',
    release: '1.4.2',
    source: null,
    note: null,
    createdAt,
    ...change,
  };
  return openRequest(sealMessage(requestMessage, payload, dev));
}

/** A release of one document. */
export function goldenRelease(
  epoch: Epoch,
  kind: string,
  bytes: Uint8Array,
  change: Partial<RequestPayload> = {},
): Request {
  return goldenRequest(epoch, { documents: [{ kind, size: bytes.length, sha256: sha256Hex(bytes) }], ...change });
}

/** A request for the development key's SSH certificate, until the new year. */
export function goldenCertificateRequest(epoch: Epoch, change: Partial<RequestPayload> = {}): Request {
  return goldenRequest(epoch, {
    kind: 'ssh-certificate',
    formats: ['ssh-certificate'],
    product: null,
    release: null,
    certify: { channel: 'development', until: '2026-12-22T00:00:00Z' },
    ...change,
  });
}

/** A signature by the channel's ordinary key. */
export function goldenSignature(channel: string, message: Uint8Array): Uint8Array {
  return ed25519.sign(message, seeds[channel]!);
}

/** Another valid signature by the same key over the same message, as a quorum's second try is (RFC 8032, Section 5.1.6, with another r). */
export function otherSignature(channel: string, message: Uint8Array, r = 12345n): Uint8Array {
  const { scalar, pointBytes } = ed25519.utils.getExtendedPublicKey(seeds[channel]!);
  const order = ed25519.Point.Fn.ORDER;
  const nonce = ed25519.Point.BASE.multiply(r).toBytes();
  const hash = createHash('sha512').update(nonce).update(pointBytes).update(message).digest().reverse();
  const challenge = BigInt(`0x${hash.toString('hex')}`) % order;
  const response = (r + challenge * scalar) % order;
  const bytes = Buffer.from(response.toString(16).padStart(64, '0'), 'hex').reverse();
  return new Uint8Array(Buffer.concat([nonce, bytes]));
}

/** Every file of the request, by its format, as text. */
export function goldenFiles(
  epoch: Epoch,
  request: Request,
  documents: readonly Uint8Array[] = [],
): ReadonlyMap<string, string> {
  const sign = (message: Uint8Array): Uint8Array => goldenSignature(request.payload.channel, message);
  const prepared = prepareRequest({ epoch, request, documents });
  const first = prepared.messages.map(sign);
  const second = followRequest(prepared, first).map(({ message }) => sign(message));
  const files = finishRequest(prepared, [...first, ...second]);
  return new Map(files.map(({ format, bytes }) => [format, new TextDecoder().decode(bytes)]));
}
