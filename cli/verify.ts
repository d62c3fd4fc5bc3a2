/** `frostmark verify`: the verifier's own command line, the same as in the one-file build; nothing else is loaded for it. */
import { runVerify } from '../verifier/command.ts';
import type { World } from './command.ts';

/** Exit code 0 to 3. Throws nothing. */
export function verify(argv: readonly string[], world: World): Promise<number> {
  return runVerify(argv, {
    program: 'frostmark verify',
    stdout: (text) => world.stdout.write(text),
    stderr: (text) => world.stderr.write(text),
    nowUnixSeconds: world.nowUnixSeconds,
  });
}
