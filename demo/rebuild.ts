/**
 * What a build host runs to decide: `node rebuild.js SOURCES` with the request on stdin, in an empty folder of its own.
 * It builds the release itself and approves (exit 0) only what came out the same, byte for byte.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packFresh } from './pack.ts';

interface Asked {
  readonly request: {
    readonly product: string | null;
    readonly artifacts: readonly { readonly name: string; readonly sha256: string }[];
  };
}

function decide(asked: Asked, sources: string): string | undefined {
  const { product, artifacts } = asked.request;
  if (product !== 'frostmark') return `only frostmark is built here, not ${product ?? 'a release without a product'}`;
  const built = packFresh(sources, join(process.cwd(), 'build'));
  for (const { name, sha256 } of artifacts) {
    if (name !== built.name) return `${name} does not come out of these sources, ${built.name} does`;
    if (sha256 !== built.sha256) return `rebuilt ${name} has another digest: ${built.sha256.slice(0, 16)}… here`;
  }
  return undefined;
}

const refusal = decide(JSON.parse(readFileSync(0, 'utf8')) as Asked, process.argv[2] ?? '');
if (refusal !== undefined) {
  process.stderr.write(`${refusal}\n`);
  process.exitCode = 1;
}
