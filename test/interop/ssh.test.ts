/** SSH signatures and certificates before the judge they are made for: ssh-keygen. */
import { createPublicKey } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { manifestOf } from '../../protocol/documents/manifest.ts';
import { allowedSigners, sshPublicKey } from '../../protocol/ssh/allowed-signers.ts';
import {
  encodeSshSignature,
  sshSignedData,
  withSshCertificate,
  decodeSshSignature,
} from '../../protocol/ssh/signature.ts';
import { publicKeyBlob } from '../../protocol/ssh/wire.ts';
import { liveGroup, type LiveGroup } from '../harness/round-network.ts';
import { certificateRequest, groundSignature, signedFile, signedFiles, zeroLed } from '../harness/signed-release.ts';
import { flipped } from '../protocol/support.ts';
import { goldenFormat } from '../protocol/documents/golden.ts';
import { hasTool, Workshop, type Ran } from './tools.ts';

const document = { kind: 'manifest', bytes: manifestOf([{ name: 'tool-1.0.0.tgz', sha256: 'ab'.repeat(32) }]) };
const createdAt = '2026-11-22T08:00:00Z';
const later = '20261201000000Z';
const longAgo = { createdAt: '2020-01-01T00:00:00Z' };

let group: LiveGroup;
let other: LiveGroup;
let production: Uint8Array;
let development: Uint8Array;
let certificate: string;
const certificateOf = (of: LiveGroup, until: string, change = {}): string =>
  Buffer.from(signedFiles(of, certificateRequest(of, 'development', until, change)).get('ssh-certificate')!).toString();

beforeAll(async () => {
  const plan = { tiers: ['admin', 'admin', 'build'], production: '{ any: 2 }', development: '{ build: 1 }' };
  [group, other] = await Promise.all([liveGroup(plan), liveGroup(plan)]);
  production = signedFile(group, 'production', 'ssh', document);
  certificate = certificateOf(group, '2027-01-01T00:00:00Z', { createdAt });
  development = withSshCertificate(signedFile(group, 'development', 'ssh', document), certificate);
});

interface Question {
  readonly signature: Uint8Array;
  readonly as: string;
  readonly namespace?: string;
  readonly bytes?: Uint8Array;
  readonly of?: LiveGroup;
  readonly at?: string;
  readonly revoked?: string;
}

function sshVerify({
  signature,
  as,
  namespace = 'file',
  bytes = document.bytes,
  of = group,
  at = later,
  revoked,
}: Question): Ran {
  using shop = new Workshop();
  const signers = shop.file('allowed_signers', allowedSigners(of.epoch));
  const file = shop.file('SHA256SUMS.sig', signature);
  const revocation = revoked === undefined ? [] : ['-r', shop.file('revoked', revoked)];
  const args = [
    '-Y',
    'verify',
    '-f',
    signers,
    '-I',
    as,
    '-n',
    namespace,
    '-s',
    file,
    `-Overify-time=${at}`,
    ...revocation,
  ];
  return shop.run('ssh-keygen', args, bytes);
}

function principalsOf(signature: Uint8Array, of = group, at = later): string[] {
  using shop = new Workshop();
  const signers = shop.file('allowed_signers', allowedSigners(of.epoch));
  const file = shop.file('SHA256SUMS.sig', signature);
  const { stdout } = shop.run('ssh-keygen', [
    '-Y',
    'find-principals',
    '-f',
    signers,
    '-s',
    file,
    `-Overify-time=${at}`,
  ]);
  return stdout.split('\n').filter(Boolean);
}

