/** Certificates for stock tools, as a coordinator shows them: only what the quorum signed is believed, and what is missing is named with its command. */
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CoordinatorClient } from '../../client/client.ts';
import { parseCoordinatorUrl } from '../../client/url.ts';
import { assembleOpenpgpCertificate } from '../../protocol/openpgp/certificate.ts';
import type { IssuedBody } from '../../protocol/wire/frames.ts';
import type { Request } from '../../protocol/request/request.ts';
import { formatTimestamp } from '../../protocol/wire/time.ts';
import type { Connection } from '../../requester/connection.ts';
import { assertCertified, openpgpCertificateOf, readIssued, sshFileOf, type Issued } from '../../requester/issued.ts';
import { encodeSeen, openAll } from '../../client/seen-documents.ts';
import { numberOfNext } from '../../requester/documents.ts';
import { documentBodyOf } from '../harness/group-document.ts';
import { openpgpTestGroup, type OpenpgpTestGroup } from '../harness/openpgp-group.ts';
import { person } from '../harness/people.ts';
import { certificateRequest } from '../harness/signed-release.ts';
import { startLyingCoordinator, type LyingCoordinator } from './lying-coordinator.ts';

type One = IssuedBody['issued'][number];
const day = 86400;
const now = Math.floor(Date.now() / 1000);

let group: OpenpgpTestGroup;
let other: OpenpgpTestGroup;
beforeAll(async () => {
  [group, other] = await Promise.all([openpgpTestGroup(now), openpgpTestGroup(now)]);
});

let coordinator: LyingCoordinator;
let connection: Connection;
beforeEach(async () => {
  coordinator = await startLyingCoordinator();
  const identity = person('dave');
  const { epoch } = group.live;
  const opened = {
    epoch,
    genesis: undefined,
    requesters: { entries: [] },
    delegations: [],
  } as unknown as Connection['group'];
  const client = new CoordinatorClient({
    url: parseCoordinatorUrl(coordinator.url),
    identity,
    role: 'requester',
    groupKey: epoch.groupKey,
  });
  const refresh = () => Promise.resolve(opened);
  const coordinatorKey = identity.publicKey;
  connection = {
    client,
    identity,
    coordinator: coordinatorKey,
    group: opened,
    refresh,
    [Symbol.dispose]: () => client.close(),
  };
});
afterEach(async () => {
  connection[Symbol.dispose]();
  await coordinator[Symbol.asyncDispose]();
});

/** What an honest coordinator keeps of a signed certificate. */
function issuedOf(of: OpenpgpTestGroup, request: Request, document?: Uint8Array): One {
  return documentBodyOf(of.live, request, document);
}

const certificate = (of = group, at = now - 10 * day): One =>
  issuedOf(
    of,
    of.request('production', undefined, undefined, {
      kind: 'openpgp-certificate',
      formats: ['openpgp-certificate'],
      createdAt: formatTimestamp(at),
    }),
  );
const subkey = (from: number, until: number): One => {
  const back = group.backSignature();
  return issuedOf(group, group.subkeyRequest(back, { from, until }), back);
};
const sshCertificate = (from: number, until: number): One =>
  issuedOf(
    group,
    certificateRequest(group.live, 'development', formatTimestamp(until), { createdAt: formatTimestamp(from) }),
  );

async function read(...issued: One[]): Promise<Issued[]> {
  coordinator.answers.issued = issued;
  return await readIssued(connection);
}

