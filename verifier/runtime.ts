/**
 * What the one-file verifier needs of whatever runs it. `main.ts` imports it first and the build writes a syntax that Node 12 can read, so that
 * an older Node says this and does not die of something else.
 */
import { oldestNode } from './limits.ts';

const { versions, stdout, stderr, argv } = process;
// Bun and Deno say here which Node they are like.
const [major = 0, minor = 0] = versions.node.split('.').map(Number);
const [neededMajor, neededMinor] = oldestNode;

if (major < neededMajor || (major === neededMajor && minor < neededMinor)) {
  const message = `this is Node.js ${versions.node}, and frostmark-verify needs ${neededMajor}.${neededMinor} or newer`;
  if (argv.includes('--json'))
    stdout.write(`${JSON.stringify({ verified: false, code: 'old-runtime', message, exitCode: 1 })}\n`);
  stderr.write(`NOT CHECKED ${message} (old-runtime)\n  Run it with a newer Node.js, Bun or Deno.\n`);
  process.exit(1);
}
