/** Signed tags and commits before git, with gpg.format=ssh. What is signed is what git itself hands to its signing program. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { decodeDocument } from '../../protocol/documents/index.ts';
import { allowedSigners } from '../../protocol/ssh/allowed-signers.ts';
import { encodeSshSignature, sshSignedData, withSshCertificate } from '../../protocol/ssh/signature.ts';
import { publicKeyBlob } from '../../protocol/ssh/wire.ts';
import { quorumSignature } from '../harness/coordinator-group.ts';
import { liveGroup, type LiveGroup } from '../harness/round-network.ts';
import { certificateRequest, signedFile, signedFiles } from '../harness/signed-release.ts';
import { hasTool, Workshop, type Ran } from './tools.ts';

let group: LiveGroup;
let other: LiveGroup;
beforeAll(async () => {
  const plan = { tiers: ['admin', 'admin', 'build'], production: '{ any: 2 }', development: '{ build: 1 }' };
  [group, other] = await Promise.all([liveGroup(plan), liveGroup(plan)]);
});

/** Keeps what git hands over, and gives it something to go on with. */
const capture = `#!/bin/sh
for file; do :; done
cat "$file" > captured
printf -- '-----BEGIN SSH SIGNATURE-----\\nAAAA\\n-----END SSH SIGNATURE-----\\n' > "$file.sig"
`;

class Repository extends Workshop {
  constructor(trusted: LiveGroup, hash: 'sha1' | 'sha256' = 'sha1') {
    super();
    this.git('init', '-q', `--object-format=${hash}`);
    const signers = this.file('.git/allowed_signers', allowedSigners(trusted.epoch));
    const program = this.file('.git/capture', capture, 0o700);
    for (const [name, value] of [
      ['user.name', 'Zoë Release'],
      ['user.email', 'zoe@acme.example'],
      ['gpg.format', 'ssh'],
      ['user.signingKey', 'key::ssh-ed25519 AAAA'],
      ['gpg.ssh.allowedSignersFile', signers],
    ] as const)
      this.git('config', name, value);
    this.file('README', 'hello\n');
    this.git('add', 'README');
    this.git('commit', '-q', '-m', 'First commit');
    this.#program = program;
  }

  readonly #program: string;