describe('what a coordinator shows', () => {
  it('is believed when the quorum signed it, oldest first in whatever order it comes', async () => {
    const all = [subkey(now - day, now + day), certificate(), sshCertificate(now - 2 * day, now + day)];
    const kinds = (await read(...all)).map(({ kind, channel }) => `${kind} of ${channel}`);
    expect(kinds).toEqual([
      'openpgp-certificate of production',
      'ssh-certificate of development',
      'openpgp-subkey of development',
    ]);
  });

  it.each<[string, () => One]>([
    ['of another group', () => certificate(other)],
    ['with a signature of another', () => ({ ...certificate(), signatures: subkey(now - day, now + day).signatures })],
    [
      'with a signature too many',
      () => ({ ...certificate(), signatures: [...certificate().signatures, '00'.repeat(64)] }),
    ],
    ['without its document', () => ({ ...subkey(now - day, now + day), documents: [] })],
    ['with another document', () => ({ ...subkey(now - day, now + day), documents: ['AAAA'] })],
    ['with a document that is no base64', () => ({ ...subkey(now - day, now + day), documents: ['!'] })],
    [
      'that is no certificate',
      () => issuedOf(group, group.request('production', 'text', text, { formats: ['openpgp'] }), text),
    ],
  ])('is left out when it is a certificate %s, and the others stay', async (_what, one) => {
    expect((await read(one(), certificate())).map(({ kind }) => kind)).toEqual(['openpgp-certificate']);
  });

  it('cannot exchange the certificate that installers have for a later one', async () => {
    const [first, second] = [certificate(), certificate(group, now - day)];
    const [, again] = await read(first);
    expect(again).toBeUndefined();
    const alone = openpgpCertificateOf(await read(first), []);
    expect(openpgpCertificateOf(await read(second, first), [])).toEqual(alone);
    expect(openpgpCertificateOf(await read(second), [])).not.toEqual(alone);
  });
});

const text = Buffer.from('A text of some length, which nobody takes for anything else than that.\n');

describe('what is missing', () => {
  const openpgp = 'first run: frostmark group certify openpgp';
  const code = 'no-certificate';

  it('is named with the command that makes it', async () => {
    const nothing = await read();
    const primary = await read(certificate());
    const problem = (issued: Issued[], format: string, channel: string): unknown => {
      try {
        assertCertified(issued, [format], channel, now);
        return undefined;
      } catch (error) {
        return error;
      }
    };
    for (const format of ['openpgp', 'openpgp-cleartext']) {
      expect(problem(nothing, format, 'production')).toMatchObject({
        code,
        message: expect.stringMatching(`${openpgp}$`) as string,
      });
      expect(problem(primary, format, 'production')).toBeUndefined();
      expect(problem(primary, format, 'development')).toMatchObject({
        message: expect.stringMatching(`${openpgp} --channel development$`) as string,
      });
    }
    expect(problem(nothing, 'ssh', 'production')).toBeUndefined();
    expect(problem(nothing, 'ssh', 'development')).toMatchObject({
      message: expect.stringMatching('frostmark group certify ssh --channel development$') as string,
    });
    expect(problem(nothing, 'minisign', 'development')).toBeUndefined();
    expect(() => openpgpCertificateOf(nothing, [])).toThrow(openpgp);
    expect(() => openpgpCertificateOf(primary, ['development'])).toThrow(`${openpgp} --channel development`);
    expect(() => sshFileOf(nothing, 'development', new Uint8Array(), now)).toThrow('certify ssh --channel development');
  });

  it('is what has ended, too', async () => {
    const issued = await read(
      certificate(),
      subkey(now - 60 * day, now - day),
      sshCertificate(now - 60 * day, now - day),
    );
    for (const format of ['openpgp', 'ssh'])
      expect(() => assertCertified(issued, [format], 'development', now)).toThrow('that is valid now');
    expect(() => sshFileOf(issued, 'development', new Uint8Array(), now)).toThrow('that is valid now');
    // Installers judge old signatures by the binding of their day.
    expect(() => openpgpCertificateOf(issued, ['development'])).not.toThrow();
  });
});

describe('the certificate for installers', () => {
  it('has every binding there was, and without a channel none', async () => {
    const [old, young] = [subkey(now - 60 * day, now + day), subkey(now - day, now + 30 * day)];
    const issued = await read(young, certificate(), old);
    const parts = issued.filter(({ kind }) => kind === 'openpgp-subkey').map(({ bytes }) => bytes);
    expect(openpgpCertificateOf(issued, ['development'])).toEqual(
      assembleOpenpgpCertificate({
        certificate: issued[1]?.kind === 'openpgp-certificate' ? issued[1].bytes : issued[0]!.bytes,
        subkeys: parts,
        revocations: [],
      }),
    );
    expect(openpgpCertificateOf(issued, []).length).toBeLessThan(openpgpCertificateOf(issued, ['development']).length);
  });
});

