import { execFileSync } from 'node:child_process';
import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { readSource, withoutCredentials } from '../../requester/source.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'frostmark-source-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function git(...args: string[]): string {
  const identity = ['-c', 'user.name=t', '-c', 'user.email=t@example.org', '-c', 'commit.gpgsign=false'];
  return execFileSync('git', [...identity, ...args], {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim();
}

async function repository(remote?: string): Promise<string> {
  git('init', '-q', '-b', 'main');
  await writeFile(join(folder, 'a.txt'), 'a');
  git('add', '.');
  git('commit', '-q', '-m', 'first');
  if (remote !== undefined) git('remote', 'add', 'origin', remote);
  return git('rev-parse', 'HEAD');
}

describe('the source of a release', () => {
  it('is repository, branch and commit of the working tree', async () => {
    const commit = await repository('https://example.org/acme/app.git');
    expect(await readSource(folder)).toEqual({
      source: { repo: 'https://example.org/acme/app.git', ref: 'refs/heads/main', commit },
      warnings: [],
    });
  });

  it('is the tag when HEAD is on no branch, as a build of a tag is', async () => {
    const commit = await repository('https://example.org/app.git');
    git('tag', 'v1.4.2');
    git('checkout', '-q', '--detach');
    expect((await readSource(folder)).source).toEqual({
      repo: 'https://example.org/app.git',
      ref: 'refs/tags/v1.4.2',
      commit,
    });
  });

  it('has no ref when HEAD is on no branch and no tag', async () => {
    await repository('https://example.org/app.git');
    git('checkout', '-q', '--detach');
    expect((await readSource(folder)).source?.ref).toBeNull();
  });

  it('is nothing outside of a working tree', async () => {
    expect(await readSource(folder)).toEqual({ source: null, warnings: [] });
  });

  it('is nothing before the first commit', async () => {
    git('init', '-q');
    expect(await readSource(folder)).toEqual({ source: null, warnings: [] });
  });

  it('is nothing when there is no git to ask', async () => {
    await repository();
    const path = process.env['PATH'];
    process.env['PATH'] = folder;
    try {
      expect((await readSource(folder)).source).toBeNull();
    } finally {
      process.env['PATH'] = path;
    }
  });

  it('has no repository without a remote', async () => {
    const commit = await repository();
    expect((await readSource(folder)).source).toEqual({ repo: null, ref: 'refs/heads/main', commit });
  });

  it.each(['/srv/git/app.git', '../app.git', 'file:///srv/git/app.git'])(
    'has no repository where the remote %s means something on this machine only',
    async (remote) => {
      await repository(remote);
      expect((await readSource(folder)).source?.repo).toBeNull();
    },
  );

  it('takes the remote that the branch follows rather than origin', async () => {
    await repository('https://example.org/fork.git');
    git('remote', 'add', 'upstream', 'https://example.org/upstream.git');
    git('config', 'branch.main.remote', 'upstream');
    expect((await readSource(folder)).source?.repo).toBe('https://example.org/upstream.git');
  });

  it('warns of changes that are not committed', async () => {
    await repository('https://example.org/app.git');
    await writeFile(join(folder, 'a.txt'), 'changed');
    expect((await readSource(folder)).warnings).toEqual([expect.stringContaining('not committed')]);
  });

  it('does not warn of files that git does not know, such as the artifact itself', async () => {
    await repository('https://example.org/app.git');
    await writeFile(join(folder, 'app.tgz'), 'artifact');
    expect((await readSource(folder)).warnings).toEqual([]);
  });

  it('never shows the credentials in a remote', async () => {
    await repository('https://dave:s3cret@example.org/app.git?private_token=s3cret');
    expect(JSON.stringify(await readSource(folder))).not.toContain('s3cret');
  });

  it('runs no shell: a branch that looks like a command is a name', async () => {
    await repository('https://example.org/app.git');
    git('checkout', '-q', '-b', '$(touch${IFS}pwned);touch-pwned');
    const { source } = await readSource(folder);
    expect(source?.ref).toBe('refs/heads/$(touch${IFS}pwned);touch-pwned');
    await expect(stat(join(folder, 'pwned'))).rejects.toThrow();
  });

  it('does not start the file system monitor that a repository names', async () => {
    await repository('https://example.org/app.git');
    await writeFile(join(folder, 'monitor.sh'), '#!/bin/sh\ntouch "$(dirname "$0")/monitored"\n');
    await chmod(join(folder, 'monitor.sh'), 0o755);
    git('config', 'core.fsmonitor', join(folder, 'monitor.sh'));
    git('status');
    // It does start for plain git, or this test would show nothing.
    await stat(join(folder, 'monitored'));
    await rm(join(folder, 'monitored'));
    await readSource(folder);
    await expect(stat(join(folder, 'monitored'))).rejects.toThrow();
  });

  it('leaves out a ref that a person could not read (T36)', async () => {
    await repository('https://example.org/app.git');
    git('checkout', '-q', '-b', 'main\u202egnp');
    const { source, warnings } = await readSource(folder);
    expect(source?.ref).toBeNull();
    expect(warnings[0]).toContain('\\u{202e}');
  });

  it('leaves out a remote that is longer than a request takes', async () => {
    await repository(`https://example.org/${'x'.repeat(600)}.git`);
    const { source, warnings } = await readSource(folder);
    expect(source?.repo).toBeNull();
    expect(warnings).toHaveLength(1);
  });
});

describe('a remote without credentials', () => {
  it.each([
    ['https://example.org/app.git', 'https://example.org/app.git'],
    ['https://token@example.org/app.git', 'https://example.org/app.git'],
    ['https://dave:s3cret@example.org/app.git', 'https://example.org/app.git'],
    ['https://dave:p%40ss@example.org:8443/app.git', 'https://example.org:8443/app.git'],
    ['https://example.org/app.git?access_token=x#y', 'https://example.org/app.git'],
    ['ssh://git@example.org/app.git', 'ssh://git@example.org/app.git'],
    ['ssh://git:s3cret@example.org/app.git', 'ssh://git@example.org/app.git'],
    ['git@example.org:acme/app.git', 'git@example.org:acme/app.git'],
    ['git:s3cret@example.org:acme/app.git', 'git@example.org:acme/app.git'],
    ['https://dave:s3:cr@et@[bad/app.git', 'https://[bad/app.git'],
  ])('of %s is %s', (url, expected) => {
    expect(withoutCredentials(url)).toBe(expected);
  });
});
