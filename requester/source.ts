/** Where a release was built from, as git tells: repository, ref and commit. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { maxSourceBytes } from '../verifier/limits.ts';
import { isCommit, isText } from '../verifier/names.ts';
import { printable } from '../verifier/printable.ts';
import { maxSourceCharacters } from '../protocol/limits.ts';
import type { Source } from '../protocol/request/request.ts';
import { gitTimeoutMs, maxGitOutputBytes } from './limits.ts';

/** What git told of a working tree. */
export interface FoundSource {
  readonly source: Source | null;
  /** What whoever asks should know before it is signed. */
  readonly warnings: readonly string[];
}

const run = promisify(execFile);

/**
 * Asks git about the working tree that `folder` is in; `source: null` where there is none. `repo` is the remote's URL without
 * credentials, `null` when there is none that others could use; `ref` is a full name such as `refs/heads/main`, `null` when HEAD is on
 * no branch and no tag. Throws nothing: a source is optional.
 */
export async function readSource(folder: string): Promise<FoundSource> {
  const commit = await git(folder, ['rev-parse', '--verify', '--quiet', 'HEAD^{commit}']);
  if (commit === undefined || !isCommit(commit)) return { source: null, warnings: [] };
  const repo = await repositoryOf(folder);
  const ref = await refOf(folder);
  const warnings = await warningsOf(folder);
  for (const text of [repo, ref]) {
    if (text !== null && !isSourceText(text))
      warnings.push(`left out of the source, too long or not printable: ${printable(text).slice(0, 100)}`);
  }
  return { source: { repo: usable(repo), ref: usable(ref), commit }, warnings };
}

function usable(text: string | null): string | null {
  return text !== null && isSourceText(text) ? text : null;
}

function isSourceText(text: string): boolean {
  return isText(text, maxSourceBytes) && text.length <= maxSourceCharacters && printable(text) === text;
}

/** The remote of the current branch, else `origin`, else the first one; without credentials. */
async function repositoryOf(folder: string): Promise<string | null> {
  const remotes = (await git(folder, ['remote']))?.split('\n').filter((name) => name !== '') ?? [];
  const branch = await git(folder, ['symbolic-ref', '--quiet', '--short', 'HEAD']);
  const tracked =
    branch === undefined ? undefined : await git(folder, ['config', '--get', '--', `branch.${branch}.remote`]);
  const remote = [tracked, 'origin', remotes[0]].find((name) => name !== undefined && remotes.includes(name));
  if (remote === undefined) return null;
  const url = await git(folder, ['remote', 'get-url', '--', remote]);
  return url === undefined || isLocal(url) ? null : withoutCredentials(url);
}

/** A path on this machine says nothing to anybody else; `host:path` before the first slash is ssh's short form. */
function isLocal(url: string): boolean {
  return /^file:/i.test(url) || (!url.includes('://') && !/^[^/]+:/.test(url));
}

/** The branch that HEAD is on, else a tag that points to it. */
async function refOf(folder: string): Promise<string | null> {
  const branch = await git(folder, ['symbolic-ref', '--quiet', 'HEAD']);
  if (branch !== undefined) return branch;
  const tags = await git(folder, ['for-each-ref', '--points-at=HEAD', '--format=%(refname)', 'refs/tags']);
  return tags?.split('\n')[0] ?? null;
}

async function warningsOf(folder: string): Promise<string[]> {
  const status = await git(folder, ['status', '--porcelain', '--untracked-files=no', '--ignore-submodules=none']);
  if (status === '') return [];
  if (status === undefined) return ['git could not tell whether the working tree is clean'];
  return ['the working tree has changes that are not committed: the commit does not tell all that was built'];
}

/** Output without the newline at its end; `undefined` if git failed, is not installed, or said nothing at all by failing. */
async function git(folder: string, args: readonly string[]): Promise<string | undefined> {
  try {
    // The file system monitor is a program that the repository's own configuration may name.
    const { stdout } = await run('git', ['-c', 'core.fsmonitor=false', ...args], {
      cwd: folder,
      timeout: gitTimeoutMs,
      maxBuffer: maxGitOutputBytes,
      env: { ...process.env, LC_ALL: 'C', GIT_OPTIONAL_LOCKS: '0', GIT_TERMINAL_PROMPT: '0' },
    });
    return stdout.trim() === '' && args[0] !== 'status' ? undefined : stdout.replace(/\n+$/, '');
  } catch {
    return undefined;
  }
}

/**
 * The URL as anybody may read it: without password, without the user name unless ssh needs it, without query and fragment
 * (each of them is where tokens are).
 */
export function withoutCredentials(url: string): string {
  const parsed = URL.canParse(url) && /^[a-z][a-z0-9+.-]*:\/\//i.test(url) ? new URL(url) : undefined;
  if (parsed !== undefined) {
    parsed.password = '';
    if (!/^(git\+)?ssh(\+git)?:$/.test(parsed.protocol)) parsed.username = '';
    parsed.search = '';
    parsed.hash = '';
    return parsed.href;
  }
  // What looks like a URL and is none may still hold `user:password@`.
  if (url.includes('://')) return url.replace(/^([^/]*:\/\/)[^/]*@/, '$1').replace(/[?#].*$/s, '');
  // ssh's short form, `user@host:path`; a password in it would be before the first @.
  return url.replace(/^([^/@:]*):([^/@]*)@/, '$1@');
}
