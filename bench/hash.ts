/** What hashing a large file takes: `sign` with both hashes over SHA-512 alone, the verifier over openssl. Turns in one run, on a file in the page cache. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashArtifacts } from '../requester/artifacts.ts';
import { hashChunkBytes } from '../verifier/limits.ts';
import { readAhead } from '../verifier/open-file.ts';
import { median } from './measure.ts';

/** Milliseconds, medians. */
export interface HashReport {
  readonly signMs: number;
  readonly sha512Ms: number;
  readonly verifyMs: number;
  readonly opensslMs: number;
}

const turns = 5;

/** A file of so many bytes. */
export async function benchHashes(bytes: number): Promise<HashReport> {
  const folder = mkdtempSync(join(tmpdir(), 'frostmark-bench-'));
  const path = join(folder, 'large.bin');
  try {
    writeFileSync(path, 'a');
    truncateSync(path, bytes);
    const contenders = [
      () => hashArtifacts([path]),
      () => read(path, 'sha512'),
      () => read(path, 'sha256'),
      () => Promise.resolve(execFileSync('openssl', ['dgst', '-sha256', path])),
    ];
    const times = contenders.map(() => [] as number[]);
    for (let turn = 0; turn <= turns; turn += 1)
      for (const [index, contender] of contenders.entries()) {
        const startedAt = performance.now();
        await contender();
        // The first turn only fills the cache.
        if (turn > 0) times[index]?.push(performance.now() - startedAt);
      }
    const [signMs = NaN, sha512Ms = NaN, verifyMs = NaN, opensslMs = NaN] = times.map(median);
    return { signMs, sha512Ms, verifyMs, opensslMs };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** As the verifier reads. */
async function read(path: string, algorithm: string): Promise<void> {
  await using handle = await open(path);
  const hash = createHash(algorithm);
  for await (const chunk of readAhead(handle, path, hashChunkBytes)) hash.update(chunk);
  hash.digest();
}
