/** SSH signatures and certificates: exact bytes, and what is refused. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesToHex, hexToBytes, sha256Hex, taggedHash } from '../../../protocol/wire/bytes.ts';
import { formatOf, prepareRequest } from '../../../protocol/formats/index.ts';
import type { Request, RequestPayload } from '../../../protocol/request/request.ts';
import { allowedSigners, sshPublicKey } from '../../../protocol/ssh/allowed-signers.ts';
import {
  decodeSshCertificate,
  encodeSshCertificate,
  sshCertificateBody,
  type SshCertificate,
} from '../../../protocol/ssh/certificate.ts';
import {
  decodeSshSignature,
  encodeSshSignature,
  sshSignedData,
  withSshCertificate,
} from '../../../protocol/ssh/signature.ts';
import { publicKeyBlob, sshString, SshReader, u64 } from '../../../protocol/ssh/wire.ts';
import { verifySignature } from '../../../verifier/ed25519.ts';
import {
  goldenCertificateRequest,
  goldenDocuments,
  goldenEpoch,
  goldenFiles,
  goldenFormat,
  goldenRelease,
  goldenRequest,
} from '../documents/golden.ts';
import { createdAt } from '../golden.ts';
import { codeOf, flipped, refusalOf, utf8 } from '../support.ts';

const epoch = goldenEpoch();
const keyOf = (channel: string): Uint8Array => epoch.channel(channel).point.bytes;
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const messageOf = (request: Request, documents: readonly Uint8Array[] = []): Uint8Array =>
  prepareRequest({ epoch, request, documents }).messages[0]!;
const sshFile = (kind: string, channel = 'production'): string =>
  goldenFiles(epoch, goldenRelease(epoch, kind, goldenDocuments[kind]!, { channel, formats: ['ssh'] }), [
    goldenDocuments[kind]!,
  ]).get('ssh')!;
const certificateLine = (change: Partial<RequestPayload> = {}): string =>
  goldenFiles(epoch, goldenCertificateRequest(epoch, change)).get('ssh-certificate')!;
const blobOf = (armored: string): Uint8Array =>
  new Uint8Array(Buffer.from(armored.split('\n').slice(1, -2).join(''), 'base64'));
const armored = (blob: Uint8Array): Uint8Array => {
  const lines =
    Buffer.from(blob)
      .toString('base64')
      .match(/.{1,70}/g) ?? [];
  return utf8(`-----BEGIN SSH SIGNATURE-----\n${lines.join('\n')}\n-----END SSH SIGNATURE-----\n`);
};

describe('the data types of SSH', () => {
  it('are those of RFC 4251, Section 5', () => {
    expect(bytesToHex(sshString('testing'))).toBe('0000000774657374696e67');
    expect(bytesToHex(sshString(''))).toBe('00000000');
    expect(bytesToHex(u64(0x1122334455667))).toBe('0001122334455667');
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        expect(new SshReader(u64(value), 'number').u64()).toBe(value);
      }),
    );
  });

  it('are refused cut off, too long or too large', () => {
    for (const hex of ['', '000000', '00000001', '0000000261', 'ffffffff61'])
      expect(codeOf(() => new SshReader(hexToBytes(hex), 'x').string())).toBe('bad-document');
    expect(codeOf(() => new SshReader(hexToBytes('0020000000000000'), 'x').u64())).toBe('bad-document');
    expect(codeOf(() => new SshReader(hexToBytes('00000001ff'), 'x').text())).toBe('bad-document');
    expect(codeOf(() => new SshReader(hexToBytes('00'), 'x').end())).toBe('bad-document');
  });
});

describe('an SSH signature', () => {
  it.each([
    ['manifest', 'file'],
    ['text', 'file'],
    ['git-tag', 'git'],
    ['git-commit', 'git'],
  ] as const)('of a %s is over magic, namespace %s and SHA-512 (PROTOCOL.sshsig)', (kind, namespace) => {
    const document = goldenDocuments[kind]!;
    const message = messageOf(goldenRelease(epoch, kind, document, { formats: ['ssh'] }), [document]);
    const hash = Buffer.from(message.subarray(-64)).toString('hex');
    const head = `SSHSIG\0\0\0${String.fromCharCode(namespace.length)}${namespace}\0\0\0\0\0\0\0\x06sha512\0\0\0\x40`;
    expect(text(message.subarray(0, -64))).toBe(head);
    expect(hash).not.toBe(bytesToHex(document.subarray(0, 64)));
    expect(message).toEqual(sshSignedData(namespace, document));
    const { signature, keyBlob } = decodeSshSignature(utf8(sshFile(kind)));
    expect(verifySignature(keyOf('production'), message, signature)).toBe(true);
    expect(keyBlob).toEqual(publicKeyBlob(keyOf('production')));
  });

  it('for git is none for files, of the same bytes (T10)', () => {
    const document = goldenDocuments['git-tag']!;
    const { signature } = decodeSshSignature(utf8(sshFile('git-tag')));
    expect(verifySignature(keyOf('production'), sshSignedData('git', document), signature)).toBe(true);
    expect(verifySignature(keyOf('production'), sshSignedData('file', document), signature)).toBe(false);
    expect(verifySignature(keyOf('production'), document, signature)).toBe(false);
  });

  it('carries the key of its channel', () => {
    expect(decodeSshSignature(utf8(sshFile('text', 'development'))).keyBlob).toEqual(
      publicKeyBlob(keyOf('development')),
    );
  });

  it.each(['manifest', 'git-tag'])('is as its golden file: %s', (kind) => {
    expect(sshFile(kind)).toBe(text(goldenFormat(`document.${kind}.sig`)));
  });

  it('of any bytes is read back', () => {
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
    fc.assert(
      fc.property(
        bytes(32),
        bytes(64),
        fc.constantFrom('file' as const, 'git' as const),
        (key, signature, namespace) => {
          const parts = { keyBlob: publicKeyBlob(key), namespace, signature };
          expect(decodeSshSignature(encodeSshSignature(parts))).toEqual(parts);
        },
      ),
    );
  });

  describe('is refused', () => {
    const file = sshFile('manifest');
    const blob = blobOf(file);
    it('with any byte of its blob missing, or one after it', () => {
      for (let length = 0; length < blob.length; length += 1)
        expect(
          codeOf(() => decodeSshSignature(armored(blob.subarray(0, length)))),
          String(length),
        ).toBe('bad-document');
      expect(codeOf(() => decodeSshSignature(armored(Buffer.concat([blob, Buffer.alloc(1)]))))).toBe('bad-document');
    });

    it.each<[string, (file: string) => string]>([
      ['with another hash', () => text(armored(replaced(blob, 'sha512', 'sha256')))],
      ['with another namespace', () => text(armored(replaced(blob, 'file', 'mail')))],
      ['with another magic', () => text(armored(replaced(blob, 'SSHSIG', 'SSHSIH')))],
      ['with another key type of the signature', () => text(armored(flipped(blob, blob.length - 70)))],
      ['with another version', () => text(armored(flipped(blob, 9)))],
      ['without armor', (right) => right.split('\n').slice(1, -2).join('')],
      ['with another armor', (right) => right.replaceAll('SSH', 'PGP')],
      ['with other line lengths', (right) => right.replace('\n', 'x').replace(/\n/, '').replace('x', '\n')],
      ['with Windows line ends', (right) => right.replaceAll('\n', '\r\n')],
      ['with text before it', (right) => `x\n${right}`],
      ['with text after it', (right) => `${right}x\n`],
      ['without the last newline', (right) => right.trimEnd()],
      ['empty', () => ''],
    ])('%s', (_what, change) => {
      expect(change(file)).not.toBe(file);
      expect(codeOf(() => decodeSshSignature(utf8(change(file))))).toBe('bad-document');
    });

    it('too large', () => {
      expect(codeOf(() => decodeSshSignature(new Uint8Array(8193)))).toBe('too-large');
    });
  });
});

function replaced(bytes: Uint8Array, from: string, to: string): Uint8Array {
  return new Uint8Array(Buffer.from(Buffer.from(bytes).toString('latin1').replace(from, to), 'latin1'));
}

describe("a channel's SSH certificate", () => {
  const line = certificateLine();

  it('is as its golden file, and signed by the group key', () => {
    expect(line).toBe(text(goldenFormat('development-cert.pub')));
    const { body, signature } = decodeSshCertificate(line);
    expect(body).toEqual(messageOf(goldenCertificateRequest(epoch)));
    expect(verifySignature(keyOf('production'), body, signature)).toBe(true);
  });

  it('is a function of the request: all but the end follows from group, channel and time', () => {
    const request = goldenCertificateRequest(epoch);
    const { body, blob, signature, ...certificate } = decodeSshCertificate(line);
    expect(blob.length).toBe(body.length + 4 + 4 + 11 + 4 + signature.length);
    expect(certificate).toEqual<SshCertificate>({
      nonce: taggedHash('ssh-certificate', hexToBytes(request.digest)),
      key: keyOf('development'),
      serial: Date.parse(createdAt) / 1000,
      keyId: 'acme/development',
      principals: ['development'],
      validAfterUnixSeconds: Date.parse(createdAt) / 1000 - 30,
      validBeforeUnixSeconds: Date.parse('2026-12-22T00:00:00Z') / 1000,
      authority: keyOf('production'),
    });
    expect(text(body.subarray(0, 36))).toBe('\0\0\0 ssh-ed25519-cert-v01@openssh.com');
  });

  it('differs for every other request, if only by its note', () => {
    const bodies = [{}, { note: 'again' }, { createdAt: '2026-11-22T08:00:01Z' }].map((change) =>
      bytesToHex(messageOf(goldenCertificateRequest(epoch, change))),
    );
    expect(new Set(bodies).size).toBe(3);
  });

  it('is shown as it will be read', () => {
    const prepared = formatOf('ssh-certificate', 'ssh-certificate').prepare({
      epoch,
      request: goldenCertificateRequest(epoch),
      documents: [],
    });
    expect(formatOf('ssh-certificate', 'ssh-certificate').shows!(prepared.state)).toBe(
      `SSH certificate acme/development\nserial ${Date.parse(createdAt) / 1000}\nprincipal development\nvalid from 2026-11-22T07:59:30Z to 2026-12-22T00:00:00Z`,
    );
  });

  it('may end when a delegation of the same time would, and no later', () => {
    const until = (end: string) =>
      messageOf(goldenCertificateRequest(epoch, { certify: { channel: 'development', until: end } }));
    expect(() => until('2026-12-22T08:00:00Z')).not.toThrow();
    expect(() => until('2026-11-22T08:00:01Z')).not.toThrow();
    for (const end of ['2026-12-22T08:00:01Z', '2036-01-01T00:00:00Z'])
      expect(refusalOf(() => until(end)).message).toContain('until 2026-12-22T08:00:00Z');
    for (const end of ['2026-11-22T08:00:00Z', '2020-01-01T00:00:00Z', '2026-02-30T00:00:00Z'])
      expect(codeOf(() => until(end))).toBe('bad-request');
  });

  it.each<[string, Partial<RequestPayload>]>([
    ['without an end', { certify: { channel: 'development', until: null } }],
    ['of production', { certify: { channel: 'production', until: '2026-12-01T00:00:00Z' } }],
    ['of an unknown channel', { certify: { channel: 'nightly', until: '2026-12-01T00:00:00Z' } }],
    ['by a channel of itself (T21)', { channel: 'development' }],
    ['in another format', { formats: ['ssh'] }],
    ['with a document', { documents: [{ kind: 'text', size: 70, sha256: sha256Hex(utf8('x')) }] }],
    ['with a product', { product: 'tool' }],
  ])('is refused %s', (_what, change) => {
    expect(['bad-request', 'unknown-channel', 'unknown-format']).toContain(
      codeOf(() => messageOf(goldenCertificateRequest(epoch, change))),
    );
  });

  it('is refused without a word on what to certify', () => {
    const request = { kind: 'ssh-certificate', formats: ['ssh-certificate'], product: null, release: null } as const;
    expect(codeOf(() => goldenRequest(epoch, { ...request, formats: [...request.formats] }))).toBe('bad-request');
  });

  const { signature, blob, ...certificate } = decodeSshCertificate(line);
  const encoded = (change: Partial<SshCertificate>): string =>
    encodeSshCertificate({ ...certificate, ...change }, signature);
  const lineOf = (blob: Uint8Array): string =>
    `ssh-ed25519-cert-v01@openssh.com ${Buffer.from(blob).toString('base64')} acme/development\n`;

  it.each<[string, string]>([
    ['without a principal', encoded({ principals: [] })],
    ['with a short nonce', encoded({ nonce: new Uint8Array(31) })],
    ['with a short key', encoded({ key: new Uint8Array(31) })],
    ['with a short authority', encoded({ authority: new Uint8Array(31) })],
    ['for a host', lineOf(flipped(blob, 4 + 32 + 4 + 32 + 4 + 32 + 8 + 3, 1))],
    ['of another type', line.replace('ssh-ed25519-cert', 'ssh-rsa-cert')],
    ['of another type inside', lineOf(flipped(blob, 10))],
    ['with another key id after it', line.replace(' acme/', ' acme/x')],
    ['that is a public key', sshPublicKey(keyOf('development'), 'x')],
    ['with a byte more', lineOf(Buffer.concat([blob, Buffer.alloc(1)]))],
    ['with two newlines', `${line}\n`],
    ['empty', ''],
  ])('is not read %s', (_what, wrong) => {
    expect(codeOf(() => decodeSshCertificate(wrong))).toBe('bad-document');
  });

  it('is not read cut off anywhere, nor too large', () => {
    for (let length = 0; length < blob.length; length += 1)
      expect(codeOf(() => decodeSshCertificate(lineOf(blob.subarray(0, length))))).toBe('bad-document');
    expect(codeOf(() => decodeSshCertificate('x'.repeat(4097)))).toBe('too-large');
  });

  it('is no SSH signature, and neither begins like the other (T10)', () => {
    expect(text(sshSignedData('git', blob).subarray(0, 6))).toBe('SSHSIG');
    expect([...sshCertificateBody(certificate).subarray(0, 4)]).toEqual([0, 0, 0, 32]);
  });
});

describe('a development signature with its certificate', () => {
  const plain = utf8(sshFile('manifest', 'development'));

  it('is as its golden file, and keeps signature and namespace', () => {
    const file = withSshCertificate(plain, certificateLine());
    expect(text(file)).toBe(text(goldenFormat('document.manifest.development.sig')));
    expect(decodeSshSignature(file)).toEqual({
      ...decodeSshSignature(plain),
      keyBlob: decodeSshCertificate(certificateLine()).blob,
    });
  });

  it('is not made of a certificate for another key, nor twice, nor of what is none (T21)', () => {
    const of = (file: Uint8Array, line: string) => codeOf(() => withSshCertificate(file, line));
    expect(of(utf8(sshFile('manifest')), certificateLine())).toBe('bad-document');
    expect(of(withSshCertificate(plain, certificateLine()), certificateLine())).toBe('bad-document');
    expect(of(plain, 'ssh-ed25519 AAAA x')).toBe('bad-document');
    expect(of(utf8('x'), certificateLine())).toBe('bad-document');
  });
});

describe('allowed_signers', () => {
  it('names production for the group key, and every other channel for certificates by it', () => {
    const file = allowedSigners(epoch);
    expect(file).toBe(text(goldenFormat('allowed_signers')));
    const key = sshPublicKey(keyOf('production'), 'acme');
    expect(file).toBe(`production namespaces="file,git" ${key}development cert-authority,namespaces="file,git" ${key}`);
    expect(file).not.toContain(sshPublicKey(keyOf('development'), '').split(' ')[1]);
  });
});