describe.skipIf(!hasTool('ssh-keygen'))('ssh-keygen -Y verify', () => {
  it('accepts a production signature as production', () => {
    const { status, stdout } = sshVerify({ signature: production, as: 'production' });
    expect(stdout).toMatch(/^Good "file" signature for production with ED25519 key/);
    expect(status).toBe(0);
    expect(principalsOf(production)).toEqual(['production']);
  });

  it('accepts a development signature with its certificate as development', () => {
    const { status, stdout } = sshVerify({ signature: development, as: 'development' });
    expect(stdout).toMatch(/^Good "file" signature for development with ED25519-CERT key/);
    expect(status).toBe(0);
    expect(principalsOf(development)).toEqual(['development']);
  });

  it('accepts the golden files', () => {
    using shop = new Workshop();
    const signers = shop.file('allowed', goldenFormat('allowed_signers'));
    for (const [name, data, as, namespace] of [
      ['document.manifest.sig', 'document.manifest', 'production', 'file'],
      ['document.manifest.development.sig', 'document.manifest', 'development', 'file'],
      ['document.git-tag.sig', 'document.git-tag', 'production', 'git'],
    ] as const) {
      const signature = shop.file('f.sig', goldenFormat(name));
      const args = [
        '-Y',
        'verify',
        '-f',
        signers,
        '-I',
        as,
        '-n',
        namespace,
        '-s',
        signature,
        `-Overify-time=${later}`,
      ];
      expect(shop.run('ssh-keygen', args, goldenFormat(data)).status, name).toBe(0);
    }
  });

  it('finds no principal for another group', () => {
    expect(principalsOf(production, other)).toEqual([]);
    expect(principalsOf(development, other)).toEqual([]);
  });

  it.each<[string, () => Question]>([
    ['production as development', () => ({ signature: production, as: 'development' })],
    ['development as production (T21)', () => ({ signature: development, as: 'production' })],
    ['anybody else', () => ({ signature: production, as: 'release@acme.example' })],
    ['another namespace than asked for', () => ({ signature: production, as: 'production', namespace: 'git' })],
    ['other bytes', () => ({ signature: production, as: 'production', bytes: flipped(document.bytes, 5) })],
    [
      'other bytes under a certificate',
      () => ({ signature: development, as: 'development', bytes: flipped(document.bytes, 5) }),
    ],
    ['another group', () => ({ signature: production, as: 'production', of: other })],
    ["another group's authority", () => ({ signature: development, as: 'development', of: other })],
    [
      'a channel key without its certificate',
      () => ({ signature: signedFile(group, 'development', 'ssh', document), as: 'development' }),
    ],
    [
      'a channel key without its certificate as production (T21)',
      () => ({ signature: signedFile(group, 'development', 'ssh', document), as: 'production' }),
    ],
    ['a certificate before its time', () => ({ signature: development, as: 'development', at: '20261122075929Z' })],
    ['a certificate after its time', () => ({ signature: development, as: 'development', at: '20270101000001Z' })],
    [
      'a certificate for a signature by another key',
      () => {
        const { signature, namespace } = decodeSshSignature(production);
        const { keyBlob } = decodeSshSignature(development);
        return { signature: encodeSshSignature({ keyBlob, namespace, signature }), as: 'development' };
      },
    ],
    [
      'the group key in place of the certificate (T21)',
      () => {
        const { signature, namespace } = decodeSshSignature(development);
        const keyBlob = publicKeyBlob(group.epoch.channel('production').point.bytes);
        return { signature: encodeSshSignature({ keyBlob, namespace, signature }), as: 'production' };
      },
    ],
    [
      'a revoked key',
      () => ({
        signature: production,
        as: 'production',
        revoked: sshPublicKey(group.epoch.channel('production').point.bytes, 'acme'),
      }),
    ],
  ])('refuses %s', (_what, question) => {
    expect(sshVerify(question()).status).toBe(255);
  });

  it('refuses a certificate that has expired by now, without being told the time', () => {
    const old = certificateOf(group, '2020-02-01T00:00:00Z', longAgo);
    const signature = withSshCertificate(signedFile(group, 'development', 'ssh', document), old);
    using shop = new Workshop();
    const args = [
      '-Y',
      'verify',
      '-f',
      shop.file('allowed', allowedSigners(group.epoch)),
      '-I',
      'development',
      '-n',
      'file',
      '-s',
    ];
    const { status, stdout, stderr } = shop.run('ssh-keygen', [...args, shop.file('f.sig', signature)], document.bytes);
    expect(status).toBe(255);
    expect(stdout + stderr).toMatch(/expired/i);
  });

  it.each(zeroLed)(
    'accepts a signature whose %s begins with a zero byte',
    (_what, isWanted) => {
      const message = sshSignedData('file', document.bytes);
      const signature = groundSignature(group, 'production', message, isWanted);
      const keyBlob = publicKeyBlob(group.epoch.channel('production').point.bytes);
      const file = encodeSshSignature({ keyBlob, namespace: 'file', signature });
      expect(sshVerify({ signature: file, as: 'production' }).status).toBe(0);
    },
    300_000,
  );
});