describe('what was seen once', () => {
  const revocation = (): One =>
    issuedOf(
      group,
      group.request('production', undefined, undefined, {
        kind: 'openpgp-revocation',
        formats: ['openpgp-revocation'],
        createdAt: formatTimestamp(now - day),
        certify: { channel: 'development', until: null },
      }),
    );
  let kept: Uint8Array | undefined;
  let warnings: string[];
  let remembering: Connection;
  beforeEach(() => {
    kept = undefined;
    warnings = [];
    const memory = {
      path: '/home/seen.json',
      read: () => Promise.resolve(kept),
      write: (bytes: Uint8Array) => {
        kept = bytes;
        return Promise.resolve();
      },
    };
    remembering = { ...connection, memory, warn: (message) => warnings.push(message) };
  });
  const look = async (...issued: One[]): Promise<Issued[]> => {
    coordinator.answers.issued = issued;
    return await readIssued(remembering);
  };

  it('revoked stays revoked when the coordinator forgets it: nothing is signed or certified under that subkey (T46)', async () => {
    const good = [certificate(), subkey(now - 2 * day, now + day)];
    expect(() => assertCertified([], ['openpgp'], 'development', now)).toThrow();
    const before = await look(...good);
    expect(() => assertCertified(before, ['openpgp'], 'development', now)).not.toThrow();
    await look(...good, revocation());
    expect(warnings).toEqual([]);
    const after = await look(...good);
    expect(warnings).toEqual([
      expect.stringMatching(
        /^the coordinator shows none, and OpenPGP revocation 1 of development was seen here before/,
      ),
    ]);
    expect(() => assertCertified(after, ['openpgp'], 'development', now)).toThrow(
      /the OpenPGP subkey of development was revoked for good: .* asked for it on .*Z, and the group signed it \(OpenPGP revocation 1/,
    );
    expect(partsOf(after)).toContain('openpgp-revocation');
  });

  it('with a higher number is missed, and the next number follows the highest', async () => {
    const ssh = (number: number): One =>
      issuedOf(
        group,
        certificateRequest(group.live, 'development', formatTimestamp(now + number * day), {
          number,
          createdAt: formatTimestamp(now - day),
        }),
      );
    await look(ssh(1), ssh(2));
    await look(ssh(1));
    expect(warnings).toEqual([
      expect.stringMatching(
        /^the coordinator shows SSH certificate 1 of development, and SSH certificate 2 of development was/,
      ),
    ]);
    expect(await numberOfNext(remembering, { kind: 'ssh-certificate', scope: 'development' })).toBe(3);
    expect(await numberOfNext(connection, { kind: 'ssh-certificate', scope: 'development' })).toBe(2);
  });

  it.each([
    ['of a newer version', () => Buffer.from('{"version":2}'), 'newer version of frostmark'],
    ['damaged', () => kept!.slice(0, -1), 'is not what was written'],
    ['another file', () => Buffer.from('[]'), 'is not what was written'],
  ])('is not read from a memory that is %s, and nothing is changed', async (_, bytes, words) => {
    await look(certificate());
    kept = bytes();
    const before = kept;
    await expect(look(certificate())).rejects.toMatchObject({
      code: 'damaged',
      message: expect.stringContaining(words) as string,
    });
    expect(kept).toBe(before);
  });

  it('of another group counts for nothing', async () => {
    const { epoch } = other.live;
    const foreign = openAll(epoch, [documentBodyOf(other.live, foreignRevocation())]).documents;
    kept = encodeSeen({ highest: new Map(), revocations: foreign });
    expect(foreign).toHaveLength(1);
    expect(partsOf(await look(certificate()))).toEqual(['openpgp-certificate']);
  });

  const partsOf = (issued: readonly Issued[]): string[] => issued.map(({ kind }) => kind);
  const foreignRevocation = (): Request =>
    other.request('production', undefined, undefined, {
      kind: 'openpgp-revocation',
      formats: ['openpgp-revocation'],
      createdAt: formatTimestamp(now - day),
      certify: { channel: 'development', until: null },
    });
});