  git(...args: string[]): string {
    const { status, stdout, stderr } = this.run('git', args);
    if (status !== 0) throw new Error(`git ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  }

  /** What git wants signed by this command. */
  payload(...args: string[]): Uint8Array {
    this.git('-c', `gpg.ssh.program=${this.#program}`, ...args);
    return new Uint8Array(readFileSync(join(this.folder, 'captured')));
  }

  store(type: 'tag' | 'commit', object: string | Uint8Array): string {
    const { status, stdout, stderr } = this.run('git', ['hash-object', '-t', type, '-w', '--stdin'], object);
    if (status !== 0) throw new Error(stderr);
    return stdout.trim();
  }

  /** A tag with this signature after its message. */
  tag(payload: Uint8Array, signature: Uint8Array): string {
    return this.store('tag', Buffer.concat([payload, signature]));
  }

  /** A commit with this signature as its last header. */
  commit(payload: Uint8Array, signature: Uint8Array, header = 'gpgsig'): string {
    const text = Buffer.from(payload).toString();
    const lines = Buffer.from(signature).toString().trimEnd().split('\n');
    const at = text.indexOf('\n\n') + 1;
    return this.store('commit', `${text.slice(0, at)}${header} ${lines.join('\n ')}\n${text.slice(at)}`);
  }
}

const tagOf = (repository: Repository): Uint8Array =>
  repository.payload('tag', '-s', '-m', 'Version 1\n\nNotes.', 'v1.0.0');
const commitOf = (repository: Repository): Uint8Array =>
  repository.payload('commit', '-q', '-S', '--allow-empty', '-m', 'Second commit\n\nWhy: because.');
const signed = (kind: 'git-tag' | 'git-commit', bytes: Uint8Array, channel = 'production', by = group): Uint8Array =>
  signedFile(by, channel, 'ssh', { kind, bytes });
const certificate = (until: string, change = {}): string =>
  Buffer.from(
    signedFiles(group, certificateRequest(group, 'development', until, change)).get('ssh-certificate')!,
  ).toString();

describe.skipIf(!hasTool('git') || !hasTool('ssh-keygen'))('git verify-tag', () => {
  const verifyTag = (repository: Repository, id: string): Ran => repository.run('git', ['verify-tag', id]);

  it.each(['sha1', 'sha256'] as const)('accepts a tag that the production quorum signed (%s)', (hash) => {
    using repository = new Repository(group, hash);
    const payload = tagOf(repository);
    const { status, stderr } = verifyTag(repository, repository.tag(payload, signed('git-tag', payload)));
    expect(stderr).toContain('Good "git" signature for production with ED25519 key');
    expect(status).toBe(0);
  });

  it('accepts what mktag makes of it, and shows it to an approver as git has it', () => {
    using repository = new Repository(group);
    const payload = tagOf(repository);
    const { status, stdout } = repository.run('git', ['mktag'], Buffer.concat([payload, signed('git-tag', payload)]));
    expect(status).toBe(0);
    expect(verifyTag(repository, stdout.trim()).status).toBe(0);
    const { fields, text } = decodeDocument('git-tag', payload);
    expect(fields[0]).toEqual({ name: 'object', value: repository.git('rev-parse', 'HEAD'), isChecked: false });
    expect(fields[3]?.value).toMatch(/^Zoë Release <zoe@acme.example> \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \+0000$/);
    expect(text).toBe('Version 1\n\nNotes.\n');
  });

  it('accepts a tag of the development quorum as development', () => {
    using repository = new Repository(group);
    const payload = tagOf(repository);
    const valid = certificate('2027-01-01T00:00:00Z');
    const signature = withSshCertificate(signed('git-tag', payload, 'development'), valid);
    const { status, stderr } = verifyTag(repository, repository.tag(payload, signature));
    expect(stderr).toContain('Good "git" signature for development with ED25519-CERT key');
    expect(status).toBe(0);
  });

  it.each<[string, (payload: Uint8Array) => Uint8Array]>([
    ['of another group', (payload) => signed('git-tag', payload, 'production', other)],
    ['of a channel without its certificate', (payload) => signed('git-tag', payload, 'development')],
    [
      'of a channel whose certificate has expired',
      (payload) =>
        withSshCertificate(
          signed('git-tag', payload, 'development'),
          certificate('2020-02-01T00:00:00Z', { createdAt: '2020-01-01T00:00:00Z' }),
        ),
    ],
    ['that is a signature of another tag', () => signed('git-tag', Buffer.from(anotherTag))],
    [
      'of these very bytes as a file (T10)',
      (payload) => {
        const keyBlob = publicKeyBlob(group.epoch.channel('production').point.bytes);
        const signature = quorumSignature(group, 'production', sshSignedData('file', payload));
        return encodeSshSignature({ keyBlob, namespace: 'file', signature });
      },
    ],
  ])('refuses a signature %s', (_what, signature) => {
    using repository = new Repository(group);
    const payload = tagOf(repository);
    expect(verifyTag(repository, repository.tag(payload, signature(payload))).status).toBe(1);
  });

  it('refuses a tag whose message was changed afterwards, or whose name was', () => {
    using repository = new Repository(group);
    const payload = tagOf(repository);
    const signature = signed('git-tag', payload);
    for (const [from, to] of [
      ['Notes.', 'Notes!'],
      ['tag v1.0.0', 'tag v1.0.1'],
    ] as const) {
      const changed = Buffer.from(Buffer.from(payload).toString().replace(from, to));
      expect(changed.equals(payload)).toBe(false);
      expect(verifyTag(repository, repository.tag(changed, signature)).status).toBe(1);
    }
  });
});

const anotherTag = `object ${'ab'.repeat(20)}
type commit
tag v0.9.0
tagger Zoë Release <zoe@acme.example> 1795334400 +0000

Version 0.9
`;

describe.skipIf(!hasTool('git') || !hasTool('ssh-keygen'))('git verify-commit', () => {
  const verifyCommit = (repository: Repository, id: string): Ran => repository.run('git', ['verify-commit', id]);

  it.each([
    ['sha1', 'gpgsig'],
    ['sha256', 'gpgsig-sha256'],
  ] as const)('accepts a commit that the production quorum signed (%s)', (hash, header) => {
    using repository = new Repository(group, hash);
    const payload = commitOf(repository);
    const id = repository.commit(payload, signed('git-commit', payload), header);
    const { status, stderr } = verifyCommit(repository, id);
    expect(stderr).toContain('Good "git" signature for production with ED25519 key');
    expect(status).toBe(0);
    expect(repository.git('log', '-1', '--format=%G? %GS', id)).toBe('G production');
  });

  it('accepts a first commit and a merge', () => {
    using repository = new Repository(group);
    const first = repository.git('rev-parse', 'HEAD');
    repository.git('checkout', '-q', '-b', 'side');
    repository.git('commit', '-q', '--allow-empty', '-m', 'Aside');
    repository.git('checkout', '-q', '-');
    const merge = repository.payload('merge', '-q', '--no-ff', '-S', '-m', 'Merge side', 'side');
    const parents = decodeDocument('git-commit', merge).fields.filter(({ name }) => name === 'parent');
    expect(parents.map(({ value }) => value)).toEqual([first, repository.git('rev-parse', 'side')]);
    expect(verifyCommit(repository, repository.commit(merge, signed('git-commit', merge))).status).toBe(0);
    repository.git('checkout', '-q', '--orphan', 'new');
    const root = commitOf(repository);
    expect(verifyCommit(repository, repository.commit(root, signed('git-commit', root))).status).toBe(0);
  });

  it('refuses a commit with another message, another tree, or the signature of another group', () => {
    using repository = new Repository(group);
    const payload = commitOf(repository);
    const signature = signed('git-commit', payload);
    const text = Buffer.from(payload).toString();
    for (const changed of [text.replace('because', 'whatever'), text.replace(/^tree ..../, 'tree 0000')]) {
      expect(changed).not.toBe(text);
      expect(verifyCommit(repository, repository.commit(Buffer.from(changed), signature)).status).toBe(1);
    }
    const foreign = signed('git-commit', payload, 'production', other);
    expect(verifyCommit(repository, repository.commit(payload, foreign)).status).toBe(1);
  });
});