describe.skipIf(!hasTool('ssh-keygen'))('ssh-keygen -L', () => {
  it('reads the certificate as it was asked for', () => {
    using shop = new Workshop();
    const { status, stdout } = shop.run('ssh-keygen', ['-L', '-f', shop.file('id-cert.pub', certificate)]);
    expect(status).toBe(0);
    const lines = stdout.split('\n').map((line) => line.trim());
    expect(lines).toContain('Type: ssh-ed25519-cert-v01@openssh.com user certificate');
    expect(lines).toContain('Key ID: "acme/development"');
    expect(lines).toContain(`Serial: ${Date.parse(createdAt) / 1000}`);
    expect(lines).toContain('Valid: from 2026-11-22T07:59:30 to 2027-01-01T00:00:00');
    expect(stdout).toMatch(/Principals:\s+development\s+Critical Options: \(none\)\s+Extensions: \(none\)/);
  });

  it('names the group key as the authority, and the development key as its own', () => {
    using shop = new Workshop();
    const fingerprint = (name: string): string => {
      const file = shop.file(`${name}.pub`, sshPublicKey(group.epoch.channel(name).point.bytes, name));
      return shop.run('ssh-keygen', ['-l', '-f', file]).stdout.split(' ')[1]!;
    };
    const { stdout } = shop.run('ssh-keygen', ['-L', '-f', shop.file('id-cert.pub', certificate)]);
    expect(stdout).toContain(`Signing CA: ED25519 ${fingerprint('production')} (using ssh-ed25519)`);
    expect(stdout).toContain(`Public key: ED25519-CERT ${fingerprint('development')}`);
  });

  it('is not shown a certificate that was changed: one changed byte of it is refused', () => {
    using shop = new Workshop();
    const [type = '', encoded = ''] = certificate.split(' ');
    const changed = flipped(Buffer.from(encoded, 'base64'), 130);
    const line = `${type} ${Buffer.from(changed).toString('base64')} acme/development\n`;
    expect(shop.run('ssh-keygen', ['-L', '-f', shop.file('id-cert.pub', line)]).status).not.toBe(0);
  });
});

describe.skipIf(!hasTool('openssl'))('openssl pkeyutl', () => {
  const spki = (key: Uint8Array): string =>
    createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(key).toString('base64url') }, format: 'jwk' })
      .export({ format: 'pem', type: 'spki' })
      .toString();

  function opensslVerify(message: Uint8Array, signature: Uint8Array, channel = 'production'): number | null {
    using shop = new Workshop();
    const key = shop.file('key.pem', spki(group.epoch.channel(channel).point.bytes));
    const args = ['-verify', '-pubin', '-inkey', key, '-rawin', '-in', shop.file('m', message)];
    return shop.run('openssl', ['pkeyutl', ...args, '-sigfile', shop.file('m.sig', signature)]).status;
  }

  it('shows that the raw key signed the SSH container and not the file (T10)', () => {
    const { signature } = decodeSshSignature(production);
    expect(opensslVerify(sshSignedData('file', document.bytes), signature)).toBe(0);
    expect(opensslVerify(document.bytes, signature)).toBe(1);
    expect(opensslVerify(sshSignedData('git', document.bytes), signature)).toBe(1);
    expect(opensslVerify(sshSignedData('file', document.bytes), signature, 'development')).toBe(1);
  });
});
